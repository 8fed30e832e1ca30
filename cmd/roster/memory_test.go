package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/internal/servertest"
)

// noise is n characters that do not compress.
func noise(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[rand.IntN(64)] //nolint:gosec // no secret
	}
	return string(text)
}

// TestOneTokenTakesNoMoreMemoryThanThereIs fills the cache and has one client ask
// for the largest records in every way at once, and not read some of the answers.
func TestOneTokenTakesNoMoreMemoryThanThereIs(t *testing.T) {
	t.Parallel()
	const limit = 256 << 20
	own := postgrestest.NewURL(t)
	env, _ := on(t, postgrestest.Runtime(t, own))
	m := regexp.MustCompile(`client_id +(\S+)\nclient_secret +(\S+)\n`).FindStringSubmatch(succeed(t, env, "bootstrap", "--create-keyset"))
	s := serve(t, append(env, "ROSTER_ADMIN_ADDR=127.0.0.1:0", "ROSTER_RATE_LIMIT=off"))
	metrics := "http://" + regexp.MustCompile(`"admin listening","addr":"([^"]+)"`).FindStringSubmatch(s.stderr.String())[1] + "/metrics"
	_, body := s.call("", "POST", "/oauth/token", tokenRequest(s, m[1], m[2]))
	var got struct {
		Token string `json:"access_token"`
		ID    string `json:"client_id"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	token := got.Token

	callbacks := make([]string, 600)
	for i := range callbacks {
		callbacks[i] = fmt.Sprintf("https://app.example/%d/%s", i, noise(70))
	}
	page := noise(255 << 10)
	largest, err := json.Marshal(map[string]any{"name": "largest", "callbacks": callbacks, "custom_login_page": page, "form_template": page})
	if err != nil {
		t.Fatal(err)
	}
	status, body := s.call(token, "POST", "/api/v2/clients", string(largest))
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %.300s", status, body)
	}
	const clients = 40 // 23 MB
	db, err := pgx.Connect(t.Context(), own)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `INSERT INTO clients (id, client_id, document, version, created_at, updated_at)
		SELECT gen_random_uuid(), 'largest-' || i, document, 1, now(), now() FROM clients, generate_series(1, $2) i WHERE client_id = $1`, got.ID, clients); err != nil {
		t.Fatal(err)
	}
	_ = db.Close(t.Context())

	var peak float64
	figure := func(text, name string) float64 {
		n, err := strconv.ParseFloat(regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(text)[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	sample := func() {
		resp, err := http.Get(metrics)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		peak = max(peak, figure(string(text), "go_memstats_sys_bytes")-figure(string(text), "go_memstats_heap_released_bytes"))
	}
	for i := range clients { // three views of each fill the cache
		for _, fields := range []string{"", "?fields=name&include_fields=false", "?fields=description&include_fields=false"} {
			if status, body := s.call(token, "GET", fmt.Sprintf("/api/v2/clients/largest-%d%s", i+1, fields), ""); status != http.StatusOK {
				t.Fatalf("%d %.300s", status, body)
			}
		}
	}
	sample()
	full := peak

	for i := range 60 { // answers that nobody reads
		conn := dialTo(t, s.URL)
		fmt.Fprintf(conn, "GET /api/v2/clients/largest-%d?fields=name&include_fields=false&x=%d HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", i%clients+1, i, token)
	}
	requests := []struct{ method, path, body string }{
		{"GET", "/api/v2/clients?per_page=100", ""}, {"GET", "/api/clients", ""}, {"GET", "/api/roster/v1/export?include_secrets=true", ""},
		{"GET", "/api/v2/clients?take=100", ""}, {"POST", "/api/v2/clients", string(largest)},
		{"PATCH", "/api/v2/clients/largest-%d", `{"description":"%d"}`}, {"PATCH", "/api/v2/clients/largest-%d", `{"description":"other %d"}`},
		{"GET", "/api/v2/clients/largest-%d?fields=client_id&include_fields=false", ""},
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	for i := range 100 {
		r := requests[i%len(requests)]
		path, sent := r.path, r.body
		if strings.Contains(path, "%d") {
			path = fmt.Sprintf(path, i%clients+1)
		}
		if r.method == "PATCH" {
			sent = fmt.Sprintf(sent, i)
		}
		all.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), r.method, s.URL+path, strings.NewReader(sent))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+token)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept-Encoding", "identity")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode >= 400 && resp.StatusCode != 503 {
				t.Errorf("%s %s: %s, %d bytes, %v", r.method, path, resp.Status, n, err)
			}
		})
	}
	go func() { all.Wait(); close(done) }()
	servertest.Eventually(t, "all is answered", func() bool {
		sample()
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	t.Logf("at most %.0f MB, %.0f with a full cache", peak/(1<<20), full/(1<<20))
	if peak > limit {
		t.Errorf("it takes %.0f MB", peak/(1<<20))
	}
}

// dialTo opens a connection to a URL's host that ends with the test.
func dialTo(t *testing.T, address string) net.Conn {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
