package app

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/monitor"
)

// metrics are the figures of this process for Prometheus.
type metrics struct {
	reg    *prometheus.Registry
	turned *prometheus.CounterVec
	calls  *prometheus.CounterVec
	took   *prometheus.HistogramVec
	alert  *prometheus.GaugeVec
	lag    prometheus.Gauge
	facts  *prometheus.GaugeVec
	open   prometheus.Gauge
	lease  prometheus.Gauge
}

func newMetrics() *metrics {
	m := &metrics{
		reg: prometheus.NewRegistry(),
		turned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "prumo_transitions_total", Help: "Outcomes that changed, by what they became.",
		}, []string{"to"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "prumo_source_requests_total", Help: "Requests to sources, by status class.",
		}, []string{"source", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "prumo_http_request_seconds", Help: "Server time of requests.", Buckets: []float64{.005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"method", "code"}),
		alert: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "prumo_alert_latency_seconds", Help: "From the change at the source, or its announcement, to the delivered alert, over 30 days.",
		}, []string{"source", "quantile"}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "prumo_timer_lag_seconds", Help: "How far the timer is behind the next instant.",
		}),
		facts: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "prumo_facts", Help: "Facts held."}, []string{"source"}),
		open:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "prumo_findings_open", Help: "Open findings."}),
	}
	m.lease = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "prumo_lease_held", Help: "1 where this replica reads the sources and runs the timer.",
	})
	m.reg.MustRegister(m.lease, m.turned, m.calls, m.took, m.alert, m.lag, m.facts, m.open,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) transitions(ts []monitor.Transition) {
	for _, t := range ts {
		m.turned.WithLabelValues(t.To.String()).Inc()
	}
}

func (m *metrics) call(source string, c connector.Call) {
	status := "none"
	if c.Status > 0 {
		status = string(rune('0'+c.Status/100)) + "xx"
	}
	m.calls.WithLabelValues(source, status).Inc()
}

// handler answers /metrics: to whoever asks over loopback, and to a token.
func (e *engine) metricsHandler() http.Handler {
	h := promhttp.HandlerFor(e.metrics.reg, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := e.in.db.Posture(r.Context(), time.Time{})
		if err != nil {
			e.log.ErrorContext(r.Context(), "figures for metrics", "error", err)
		} else {
			e.metrics.posture(p)
		}
		e.metrics.lease.Set(0)
		if e.leads() {
			e.metrics.lease.Set(1)
		}
		e.metrics.lag.Set(float64(e.lag.Load()) / 1e6)
		h.ServeHTTP(w, r)
	})
}

func (m *metrics) posture(p monitor.Posture) {
	m.open.Set(float64(p.Open))
	m.facts.Reset()
	m.alert.Reset()
	for _, s := range p.Sources {
		m.facts.WithLabelValues(s.Name).Set(float64(s.Facts))
		if s.Latency.Samples > 0 {
			m.alert.WithLabelValues(s.Name, "0.5").Set(s.Latency.AlertP50.Seconds())
			m.alert.WithLabelValues(s.Name, "0.95").Set(s.Latency.AlertP95.Seconds())
		}
	}
}

// timed measures the server time of requests.
func (m *metrics) timed(next http.Handler) http.Handler {
	return promhttp.InstrumentHandlerDuration(m.took, next)
}
