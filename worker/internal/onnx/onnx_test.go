package onnx_test

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// TestRuntime holds every test that needs the runtime, of which a process has one.
func TestRuntime(t *testing.T) {
	t.Parallel()
	unfitLibraries(t) // before one is open
	rt, err := onnx.Open(onnxlib.Find(t))
	require.NoError(t, err)
	shared, err := onnx.Open(onnxlib.Find(t))
	require.NoError(t, err, "one library serves the whole process")
	require.NoError(t, shared.Close())
	assert.NotEmpty(t, rt.Version())
	path := write(t, addModel())
	s, err := rt.Load(path, addOptions())
	require.NoError(t, err)
	require.ErrorContains(t, rt.Close(), "still open")
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "again")
	t.Cleanup(func() { require.NoError(t, rt.Close(), "every test closed its sessions") })

	for name, test := range map[string]func(*testing.T, *onnx.Runtime){
		"run": runs, "load refuses": loadRefuses, "cancel": cancels, "concurrent": concurrent,
		"every type": passes, "strings": passesStrings, "raw refuses": rawRefuses, "unforeseen outputs": unforeseen, "limit": limited,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, rt)
		})
	}
}

func unfitLibraries(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	missing := filepath.Join(dir, "libonnxruntime.so")
	_, err := onnx.Open(missing)
	require.ErrorContains(t, err, missing)
	require.ErrorContains(t, err, "make onnxruntime")

	text := filepath.Join(dir, "text.so")
	require.NoError(t, os.WriteFile(text, []byte("no library"), 0o600))
	_, err = onnx.Open(text)
	require.ErrorContains(t, err, "no library that this machine can load")

	other := compile(t, dir, "other.so", "int answer(void) { return 42; }")
	_, err = onnx.Open(other)
	require.ErrorContains(t, err, "not ONNX Runtime")

	old := compile(t, dir, "old.so", `
		struct base { const void *(*api)(unsigned); const char *(*version)(void); };
		static const void *api(unsigned v) { return 0; }
		static const char *version(void) { return "1.10.0"; }
		static struct base b = { api, version };
		const struct base *OrtGetApiBase(void) { return &b; }`)
	_, err = onnx.Open(old)
	require.ErrorContains(t, err, "older than "+onnx.OldestVersion)
	require.ErrorContains(t, err, old)
}

// compile makes a shared library; cgo needs the same compiler, so it is there.
func compile(t *testing.T, dir, name, source string) string {
	t.Helper()
	c, so := filepath.Join(dir, name+".c"), filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(c, []byte(source), 0o600))
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", so, c).CombinedOutput()
	require.NoError(t, err, string(out))
	return so
}

func addOptions() onnx.Options {
	return onnx.Options{Inputs: []string{"x", "y"}, Outputs: []string{"sum"}}
}

func runs(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	s, err := rt.Load(write(t, addModel()), addOptions())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	assert.Equal(t, []int64{-1, 3}, s.Header().Input("x").Dims)

	var x, y, sum onnx.Tensor[float32]
	defer func() { x.Free(); y.Free(); sum.Free() }()
	for _, rows := range []int64{2, 1, 4, 4} {
		a, err := x.Shape(rows, 3)
		require.NoError(t, err)
		b, err := y.Shape(rows, 3)
		require.NoError(t, err)
		c, err := sum.Shape(rows, 3)
		require.NoError(t, err)
		for i := range a {
			a[i], b[i], c[i] = float32(i), 10, -1
		}
		require.NoError(t, s.Run(t.Context(), []onnx.Value{&x, &y}, []onnx.Value{&sum}))
		for i := range a {
			require.InDelta(t, float32(i)+10, c[i], 0)
		}
	}
	view := make([]float32, 6)
	require.NoError(t, sum.Bind(view, 2, 3))
	_, err = x.Shape(2, 3)
	require.NoError(t, err)
	_, err = y.Shape(2, 3)
	require.NoError(t, err)
	require.NoError(t, s.Run(context.Background(), []onnx.Value{&x, &y}, []onnx.Value{&sum}))
	assert.InDelta(t, 15, view[5], 0)
	require.Error(t, sum.Bind(view, 2, 4))
	_, err = x.Shape(4, 1<<62+1)
	require.Error(t, err)

	require.Error(t, s.Run(t.Context(), []onnx.Value{&x}, []onnx.Value{&sum}))
	var empty onnx.Tensor[float32]
	require.Error(t, s.Run(t.Context(), []onnx.Value{&x, &empty}, []onnx.Value{&sum}))
	_, err = y.Shape(3, 3)
	require.NoError(t, err)
	require.Error(t, s.Run(t.Context(), []onnx.Value{&x, &y}, []onnx.Value{&sum}), "shapes that don't fit")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Run(ctx, []onnx.Value{&x, &x}, []onnx.Value{&sum}), context.Canceled)
	require.NoError(t, s.Run(t.Context(), []onnx.Value{&x, &x}, []onnx.Value{&sum}), "and the session goes on")
}

