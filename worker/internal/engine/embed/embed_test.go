package embed_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/shared/testenv/graph"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/embed"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/text"
)

// TestEmbed holds every test that needs the runtime, of which a process has one.
func TestEmbed(t *testing.T) {
	t.Parallel()
	rt, err := onnx.Open(onnxlib.Find(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close(), "every test closed its engines") })
	for name, test := range map[string]func(*testing.T, *onnx.Runtime){
		"pooling": poolings, "types": types, "batch": batches, "answer": answers, "length": lengths, "files": files,
		"refuses": refuses, "load refuses": loadRefuses, "cancel": cancels, "demo model": demoModel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, rt)
		})
	}
}

const (
	width     = 6
	positions = 1024
)

// encoder is a network that has all that matters of one: a token's vector depends on all tokens that are not masked.
// Of the vocabulary it knows the first size tokens. as is the output's type, and pooled adds its mean as another output.
func encoder(size int, ids, as tensor.DType, pooled bool) []byte {
	parts := []graph.Part{
		graph.Input("input_ids", ids, -1, -1), graph.Input("attention_mask", ids, -1, -1),
		graph.Input("token_type_ids", ids, -1, -1), graph.Input("position_ids", ids, -1, -1),
		graph.Floats("table", table(size), int64(size), width),
		graph.Floats("position", table(size)[:positions*width], positions, width), graph.Floats("little", []float32{0.02}, 1),
		graph.Int64s("one", []int64{1}, 1), graph.Int64s("two", []int64{2}, 1),
		graph.Node("Gather", []string{"table", "input_ids"}, []string{"words"}),
		graph.Node("Gather", []string{"position", "position_ids"}, []string{"places"}),
		graph.Node("Add", []string{"words", "places"}, []string{"hidden"}),
		graph.Node("Cast", []string{"token_type_ids"}, []string{"types"}, graph.Int("to", 1)),
		graph.Node("Cast", []string{"attention_mask"}, []string{"mask"}, graph.Int("to", 1)),
		graph.Node("Unsqueeze", []string{"mask", "two"}, []string{"mask3"}),
		graph.Node("Mul", []string{"hidden", "mask3"}, []string{"seen"}),
		graph.Node("ReduceSum", []string{"seen", "one"}, []string{"all"}, graph.Int("keepdims", 1)),
		graph.Node("Mul", []string{"all", "little"}, []string{"some"}),
		graph.Node("Sin", []string{"some"}, []string{"context"}),
		graph.Node("Unsqueeze", []string{"types", "two"}, []string{"types3"}),
		graph.Node("Add", []string{"hidden", "types3"}, []string{"typed"}),
		graph.Node("Add", []string{"typed", "context"}, []string{"float"}),
		graph.Node("Cast", []string{"float"}, []string{"last_hidden_state"}, graph.Int("to", int64(as.ONNX()))),
		graph.Output("last_hidden_state", as, -1, -1, width),
	}
	if pooled {
		parts = append(parts,
			graph.Node("ReduceMax", []string{"float", "one"}, []string{"most"}, graph.Int("keepdims", 0)),
			graph.Node("Cast", []string{"most"}, []string{"sentence_embedding"}, graph.Int("to", int64(as.ONNX()))),
			graph.Output("sentence_embedding", as, -1, width))
	}
	return graph.Model(parts...)
}

func table(size int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]float32, size*width)
	for i := range v {
		v[i] = r.Float32()*2 - 1
	}
	return v
}

// tokens is the vectors that the encoder makes, computed here.
func tokens(ids []int32, size int) [][]float64 {
	v := table(size)
	all := make([]float64, width)
	out := make([][]float64, len(ids))
	for k, id := range ids {
		out[k] = make([]float64, width)
		for i := range width {
			out[k][i] = float64(v[int(id)*width+i]) + float64(v[k*width+i])
			all[i] += out[k][i]
		}
	}
	for k := range out {
		for i := range width {
			out[k][i] += math.Sin(0.02 * all[i])
		}
	}
	return out
}

