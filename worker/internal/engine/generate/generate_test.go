package generate_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

var (
	_ engine.Generator = (*generate.Engine)(nil)
	_ engine.Preparer  = (*generate.Engine)(nil)
	_ engine.Described = (*generate.Engine)(nil)
)

// open is the process's one runtime, for a test.
func runtime(tb testing.TB) *onnx.Runtime {
	tb.Helper()
	rt, err := onnx.Open(onnxlib.Find(tb))
	require.NoError(tb, err)
	return rt
}

// folder makes a version folder of files from testdata, under the names that an exporter gives them.
func folder(tb testing.TB, g model.Generate, files map[string]string) (string, *model.Manifest) {
	tb.Helper()
	dir := tb.TempDir()
	m := &model.Manifest{Name: "tiny", Version: "1", Engine: generate.Kind, Files: map[string]string{}, Generate: &g}
	put := func(name string, b []byte) {
		require.NoError(tb, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		sum := sha256.Sum256(b)
		m.Files[name] = hex.EncodeToString(sum[:])
	}
	for name, from := range files {
		b, err := os.ReadFile(filepath.Join("testdata", from))
		require.NoError(tb, err)
		put(name, b)
	}
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(tb, err)
		put(name, b)
	}
	put("config.json", []byte(`{"max_position_embeddings":512,"eos_token_id":257}`))
	return dir, m
}

// tiny opens one of testdata's decoders.
func tiny(tb testing.TB, rt *onnx.Runtime, graph string, g model.Generate) *generate.Engine {
	tb.Helper()
	dir, m := folder(tb, g, map[string]string{"model.onnx": graph})
	e, err := generate.New(rt, dir, m, generate.Options{})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, e.Close()) })
	return e
}

// ask is a request's input.
func ask(prompt string, tokens int, more string) []byte {
	quoted, err := json.Marshal(prompt)
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, `{"prompt":%s,"max_tokens":%d%s}`, quoted, tokens, more)
}

// admit prepares and admits a request, as the runner does.
func admit(tb testing.TB, e *generate.Engine, in []byte) (engine.SeqID, error) {
	tb.Helper()
	r := engine.Request{Attempt: 1, Input: in, Stream: true}
	var err error
	if r.Prepared, err = e.Prepare(tb.Context(), r); err != nil {
		return 0, err
	}
	return e.Admit(tb.Context(), r)
}

// answer is what became of one sequence.
type answer struct {
	deltas []string
	output string
	result engine.Result
	err    error
	done   bool
}

// drive steps until the sequences have ended.
func drive(tb testing.TB, e *generate.Engine, ids ...engine.SeqID) map[engine.SeqID]*answer {
	tb.Helper()
	all := map[engine.SeqID]*answer{}
	for _, id := range ids {
		all[id] = &answer{}
	}
	for left := len(ids); left > 0; {
		events, err := e.Step(tb.Context())
		require.NoError(tb, err)
		for _, ev := range events {
			left -= note(tb, all, ev)
		}
	}
	return all
}

// note takes an event in, and is 1 when it ends a sequence.
func note(tb testing.TB, all map[engine.SeqID]*answer, ev engine.Event) int {
	tb.Helper()
	a := all[ev.Seq]
	require.NotNil(tb, a, "an event of a sequence that is none of ours")
	require.False(tb, a.done, "an event after the end")
	if ev.Delta != nil {
		require.True(tb, json.Valid(ev.Delta), "%s", ev.Delta)
		a.deltas = append(a.deltas, string(ev.Delta))
	}
	if !ev.Done {
		return 0
	}
	a.done, a.err, a.result, a.output = true, ev.Err, ev.Result, string(ev.Result.Output)
	return 1
}

// single answers one request by itself.
func single(tb testing.TB, e *generate.Engine, in []byte) *answer {
	tb.Helper()
	id, err := admit(tb, e, in)
	require.NoError(tb, err)
	a := drive(tb, e, id)[id]
	require.NoError(tb, a.err)
	return a
}

// prompts are random ones, many of which begin alike.
func prompts(n int, seed uint64) []string {
	r := rand.New(rand.NewPCG(seed, 1))
	system := letters(r, 40)
	var all []string
	for range n {
		s := letters(r, 1+r.IntN(90))
		if r.IntN(2) == 0 {
			s = system + s
		}
		all = append(all, s)
	}
	return all
}

func letters(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return string(b)
}

// each runs a test on every decoder of testdata that takes ids.
func each(t *testing.T, test func(t *testing.T, rt *onnx.Runtime, graph string)) {
	t.Helper()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	for _, graph := range []string{"plain.onnx", "half.onnx", "group.onnx"} {
		t.Run(graph, func(t *testing.T) {
			t.Parallel()
			test(t, rt, graph)
		})
	}
}

