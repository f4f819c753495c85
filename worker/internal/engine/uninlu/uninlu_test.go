package uninlu_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/uninlu"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

var _ engine.Unary = (*uninlu.Engine)(nil)

// folder is the demo model's, relative to the repository.
const folder = "worker/models/uninlu-tiny"

// TestUninlu holds every test that needs the model, as a process has one runtime.
func TestUninlu(t *testing.T) {
	t.Parallel()
	rt, err := onnx.Open(onnxlib.Find(t))
	require.NoError(t, err)
	e := open(t, rt, 2)
	t.Cleanup(func() {
		require.NoError(t, e.Close())
		require.NoError(t, rt.Close(), "nothing is left open, not by a model that failed to load either")
	})
	for name, test := range map[string]func(*testing.T, *uninlu.Engine){
		"reference": reference, "batched is single": batchedIsSingle, "bad input": badInput, "too many questions": tooMany,
		"cancel": cancels, "concurrent": concurrent, "special tokens are text": specials, "hostile": hostile,
		"schema in a string": schemaInString, "measure": measures,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
	t.Run("load refuses", func(t *testing.T) {
		t.Parallel()
		loadRefuses(t, rt)
	})
	t.Run("too many questions below", func(t *testing.T) {
		t.Parallel()
		tooManyBelow(t, rt)
	})
}

func open(tb testing.TB, rt *onnx.Runtime, instances int) *uninlu.Engine {
	tb.Helper()
	dir := filepath.Join(onnxlib.Root(tb), folder, "1")
	m, err := model.Read(dir)
	require.NoError(tb, err)
	require.NoError(tb, m.Verify(dir))
	e, err := uninlu.New(rt, dir, m, uninlu.Options{Instances: instances})
	require.NoError(tb, err)
	return e
}

// sample is one case of testdata/reference.json: what another implementation answers.
type sample struct {
	Task   string          `json:"task"`
	Text   string          `json:"text"`
	Schema string          `json:"schema"`
	Output json.RawMessage `json:"output"`
}

func samples(tb testing.TB) []sample {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(onnxlib.Root(tb), folder, "testdata", "reference.json"))
	require.NoError(tb, err)
	var s []sample
	require.NoError(tb, json.Unmarshal(b, &s))
	require.NotEmpty(tb, s)
	return s
}

func request(txt, schema string) engine.Request {
	quoted, err := json.Marshal(txt)
	if err != nil {
		panic(err)
	}
	return engine.Request{Attempt: 1, Input: fmt.Appendf(nil, `{"text":%s,"schema":%s}`, quoted, schema)}
}

func prepare(tb testing.TB, e *uninlu.Engine, r engine.Request) engine.Unit {
	tb.Helper()
	u, err := e.Prepare(tb.Context(), r)
	require.NoError(tb, err)
	return u
}

// single answers one request by itself.
func single(tb testing.TB, e *uninlu.Engine, r engine.Request) string {
	tb.Helper()
	out, err := e.RunBatch(tb.Context(), []engine.Unit{prepare(tb, e, r)})
	require.NoError(tb, err)
	require.NoError(tb, out[0].Err)
	return string(out[0].Result.Output)
}

func reference(t *testing.T, e *uninlu.Engine) {
	t.Helper()
	for _, s := range samples(t) {
		got := single(t, e, request(s.Text, s.Schema))
		assert.JSONEq(t, fmt.Sprintf(`{"output":%s}`, s.Output), got, "%s %s %s", s.Task, s.Text, s.Schema)
		assert.Equal(t, strings.ContainsRune(got, '人'), strings.ContainsRune(string(s.Output), '人'), "nothing is escaped")
	}
}

