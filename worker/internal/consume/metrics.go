package consume

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-dev/penstock/shared/job"
)

type metrics struct {
	ended  *prometheus.CounterVec
	waited *prometheus.HistogramVec
	faults prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "penstock_worker_attempts_total", Help: "Attempts settled, by model and outcome.",
		}, []string{"model", "outcome"}),
		waited: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "penstock_worker_queue_seconds", Help: "From a job's acceptance to its hand-over.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 14),
		}, []string{"model"}),
		faults: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "penstock_worker_unsettled_total", Help: "Attempts whose end could not be stored.",
		}),
	}
	reg.MustRegister(m.ended, m.waited, m.faults)
	return m
}

func (m *metrics) settled(j *job.Job, o outcome, err error) {
	if err != nil {
		m.faults.Inc()
		return
	}
	m.ended.WithLabelValues(j.Model, o.kind.String()).Inc()
	m.waited.WithLabelValues(j.Model).Observe(o.queued.Seconds())
}

// String is the outcome's name in logs and metrics.
func (k kind) String() string {
	names := [...]string{"undecided", "complete", "retry", "reject", "exhausted", "expire", "release", "later", "ended", "lost"}
	return names[k]
}
