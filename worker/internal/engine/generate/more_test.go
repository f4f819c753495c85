package generate_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/runner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStopper(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stops []string
		parts []string
		want  string
		found bool
	}{
		{nil, []string{"a", "b"}, "ab", false},
		{[]string{"END"}, []string{"x", "E", "N", "D", "y"}, "x", true},
		{[]string{"END"}, []string{"xE", "Ny"}, "xENy", false},
		{[]string{"END"}, []string{"xENEN", "D"}, "xEN", true},
		{[]string{"aab"}, []string{"a", "a", "a", "b"}, "a", true},
		{[]string{"long stop", "st"}, []string{"a long ", "stop"}, "a ", true},
		{[]string{"中文"}, []string{"说中", "文", "字"}, "说", true},
		{[]string{"x", "y"}, []string{"ayx"}, "a", true},
		{[]string{"END"}, []string{"the EN"}, "the EN", false},
	} {
		s := generate.NewStopper(c.stops...)
		var got strings.Builder
		found := false
		for _, p := range c.parts {
			var certain string
			certain, found = s.Add(p)
			got.WriteString(certain)
			if found {
				break
			}
		}
		got.WriteString(s.Flush())
		assert.Equal(t, c.want, got.String(), "%v", c)
		assert.Equal(t, c.found, found, "%v", c)
	}
}

// TestThoughtsComeBeforeAFormat makes the model think, by a bias that outweighs what it would rather do.
func TestThoughtsComeBeforeAFormat(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	e := tiny(t, rt, "plain.onnx", model.Generate{})
	const format = `"response_format":{"type":"json_schema","json_schema":{"schema":{"enum":["a","b"]}}}`
	a := single(t, e, []byte(`{"messages":[{"role":"user","content":"x"}],"max_tokens":20,"think":false,`+format+`}`))
	assert.Contains(t, []string{`"a"`, `"b"`}, textOf(t, a.output), a.output)
	const biased = `,"logit_bias":{"258":100},"frequency_penalty":2,`
	a = single(t, e, []byte(`{"messages":[{"role":"user","content":"x"}],"max_tokens":60`+biased+format+`}`))
	assert.Contains(t, a.output, `"finish_reason":"length"`, "it thinks for ever")
	a = single(t, e, []byte(`{"messages":[{"role":"user","content":"x"}],"think":false,"max_tokens":60`+biased+format+`}`))
	assert.Contains(t, []string{`"a"`, `"b"`}, textOf(t, a.output), "it may not think")
}

