package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/boruta"
	"github.com/rosterhq/roster/server/dialect"
)

// beside serves the database of s once more, with views of that many bytes; 0
// for none.
func beside(t *testing.T, s *servertest.Server, bytes int) *servertest.Server {
	t.Helper()
	two := *s.In(t)
	two.Registry = registry.New(postgres.New(s.Serving), s.Keys, s.Registry.Config)
	config := server.Config{Log: slog.New(slog.DiscardHandler), Ready: func(context.Context) error { return nil }}
	if bytes > 0 {
		config.Views = dialect.NewViews(two.Registry.Changes, two.Registry.Now, bytes)
		two.Follow()
	}
	handler, err := server.New(two.Registry, config)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	two.URL = srv.URL
	return &two
}

// No answer from memory differs from what the database says, on the instance that
// changed something at once, and on another once that has read the changes.
func TestAnswersFromMemoryAreThoseOfTheDatabase(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	one := servertest.NewWith(t, servertest.Options{Follow: true})
	two, truth := beside(t, one, 1<<20), beside(t, one, 0)
	data := func(r servertest.Response) object { return r.Want(201).Object()["data"].(object) }
	provider := data(one.Do(one.Admin, "POST", "/api/identity-providers", object{"identity_provider": object{"name": "staff", "backend_id": boruta.BackendID}}))["id"].(string)
	scope := data(one.Do(one.Admin, "POST", "/api/scopes", object{"scope": object{"name": "a"}}))["id"].(string)
	pair := data(one.Do(one.Admin, "POST", "/api/key-pairs", object{"key_pair": object{"is_default": true}}))["id"].(string)
	panel := object{"name": "b", "identity_provider": object{"id": provider}, "authorized_scopes": []object{{"id": scope}}, "key_pair_id": pair}
	uuid := data(one.Do(one.Admin, "POST", "/api/clients", object{"client": panel}))["id"].(string)
	reader, keys := one.Token("read:clients"), one.Token("read:client_keys", "clients:manage:all")
	auth0, there := "/api/v2/clients/"+uuid, "/api/clients/"+uuid
	views := []struct{ token, path string }{
		{one.Admin, auth0}, {reader, auth0}, {one.Admin, auth0 + "?fields=name,client_secret"}, {reader, auth0 + "?fields=name&include_fields=false"},
		{one.Admin, there}, {keys, auth0}, {keys, there}, // which do not show the secret while the client is granted more
	}
	named := func(n int) object { return object{"name": fmt.Sprint("n", n)} }
	changes := []struct {
		name string
		send func(s *servertest.Server, n int) servertest.Response
	}{
		{"PATCH", func(s *servertest.Server, n int) servertest.Response { return s.Do(s.Admin, "PATCH", auth0, named(n)) }},
		{"rotation", func(s *servertest.Server, _ int) servertest.Response {
			return s.Do(s.Admin, "POST", auth0+"/rotate-secret", nil)
		}},
		{"Boruta's PATCH", func(s *servertest.Server, n int) servertest.Response {
			return s.Do(s.Admin, "PATCH", there, object{"client": named(n)})
		}},
		{"scope", func(s *servertest.Server, n int) servertest.Response {
			return s.Do(s.Admin, "PATCH", "/api/scopes/"+scope, object{"scope": named(n)})
		}},
		{"identity provider", func(s *servertest.Server, n int) servertest.Response {
			return s.Do(s.Admin, "PATCH", "/api/identity-providers/"+provider, object{"identity_provider": named(n)})
		}},
		{"key pair", func(s *servertest.Server, _ int) servertest.Response {
			return s.Do(s.Admin, "POST", "/api/key-pairs/"+pair+"/rotate", nil)
		}},
		{"import", func(s *servertest.Server, n int) servertest.Response {
			return s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": "auth0", "records": []object{{"client_id": uuid, "name": fmt.Sprint("i", n)}}})
		}},
		{"grant", func(s *servertest.Server, _ int) servertest.Response {
			return s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": uuid, "audience": one.Registry.ManagementAudience(), "scope": []string{"read:logs"}})
		}},
		{"deletion", func(s *servertest.Server, _ int) servertest.Response {
			s.Do(s.Admin, "DELETE", there, nil).Want(204)
			var grants []struct{ ID string }
			s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+uuid+"/restore", nil).Want(200)
			s.Do(s.Admin, "GET", "/api/v2/client-grants?client_id="+uuid, nil).Want(200).Decode(&grants)
			return s.Do(s.Admin, "DELETE", "/api/v2/client-grants/"+grants[0].ID, nil)
		}},
	}
	hold := func(s *servertest.Server, which, change string) {
		t.Helper()
		for _, v := range views {
			got, want := s.Do(v.token, "GET", v.path, nil), truth.Do(v.token, "GET", v.path, nil)
			if got.Status != want.Status || string(got.Body) != string(want.Body) {
				t.Fatalf("%s, %s, GET %s:\n got %d %s\nwant %d %s", change, which, v.path, got.Status, got.Body, want.Status, want.Body)
			}
		}
	}
	order := rand.New(rand.NewPCG(1, 2))
	for n := range 4 * len(changes) {
		c := changes[n%len(changes)]
		s, other := one, two
		if order.IntN(2) == 0 {
			s, other = two, one
		}
		hold(other, "before", c.name) // so that it remembers what was
		if r := c.send(s, n); r.Status >= 300 {
			t.Fatalf("%s: %d %s", c.name, r.Status, r.Body)
		}
		done := time.Now()
		hold(s, "where it was made", c.name)
		servertest.Eventually(t, "the other instance has read the changes", func() bool { return other.Registry.Changes.Age() < time.Since(done) })
		hold(other, "elsewhere", c.name)
	}
}

