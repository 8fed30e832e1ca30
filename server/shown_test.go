package server_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server/boruta"
)

// secretShown finds a secret in an answer.
var secretShown = regexp.MustCompile(`"(client_secret|secret|signing_secret)":\s*"[^"]+"|PRIVATE KEY`)

// No door shows a secret whose event is not stored: neither where the event goes
// with a change nor where it is the only thing to store.
func TestSecretsAreNotShownWithoutTheirEvents(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	s := servertest.New(t)
	auth0 := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "a", "app_type": "non_interactive"}).Want(201).Object()["client_id"].(string)
	provider := s.Do(s.Admin, "POST", "/api/identity-providers", object{"identity_provider": object{"name": "staff", "backend_id": boruta.BackendID}}).
		Want(201).Object()["data"].(object)["id"].(string)
	panel := func(n string) any {
		return object{"client": object{"name": n, "identity_provider": object{"id": provider}, "key_pair_type": object{"type": "ec", "curve": "P-256"}}}
	}
	panelled := s.Do(s.Admin, "POST", "/api/clients", panel("b")).Want(201).Object()["data"].(object)
	there := "/api/clients/" + panelled["id"].(string)
	api := s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": "https://api.example", "signing_alg": "HS256"}).Want(201).Object()["id"].(string)
	named := func(n string) any { return object{"name": n} }
	doors := []struct {
		name, method, path string
		body               func(n string) any
		traced             string // events without which nothing is shown
		header             []string
	}{
		{"GET", "GET", "/api/v2/clients/" + auth0, nil, "client_secret.read", nil},
		{"GET of a member", "GET", "/api/v2/clients/" + auth0 + "?fields=client_secret", nil, "client_secret.read", nil},
		{"list", "GET", "/api/v2/clients", nil, "client_secret.read", nil},
		{"list with totals", "GET", "/api/v2/clients?include_totals=true", nil, "client_secret.read", nil},
		{"POST", "POST", "/api/v2/clients", named, "tenant_key.read", nil},
		{"PATCH", "PATCH", "/api/v2/clients/" + auth0, named, "client_secret.read", nil},
		{"PATCH that changes nothing", "PATCH", "/api/v2/clients/" + auth0, func(string) any { return object{"description": "d"} }, "client_secret.read", nil},
		{"rotate-secret", "POST", "/api/v2/clients/" + auth0 + "/rotate-secret", nil, "client.secret_rotated", nil},
		{"API", "GET", "/api/v2/resource-servers/" + api, nil, "resource_server_secret.read", nil},
		{"APIs", "GET", "/api/v2/resource-servers", nil, "resource_server_secret.read", nil},
		{"POST of an API", "POST", "/api/v2/resource-servers", func(n string) any { return object{"identifier": n, "signing_alg": "HS256"} }, "resource_server_secret.read", nil},
		{"PATCH of an API", "PATCH", "/api/v2/resource-servers/" + api, named, "resource_server_secret.read", nil},
		{"Boruta's GET", "GET", there, nil, "client_secret.read", nil},
		{"Boruta's list", "GET", "/api/clients", nil, "client_secret.read", nil},
		{"Boruta's POST", "POST", "/api/clients", panel, "client_secret.read", nil},
		{"Boruta's PUT", "PUT", there, func(n string) any { return object{"client": named(n)} }, "client_secret.read", nil},
		{"Boruta's PATCH", "PATCH", there, func(n string) any { return object{"client": named(n)} }, "client_secret.read", nil},
		{"Boruta's new key", "POST", there + "/regenerate_key_pair", nil, "client_secret.read", nil},
		{"Boruta's new DID", "POST", there + "/regenerate_did", nil, "client_secret.read", nil},
		{"export", "GET", "/api/roster/v1/export?include_secrets=true", nil, "client_secret.read", nil},
		{"export of keys", "GET", "/api/roster/v1/export?include_secrets=true", nil, "client_key.read", nil},
		{"kept answer", "POST", "/api/v2/clients", func(string) any { return named("kept") }, "answer.repeated", []string{"Idempotency-Key", "one"}},
	}
	send := func(i int, n string) servertest.Response {
		d := doors[i]
		var body any
		if d.body != nil {
			body = d.body(n)
		}
		return s.Do(s.Admin, d.method, d.path, body, d.header...)
	}
	for i, d := range doors {
		if r := send(i, "whole "+d.name); r.Status >= http.StatusBadRequest || !secretShown.Match(r.Body) {
			t.Errorf("%s: %d, no secret where its event is stored: %s", d.name, r.Status, r.Body)
		}
	}
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := s.Pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.action LIKE TG_ARGV[0] THEN RAISE EXCEPTION 'no event'; END IF; RETURN NEW; END $$`)
	for i, d := range doors {
		for _, lost := range []string{d.traced, "%"} {
			exec(`CREATE TRIGGER lose BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION lose('` + lost + `')`)
			r := send(i, "lost "+d.name+lost)
			if r.Status < http.StatusInternalServerError || secretShown.Match(r.Body) {
				t.Errorf("%s, %s lost: %d %s", d.name, lost, r.Status, r.Body)
			}
			exec(`DROP TRIGGER lose ON events`)
		}
	}
}