// batchedIsSingle runs random batches of one key and holds each answer against the request's own run.
func batchedIsSingle(t *testing.T, e *uninlu.Engine) {
	t.Helper()
	byKey := map[string][]engine.Request{}
	alone := map[string]string{}
	keyOf := func(r engine.Request) string { return prepare(t, e, r).Key() }
	for _, s := range samples(t) {
		r := request(s.Text, s.Schema)
		alone[string(r.Input)] = single(t, e, r)
		byKey[keyOf(r)] = append(byKey[keyOf(r)], r)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	shared := 0
	for range 5 {
		for _, all := range byKey {
			n := 1 + rng.IntN(12)
			units := make([]engine.Unit, n)
			inputs := make([]string, n)
			for i := range units {
				r := all[rng.IntN(len(all))]
				units[i], inputs[i] = prepare(t, e, r), string(r.Input)
			}
			out, err := e.RunBatch(t.Context(), units)
			require.NoError(t, err)
			for i := range out {
				require.NoError(t, out[i].Err)
				require.Equal(t, alone[inputs[i]], string(out[i].Result.Output), inputs[i])
				require.Equal(t, n, out[i].Result.BatchSize)
				require.Positive(t, out[i].Result.InputTokens)
			}
			shared += n - 1
		}
	}
	assert.Positive(t, shared)
}

func badInput(t *testing.T, e *uninlu.Engine) {
	t.Helper()
	deep := strings.Repeat(`{"a":`, 9) + "null" + strings.Repeat("}", 9)
	var wide strings.Builder
	for i := range uninlu.MaxKeys + 1 {
		fmt.Fprintf(&wide, `,"k%d":null`, i)
	}
	for in, field := range map[string]string{
		``:                                       "",
		`[]`:                                     "",
		`null`:                                   "",
		`{"text":"a"`:                            "",
		`{"text":"a","schema":{"a":null}}x`:      "",
		`{"text":"a","schema":{"a":null}} {}`:    "",
		`{"schema":{"人物":null}}`:                 "text",
		`{"text":5,"schema":{"人物":null}}`:        "text",
		`{"text":null,"schema":{"人物":null}}`:     "text",
		`{"text":"a","text":"b","schema":{}}`:    "text",
		`{"text":"a","schema":{"a":null},"x":1}`: "x",
		`{"text":"` + strings.Repeat("字", uninlu.MaxText+1) + `","schema":{"a":null}}`: "text",
		`{"text":"\ud800","schema":{"a":null}}`:                                        "",
		"{\"text\":\"\xff\",\"schema\":{\"a\":null}}":                                  "",
		`{"text":"a"}`:                                                                "schema",
		`{"text":"a","schema":null}`:                                                  "schema",
		`{"text":"a","schema":5}`:                                                     "schema",
		`{"text":"a","schema":[]}`:                                                    "schema",
		`{"text":"a","schema":["a"]}`:                                                 "schema",
		`{"text":"a","schema":{}}`:                                                    "schema",
		`{"text":"a","schema":"{}"}`:                                                  "schema",
		`{"text":"a","schema":""}`:                                                    "schema",
		`{"text":"a","schema":"人物"}`:                                                  "schema",
		`{"text":"a","schema":"{\"人物\":null"}`:                                        "schema",
		`{"text":"a","schema":"{\"人物\":}"}`:                                           "schema",
		`{"text":"a","schema":"{\"人物\":null}x"}`:                                      "schema",
		`{"text":"a","schema":"\"{}\""}`:                                              "schema",
		`{"text":"a","schema":{"人物":5}}`:                                              "schema.人物",
		`{"text":"a","schema":{"人物":"x"}}`:                                            "schema.人物",
		`{"text":"a","schema":{"人物":{"国籍":[]}}}`:                                      "schema.人物.国籍",
		`{"text":"a","schema":"{\"人物\":{\"国籍\":true}}"}`:                              "schema.人物.国籍",
		`{"text":"a","schema":{"人物":null,"人物":null}}`:                                 "schema.人物",
		`{"text":"a","schema":{"a":{"b":null,"b":null}}}`:                             "schema.a.b",
		`{"text":"a","schema":"{\"a\":null,\"a\":null}"}`:                             "schema.a",
		`{"text":"a","schema":` + deep + `}`:                                          "schema.a.a.a.a.a.a.a.a",
		`{"text":"a","schema":{` + wide.String()[1:] + `}}`:                           "schema",
		`{"text":"a","schema":{"` + strings.Repeat("k", uninlu.MaxKey+1) + `":null}}`: "schema",
	} {
		_, err := e.Prepare(t.Context(), engine.Request{Input: []byte(in)})
		f := (*fault.Error)(nil)
		name := in[:min(len(in), 80)]
		if assert.ErrorAs(t, err, &f, name) {
			assert.Equal(t, fault.InvalidInput, f.Code, name)
			assert.Equal(t, field, f.Field, name)
		}
	}
}

func tooMany(t *testing.T, e *uninlu.Engine) {
	t.Helper()
	// More first questions × windows than are allowed is refused before anything runs.
	var schema strings.Builder
	for i := range 200 {
		fmt.Fprintf(&schema, `,"k%d":null`, i)
	}
	_, err := e.Prepare(t.Context(), request(strings.Repeat("王伟在北京。", 1000), "{"+schema.String()[1:]+"}"))
	f := fault.From(err)
	assert.Equal(t, fault.InvalidInput, f.Code)
	assert.Equal(t, "schema", f.Field)
	assert.Contains(t, f.Detail, strconv.Itoa(uninlu.MaxRows))
}

// tooManyBelow has a model find something at every token: what that asks on the level below ends the request alone.
func tooManyBelow(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	dir := filepath.Join(onnxlib.Root(t), folder, "1")
	m, err := model.Read(dir)
	require.NoError(t, err)
	m.Uninlu.Threshold = -1e9
	e, err := uninlu.New(rt, dir, m, uninlu.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	var schema strings.Builder
	for i := range 100 {
		fmt.Fprintf(&schema, `,"k%d":null`, i)
	}
	units := []engine.Unit{
		prepare(t, e, request(strings.Repeat("王伟在北京。", 10), `{"人物":{`+schema.String()[1:]+`}}`)),
		prepare(t, e, request("王伟在北京。", `{"人物":null}`)),
	}
	out, err := e.RunBatch(t.Context(), units)
	require.NoError(t, err)
	require.NoError(t, out[1].Err)
	assert.Equal(t, fault.InvalidInput, fault.CodeOf(out[0].Err))
	assert.Equal(t, "schema", fault.From(out[0].Err).Field)
}

// cancels ends a run over a long text, and the engine goes on.
func cancels(t *testing.T, e *uninlu.Engine) {
	t.Helper()
	u := prepare(t, e, request(strings.Repeat("王伟在北京。", 4000), `{"人物":null,"地理位置":null,"时间":null}`))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := e.RunBatch(ctx, []engine.Unit{u})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotEmpty(t, single(t, e, request("王伟在北京。", `{"人物":null}`)))
}

func concurrent(t *testing.T, e *uninlu.Engine) {
	t.Helper()
	s := samples(t)
	want := make([]string, len(s))
	for i := range s {
		want[i] = single(t, e, request(s[i].Text, s[i].Schema))
	}
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := g; i < len(s); i += 2 {
				u, err := e.Prepare(t.Context(), request(s[i].Text, s[i].Schema))
				if err != nil {
					t.Error(err)
					return
				}
				out, err := e.RunBatch(t.Context(), []engine.Unit{u})
				if assert.NoError(t, err) {
					assert.Equal(t, want[i], string(out[0].Result.Output))
				}
			}
		})
	}
	all.Wait()
}

