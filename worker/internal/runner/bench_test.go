package runner_test

import (
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/uninlu"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/runner"
)

// BenchmarkUninlu puts the runner beside the bare session loop: 64 callers through queue and batcher, and then the
// same engine in a loop at the batch size that formed, all in one run. "share" is the one as part of the other.
func BenchmarkUninlu(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	var e *uninlu.Engine
	r, err := runner.New(runner.Config{
		ModelsDir: filepath.Join(onnxlib.Root(b), "worker", "models"),
		Factories: map[string]runner.Factory{uninlu.Kind: {Unary: func(c runner.Build) (engine.Unary, error) {
			o := uninlu.Options{Instances: c.Instances, Threads: c.Threads}
			e, err = uninlu.New(rt, c.Dir, c.Manifest, o)
			return e, err
		}}},
	}, quiet(), prometheus.NewRegistry())
	require.NoError(b, err)
	in := engine.Request{Model: "uninlu-tiny", Attempt: 1, Input: []byte(
		`{"text":"3月5日，谷爱凌在北京获得自由式滑雪金牌。","schema":{"人物":null,"地理位置":null,"时间":null,"组织机构":null}}`)}
	m, err := model.Read(filepath.Join(onnxlib.Root(b), "worker", "models", "uninlu-tiny", "1"))
	require.NoError(b, err)
	lanes := r.Offers()[0].Slots / (2 * m.Batch.MaxSize)
	var through, size, bare float64
	for b.Loop() {
		through, size = callers(b, r, in, 64, 2*time.Second)
		bare, err = e.Measure(b.Context(), []engine.Request{in}, max(int(size+0.5), 1), lanes, 2*time.Second)
		require.NoError(b, err)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(through, "requests/s")
	b.ReportMetric(bare, "bare/s")
	b.ReportMetric(through/bare, "share")
	b.ReportMetric(size, "batch")
	require.NoError(b, r.Close())
	require.NoError(b, rt.Close())
}

// callers runs n callers for d and gives requests a second and the mean batch size.
func callers(tb testing.TB, r *runner.Runner, in engine.Request, n int, d time.Duration) (rate, size float64) {
	tb.Helper()
	var done, sizes atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, n)
	begin := time.Now()
	for i := range n {
		all.Go(func() {
			for errs[i] == nil && time.Since(begin) < d {
				result, err := r.Run(tb.Context(), in, nil)
				errs[i] = err
				done.Add(1)
				sizes.Add(int64(result.BatchSize))
			}
		})
	}
	all.Wait()
	require.NoError(tb, errors.Join(errs...))
	return float64(done.Load()) / time.Since(begin).Seconds(), float64(sizes.Load()) / float64(done.Load())
}
