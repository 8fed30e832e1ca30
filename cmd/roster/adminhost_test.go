package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTheAdminListenerAnswersForItsOwnHostAlone(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(ownHosts("admin.example:9090", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	t.Cleanup(srv.Close)
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:9090": 200, "127.0.0.1:9090": 200, "[::1]:9090": 200, "[::1]": 200, "127.0.0.2": 200,
		"admin.example": 200, "Admin.Example:1": 200,
		"evil.example": 421, "evil.example:9090": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "192.0.2.1": 421,
		"2130706433": 421, "localhost:9090:1": 421,
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/debug/pprof/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, resp.StatusCode, want)
		}
	}
	if local := (&net.TCPAddr{IP: net.ParseIP("192.0.2.1")}); !isOwnHost("192.0.2.1:9090", "", local) || isOwnHost("", "", local) {
		t.Error("the address that a request comes in at is not its own host")
	}
}