func pooled(ids []int32, size int, how string) []float64 {
	v := tokens(ids, size)
	n := float64(len(v))
	out := make([]float64, width)
	for i := range width {
		switch how {
		case "cls":
			out[i] = v[0][i]
		case "lasttoken":
			out[i] = v[len(v)-1][i]
		case "max":
			out[i] = math.Inf(-1)
			for k := range v {
				out[i] = max(out[i], v[k][i])
			}
		case "mean":
			for k := range v {
				out[i] += v[k][i] / n
			}
		case "weightedmean":
			for k := range v {
				out[i] += v[k][i] * float64(k+1) / (n * (n + 1) / 2)
			}
		}
	}
	return out
}

// demoTokenizer is a folder with a tokenizer of BERT's kind.
func demoTokenizer(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(onnxlib.Root(tb), "worker", "models", "uninlu-tiny", "1")
}

func tokenizer(tb testing.TB) *text.Tokenizer {
	tb.Helper()
	t, err := text.Load(os.DirFS(demoTokenizer(tb)))
	require.NoError(tb, err)
	return t
}

// folder makes a model of a graph and further files.
func folder(tb testing.TB, m []byte, more map[string]string, c *model.Embed) (string, *model.Manifest) {
	tb.Helper()
	dir := tb.TempDir()
	mf := &model.Manifest{Name: "m", Version: "1", Engine: embed.Kind, Files: map[string]string{}, Embed: c}
	put := func(name string, b []byte) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(tb, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(tb, os.WriteFile(path, b, 0o600))
		mf.Files[name] = ""
	}
	put("model.onnx", m)
	b, err := os.ReadFile(filepath.Join(demoTokenizer(tb), "tokenizer.json"))
	require.NoError(tb, err)
	put("tokenizer.json", b)
	for name, s := range more {
		put(name, []byte(s))
	}
	return dir, mf
}

func open(tb testing.TB, rt *onnx.Runtime, m []byte, more map[string]string, c *model.Embed) *embed.Engine {
	tb.Helper()
	dir, mf := folder(tb, m, more, c)
	e, err := embed.New(rt, dir, mf, embed.Options{Instances: 2})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, e.Close()) })
	return e
}

func plain(tb testing.TB) ([]byte, int) {
	tb.Helper()
	size := tokenizer(tb).VocabSize()
	return encoder(size, tensor.Int64, tensor.Float32, false), size
}

type answer struct {
	Embeddings [][]float64 `json:"embeddings"`
	Dimensions int         `json:"dimensions"`
}

func prepare(tb testing.TB, e *embed.Engine, in string) engine.Unit {
	tb.Helper()
	u, err := e.Prepare(tb.Context(), engine.Request{Attempt: 1, Input: []byte(in)})
	require.NoError(tb, err)
	return u
}

func run(tb testing.TB, e *embed.Engine, in string) (answer, engine.Result) {
	tb.Helper()
	out, err := e.RunBatch(tb.Context(), []engine.Unit{prepare(tb, e, in)})
	require.NoError(tb, err)
	require.NoError(tb, out[0].Err)
	var a answer
	require.NoError(tb, json.Unmarshal(out[0].Result.Output, &a), string(out[0].Result.Output))
	return a, out[0].Result
}

func poolings(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m, size := plain(t)
	tk := tokenizer(t)
	for _, how := range []string{"mean", "cls", "max", "lasttoken", "weightedmean"} {
		e := open(t, rt, m, nil, &model.Embed{Pooling: how})
		for _, s := range []string{"谷爱凌在北京获得金牌。", "a", ""} {
			ids := tk.Encode(s, text.Options{Literal: true}).IDs
			a, r := run(t, e, `{"input":"`+s+`"}`)
			assert.InDeltaSlice(t, pooled(ids, size, how), a.Embeddings[0], 1e-5, "%s of %q", how, s)
			assert.Equal(t, len(ids), r.InputTokens)
			assert.Equal(t, width, a.Dimensions)
		}
	}
}

