package main_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/servertest"
)

// binary is the program that the tests start, built as the container image
// builds it.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzzworker").Value.String() == "true" { // which starts no program
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "roster-bin-")
	if err == nil {
		binary = filepath.Join(dir, "roster")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -X main.version=9.8.7-test -X main.commit=0123456789ab", "-o", binary, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the program:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	if blocks, err := forgotten(); code == 0 && (err != nil || len(blocks) > 0) {
		fmt.Fprintf(os.Stderr, "no test executes (%v):\n%s", err, strings.Join(blocks, "\n"))
		code = 1
	}
	os.Exit(code)
}

// shortDir is like TempDir with a path short enough for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "roster-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // as root the database runs as somebody else
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// environment is a bare one with these additions.
func environment(extra ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=/nowhere"}
	for _, name := range []string{"TMPDIR", "ROSTER_POSTGRES_BIN"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return append(env, extra...)
}

// run executes a command that ends by itself.
func run(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = environment(env...), &out, &errs, t.TempDir()
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// succeed is run for a command that must exit 0; it returns what was printed.
func succeed(t *testing.T, env []string, args ...string) string {
	t.Helper()
	stdout, stderr, code := run(t, env, args...)
	if code != 0 {
		t.Fatalf("roster %s exits %d: %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// refuse is run for a command that must fail, saying each of words.
func refuse(t *testing.T, env []string, args []string, words ...string) {
	t.Helper()
	stdout, stderr, code := run(t, env, args...)
	if code != 1 {
		t.Errorf("roster %s exits %d, want 1: %s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	for _, w := range words {
		if !strings.Contains(stderr, w) {
			t.Errorf("roster %s does not say %q: %s", strings.Join(args, " "), w, stderr)
		}
	}
}

// service is a running `roster serve`.
type service struct {
	URL string // as the line "listening" gives it

	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr *output
	ended          chan struct{} // closed when the process is gone
}

// serve starts the service and returns when it listens.
func serve(t *testing.T, env []string, args ...string) *service {
	t.Helper()
	s := launch(t, env, args...)
	s.URL = s.stderr.wait(t, s.ended, regexp.MustCompile(`"msg":"listening".*"url":"([^"]*)"`))[1]
	return s
}

// launch starts the service. It is killed at the end of the test if it still
// runs.
func launch(t *testing.T, env []string, args ...string) *service {
	t.Helper()
	s := &service{t: t, stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{})}
	s.cmd = exec.Command(binary, append([]string{"serve"}, args...)...)
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr, s.cmd.Dir = environment(env...), s.stdout, s.stderr, t.TempDir()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
		if t.Failed() {
			t.Logf("roster printed:\n%s\nand logged:\n%s", s.stdout, s.stderr)
		}
	})
	return s
}

// signal sends sig and returns the exit code; -1 after a signal that killed it.
func (s *service) signal(sig os.Signal) int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(servertest.Patience):
		s.t.Fatalf("still running %v after %v", servertest.Patience, sig)
	}
	return s.cmd.ProcessState.ExitCode()
}

// stop ends the service as a supervisor does.
func (s *service) stop() {
	s.t.Helper()
	if code := s.signal(syscall.SIGTERM); code != 0 {
		s.t.Errorf("exit code %d after SIGTERM", code)
	}
}

// call sends a request and returns the status and the body.
func (s *service) call(token, method, path, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if strings.Contains(body, "grant_type=") {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// output keeps what a process writes and wakes those who wait for it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed and replaced at each write
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// wait returns the first match of pattern, once it was written.
func (o *output) wait(t *testing.T, ended <-chan struct{}, pattern *regexp.Regexp) []string {
	t.Helper()
	late := time.After(servertest.Patience)
	for {
		o.mu.Lock()
		text, more := o.text.String(), o.more
		o.mu.Unlock()
		if m := pattern.FindStringSubmatch(text); m != nil {
			return m
		}
		select {
		case <-more:
		case <-ended:
			if pattern.MatchString(o.String()) {
				continue
			}
			t.Fatalf("it ended without writing %s: %s", pattern, o)
		case <-late:
			t.Fatalf("%s is not there after %v: %s", pattern, servertest.Patience, o)
		}
	}
}

// noPostgresLeft waits until no process works on the data below dir.
func noPostgresLeft(t *testing.T, dir string) {
	t.Helper()
	servertest.Eventually(t, "no PostgreSQL works on "+dir, func() bool {
		out, err := exec.Command("ps", "-ww", "-eo", "args=").Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, dir) && strings.Contains(line, "postgres") {
				return false
			}
		}
		return true
	})
}