func TestAToolHasToBeCalled(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	e := tiny(t, rt, "plain.onnx", model.Generate{})
	const head = `{"messages":[{"role":"user","content":"x"}],"max_tokens":150,"think":false,"temperature":1,"seed":3,"tools":[` +
		`{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{"at":{"enum":["sky","sea"]}},"required":["at"]}}},` +
		`{"type":"function","function":{"name":"odd","parameters":{"type":"object","properties":{"n":{"not":{}}}}}}],"tool_choice":`
	var o struct {
		Calls []struct {
			Function struct {
				Name      string `json:"name"`
				Arguments string `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
		Finish string `json:"finish_reason"`
	}
	a := single(t, e, []byte(head+`{"type":"function","function":{"name":"look"}}}`))
	require.NoError(t, json.Unmarshal([]byte(a.output), &o))
	require.Len(t, o.Calls, 1, a.output)
	assert.Equal(t, "look", o.Calls[0].Function.Name)
	assert.Contains(t, o.Calls[0].Function.Arguments, `"at":`)
	assert.Equal(t, "tool_calls", o.Finish)
	_, err := admit(t, e, []byte(head+`"required"}`))
	require.NoError(t, err, "a schema that no grammar knows leaves the arguments free")
}

// steps counts the steps until a sequence ends.
func steps(t *testing.T, e *generate.Engine, in []byte) (int, string) {
	t.Helper()
	id, err := admit(t, e, in)
	require.NoError(t, err)
	for n := 1; ; n++ {
		events, err := e.Step(t.Context())
		require.NoError(t, err)
		for _, ev := range events {
			if ev.Seq == id && ev.Done {
				require.NoError(t, ev.Err)
				return n, string(ev.Result.Output)
			}
		}
	}
}

func TestPromptsThatBeginAlikeShareTheirCache(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, rt *onnx.Runtime, graph string) {
		t.Helper()
		fresh := tiny(t, rt, graph, model.Generate{PrefillChunk: 8, PrefixCache: new(bool)})
		reuse := tiny(t, rt, graph, model.Generate{PrefillChunk: 8})
		system := strings.Repeat("you are kind. ", 10)
		for i, p := range []string{system + "hello", system + "who are you", system + "hello", "else", system + "hello, and more"} {
			in := ask(p, 10, "")
			n, want := steps(t, fresh, in)
			fewer, got := steps(t, reuse, in)
			assert.Equal(t, want, got, p)
			if i > 0 && i != 3 {
				assert.Less(t, fewer, n-10, p)
			}
		}
		// A prompt may begin as one does that still decodes.
		first, err := admit(t, reuse, ask(strings.Repeat("another way to begin ", 5)+"x", 60, ""))
		require.NoError(t, err)
		for range 20 {
			_, err := reuse.Step(t.Context())
			require.NoError(t, err)
		}
		in := ask(strings.Repeat("another way to begin ", 5)+"y", 1, "")
		n, want := steps(t, fresh, in)
		fewer, got := steps(t, reuse, in)
		assert.Equal(t, want, got)
		assert.Less(t, fewer, n-5)
		reuse.Cancel(first)
	})
}

func TestKeptPrefixesStayWithinTheBudget(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	e := tiny(t, rt, "plain.onnx", model.Generate{KVCache: 512 << 10})
	fresh := tiny(t, rt, "plain.onnx", model.Generate{PrefixCache: new(bool)})
	for round := range 2 {
		for _, p := range prompts(12, 77) {
			in := ask(strings.Repeat(p, 3), 5, "")
			assert.Equal(t, single(t, fresh, in).output, single(t, e, in).output, round)
		}
	}
}

// front gives the prompt with vectors and positions of its own.
type front struct {
	parts  generate.Parts
	closed *bool
}

func (f *front) Start(ctx context.Context, c *input.Chat) (generate.Start, error) {
	if len(c.Messages) > 0 {
		return generate.Start{}, fault.Invalid("messages", "no such picture")
	}
	var s generate.Start
	for _, b := range []byte(*c.Prompt) {
		s.IDs = append(s.IDs, int32(b))
	}
	s.Embeds = make([]float32, len(s.IDs)*f.parts.Embedder.Width())
	for range f.parts.Axes {
		for i := range s.IDs {
			s.Positions = append(s.Positions, int64(i))
		}
	}
	s.NextPosition = int64(len(s.IDs))
	return s, f.parts.Embedder.Embed(ctx, s.IDs, s.Embeds)
}

func (f *front) Close() error {
	*f.closed = true
	return nil
}

func TestVectorsInPlaceOfTokens(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	ids := tiny(t, rt, "plain.onnx", model.Generate{})
	files := map[string]string{"decoder_model_merged.onnx": "embeds.onnx", "embed_tokens.onnx": "embed_tokens.onnx"}
	dir, m := folder(t, model.Generate{PrefillChunk: 8}, files)
	vectors, err := generate.New(rt, dir, m, generate.Options{})
	require.NoError(t, err)
	closed := false
	seeing, err := generate.New(rt, dir, m, generate.Options{Images: true, Front: func(p generate.Parts) (generate.Front, error) {
		return &front{p, &closed}, nil
	}})
	require.NoError(t, err)
	assert.True(t, seeing.About().Images)
	for _, p := range prompts(4, 5) {
		in := ask(p, 12, "")
		want := single(t, ids, in).output
		assert.Equal(t, want, single(t, vectors, in).output)
		assert.Equal(t, want, single(t, seeing, in).output)
	}
	_, err = admit(t, seeing, []byte(`{"messages":[{"role":"user","content":"x"}]}`))
	assert.Equal(t, "messages", fault.From(err).Field)
	_, err = admit(t, vectors, []byte(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}]}`))
	assert.Equal(t, "messages[0].content[0]", fault.From(err).Field)
	require.NoError(t, vectors.Close())
	require.NoError(t, seeing.Close())
	assert.True(t, closed)
	_, err = generate.New(rt, dir, m, generate.Options{Front: func(generate.Parts) (generate.Front, error) {
		return nil, errors.New("no picture tower")
	}})
	require.ErrorContains(t, err, "no picture tower")
	delete(m.Files, "embed_tokens.onnx")
	_, err = generate.New(rt, dir, m, generate.Options{})
	require.ErrorContains(t, err, "embed_tokens.onnx")
}

