package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/ops"
)

func TestEveryAnswerTellsBrowsersToDoNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for name, path := range map[string]string{"health": "/healthz", "a dialect": "/api/v2/clients", "nothing": "/nowhere"} {
		h := s.Do("", "GET", path, nil, "Origin", "https://elsewhere.example").Header
		for header, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer",
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
			"Strict-Transport-Security": "", "Access-Control-Allow-Origin": "",
		} {
			if got := h.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
}

func TestPagesOfOtherOriginsGetNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Do("", "OPTIONS", "/api/v2/clients", nil, "Origin", "https://elsewhere.example", "Access-Control-Request-Method", "POST")
	if r.Status < 400 {
		t.Errorf("a preflight is answered %d", r.Status)
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: %s", name, r.Header.Get(name))
		}
	}
}

func TestBrowsersAreKeptToTLSWhereThereIsOne(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{TLS: true})
	handler, err := server.New(s.Registry, server.Config{Log: slog.New(slog.DiscardHandler), Ready: func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/healthz", nil))
	if got := w.Header().Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("Strict-Transport-Security is %q", got)
	}
}

func TestForwardedAddressesAreBelievedFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trusted []string
		header  [2]string
		want    string
	}{
		"no proxies":                     {nil, [2]string{"X-Forwarded-For", "203.0.113.7"}, "127.0.0.1"},
		"another proxy":                  {[]string{"10.0.0.0/8"}, [2]string{"X-Forwarded-For", "203.0.113.7"}, "127.0.0.1"},
		"the proxy":                      {[]string{"127.0.0.0/8"}, [2]string{"X-Forwarded-For", "203.0.113.7"}, "203.0.113.7"},
		"what the caller wrote before":   {[]string{"127.0.0.0/8"}, [2]string{"X-Forwarded-For", "198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"a chain of proxies":             {[]string{"127.0.0.0/8", "10.0.0.0/8"}, [2]string{"X-Forwarded-For", "203.0.113.7, 10.1.2.3"}, "203.0.113.7"},
		"nonsense":                       {[]string{"127.0.0.0/8"}, [2]string{"X-Forwarded-For", "localhost"}, "127.0.0.1"},
		"a header that proxies pass on":  {[]string{"127.0.0.0/8"}, [2]string{"X-Real-IP", "203.0.113.7"}, "127.0.0.1"},
		"a standard one that is unknown": {[]string{"127.0.0.0/8"}, [2]string{"Forwarded", "for=203.0.113.7"}, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.NewWith(t, servertest.Options{Server: func(sc *server.Config) { sc.TrustedProxies = c.trusted }})
			s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "a"}, c.header[0], c.header[1]).Want(http.StatusCreated)
			var got string
			if err := s.Pool.QueryRow(t.Context(), `SELECT address FROM events WHERE action = 'client.created' ORDER BY id DESC LIMIT 1`).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("the trail says %q, want %q", got, c.want)
			}
		})
	}
}

func TestRequestsOverTheBoundAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Server: func(c *server.Config) { c.MaxInFlight = 1 }})
	leave := occupy(t, s)
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusServiceUnavailable)
	s.Do("", "GET", "/healthz", nil).Want(http.StatusOK)
	leave()
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
}

func TestOperatorsPagesAreNotOnTheAPI(t *testing.T) {
	t.Parallel()
	metrics := ops.NewMetrics("test")
	s := servertest.NewWith(t, servertest.Options{Server: func(c *server.Config) { c.Metrics = metrics }})
	admin := metrics.Handler(func(context.Context) error { return nil })
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		s.Do(s.Admin, "GET", path, nil).Want(http.StatusNotFound)
		if w := ask(t, admin, path); w.Code != http.StatusOK {
			t.Errorf("the admin handler answers %d at %s", w.Code, path)
		}
	}
}

func ask(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
	return w
}

