package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/postgrestest"
)

// Neither test is parallel: one sets the environment, the other signals this
// process.

func TestCommandGetsTheGivenServerAndItsExitCodeIsPassedOn(t *testing.T) {
	t.Setenv(postgrestest.Env, "postgres://given")
	for script, want := range map[string]int{
		"exit 0": 0,
		"exit 7": 7,
		`test "$TEST_DATABASE_URL" = postgres://given`: 0,
		"kill -9 $$": 128 + 9,
	} {
		if code, err := run([]string{"sh", "-c", script}); code != want || err != nil {
			t.Errorf("%s: exit code %d, %v; want %d", script, code, err, want)
		}
	}
	if code, err := run([]string{"/does/not/exist"}); code != 127 || err == nil {
		t.Errorf("no such command: exit code %d, %v", code, err)
	}
}

func TestSignalEndsCommandAndServer(t *testing.T) {
	t.Setenv(postgrestest.Env, "")
	file := filepath.Join(t.TempDir(), "url")
	type result struct {
		code int
		err  error
	}
	done := make(chan result, 1)
	go func() {
		code, err := run([]string{"sh", "-c", `echo "$TEST_DATABASE_URL" >"$0.part" && mv "$0.part" "$0" && exec sleep 600`, file})
		done <- result{code, err}
	}()
	url := ""
	late := time.After(5 * time.Minute)
	for tick := time.Tick(10 * time.Millisecond); url == ""; {
		select {
		case <-late:
			t.Fatal("the command does not start")
		case r := <-done:
			t.Fatalf("ended early: %+v", r)
		case <-tick:
			text, err := os.ReadFile(file)
			if err != nil {
				continue // not yet there
			}
			url = strings.TrimSpace(string(text))
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if r := <-done; r.code != 128+15 || r.err != nil {
		t.Errorf("exit code %d, %v; want %d", r.code, r.err, 128+15)
	}
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		conn.Close(t.Context())
		t.Error("the server still answers")
	}
}
