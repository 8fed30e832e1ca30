package abuse

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
)

// crawl visits every operation at that address as the reader.
func (c *cage) crawl(t *testing.T, url string) *crawler {
	t.Helper()
	crawler := &crawler{t: t, url: url, token: c.reader, ids: c.ids, seen: c.seen, good: map[string]bool{}}
	for _, o := range operations(t) {
		crawler.visit(o)
		if o.method != "GET" {
			c.restore(t)
		}
	}
	return crawler
}

// aside collects what is not an answer: logs, metrics, events.
func (c *cage) aside(t *testing.T) {
	t.Helper()
	c.seen.add("the log", []byte(c.Log.String()))
	c.seen.add("the other instance's log", []byte(c.front.Log.String()))
	c.seen.add("the default log", []byte(defaultLog.String()))
	c.seen.add("the database's statements", []byte(c.statements.String()))
	w := httptest.NewRecorder()
	c.metrics.Handler(c.Pool.Ping).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	c.seen.add("the metrics", w.Body.Bytes())
	for _, profile := range []string{"heap", "allocs", "goroutine", "block", "mutex", "threadcreate"} {
		for _, form := range []string{"debug=0", "debug=1", "debug=2"} {
			req := httptest.NewRequest("GET", "/debug/pprof/"+profile+"?"+form, nil)
			req.Host = "localhost"
			w := httptest.NewRecorder()
			c.metrics.Handler(c.Pool.Ping).ServeHTTP(w, req)
			text := w.Body.Bytes()
			if zipped, err := gzip.NewReader(w.Body); err == nil {
				if text, err = io.ReadAll(zipped); err != nil {
					t.Error(err)
				}
			}
			if w.Code != http.StatusOK || len(text) == 0 {
				t.Errorf("the profile %s?%s: %d", profile, form, w.Code)
			}
			c.seen.add("the profile "+profile+"?"+form, text)
		}
	}
	var events string
	if err := c.Pool.QueryRow(t.Context(), "SELECT coalesce(string_agg(e::text, E'\n'), '') FROM events e").Scan(&events); err != nil {
		t.Fatal(err)
	}
	c.seen.add("the events", []byte(events))
}

