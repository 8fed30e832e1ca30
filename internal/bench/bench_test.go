// Package bench measures Roster's requests against limits: the least that any
// Go service must do for the same answer over the same rows, which is gin, pgx
// and one statement (and, for a token, one RSA signature), without
// authentication, checks, sealing or an audit trail.
//
// Limit and Roster take turns within a run, so that what else the machine does
// falls on both alike. of-limit is the figure to read: 1 is as fast as the
// limit, 0.5 takes twice as long. The times next to it are the medians of one
// request after the other, the caller's own work included.
package bench

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/admission"
)

// clients is how many there are to read.
const clients = 1000

// example is a client of some two kilobytes.
func example(n int) map[string]any {
	var urls []string
	for i := range 12 {
		urls = append(urls, fmt.Sprintf("https://app-%d.example.com/callbacks/region-%d/oauth", n, i))
	}
	return map[string]any{
		"name": fmt.Sprintf("Application %d", n), "app_type": "regular_web", "callbacks": urls, "allowed_logout_urls": urls[:6],
		"grant_types":     []string{"authorization_code", "refresh_token", "client_credentials"},
		"client_metadata": map[string]string{"team": "payments", "cost_centre": "4711", "contact": "payments@example.com"},
	}
}

type fixture struct {
	*servertest.Server
	limit  string // base URL of the limits
	ids    []string
	secret string // of the first
	reader string // a token that sees no secrets, whose showing is noted in the audit trail
	turn   int
}

func start(b *testing.B) *fixture {
	b.Helper()
	s := servertest.NewWith(b, servertest.Options{Registry: servertest.RealTime, Unchecked: true, Limits: &admission.Limits{}, Server: func(c *server.Config) { c.Log = slog.New(slog.DiscardHandler) }})
	f := &fixture{Server: s}
	for n := range clients {
		c := s.Do(s.Admin, "POST", "/api/v2/clients", example(n)).Want(201).Object()
		f.ids = append(f.ids, c["client_id"].(string))
		if n == 0 {
			f.secret = c["client_secret"].(string)
		}
	}
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://api.example"}).Want(201)
	s.Do(s.Admin, "POST", "/api/v2/client-grants", map[string]any{"client_id": f.ids[0], "audience": "https://api.example", "scope": []string{}}).Want(201)
	if _, err := s.Pool.Exec(b.Context(), "CREATE TABLE plain (id uuid PRIMARY KEY, document json NOT NULL); ANALYZE"); err != nil {
		b.Fatal(err)
	}
	f.reader = s.Token("read:clients", "create:clients", "clients:manage:all")
	limit := httptest.NewServer(f.limits(b))
	b.Cleanup(limit.Close)
	f.limit = limit.URL
	return f
}

// next is another client every time.
func (f *fixture) next() string {
	f.turn++
	return f.ids[f.turn%len(f.ids)]
}

// limits is a service that does the least.
func (f *fixture) limits(b *testing.B) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	engine := gin.New()
	engine.GET("/clients/:id", func(c *gin.Context) {
		var document []byte
		err := f.Pool.QueryRow(c, "SELECT document FROM clients WHERE client_id = $1", c.Param("id")).Scan(&document)
		answer(c, http.StatusOK, document, err)
	})
	engine.GET("/clients", func(c *gin.Context) {
		rows, err := f.Pool.Query(c, "SELECT document FROM clients ORDER BY is_global, serial LIMIT 50")
		if err != nil {
			answer(c, 0, nil, err)
			return
		}
		documents, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		answer(c, http.StatusOK, slices.Concat([]byte("["), bytes.Join(documents, []byte(",")), []byte("]")), err)
	})
	engine.POST("/clients", func(c *gin.Context) {
		document, err := c.GetRawData()
		if err == nil && json.Valid(document) {
			_, err = f.Pool.Exec(c, "INSERT INTO plain (id, document) VALUES ($1, $2)", uuid.NewString(), document)
		}
		answer(c, http.StatusCreated, document, err)
	})
	engine.POST("/token", func(c *gin.Context) {
		var mac []byte
		err := f.Pool.QueryRow(c, "SELECT s.mac FROM clients c JOIN client_secrets s ON s.client = c.id WHERE c.client_id = $1", c.PostForm("client_id")).Scan(&mac)
		if err != nil {
			answer(c, 0, nil, err)
			return
		}
		digest := sha256.Sum256(mac)
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
		answer(c, http.StatusOK, fmt.Appendf(nil, `{"access_token":%q}`, base64.RawURLEncoding.EncodeToString(signature)), err)
	})
	return engine
}