// TestBatchedIsSingle lets sequences join, leave and be canceled at any step: each answer is what it is alone.
func TestBatchedIsSingle(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rt *onnx.Runtime, graph string) {
		t.Helper()
		alone := tiny(t, rt, graph, model.Generate{PrefixCache: new(bool)})
		assert.Equal(t, graph == "group.onnx", alone.InPlace())
		together := tiny(t, rt, graph, model.Generate{PrefillChunk: 16})
		r := rand.New(rand.NewPCG(3, 4))
		var inputs [][]byte
		var want []string
		for _, p := range prompts(40, 9) {
			in := ask(p, 1+r.IntN(40), "")
			inputs, want = append(inputs, in), append(want, single(t, alone, in).output)
		}
		all, of := map[engine.SeqID]*answer{}, map[engine.SeqID]int{}
		open, canceled := 0, 0
		for next := 0; next < len(inputs) || open > 0; {
			for next < len(inputs) && r.IntN(3) > 0 {
				id, err := admit(t, together, inputs[next])
				if err != nil {
					require.ErrorIs(t, err, engine.ErrBusy)
					break
				}
				all[id], of[id] = &answer{}, next
				next++
				open++
			}
			if open == 0 {
				continue
			}
			for id, a := range all {
				if !a.done && r.IntN(60) == 0 {
					together.Cancel(id)
					a.done = true
					canceled++
					open--
					break
				}
			}
			if open == 0 {
				continue
			}
			events, err := together.Step(t.Context())
			require.NoError(t, err)
			for _, ev := range events {
				open -= note(t, all, ev)
			}
		}
		assert.Positive(t, canceled)
		answered := 0
		for id, a := range all {
			if a.output != "" {
				answered++
				assert.Equal(t, want[of[id]], a.output)
			}
		}
		assert.Equal(t, len(inputs)-canceled, answered)
	})
}

func TestChunksChangeNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rt *onnx.Runtime, graph string) {
		t.Helper()
		in := ask(strings.Repeat("the quick brown fox ", 12), 30, `,"logit_bias":{"257":-100},"logprobs":true,"top_logprobs":2`)
		var want string
		for _, chunk := range []int{256, 1, 7, 64} {
			e := tiny(t, rt, graph, model.Generate{PrefillChunk: chunk, PrefixCache: new(bool)})
			a := single(t, e, in)
			text := textOf(t, a.output)
			if want == "" {
				want = text
			}
			assert.Equal(t, want, text, "chunks of %d", chunk)
			assert.Equal(t, 240, a.result.InputTokens)
			assert.Equal(t, 30, a.result.OutputTokens)
		}
	})
}

func textOf(t *testing.T, output string) string {
	t.Helper()
	var o struct {
		Text string `json:"text"`
	}
	require.NoError(t, json.Unmarshal([]byte(output), &o))
	return o.Text
}

func TestDeltasMakeTheAnswer(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	e := tiny(t, rt, "plain.onnx", model.Generate{})
	a := single(t, e, ask("hello", 20, ""))
	var text strings.Builder
	for _, d := range a.deltas {
		text.WriteString(textOf(t, d))
	}
	assert.Equal(t, textOf(t, a.output), text.String())
	assert.Contains(t, a.output, `"finish_reason":"length"`)
	assert.Greater(t, len(a.deltas), 10)
}

func TestSeveralChoicesShareThePrompt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rt *onnx.Runtime, graph string) {
		t.Helper()
		e := tiny(t, rt, graph, model.Generate{MaxSequences: 4})
		one := single(t, e, ask("hello world, hello", 12, ""))
		a := single(t, e, ask("hello world, hello", 12, `,"n":3`))
		var o struct {
			Choices []struct {
				Index int    `json:"index"`
				Text  string `json:"text"`
			} `json:"choices"`
		}
		require.NoError(t, json.Unmarshal([]byte(a.output), &o))
		require.Len(t, o.Choices, 3)
		for i, c := range o.Choices {
			assert.Equal(t, i, c.Index)
			assert.Equal(t, textOf(t, one.output), c.Text)
		}
		assert.Contains(t, a.deltas[1], `"index":`)
		sampled := single(t, e, ask("hello world, hello", 12, `,"n":3,"temperature":1,"seed":5`))
		again := single(t, e, ask("hello world, hello", 12, `,"n":3,"temperature":1,"seed":5`))
		assert.Equal(t, sampled.output, again.output, "a seed tells the answers")
		require.NoError(t, json.Unmarshal([]byte(sampled.output), &o))
		assert.NotEqual(t, o.Choices[0].Text, o.Choices[1].Text)
		_, err := admit(t, e, ask("hello", 12, `,"n":5`))
		assert.Equal(t, "n", fault.From(err).Field)
	})
}

