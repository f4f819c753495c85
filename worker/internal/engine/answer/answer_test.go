package answer_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/engine/answer"
)

func TestDeltas(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]answer.Delta{
		`{"text":"a\"b"}`:             {Text: `a"b`},
		`{"text":""}`:                 {},
		`{"reasoning":"hm"}`:          {Reasoning: "hm"},
		`{"index":1,"text":"x"}`:      {Index: 1, Many: true, Text: "x"},
		`{"text":"` + "\ufffd" + `"}`: {Text: "\xff"},
		`{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}},{"index":0,"function":{"arguments":"{}"}}]}`: {
			ToolCalls: []answer.ToolCallDelta{{ID: "c", Name: "f"}, {Arguments: "{}"}},
		},
		`{"text":"h","logprobs":[{"token":"h","bytes":[104],"logprob":-0.5,"top_logprobs":[{"token":"h","bytes":[104],"logprob":-9999}]}]}`: {
			Text: "h", Logprobs: []answer.Logprob{{Token: []byte("h"), Logprob: -0.5, Top: []answer.Logprob{{Token: []byte("h"), Logprob: math.Inf(-1)}}}},
		},
	} {
		assert.Equal(t, want, string(d.Append(nil)))
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	one := answer.Choice{Text: "a", FinishReason: answer.Stop}
	assert.JSONEq(t, `{"text":"a","finish_reason":"stop"}`, string(answer.Output([]answer.Choice{one})))
	two := answer.Choice{Reasoning: "r", FinishReason: answer.ToolCalls, ToolCalls: []input.ToolCall{{ID: "c", Name: "f", Arguments: `{"a":1}`}}, Logprobs: []answer.Logprob{}}
	out := answer.Output([]answer.Choice{one, two})
	assert.True(t, json.Valid(out))
	assert.JSONEq(t, `{"choices":[{"index":0,"text":"a","finish_reason":"stop"},{"index":1,"text":"","reasoning":"r",`+
		`"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}],"finish_reason":"tool_calls","logprobs":[]}]}`, string(out))
}
