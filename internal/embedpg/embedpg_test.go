package embedpg

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestServesWithItsSettings(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), shared(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	got := map[string]string{}
	want := map[string]string{
		"listen_addresses": "", "unix_socket_permissions": "0700", "data_checksums": "on",
		"fsync": "off", "jit": "off", "wal_level": "minimal", "max_connections": "200", "server_encoding": "UTF8",
	}
	for name := range want {
		var value string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
			t.Fatal(err)
		}
		got[name] = value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if name := pool.Config().ConnConfig.Database; name != "roster" {
		t.Errorf("database is %q, want roster", name)
	}
}

func TestFoldersAndServerBelongToAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	s := shared(t)
	info, err := os.Stat(fmt.Sprintf("/proc/%d", s.Pid()))
	if err != nil {
		t.Skipf("no /proc to read the owner from: %v", err)
	}
	uid, _ := owner(info)
	if uid == 0 {
		t.Error("the server runs as root")
	}
	for _, name := range []string{"data", "run"} {
		info, err := os.Stat(filepath.Join(s.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := owner(info); got != uid || info.Mode().Perm() != 0o700 {
			t.Errorf("%s is %v of uid %d, want drwx------ of uid %d", name, info.Mode(), got, uid)
		}
	}
}

func TestListensOnNoNetwork(t *testing.T) {
	t.Parallel()
	pid := shared(t).Pid()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Skipf("no /proc to read the sockets from: %v", err)
	}
	network := ""
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile("/proc/net/" + name)
		if err != nil {
			continue // no IPv6 here
		}
		network += string(text)
	}
	sockets := 0
	for _, fd := range fds {
		to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
		inode, ok := strings.CutPrefix(to, "socket:[")
		if err != nil || !ok {
			continue
		}
		sockets++
		if strings.Contains(network, " "+strings.TrimSuffix(inode, "]")+" ") {
			t.Errorf("file %s of the server is a network socket", fd.Name())
		}
	}
	if sockets == 0 {
		t.Error("the server has no socket at all: the test looks in the wrong place")
	}
}

func TestURLIgnoresThePostgresEnvironment(t *testing.T) {
	t.Setenv("PGPORT", "1") // so not parallel
	t.Setenv("PGHOST", "elsewhere")
	t.Setenv("PGUSER", "somebody")
	if got := query[string](t, connect(t, shared(t).URL), "SELECT current_user::text"); got != "roster" {
		t.Errorf("connected as %s", got)
	}
}

func TestURLSurvivesOddPaths(t *testing.T) {
	t.Parallel()
	p := place{dir: "/tmp/a b+c%?&"}
	u, err := url.Parse(p.url("odd/name"))
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Query().Get("host"); got != p.run() {
		t.Errorf("host is %q, want %q", got, p.run())
	}
	if u.Path != "/odd/name" || strings.Contains(u.RawQuery, "+") {
		t.Errorf("url is %s", u)
	}
}

func TestStartIsQuiet(t *testing.T) {
	t.Parallel()
	shared(t)
	var got []string
	for _, r := range sharedLog.list() {
		if r.Level >= slog.LevelInfo {
			got = append(got, r.Level.String()+" "+r.Message)
		}
	}
	want := []string{"INFO making a new database", "INFO embedded database ready"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log at info and above (-want +got):\n%s", diff)
	}
}

func TestSecondStartNamesTheHolder(t *testing.T) {
	t.Parallel()
	s := shared(t)
	_, err := Start(t.Context(), Config{Dir: s.Dir})
	wantError(t, err, "another process", fmt.Sprintf("pid %d", os.Getpid()), s.Dir)
	if got := query[int](t, connect(t, s.URL), "SELECT 1"); got != 1 {
		t.Errorf("the first server answers %d", got)
	}
}

func TestRowsOutliveARestart(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: seeded(t), Database: "other", Durable: true, Log: slog.New(slog.DiscardHandler)}
	if _, ok := Running(cfg); ok {
		t.Error("running before the start")
	}
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := Running(Config{Dir: cfg.Dir}); !ok || got != s.URL {
		t.Errorf("Running gives %q, %t; want %q", got, ok, s.URL)
	}
	conn := connect(t, s.URL)
	execute(t, conn, "CREATE TABLE kept AS SELECT 42 AS n")
	if got := query[string](t, conn, "SELECT current_setting('fsync')"); got != "on" {
		t.Errorf("fsync of a durable server is %s", got)
	}
	for range 2 { // the second changes nothing
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	<-s.Done()
	if err := s.Err(); err != nil {
		t.Errorf("Err after Stop: %v", err)
	}
	if url, ok := Running(cfg); ok {
		t.Errorf("still running after Stop: %s", url)
	}
	if got := query[int](t, connect(t, start(t, cfg).URL), "SELECT n FROM kept"); got != 42 {
		t.Errorf("kept %d, want 42", got)
	}
}

func TestErrTellsWhyTheServerEnded(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: seeded(t)})
	if err := s.Err(); err != nil {
		t.Errorf("Err while it runs: %v", err)
	}
	if err := syscall.Kill(s.Pid(), syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(longEnough):
		t.Fatal("Done is not closed")
	}
	wantError(t, s.Err(), "ended by itself", "immediate shutdown request")
}

func TestStopForcesAServerThatHangs(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: seeded(t)})
	s.grace = 10 * time.Millisecond
	backend := freezeBackend(t, s.URL)
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if commandLine(s.Pid()) != "" {
		t.Error("the server still runs")
	}
	syscall.Kill(backend, syscall.SIGKILL)
	start(t, Config{Dir: s.Dir}) // the data has survived; this also frees the shared memory
}

// freezeBackend stops the process behind a connection, so that it neither ends
// nor lets go of anything.
func freezeBackend(t *testing.T, url string) (pid int) {
	t.Helper()
	pid = query[int](t, connect(t, url), "SELECT pg_backend_pid()")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) }) // before the connection closes, which would wait
	return pid
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error does not say %q:\n%v", part, err)
		}
	}
}
