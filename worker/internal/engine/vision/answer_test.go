package vision

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// ask makes the input of a request.
func ask(tb testing.TB, parts ...string) []byte {
	tb.Helper()
	b, err := json.Marshal(map[string]any{
		"messages":   []any{map[string]any{"role": "user", "content": content(tb, parts...)}},
		"max_tokens": 6, "logprobs": true, "temperature": 0,
	})
	require.NoError(tb, err)
	return b
}

// admit prepares and admits a request, as the runner does.
func admit(tb testing.TB, e *generate.Engine, in []byte) engine.SeqID {
	tb.Helper()
	r := engine.Request{Attempt: 1, Input: in}
	var err error
	r.Prepared, err = e.Prepare(tb.Context(), r)
	require.NoError(tb, err)
	id, err := e.Admit(tb.Context(), r)
	require.NoError(tb, err)
	return id
}

// drive steps until so many sequences have ended, and gives the log-probabilities of their answers.
func drive(tb testing.TB, e *generate.Engine, n int) map[engine.SeqID][]float64 {
	tb.Helper()
	all := map[engine.SeqID][]float64{}
	for len(all) < n {
		events, err := e.Step(tb.Context())
		require.NoError(tb, err)
		for _, ev := range events {
			if !ev.Done {
				continue
			}
			require.NoError(tb, ev.Err)
			var out struct {
				Logprobs []struct {
					Logprob float64 `json:"logprob"`
				} `json:"logprobs"`
			}
			require.NoError(tb, json.Unmarshal(ev.Result.Output, &out))
			all[ev.Seq] = []float64{}
			for _, l := range out.Logprobs {
				all[ev.Seq] = append(all[ev.Seq], l.Logprob)
			}
		}
	}
	return all
}

// TestAnswer holds answers against the reference, which feeds the decoder whole sequences without a cache: one request
// by itself, and all of them at once.
func TestAnswer(t *testing.T) {
	t.Parallel()
	e, _, err := load(t, files(t), nil, Options{})
	require.NoError(t, err)
	assert.True(t, e.About().Images)
	all := loadCases(t).Cases
	want := map[engine.SeqID][]float64{}
	for _, k := range all {
		id := admit(t, e, ask(t, k.Request...))
		assert.InDeltaSlice(t, k.Logprobs, drive(t, e, 1)[id], 1e-4)
	}
	for _, k := range all {
		want[admit(t, e, ask(t, k.Request...))] = k.Logprobs
	}
	for id, got := range drive(t, e, len(all)) {
		assert.InDeltaSlice(t, want[id], got, 1e-4)
	}
}

// TestTemplate asks the model with its own template and tokenizer. What a user writes is never a place for an image.
func TestTemplate(t *testing.T) {
	t.Parallel()
	dir, m := version(t, files(t), nil)
	rt, err := onnx.Open(onnxlib.Find(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rt.Close()) })
	e, err := New(rt, dir, m, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close()) })
	const frame = len("<user:>") + len("<assistant:") // a sign is one token
	for _, k := range []struct {
		parts  []string
		tokens int
	}{
		{[]string{"hello"}, frame + 5},
		{[]string{"rgb.png", "hello"}, frame + 12 + 1 + 5},
		{[]string{"rgb.png", "<|image_pad|>"}, frame + 12 + 1 + 13},
		{[]string{"<|image_pad|>"}, frame + 13},
	} {
		id := admit(t, e, ask(t, k.parts...))
		for done := false; !done; {
			events, err := e.Step(t.Context())
			require.NoError(t, err)
			for _, ev := range events {
				if done = ev.Done; done {
					require.NoError(t, ev.Err)
					assert.Equal(t, id, ev.Seq)
					assert.Equal(t, k.tokens, ev.Result.InputTokens, "%q", k.parts)
				}
			}
		}
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	all := files(t)
	dir, m := version(t, all, &model.Vision{DecodeMemory: 1 << 20})
	mem, err := Estimate(dir, m)
	require.NoError(t, err)
	assert.Equal(t, Memory{
		Weights: int64(len(all["vision_encoder.onnx"])), Decode: 1 << 20, Patches: 4 * 64 * 96, Features: DefaultCache, Tokens: 16,
	}, mem)
}
