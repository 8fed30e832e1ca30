package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/admission"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/ops"
)

// Bounds on how long things may take.
const (
	readHeaderTimeout = 5 * time.Second
	requestTimeout    = 30 * time.Second // reading a request, writing its answer
	answerTimeout     = 25 * time.Second // making an answer, so that there is time to send it
	idleTimeout       = 2 * time.Minute
	shutdownTimeout   = 15 * time.Second
	housekeeping      = time.Minute
	flushing          = 30 * time.Second
	lastFlush         = 5 * time.Second

	// memoryBesideCache is what one token can make the process take, besides
	// remembered views.
	memoryBesideCache = 192 << 20

	maxHeader = 64 << 10 // bytes of request line and headers; net/http adds 4096
)

func (a *app) serve() *cobra.Command {
	var setup bool
	cmd := &cobra.Command{
		Use: "serve", GroupID: aServer, Short: "Run the server",
		Long: "Serve the API.\n\n" +
			"Without DATABASE_URL a private PostgreSQL is run from the machine's own binaries; it is migrated and given\n" +
			"an administrator by itself, and the API listens on loopback alone unless ROSTER_ADDR says otherwise. A database\n" +
			"that DATABASE_URL names is left as it is, unless --setup is given.\n\n" +
			"SIGTERM and SIGINT (Ctrl-C) end it: it takes no more connections, answers the requests under way, for 15 seconds\n" +
			"at most, and exits with 0. A second one ends it at once. SIGHUP makes it read its files again: the keyset and the\n" +
			"TLS certificate.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := a.runServe(cmd.Context(), setup)
			if cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
				return nil // stopped as asked, while still starting
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&setup, "setup", false, "migrate the database; create the keyset and an administrator if they are missing")
	return cmd
}

func (a *app) runServe(ctx context.Context, setup bool) (err error) {
	c, err := a.load()
	if err != nil {
		return err
	}
	log := a.logger(c)
	hangups := make(chan os.Signal, 1) // from here on none of them ends the process
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	setup = setup || c.embedded()
	listeners, taken, err := listen(ctx, c.Addr, c.embedded(), setup)
	if err != nil {
		return fmt.Errorf("ROSTER_ADDR: %w", err)
	}
	defer listeners.close()
	if c.PublicURL == "" {
		scheme := "http"
		if c.TLSCert != "" {
			scheme = "https"
		}
		c.PublicURL = scheme + "://localhost:" + strconv.Itoa(listeners[0].Addr().(*net.TCPAddr).Port)
	}
	db, err := openDatabase(ctx, c, log, true, false)
	if err != nil {
		return err
	}
	defer db.close()
	if setup {
		if err := db.up(ctx); err != nil {
			return err
		}
	}
	reg, err := openRegistry(ctx, c, db, setup, log)
	if err != nil {
		return err
	}
	ignored, err := reg.IgnoredGrants(ctx)
	if err != nil {
		return err
	}
	for _, g := range ignored {
		log.Warn("a default grant on the management API gives nothing: delete it", "grant", g.ID, "default_for", g.DefaultFor)
	}
	reader, err := db.another(ctx, 1)
	if err != nil {
		return err
	}
	defer reader.Close()
	admin, err := a.administrator(ctx, c, reg, setup)
	if err != nil {
		return err
	}
	ready := func(ctx context.Context) error {
		if err := postgres.New(db.pool).Ready(ctx); err != nil {
			return err
		}
		_, err := db.schema(ctx)
		return postgres.Told(err)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(memoryBesideCache) + int64(c.CacheMB)<<20)
	}
	views := dialect.NewViews(reg.Changes, reg.Now, c.CacheMB<<20)
	config := server.Config{Log: log, Limits: &c.limits, TrustedProxies: c.TrustedProxies, Ready: ready, Views: views, Boruta: c.boruta}
	if c.AdminAddr != "" {
		config.Metrics = ops.NewMetrics(programVersion(), slices.Concat(poolMetrics(db.pool), []prometheus.Collector{feedMetric(reg.Changes), &stateMetrics{reg: reg}}, views.Collectors())...)
		stop, err := serveAdmin(ctx, c.AdminAddr, config.Metrics.Handler(ready), log)
		if err != nil {
			return err
		}
		defer stop()
	}
	handler, err := server.New(reg, config)
	if err != nil {
		return err
	}
	srv := apiServer(handler, log)
	srv.ConnState = admission.NewConnections(c.TrustedProxies).Changed
	files := followed{reg: reg, log: log}
	if c.TLSCert != "" {
		if files.cert, err = newCertificate(c.TLSCert, c.TLSKey, log); err != nil {
			return fmt.Errorf("ROSTER_TLS_CERT_FILE, ROSTER_TLS_KEY_FILE: %w", err)
		}
		srv.TLSConfig = files.cert.config()
	}
	srv.RegisterOnShutdown(reg.Close)
	served := listeners.serve(srv)
	log.Info("listening", "addr", listeners.String(), "url", c.PublicURL)
	if setup {
		if admin.File != "" { // for commands on this machine
			there := filepath.Join(c.DataDir, urlFile)
			if err := writeDurably(there, c.PublicURL+"\n", os.Rename); err != nil {
				return err
			}
			defer os.Remove(there)
		}
		a.banner(c, db, admin, taken)
	}
	keeping, stop := context.WithCancel(ctx)
	defer stop()
	go reg.Changes.Run(keeping, postgres.New(reader), log)
	go keepHouse(keeping, reg, log)
	go keepKeys(keeping, reg)
	go files.follow(keeping, hangups)
	err = wait(ctx, srv, served, db, log)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
	defer cancel()
	if err := reg.Flush(last); err != nil {
		log.Warn("storing what was noted", "err", err)
	}
	return err
}

