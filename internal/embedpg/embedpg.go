// Package embedpg runs a private PostgreSQL from the server binaries of this
// machine: one data folder, one owner at a time, reached through a Unix socket
// only, and gone when the process that started it is gone.
package embedpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// role is the superuser of every database made here. The socket folder, which
// only its owner may enter, stands in for a password.
const role = "roster"

// Config says what to run and where. Only Dir is required.
type Config struct {
	// Dir is the wanted data folder, kept between runs. It is made when absent.
	// As root the database may have to live elsewhere, see Server.Dir.
	Dir string
	// BinDir holds initdb and postgres, version 15 or newer. Empty: the folder
	// that PATH leads to, then the usual ones, newest version first; for data
	// that exists already, the first of its own major version.
	BinDir string
	// Database is created when missing. Default "roster".
	Database string
	// Durable makes a commit survive a crash of the machine. Without it only a
	// crash of processes is survived, which is enough for tests.
	Durable bool
	// Settings are parameters of the server beyond those that Start gives it, and
	// instead of those.
	Settings map[string]string
	// SystemDir takes the database, in a folder named by a hash of Dir, when
	// root asks for a Dir that the unprivileged account cannot enter. Default
	// /var/lib/roster.
	SystemDir string
	// Log gets the server's own lines, one a record. Default slog.Default().
	Log *slog.Logger
}

// Server is a running PostgreSQL.
type Server struct {
	// URL connects as superuser. pgx, libpq and psql understand it.
	URL string
	// Dir is the folder really used: absolute, without symbolic links. It
	// differs from Config.Dir when the unprivileged account cannot enter that.
	Dir string

	process  *process
	lock     *os.File
	grace    time.Duration // between one signal of Stop and the next
	stopping sync.Once
	stopErr  error
}

// Start brings up the server of cfg.Dir, making the database cluster first when
// there is none, and returns when it accepts connections. It waits, within a
// bound, for the remains of a killed predecessor. ctx bounds the start only.
//
// Errors say what to do: no binaries, a folder held by another process, a path
// too long for a socket, data of another major version, or the last lines of
// what PostgreSQL said.
func Start(ctx context.Context, cfg Config) (_ *Server, err error) {
	begun := time.Now()
	cfg.Database = cmp.Or(cfg.Database, "roster")
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	place, err := choose(cfg)
	if err != nil {
		return nil, err
	}
	bin, err := findBinaries(cfg.BinDir, place.dataVersion(), usualFolders)
	if err != nil {
		return nil, err
	}
	if place.dir != place.wanted {
		cfg.Log.Info("the database account cannot enter the wanted data folder, using another",
			"wanted", place.wanted, "dir", place.dir, "account", place.account.name)
	}
	if err := place.make(); err != nil {
		return nil, fmt.Errorf("preparing data folder %s: %w", place.dir, err)
	}
	s := &Server{Dir: place.dir, URL: place.url(cfg.Database), grace: 10 * time.Second}
	if s.lock, err = place.acquire(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.lock.Close()
		}
	}()
	if err := place.initialise(ctx, bin, cfg); err != nil {
		return nil, err
	}
	if err := place.reclaim(ctx, cfg.Log); err != nil {
		return nil, err
	}
	if s.process, err = place.serve(ctx, bin, cfg); err != nil {
		return nil, err
	}
	if err := createDatabase(ctx, place.url("postgres"), cfg.Database); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := announce(s.lock, cfg.Database); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	cfg.Log.Info("embedded database ready", "dir", s.Dir, "version", bin.version, "pid", s.Pid(), "took", time.Since(begun).Round(time.Millisecond))
	return s, nil
}

// Exists reports whether Start would find data for cfg.Dir, running or not. Only
// Dir and SystemDir of cfg matter.
func Exists(cfg Config) (bool, error) {
	wanted, err := canonical(cfg.Dir)
	if err != nil {
		return false, err
	}
	for _, dir := range candidates(cfg, wanted) {
		if _, err := os.Stat(versionFile(dir)); !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// Running gives the URL of the server that a live process of the same user, or
// of root, runs for cfg.Dir. Only Dir and SystemDir of cfg matter. ok is false
// when there is none or it does not accept connections yet.
func Running(cfg Config) (url string, ok bool) {
	wanted, err := canonical(cfg.Dir)
	if err != nil {
		return "", false
	}
	for _, dir := range []string{systemFolder(cfg, wanted), wanted} {
		p := place{dir: dir}
		if pid, state := p.postmaster(); state != "ready" || p.whose(pid) != ours {
			continue
		}
		if _, database, err := p.holder(); err == nil && database != "" {
			return p.url(database), true
		}
	}
	return "", false
}

// Done is closed when the server has ended, whoever ended it.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Err tells why the server ended on its own, with its last log lines. It is nil
// while the server runs and after Stop.
func (s *Server) Err() error {
	select {
	case <-s.process.done:
		return s.process.err
	default:
		return nil
	}
}

// Pid is the process id of the server.
func (s *Server) Pid() int { return s.process.cmd.Process.Pid }

// Stop ends the server and frees the folder: first in order, open transactions
// rolled back; after 10 s without a checkpoint; after 20 s by force. It returns
// when the server is gone. Calling it again changes nothing.
func (s *Server) Stop() error {
	s.stopping.Do(func() {
		defer s.lock.Close()
		s.stopErr = s.process.stop(s.grace)
	})
	return s.stopErr
}

// url names the socket's folder and the port explicitly: PGHOST and PGPORT of
// the environment would otherwise change where it leads.
func (p place) url(database string) string {
	q := url.Values{"host": {p.run()}, "port": {socketPort}, "sslmode": {"disable"}}
	u := url.URL{
		Scheme: "postgres", User: url.User(role), Path: "/" + database,
		RawQuery: strings.ReplaceAll(q.Encode(), "+", "%20"), // libpq takes + literally
	}
	return u.String()
}

func createDatabase(ctx context.Context, url, name string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connecting to the embedded database: %w", err)
	}
	defer conn.Close(ctx)
	var have bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&have); err != nil {
		return fmt.Errorf("looking for database %s: %w", name, err)
	}
	if have {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return fmt.Errorf("creating database %s: %w", name, err)
	}
	return nil
}

// alive reports whether pid names a process, of whatever user, zombies included.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// poll calls done every few milliseconds until it is true, within limit; 0 is
// no limit. It reports whether that happened in time; the error is ctx's.
func poll(ctx context.Context, limit time.Duration, done func() bool) (bool, error) {
	var late <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if done() {
			return true, nil
		}
		select {
		case <-tick.C:
		case <-late:
			return done(), nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func exists(path ...string) bool {
	_, err := os.Lstat(filepath.Join(path...))
	return err == nil
}