func TestStopTextsEndAnAnswer(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	e := tiny(t, rt, "plain.onnx", model.Generate{})
	var ascii strings.Builder
	for id := 128; id < 260; id++ {
		fmt.Fprintf(&ascii, `,"%d":-100`, id)
	}
	only := `,"logit_bias":{` + ascii.String()[1:] + `}`
	whole := []rune(textOf(t, single(t, e, ask("stop here", 30, only)).output))
	require.Greater(t, len(whole), 12)
	stop, err := json.Marshal(string(whole[8:11]))
	require.NoError(t, err)
	a := single(t, e, ask("stop here", 30, only+`,"stop":["nowhere at all",`+string(stop)+`]`))
	want := string(whole)[:strings.Index(string(whole), string(whole[8:11]))]
	assert.Equal(t, want, textOf(t, a.output))
	assert.Contains(t, a.output, `"finish_reason":"stop"`)
	var text strings.Builder
	for _, d := range a.deltas {
		text.WriteString(textOf(t, d))
	}
	assert.Equal(t, want, text.String(), "no delta has any of it")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	e := tiny(t, rt, "plain.onnx", model.Generate{Context: 64})
	_, err := admit(t, e, ask(strings.Repeat("x", 64), 5, ""))
	f := fault.From(err)
	assert.Equal(t, fault.InvalidInput, f.Code)
	assert.Equal(t, "prompt", f.Field)
	assert.Equal(t, "the prompt has 64 tokens and the model's context is 64", f.Detail)
	a := single(t, e, ask(strings.Repeat("x", 60), 50, ""))
	assert.Equal(t, 4, a.result.OutputTokens, "the context's end is the answer's")
	assert.Contains(t, a.output, `"finish_reason":"length"`)

	token := int64(2 * 2 * 2 * 2 * 16 * 4) // twice layers × (key, value) × heads × width × 4
	small := tiny(t, rt, "plain.onnx", model.Generate{KVCache: model.Size(token * (128 + 100)), PrefixCache: new(bool)})
	_, err = admit(t, small, ask(strings.Repeat("x", 101), 5, ""))
	assert.Equal(t, "the prompt has 101 tokens and the model's KV cache holds 100 for each of 1 answers", fault.From(err).Detail)
	_, err = admit(t, small, ask(strings.Repeat("x", 90), 50, ""))
	assert.Equal(t, "max_tokens", fault.From(err).Field)
	assert.Equal(t, "prompt and answer may take 139 tokens and the model's KV cache holds 100 for each of 1 answers", fault.From(err).Detail)
	first, err := admit(t, small, ask(strings.Repeat("x", 10), 50, ""))
	require.NoError(t, err)
	_, err = admit(t, small, ask("x", 5, ""))
	require.ErrorIs(t, err, engine.ErrBusy)
	small.Cancel(first)
	single(t, small, ask("x", 5, ""))
	single(t, small, []byte(`{"prompt":"x"}`))
}

func TestAPoisonedSequenceFailsAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rt *onnx.Runtime, graph string) {
		t.Helper()
		e := tiny(t, rt, graph, model.Generate{})
		var ids []engine.SeqID
		var want []string
		for i, p := range prompts(4, 2) {
			in := ask(p, 20, "")
			want = append(want, single(t, e, in).output)
			if i == 2 {
				in = ask(p, 20, `,"logit_bias":{"260":100},"temperature":0`)
			}
			id, err := admit(t, e, in)
			require.NoError(t, err)
			ids = append(ids, id)
			if i < 3 {
				_, err = e.Step(t.Context())
				require.NoError(t, err)
			}
			if i < 3 {
				e.Cancel(id)
			}
		}
		for _, id := range ids {
			e.Cancel(id)
		}
		ids = ids[:0]
		for i, p := range prompts(4, 2) {
			more := ""
			if i == 2 {
				more = `,"logit_bias":{"260":100}`
			}
			id, err := admit(t, e, ask(p, 20, more))
			require.NoError(t, err)
			ids = append(ids, id)
		}
		all := drive(t, e, ids...)
		for i, id := range ids {
			if i == 2 {
				assert.Equal(t, fault.Internal, fault.CodeOf(all[id].err))
				continue
			}
			require.NoError(t, all[id].err)
			assert.Equal(t, want[i], all[id].output)
		}
	})
}

func TestStepWaitsForWork(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	e := tiny(t, rt, "plain.onnx", model.Generate{})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		_, err := e.Step(ctx)
		assert.ErrorIs(t, err, context.Canceled)
	})
	cancel()
	all.Wait()
	got := make(chan engine.Event, 64)
	all.Go(func() {
		for {
			events, err := e.Step(t.Context())
			if !assert.NoError(t, err) {
				return
			}
			for _, ev := range events {
				got <- ev
				if ev.Done {
					return
				}
			}
		}
	})
	_, err := admit(t, e, ask("wake", 5, ""))
	require.NoError(t, err)
	all.Wait()
	assert.True(t, bytes.HasPrefix((<-got).Delta, []byte(`{"text":"`)))
}
