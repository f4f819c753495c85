package tensor_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/model"
	vocabulary "github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/shared/testenv/graph"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/tensor"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/runner"
)

const (
	layers = 8
	breath = 256
)

// network is some fully connected layers, [n, 256] in and out.
func network() []byte {
	parts := []graph.Part{graph.Input("x", vocabulary.Float32, -1, breath), graph.Output("y", vocabulary.Float32, -1, breath)}
	at := "x"
	for i := range layers {
		w := make([]float32, breath*breath)
		for k := range w {
			w[k] = (rand.Float32() - 0.5) / 8
		}
		name, next := fmt.Sprint("w", i), fmt.Sprint("h", i)
		if i == layers-1 {
			next = "y"
		}
		parts = append(parts, graph.Floats(name, w, breath, breath), graph.Node("MatMul", []string{at, name}, []string{next + "m"}),
			graph.Node("Tanh", []string{next + "m"}, []string{next}))
		at = next
	}
	return graph.Model(parts...)
}

func repository(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	version := filepath.Join(dir, "layers", "1")
	require.NoError(b, os.MkdirAll(version, 0o755))
	m := network()
	require.NoError(b, os.WriteFile(filepath.Join(version, "graph.onnx"), m, 0o600))
	require.NoError(b, os.WriteFile(filepath.Join(version, model.ManifestFile), fmt.Appendf(nil,
		"name: layers\nversion: \"1\"\nengine: tensor\nbatch: {max_size: 16}\ntensor: {batch: true}\nfiles: {graph.onnx: %x}\n", sha256.Sum256(m)), 0o600))
	return dir
}

// BenchmarkRunner puts the engine behind the runner beside the bare session: 64 callers through queue and batcher, as raw
// and as JSON numbers; the engine in a loop at the batch size that formed, preparing and rendering included; and ONNX
// Runtime alone on the same rows. Shares are of the one as part of the other.
func BenchmarkRunner(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	var e *tensor.Engine
	dir := repository(b)
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
	s, err := rt.Load(filepath.Join(dir, "layers", "1", "graph.onnx"), onnx.Options{Inputs: []string{"x"}, Outputs: []string{"y"}})
	require.NoError(b, err)
	for _, rows := range []int{1, 8} {
		for _, raw := range []bool{true, false} {
			b.Run(fmt.Sprintf("rows=%d/raw=%t", rows, raw), func(b *testing.B) {
				compare(b, r, e, s, engine.Request{Model: "layers", Attempt: 1, Input: ofLayers(rows, raw)}, lanes, rows)
			})
		}
	}
	require.NoError(b, errors.Join(s.Close(), r.Close(), rt.Close()))
}

// ofLayers is a request of some rows.
func ofLayers(rows int, raw bool) []byte {
	b := fmt.Appendf(nil, `{"inputs":[{"name":"x","datatype":"FP32","shape":[%d,%d],`, rows, breath)
	if raw {
		x := make([]float32, rows*breath)
		for i := range x {
			x[i] = rand.Float32()
		}
		return fmt.Appendf(b, `"raw":"%s"}],"outputs":[{"name":"y","raw":true}]}`, base64.StdEncoding.EncodeToString(onnx.AsBytes(x)))
	}
	b = append(b, `"data":[`...)
	for i := range rows * breath {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Append(b, rand.Float32())
	}
	return append(b, "]}]}"...)
}

func compare(b *testing.B, r *runner.Runner, e *tensor.Engine, s *onnx.Session, in engine.Request, lanes, rows int) {
	b.Helper()
	var through, size, loop, bare, rounds float64
	for ; b.Loop(); rounds++ { // short turns, so that what else the machine does weighs on all alike
		const turn = 300 * time.Millisecond
		var sizes atomic.Int64
		t := looped(b, 64, 1, turn, func() error {
			result, err := r.Run(b.Context(), in, nil)
			sizes.Add(int64(result.BatchSize))
			return err
		})
		k := float64(sizes.Load()) / (t * turn.Seconds())
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
	b.ReportMetric(through/rounds, "requests/s")
	b.ReportMetric(size/rounds, "batch")
	b.ReportMetric(through/loop, "share-of-loop")
	b.ReportMetric(through/bare, "share-of-session")
}

// looped calls f on some goroutines for d, and gives a second's calls times each.
func looped(tb testing.TB, goroutines, each int, d time.Duration, f func() error) float64 {
	tb.Helper()
	var done atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
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
	return float64(done.Load()) / time.Since(begin).Seconds()
}

// sessions is ONNX Runtime alone, with each requests in a run of so many rows.
func sessions(tb testing.TB, s *onnx.Session, lanes, each, rows int, d time.Duration) float64 {
	tb.Helper()
	type values struct{ x, y onnx.Tensor[float32] }
	free := make(chan *values, lanes)
	for range lanes {
		v := &values{}
		_, _ = v.x.Shape(int64(rows), breath)
		_, _ = v.y.Shape(int64(rows), breath)
		defer func() { v.x.Free(); v.y.Free() }()
		free <- v
	}
	return looped(tb, lanes, each, d, func() error {
		v := <-free
		defer func() { free <- v }()
		return s.Run(context.Background(), []onnx.Value{&v.x}, []onnx.Value{&v.y})
	})
}

// BenchmarkAlone is one request without a queue: what is read, run and written.
func BenchmarkAlone(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	dir, mf := manifest(b, network(), &model.Tensor{Batch: true})
	e, err := tensor.New(rt, dir, mf, tensor.Options{})
	require.NoError(b, err)
	for _, raw := range []bool{true, false} {
		in := engine.Request{Attempt: 1, Input: ofLayers(8, raw)}
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
