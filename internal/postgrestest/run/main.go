// Command run starts a PostgreSQL for tests, runs the command given as
// arguments with TEST_DATABASE_URL set to it, stops the server and exits with
// the command's exit code.
//
//	go run ./internal/postgrestest/run go test ./...
//
// If TEST_DATABASE_URL is set already, that server is used.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/rosterhq/roster/internal/postgrestest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: run command [argument…]")
		os.Exit(2)
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run gives the command's exit code, as a shell does: 128 + n after signal n.
func run(command []string) (code int, err error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	env := os.Environ()
	if os.Getenv(postgrestest.Env) == "" {
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
		server, err := postgrestest.Start(ctx)
		close(ready)
		if err != nil {
			return 1, err
		}
		defer func() {
			// An end of its own explains what the command has failed with.
			err = errors.Join(err, server.Err(), server.Stop())
		}()
		env = append(env, postgrestest.Env+"="+server.URL)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
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
