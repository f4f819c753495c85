package sample

import (
	"math"
	"slices"
)

// blockSize is how many tokens share a partial sum, so that a draw over the whole row needs no second pass.
const blockSize = 256

// draw chooses one token of a row whose highest logit is highest. One number is drawn, whatever is left to choose from.
func (s *Sampler) draw(logits []float32, highest float32) int32 {
	u := float64(s.rng.Uint64()>>11) / (1 << 53)
	p := &s.p
	narrow := p.TopK > 0 && p.TopK < len(logits)
	all := rank{key: float32(math.Inf(-1)), id: math.MaxInt32}
	whole := 0.0 // the mass before top_p, when it is not s.kept's
	switch {
	case narrow:
		s.gather(logits, highest, s.topK(logits, p.TopK))
	case p.TypicalP < 1:
		s.gather(logits, highest, all)
	case p.TopP < 1:
		whole = s.gatherNucleus(logits, highest)
	case p.MinP > 0:
		s.gather(logits, highest, s.likely(highest))
	default:
		return s.drawRow(logits, highest, u)
	}
	if p.TypicalP < 1 {
		s.typical(highest)
	}
	if p.TopP < 1 {
		if whole == 0 {
			whole = s.total()
		}
		s.cut(p.TopP*whole, func(c candidate) float32 { return c.logit })
	}
	if p.MinP > 0 {
		s.minP()
	}
	return s.drawKept(u)
}

// likely is a bound below which min_p surely drops a token; minP itself decides at the edge.
func (s *Sampler) likely(highest float32) rank {
	below := (math.Log(s.p.MinP) - 1e-3) * s.p.Temperature
	return rank{key: float32(float64(highest) + below), id: math.MaxInt32}
}

func (s *Sampler) minP() {
	likeliest := float32(0)
	for _, c := range s.kept {
		likeliest = max(likeliest, c.p)
	}
	least := likeliest * float32(s.p.MinP*enough)
	s.kept = slices.DeleteFunc(s.kept, func(c candidate) bool { return c.p < least })
}

// typical keeps the tokens whose surprise is nearest to the entropy of what is left, up to a mass of TypicalP.
func (s *Sampler) typical(highest float32) {
	total := s.total()
	shift := math.Log(total)
	surprise := func(c candidate) float64 { return shift - float64((c.logit-highest)*s.inverse) }
	entropy := 0.0
	for _, c := range s.kept {
		entropy += float64(c.p) * surprise(c)
	}
	entropy /= total
	s.cut(s.p.TypicalP*total, func(c candidate) float32 { return float32(-math.Abs(surprise(c) - entropy)) })
}

// drawKept takes the token of s.kept at which the running sum passes u of the whole.
func (s *Sampler) drawKept(u float64) int32 {
	u *= s.total()
	for _, c := range s.kept {
		if u -= float64(c.p); u < 0 {
			return c.id
		}
	}
	return s.kept[len(s.kept)-1].id
}

// drawRow is drawKept over the whole row.
func (s *Sampler) drawRow(logits []float32, highest float32, u float64) int32 {
	blocks, total := s.blocks[:0], 0.0
	for from := 0; from < len(logits); from += blockSize {
		sum := 0.0
		for _, v := range logits[from:min(from+blockSize, len(logits))] {
			sum += float64(exp32((v - highest) * s.inverse))
		}
		blocks = append(blocks, sum)
		total += sum
	}
	s.blocks = blocks
	u *= total
	last := -1 // the last block with any mass: rounding may carry u past the end
	for b, sum := range blocks {
		if sum == 0 {
			continue
		}
		last = b
		if u < sum {
			break
		}
		u -= sum
	}
	from, id := last*blockSize, 0
	for i, v := range logits[from:min(from+blockSize, len(logits))] {
		p := float64(exp32((v - highest) * s.inverse))
		if p == 0 {
			continue
		}
		id = from + i
		if u -= p; u < 0 {
			break
		}
	}
	return int32(id)
}
