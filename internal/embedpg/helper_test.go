package embedpg

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const helperEnv = "EMBEDPG_TEST_HELPER"

// TestMain lets the test binary be another process that runs a server, since
// killing one's own process is a test hard to pass.
func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		os.Exit(helperMain(dir))
	}
	code := m.Run()
	if s, err := sharedServer(); err == nil {
		s.Stop()
	}
	os.RemoveAll(scratch())
	os.Exit(code)
}

// helperReport is what the helper process writes to stdout once it serves.
type helperReport struct {
	URL, Dir  string
	Pid, User int
}

// helperMain serves dir until stdin ends, then stops in order. On an interrupt
// it reports a second time, if the server still answers.
func helperMain(dir string) int {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	ctx := context.Background()
	s, err := Start(ctx, Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	report := func() error {
		conn, err := pgx.Connect(ctx, s.URL)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		return json.NewEncoder(os.Stdout).Encode(helperReport{URL: s.URL, Dir: s.Dir, Pid: s.Pid(), User: os.Geteuid()})
	}
	if err := report(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		<-interrupts
		if err := report(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	io.Copy(io.Discard, os.Stdin)
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

type helper struct {
	helperReport
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
}

// runHelper starts the helper process in a process group of its own, as the
// given user if that is not nil, and does not wait until it serves.
func runHelper(t *testing.T, dir string, as *syscall.Credential) *helper {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if as != nil {
		program = copyTo(t, program, folder(t))
	}
	h := &helper{cmd: exec.Command(program)}
	h.cmd.Env = append(os.Environ(), helperEnv+"="+dir)
	h.cmd.Dir = "/"
	h.cmd.Stderr = os.Stderr
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.stdout = bufio.NewReader(stdout)
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.stdin.Close()
		h.cmd.Wait()
	})
	return h
}

// await reads the helper's next report.
func (h *helper) await(t *testing.T) {
	t.Helper()
	line, err := h.stdout.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &h.helperReport)
	}
	if err != nil {
		t.Fatalf("waiting for the helper process: %v", err)
	}
}

func (h *helper) kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	h.cmd.Wait()
}

// scratch is a short path that every user may pass through.
var scratch = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("/tmp", "epg")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		panic(err)
	}
	return dir
})

// folder is a fresh folder below scratch, of mode 0755.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sharedServer is for tests that leave it as it is. Its log is sharedLog.
var (
	sharedLog    = &records{}
	sharedServer = sync.OnceValues(func() (*Server, error) {
		return Start(context.Background(), Config{Dir: filepath.Join(scratch(), "shared"), Log: slog.New(sharedLog)})
	})
)

func shared(t *testing.T) *Server {
	t.Helper()
	s, err := sharedServer()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stoppedData is a data folder with an empty database, stopped in order.
var stoppedData = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch(), "seed")
	s, err := Start(context.Background(), Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	return dir, s.Stop()
})

// seeded copies stoppedData, which is quicker than initdb.
func seeded(t *testing.T) string {
	t.Helper()
	seed, err := stoppedData()
	if err != nil {
		t.Fatal(err)
	}
	return copyTo(t, seed, folder(t))
}

// copyTo keeps owners and modes.
func copyTo(t *testing.T, from, into string) string {
	t.Helper()
	to := filepath.Join(into, "d")
	if out, err := exec.Command("cp", "-pR", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copying %s: %v\n%s", from, err, out)
	}
	return to
}

// start runs a server that stops with the test.
func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func query[T any](t *testing.T, conn *pgx.Conn, sql string) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// longEnough bounds the waits for what must happen.
const longEnough = 5 * time.Minute

// eventually waits for a condition of another process.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	if ok, err := poll(t.Context(), longEnough, condition); !ok || err != nil {
		t.Fatalf("not in time: %s", what)
	}
}

// asRoot skips a test whose subject exists for root only.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root has privileges to drop")
	}
}

// nobody is an ordinary user: nobody when the tests run as root, else nil for
// the one they run as.
func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	a, err := accountOf(u)
	if err != nil {
		t.Fatal(err)
	}
	return a.credential()
}

// records is a slog handler that keeps what it gets and tells of it.
type records struct {
	mu   sync.Mutex
	all  []slog.Record
	seen func(slog.Record)
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }

func (r *records) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	r.all = append(r.all, rec)
	r.mu.Unlock()
	if r.seen != nil {
		r.seen(rec)
	}
	return nil
}

func (r *records) list() []slog.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}
