package sample

import "math"

// logSumExp is the logarithm of the row's softmax denominator.
func logSumExp(logits []float32, highest float32) float64 {
	var sum float64
	for _, v := range logits {
		sum += float64(exp32(v - highest))
	}
	return float64(highest) + math.Log(sum)
}

// rankTop fills s.top with the likeliest tokens of the row, by insertion: the list is short.
func (s *Sampler) rankTop(logits []float32, lse float64) {
	n := s.p.TopLogprobs
	if n == 0 {
		return
	}
	lowest := float32(math.Inf(-1)) // of a full list; impossible tokens never enter
	for i, v := range logits {
		if v <= lowest {
			continue
		}
		if len(s.top) < n {
			s.top = append(s.top, TokenLogprob{})
		}
		j := len(s.top) - 1
		for ; j > 0 && s.top[j-1].Logprob < v; j-- {
			s.top[j] = s.top[j-1]
		}
		s.top[j] = TokenLogprob{int32(i), v}
		if len(s.top) == n {
			lowest = s.top[n-1].Logprob
		}
	}
	for i := range s.top {
		s.top[i].Logprob = float32(float64(s.top[i].Logprob) - lse)
	}
}
