package tensor_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/model"
	vocabulary "github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/shared/testenv/graph"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/tensor"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// TestTensor holds every test that needs the runtime, of which a process has one.
func TestTensor(t *testing.T) {
	t.Parallel()
	rt, err := onnx.Open(onnxlib.Find(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close(), "every test closed its engines") })
	for name, test := range map[string]func(*testing.T, *onnx.Runtime){
		"every type": everyType, "special values": specialValues, "strings": stringsSurvive, "several": several,
		"batch": batches, "batch of strings": batchesStrings, "no batch": sharesNothing, "lying batch": liesAboutBatch,
		"refuses": refuses, "load refuses": loadRefuses, "cancel": cancels, "too large": tooLarge, "no inputs": noInputs, "demo model": demoModel, "cases": cases, "odd": odd, "slow": slow,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, rt)
		})
	}
}

// equal holds an answer against what it should be, byte for byte.
func equal(t *testing.T, want, got string, says ...any) {
	t.Helper()
	if want != got {
		t.Errorf("%swant %s\nhave %s", fmt.Sprint(says...), want, got)
	}
}

// manifest puts a graph into a folder of its own.
func manifest(tb testing.TB, m []byte, section *model.Tensor) (string, *model.Manifest) {
	tb.Helper()
	dir := tb.TempDir()
	require.NoError(tb, os.WriteFile(filepath.Join(dir, "graph.onnx"), m, 0o600))
	return dir, &model.Manifest{
		Name: "m", Version: "1", Engine: tensor.Kind, Files: map[string]string{"graph.onnx": "", "README.md": ""}, Tensor: section,
	}
}

func open(tb testing.TB, rt *onnx.Runtime, m []byte, batch bool) *tensor.Engine {
	tb.Helper()
	dir, mf := manifest(tb, m, &model.Tensor{Batch: batch})
	e, err := tensor.New(rt, dir, mf, tensor.Options{Instances: 2})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, e.Close()) })
	return e
}

func prepare(e *tensor.Engine, in string) (engine.Unit, error) {
	return e.Prepare(context.Background(), engine.Request{Attempt: 1, Input: []byte(in)})
}

// answer is one request's, alone.
func answer(tb testing.TB, e *tensor.Engine, in string) string {
	tb.Helper()
	out, err := try(tb, e, in)
	require.NoError(tb, err, in)
	return out
}

func try(tb testing.TB, e *tensor.Engine, in string) (string, error) {
	tb.Helper()
	u, err := prepare(e, in)
	if err != nil {
		return "", err
	}
	out, err := e.RunBatch(tb.Context(), []engine.Unit{u})
	if err != nil {
		return "", err
	}
	return string(out[0].Result.Output), out[0].Err
}

func passes(d vocabulary.DType) []byte {
	return graph.Model(graph.Node("Identity", []string{"x"}, []string{"y"}), graph.LooseInput("x", d), graph.LooseOutput("y", d))
}

