package gateway

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-dev/penstock/gateway/internal/jobs"
)

type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	degraded *prometheus.CounterVec
	dropped  prometheus.Counter
	webhooks *prometheus.HistogramVec
}

func newMetrics(reg *prometheus.Registry) *metrics {
	m := &metrics{
		registry: reg,
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "penstock_gateway_requests_total", Help: "Requests answered, by method, route and status.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "penstock_gateway_request_seconds", Help: "From a request's head to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 14),
		}, []string{"route"}),
		degraded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "penstock_gateway_degraded_decisions_total", Help: "Decisions made while Redis could not be asked, by kind.",
		}, []string{"kind"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "penstock_gateway_lost_corrections_total", Help: "Corrections of limits given up while Redis was away.",
		}),
	}
	m.webhooks = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "penstock_gateway_webhook_attempt_seconds", Buckets: prometheus.ExponentialBuckets(0.005, 3, 8),
		Help: "Attempts to deliver a webhook, by what came of them: delivered, retried, failed or disabled.",
	}, []string{"outcome"})
	reg.MustRegister(m.calls, m.seconds, m.degraded, m.dropped, m.webhooks)
	return m
}

func (m *metrics) observe(method, route string, status int, took time.Duration) {
	m.calls.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) webhook(outcome string, took time.Duration) {
	m.webhooks.WithLabelValues(outcome).Observe(took.Seconds())
}

func (m *metrics) stale(kind string)     { m.degraded.WithLabelValues("stale_" + kind).Inc() }
func (m *metrics) alone(decision string) { m.degraded.WithLabelValues("alone_" + decision).Inc() }
func (m *metrics) lost(n int)            { m.dropped.Add(float64(n)) }

func (m *metrics) watch(s *jobs.Service) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "penstock_gateway_unfinished_jobs", Help: "Jobs accepted here that have not ended, by lane.",
			ConstLabels: prometheus.Labels{"lane": "express"},
		}, func() float64 { n, _, _ := s.Unfinished(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "penstock_gateway_unfinished_jobs", Help: "Jobs accepted here that have not ended, by lane.",
			ConstLabels: prometheus.Labels{"lane": "backlog"},
		}, func() float64 { _, n, _ := s.Unfinished(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "penstock_gateway_backlogs", Help: "Backlogs, one for each tenant, model and class that has more than its part.",
		}, func() float64 { _, _, n := s.Unfinished(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "penstock_gateway_waiting_requests", Help: "Requests that wait for a job's end.",
		}, func() float64 { return float64(s.Waiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "penstock_gateway_live_models", Help: "Models that a live worker serves.",
		}, func() float64 {
			n := 0
			for _, model := range s.Models() {
				if model.Workers > 0 {
					n++
				}
			}
			return float64(n)
		}),
	)
}