func TestAnswersKeepToAFormat(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	e := tiny(t, rt, "plain.onnx", model.Generate{})
	schema := `{"type":"object","properties":{"name":{"type":"string","maxLength":3},"age":{"type":"integer","maximum":99}},"required":["name","age"]}`
	for seed := range 6 {
		in := ask("give me one", 120, `,"temperature":1,"seed":`+string(rune('0'+seed))+`,"response_format":{"type":"json_schema","json_schema":{"schema":`+schema+`}}`)
		a := single(t, e, in)
		var got struct {
			Name *string `json:"name"`
			Age  *int    `json:"age"`
		}
		require.NoError(t, json.Unmarshal([]byte(textOf(t, a.output)), &got), a.output)
		assert.NotNil(t, got.Name)
		assert.NotNil(t, got.Age)
		assert.Contains(t, a.output, `"finish_reason":"stop"`)
	}
	_, err := admit(t, e, ask("x", 5, `,"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"nonsense"}}}`))
	f := fault.From(err)
	assert.Equal(t, fault.InvalidInput, f.Code)
	assert.True(t, strings.HasPrefix(f.Field, "response_format.json_schema.schema"), f.Field)
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close(), "nothing is left open by a model that failed to load") })
	for want, change := range map[string]func(dir string, m *model.Manifest){
		"generate.model":    func(_ string, m *model.Manifest) { m.Generate.Model = "other.onnx" },
		"generate.context":  func(_ string, m *model.Manifest) { m.Generate.Context = 1000 },
		"generate.kv_cache": func(_ string, m *model.Manifest) { m.Generate.KVCache = 10 },
		"<|no|>":            func(_ string, m *model.Manifest) { m.Generate.EndTokens = []string{"<|no|>"} },
		"0 ONNX files":      func(_ string, m *model.Manifest) { delete(m.Files, "model.onnx") },
		"tokenizer.json":    func(_ string, m *model.Manifest) { delete(m.Files, "tokenizer.json") },
		"config.json": func(dir string, _ *model.Manifest) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte("{"), 0o600))
		},
		"end_tokens": func(dir string, m *model.Manifest) {
			delete(m.Files, "config.json")
			delete(m.Files, "tokenizer_config.json")
		},
		"with its KV cache": func(dir string, _ *model.Manifest) {
			b, err := os.ReadFile("testdata/embed_tokens.onnx")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "model.onnx"), b, 0o600))
		},
	} {
		dir, m := folder(t, model.Generate{}, map[string]string{"model.onnx": "plain.onnx"})
		change(dir, m)
		_, err := generate.New(rt, dir, m, generate.Options{})
		require.ErrorContains(t, err, want)
	}
	dir, m := folder(t, model.Generate{}, map[string]string{"model.onnx": "half.onnx"})
	mem, err := generate.Estimate(dir, m)
	require.NoError(t, err)
	assert.Equal(t, int64(2*2*2*2*16*2), mem.PerToken, "twice layers × (key, value) × heads × width × 2 bytes")
	assert.Equal(t, 512, mem.Context)
	assert.Greater(t, mem.Weights, int64(50_000))
}

