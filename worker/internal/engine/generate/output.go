package generate

import (
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate/sample"
)

// quote appends a JSON string. Bytes that are no UTF-8 become U+FFFD.
func quote[T string | []byte](b []byte, s T) []byte {
	b, _ = jsontext.AppendQuote(b, s) // its only error is about invalid UTF-8, which it has replaced
	return b
}

// comma appends a comma between two members or elements.
func comma(b []byte) []byte {
	if c := b[len(b)-1]; c != '{' && c != '[' {
		b = append(b, ',')
	}
	return b
}

func member(b []byte, name, value string) []byte {
	b = append(comma(b), '"')
	b = append(b, name...)
	b = append(b, `":`...)
	return quote(b, value)
}

// delta makes the JSON of an output event. logprobs are the items of the tokens that came since the last one.
func delta(index int, several bool, name, value string, raw []byte, logprobs []byte) []byte {
	b := make([]byte, 0, len(name)+len(value)+len(raw)+len(logprobs)+40)
	b = append(b, '{')
	if several {
		b = append(b, `"index":`...)
		b = strconv.AppendInt(b, int64(index), 10)
	}
	if raw != nil {
		b = append(comma(b), '"')
		b = append(b, name...)
		b = append(b, `":`...)
		b = append(b, raw...)
	} else {
		b = member(b, name, value)
	}
	if len(logprobs) > 0 {
		b = append(b, `,"logprobs":[`...)
		b = append(b, logprobs...)
		b = append(b, ']')
	}
	return append(b, '}')
}

// output makes the JSON of a result.
func output(choices []*choice) []byte {
	if len(choices) == 1 {
		return append(choices[0].members([]byte{'{'}), '}')
	}
	b := []byte(`{"choices":[`)
	for i, c := range choices {
		b = append(comma(b), `{"index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(c.members(b), '}')
	}
	return append(b, `]}`...)
}

func (c *choice) members(b []byte) []byte {
	b = member(b, "text", string(c.text))
	if len(c.reasoning) > 0 {
		b = member(b, "reasoning", string(c.reasoning))
	}
	if len(c.calls) > 0 {
		b = append(b, `,"tool_calls":[`...)
		b = append(append(b, c.calls...), ']')
	}
	b = member(b, "finish_reason", c.finish)
	if c.sequence.in.Logprobs {
		b = append(b, `,"logprobs":[`...)
		b = append(append(b, c.logprobs...), ']')
	}
	return b
}

// logprobItem appends one token with its log-probability and those of the likeliest. The sampler's own memory is in
// chosen, so that this comes before the next token.
func (e *Engine) logprobItem(b []byte, chosen *sample.Choice, asked int) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	b = e.logprobToken(b, chosen.ID, chosen.Logprob)
	b = append(b, `,"top_logprobs":[`...)
	for _, t := range chosen.Top[:min(len(chosen.Top), asked)] {
		b = append(e.logprobToken(comma(b), t.ID, t.Logprob), '}')
	}
	return append(b, `]}`...)
}

func (e *Engine) logprobToken(b []byte, id int32, logprob float32) []byte {
	raw := e.language.bytes(id)
	b = quote(append(b, `{"token":`...), raw)
	b = append(b, `,"bytes":[`...)
	for i, c := range raw {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(c), 10)
	}
	b = append(b, `],"logprob":`...)
	if math.IsInf(float64(logprob), 0) || logprob < -9999 {
		logprob = -9999
	}
	return strconv.AppendFloat(b, float64(logprob), 'g', -1, 32)
}