func everyType(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	for d, c := range map[vocabulary.DType][2]string{ // data, and the little-endian bytes
		vocabulary.Bool:     {"true,false", "\x01\x00"},
		vocabulary.Uint8:    {"255,0", "\xff\x00"},
		vocabulary.Uint16:   {"65535,1", "\xff\xff\x01\x00"},
		vocabulary.Uint32:   {"4294967295,1", "\xff\xff\xff\xff\x01\x00\x00\x00"},
		vocabulary.Uint64:   {"18446744073709551615,1", "\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00"},
		vocabulary.Int8:     {"-128,127", "\x80\x7f"},
		vocabulary.Int16:    {"-32768,1", "\x00\x80\x01\x00"},
		vocabulary.Int32:    {"-2147483648,1", "\x00\x00\x00\x80\x01\x00\x00\x00"},
		vocabulary.Int64:    {"-9223372036854775808,1", "\x00\x00\x00\x00\x00\x00\x00\x80\x01\x00\x00\x00\x00\x00\x00\x00"},
		vocabulary.Float16:  {"1.5,-0.25", "\x00\x3e\x00\xb4"},
		vocabulary.BFloat16: {"1.5,-0.25", "\xc0\x3f\x80\xbe"},
		vocabulary.Float32:  {"1.1,-2.5e-8", "\xcd\xcc\x8c\x3f\x95\xbf\xd6\xb2"},
		vocabulary.Float64:  {"0.1,-2.5", "\x9a\x99\x99\x99\x99\x99\xb9\x3f\x00\x00\x00\x00\x00\x00\x04\xc0"},
		vocabulary.String:   {`"a\u0000b",""`, "\x03\x00\x00\x00a\x00b\x00\x00\x00\x00"},
	} {
		e := open(t, rt, passes(d), false)
		data, raw := c[0], base64.StdEncoding.EncodeToString([]byte(c[1]))
		head := fmt.Sprintf(`{"name":"%%s","datatype":"%s","shape":[2,1]`, d)
		in, out := fmt.Sprintf(head, "x"), fmt.Sprintf(head, "y")
		for _, sent := range []string{`"data":[` + data + `]`, `"raw":"` + raw + `"`} {
			equal(t, `{"outputs":[`+out+`,"data":[`+data+`]}]}`, answer(t, e, `{"inputs":[`+in+`,`+sent+`}]}`))
			equal(t, `{"outputs":[`+out+`,"raw":"`+raw+`"}]}`,
				answer(t, e, `{"inputs":[`+in+`,`+sent+`}],"outputs":[{"name":"y","raw":true}]}`))
		}
		one, _, _ := strings.Cut(data, ",")
		none := fmt.Sprintf(`{"inputs":[{"name":"x","datatype":"%s","shape":[%%s],"data":[%%s]}]}`, d)
		assert.Contains(t, answer(t, e, fmt.Sprintf(none, "", one)), `"shape":[],"data":[`+one+`]`, "a scalar")
		assert.Contains(t, answer(t, e, fmt.Sprintf(none, "0,3", "")), `"shape":[0,3],"data":[]`, "no elements")
	}
}