func answer(c *gin.Context, status int, body []byte, err error) {
	if err != nil {
		c.String(http.StatusInternalServerError, err.Error())
		return
	}
	c.Data(status, "application/json", body)
}

// request is what to send, made again for every turn.
type request func() (method, url, contentType, body string)

// compare sends both in turns and reports the medians and their ratio.
func (f *fixture) compare(b *testing.B, status int, limit, roster request) {
	b.Helper()
	var took [2][]time.Duration
	for i := 0; b.Loop(); i++ {
		for n := range took {
			n = (n + i) % len(took) // neither is always the first
			method, url, contentType, body := [2]request{limit, roster}[n]()
			began := time.Now()
			if got := f.send(b, method, url, contentType, body); got != status {
				b.Fatalf("%s %s: status %d, want %d", method, url, got, status)
			}
			took[n] = append(took[n], time.Since(began))
		}
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2].Nanoseconds()) / 1e3
	}
	l, r := median(took[0]), median(took[1])
	b.ReportMetric(0, "ns/op") // of no meaning here
	b.ReportMetric(l, "limit-µs")
	b.ReportMetric(r, "roster-µs")
	b.ReportMetric(l/r, "of-limit")
}

func (f *fixture) send(b *testing.B, method, url, contentType, body string) int {
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if !strings.HasSuffix(url, "/oauth/token") {
		req.Header.Set("Authorization", "Bearer "+f.reader)
	}
	req.Header.Set("Accept-Encoding", "identity") // the limits do not compress
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode
}

func BenchmarkOfLimit(b *testing.B) {
	f := start(b)
	get := func(path func() string) request {
		return func() (string, string, string, string) { return "GET", path(), "", "" }
	}
	post := func(url, contentType string, body func() string) request {
		return func() (string, string, string, string) { return "POST", url, contentType, body() }
	}
	b.Run("get a client", func(b *testing.B) {
		f.compare(b, http.StatusOK, get(func() string { return f.limit + "/clients/" + f.next() }), get(func() string { return f.URL + "/api/v2/clients/" + f.next() }))
	})
	b.Run("get a client of Boruta", func(b *testing.B) {
		var ids []string
		rows, err := f.Pool.Query(b.Context(), "SELECT id::text FROM clients WHERE NOT is_global")
		if err == nil {
			ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			b.Fatal(err)
		}
		f.compare(b, http.StatusOK, get(func() string { return f.limit + "/clients/" + f.next() }), get(func() string {
			f.turn++
			return f.URL + "/api/clients/" + ids[f.turn%len(ids)]
		}))
	})
	b.Run("list 50 clients", func(b *testing.B) {
		f.compare(b, http.StatusOK, get(func() string { return f.limit + "/clients" }), get(func() string { return f.URL + "/api/v2/clients?take=50" }))
	})
	b.Run("create a client", func(b *testing.B) {
		body := func() string { f.turn++; return string(encode(b, example(f.turn))) }
		f.compare(b, http.StatusCreated, post(f.limit+"/clients", "application/json", body), post(f.URL+"/api/v2/clients", "application/json", body))
	})
	b.Run("get a token", func(b *testing.B) {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {f.ids[0]}, "client_secret": {f.secret}, "audience": {"https://api.example"}}.Encode()
		body := func() string { return form }
		f.compare(b, http.StatusOK, post(f.limit+"/token", "application/x-www-form-urlencoded", body), post(f.URL+"/oauth/token", "application/x-www-form-urlencoded", body))
	})
}

func encode(b *testing.B, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	return text
}
