package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rosterhq/roster/internal/changefeed"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
)

// serveAdmin serves what operators look at on an address of its own until stop
// is called.
func serveAdmin(ctx context.Context, addr string, handler http.Handler, log *slog.Logger) (stop func(), err error) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("ROSTER_ADMIN_ADDR: %w", err)
	}
	if ip := ln.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		log.Warn("ROSTER_ADMIN_ADDR is not a loopback address: whoever reaches it can read this program's memory", "addr", ln.Addr().String())
	}
	srv := &http.Server{
		Handler: ownHosts(addr, handler), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: requestTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	} // no WriteTimeout: profiles last as long as they are asked to
	go func() { _ = srv.Serve(ln) }()
	log.Info("admin listening", "addr", ln.Addr().String())
	return func() { _ = srv.Close() }, nil
}

// stateMetrics counts the clients in each state, at most once a minute however
// often that is asked for: the active ones are counted one by one.
type stateMetrics struct {
	reg *registry.Registry

	mu      sync.Mutex
	counted time.Time
	counts  map[oauth.State]int
	weak    int // secrets
}

var clientsByState = prometheus.NewDesc("roster_clients", "Clients by state: active, disabled, quarantined; at most a minute old.", []string{"state"}, nil)

var weakSecrets = prometheus.NewDesc("roster_weak_secrets",
	"Valid secrets of clients with fewer than 16 characters; at most a minute old.", nil, nil)

func (m *stateMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- clientsByState
	descriptions <- weakSecrets
}

// Collect leaves out what cannot be counted: other metrics matter most then.
func (m *stateMetrics) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.counted) > time.Minute {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		var err error
		if m.counts, err = m.reg.CountStates(ctx); err == nil {
			m.weak, err = m.reg.CountWeakSecrets(ctx)
		}
		if err != nil {
			m.counts = nil
			return
		}
		m.counted = time.Now()
	}
	metrics <- prometheus.MustNewConstMetric(weakSecrets, prometheus.GaugeValue, float64(m.weak))
	for state, n := range m.counts {
		metrics <- prometheus.MustNewConstMetric(clientsByState, prometheus.GaugeValue, float64(n), string(state))
	}
}

// feedMetric tells how far behind an instance may be.
func feedMetric(feed *changefeed.Feed) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "roster_changes_age_seconds",
		Help: "Time since the changes of all instances were read; above 1, every answer asks the database.",
	}, func() float64 { return feed.Age().Seconds() })
}

// poolMetrics tells how the database's connections are used.
func poolMetrics(pool *pgxpool.Pool) []prometheus.Collector {
	gauge := func(name, help string, value func(*pgxpool.Stat) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "roster_db_" + name, Help: help}, func() float64 { return value(pool.Stat()) })
	}
	counter := func(name, help string, value func(*pgxpool.Stat) float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "roster_db_" + name, Help: help}, func() float64 { return value(pool.Stat()) })
	}
	return []prometheus.Collector{
		gauge("connections_max", "Connections that the pool may open.", func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) }),
		gauge("connections_open", "Connections that are open.", func(s *pgxpool.Stat) float64 { return float64(s.TotalConns()) }),
		gauge("connections_in_use", "Connections that are in use.", func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) }),
		counter("acquires_total", "Times that a connection was taken from the pool.", func(s *pgxpool.Stat) float64 { return float64(s.AcquireCount()) }),
		counter("acquires_waited_total", "Times that none was free at once.", func(s *pgxpool.Stat) float64 { return float64(s.EmptyAcquireCount()) }),
		counter("acquire_seconds_total", "Time spent on taking connections.", func(s *pgxpool.Stat) float64 { return s.AcquireDuration().Seconds() }),
	}
}