func types(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	size := tokenizer(t).VocabSize()
	ids := tokenizer(t).Encode("北京", text.Options{Literal: true}).IDs
	for _, in := range []tensor.DType{tensor.Int32, tensor.Int64} {
		for out, delta := range map[tensor.DType]float64{tensor.Float32: 1e-5, tensor.Float16: 4e-3, tensor.BFloat16: 3e-2} {
			e := open(t, rt, encoder(size, in, out, false), nil, nil)
			a, _ := run(t, e, `{"input":"北京"}`)
			assert.InDeltaSlice(t, pooled(ids, size, "mean"), a.Embeddings[0], delta, "%s %s", in, out)
			e = open(t, rt, encoder(size, in, out, true), nil, nil)
			a, _ = run(t, e, `{"input":"北京"}`)
			assert.InDeltaSlice(t, pooled(ids, size, "max"), a.Embeddings[0], delta, "the graph pools")
			e = open(t, rt, encoder(size, in, out, true), nil, &model.Embed{Pooling: "cls"})
			a, _ = run(t, e, `{"input":"北京"}`)
			assert.InDeltaSlice(t, pooled(ids, size, "cls"), a.Embeddings[0], delta, "unless the manifest does")
		}
	}
}

// batches holds texts of all lengths, in many requests at once, against each alone.
func batches(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m, size := plain(t)
	e := open(t, rt, m, nil, nil)
	tk := tokenizer(t)
	var units []engine.Unit
	var all [][]string
	for i := range 20 {
		var texts []string
		for k := range 1 + i%4 {
			texts = append(texts, strings.Repeat("北京体育", (i*7+k*31)%100)+"好")
		}
		b, err := json.Marshal(map[string]any{"input": texts})
		require.NoError(t, err)
		units, all = append(units, prepare(t, e, string(b))), append(all, texts)
		assert.Equal(t, len(texts), units[i].Rows())
	}
	out, err := e.RunBatch(t.Context(), units)
	require.NoError(t, err)
	for i, texts := range all {
		var a answer
		require.NoError(t, json.Unmarshal(out[i].Result.Output, &a))
		require.Len(t, a.Embeddings, len(texts))
		total := 0
		for k, s := range texts {
			ids := tk.Encode(s, text.Options{Literal: true}).IDs
			total += len(ids)
			assert.InDeltaSlice(t, pooled(ids, size, "mean"), a.Embeddings[k], 1e-5)
			alone, _ := run(t, e, `{"input":"`+s+`"}`)
			assert.InDeltaSlice(t, alone.Embeddings[0], a.Embeddings[k], 1e-5)
		}
		assert.Equal(t, total, out[i].Result.InputTokens)
		assert.Equal(t, total, units[i].Cost())
		assert.Equal(t, len(units), out[i].Result.BatchSize)
	}
	_, err = e.RunBatch(t.Context(), []engine.Unit{foreign{}})
	assert.Error(t, err)
}

type foreign struct{ engine.Unit }

func answers(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m, _ := plain(t)
	e := open(t, rt, m, nil, nil)
	assert.Equal(t, job.About{Context: 512, Dimensions: width}, e.About())
	whole, _ := run(t, e, `{"input":"北京"}`)
	v := whole.Embeddings[0]
	length := func(v []float64) (s float64) {
		for _, x := range v {
			s += x * x
		}
		return math.Sqrt(s)
	}
	assert.Greater(t, math.Abs(length(v)-1), 0.01)

	cut, _ := run(t, e, `{"input":"北京","dimensions":4}`)
	assert.Equal(t, 4, cut.Dimensions)
	assert.InDeltaSlice(t, v[:4], cut.Embeddings[0], 0)
	unit, _ := run(t, e, `{"input":["北京","京"],"dimensions":4,"normalize":true}`)
	assert.InDelta(t, 1, length(unit.Embeddings[0]), 1e-6)
	assert.InDelta(t, 1, length(unit.Embeddings[1]), 1e-6)
	for i, x := range unit.Embeddings[0] {
		assert.InDelta(t, v[i]/length(v[:4]), x, 1e-6)
	}
	always := open(t, rt, m, nil, &model.Embed{Normalize: new(true)})
	a, _ := run(t, always, `{"input":"北京"}`)
	assert.InDelta(t, 1, length(a.Embeddings[0]), 1e-6)
	a, _ = run(t, always, `{"input":"北京","normalize":false}`)
	assert.InDeltaSlice(t, v, a.Embeddings[0], 0)

	out, err := e.RunBatch(t.Context(), []engine.Unit{prepare(t, e, `{"input":["北京"],"encoding_format":"base64"}`)})
	require.NoError(t, err)
	var coded struct {
		Embeddings []string `json:"embeddings"`
		Dimensions int      `json:"dimensions"`
	}
	require.NoError(t, json.Unmarshal(out[0].Result.Output, &coded))
	raw, err := base64.StdEncoding.DecodeString(coded.Embeddings[0])
	require.NoError(t, err)
	require.Len(t, raw, 4*width)
	for i := range v {
		assert.InDelta(t, v[i], math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])), 1e-6)
	}
}