// specials writes special tokens into text and schema: they count as the characters they are.
func specials(t *testing.T, e *uninlu.Engine) {
	t.Helper()
	plain := prepare(t, e, request("王伟在北京。", `{"人物":null}`))
	out, err := e.RunBatch(t.Context(), []engine.Unit{prepare(t, e, request("王伟在[SEP]北京。", `{"人物[CLS]":null}`)), plain})
	require.NoError(t, err)
	a, b := out[0].Result, out[1].Result
	assert.Greater(t, a.InputTokens, b.InputTokens+1, "[SEP] in the text is several tokens")
}

// hostile sends what once broke tokenizers and decoders; answers need not be sensible, only be there.
func hostile(t *testing.T, e *uninlu.Engine) {
	t.Helper()
	for _, txt := range []string{
		"", " ", "\x00", strings.Repeat("a", 50_000), strings.Repeat("é́́", 3000), strings.Repeat("|", 500),
		"\u202e王伟", "😀😀", strings.Repeat("\u0301", 2000), "\ufffd\ufeff", `"<>&\`,
	} {
		got := single(t, e, request(txt, `{"人物":null,"a\"<&>":{"b":null}}`))
		assert.True(t, json.Valid([]byte(got)), got)
		assert.True(t, strings.HasPrefix(got, `{"output":[`))
	}
}

func schemaInString(t *testing.T, e *uninlu.Engine) {
	t.Helper()
	for _, s := range samples(t)[:5] {
		quoted, err := json.Marshal(s.Schema)
		require.NoError(t, err)
		assert.Equal(t, single(t, e, request(s.Text, s.Schema)), single(t, e, request(s.Text, string(quoted))))
	}
}

func measures(t *testing.T, e *uninlu.Engine) {
	t.Helper()
	rate, err := e.Measure(t.Context(), []engine.Request{request("王伟在北京。", `{"人物":null}`)}, 2, 2, 20*time.Millisecond)
	require.NoError(t, err)
	assert.Positive(t, rate)
	_, err = e.Measure(t.Context(), []engine.Request{{Input: []byte("{}")}}, 1, 1, time.Millisecond)
	assert.Error(t, err)
}

func loadRefuses(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	source := filepath.Join(onnxlib.Root(t), folder, "1")
	for name, change := range map[string]struct {
		do   func(dir string, m *model.Manifest)
		says string
	}{
		"no pointer":       {func(_ string, m *model.Manifest) { delete(m.Files, "pointer.onnx") }, "one graph"},
		"no tokenizer":     {func(_ string, m *model.Manifest) { delete(m.Files, "tokenizer.json") }, "tokenizer.json"},
		"windows too long": {func(_ string, m *model.Manifest) { m.Uninlu.Window = 5000 }, "first run"},
		"hints too long":   {func(_ string, m *model.Manifest) { m.Uninlu.HintMax = 5000 }, "first run"},
		"the graphs exchanged": {func(dir string, _ *model.Manifest) {
			a, b, c := filepath.Join(dir, "pointer.onnx"), filepath.Join(dir, "text_encoder.onnx"), filepath.Join(dir, "c")
			require.NoError(t, errors.Join(os.Rename(a, c), os.Rename(b, a), os.Rename(c, b)))
		}, "sequence_output"},
		"a graph cut short": {func(dir string, _ *model.Manifest) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "pointer.onnx"), 100_000))
		}, "pointer.onnx"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			m, err := model.Read(source)
			require.NoError(t, err)
			for file := range m.Files {
				b, err := os.ReadFile(filepath.Join(source, file))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), b, 0o600))
			}
			change.do(dir, m)
			_, err = uninlu.New(rt, dir, m, uninlu.Options{})
			assert.ErrorContains(t, err, change.says)
		})
	}
}
