package generate_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
)

// sample is one case of the demo model's testdata/reference.json: what another implementation answers, greedily and one
// sequence at a time.
type sample struct {
	Name      string          `json:"name"`
	Messages  json.RawMessage `json:"messages"`
	Tools     json.RawMessage `json:"tools"`
	Think     bool            `json:"think"`
	Prompt    string          `json:"prompt"`
	PromptIDs []int32         `json:"prompt_ids"`
	OutputIDs []int32         `json:"output_ids"`
	Output    string          `json:"output"`
}

// request asks for the same by messages.
func (s *sample) request(t *testing.T) []byte {
	t.Helper()
	in := map[string]any{"messages": s.Messages, "think": s.Think, "temperature": 0, "max_tokens": len(s.OutputIDs)}
	if len(s.Tools) > 0 && string(s.Tools) != "null" {
		in["tools"] = s.Tools
	}
	b, err := json.Marshal(in)
	require.NoError(t, err)
	return b
}

func samples(t *testing.T) []sample {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(onnxlib.Root(t), "worker", "models", "chat-tiny", "testdata", "reference.json"))
	require.NoError(t, err)
	var all []sample
	require.NoError(t, json.Unmarshal(b, &all))
	require.NotEmpty(t, all)
	return all
}

// TestDemoModel holds the demo model's answers against the reference: raw prompts one by one, and conversations all at
// once, with and without the cache of others.
func TestDemoModel(t *testing.T) {
	t.Parallel()
	all := samples(t)
	e := demo(t, withoutPrefixes)
	for i := range all {
		s := &all[i]
		a := single(t, e, ask(s.Prompt, len(s.OutputIDs), `,"temperature":0`))
		assert.Equal(t, s.Output, textOf(t, a.output), s.Name)
		assert.Equal(t, len(s.PromptIDs), a.result.InputTokens, s.Name)
	}
	together(t, e, all)
	shared := demo(t, nil)
	for range 2 {
		together(t, shared, all[:min(24, len(all))])
	}
}

// together answers conversations as many at once as fit.
func together(t *testing.T, e *generate.Engine, all []sample) {
	t.Helper()
	answers, of := map[engine.SeqID]*answer{}, map[engine.SeqID]*sample{}
	for next, open := 0, 0; next < len(all) || open > 0; {
		for next < len(all) {
			id, err := admit(t, e, all[next].request(t))
			if errors.Is(err, engine.ErrBusy) {
				break
			}
			require.NoError(t, err)
			answers[id], of[id] = &answer{}, &all[next]
			next++
			open++
		}
		events, err := e.Step(t.Context())
		require.NoError(t, err)
		for _, ev := range events {
			open -= note(t, answers, ev)
		}
	}
	for id, s := range of {
		a := answers[id]
		require.NoError(t, a.err)
		assert.Equal(t, len(s.PromptIDs), a.result.InputTokens, s.Name)
		var o struct {
			Text      string `json:"text"`
			Reasoning string `json:"reasoning"`
			Calls     []struct {
				Function struct {
					Name string `json:"name"`
				} `json:"function"`
			} `json:"tool_calls"`
		}
		require.NoError(t, json.Unmarshal([]byte(a.output), &o))
		assert.Contains(t, s.Output, o.Text, s.Name)
		assert.Contains(t, s.Output, o.Reasoning, s.Name)
		assert.Len(t, o.Calls, strings.Count(s.Output, "</tool_call>"), s.Name)
		for _, c := range o.Calls {
			assert.Contains(t, s.Output, `"name": "`+c.Function.Name+`"`, s.Name)
		}
		if !s.Think && len(o.Calls) == 0 {
			assert.Equal(t, s.Output, o.Text, s.Name)
		}
	}
}