func TestMetricsCountByRouteAndHoldNothingOfRequests(t *testing.T) {
	t.Parallel()
	metrics := ops.NewMetrics("1.2.3")
	s := servertest.NewWith(t, servertest.Options{Server: func(c *server.Config) { c.Metrics = metrics }})
	s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "a"}).Want(http.StatusCreated)
	for i := range 5 {
		s.Do("", "GET", fmt.Sprintf("/canary-%d", i), nil).Want(http.StatusNotFound)
		s.Do(s.Admin, "GET", fmt.Sprintf("/api/v2/clients/canary-%d", i), nil).Want(http.StatusNotFound)
		s.Do("", fmt.Sprintf("CANARY%d", i), "/api/v2/clients", nil).Want(http.StatusMethodNotAllowed)
	}
	s.Do("", "POST", "/oauth/token", `grant_type=client_credentials&client_id=canary&client_secret=canary`, "Content-Type", "application/x-www-form-urlencoded").Want(http.StatusUnauthorized)
	text := ask(t, metrics.Handler(nil), "/metrics").Body.String()
	for _, want := range []string{
		`roster_http_request_duration_seconds_count{method="POST",route="/api/v2/clients",status="2xx"} 1`,
		`roster_http_request_duration_seconds_count{method="GET",route="/api/v2/clients/:client_id",status="4xx"} 5`,
		`roster_http_request_duration_seconds_count{method="any",route="none",status="4xx"} 10`,
		`roster_token_requests_total{outcome="refused"} 1`, `roster_token_requests_total{outcome="issued"} 0`,
		`roster_http_requests_in_flight 0`, `version="1.2.3"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(strings.ToLower(text), "canary") || strings.Contains(text, s.Admin) {
		t.Errorf("the metrics hold what callers sent:\n%s", text)
	}
}

func TestAdminReadinessTellsWhy(t *testing.T) {
	t.Parallel()
	m := ops.NewMetrics("test")
	if w := ask(t, m.Handler(func(context.Context) error { return errors.New("no database") }), "/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "no database") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(t, m.Handler(nil), "/healthz"); w.Code != http.StatusOK {
		t.Errorf("healthz answers %d", w.Code)
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, errors.New("the body is read")
}

func TestBodiesInACodingAreRefusedByNameAndNotRead(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	handler, err := server.New(s.Registry, server.Config{Log: slog.New(slog.DiscardHandler), Ready: func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for path, member := range map[string]string{
		"/api/v2/clients": "message", "/api/clients": "message", "/api/roster/v1/import": "detail", "/oauth/token": "error_description", "/nowhere": "detail",
	} {
		for header, want := range map[string]string{
			"gzip": " gzip ", "GZIP": " gzip ", "identity, br": " br ", "x-gzip": " x-gzip ", "zstd": " zstd ", "<script>": " that it has ",
		} {
			for _, key := range []string{"", "a-key"} {
				req := httptest.NewRequestWithContext(t.Context(), "POST", path, unread{t})
				req.ContentLength = -1
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Content-Encoding", header)
				req.Header.Set("Authorization", "Bearer "+s.Admin)
				req.Header.Set("Idempotency-Key", key)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, req)
				var body map[string]any
				if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusUnsupportedMediaType || w.Header().Get("Accept-Encoding") != "identity" {
					t.Fatalf("%s, %s: %d %s, %v", path, header, w.Code, w.Body, err)
				}
				if text, _ := body[member].(string); !strings.Contains(text, "Content-Encoding"+want) {
					t.Errorf("%s, %s: %s", path, header, w.Body)
				}
			}
		}
	}
	for _, header := range []string{"identity", "Identity", "", " identity , identity"} {
		if r := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "plain"}, "Content-Encoding", header); r.Status != http.StatusCreated {
			t.Errorf("%q: %d %s", header, r.Status, r.Body)
		}
	}
	if r := s.Do(s.Admin, "GET", "/api/v2/clients", nil, "Content-Encoding", "gzip"); r.Status != http.StatusOK {
		t.Errorf("without a body: %d %s", r.Status, r.Body)
	}
}
