package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/servertest"
)

// bounded serves handler with the product's bounds after change, and dials it.
func bounded(t *testing.T, handler http.HandlerFunc, change func(*http.Server)) net.Conn {
	t.Helper()
	srv := apiServer(handler, slog.New(slog.DiscardHandler))
	change(srv)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestProductHasBounds(t *testing.T) {
	t.Parallel()
	srv := apiServer(nil, slog.New(slog.DiscardHandler))
	for name, d := range map[string]time.Duration{"header": srv.ReadHeaderTimeout, "read": srv.ReadTimeout, "write": srv.WriteTimeout, "idle": srv.IdleTimeout} {
		if d <= 0 || d > 5*time.Minute {
			t.Errorf("the %s timeout is %v", name, d)
		}
	}
	if srv.MaxHeaderBytes <= 0 || srv.MaxHeaderBytes > 1<<20 {
		t.Errorf("headers may have %d bytes", srv.MaxHeaderBytes)
	}
}

func TestAnswersThatTakeTooLongEndBeforeTheyCannotBeSent(t *testing.T) {
	t.Parallel()
	if answerTimeout >= apiServer(nil, slog.New(slog.DiscardHandler)).WriteTimeout {
		t.Errorf("an answer may take %v", answerTimeout)
	}
	ended := make(chan error, 1)
	srv := httptest.NewServer(within(time.Millisecond, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		ended <- r.Context().Err()
	})))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
}

// TestDrippingCallersAreCut sends byte after byte, each well within the bound,
// and fails if the connection outlives the bound.
func TestDrippingCallersAreCut(t *testing.T) {
	t.Parallel()
	const within = 300 * time.Millisecond
	for name, c := range map[string]struct {
		first string
		bound func(*http.Server)
	}{
		"headers": {"GET / HTTP/1.1\r\nHost: a\r\nX: ", func(s *http.Server) { s.ReadHeaderTimeout = within }},
		"body":    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", func(s *http.Server) { s.ReadTimeout = within }},
		"idle":    {"", func(s *http.Server) { s.ReadHeaderTimeout, s.IdleTimeout = within, within }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := make(chan error, 1)
			conn := bounded(t, func(_ http.ResponseWriter, r *http.Request) {
				_, err := io.Copy(io.Discard, r.Body)
				failed <- err
			}, c.bound)
			began := time.Now()
			fmt.Fprint(conn, c.first)
			closed := make(chan struct{})
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				close(closed)
			}()
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-closed:
					if d := time.Since(began); d < within/2 {
						t.Errorf("cut after %v already", d)
					}
					if name == "body" {
						if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
							t.Errorf("the handler's read ended with %v", err)
						}
					}
					return
				case <-tick.C:
					if time.Since(began) > servertest.Patience {
						t.Fatal("the connection is still open")
					}
					if name != "idle" {
						fmt.Fprint(conn, "a")
					}
				}
			}
		})
	}
}

func TestLargeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size, want int
	}{
		"within":       {maxHeader - 1000, http.StatusNoContent},
		"over":         {maxHeader + 8000, http.StatusRequestHeaderFieldsTooLarge},
		"far too many": {1 << 20, http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := bounded(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, func(*http.Server) {})
			go fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", strings.Repeat("a", c.size))
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.want {
				t.Errorf("status %d, want %d", resp.StatusCode, c.want)
			}
		})
	}
}
