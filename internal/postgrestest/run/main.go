// Command run starts a PostgreSQL for tests, tells its version, runs the command
// given as arguments with TEST_DATABASE_URL set to it, stops the server and exits
// with the command's exit code. What the server has logged is shown if the
// command fails.
//
//	go run ./internal/postgrestest/run go test ./...
//
// If TEST_DATABASE_URL is set already, that server is used.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/postgrestest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: run command [argument…]")
		os.Exit(2)
	}
	code, err := run(os.Args[1:], os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run gives the command's exit code, as a shell does: 128 + n after signal n.
func run(command []string, stderr io.Writer) (code int, err error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	env, url := os.Environ(), os.Getenv(postgrestest.Env)
	if url == "" {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ready := make(chan struct{})
		go func() {
			select {
			case s := <-signals:
				signals <- s // for the command's end
				cancel()
			case <-ready:
			}
		}()
		var log bytes.Buffer // the server writes it line by line, and nothing once it has stopped
		server, cause := postgrestest.Start(ctx, &log)
		close(ready)
		if cause != nil {
			return 1, cause
		}
		defer func() {
			// An end of its own explains what the command has failed with.
			err = errors.Join(err, server.Err(), server.Stop())
			if code != 0 && log.Len() > 0 {
				fmt.Fprintf(stderr, "PostgreSQL has logged:\n%s", &log)
			}
		}()
		url = server.URL
		env = append(env, postgrestest.Env+"="+url)
	}
	version, err := versionOf(url)
	if err != nil {
		return 1, fmt.Errorf("%s: %w", postgrestest.Env, err)
	}
	fmt.Fprintln(stderr, "PostgreSQL", version)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, stderr
	if err := cmd.Start(); err != nil {
		return 127, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s) // the command may be ending
		case err := <-done:
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				return 128 + int(status.Signal()), nil
			}
			if _, failed := errors.AsType[*exec.ExitError](err); failed {
				err = nil // its exit code says it
			}
			return cmd.ProcessState.ExitCode(), err
		}
	}
}

func versionOf(url string) (version string, err error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "SHOW server_version").Scan(&version)
	return version, err
}
