package input

import (
	"math"
	"strconv"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

// Sampling says how a token is picked. What is nil is as the model's generation_config.json has it, or off.
type Sampling struct {
	Temperature       *float64          // 0 to 10; 0 picks the likeliest token
	TopP              *float64          // 0 to 1
	MinP              *float64          // 0 to 1
	TypicalP          *float64          // 0 to 1
	TopK              *int              // 0 (off) to 1<<20
	RepetitionPenalty *float64          // 0.01 to 10, over prompt and answer; 1 is off
	PresencePenalty   *float64          // -2 to 2, over the answer
	FrequencyPenalty  *float64          // -2 to 2, over the answer
	RepeatLastN       *int              // tokens that the repetition penalty looks back at; 0 none, -1 all
	Seed              *int64            // the same seed picks the same tokens
	LogitBias         map[int32]float64 // by token id, -100 to 100
}

func (r reader) sampling(s *Sampling, name string, v []byte) error {
	switch name {
	case "temperature":
		return r.number(v, &s.Temperature, 0, 10, name)
	case "top_p":
		return r.number(v, &s.TopP, 0, 1, name)
	case "min_p":
		return r.number(v, &s.MinP, 0, 1, name)
	case "typical_p":
		return r.number(v, &s.TypicalP, 0, 1, name)
	case "repetition_penalty":
		return r.number(v, &s.RepetitionPenalty, 0.01, 10, name)
	case "presence_penalty":
		return r.number(v, &s.PresencePenalty, -2, 2, name)
	case "frequency_penalty":
		return r.number(v, &s.FrequencyPenalty, -2, 2, name)
	case "top_k":
		s.TopK = new(int)
		return r.whole(v, s.TopK, 0, 1<<20, name)
	case "repeat_last_n":
		s.RepeatLastN = new(int)
		return r.whole(v, s.RepeatLastN, -1, 1<<20, name)
	case "seed":
		n, err := strconv.ParseInt(string(v), 10, 64)
		switch {
		case r.later(v):
		case rawjson.Kind(v) != 0 || err != nil:
			return fault.Invalid(name, "must be a whole number of 64 bits")
		default:
			s.Seed = &n
		}
		return nil
	case "logit_bias":
		return r.bias(s, v)
	}
	return unknown("", []byte(name))
}

func (r reader) bias(s *Sampling, v []byte) error {
	const field = "logit_bias"
	if r.later(v) {
		return nil
	}
	if rawjson.Kind(v) != '{' {
		return fault.Invalid(field, "must be an object of token ids and numbers")
	}
	s.LogitBias = map[int32]float64{}
	for name, e := range rawjson.Members(v) {
		at := fault.Join(field, rawjson.Clip(name))
		id, err := strconv.ParseInt(string(name), 10, 32)
		if err != nil || id < 0 || id > math.MaxInt32 {
			return fault.Invalid(at, "is not a token's id")
		}
		if len(s.LogitBias) == MaxBias {
			return fault.Invalid(field, "has more than %d tokens", MaxBias)
		}
		var f *float64
		if err := r.number(e, &f, -100, 100, at); err != nil {
			return err
		}
		if f != nil {
			s.LogitBias[int32(id)] = *f
		}
	}
	return nil
}
