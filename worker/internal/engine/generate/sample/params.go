package sample

import (
	"math"

	"github.com/penstock-dev/penstock/shared/fault"
)

// The bounds of what a caller may ask for.
const (
	MaxTemperature = 100
	MaxPenalty     = 100 // of repetition; presence and frequency go from -2 to 2
	MaxBias        = 100
	MaxTopLogprobs = 20

	greedyBelow = 1e-5 // a temperature under it divides float32 logits into infinity
)

// Params says how to choose. Start from Default: the zero value asks for impossible penalties.
type Params struct {
	Temperature       float64           // 0: the likeliest token, always
	TopK              int               // keep the k likeliest; 0 and -1: all
	TypicalP          float64           // keep the most typical tokens of this mass; 1: all
	TopP              float64           // keep the likeliest tokens of this mass; 1: all; 0: only the likeliest
	MinP              float64           // keep tokens at least this likely beside the likeliest; 0: all
	RepetitionPenalty float64           // 1: none
	RepeatLastN       int               // how many tokens back the repetition penalty looks; -1: all, 0: off
	PresencePenalty   float64           // taken once from each token generated so far
	FrequencyPenalty  float64           // taken from a token once for each time it was generated
	LogitBias         map[int32]float64 // added to these tokens' logits
	Suppress          []int32           // never chosen; ids beyond the vocabulary are left out
	Seed              *int64            // nil: a random one
	Stream            uint64            // tells apart the answers to one request, which share its seed
	Logprobs          bool              // fill Choice.Logprob
	TopLogprobs       int               // and this many likeliest tokens beside it
}

// Default is plain sampling from the model's own distribution.
func Default() Params {
	return Params{Temperature: 1, TypicalP: 1, TopP: 1, RepetitionPenalty: 1, RepeatLastN: -1}
}

// Validate checks every range against a vocabulary's size. The error is a fault at the field's name.
func (p *Params) Validate(vocab int) error {
	for _, r := range []struct {
		field      string
		v, lo, hi  float64
		openAtZero bool // 0 itself is out of range
	}{
		{"temperature", p.Temperature, 0, MaxTemperature, false},
		{"typical_p", p.TypicalP, 0, 1, true},
		{"top_p", p.TopP, 0, 1, false},
		{"min_p", p.MinP, 0, 1, false},
		{"repetition_penalty", p.RepetitionPenalty, 0, MaxPenalty, true},
		{"presence_penalty", p.PresencePenalty, -2, 2, false},
		{"frequency_penalty", p.FrequencyPenalty, -2, 2, false},
	} {
		if r.openAtZero && r.v == 0 {
			return fault.Invalid(r.field, "must be above 0")
		}
		if !(r.v >= r.lo && r.v <= r.hi) { // NaN too
			return fault.Invalid(r.field, "must be from %g to %g", r.lo, r.hi)
		}
	}
	if p.TopK < -1 {
		return fault.Invalid("top_k", "must be 0 or more; 0 and -1 keep every token")
	}
	if p.RepeatLastN < -1 {
		return fault.Invalid("repeat_last_n", "must be -1 (all), 0 (off) or more")
	}
	if p.TopLogprobs < 0 || p.TopLogprobs > MaxTopLogprobs {
		return fault.Invalid("top_logprobs", "must be from 0 to %d", MaxTopLogprobs)
	}
	for id, v := range p.LogitBias {
		if id < 0 || int(id) >= vocab {
			return fault.Invalid("logit_bias", "token %d is not in the vocabulary of %d", id, vocab)
		}
		if math.IsNaN(v) || math.Abs(v) > MaxBias {
			return fault.Invalid("logit_bias", "of token %d must be from %d to %d", id, -MaxBias, MaxBias)
		}
	}
	return nil
}
