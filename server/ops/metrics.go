package ops

import (
	"context"
	"net/http"
	"net/http/pprof"
	"runtime"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// TokenRoute is where tokens are issued.
const TokenRoute = "/oauth/token"

// Metrics counts what the service does. Labels come from the program alone,
// never from a request: their number is bounded, and they hold no secret.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	inFlight prometheus.Gauge
	tokens   *prometheus.CounterVec
	refused  *prometheus.CounterVec
}

// NewMetrics returns metrics of this version of the program, with more from
// other parts of it.
func NewMetrics(version string, more ...prometheus.Collector) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "roster_http_request_duration_seconds", Help: "Requests and how long they took, by route, method and class of status.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route", "method", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "roster_http_requests_in_flight", Help: "Requests being answered."}),
		tokens:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "roster_token_requests_total", Help: "Token requests by outcome: issued, refused or failed."}, []string{"outcome"}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "roster_requests_refused_total", Help: "Requests refused because of a limit, by the limit."}, []string{"limit"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "roster_build_info", Help: "Always 1; the labels tell what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.inFlight, m.tokens, m.refused, build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(more...)
	for _, outcome := range []string{"issued", "refused", "failed"} {
		m.tokens.WithLabelValues(outcome)
	}
	return m
}

// Refused counts a request that was refused because of a limit.
func (m *Metrics) Refused(limit string) { m.refused.WithLabelValues(limit).Inc() }

// Observe counts a request and all that comes after it.
func (m *Metrics) Observe(c *gin.Context) {
	began := time.Now()
	m.inFlight.Inc()
	defer m.inFlight.Dec()
	c.Next()
	route, method := c.FullPath(), c.Request.Method
	if route == "" { // nothing matched, so the method may be any text
		route, method = "none", "any"
	}
	status := c.Writer.Status()
	m.requests.WithLabelValues(route, method, strconv.Itoa(status/100)+"xx").Observe(time.Since(began).Seconds())
	if route == TokenRoute {
		outcome := "issued"
		switch {
		case status >= 500:
			outcome = "failed"
		case status >= 400:
			outcome = "refused"
		}
		m.tokens.WithLabelValues(outcome).Inc()
	}
}

// Handler serves what operators look at: metrics, profiles and health. It must
// not be reachable for others: profiles show what is in memory.
func (m *Metrics) Handler(ready Check) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "ok")
	})
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