func TestSecretsFromMemoryLeaveTheirEvents(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Follow: true})
	id := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "a"}).Want(201).Object()["client_id"].(string)
	count := func() (n int) {
		if err := s.Pool.QueryRow(t.Context(), "SELECT count(*) FROM events WHERE action = 'client_secret.read'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for n := range 3 {
		if r := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(200); !strings.Contains(string(r.Body), `"client_secret":"`) {
			t.Fatalf("no secret: %s", r.Body)
		}
		if got := count(); got != n+1 {
			t.Errorf("%d events of %d showings", got, n+1)
		}
	}
}

// A reader that proves nothing makes every request ask the database, as does the
// end of what is shown.
func TestMemoryIsAskedOnlyWhileItIsProven(t *testing.T) {
	t.Parallel()
	s, trips := servertest.New(t), &trips{}
	traced(t, s, trips, 1<<20)
	id := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "a"}).Want(201).Object()["client_id"].(string)
	reader, path := s.Token("read:clients"), "/api/v2/clients/"+id
	get := func(want int, why string) {
		t.Helper()
		trips.take()
		s.Do(reader, "GET", path, nil).Want(200)
		if sent := trips.take(); len(sent) != want {
			t.Errorf("%s: %d round trips, want %d: %q", why, len(sent), want, sent)
		}
	}
	const caller = 4 // to find out what a token allows
	get(caller+1, "nothing proven")
	get(caller+1, "nothing proven, again")
	s.Follow()
	get(caller+1, "the first time")
	get(0, "remembered")
	s.Do(reader, "GET", path, nil, "If-None-Match", `"v1"`).Want(304)
	if _, err := s.Pool.Exec(t.Context(), `UPDATE client_secrets SET expires_at = now() + interval '1 hour' WHERE client = (SELECT id FROM clients WHERE client_id = $1)`, id); err != nil {
		t.Fatal(err)
	}
	s.Do(s.Admin, "PATCH", path, map[string]any{"name": "b"}).Want(200)
	get(1, "changed")
	get(0, "remembered again")
	s.Clock.Pass(time.Minute)
	s.Do(reader, "GET", "/api/v2/clients/administrator", nil) // the signing keys are known again
	get(1, "a minute later")
}
