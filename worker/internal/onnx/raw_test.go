package onnx_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// passModel gives y = x of any shape.
func passModel(d tensor.DType) []byte {
	return onnxModel(node("Identity", []string{"x"}, []string{"y"}),
		loose(11, "x", int64(d.ONNX())), loose(12, "y", int64(d.ONNX())))
}

func passes(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	for d := tensor.Bool; d < tensor.String; d++ {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			passesType(t, rt, d)
		})
	}
}

func passesType(t *testing.T, rt *onnx.Runtime, d tensor.DType) {
	t.Helper()
	s := load(t, rt, passModel(d), "y")
	var x, bound, auto onnx.Raw
	defer func() { x.Free(); bound.Free(); auto.Free() }()
	for _, dims := range [][]int64{{2, 3}, {}, {0, 3}, {1}, {5, 1, 2}, {4, 0}, {2, 3}} {
		in, err := x.Shape(d, dims...)
		require.NoError(t, err)
		for i := range in {
			in[i] = byte(rand.IntN(2)) // a bool has no other
		}
		out, err := bound.Shape(d, dims...)
		require.NoError(t, err)
		clear(out)
		require.NoError(t, s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{&bound}), "%v", dims)
		assert.Equal(t, in, bound.Bytes(), "%v", dims)

		auto.Auto()
		assert.Nil(t, auto.Bytes())
		require.NoError(t, s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{&auto}), "%v", dims)
		assert.Equal(t, d, auto.DType())
		assert.Len(t, auto.Dims(), len(dims))
		assert.ElementsMatch(t, dims, auto.Dims())
		assert.Equal(t, string(in), string(auto.Bytes()), "%v", dims)

		require.NoError(t, s.Run(t.Context(), []onnx.Value{&auto}, []onnx.Value{&auto}), "what came out goes in again")
		assert.Equal(t, string(in), string(auto.Bytes()), "%v", dims)
	}
}

func passesStrings(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	s := load(t, rt, passModel(tensor.String), "y")
	var x, y onnx.Raw
	defer func() { x.Free(); y.Free() }()
	for _, c := range []struct {
		values []string
		dims   []int64
	}{
		{[]string{"a", "", "b\x00c\x00", "\xff\xfe", "人物", strings.Repeat("long ", 5000)}, []int64{3, 2}},
		{[]string{"alone"}, nil},
		{[]string{""}, []int64{1}},
		{nil, []int64{0, 4}},
	} {
		require.NoError(t, x.SetStrings(c.values, c.dims...))
		y.Auto()
		require.NoError(t, s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{&y}))
		assert.Equal(t, tensor.String, y.DType())
		got, err := y.Strings()
		require.NoError(t, err)
		assert.Equal(t, c.values, got)
		assert.Nil(t, y.Bytes())
		assert.Len(t, y.Dims(), len(c.dims))
	}
	require.Error(t, x.SetStrings([]string{"a"}, 2))
	require.Error(t, x.SetStrings([]string{"a"}, -1))
	require.ErrorContains(t, s.Run(t.Context(), []onnx.Value{&y}, []onnx.Value{&x}), `output "y"`, "an input is no output")
}

func rawRefuses(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	s := load(t, rt, passModel(tensor.Float32), "y")
	var x, y onnx.Raw
	defer func() { x.Free(); y.Free() }()
	for _, d := range []tensor.DType{tensor.Int4, tensor.Uint4, tensor.Invalid, tensor.String} {
		require.ErrorContains(t, x.Bind(d, make([]byte, 4), 1), d.String())
	}
	require.Error(t, x.Bind(tensor.Float32, make([]byte, 4), 2))
	require.Error(t, x.Bind(tensor.Float32, make([]byte, 16), 4, 1<<62+1))
	require.Error(t, x.Bind(tensor.Float32, nil, 0, 1<<40, 1<<40))
	require.Error(t, x.Bind(tensor.Float32, nil, math.MinInt64))
	require.Error(t, x.Bind(tensor.Float32, make([]byte, 4), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1))
	_, err := x.Strings()
	require.Error(t, err)
	y.Auto()
	require.ErrorContains(t, s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{&y}), `input "x"`)
	require.ErrorContains(t, s.Run(t.Context(), []onnx.Value{&y}, []onnx.Value{&x}), `input "x"`)
	require.NoError(t, x.Bind(tensor.Float64, make([]byte, 8), 1))
	err = s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{&y})
	require.True(t, onnx.IsInvalid(err), "%v", err)
	assert.False(t, onnx.IsMemory(err))
	require.NoError(t, x.Bind(tensor.Float32, make([]byte, 8), 2))
	require.NoError(t, s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{&y}), "and the session goes on")
	x.Free()
	x.Free()
	assert.Empty(t, x.Dims())
	assert.Equal(t, tensor.Invalid, x.DType())
}