func loadRefuses(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	good := write(t, addModel())
	for name, o := range map[string]onnx.Options{
		"an input the model lacks":  {Inputs: []string{"x", "y", "z"}, Outputs: []string{"sum"}},
		"an output the model lacks": {Inputs: []string{"x", "y"}, Outputs: []string{"product"}},
		"an input not given":        {Inputs: []string{"x"}, Outputs: []string{"sum"}},
		"an unknown device":         {Device: "abacus", Inputs: []string{"x", "y"}, Outputs: []string{"sum"}},
		"a device without a number": {Device: "cuda:x", Inputs: []string{"x", "y"}, Outputs: []string{"sum"}},
		"a number for the cpu":      {Device: "cpu:1", Inputs: []string{"x", "y"}, Outputs: []string{"sum"}},
		"a device of no machine":    {Device: "cuda:4096", Inputs: []string{"x", "y"}, Outputs: []string{"sum"}},
	} {
		_, err := rt.Load(good, o)
		require.Error(t, err, name)
	}
	_, err := rt.Load(good, onnx.Options{Device: "cuda:4096", Inputs: []string{"x", "y"}, Outputs: []string{"sum"}})
	require.ErrorContains(t, err, "cuda:4096")
	_, err = rt.Load(filepath.Join(t.TempDir(), "none.onnx"), addOptions())
	require.Error(t, err)
	broken := addModel()
	broken = append(broken[:40:40], broken[41:]...)
	_, err = rt.Load(write(t, broken), addOptions())
	assert.Error(t, err)
}

// cancels ends a run that would take very long otherwise.
func cancels(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	s, err := rt.Load(write(t, loopModel()), onnx.Options{Inputs: []string{"trips"}, Outputs: []string{"last"}})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	var trips onnx.Tensor[int64]
	var last onnx.Tensor[float32]
	defer func() { trips.Free(); last.Free() }()
	n, err := trips.Shape(1)
	require.NoError(t, err)
	_, err = last.Shape(1)
	require.NoError(t, err)

	n[0] = 10
	require.NoError(t, s.Run(t.Context(), []onnx.Value{&trips}, []onnx.Value{&last}))
	assert.InDelta(t, 10, last.Data()[0], 0)

	n[0] = math.MaxInt32 * 100 // hours
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Run(ctx, []onnx.Value{&trips}, []onnx.Value{&last}), context.DeadlineExceeded)

	n[0] = 20
	require.NoError(t, s.Run(t.Context(), []onnx.Value{&trips}, []onnx.Value{&last}), "and the session goes on")
	assert.InDelta(t, 20, last.Data()[0], 0)
}

func concurrent(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	s, err := rt.Load(write(t, addModel()), addOptions())
	require.NoError(t, err)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			var x, sum onnx.Tensor[float32]
			defer func() { x.Free(); sum.Free() }()
			for i := range 50 {
				a, errA := x.Shape(int64(1+i%3), 3)
				b, errB := sum.Shape(int64(1+i%3), 3)
				for k := range a {
					a[k] = float32(g + i)
				}
				ctx, cancel := context.WithCancel(t.Context())
				err := errors.Join(errA, errB, s.Run(ctx, []onnx.Value{&x, &x}, []onnx.Value{&sum}))
				cancel()
				if err != nil {
					t.Error(err)
					return
				}
				assert.InDelta(t, float32(2*(g+i)), b[len(b)-1], 0)
			}
		})
	}
	all.Wait()
	require.NoError(t, s.Close())
}

