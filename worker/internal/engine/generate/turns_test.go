package generate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// TestALongPromptStallsNobody: between two tokens of an answer there is at most one chunk of others' prompts, and a short
// prompt does not wait for a long one's end.
func TestALongPromptStallsNobody(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	e := tiny(t, rt, "plain.onnx", model.Generate{PrefillChunk: 16})
	var ascii strings.Builder
	for _, id := range []string{"256", "257", "258", "259", "260"} { // each token makes a delta, as no byte waits for others
		ascii.WriteString(`,"` + id + `":-100`)
	}
	first, err := admit(t, e, ask("x", 300, `,"logprobs":true,"logit_bias":{`+ascii.String()[1:]+`}`))
	require.NoError(t, err)
	_, err = e.Step(t.Context())
	require.NoError(t, err)
	long, err := admit(t, e, ask(strings.Repeat("long ", 80), 1, ""))
	require.NoError(t, err)
	short, err := admit(t, e, ask("short", 1, ""))
	require.NoError(t, err)
	ended := map[engine.SeqID]int{}
	tokens := 0
	for step := 1; len(ended) < 2; step++ {
		events, err := e.Step(t.Context())
		require.NoError(t, err)
		for _, ev := range events {
			switch {
			case ev.Done:
				ended[ev.Seq] = step
			case ev.Seq == first:
				tokens += strings.Count(string(ev.Delta), `"top_logprobs"`)
			}
		}
	}
	assert.Equal(t, 2*(400/16+1), ended[long], "every other step is a prompt's")
	assert.LessOrEqual(t, ended[short], 4)
	assert.GreaterOrEqual(t, tokens, 400/16-2)
	e.Cancel(first)
}
