package sample

import (
	"math"
	"slices"
)

// candidate is a token that the filters have left. p is relative: the likeliest of the row has 1.
type candidate struct {
	id    int32
	logit float32
	p     float32
}

// rank is a token's place in an order: the higher key first, the lower id among equals.
type rank struct {
	key float32
	id  int32
	p   float32
}

func (a rank) before(b rank) bool { return a.key > b.key || a.key == b.key && a.id < b.id }

func compare(a, b rank) int {
	if a.before(b) {
		return -1
	}
	return 1
}

// enough forgives a nucleus the rounding of its sum, so that half of ten equal tokens are five.
const enough = 1 - 1e-6

// boundary is the last rank, best first, of the smallest head of order that reaches target when each rank counts as
// weigh says: 1 or its probability. When all of them do not reach it, it is the last of all. It reorders order. Expected
// time is linear; a run of bad pivots ends in a sort.
func boundary(order []rank, target float64, weigh func(rank) float64) rank {
	lo, hi, have := 0, len(order), 0.0
	for rounds := 0; hi-lo > 12 && rounds < 64; rounds++ {
		mid := partition(order, lo, hi)
		head := 0.0
		for _, r := range order[lo:mid] {
			head += weigh(r)
		}
		at := weigh(order[mid])
		switch {
		case have+head >= target && mid > lo:
			hi = mid
		case have+head+at >= target:
			return order[mid]
		default:
			have += head + at
			lo = mid + 1
		}
	}
	slices.SortFunc(order[lo:hi], compare)
	for _, r := range order[lo:hi] {
		if have += weigh(r); have >= target {
			return r
		}
	}
	return order[hi-1]
}

// partition moves what comes before a pivot to its left and returns the pivot's place.
func partition(order []rank, lo, hi int) int {
	a, b, c := lo, lo+(hi-lo)/2, hi-1
	if order[b].before(order[a]) {
		a, b = b, a
	}
	if order[c].before(order[b]) {
		b = c
		if order[b].before(order[a]) {
			b = a
		}
	}
	last := hi - 1
	order[b], order[last] = order[last], order[b]
	pivot, at := order[last], lo
	for i := lo; i < last; i++ {
		if order[i].before(pivot) {
			order[i], order[at] = order[at], order[i]
			at++
		}
	}
	order[at], order[last] = order[last], order[at]
	return at
}

func one(rank) float64    { return 1 }
func mass(r rank) float64 { return float64(r.p) }

// topK is the k-th best rank of a row. It keeps a buffer of 2k and cuts it to the best k whenever it is full, so a row
// of any order costs linear time.
func (s *Sampler) topK(logits []float32, k int) rank {
	room := 2*k + 64
	buf := s.order[:0]
	last := rank{key: float32(math.Inf(-1)), id: -1}
	for i, v := range logits {
		if v <= last.key { // ids rise, so an equal comes after
			continue
		}
		buf = append(buf, rank{key: v, id: int32(i)})
		if len(buf) == room {
			last = boundary(buf, float64(k), one)
			buf = slices.DeleteFunc(buf, func(r rank) bool { return last.before(r) })
		}
	}
	s.order = buf
	return boundary(buf, float64(k), one)
}

// gather fills s.kept with the possible tokens of the row that come no later than last.
func (s *Sampler) gather(logits []float32, highest float32, last rank) {
	kept := s.kept[:0]
	for i, v := range logits {
		if v < last.key || v == last.key && i > int(last.id) {
			continue
		}
		if p := exp32((v - highest) * s.inverse); p > 0 {
			kept = append(kept, candidate{int32(i), v, p})
		}
	}
	s.kept = kept
}

const (
	binsPerNat = 16
	binCount   = 88 * binsPerNat // exp32 is 0 beyond
)

// gatherNucleus fills s.kept with a few more than the likeliest tokens of mass topP, and returns the row's whole mass.
// It sums the row's mass by distance from the maximum and so finds a logit that the nucleus does not go below.
func (s *Sampler) gatherNucleus(logits []float32, highest float32) float64 {
	if s.bins == nil {
		s.bins = make([]float64, binCount)
	}
	clear(s.bins)
	for _, v := range logits {
		x := (v - highest) * s.inverse
		if p := exp32(x); p > 0 {
			s.bins[int(x*-binsPerNat)] += float64(p)
		}
	}
	total := 0.0
	for _, m := range s.bins {
		total += m
	}
	bin := 0
	for have := s.bins[0]; have < s.p.TopP*total && bin < binCount-1; have += s.bins[bin] {
		bin++
	}
	kept := s.kept[:0]
	lowest := -float32(bin+1) / binsPerNat
	for i, v := range logits {
		x := (v - highest) * s.inverse
		if x < lowest {
			continue
		}
		if p := exp32(x); p > 0 {
			kept = append(kept, candidate{int32(i), v, p})
		}
	}
	s.kept = kept
	return total
}

// cut drops from s.kept what comes after the smallest head of mass target, in the order of key.
func (s *Sampler) cut(target float64, key func(candidate) float32) {
	order := s.order[:0]
	for _, c := range s.kept {
		order = append(order, rank{key(c), c.id, c.p})
	}
	s.order = order
	last := boundary(order, target*enough, mass)
	s.kept = slices.DeleteFunc(s.kept, func(c candidate) bool {
		return last.before(rank{key: key(c), id: c.id})
	})
}

func (s *Sampler) total() float64 {
	sum := 0.0
	for _, c := range s.kept {
		sum += float64(c.p)
	}
	return sum
}