// specialValues are those that JSON has no number for, and names that need escapes.
func specialValues(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	var raw []byte
	for _, f := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e-45, math.MaxFloat32, 0, 1e21, 123456} {
		b, err := vocabulary.Bytes(vocabulary.Float32, nil)
		require.NoError(t, err)
		require.EqualValues(t, 4, b)
		u := math.Float32bits(f)
		raw = append(raw, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
	}
	m := graph.Model(graph.Node("Identity", []string{`x"\` + "\n"}, []string{`é"`}),
		graph.Input(`x"\`+"\n", vocabulary.Float32, 8), graph.Output(`é"`, vocabulary.Float32, 8))
	e := open(t, rt, m, false)
	in := `{"inputs":[{"name":"x\"\\\n","datatype":"FP32","shape":[8],"raw":"` + base64.StdEncoding.EncodeToString(raw) + `"}]`
	equal(t, `{"outputs":[{"name":"é\"","datatype":"FP32","shape":[8],"data":[null,null,null,1e-45,3.4028235e+38,0,1e+21,123456]}]}`,
		answer(t, e, in+`}`))
	assert.Contains(t, answer(t, e, in+`,"outputs":[{"name":"é\"","raw":true}]}`), base64.StdEncoding.EncodeToString(raw))
}

func stringsSurvive(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	e := open(t, rt, passes(vocabulary.String), false)
	bytes := "\x02\x00\x00\x00\xff\xfe\x01\x00\x00\x00\x00"
	in := `{"inputs":[{"name":"x","datatype":"BYTES","shape":[2],"raw":"` + base64.StdEncoding.EncodeToString([]byte(bytes)) + `"}]}`
	assert.Contains(t, answer(t, e, in), `"raw":"`+base64.StdEncoding.EncodeToString([]byte(bytes))+`"`, "what is no UTF-8 comes raw")
	assert.Contains(t, answer(t, e, `{"inputs":[{"name":"x","datatype":"BYTES","shape":[2],"data":["人物","<\""]}]}`), `"data":["人物","<\""]`)
}

// sums has two inputs and three outputs of different types, all with rows on the first axis.
func sums() []byte {
	return graph.Model(
		graph.Node("Add", []string{"a", "b"}, []string{"sum"}),
		graph.Node("Greater", []string{"a", "b"}, []string{"more"}),
		graph.Node("ReduceMax", []string{"sum", "one"}, []string{"most"}, graph.Int("keepdims", 0)),
		graph.Int64s("one", []int64{1}, 1),
		graph.Input("a", vocabulary.Float32, -1, -1), graph.Input("b", vocabulary.Float32, -1, -1),
		graph.Output("sum", vocabulary.Float32, -1, -1), graph.Output("more", vocabulary.Bool, -1, -1),
		graph.Output("most", vocabulary.Float32, -1),
	)
}

func ofSums(rows, columns int, a, b float32, outputs string) string {
	list := func(f float32) string {
		var s []string
		for i := range rows * columns {
			s = append(s, fmt.Sprint(f+float32(i)))
		}
		return strings.Join(s, ",")
	}
	return fmt.Sprintf(`{"inputs":[{"name":"b","datatype":"FP32","shape":[%[1]d,%[2]d],"data":[%[3]s]},`+
		`{"name":"a","datatype":"FP32","shape":[%[1]d,%[2]d],"data":[%[4]s]}]%[5]s}`, rows, columns, list(b), list(a), outputs)
}

func several(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	e := open(t, rt, sums(), false)
	equal(t, `{"outputs":[{"name":"sum","datatype":"FP32","shape":[2,2],"data":[3,5,7,9]},`+
		`{"name":"more","datatype":"BOOL","shape":[2,2],"data":[false,false,false,false]},`+
		`{"name":"most","datatype":"FP32","shape":[2],"data":[5,9]}]}`, answer(t, e, ofSums(2, 2, 1, 2, "")))
	equal(t, `{"outputs":[{"name":"most","datatype":"FP32","shape":[1],"data":[6]},{"name":"sum","datatype":"FP32","shape":[1,1],"raw":"AADAQA=="}]}`,
		answer(t, e, ofSums(1, 1, 4, 2, `,"outputs":[{"name":"most"},{"name":"sum","raw":true}]`)), "in the order asked for")
	about := e.About()
	assert.Equal(t, []job.Spec{{Name: "a", Datatype: "FP32", Shape: []int64{-1, -1}}, {Name: "b", Datatype: "FP32", Shape: []int64{-1, -1}}}, about.Inputs)
	assert.Len(t, about.Outputs, 3)
}

func batches(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	e := open(t, rt, sums(), true)
	requests := []string{
		ofSums(1, 3, 1, 2, ""), ofSums(2, 3, 5, 4, `,"outputs":[{"name":"most"}]`), ofSums(1, 3, 9, 0, `,"outputs":[{"name":"more","raw":true}]`),
	}
	var units []engine.Unit
	for i, r := range requests {
		u, err := prepare(e, r)
		require.NoError(t, err)
		assert.Equal(t, []int{1, 2, 1}[i], u.Rows())
		assert.Equal(t, u.Rows(), u.Cost())
		units = append(units, u)
		assert.Equal(t, units[0].Key(), u.Key())
	}
	for range 3 {
		out, err := e.RunBatch(t.Context(), units)
		require.NoError(t, err)
		for i, r := range requests {
			require.NoError(t, out[i].Err)
			assert.Equal(t, 3, out[i].Result.BatchSize)
			assert.Equal(t, answer(t, e, r), string(out[i].Result.Output), "as if alone")
		}
	}
	other, err := prepare(e, ofSums(1, 2, 1, 2, ""))
	require.NoError(t, err)
	assert.NotEqual(t, units[0].Key(), other.Key(), "other dimensions")
	for range 2 {
		empty, err := prepare(e, ofSums(0, 3, 1, 2, `,"outputs":[{"name":"sum"}]`))
		require.NoError(t, err)
		assert.NotEqual(t, other.Key(), empty.Key(), "no rows")
		other = empty
	}
	assert.Contains(t, answer(t, e, ofSums(0, 3, 1, 2, `,"outputs":[{"name":"sum"}]`)), `"shape":[0,3],"data":[]`)
	assert.Positive(t, e.MaxTokens())

	_, err = prepare(e, strings.Replace(ofSums(2, 3, 1, 2, ""), "[2,3]", "[3,2]", 1))
	f := fault.From(err)
	assert.Equal(t, fault.InvalidInput, f.Code)
	assert.Equal(t, "inputs[1].shape", f.Field)
}

func batchesStrings(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m := graph.Model(graph.Node("Identity", []string{"x"}, []string{"y"}),
		graph.Input("x", vocabulary.String, -1, 2), graph.Output("y", vocabulary.String, -1, 2))
	e := open(t, rt, m, true)
	a, err := prepare(e, `{"inputs":[{"name":"x","datatype":"BYTES","shape":[1,2],"data":["a","b"]}]}`)
	require.NoError(t, err)
	b, err := prepare(e, `{"inputs":[{"name":"x","datatype":"BYTES","shape":[2,2],"data":[["c",""],["d","e"]]}]}`)
	require.NoError(t, err)
	out, err := e.RunBatch(t.Context(), []engine.Unit{a, b})
	require.NoError(t, err)
	assert.Contains(t, string(out[0].Result.Output), `"shape":[1,2],"data":["a","b"]`)
	assert.Contains(t, string(out[1].Result.Output), `"shape":[2,2],"data":["c","","d","e"]`)
}

func sharesNothing(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	e := open(t, rt, sums(), false)
	a, err := prepare(e, ofSums(1, 3, 1, 2, ""))
	require.NoError(t, err)
	b, err := prepare(e, ofSums(1, 3, 1, 2, ""))
	require.NoError(t, err)
	assert.NotEqual(t, a.Key(), b.Key())
	_, err = e.RunBatch(t.Context(), []engine.Unit{foreign{}})
	assert.Error(t, err)
}

type foreign struct{ engine.Unit }

// liesAboutBatch has an output without rows, of which the file does not tell.
func liesAboutBatch(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m := graph.Model(graph.Node("ReduceSum", []string{"x"}, []string{"y"}, graph.Int("keepdims", 0)),
		graph.Input("x", vocabulary.Float32, -1, 2), graph.LooseOutput("y", vocabulary.Float32))
	e := open(t, rt, m, true)
	in := `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}`
	u, err := prepare(e, in)
	require.NoError(t, err)
	_, err = e.RunBatch(t.Context(), []engine.Unit{u, u})
	require.ErrorContains(t, err, "tensor.batch")
	assert.Contains(t, answer(t, e, in), `"shape":[],"data":[3]`, "alone it is answered")
}

func refuses(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	e := open(t, rt, sums(), false)
	a := `{"name":"a","datatype":"FP32","shape":[1,1],"data":[1]}`
	for _, c := range []struct{ in, field string }{
		{`{"inputs":[` + a + `]}`, "inputs"},
		{`{"inputs":[` + a + `,` + a + `]}`, "inputs[1].name"},
		{`{"inputs":[` + a + `,{"name":"c","datatype":"FP32","shape":[1,1],"data":[1]}]}`, "inputs[1].name"},
		{`{"inputs":[` + a + `,{"name":"b","datatype":"FP64","shape":[1,1],"data":[1]}]}`, "inputs[1].datatype"},
		{`{"inputs":[` + a + `,{"name":"b","datatype":"INT4","shape":[1,1],"data":[1]}]}`, "inputs[1].datatype"},
		{`{"inputs":[` + a + `,{"name":"b","datatype":"FP32","shape":[1],"data":[1]}]}`, "inputs[1].shape"},
		{`{"inputs":[` + a + `,{"name":"b","datatype":"FP32","shape":[-1,1],"data":[1]}]}`, "inputs[1].shape"},
		{`{"inputs":[` + a + `,{"name":"b","datatype":"FP32","shape":[4,4611686018427387905],"data":[1,2,3,4]}]}`, "inputs[1].shape"},
		{`{"inputs":[` + a + `,{"name":"b","datatype":"FP32","shape":[1,1],"data":[1,2]}]}`, "inputs[1].data"},
		{`{"inputs":[` + a + `,{"name":"b","datatype":"FP32","shape":[1,1],"raw":"AAAA"}]}`, "inputs[1].raw"},
		{ofSums(1, 1, 1, 1, `,"outputs":[{"name":"product"}]`), "outputs[0].name"},
		{ofSums(1, 1, 1, 1, `,"outputs":[{"name":"sum"},{"name":"sum"}]`), "outputs[1].name"},
	} {
		_, err := prepare(e, c.in)
		require.Error(t, err, c.in)
		f := fault.From(err)
		assert.Equal(t, fault.InvalidInput, f.Code, c.in)
		assert.Equal(t, c.field, f.Field, c.in)
	}
	_, err := try(t, e, `{"inputs":[`+a+`,{"name":"b","datatype":"FP32","shape":[3,0],"data":[]}]}`)
	require.NoError(t, err, "broadcast")
	_, err = try(t, e, `{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2]},{"name":"b","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]}`)
	f := fault.From(err)
	assert.Equal(t, fault.InvalidInput, f.Code, "%v", err)
	assert.Equal(t, "inputs", f.Field)
	assert.Regexp(t, "operator (Add|Greater)", f.Detail)
	assert.NotContains(t, f.Detail, "onnxruntime_src")
}

func loadRefuses(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	fixed := graph.Model(graph.Node("Identity", []string{"x"}, []string{"y"}),
		graph.Input("x", vocabulary.Float32, 1, 2), graph.Output("y", vocabulary.Float32, 1, 2))
	summed := graph.Model(graph.Node("ReduceSum", []string{"x"}, []string{"y"}, graph.Int("keepdims", 0)),
		graph.Input("x", vocabulary.Float32, -1, 2), graph.Output("y", vocabulary.Float32))
	for _, c := range []struct {
		name string
		m    []byte
		t    *model.Tensor
		want string
	}{
		{"rows are fixed", fixed, &model.Tensor{Batch: true}, `input "x"`},
		{"an output has no rows", summed, &model.Tensor{Batch: true}, `output "y"`},
		{"another file", fixed, &model.Tensor{Model: "other.onnx"}, "other.onnx"},
		{"no model", []byte("text"), nil, "graph.onnx"},
		{"int4", passes(vocabulary.Int4), nil, "INT4"},
	} {
		dir, m := manifest(t, c.m, c.t)
		_, err := tensor.New(rt, dir, m, tensor.Options{})
		require.ErrorContains(t, err, c.want, c.name)
	}
	dir, m := manifest(t, fixed, nil)
	m.Files["second.onnx"] = ""
	_, err := tensor.New(rt, dir, m, tensor.Options{})
	require.ErrorContains(t, err, "graph.onnx, second.onnx")
	m.Files = map[string]string{}
	_, err = tensor.New(rt, dir, m, tensor.Options{})
	require.ErrorContains(t, err, "no *.onnx")
	_, err = tensor.New(rt, filepath.Join(dir, "nowhere"), m, tensor.Options{})
	require.Error(t, err)
}

func noInputs(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m := graph.Model(graph.Node("Shape", []string{"c"}, []string{"y"}), graph.Floats("c", []float32{1, 2, 3}, 3),
		graph.Node("SplitToSequence", []string{"c"}, []string{"parts"}), graph.Untyped("parts"), graph.Output("y", vocabulary.Int64, 1))
	e := open(t, rt, m, false)
	equal(t, `{"outputs":[{"name":"y","datatype":"INT64","shape":[1],"data":[3]}]}`, answer(t, e, `{"inputs":[]}`), "and no sequence")
	_, err := prepare(e, `{"inputs":[{"name":"x","datatype":"FP32","shape":[],"data":1}]}`)
	assert.Equal(t, "inputs", fault.From(err).Field)
}

// tooLarge is an answer of gigabytes to a request of bytes.
func tooLarge(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m := graph.Model(graph.Node("Expand", []string{"x", "shape"}, []string{"y"}),
		graph.Input("x", vocabulary.Uint8, 1), graph.Input("shape", vocabulary.Int64, -1), graph.LooseOutput("y", vocabulary.Uint8))
	e := open(t, rt, m, false)
	in := func(n int) string {
		return fmt.Sprintf(`{"inputs":[{"name":"x","datatype":"UINT8","shape":[1],"data":[7]},{"name":"shape","datatype":"INT64","shape":[1],"data":[%d]}]}`, n)
	}
	assert.Contains(t, answer(t, e, in(3)), "[7,7,7]")
	_, err := try(t, e, in(100<<20))
	assert.Equal(t, "outputs", fault.From(err).Field)
	for _, n := range []int{8 << 30, 1 << 60} { // more than runs may take, and more than there is
		_, err = try(t, e, in(n))
		assert.Equal(t, fault.Overloaded, fault.From(err).Code, "%v", err)
	}
	assert.Contains(t, answer(t, e, in(2)), "[7,7]", "and the model goes on")
}

// cancels ends a run that would take hours.
func cancels(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	e := open(t, rt, graph.Loop(), false)
	in := func(n int) string {
		return fmt.Sprintf(`{"inputs":[{"name":"trips","datatype":"INT64","shape":[1],"data":[%d]}]}`, n)
	}
	assert.Contains(t, answer(t, e, in(5)), `"data":[5]`)
	u, err := prepare(e, in(1<<40))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = e.RunBatch(ctx, []engine.Unit{u})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = e.RunBatch(ctx, []engine.Unit{u})
	require.ErrorIs(t, err, context.DeadlineExceeded, "before it began")
	assert.Contains(t, answer(t, e, in(7)), `"data":[7]`, "and the model goes on")
}

// digits is the demo model's folder.
func digits(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(onnxlib.Root(tb), "worker", "models", "digits-tiny", "1")
}

// demoModel answers its references alone and all together.
func demoModel(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m, err := model.Read(digits(t))
	require.NoError(t, err)
	e, err := tensor.New(rt, digits(t), m, tensor.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	b, err := os.ReadFile(filepath.Join(digits(t), "..", "testdata", "reference.json"))
	require.NoError(t, err)
	var references []struct {
		Levels        []int     `json:"levels"`
		Logits        []float64 `json:"logits"`
		Probabilities []float64 `json:"probabilities"`
	}
	require.NoError(t, json.Unmarshal(b, &references))
	var units []engine.Unit
	for i := range references {
		x := make([]float32, len(references[i].Levels))
		for k, level := range references[i].Levels {
			x[k] = float32(level) / 255
		}
		in := `{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1,1,28,28],"raw":"` + base64.StdEncoding.EncodeToString(onnx.AsBytes(x)) + `"}]}`
		u, err := prepare(e, in)
		require.NoError(t, err)
		units = append(units, u)
	}
	together, err := e.RunBatch(t.Context(), units)
	require.NoError(t, err)
	for i, u := range units {
		alone, err := e.RunBatch(t.Context(), []engine.Unit{u})
		require.NoError(t, err)
		for _, o := range []engine.Outcome{together[i], alone[0]} {
			require.NoError(t, o.Err)
			var a struct {
				Outputs []struct {
					Data []float64 `json:"data"`
				} `json:"outputs"`
			}
			require.NoError(t, json.Unmarshal(o.Result.Output, &a))
			assert.InDeltaSlice(t, references[i].Logits, a.Outputs[0].Data, 1e-4)
			assert.InDeltaSlice(t, references[i].Probabilities, a.Outputs[1].Data, 1e-5)
		}
	}
}
