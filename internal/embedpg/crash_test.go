package embedpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKilledParentTakesTheServerAlongAndKeepsRows(t *testing.T) {
	t.Parallel()
	h := runHelper(t, seeded(t), nil)
	h.await(t)
	conn := connect(t, h.URL)
	execute(t, conn, "CREATE TABLE acknowledged (n int)")
	for n := range 100 {
		execute(t, conn, fmt.Sprintf("INSERT INTO acknowledged VALUES (%d)", n))
	}
	h.kill(t)
	if runtime.GOOS == "linux" { // others have no death signal; the next start ends the server
		eventually(t, "the server follows its parent", func() bool { return commandLine(h.Pid) == "" })
	}

	s := start(t, Config{Dir: h.Dir})
	if got := query[int](t, connect(t, s.URL), "SELECT count(*) FROM acknowledged"); got != 100 {
		t.Errorf("%d of 100 acknowledged rows are there", got)
	}
}

func TestStartWaitsForADyingServer(t *testing.T) {
	t.Parallel()
	h := runHelper(t, seeded(t), nil)
	h.await(t)
	backend := freezeBackend(t, h.URL) // the server cannot finish without it
	h.kill(t)
	log := onMessage("waiting for the previous database server to stop", func() { syscall.Kill(backend, syscall.SIGCONT) })
	s := start(t, Config{Dir: h.Dir, Log: slog.New(log)})
	if s.Pid() == h.Pid {
		t.Error("the same server")
	}
	if commandLine(h.Pid) != "" {
		t.Error("the previous server still runs")
	}
}

func TestStartWaitsForSharedMemoryOfAKilledServer(t *testing.T) {
	t.Parallel()
	h := runHelper(t, seeded(t), nil)
	h.await(t)
	execute(t, connect(t, h.URL), "CREATE TABLE kept AS SELECT 42 AS n")
	backend := freezeBackend(t, h.URL)
	if err := syscall.Kill(h.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.kill(t)
	waited := false
	log := onMessage("waiting for the remains of a killed database server", func() {
		waited = true
		syscall.Kill(backend, syscall.SIGCONT)
	})
	s := start(t, Config{Dir: h.Dir, Log: slog.New(log)})
	if !waited {
		t.Error("the frozen process was in nobody's way: the test proves nothing")
	}
	if got := query[int](t, connect(t, s.URL), "SELECT n FROM kept"); got != 42 {
		t.Errorf("kept %d, want 42", got)
	}
	for _, r := range log.list() {
		if r.Level > slog.LevelInfo {
			t.Errorf("record at %v: %s", r.Level, r.Message)
		}
	}
}

func TestStalePidOfAnotherProgramDoesNotBlock(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	p, err := choose(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "600")
	other.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential()}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Process.Kill(); other.Wait() })
	text := fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n\n0 0\nready\n", other.Process.Pid, p.data(), p.run())
	for _, file := range []string{filepath.Join(p.data(), "postmaster.pid"), p.socket() + ".lock"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(file, p.account.uid, p.account.gid); err != nil {
			t.Fatal(err)
		}
	}
	if url, ok := Running(Config{Dir: dir}); ok {
		t.Errorf("another program passes for the server: %s", url)
	}
	start(t, Config{Dir: dir})
}

func TestInterruptedInitdbLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "new")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := Start(ctx, Config{Dir: dir, Log: slog.New(onMessage("making a new database", cancel))})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("start gives %v, want that it was cancelled", err)
	}
	if diff := cmp.Diff([]string{"lock", "run"}, entries(t, dir)); diff != "" {
		t.Errorf("folder after a cancelled start (-want +got):\n%s", diff)
	}

	h := runHelper(t, dir, nil)
	eventually(t, "initdb writes", func() bool {
		written, _ := filepath.Glob(filepath.Join(dir, "init-*", "base"))
		return len(written) > 0
	})
	h.kill(t)
	if exists(dir, "data") {
		t.Error("half a database got its name")
	}
	start(t, Config{Dir: dir})
	if diff := cmp.Diff([]string{"data", "lock", "run"}, entries(t, dir)); diff != "" {
		t.Errorf("folder after the next start (-want +got):\n%s", diff)
	}
}

func TestInterruptReachesTheSupervisorOnly(t *testing.T) {
	t.Parallel()
	h := runHelper(t, seeded(t), nil)
	h.await(t)
	if url, ok := Running(Config{Dir: h.Dir}); !ok || url != h.URL {
		t.Errorf("Running beside another process gives %q, %t; want %q", url, ok, h.URL)
	}
	pid := h.Pid
	if err := syscall.Kill(-h.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	h.await(t)
	if h.Pid != pid {
		t.Errorf("server %d after the interrupt, %d before", h.Pid, pid)
	}
	if line := commandLine(pid); !strings.Contains(line, "postgres") {
		t.Errorf("the server is gone")
	}
}

// onMessage calls f at the first record with the message.
func onMessage(message string, f func()) *records {
	called := false
	return &records{seen: func(r slog.Record) {
		if r.Message == message && !called {
			called = true
			f()
		}
	}}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}
