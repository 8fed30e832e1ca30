package native_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
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

func TestNothingHappensWithoutItsEvent(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := client(t, s)
	_, newest := rotate(s, id, "?grace_seconds=600")
	old := secrets(s, id)[1].ID
	doomed, _ := client(t, s)
	create := func(path string, body map[string]any) string {
		o := s.Do(s.Admin, "POST", path, body).Want(http.StatusCreated).Object()
		return o["id"].(string)
	}
	const api = "https://api.example"
	hs256 := create("/api/v2/resource-servers", map[string]any{"identifier": api, "signing_alg": "HS256", "scopes": []map[string]any{{"value": "a"}}})
	doomedAPI := create("/api/v2/resource-servers", map[string]any{"identifier": "https://doomed.example"})
	grant := create("/api/v2/client-grants", map[string]any{"client_id": id, "audience": api, "scope": []string{"a"}})
	doomedGrant := create("/api/v2/client-grants", map[string]any{"client_id": doomed, "audience": api, "scope": []string{}})
	credential := create("/api/v2/clients/"+id+"/credentials", map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=a"})
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {newest}, "audience": {api}}.Encode()

	cases := []struct {
		name, method, path string
		body               any
		status             int // once events are accepted again
	}{
		{"create a client", "POST", "/api/v2/clients", map[string]any{"name": "new"}, 201},
		{"change a client", "PATCH", "/api/v2/clients/" + id, map[string]any{"name": "x"}, 200},
		{"set a secret", "PATCH", "/api/v2/clients/" + doomed, map[string]any{"client_secret": strings.Repeat("s", 48)}, 200},
		{"delete a client", "DELETE", "/api/v2/clients/" + doomed, nil, 204},
		{"read a secret", "GET", "/api/v2/clients/" + id, nil, 200},
		{"list secrets", "GET", "/api/v2/clients", nil, 200},
		{"rotate", "POST", "/api/v2/clients/" + doomed + "/rotate-secret", nil, 200},
		{"rotate with overlap", "POST", "/api/roster/v1/clients/" + doomed + "/secrets?grace_seconds=60", nil, 201},
		{"retire a secret", "DELETE", "/api/roster/v1/clients/" + id + "/secrets/" + old, nil, 204},
		{"register a credential", "POST", "/api/v2/clients/" + id + "/credentials", map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=b"}, 201},
		{"delete a credential", "DELETE", "/api/v2/clients/" + id + "/credentials/" + credential, nil, 204},
		{"grant", "POST", "/api/v2/client-grants", map[string]any{"client_id": id, "audience": "https://doomed.example", "scope": []string{}}, 201},
		{"change a grant", "PATCH", "/api/v2/client-grants/" + grant, map[string]any{"scope": []string{}}, 200},
		{"delete a grant", "DELETE", "/api/v2/client-grants/" + doomedGrant, nil, 204},
		{"register an API", "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://new.example"}, 201},
		{"change an API", "PATCH", "/api/v2/resource-servers/" + hs256, map[string]any{"name": "x"}, 200},
		{"read a signing secret", "GET", "/api/v2/resource-servers/" + hs256, nil, 200},
		{"list signing secrets", "GET", "/api/v2/resource-servers", nil, 200},
		{"delete an API", "DELETE", "/api/v2/resource-servers/" + doomedAPI, nil, 204},
		{"get a token", "POST", "/oauth/token", form, 200},
	}
	request := func(i int) servertest.Response {
		if c := cases[i]; c.path != "/oauth/token" {
			return s.Do(s.Admin, c.method, c.path, c.body)
		}
		return s.Do("", "POST", "/oauth/token", form, "Content-Type", "application/x-www-form-urlencoded")
	}
	before := contents(t, s)
	accept := refuseEvents(t, s)
	for i, c := range cases {
		r := request(i)
		if r.Status != http.StatusInternalServerError {
			t.Errorf("%s: status %d, want 500", c.name, r.Status)
		}
		for _, text := range []string{secret, newest, "access_token", "room"} {
			if strings.Contains(string(r.Body), text) {
				t.Errorf("%s: the answer shows %q", c.name, text)
			}
		}
		if diff := cmp.Diff(before, contents(t, s)); diff != "" {
			t.Fatalf("%s: happened all the same: %s", c.name, diff)
		}
	}
	accept()
	order := map[string]int{"delete a client": 1, "delete an API": 1} // others need them
	for pass := range 2 {
		for i, c := range cases {
			if order[c.name] == pass {
				if r := request(i); r.Status != c.status {
					t.Errorf("%s: status %d, want %d, with events accepted: %s", c.name, r.Status, c.status, r.Body)
				}
			}
		}
	}
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
