package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/postgrestest"
)

// No test is parallel: they set the environment, and one signals this process.

func TestCommandGetsTheGivenServerAndItsExitCodeIsPassedOn(t *testing.T) {
	url := postgrestest.NewURL(t)
	t.Setenv(postgrestest.Env, url)
	for script, want := range map[string]int{
		"exit 0": 0,
		"exit 7": 7,
		`test "$TEST_DATABASE_URL" = '` + url + "'": 0,
		"kill -9 $$": 128 + 9,
	} {
		if code, err := run([]string{"sh", "-c", script}, io.Discard); code != want || err != nil {
			t.Errorf("%s: exit code %d, %v; want %d", script, code, err, want)
		}
	}
	if code, err := run([]string{"/does/not/exist"}, io.Discard); code != 127 || err == nil {
		t.Errorf("no such command: exit code %d, %v", code, err)
	}
	t.Setenv(postgrestest.Env, "postgres://127.0.0.1:1/nobody")
	code, err := run([]string{"true"}, io.Discard)
	if code != 1 || err == nil || !strings.Contains(err.Error(), postgrestest.Env) {
		t.Errorf("no server there: exit code %d, %v", code, err)
	}
}

// TestMain lets the test binary be a command that has the server log a warning.
func TestMain(m *testing.M) {
	code, err := strconv.Atoi(os.Getenv("RUN_TEST_WARN_AND_EXIT"))
	if err != nil {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv(postgrestest.Env))
	if err == nil {
		_, err = conn.Exec(ctx, "DO $$ BEGIN RAISE WARNING 'chatter'; END $$")
	}
	if err != nil {
		fmt.Println(err)
		code = 99
	}
	os.Exit(code)
}

func TestServerIsQuietUnlessTheCommandFails(t *testing.T) {
	t.Setenv(postgrestest.Env, "")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[int]*regexp.Regexp{
		0: regexp.MustCompile(`^PostgreSQL \d+.*\n$`), 3: regexp.MustCompile(`^PostgreSQL \d+.*\nPostgreSQL has logged:\n(?s:.*)chatter`),
	} {
		t.Setenv("RUN_TEST_WARN_AND_EXIT", strconv.Itoa(code))
		var stderr bytes.Buffer
		if got, err := run([]string{program}, &stderr); got != code || err != nil || !want.Match(stderr.Bytes()) {
			t.Errorf("exit code %d, %v, want %d; it prints %q", got, err, code, &stderr)
		}
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
		const script = `echo "$TEST_DATABASE_URL" >"$0.part" && mv "$0.part" "$0" && exec sleep 600`
		code, err := run([]string{"sh", "-c", script, file}, io.Discard)
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
