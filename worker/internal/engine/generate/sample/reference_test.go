package sample_test

import (
	"math"
	"slices"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate/sample"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/tokenset"
)

// reference is the plainest way to say what the sampler does: float64, full sorts, one step after the other. It gives
// the probability of every token.
func reference(p sample.Params, row []float32, prompt, generated []int32, mask *tokenset.Bitset) []float64 {
	l := make([]float64, len(row))
	for i, v := range row {
		l[i] = float64(v)
	}
	penalize(p, l, prompt, generated)
	for id, by := range p.LogitBias {
		l[id] += by
	}
	for _, id := range p.Suppress {
		l[id] = math.Inf(-1)
	}
	for i := range l {
		if mask != nil && !mask.Has(int32(i)) {
			l[i] = math.Inf(-1)
		}
	}
	probs := make([]float64, len(l))
	if math.IsInf(slices.Max(l), -1) {
		return nil // nothing is left
	}
	if p.Temperature == 0 {
		best := 0
		for i, v := range l {
			if v > l[best] {
				best = i
			}
		}
		probs[best] = 1
		return probs
	}
	highest := slices.Max(l)
	for i, v := range l {
		probs[i] = math.Exp((v - highest) / p.Temperature)
	}
	normalize(probs)
	if p.TopK > 0 {
		keep(probs, func(i int) float64 { return l[i] }, func(n int, _ float64) bool { return n < p.TopK })
	}
	if p.TypicalP < 1 {
		entropy := 0.0
		for _, q := range probs {
			if q > 0 {
				entropy -= q * math.Log(q)
			}
		}
		by := slices.Clone(probs)
		keep(probs, func(i int) float64 { return -math.Abs(-math.Log(by[i]) - entropy) },
			func(_ int, sum float64) bool { return sum < p.TypicalP*(1-1e-6) })
	}
	if p.TopP < 1 {
		keep(probs, func(i int) float64 { return l[i] },
			func(n int, sum float64) bool { return n == 0 || sum < p.TopP*(1-1e-6) })
	}
	likeliest := slices.Max(probs)
	for i, q := range probs {
		if q < p.MinP*likeliest*(1-1e-6) {
			probs[i] = 0
		}
	}
	normalize(probs)
	return probs
}

func penalize(p sample.Params, l []float64, prompt, generated []int32) {
	window := slices.Concat(prompt, generated)
	if p.RepeatLastN >= 0 && len(window) > p.RepeatLastN {
		window = window[len(window)-p.RepeatLastN:]
	}
	for i := range l {
		if slices.Contains(window, int32(i)) {
			if l[i] > 0 {
				l[i] /= p.RepetitionPenalty
			} else {
				l[i] *= p.RepetitionPenalty
			}
		}
		times := 0
		for _, id := range generated {
			if int(id) == i {
				times++
			}
		}
		if times > 0 {
			l[i] -= p.PresencePenalty + p.FrequencyPenalty*float64(times)
		}
	}
}

// keep zeroes what comes, in the order of key, after the first token at which more says no.
func keep(probs []float64, key func(int) float64, more func(n int, sum float64) bool) {
	order := make([]int, len(probs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch ka, kb := key(a), key(b); {
		case probs[a] == 0 || probs[b] == 0: // impossible ones go last
			return -cmpBool(probs[a] > 0, probs[b] > 0)
		case ka > kb:
			return -1
		case ka < kb:
			return 1
		}
		return 0
	})
	sum := 0.0
	for n, i := range order {
		if !more(n, sum) {
			probs[i] = 0
			continue
		}
		sum += probs[i]
	}
	normalize(probs)
}

func cmpBool(a, b bool) int {
	switch {
	case a && !b:
		return 1
	case b && !a:
		return -1
	}
	return 0
}

func normalize(probs []float64) {
	sum := 0.0
	for _, q := range probs {
		sum += q
	}
	for i := range probs {
		probs[i] /= sum
	}
}
