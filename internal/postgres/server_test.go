package postgres

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/rosterhq/roster/internal/embedpg"
)

// server is a PostgreSQL of a test's own.
type server struct {
	*embedpg.Server
	t      testing.TB
	config embedpg.Config
}

// startServer starts a server with settings. Its folder is removed with the
// test.
func startServer(t testing.TB, settings map[string]string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "server")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // as root, the server is another user's
		t.Fatal(err)
	}
	s := &server{t: t, config: embedpg.Config{
		Dir: filepath.Join(dir, "postgres"), BinDir: os.Getenv("ROSTER_POSTGRES_BIN"),
		Settings: settings, Log: slog.New(slog.DiscardHandler),
	}}
	s.start()
	t.Cleanup(func() { s.Stop() })
	return s
}

func (s *server) start() {
	s.t.Helper()
	var err error
	if s.Server, err = embedpg.Start(s.t.Context(), s.config); err != nil {
		s.t.Fatal(err)
	}
}

func TestServersWithoutFsyncAreRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	pool := open(t, s.URL)
	if err := pool.Ping(t.Context()); !errors.Is(err, errVolatile) {
		t.Errorf("a server without fsync: %v", err)
	}
	if err := New(pool).Ready(t.Context()); !errors.Is(err, errVolatile) {
		t.Errorf("it is not ready because of %v", err)
	}
	s.Stop()
	s.config.Settings = map[string]string{"fsync": "on"}
	s.start()
	if err := errors.Join(pool.Ping(t.Context()), New(pool).Ready(t.Context())); err != nil {
		t.Errorf("a server with fsync: %v", err)
	}
}
