package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/boruta"
	"github.com/rosterhq/roster/server/dialect"
)

// trips counts what a pool sends: a statement or a batch of them is one round
// trip, once the connection knows the statements.
type trips struct {
	mu   sync.Mutex
	sent []string
}

func (t *trips) add(sql string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, strings.Join(strings.Fields(sql), " "))
}

func (t *trips) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.sent
	t.sent = nil
	return taken
}

func (t *trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	t.add(data.SQL)
	return ctx
}

func (t *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	var all []string
	for _, q := range data.Batch.QueuedQueries {
		all = append(all, q.SQL)
	}
	t.add(strings.Join(all, "; "))
	return ctx
}

func (*trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (*trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// traced serves s over a pool whose statements trips counts, with a memory of so
// many bytes for what it shows.
func traced(t *testing.T, s *servertest.Server, trips *trips, memory int) {
	t.Helper()
	config := s.Serving.Config()
	before := config.BeforeConnect
	config.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
		err := before(ctx, c)
		c.Tracer = trips
		return err
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s.Registry = registry.New(postgres.New(pool), s.Keys, s.Registry.Config)
	views := dialect.NewViews(s.Registry.Changes, s.Registry.Now, memory)
	handler, err := server.New(s.Registry, server.Config{Log: slog.New(slog.DiscardHandler), Ready: pool.Ping, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	s.URL = srv.URL
}

// A request takes as many round trips to the database as its steps depend on one
// another, and no more.
func TestRequestsTakeFewRoundTrips(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	s, trips := servertest.New(t), &trips{}
	traced(t, s, trips, 0)
	provider := s.Do(s.Admin, "POST", "/api/identity-providers", object{"identity_provider": object{"name": "staff", "backend_id": boruta.BackendID}}).Want(201).Object()["data"].(object)["id"].(string)
	scope := s.Do(s.Admin, "POST", "/api/scopes", object{"scope": object{"name": "a"}}).Want(201).Object()["data"].(object)["id"].(string)
	auth0 := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "a", "app_type": "non_interactive", "grant_types": []string{"client_credentials"}}).Want(201).Object()
	id, secret := auth0["client_id"].(string), auth0["client_secret"].(string)
	panel := object{"name": "b", "identity_provider": object{"id": provider}, "authorized_scopes": []object{{"id": scope}}, "key_pair_type": object{"type": "ec", "curve": "P-256"}}
	panelled := s.Do(s.Admin, "POST", "/api/clients", object{"client": panel}).Want(201).Object()["data"].(object)
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": "https://api.example"}).Want(201)
	s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": id, "audience": "https://api.example", "scope": []string{}}).Want(201)
	reader := s.Token("read:clients", "update:clients", "delete:clients")

	s.Follow() // so that what a token allows is remembered

	token := func(method, path string, body any, header ...string) func(n string) servertest.Response {
		return func(n string) servertest.Response { return s.Do(reader, method, path, body, header...) }
	}
	admin := func(method, path string, body func(n string) any, header ...string) func(n string) servertest.Response {
		return func(n string) servertest.Response {
			var sent any
			if body != nil {
				sent = body(n)
			}
			return s.Do(s.Admin, method, path, sent, header...)
		}
	}
	named := func(n string) any { return object{"name": n} }
	doomed := func(dialect string) func(n string) servertest.Response {
		return func(string) servertest.Response {
			path := "/api/v2/clients/"
			made := ""
			if dialect == "auth0" {
				made = path + s.Do(s.Admin, "POST", path[:len(path)-1], named("doomed")).Want(201).Object()["client_id"].(string)
			} else {
				made = "/api/clients/" + s.Do(s.Admin, "POST", "/api/clients", object{"client": panel}).Want(201).Object()["data"].(object)["id"].(string)
			}
			trips.take()
			return s.Do(s.Admin, "DELETE", made, nil)
		}
	}
	for _, c := range []struct {
		name  string
		trips int
		send  func(n string) servertest.Response
	}{
		{"GET", 1, token("GET", "/api/v2/clients/"+id, nil)},
		{"GET, the secret shown", 2, admin("GET", "/api/v2/clients/"+id, nil)},
		{"list", 1, token("GET", "/api/v2/clients?take=50", nil)},
		{"list with totals", 2, token("GET", "/api/v2/clients?include_totals=true", nil)},
		{"POST", 1, admin("POST", "/api/v2/clients", named)},
		{"POST under a key", 3, func(n string) servertest.Response {
			return s.Do(s.Admin, "POST", "/api/v2/clients", named(n), "Idempotency-Key", n)
		}},
		{"PATCH", 2, func(n string) servertest.Response { return s.Do(reader, "PATCH", "/api/v2/clients/"+id, named(n)) }},
		{"PATCH, the secret shown", 2, admin("PATCH", "/api/v2/clients/"+id, named)},
		{"DELETE", 2, doomed("auth0")},
		{"GET of Boruta's dialect", 2, admin("GET", "/api/clients/"+panelled["id"].(string), nil)},
		{"PUT of Boruta's dialect", 3, admin("PUT", "/api/clients/"+panelled["id"].(string), func(n string) any { panel["name"] = n; return object{"client": panel} })},
		{"PATCH of Boruta's dialect", 2, admin("PATCH", "/api/clients/"+panelled["id"].(string), func(n string) any { return object{"client": object{"name": n}} })},
		{"DELETE of Boruta's dialect", 2, doomed("boruta")},
		{"token by secret", 4, func(string) servertest.Response {
			return s.Do("", "POST", "/oauth/token", object{"grant_type": "client_credentials", "client_id": id, "client_secret": secret, "audience": "https://api.example"})
		}},
	} {
		for _, n := range []string{"first", "second"} {
			s.Do(reader, "GET", "/api/v2/clients/"+id, nil).Want(200) // what the token allows is known from now on
			trips.take()
			r := c.send(c.name + " " + n)
			sent := trips.take()
			if r.Status >= http.StatusBadRequest {
				t.Fatalf("%s: %d %s", c.name, r.Status, r.Body)
			}
			if len(sent) != c.trips {
				t.Errorf("%s takes %d round trips, want %d:\n  %s", c.name, len(sent), c.trips, strings.Join(sent, "\n  "))
			}
		}
	}
}
