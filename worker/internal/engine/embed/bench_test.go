package embed_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
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
	"github.com/penstock-dev/penstock/worker/internal/engine/embed"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/runner"
)

const sentence = `{"input":"3月5日，谷爱凌在北京获得自由式滑雪金牌。"}`

// repository is a models folder with a demo model's text encoder as a model of sentences.
func repository(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	version := filepath.Join(dir, "sentences", "1")
	require.NoError(b, os.MkdirAll(version, 0o755))
	manifest := []byte("name: sentences\nversion: \"1\"\nengine: embed\nbatch: {max_size: 16}\nembed: {max_tokens: 256, normalize: true}\nfiles:\n")
	for from, to := range map[string]string{"text_encoder.onnx": "model.onnx", "tokenizer.json": "tokenizer.json"} {
		data, err := os.ReadFile(filepath.Join(demoTokenizer(b), from))
		require.NoError(b, err)
		require.NoError(b, os.WriteFile(filepath.Join(version, to), data, 0o600))
		manifest = fmt.Appendf(manifest, "  %s: %x\n", to, sha256.Sum256(data))
	}
	require.NoError(b, os.WriteFile(filepath.Join(version, model.ManifestFile), manifest, 0o600))
	return dir
}

// BenchmarkRunner puts the engine behind the runner beside the bare session: 64 callers through queue and batcher; the
// engine in a loop at the batch size that formed, preparing included; and ONNX Runtime alone on the same rows. Shares
// are of the one as part of the other.
func BenchmarkRunner(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	var e *embed.Engine
	dir := repository(b)
	r, err := runner.New(runner.Config{
		ModelsDir: dir,
		Factories: map[string]runner.Factory{embed.Kind: {Unary: func(c runner.Build) (engine.Unary, error) {
			e, err = embed.New(rt, c.Dir, c.Manifest, embed.Options{Instances: c.Instances, Threads: c.Threads})
			return e, err
		}}},
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	require.NoError(b, err)
	require.NotNil(b, e, "%v", r.Offers())
	lanes := r.Offers()[0].Slots / (2 * 16)
	in := engine.Request{Model: "sentences", Attempt: 1, Input: []byte(sentence)}
	u, err := e.Prepare(b.Context(), in)
	require.NoError(b, err)
	s, err := rt.Load(filepath.Join(dir, "sentences", "1", "model.onnx"), onnx.Options{
		Inputs: []string{"input_ids", "attention_mask"}, Outputs: []string{"sequence_output"},
	})
	require.NoError(b, err)
	var through, size, loop, bare, rounds float64
	for ; b.Loop(); rounds++ { // short turns, so that what else the machine does weighs on all alike
		const turn = 300 * time.Millisecond
		t, k := callers(b, r, in, 64, turn)
		through, size = through+t, size+k
		n := max(int(k+0.5), 1)
		loop += looped(b, lanes, n, turn, func() error {
			units := make([]engine.Unit, n)
			for i := range units {
				if units[i], err = e.Prepare(b.Context(), in); err != nil {
					return err
				}
			}
			_, err := e.RunBatch(b.Context(), units)
			return err
		})
		bare += sessions(b, s, lanes, n, u.Cost(), turn)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(through/rounds, "embeddings/cpu-s")
	b.ReportMetric(size/rounds, "batch")
	b.ReportMetric(through/loop, "share-of-loop")
	b.ReportMetric(through/bare, "share-of-session")
	require.NoError(b, errors.Join(s.Close(), r.Close(), rt.Close()))
}

// callers runs n callers for d and gives requests a second and the mean batch size.
func callers(tb testing.TB, r *runner.Runner, in engine.Request, n int, d time.Duration) (rate, size float64) {
	tb.Helper()
	var calls, sizes atomic.Int64
	rate = looped(tb, n, 1, d, func() error {
		result, err := r.Run(tb.Context(), in, nil)
		calls.Add(1)
		sizes.Add(int64(result.BatchSize))
		return err
	})
	return rate, float64(sizes.Load()) / float64(calls.Load())
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

// sessions is ONNX Runtime alone.
func sessions(tb testing.TB, s *onnx.Session, lanes, rows, tokens int, d time.Duration) float64 {
	tb.Helper()
	out := s.Header().Output("sequence_output").Dims[2]
	type values struct {
		ids, mask onnx.Tensor[int64]
		out       onnx.Tensor[float32]
	}
	free := make(chan *values, lanes)
	for range lanes {
		v := &values{}
		ids, _ := v.ids.Shape(int64(rows), int64(tokens))
		mask, _ := v.mask.Shape(int64(rows), int64(tokens))
		_, _ = v.out.Shape(int64(rows), int64(tokens), out)
		for i := range ids {
			ids[i], mask[i] = int64(100+i%tokens), 1
		}
		free <- v
	}
	return looped(tb, lanes, rows, d, func() error {
		v := <-free
		defer func() { free <- v }()
		return s.Run(tb.Context(), []onnx.Value{&v.ids, &v.mask}, []onnx.Value{&v.out})
	})
}

// BenchmarkPrepare is the work outside the batch.
func BenchmarkPrepare(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	m, _ := plain(b)
	dir, mf := folder(b, m, nil, nil)
	e, err := embed.New(rt, dir, mf, embed.Options{})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Prepare(b.Context(), engine.Request{Input: []byte(sentence)}); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, errors.Join(e.Close(), rt.Close()))
}