// TestRowsThatCannotShareARun is what a graph gets whose way of attention is not known.
func TestRowsThatCannotShareARun(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	e, alone := tiny(t, rt, "plain.onnx", model.Generate{}), tiny(t, rt, "plain.onnx", model.Generate{})
	e.RunRowsAlone()
	var ids []engine.SeqID
	var want []string
	for i, p := range prompts(5, 31) {
		more := ""
		if i == 1 {
			more = `,"n":3`
		}
		in := ask(p, 5+3*i, more)
		id, err := admit(t, e, in)
		require.NoError(t, err)
		ids, want = append(ids, id), append(want, single(t, alone, in).output)
	}
	all := drive(t, e, ids...)
	for i, id := range ids {
		require.NoError(t, all[id].err)
		assert.Equal(t, want[i], all[id].output)
	}
	single(t, e, ask("and again", 5, ""))
}

func TestThroughTheRunner(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	dir, m := folder(t, model.Generate{MaxSequences: 3, PrefillChunk: 16}, map[string]string{"model.onnx": "plain.onnx"})
	r, err := runner.New(runner.Config{
		Entries: []model.Entry{{Name: "tiny", Version: "1", Dir: dir, Manifest: m}},
		Factories: map[string]runner.Factory{generate.Kind: {Generator: func(b runner.Build) (engine.Generator, error) {
			return generate.New(rt, b.Dir, b.Manifest, generate.Options{Threads: b.Threads})
		}}},
	}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	offer := r.Offers()[0]
	assert.Empty(t, offer.Error)
	assert.Equal(t, 3, offer.Slots)
	assert.True(t, offer.About.Chat)
	assert.True(t, offer.About.Thinking)
	assert.Equal(t, 512, offer.About.Context)

	chat := []byte(`{"messages":[{"role":"user","content":"hi <|im_end|>"}],"max_tokens":30}`)
	want, err := r.Run(t.Context(), engine.Request{Model: "tiny", Input: chat}, nil)
	require.NoError(t, err)
	assert.Equal(t, 1+len("user\nhi <|im_end|>")+1+1+len("assistant"), want.InputTokens, "what a user writes is no special token")
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			deltas := 0
			got, err := r.Run(ctx, engine.Request{Model: "tiny", Input: chat, Stream: true}, func([]byte) error {
				if deltas++; i%3 == 0 && deltas == 4 {
					cancel()
				}
				return nil
			})
			if i%3 == 0 && err != nil { // else its end was under way before the fourth delta was read
				assert.ErrorIs(t, err, context.Canceled)
				return
			}
			if assert.NoError(t, err) {
				assert.Equal(t, string(want.Output), string(got.Output))
				assert.Positive(t, deltas)
			}
		})
	}
	all.Wait()
	_, err = r.Run(t.Context(), engine.Request{Model: "tiny", Input: []byte(`{"messages":[]}`)}, nil)
	assert.Equal(t, fault.InvalidInput, fault.CodeOf(err))
	require.NoError(t, r.Close())
	require.NoError(t, rt.Close())
}

// TestOneModelInThreeForms: attention written out, fused, and fused with a cache that is written in place.
func TestOneModelInThreeForms(t *testing.T) {
	t.Parallel()
	rt := runtime(t)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	plain, group := tiny(t, rt, "plain.onnx", model.Generate{}), tiny(t, rt, "group.onnx", model.Generate{})
	apart := tiny(t, rt, "group.onnx", model.Generate{})
	apart.TwoSlabs()
	for _, e := range []*generate.Engine{group, apart} {
		var ids []engine.SeqID
		for _, p := range prompts(8, 15) {
			id, err := admit(t, e, ask(p, 150, ""))
			require.NoError(t, err)
			ids = append(ids, id)
		}
		all := drive(t, e, ids...)
		for i, p := range prompts(8, 15) {
			assert.Equal(t, single(t, plain, ask(p, 150, "")).output, all[ids[i]].output)
		}
	}
}