func lengths(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m, size := plain(t)
	e := open(t, rt, m, nil, &model.Embed{MaxTokens: 20})
	assert.Equal(t, 20, e.About().Context)
	tk := tokenizer(t)
	ids := tk.Encode(strings.Repeat("北", 18), text.Options{Literal: true}).IDs
	require.Len(t, ids, 20)
	for _, n := range []int{18, 19, 300, 100_000} {
		a, r := run(t, e, `{"truncate":true,"input":"`+strings.Repeat("北", n)+`"}`)
		assert.Equal(t, 20, r.InputTokens, n)
		assert.InDeltaSlice(t, pooled(ids, size, "mean"), a.Embeddings[0], 1e-5, "the last special token stays")
	}
	for n, says := range map[int]string{19: "21 tokens", 100_000: "more than the model's 20"} {
		_, err := e.Prepare(t.Context(), engine.Request{Input: []byte(`{"input":["好","` + strings.Repeat("北", n) + `"]}`)})
		f := fault.From(err)
		assert.Equal(t, "input[1]", f.Field)
		assert.Contains(t, f.Detail, says)
	}
	_, err := e.Prepare(t.Context(), engine.Request{Input: []byte(`{"input":"` + strings.Repeat("北 ", 50) + `"}`)})
	assert.Equal(t, "input", fault.From(err).Field)
	one := open(t, rt, m, nil, &model.Embed{MaxTokens: 3})
	_, r := run(t, one, `{"truncate":true,"input":"北京北京"}`)
	assert.Equal(t, 3, r.InputTokens)
}

func files(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m, size := plain(t)
	ids := tokenizer(t).Encode("北京", text.Options{Literal: true}).IDs
	modules := `[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
		{"idx":1,"name":"1","path":"%s","type":"sentence_transformers.models.Pooling"}%s]`
	normal := `,{"idx":2,"name":"2","path":"2_Normalize","type":"sentence_transformers.models.Normalize"}`
	for _, c := range []struct {
		name      string
		files     map[string]string
		how       string
		tokens    int
		normalize bool
	}{
		{"defaults", nil, "mean", 512, false},
		{"pooling", map[string]string{"1_Pooling/config.json": `{"word_embedding_dimension":6,"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false}`}, "cls", 512, false},
		{"pooling by name", map[string]string{"1_Pooling/config.json": `{"pooling_mode":"lasttoken"}`}, "lasttoken", 512, false},
		{"elsewhere", map[string]string{"modules.json": fmt.Sprintf(modules, "Pool", normal), "Pool/config.json": `{"pooling_mode_max_tokens":true}`}, "max", 512, true},
		{"lengths", map[string]string{"sentence_bert_config.json": `{"max_seq_length":100}`, "tokenizer_config.json": `{"model_max_length":50}`}, "mean", 100, false},
		{"a tokenizer's", map[string]string{"tokenizer_config.json": `{"model_max_length":50}`, "config.json": `{"max_position_embeddings":60}`}, "mean", 50, false},
		{"none", map[string]string{"tokenizer_config.json": `{"model_max_length":1000000000000000019884624838656}`}, "mean", 512, false},
		{"the network's", map[string]string{"config.json": `{"max_position_embeddings":60,"pad_token_id":1}`}, "mean", 60, false},
	} {
		e := open(t, rt, m, c.files, nil)
		assert.Equal(t, c.tokens, e.About().Context, c.name)
		a, _ := run(t, e, `{"input":"北京","normalize":false}`)
		assert.InDeltaSlice(t, pooled(ids, size, c.how), a.Embeddings[0], 1e-5, c.name)
		b, _ := run(t, e, `{"input":"北京"}`)
		assert.Equal(t, !c.normalize, assert.ObjectsAreEqual(a, b), c.name)
	}
}

