package native_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

// exportAll returns every record, read in pages of take.
func exportAll(s *servertest.Server, token string, take int, secrets bool) (records []any) {
	query := ""
	for {
		var page struct {
			Records []any
			Next    string
		}
		s.Do(token, "GET", fmt.Sprintf("/api/roster/v1/export?take=%d&include_secrets=%t%s", take, secrets, query), nil).Want(200).Decode(&page)
		records = append(records, page.Records...)
		if page.Next == "" {
			return records
		}
		query = "&cursor=" + page.Next
	}
}

// rich is a registry with something of everything.
func rich(t *testing.T) *servertest.Server {
	t.Helper()
	s := servertest.New(t)
	for _, format := range []string{"boruta", "auth0", "hydra"} {
		importRecords(s, s.Admin, format, false, everyFormat(t)[format]...)
	}
	do := func(method, path string, body any) object {
		t.Helper()
		r := s.Do(s.Admin, method, path, body)
		if r.Status >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, r.Status, r.Body)
		}
		return r.Object()
	}
	data := func(o object) object { return o["data"].(object) }
	const m2m = "/api/v2/clients/M2M1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5"
	do("POST", m2m+"/rotate-secret?grace_seconds=3600", nil)
	signer := fixture(t, "hydra.json")[3].(object)["jwks"].(object)["keys"].([]any)[0].(object)
	key := do("POST", "/api/v2/clients/Key1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5/credentials", object{"credential_type": "public_key", "pem": publicPEM(t, signer["n"].(string)), "name": "first", "expires_at": "2031-01-02T03:04:05.678Z"})
	do("PATCH", "/api/v2/clients/Key1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5", object{"client_authentication_methods": object{"private_key_jwt": object{"credentials": []object{{"id": key["id"]}}}}, "token_endpoint_auth_method": nil})
	do("POST", "/api/v2/clients/Key1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5/credentials", object{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"})
	pair := data(do("POST", "/api/key-pairs", object{"key_pair": object{"is_default": true}}))
	gone := data(do("POST", "/api/key-pairs", object{"key_pair": object{}}))
	provider := object{"id": "00000000-0000-4000-8000-000000000061"}
	for name, pairID := range map[string]any{"shared": pair["id"], "deleted": gone["id"], "own": nil} {
		do("POST", "/api/clients", object{"client": object{"name": name, "identity_provider": provider, "key_pair_id": pairID, "metadata": object{"deep": []any{1, "x"}}, "logo_uri": "https://logo.example/x.png", "authorized_scopes": []object{{"name": "read"}, {"name": "of " + name}}[:1]}})
	}
	s.Do(s.Admin, "DELETE", "/api/key-pairs/"+gone["id"].(string), nil).Want(204)
	do("POST", "/api/v2/clients", object{"name": "API", "app_type": "resource_server", "resource_server_identifier": "https://payroll.example/"})
	do("POST", "/api/v2/client-grants", object{"audience": "https://payroll.example/", "default_for": "third_party_clients", "scope": []string{"read:wages"}})
	do("POST", "/api/v2/client-grants", object{"client_id": "M2M1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5", "audience": s.Registry.ManagementAudience(), "scope": []string{"read:clients"}})
	return s
}

func text(t *testing.T, records []any) string {
	t.Helper()
	var lines strings.Builder
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	return lines.String()
}

func TestAnExportMakesAnEmptyRegistryEqual(t *testing.T) {
	t.Parallel()
	from, to := rich(t), servertest.New(t)
	records := exportAll(from, from.Admin, 7, true)
	kinds := map[string]int{}
	for _, r := range records {
		kinds[r.(object)["kind"].(string)]++
	}
	if want := map[string]int{"key_pair": 1, "scope": 2, "identity_provider": 2, "resource_server": 2, "client": 15, "client_grant": 3}; !cmp.Equal(want, kinds) {
		t.Errorf("the export has %v, want %v", kinds, want)
	}
	for i, r := range importRecords(to, to.Admin, "roster", false, records...) {
		if r.Outcome != "created" || r.Warnings != nil && r.warned() != "no_secret client_secret" {
			t.Errorf("record %d %v: %+v", i, records[i], r)
		}
	}
	replace := func(list []any) string {
		return strings.ReplaceAll(text(t, list), from.URL, to.URL)
	}
	if diff := cmp.Diff(strings.Split(replace(records), "\n"), strings.Split(text(t, exportAll(to, to.Admin, 100, true)), "\n")); diff != "" {
		t.Errorf("the other registry differs: %s", diff)
	}
	for i, r := range importRecords(to, to.Admin, "roster", false, records...) {
		if r.Outcome != "unchanged" {
			t.Errorf("again, record %d %v: %+v", i, records[i], r)
		}
	}
	// It works as well: what dialects show is the same.
	for _, path := range []string{"/api/v2/clients/M2M1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5/credentials", "/api/v2/resource-servers/5f0c1a529d528a9d3a1a2c12", "/api/v2/client-grants/cgr_Yp7QmT3wLkRd9VnH", "/api/identity-providers", "/api/scopes"} {
		if diff := cmp.Diff(string(from.Do(from.Admin, "GET", path, nil).Want(200).Body), string(to.Do(to.Admin, "GET", path, nil).Want(200).Body)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestAnExportShowsSecretsOnlyIfAskedAndLeavesATrace(t *testing.T) {
	t.Parallel()
	s := rich(t)
	before := eventCount(t, s)
	plain := text(t, exportAll(s, s.Admin, 100, false))
	for _, secret := range []string{"boruta-secret-of-acme", "PRIVATE KEY", "hs256-signing-secret", "addon-private-key", "hydra-plain-secret"} {
		if strings.Contains(plain, secret) {
			t.Errorf("an export without secrets shows %q", secret)
		}
		if !strings.Contains(text(t, exportAll(s, s.Admin, 100, true)), secret) {
			t.Errorf("an export with secrets lacks %q", secret)
		}
	}
	if eventCount(t, s) == before {
		t.Error("no trace")
	}
	id, superseded := client(t, s)
	_, current := rotate(s, id, "?grace_seconds=3600")
	plain = text(t, exportAll(s, s.Admin, 100, false))
	if strings.Contains(plain, superseded) || strings.Contains(plain, current) {
		t.Error("an export without secrets shows one of a rotation")
	}
	for _, action := range []string{"client_secret.read", "client_key.read", "key_pair.read", "resource_server_secret.read"} {
		var n int
		if err := s.Pool.QueryRow(t.Context(), "SELECT count(*) FROM events WHERE action = $1", action).Scan(&n); err != nil || n == 0 {
			t.Errorf("%d events of %s, %v", n, action, err)
		}
	}
	reads := []string{"read:clients", "read:client_credentials", "read:resource_servers", "read:client_grants", "scopes:manage:all", "identity-providers:manage:all"}
	s.Do(s.Token(reads...), "GET", "/api/roster/v1/export", nil).Want(200)
	s.Do(s.Token(reads...), "GET", "/api/roster/v1/export?include_secrets=true", nil).Want(403)
	s.Do(s.Token(append(slices.Clone(reads), "read:client_keys")...), "GET", "/api/roster/v1/export?include_secrets=true", nil).Want(200)
	for i := range reads {
		s.Do(s.Token(slices.Delete(slices.Clone(reads), i, i+1)...), "GET", "/api/roster/v1/export", nil).Want(403)
	}
	s.Do(s.Admin, "GET", "/api/roster/v1/export?cursor=x", nil).Want(400)
}

func eventCount(t *testing.T, s *servertest.Server) (n int) {
	t.Helper()
	if err := s.Pool.QueryRow(t.Context(), "SELECT count(*) FROM events").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnExportWithoutSecretsUpdatesWithoutLosingThem(t *testing.T) {
	t.Parallel()
	s := rich(t)
	before := everything(t, s)
	for i, r := range importRecords(s, s.Admin, "roster", false, exportAll(s, s.Admin, 100, false)...) {
		if r.Outcome != "unchanged" {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if diff := cmp.Diff(before, everything(t, s)); diff != "" {
		t.Errorf("it wrote: %s", diff)
	}
}

func TestRecordsOfAnExportAreHeldToTheRules(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	if r := importRecords(s, s.Admin, "roster", false, object{"kind": "client", "client_id": "c"})[0]; r.Outcome != "failed" || r.Error.Member != "document" {
		t.Errorf("without a document: %+v", r)
	}
	global := object{"kind": "client", "client_id": "c", "document": object{"auth0:global": true}}
	if r := importRecords(s, s.Admin, "roster", false, global)[0]; r.Outcome != "skipped" {
		t.Errorf("the global client: %+v", r)
	}
	if r := importRecords(s, s.Admin, "roster", false, object{"kind": "x"})[0]; !strings.Contains(r.Error.Message, "kind") {
		t.Errorf("%+v", r)
	}
}

// An export shows a document in the same bytes, in whatever order its members
// were sent.
func TestExportsShowTheSameDocumentInTheSameBytes(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, sent := range []string{
		`{"name":"a","mobile":{"ios":{"team_id":"t","app_bundle_identifier":"b"},"android":{"app_package_name":"p"}},"addons":{"wsfed":{"b":{"d":1,"c":2},"a":1}}}`,
		`{"addons":{"wsfed":{"a":1,"b":{"c":2.0,"d":1}}},"mobile":{"android":{"app_package_name":"p"},"ios":{"app_bundle_identifier":"\u0062","team_id":"t"}},"name":"a"}`,
	} {
		s.Do(s.Admin, "POST", "/api/v2/clients", sent).Want(201)
	}
	var page struct {
		Records []struct {
			Kind     string
			Document json.RawMessage
		}
	}
	s.Do(s.Admin, "GET", "/api/roster/v1/export?include_secrets=true", nil).Want(200).Decode(&page)
	var documents []string
	for _, r := range page.Records {
		if r.Kind == "client" && strings.Contains(string(r.Document), `"client_name":"a"`) {
			documents = append(documents, string(r.Document))
		}
	}
	if len(documents) != 2 {
		t.Fatalf("the export shows %d clients", len(documents))
	}
	if diff := cmp.Diff(documents[0], documents[1]); diff != "" || !strings.Contains(documents[0], `{"wsfed":{"a":1,"b":{"c":2,"d":1}}}`) {
		t.Errorf("%s\n(-first +second):\n%s", documents[0], diff)
	}
}
