package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rosterhq/roster/internal/changefeed"
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
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: requestTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	} // no WriteTimeout: profiles last as long as they are asked to
	go func() { _ = srv.Serve(ln) }()
	log.Info("admin listening", "addr", ln.Addr().String())
	return func() { _ = srv.Close() }, nil
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