func refuses(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m, _ := plain(t)
	e := open(t, rt, m, nil, nil)
	for in, field := range map[string]string{
		`{"input":"a","dimensions":7}`: "dimensions",
		`{"input":"a","dimensions":0}`: "dimensions",
		`{"input":[]}`:                 "input",
		`{"input":["a",1]}`:            "input[1]",
		`{}`:                           "input",
		`{"input":"a","encoding_format":"ubyte"}`: "encoding_format",
		`{"input":"a","inputs":"a"}`:              "inputs",
	} {
		_, err := e.Prepare(t.Context(), engine.Request{Input: []byte(in)})
		f := fault.From(err)
		assert.Equal(t, fault.InvalidInput, f.Code, in)
		assert.Equal(t, field, f.Field, in)
	}
}

func loadRefuses(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m, size := plain(t)
	id := []graph.Part{graph.Node("Identity", []string{"input_ids"}, []string{"y"})}
	with := func(parts ...graph.Part) []byte { return graph.Model(append(id[:1:1], parts...)...) }
	for _, c := range []struct {
		name  string
		m     []byte
		files map[string]string
		c     *model.Embed
		want  string
	}{
		{"pooling", m, map[string]string{"1_Pooling/config.json": `{"pooling_mode_mean_sqrt_len_tokens":true}`}, nil, "pooling_mode_mean_sqrt_len_tokens"},
		{"pooling by name", m, map[string]string{"1_Pooling/config.json": `{"pooling_mode":"sum"}`}, nil, `"sum"`},
		{"two poolings", m, map[string]string{"1_Pooling/config.json": `{"pooling_mode_cls_token":true,"pooling_mode_max_tokens":true}`}, nil, "several"},
		{"dense", m, map[string]string{"modules.json": `[{"path":"","type":"a.Transformer"},{"path":"2_Dense","type":"a.Dense"}]`}, nil, "Dense"},
		{"broken", m, map[string]string{"modules.json": `{}`}, nil, "modules.json"},
		{"file", m, nil, &model.Embed{Model: "other.onnx"}, "other.onnx"},
		{"no tokens", m, nil, &model.Embed{MaxTokens: 1}, "max_tokens"},
		{"positions", m, nil, &model.Embed{MaxTokens: positions + 1}, "max_tokens"},
		{"unknown input", with(graph.Input("input_ids", tensor.Int64, -1, -1), graph.Input("pixels", tensor.Int64), graph.Output("y", tensor.Int64, -1, -1)), nil, nil, "pixels"},
		{"no ids", graph.Model(graph.Node("Identity", []string{"attention_mask"}, []string{"y"}), graph.Input("attention_mask", tensor.Int64, -1, -1), graph.Output("y", tensor.Int64, -1, -1)), nil, nil, "input_ids"},
		{"floats in", with(graph.Input("input_ids", tensor.Float32, -1, -1), graph.Output("y", tensor.Float32, -1, -1)), nil, nil, "input_ids"},
		{"integers out", with(graph.Input("input_ids", tensor.Int64, -1, -1), graph.Output("y", tensor.Int64, -1, -1)), nil, nil, "INT64"},
		{"no vectors", with(graph.Input("input_ids", tensor.Int64, -1), graph.Output("y", tensor.Int64, -1)), nil, nil, "last_hidden_state"},
		{"no tokenizer", m, map[string]string{"tokenizer.json": "{"}, nil, "tokenizer"},
	} {
		dir, mf := folder(t, c.m, c.files, c.c)
		_, err := embed.New(rt, dir, mf, embed.Options{})
		require.ErrorContains(t, err, c.want, c.name)
	}
	e := open(t, rt, encoder(size, tensor.Int64, tensor.Float32, true), map[string]string{
		"modules.json": `[{"path":"","type":"a.Transformer"},{"path":"2_Dense","type":"a.Dense"}]`,
	}, nil)
	assert.Equal(t, width, e.About().Dimensions, "a graph that does it all needs nothing of the modules")
}

func cancels(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m, _ := plain(t)
	e := open(t, rt, m, nil, nil)
	u := prepare(t, e, `{"input":"a"}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.RunBatch(ctx, []engine.Unit{u})
	require.ErrorIs(t, err, context.Canceled)
	_, err = e.Prepare(ctx, engine.Request{Input: []byte(`{"input":"a"}`)})
	require.ErrorIs(t, err, context.Canceled)
}
