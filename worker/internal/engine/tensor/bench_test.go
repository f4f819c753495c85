package tensor_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/number"
	"github.com/penstock-dev/penstock/worker/internal/engine/tensor"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/runner"
)

// drawing is the elements of a request to the demo model.
const drawing = 28 * 28

// BenchmarkRunner puts the engine behind the runner beside the bare session: 64 callers through queue and batcher, as raw
// and as JSON numbers; the engine in a loop at the batch size that formed, preparing and rendering included; and ONNX
// Runtime alone on the same rows. Shares are of the one as part of the other.
func BenchmarkRunner(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	var e *tensor.Engine
	dir := b.TempDir()
	require.NoError(b, os.Symlink(filepath.Dir(digits(b)), filepath.Join(dir, "digits-tiny")))
	r, err := runner.New(runner.Config{
		ModelsDir: dir,
		Factories: map[string]runner.Factory{tensor.Kind: {Unary: func(c runner.Build) (engine.Unary, error) {
			e, err = tensor.New(rt, c.Dir, c.Manifest, tensor.Options{Instances: c.Instances, Threads: c.Threads})
			return e, err
		}}},
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	require.NoError(b, err)
	require.NotNil(b, e, "%v", r.Offers())
	lanes := r.Offers()[0].Slots / (2 * 16)
	s, err := rt.Load(filepath.Join(digits(b), "model.onnx"), onnx.Options{Inputs: []string{"pixels"}, Outputs: []string{"logits", "probabilities"}})
	require.NoError(b, err)
	for _, rows := range []int{1, 8} {
		for _, raw := range []bool{true, false} {
			b.Run(fmt.Sprintf("rows=%d/raw=%t", rows, raw), func(b *testing.B) {
				compare(b, r, e, s, engine.Request{Model: "digits-tiny", Attempt: 1, Input: ofDigits(rows, raw)}, lanes, rows)
			})
		}
	}
	require.NoError(b, errors.Join(s.Close(), r.Close(), rt.Close()))
}

// ofDigits is a request of some drawings.
func ofDigits(rows int, raw bool) []byte {
	b := fmt.Appendf(nil, `{"inputs":[{"name":"pixels","datatype":"FP32","shape":[%d,1,28,28],`, rows)
	x := make([]float32, rows*drawing)
	for i := range x {
		x[i] = float32(rand.IntN(256)) / 255
	}
	if raw {
		return fmt.Appendf(b, `"raw":"%s"}]}`, base64.StdEncoding.EncodeToString(onnx.AsBytes(x)))
	}
	b = append(b, `"data":[`...)
	for i, f := range x {
		if i > 0 {
			b = append(b, ',')
		}
		b = number.Append32(b, f)
	}
	return append(b, "]}]}"...)
}

func compare(b *testing.B, r *runner.Runner, e *tensor.Engine, s *onnx.Session, in engine.Request, lanes, rows int) {
	b.Helper()
	var through, size, loop, bare, rounds float64
	for ; b.Loop(); rounds++ { // short turns, so that what else the machine does weighs on all alike
		const turn = 300 * time.Millisecond
		var calls, sizes atomic.Int64
		t := looped(b, 64, 1, turn, func() error {
			result, err := r.Run(b.Context(), in, nil)
			calls.Add(1)
			sizes.Add(int64(result.BatchSize))
			return err
		})
		k := float64(sizes.Load()) / float64(calls.Load())
		n := max(int(k+0.5), 1)
		through, size = through+t, size+k
		loop += looped(b, lanes, n, turn, func() error {
			units := make([]engine.Unit, n)
			var err error
			for i := range units {
				if units[i], err = e.Prepare(b.Context(), in); err != nil {
					return err
				}
			}
			_, err = e.RunBatch(b.Context(), units)
			return err
		})
		bare += sessions(b, s, lanes, n, n*rows, turn)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(through/rounds, "requests/cpu-s")
	b.ReportMetric(size/rounds, "batch")
	b.ReportMetric(through/loop, "share-of-loop")
	b.ReportMetric(through/bare, "share-of-session")
}

// looped calls f on some goroutines for d, and gives calls times each, by the seconds of the processor that they took: on
// a machine that others use too only those tell what a request costs.
func looped(tb testing.TB, goroutines, each int, d time.Duration, f func() error) float64 {
	tb.Helper()
	var done atomic.Int64
	var all sync.WaitGroup
	begin, used := time.Now(), processor(tb)
	for range goroutines {
		all.Go(func() {
			for time.Since(begin) < d {
				if err := f(); err != nil {
					tb.Error(err)
					return
				}
				done.Add(int64(each))
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / (processor(tb) - used).Seconds()
}

// processor is how long this process has had a processor.
func processor(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sessions is ONNX Runtime alone, with each requests in a run of so many rows.
func sessions(tb testing.TB, s *onnx.Session, lanes, each, rows int, d time.Duration) float64 {
	tb.Helper()
	type values struct{ x, y, z onnx.Tensor[float32] }
	free := make(chan *values, lanes)
	for range lanes {
		v := &values{}
		_, _ = v.x.Shape(int64(rows), 1, 28, 28)
		_, _ = v.y.Shape(int64(rows), 10)
		_, _ = v.z.Shape(int64(rows), 10)
		defer func() { v.x.Free(); v.y.Free(); v.z.Free() }()
		free <- v
	}
	return looped(tb, lanes, each, d, func() error {
		v := <-free
		defer func() { free <- v }()
		return s.Run(context.Background(), []onnx.Value{&v.x}, []onnx.Value{&v.y, &v.z})
	})
}

// BenchmarkAlone is one request without a queue: what is read, run and written.
func BenchmarkAlone(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	m, err := model.Read(digits(b))
	require.NoError(b, err)
	e, err := tensor.New(rt, digits(b), m, tensor.Options{})
	require.NoError(b, err)
	for _, raw := range []bool{true, false} {
		in := engine.Request{Attempt: 1, Input: ofDigits(8, raw)}
		u, err := e.Prepare(b.Context(), in)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("prepare/raw=%t", raw), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Prepare(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("run/raw=%t", raw), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.RunBatch(b.Context(), []engine.Unit{u}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	require.NoError(b, errors.Join(e.Close(), rt.Close()))
}