// unforeseen are outputs whose shape only the run knows, one that is not wanted, and one that is no tensor.
func unforeseen(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m := onnxModel(
		node("NonZero", []string{"x"}, []string{"where"}),
		node("SplitToSequence", []string{"x"}, []string{"parts"}),
		node("Shape", []string{"x"}, []string{"shape"}),
		loose(11, "x", float), value(12, "where", int64s, 1, -1), message(12, str(1, "parts")), value(12, "shape", int64s, 1),
	)
	s := load(t, rt, m, "where", "parts", "shape")
	var x, where, parts, shape onnx.Raw
	defer func() { x.Free(); where.Free(); parts.Free(); shape.Free() }()
	in, err := x.Shape(tensor.Float32, 4)
	require.NoError(t, err)
	values, err := onnx.As[float32](in)
	require.NoError(t, err)
	copy(values, []float32{0, 1, 0, 2})
	where.Auto()
	out, err := shape.Shape(tensor.Int64, 1)
	require.NoError(t, err)
	require.NoError(t, s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{&where, nil, &shape}))
	assert.Equal(t, []int64{1, 2}, where.Dims())
	found, err := onnx.As[int64](where.Bytes())
	require.NoError(t, err)
	assert.Equal(t, []int64{1, 3}, found)
	assert.Equal(t, byte(4), out[0])

	parts.Auto()
	err = s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{nil, &parts, nil})
	require.ErrorContains(t, err, `output "parts"`)
	assert.ErrorContains(t, err, "no tensor")
}

// limited is a run that wants more memory than runs may have.
func limited(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	m := onnxModel(node("ConstantOfShape", []string{"x"}, []string{"y"}), value(11, "x", int64s, 1), loose(12, "y", float))
	path, o := write(t, m), onnx.Options{Inputs: []string{"x"}, Outputs: []string{"y"}, Limited: true, Shrink: true}
	require.Error(t, rt.Limit(0))
	require.NoError(t, rt.Limit(100<<20))
	require.NoError(t, rt.Limit(1), "the first call settles it")
	s, err := rt.Load(path, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	var x onnx.Tensor[int64]
	var y onnx.Raw
	defer func() { x.Free(); y.Free() }()
	n, err := x.Shape(1)
	require.NoError(t, err)
	for range 3 {
		y.Auto()
		n[0] = 15 << 20
		require.NoError(t, s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{&y}))
		assert.Len(t, y.Bytes(), 60<<20)
		y.Auto() // gives it back
		n[0] = 30 << 20
		for _, n[0] = range []int64{30 << 20, 1 << 60} {
			err := s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{&y})
			require.True(t, onnx.IsMemory(err), "%v", err)
		}
	}
}

// load opens a model whose input is x.
func load(t *testing.T, rt *onnx.Runtime, m []byte, outputs ...string) *onnx.Session {
	t.Helper()
	s, err := rt.Load(write(t, m), onnx.Options{Inputs: []string{"x"}, Outputs: outputs, Shrink: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestMemory(t *testing.T) {
	t.Parallel()
	m, err := onnx.NewMemory(10_000)
	require.NoError(t, err)
	b := m.Bytes()
	assert.Len(t, b, 10_000)
	assert.Equal(t, make([]byte, len(b)), b)
	b[9_999] = 1
	f, err := onnx.As[float64](b)
	require.NoError(t, err)
	assert.Len(t, f, 1250)
	_, err = onnx.As[float32](b[1:5])
	require.Error(t, err)
	_, err = onnx.As[float32](b[:5])
	require.Error(t, err)
	for i := range 9 {
		whole, err := onnx.As[uint64](onnx.Aligned(b[i : i+16]))
		require.NoError(t, err)
		assert.Len(t, whole, 2)
	}
	assert.Same(t, &b[8], &onnx.Aligned(b[8:16])[0])
	require.NoError(t, m.Free())
	require.NoError(t, m.Free())
	empty, err := onnx.NewMemory(0)
	require.NoError(t, err)
	require.NoError(t, empty.Free())
	_, err = onnx.NewMemory(-1)
	require.Error(t, err)
	_, err = onnx.NewMemory(math.MaxInt64)
	assert.Error(t, err)
}