func TestLocate(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, err := onnx.Locate("", data)
	require.ErrorContains(t, err, filepath.Join(data, "onnxruntime"))
	require.ErrorContains(t, err, "make onnxruntime")
	require.ErrorContains(t, err, "PENSTOCK_ONNXRUNTIME")
	_, err = onnx.Locate(filepath.Join(data, "nowhere.so"), data)
	require.ErrorContains(t, err, "nowhere.so")

	folder := filepath.Join(data, "onnxruntime")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	_, err = onnx.Locate(folder, data)
	require.ErrorContains(t, err, "libonnxruntime")
	lib := filepath.Join(folder, "libonnxruntime.so.1")
	require.NoError(t, os.WriteFile(lib, nil, 0o600))
	for _, explicit := range []string{"", folder, lib} {
		found, err := onnx.Locate(explicit, data)
		require.NoError(t, err)
		assert.Equal(t, lib, found)
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	h, err := onnx.ReadHeader(write(t, addModel()))
	require.NoError(t, err)
	assert.Equal(t, []onnx.Spec{
		{Name: "x", DType: tensor.Float32, Dims: []int64{-1, 3}, Names: []string{"batch", ""}},
		{Name: "y", DType: tensor.Float32, Dims: []int64{-1, 3}, Names: []string{"batch", ""}},
	}, h.Inputs)
	assert.Equal(t, "sum", h.Outputs[0].Name)
	assert.Equal(t, map[string]int64{"": 16}, h.Opset)
	assert.Equal(t, map[string]int{"Add": 1}, h.Ops)
	assert.Nil(t, h.Input("z"))

	h, err = onnx.ReadHeader(write(t, loopModel()))
	require.NoError(t, err)
	assert.Len(t, h.Inputs, 1, "initializers and a subgraph's inputs are none of the model's")
	assert.Equal(t, 1, h.Ops["Loop"])
	assert.Equal(t, 1, h.Ops["Add"], "of the subgraph")
	assert.Equal(t, []int64{1}, h.Input("trips").Dims)
}

func TestHeaderRefusesDamage(t *testing.T) {
	t.Parallel()
	whole := loopModel()
	for n := range whole {
		_, err := onnx.ReadHeader(write(t, whole[:n]))
		require.Error(t, err, "cut at %d of %d", n, len(whole))
	}
	_, err := onnx.ReadHeader(t.TempDir())
	require.Error(t, err)
	deep := []byte{}
	for range 300 {
		deep = message(6, message(5, message(1, deep)))
	}
	_, err = onnx.ReadHeader(write(t, message(7, deep)))
	assert.Error(t, err, "too deep")
}

func TestHeaderRefusesExternalDataElsewhere(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "weights")
	require.NoError(t, os.WriteFile(outside, make([]byte, 64), 0o600))
	for location, fine := range map[string]bool{
		"weights.bin": true, "sub/weights.bin": true, "./weights.bin": true,
		"../weights": false, outside: false, "link": false, "sublink/weights": false, "missing": false, "sub": false,
	} {
		path := write(t, externalModel(location))
		dir := filepath.Dir(path)
		require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
		for _, f := range []string{"weights.bin", "sub/weights.bin"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, f), make([]byte, 64), 0o600))
		}
		require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link")))
		require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(dir, "sublink")))
		h, err := onnx.ReadHeader(path)
		assert.Equal(t, fine, err == nil, "%s: %v", location, err)
		if fine {
			assert.Equal(t, []string{location}, h.External)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(addModel())
	f.Add(loopModel())
	f.Add(externalModel("weights.bin"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := onnx.ReadHeader(write(t, b))
		if err == nil && len(h.Outputs) == 0 {
			t.Fatal("a model without outputs")
		}
	})
}

// BenchmarkHeader reads the header of a model with 400 MB of weights.
func BenchmarkHeader(b *testing.B) {
	path := filepath.Join(b.TempDir(), "large.onnx")
	require.NoError(b, largeModel(path, 400<<20))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := onnx.ReadHeader(path); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRun is what a run of a model costs that does next to nothing.
func BenchmarkRun(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	require.NoError(b, rt.Limit(1<<30))
	for _, how := range []string{"same shape", "new shape", "cancelable", "limited", "shrinking"} {
		b.Run(how, func(b *testing.B) {
			o := addOptions()
			o.Shrink, o.Limited = how == "shrinking", how == "limited"
			s, err := rt.Load(write(b, addModel()), o)
			require.NoError(b, err)
			defer func() { require.NoError(b, s.Close()) }()
			ctx := context.Background()
			if how == "cancelable" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				defer cancel()
			}
			var x, y, sum onnx.Tensor[float32]
			defer func() { x.Free(); y.Free(); sum.Free() }()
			in, out := []onnx.Value{&x, &y}, []onnx.Value{&sum}
			b.ReportAllocs()
			for i := int64(0); b.Loop(); i++ {
				rows := int64(1)
				if how == "new shape" {
					rows += i % 2
				}
				for _, v := range []*onnx.Tensor[float32]{&x, &y, &sum} {
					if _, err := v.Shape(rows, 3); err != nil {
						b.Fatal(err)
					}
				}
				if err := s.Run(ctx, in, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	require.NoError(b, rt.Close())
}

// write puts a model into a folder of its own.
func write(tb testing.TB, b []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "model.onnx")
	require.NoError(tb, os.WriteFile(path, b, 0o600), "model of %d bytes", len(b))
	return path
}
