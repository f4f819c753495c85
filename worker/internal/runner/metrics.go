package runner

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-dev/penstock/shared/batch"
)

type metrics struct {
	size   *prometheus.HistogramVec
	wait   *prometheus.HistogramVec
	run    *prometheus.HistogramVec
	panics *prometheus.CounterVec
	loaded *prometheus.GaugeVec
}

// modelMetrics are one model's, looked up once.
type modelMetrics struct {
	size   map[batch.Reason]prometheus.Observer
	wait   prometheus.Observer
	run    prometheus.Observer
	panics prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	seconds := prometheus.ExponentialBuckets(0.0001, 2.5, 13) // 0.1 ms to 6 s
	m := &metrics{
		size: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "penstock_worker_batch_size", Help: "Requests that shared a run, by why the batch was closed.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64},
		}, []string{"model", "reason"}),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "penstock_worker_wait_seconds", Help: "How long a request waited inside the worker for its run.",
			Buckets: seconds,
		}, []string{"model"}),
		run: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "penstock_worker_run_seconds", Help: "How long a run took: a batch, or a sequence from its admission to its end.",
			Buckets: seconds,
		}, []string{"model"}),
		panics: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "penstock_worker_panics_total", Help: "Panics in engines that were caught.",
		}, []string{"model"}),
		loaded: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "penstock_worker_model_loaded", Help: "1 for a model that is loaded, 0 for one that is not, and why.",
		}, []string{"model", "version", "reason"}),
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.size, m.wait, m.run, m.panics, m.loaded} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) of(model string) *modelMetrics {
	mm := &modelMetrics{
		size: map[batch.Reason]prometheus.Observer{},
		wait: m.wait.WithLabelValues(model), run: m.run.WithLabelValues(model), panics: m.panics.WithLabelValues(model),
	}
	for _, r := range []batch.Reason{batch.Size, batch.Tokens, batch.Delay, batch.Idle} {
		mm.size[r] = m.size.WithLabelValues(model, string(r))
	}
	return mm
}

func (m *modelMetrics) batchSize(r batch.Reason) prometheus.Observer { return m.size[r] }