// apiServer bounds what a caller may take of time and memory before anything
// looks at what it sends.
func apiServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: within(answerTimeout, handler), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 100, MaxReadFrameSize: 16 << 10,
			MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 256 << 10,
		},
	}
}

// within ends the context of each request after d. An answer that comes later
// than WriteTimeout cannot be sent, and a database that is gone without a word
// must not keep the request and its connection.
func within(d time.Duration, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		handler.ServeHTTP(w, r.WithContext(ctx))
	})
}

// wait returns when the server has stopped: because ctx ended, or because it or
// the embedded database failed.
func wait(ctx context.Context, srv *http.Server, served <-chan error, db *database, log *slog.Logger) error {
	var died <-chan struct{}
	if db.embedded != nil {
		died = db.embedded.Done()
	}
	var failure error
	select {
	case err := <-served:
		return err
	case <-died:
		failure = fmt.Errorf("the embedded database ended: %w", db.embedded.Err())
	case <-ctx.Done():
		log.Info("stopping")
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		failure = errors.Join(failure, fmt.Errorf("requests were still under way after %v", shutdownTimeout), srv.Close())
	}
	<-served
	return failure
}

// keepHouse forgets what has expired and stores what was only noted, until ctx
// ends.
func keepHouse(ctx context.Context, reg *registry.Registry, log *slog.Logger) {
	tick, flush := time.NewTicker(housekeeping), time.NewTicker(flushing)
	defer tick.Stop()
	defer flush.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := reg.ForgetExpired(ctx); err != nil && ctx.Err() == nil {
				log.Warn("forgetting what has expired", "err", err)
			}
		case <-flush.C:
			if err := reg.Flush(ctx); err != nil && ctx.Err() == nil {
				log.Warn("storing what was noted", "err", err)
			}
		}
	}
}

// keepKeys keeps the keys of outside issuers fresh, until ctx ends.
func keepKeys(ctx context.Context, reg *registry.Registry) {
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		reg.Issuers.Refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// administrator makes the configured administrator, or in setup one of its own
// whose credentials are kept in the data folder.
func (a *app) administrator(ctx context.Context, c Config, reg *registry.Registry, setup bool) (credentials, error) {
	if c.AdminID != "" {
		_, _, err := reg.Administrator(ctx, c.AdminID, oauth.NewSecret(c.AdminSecret))
		return credentials{ID: c.AdminID, Secret: oauth.NewSecret(c.AdminSecret)}, err
	}
	if !setup {
		return credentials{}, nil
	}
	admin, err := keptCredentials(c.DataDir)
	if err != nil {
		return admin, err
	}
	_, _, err = reg.Administrator(ctx, admin.ID, admin.Secret)
	return admin, err
}