// activity keeps looking at what the database shows of running statements until
// the function that it returns is called.
func (c *cage) activity(t *testing.T) (stop func()) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), c.front.Serving.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	statements := map[string]bool{}
	done.Go(func() {
		defer conn.Close(context.Background())
		for ctx.Err() == nil {
			rows, _ := conn.Query(ctx, "SELECT DISTINCT query FROM pg_stat_activity WHERE datname = current_database()")
			texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return
			}
			for _, text := range texts {
				statements[text] = true
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
		if len(statements) < 3 {
			t.Errorf("only %d statements were seen", len(statements))
		}
		for text := range statements {
			c.seen.add("pg_stat_activity", []byte(text))
		}
	}
}

func (c *cage) wantSafe(t *testing.T) {
	t.Helper()
	c.aside(t)
	for i, found := range c.seen.holding(c.leaks) {
		if i == 20 {
			t.Fatal("and more")
		}
		t.Error(found)
	}
}

// A token with every right but that of seeing secrets sees none, wherever it
// looks, and neither do logs, metrics, events and the database's own windows.
func TestNoSecretIsShownToWhoeverMayNotSeeIt(t *testing.T) {
	t.Parallel()
	c := newCage(t)
	stop := c.activity(t)
	crawler := c.crawl(t, c.URL)
	stop()
	c.wantSafe(t)
	if !strings.Contains(c.statements.String(), "INSERT INTO client_secrets") {
		t.Error("the statements were not seen")
	}
	allowed, worked := 0, 0
	for _, o := range operations(t) {
		if strings.HasPrefix(o.path, "/api/clients") || strings.HasPrefix(o.path, "/api/key-pairs") || strings.HasSuffix(o.path, "/secrets") && o.method == "GET" {
			if crawler.good[o.String()] {
				t.Errorf("%s needs a scope that the token does not have", o)
			}
			continue
		}
		allowed++
		if crawler.good[o.String()] {
			worked++
		} else {
			t.Logf("%s never succeeded", o)
		}
	}
	if worked < allowed*2/3 {
		t.Errorf("%d of %d operations ever succeeded: the crawl shows little", worked, allowed)
	}
}

// The same where everything fails: handlers panic with the secret in hand, the
// database refuses rows and says which, tables are gone.
func TestNoSecretIsShownWhenEverythingFails(t *testing.T) {
	t.Parallel()
	c := newCage(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := c.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	stop := c.activity(t)

	c.panicking.Store(true)
	failing := &crawler{t: t, url: c.URL, token: c.reader, ids: c.ids, seen: c.seen, good: map[string]bool{}}
	everywhere := func(fault string) {
		t.Helper()
		failed := 0
		for _, o := range operations(t) {
			if failing.call(o, c.reader, failing.path(o), "", "application/json", o.body(t)) >= 500 {
				failed++
			}
		}
		if failed < 5 {
			t.Errorf("%s made %d operations fail: that shows little", fault, failed)
		}
	}
	everywhere("the panic")
	c.sendCanary(t) // its requests panic too
	c.panicking.Store(false)
	if !strings.Contains(c.Log.String(), `"msg":"panic"`) {
		t.Error("nothing panicked")
	}

	for _, table := range []string{"clients", "client_secrets", "credentials", "client_grants", "resource_servers", "events", "identity_providers", "scopes"} {
		exec("ALTER TABLE " + table + " ADD CONSTRAINT refuse_all CHECK (false) NOT VALID") // its error names the failing row
	}
	everywhere("the constraint")
	c.sendCanary(t)
	for _, table := range []string{"clients", "client_secrets", "credentials", "client_grants", "resource_servers", "events", "identity_providers", "scopes"} {
		exec("ALTER TABLE " + table + " DROP CONSTRAINT refuse_all")
	}
	for _, table := range []string{"client_secrets", "clients"} {
		exec("ALTER TABLE " + table + " RENAME TO elsewhere")
		everywhere("the lack of " + table)
		c.sendCanary(t)
		exec("ALTER TABLE elsewhere RENAME TO " + table)
	}
	c.sendCanary(t)
	stop()
	c.wantSafe(t)
	if !strings.Contains(defaultLog.String(), `"msg":"request failed"`) {
		t.Error("no failure was logged")
	}
}

// sendCanary sends the secret where secrets are sent, in requests that fail.
func (c *cage) sendCanary(t *testing.T) {
	t.Helper()
	send := func(where, token, method, path, mediaType, body string, header ...string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, c.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", mediaType)
		if token != "" {
			req.Header.Set("Authorization", token)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode < 400 && path != "/api/roster/v1/import" { // which shows none
			return // it is his own secret that he is shown
		}
		c.seen.add(where+" "+resp.Status, append(fmt.Append(nil, resp.Header), text...))
	}
	canary, admin := c.canary, "Bearer "+c.reader
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(c.client+":"+canary))
	grant := "grant_type=client_credentials&client_id=" + c.client
	const json = "application/json"
	send("as bearer", "Bearer "+canary, "GET", "/api/v2/clients", "", "")
	send("as bearer of Boruta", "Bearer "+canary, "GET", "/api/clients", "", "")
	send("as a scheme", canary, "GET", "/api/v2/clients", "", "")
	send("basic", basic, "POST", "/oauth/token", form, grant+"&audience=https://nowhere.example")
	send("basic twice", basic, "POST", "/oauth/token", form, grant+"&client_secret="+canary)
	send("basic to the API", basic, "GET", "/api/v2/clients", "", "")
	send("post", "", "POST", "/oauth/token", form, grant+"&client_secret="+canary+"&audience=https://nowhere.example")
	send("repeated", "", "POST", "/oauth/token", form, grant+"&client_secret="+canary+"&client_secret="+canary)
	send("malformed form", "", "POST", "/oauth/token", form, grant+"&client_secret="+canary+"&%zz")
	send("wrong media type", "", "POST", "/oauth/token", "text/plain", grant+"&client_secret="+canary)
	send("NUL", "", "POST", "/oauth/token", form, grant+"&client_secret="+canary+"%00")
	send("malformed JSON", "", "POST", "/oauth/token", json, `{"client_secret":"`+canary+`"`)
	send("duplicate", "", "POST", "/oauth/token", json, `{"client_secret":"`+canary+`","client_secret":"`+canary+`"}`)
	send("query", "", "POST", "/oauth/token?client_secret="+canary, form, "grant_type=client_credentials")
	send("assertion", "", "POST", "/oauth/token", form, "grant_type=client_credentials&client_assertion="+canary+"&client_assertion_type="+url.QueryEscape(jwtBearer))
	for method, path := range map[string]string{"POST": "/api/v2/clients", "PATCH": clientPath(c.client)} {
		send("member", admin, method, path, json, `{"name":"<","client_secret":"`+canary+`"}`)
		send("cut", admin, method, path, json, `{"name":"a","client_secret":"`+canary)
		send("wrong type", admin, method, path, json, `{"name":"a","client_secret":["`+canary+`"]}`)
		send("a member twice", admin, method, path, json, `{"client_secret":"`+canary+`","client_secret":"`+canary+`"}`)
		send("too large", admin, method, path, json, `{"client_secret":"`+canary+`","name":"`+strings.Repeat("x", 1<<20)+`"}`)
		send("too deep", admin, method, path, json, `{"client_secret":"`+canary+`","name":`+strings.Repeat("[", 9000))
		send("wrong media type", admin, method, path, "text/plain", `{"client_secret":"`+canary+`"}`)
		send("as a form", admin, method, path, form, "name=%3C&client_secret="+canary)
		send("stale", admin, method, path, json, `{"name":"a","token_endpoint_auth_method":"none","grant_types":["client_credentials"],"client_secret":"`+canary+`"}`, "If-Match", `"v0"`)
		send("valid", admin, method, path, json, `{"name":"a","client_secret":"`+canary+`"}`, "Idempotency-Key", oauth.RandomText(oauth.Alphanumeric, 12))
	}
	manager := "Bearer " + c.front.Admin
	for format, member := range map[string]string{"auth0": "client_secret", "hydra": "client_secret", "boruta": "secret"} {
		record := `{"client_id":"a","id":"b","name":"<","redirect_uris":["x"],"` + member + `":"` + canary + `"}`
		for _, token := range []string{admin, manager} {
			send("import "+format, token, "POST", "/api/roster/v1/import", json, `{"format":"`+format+`","records":[`+record+`]}`)
			send("import, wrong type", token, "POST", "/api/roster/v1/import", json, `{"format":"`+format+`","records":["`+canary+`"],"dry_run":1}`)
			send("import, cut", token, "POST", "/api/roster/v1/import", json, `{"format":"`+format+`","records":[`+record)
		}
	}
	for method, path := range map[string]string{"POST": "/api/clients", "PUT": "/api/clients/" + c.ids["/api/clients/{id}"]} {
		send("Boruta", manager, method, path, json, `{"client":{"secret":"`+canary+`","redirect_uris":["x"]}}`)
		send("Boruta, cut", manager, method, path, json, `{"client":{"secret":"`+canary)
		send("Boruta, wrong type", manager, method, path, json, `{"client":{"secret":["`+canary+`"]}}`)
		send("Boruta, long", manager, method, path, json, `{"client":{"secret":"`+strings.Repeat(canary, 10)+`"}}`)
		send("Boruta, no envelope", manager, method, path, json, `{"secret":"`+canary+`"}`)
	}
}

// The checks above must be able to fail: a service that leaks in any of these
// ways is caught.
func TestPlantedLeaksAreFound(t *testing.T) {
	t.Parallel()
	c := newCage(t)
	var mac, sealed []byte
	err := c.Pool.QueryRow(t.Context(), `SELECT s.mac, s.sealed FROM client_secrets s JOIN clients c ON c.id = s.client
		WHERE c.client_id = $1 AND s.expires_at IS NULL`, c.client).Scan(&mac, &sealed)
	if err != nil {
		t.Fatal(err)
	}
	var labelled sync.WaitGroup
	looked := make(chan struct{})
	for name, plant := range map[string]struct {
		leak  func(http.ResponseWriter)
		where string
	}{
		"nothing":            {func(http.ResponseWriter) {}, ""},
		"in a body":          {func(w http.ResponseWriter) { _, _ = io.WriteString(w, c.canary) }, "GET "},
		"in a body, escaped": {func(w http.ResponseWriter) { _, _ = fmt.Fprintf(w, `{"x":"\u0063%s"}`, c.canary[1:]) }, "GET "},
		"in a header":        {func(w http.ResponseWriter) { w.Header().Set("X-Debug", c.canary) }, "GET "},
		"in base64": {func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, base64.StdEncoding.EncodeToString([]byte("x:"+c.canary)))
		}, "GET "},
		"its MAC in hex":       {func(w http.ResponseWriter) { _, _ = fmt.Fprintf(w, "%x", mac) }, "GET "},
		"its MAC in base64url": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, base64.RawURLEncoding.EncodeToString(mac)) }, "GET "},
		"sealed":               {func(w http.ResponseWriter) { _, _ = w.Write(sealed) }, "GET "},
		"sealed, in hex":       {func(w http.ResponseWriter) { _, _ = fmt.Fprintf(w, "%X", sealed) }, "GET "},
		"in the log": {func(http.ResponseWriter) {
			slog.New(slog.NewJSONHandler(c.Log, nil)).Info("x", "secret", c.canary)
		}, "the log"},
		"in a statement": {func(http.ResponseWriter) {
			_, _ = c.Registry.Client(context.Background(), oauth.ClientRef{ClientID: "x"})
			_, _ = fmt.Fprintln(&c.statements, "SELECT '"+c.canary+"'")
		}, "the database's statements"},
		"in a profile": {func(http.ResponseWriter) {
			begun := make(chan struct{})
			labelled.Go(func() {
				pprof.Do(context.Background(), pprof.Labels("secret", c.canary), func(context.Context) { close(begun); <-looked })
			})
			<-begun
		}, "the profile goroutine"},
	} {
		t.Run(name, func(t *testing.T) {
			looked = make(chan struct{})
			defer func() { close(looked); labelled.Wait() }()
			c.seen, c.Log, c.statements = &sightings{}, &servertest.LogBuffer{}, servertest.LogBuffer{}
			leaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { plant.leak(w) }))
			defer leaky.Close()
			crawler := &crawler{t: t, url: leaky.URL, token: c.reader, ids: c.ids, seen: c.seen, good: map[string]bool{}}
			o := operations(t)[0]
			crawler.call(o, c.reader, crawler.path(o), "", "", "")
			c.aside(t)
			found := c.seen.holding(c.leaks)
			if plant.where == "" && len(found) > 0 {
				t.Errorf("without a leak there is %q", found)
			}
			if plant.where != "" && !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, plant.where) }) {
				t.Errorf("found %q, want something in %q", found, plant.where)
			}
		})
	}
}
