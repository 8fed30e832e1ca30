package native_test

import (
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server/boruta"
)

// refuseEvents makes the database refuse every event until the function it
// returns is called.
func refuseEvents(t *testing.T, s *servertest.Server) (accept func()) {
	t.Helper()
	do := func(sql string) {
		t.Helper()
		if _, err := s.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	do(`CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for events'; END $$`)
	do(`CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()`)
	return func() { do(`DROP TRIGGER refuse ON events`) }
}

// contents is all that the database holds but events.
func contents(t *testing.T, s *servertest.Server) map[string]string {
	t.Helper()
	rows, err := s.Pool.Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'events'`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		all[table] = ""
	}
	for table := range all {
		var text string
		if err := s.Pool.QueryRow(t.Context(), `SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM `+table+` t`).Scan(&text); err != nil {
			t.Fatal(err)
		}
		all[table] = text
	}
	return all
}

// attempt is a request that leaves an event.
type attempt struct {
	name, method, path string
	body               any
	status             int      // where events can be stored
	header             []string // names and values
}

func (a attempt) send(s *servertest.Server) servertest.Response {
	token := s.Admin
	if a.path == "/oauth/token" {
		token = ""
	}
	return s.Do(token, a.method, a.path, a.body, a.header...)
}

// checkNothingHappens makes each attempt twice: without room for events nothing
// may happen and none of texts be shown, with room it succeeds.
func checkNothingHappens(t *testing.T, s *servertest.Server, attempts []attempt, texts ...string) {
	t.Helper()
	before := contents(t, s)
	accept := refuseEvents(t, s)
	for _, a := range attempts {
		r := a.send(s)
		if r.Status != http.StatusInternalServerError {
			t.Errorf("%s: status %d, want 500", a.name, r.Status)
		}
		for _, text := range append(texts, "access_token", "no room for events") {
			if strings.Contains(string(r.Body), text) {
				t.Errorf("%s: the answer shows %q", a.name, text)
			}
		}
		if diff := cmp.Diff(before, contents(t, s)); diff != "" {
			t.Fatalf("%s: happened all the same: %s", a.name, diff)
		}
	}
	accept()
	for _, a := range attempts {
		if r := a.send(s); r.Status != a.status {
			t.Errorf("%s: status %d, want %d, with room for events: %s", a.name, r.Status, a.status, r.Body)
		}
	}
}

// created makes something and returns the member id of the answer.
func created(s *servertest.Server, path string, body map[string]any) string {
	o := s.Do(s.Admin, "POST", path, body).Want(http.StatusCreated).Object()
	if data, ok := o["data"].(map[string]any); ok {
		o = data
	}
	return o["id"].(string)
}

func TestNothingHappensWithoutItsEvent(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := client(t, s)
	_, newest := rotate(s, id, "?grace_seconds=600")
	old := secrets(s, id)[1].ID
	doomed, _ := client(t, s)
	const api = "https://api.example"
	hs256 := created(s, "/api/v2/resource-servers", map[string]any{"identifier": api, "signing_alg": "HS256", "scopes": []map[string]any{{"value": "a"}}})
	doomedAPI := created(s, "/api/v2/resource-servers", map[string]any{"identifier": "https://doomed.example"})
	grant := created(s, "/api/v2/client-grants", map[string]any{"client_id": id, "audience": api, "scope": []string{"a"}})
	doomedGrant := created(s, "/api/v2/client-grants", map[string]any{"client_id": doomed, "audience": api, "scope": []string{}})
	credential := created(s, "/api/v2/clients/"+id+"/credentials", map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=a"})
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {newest}, "audience": {api}}.Encode()
	once := []string{"Idempotency-Key", "k"}
	repeated := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "once"}, once...).Want(http.StatusCreated).Object()["client_secret"].(string)

	checkNothingHappens(t, s, []attempt{
		{"create a client", "POST", "/api/v2/clients", map[string]any{"name": "new"}, 201, nil},
		{"create a client once", "POST", "/api/v2/clients", map[string]any{"name": "other"}, 201, []string{"Idempotency-Key", "k2"}},
		{"repeat an answer", "POST", "/api/v2/clients", map[string]any{"name": "once"}, 201, once},
		{"change a client", "PATCH", "/api/v2/clients/" + id, map[string]any{"name": "x"}, 200, nil},
		{"set a secret", "PATCH", "/api/v2/clients/" + doomed, map[string]any{"client_secret": strings.Repeat("s", 48)}, 200, nil},
		{"read a secret", "GET", "/api/v2/clients/" + id, nil, 200, nil},
		{"list secrets", "GET", "/api/v2/clients", nil, 200, nil},
		{"rotate", "POST", "/api/v2/clients/" + doomed + "/rotate-secret", nil, 200, nil},
		{"rotate with overlap", "POST", "/api/roster/v1/clients/" + doomed + "/secrets?grace_seconds=60", nil, 201, nil},
		{"retire a secret", "DELETE", "/api/roster/v1/clients/" + id + "/secrets/" + old, nil, 204, nil},
		{"register a credential", "POST", "/api/v2/clients/" + id + "/credentials", map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=b"}, 201, nil},
		{"delete a credential", "DELETE", "/api/v2/clients/" + id + "/credentials/" + credential, nil, 204, nil},
		{"get a token", "POST", "/oauth/token", form, 200, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"grant", "POST", "/api/v2/client-grants", map[string]any{"client_id": id, "audience": "https://doomed.example", "scope": []string{}}, 201, nil},
		{"change a grant", "PATCH", "/api/v2/client-grants/" + grant, map[string]any{"scope": []string{}}, 200, nil},
		{"delete a grant", "DELETE", "/api/v2/client-grants/" + doomedGrant, nil, 204, nil},
		{"register an API", "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://new.example"}, 201, nil},
		{"change an API", "PATCH", "/api/v2/resource-servers/" + hs256, map[string]any{"name": "x"}, 200, nil},
		{"read a signing secret", "GET", "/api/v2/resource-servers/" + hs256, nil, 200, nil},
		{"list signing secrets", "GET", "/api/v2/resource-servers", nil, 200, nil},
		{"delete an API", "DELETE", "/api/v2/resource-servers/" + doomedAPI, nil, 204, nil},
		{"delete a client", "DELETE", "/api/v2/clients/" + doomed, nil, 204, nil},
	}, secret, newest, repeated)
}

func TestNothingHappensInBorutasDialectWithoutItsEvent(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	type object = map[string]any
	provider := created(s, "/api/identity-providers", object{"identity_provider": object{"name": "staff", "backend_id": boruta.BackendID}})
	doc := func(more object) object {
		doc := object{"identity_provider": object{"id": provider}, "key_pair_type": object{"type": "ec", "curve": "P-256"}}
		maps.Copy(doc, more)
		return object{"client": doc}
	}
	secret := oauth.RandomText(oauth.Alphanumeric, 64)
	id := created(s, "/api/clients", doc(object{"name": "a", "secret": secret}))
	doomed := created(s, "/api/clients", doc(object{"name": "b"}))
	scope := created(s, "/api/scopes", object{"scope": object{"name": "a"}})
	pair := created(s, "/api/key-pairs", object{"key_pair": object{}})
	doomedPair := created(s, "/api/key-pairs", object{"key_pair": object{}})
	doomedProvider := created(s, "/api/identity-providers", object{"identity_provider": object{"name": "other", "backend_id": boruta.BackendID}})

	checkNothingHappens(t, s, []attempt{
		{"create a client", "POST", "/api/clients", doc(object{"name": "c"}), 201, nil},
		{"read a secret", "GET", "/api/clients/" + id, nil, 200, nil},
		{"list secrets", "GET", "/api/clients", nil, 200, nil},
		{"change a client", "PUT", "/api/clients/" + id, object{"client": object{"name": "x"}}, 200, nil},
		{"set a secret", "PATCH", "/api/clients/" + doomed, object{"client": object{"secret": strings.Repeat("s", 48)}}, 200, nil},
		{"another key pair", "POST", "/api/clients/" + doomed + "/regenerate_key_pair", nil, 200, nil},
		{"delete a client", "DELETE", "/api/clients/" + doomed, nil, 204, nil},
		{"create a scope", "POST", "/api/scopes", object{"scope": object{"name": "b"}}, 201, nil},
		{"change a scope", "PATCH", "/api/scopes/" + scope, object{"scope": object{"label": "A"}}, 200, nil},
		{"delete a scope", "DELETE", "/api/scopes/" + scope, nil, 204, nil},
		{"create a key pair", "POST", "/api/key-pairs", object{"key_pair": object{}}, 201, nil},
		{"rotate a key pair", "POST", "/api/key-pairs/" + pair + "/rotate", nil, 200, nil},
		{"delete a key pair", "DELETE", "/api/key-pairs/" + doomedPair, nil, 204, nil},
		{"create a provider", "POST", "/api/identity-providers", object{"identity_provider": object{"name": "new", "backend_id": boruta.BackendID}}, 201, nil},
		{"change a provider", "PATCH", "/api/identity-providers/" + provider, object{"identity_provider": object{"name": "renamed"}}, 200, nil},
		{"delete a provider", "DELETE", "/api/identity-providers/" + doomedProvider, nil, 204, nil},
	}, secret)
}

func TestEventsCannotBeChangedOrRemoved(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client(t, s)
	for _, sql := range []string{"UPDATE events SET actor = 'nobody'", "DELETE FROM events", "TRUNCATE events"} {
		if _, err := s.Pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: allowed", sql)
		}
	}
}

var discard = slog.New(slog.DiscardHandler)
