package onnx_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	ort "github.com/yalue/onnxruntime_go"

	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// cacheLayers is the depth of a decoder whose run passes about 60 values on each side.
const cacheLayers = 28

// cacheModel passes the values of a KV cache through, [1, n, 4] each.
func cacheModel() ([]byte, []string, []string) {
	var graph [][]byte
	var in, out []string
	for i := range 2 * cacheLayers {
		x, y := "past."+strconv.Itoa(i), "present."+strconv.Itoa(i)
		graph = append(graph, node("Abs", []string{x}, []string{y}), value(11, x, float, 1, -1, 4), value(12, y, float, 1, -1, 4))
		in, out = append(in, x), append(out, y)
	}
	return onnxModel(graph...), in, out
}

// BenchmarkCache is one run with the values of a KV cache: by another Go binding whose tensors stay as they are, by ours
// with values that stay, and by ours with every value bound to another shape in each run, as a decoder does.
func BenchmarkCache(b *testing.B) {
	lib := onnxlib.Find(b)
	rt, err := onnx.Open(lib)
	require.NoError(b, err)
	defer func() { require.NoError(b, rt.Close()) }()
	m, in, out := cacheModel()
	path := write(b, m)
	b.Run("binding", func(b *testing.B) { bareCache(b, lib, path, in, out) })
	s, err := rt.Load(path, onnx.Options{Inputs: in, Outputs: out})
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	for _, how := range []string{"same", "rebound", "bind only"} {
		b.Run(how, func(b *testing.B) { ourCache(b, s, len(in), how) })
	}
}

func ourCache(b *testing.B, s *onnx.Session, n int, how string) {
	b.Helper()
	mem, err := onnx.NewMemory(1 << 20)
	require.NoError(b, err)
	raws := make([]onnx.Raw, 2*n)
	var values []onnx.Value
	for i := range raws {
		values = append(values, &raws[i])
	}
	bind := func(rows int64) {
		for i := range raws {
			from := i * 4096
			if err := raws[i].Bind(tensor.Float32, mem.Bytes()[from:from+int(rows)*16], 1, rows, 4); err != nil {
				b.Fatal(err)
			}
		}
	}
	bind(1)
	ctx := context.Background()
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		if how != "same" {
			bind(1 + i%2)
		}
		if how == "bind only" {
			continue
		}
		if err := s.Run(ctx, values[:n], values[n:]); err != nil {
			b.Fatal(err)
		}
	}
	for i := range raws {
		raws[i].Free()
	}
	require.NoError(b, mem.Free())
}

// BenchmarkCancel is how long a run goes on that was told to stop.
func BenchmarkCancel(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	s, err := rt.Load(write(b, loopModel()), onnx.Options{Inputs: []string{"trips"}, Outputs: []string{"last"}})
	require.NoError(b, err)
	var trips onnx.Tensor[int64]
	var last onnx.Tensor[float32]
	n, err := trips.Shape(1)
	require.NoError(b, err)
	_, err = last.Shape(1)
	require.NoError(b, err)
	n[0] = 1 << 40
	var waited, longest time.Duration
	var rounds int
	for ; b.Loop(); rounds++ {
		ctx, cancel := context.WithCancel(b.Context())
		var told time.Time
		stop := time.AfterFunc(20*time.Millisecond, func() {
			told = time.Now()
			cancel()
		})
		err := s.Run(ctx, []onnx.Value{&trips}, []onnx.Value{&last})
		took := time.Since(told)
		waited, longest = waited+took, max(longest, took)
		require.ErrorIs(b, err, context.Canceled)
		stop.Stop()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(waited.Seconds()*1000/float64(rounds), "ms-after")
	b.ReportMetric(longest.Seconds()*1000, "ms-longest")
	trips.Free()
	last.Free()
	require.NoError(b, s.Close())
	require.NoError(b, rt.Close())
}

func bareCache(b *testing.B, lib, path string, in, out []string) {
	b.Helper()
	ort.SetSharedLibraryPath(lib)
	require.NoError(b, ort.InitializeEnvironment(ort.WithLogLevelError()))
	defer func() { require.NoError(b, ort.DestroyEnvironment()) }()
	so, err := ort.NewSessionOptions()
	require.NoError(b, err)
	defer func() { require.NoError(b, so.Destroy()) }()
	require.NoError(b, so.SetIntraOpNumThreads(1))
	require.NoError(b, so.SetMemPattern(false))
	s, err := ort.NewDynamicAdvancedSession(path, in, out, so)
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Destroy()) }()
	values := make([]ort.Value, 2*len(in))
	for i := range values {
		t, err := ort.NewTensor(ort.NewShape(1, 1, 4), make([]float32, 4))
		require.NoError(b, err)
		defer func() { require.NoError(b, t.Destroy()) }()
		values[i] = t
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Run(values[:len(in)], values[len(in):]); err != nil {
			b.Fatal(err)
		}
	}
}
