package admission

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// bounded starts a server with few connections, at most each of one source.
func bounded(t *testing.T, most, each int, trusted ...string) *httptest.Server {
	t.Helper()
	k := NewConnections(trusted)
	k.most, k.each = most, each
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "yes") }))
	s.Config.ConnState = k.Changed
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func connect(t *testing.T, s *httptest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// answered reports whether a connection still gets an answer.
func answered(t *testing.T, conn net.Conn) bool {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return false
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil
}

func TestQuietConnectionsGiveWayToNewOnes(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*httptest.Server{"of one source": bounded(t, 100, 10), "of all": bounded(t, 10, 100, "127.0.0.0/8")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var list []net.Conn
			for range 50 {
				list = append(list, connect(t, s))
			}
			if !answered(t, list[49]) {
				t.Error("the newest connection gets no answer")
			}
			open := 0
			for _, conn := range list[:49] {
				if answered(t, conn) {
					open++
				}
			}
			if open != 9 {
				t.Errorf("%d connections are open beside it, want 9", open)
			}
		})
	}
}

func TestTrustedProxiesHaveAsManyConnectionsAsThereAre(t *testing.T) {
	t.Parallel()
	s := bounded(t, 100, 10, "127.0.0.0/8")
	var list []net.Conn
	for range 50 {
		list = append(list, connect(t, s))
	}
	for i, conn := range list {
		if !answered(t, conn) {
			t.Errorf("connection %d is closed", i)
		}
	}
}
