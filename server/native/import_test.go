package native_test

import (
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
)

type object = map[string]any

// result is what an import tells of a record.
type result struct {
	Kind, Target, Outcome string
	Error                 struct{ Code, Message, Member string }
	Warnings              []struct{ Code, Message, Member string }
}

func (r result) warned() string {
	var all []string
	for _, w := range r.Warnings {
		all = append(all, w.Code+" "+w.Member)
	}
	return strings.Join(all, ", ")
}

// importRecords sends records and returns what became of them.
func importRecords(s *servertest.Server, token, format string, dry bool, records ...any) []result {
	var body struct{ Results []result }
	s.Do(token, "POST", "/api/roster/v1/import", object{"format": format, "dry_run": dry, "records": records}).Want(200).Decode(&body)
	return body.Results
}

func outcomes(results []result) (list []string) {
	for _, r := range results {
		list = append(list, r.Outcome+" "+r.Error.Code)
	}
	return list
}

func fixture(t *testing.T, name string) (records []any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &records); err != nil {
		t.Fatal(err)
	}
	return records
}

func TestAuth0ClientsAreTakenOver(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	records := fixture(t, "auth0-clients.json")
	results := importRecords(s, s.Admin, "auth0", false, records...)
	got := map[string]string{}
	for _, r := range results {
		got[r.Target] = r.Outcome + ": " + r.Error.Message + r.warned()
	}
	want := map[string]string{
		"KJ2fYxwPDmSwB0kGvXBYq1Mg0J0GTO5A": "skipped: skipped ",
		"Spa1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5": "created: ",
		"Web1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5": "created: left_out a_member_of_tomorrow",
		"M2M1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5": "created: left_out refresh_token.of_tomorrow",
		"Key1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5": "created: no_key client_authentication_methods.private_key_jwt, no_key signed_request_object, no_secret client_secret",
		"Nat1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5": "created: ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}

	// Each reads as it was, but for what is a tenant's own and what was left out.
	for _, r := range records[1:4] {
		r := r.(object)
		got := s.Do(s.Admin, "GET", "/api/v2/clients/"+r["client_id"].(string), nil).Want(200).Object()
		for _, member := range []string{"tenant", "signing_keys", "a_member_of_tomorrow"} {
			delete(r, member)
			delete(got, member)
		}
		for _, member := range []string{"callback_url_template", "cross_origin_auth", "oidc_backchannel_logout"} { // another name
			if r[member] == nil {
				delete(got, member)
			}
		}
		if tokens, ok := r["refresh_token"].(object); ok {
			delete(tokens, "of_tomorrow")
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("%s: %s", r["client_id"], diff)
		}
	}
}

// everything is all that the database holds, but for tokens.
func everything(t *testing.T, s *servertest.Server) string {
	t.Helper()
	var all strings.Builder
	for _, table := range []string{
		"clients", "client_secrets", "client_aliases", "client_keys", "credentials", "credential_uses", "resource_servers", "client_grants",
		"scopes", "client_scopes", "identity_providers", "client_identity_providers", "key_pairs", "idempotency_keys", "events",
	} {
		var text string
		if err := s.Pool.QueryRow(t.Context(), "SELECT coalesce(string_agg(x::text, E'\n' ORDER BY x::text), '') FROM "+table+" x").Scan(&text); err != nil {
			t.Fatal(err)
		}
		all.WriteString(table + "\n" + text + "\n")
	}
	return all.String()
}

// everyFormat are records of all formats that can be taken over.
func everyFormat(t *testing.T) map[string][]any {
	t.Helper()
	records := map[string][]any{"boruta": fixture(t, "boruta.json"), "hydra": fixture(t, "hydra.json")}
	records["auth0"] = append(fixture(t, "auth0-apis.json"), fixture(t, "auth0-clients.json")...)
	records["auth0"] = append(records["auth0"], fixture(t, "auth0-grants.json")...)
	return records
}

func TestARecordThatIsHeldIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	for format, records := range everyFormat(t) {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			for i, r := range importRecords(s, s.Admin, format, false, records...) {
				if r.Outcome == "failed" {
					t.Errorf("record %d: %+v", i, r)
				}
			}
			before := everything(t, s)
			for i, r := range importRecords(s, s.Admin, format, false, records...) {
				if r.Outcome != "unchanged" && r.Outcome != "skipped" {
					t.Errorf("record %d: %+v", i, r)
				}
			}
			if diff := cmp.Diff(before, everything(t, s)); diff != "" {
				t.Errorf("the second import wrote: %s", diff)
			}
		})
	}
}

func TestADryRunTellsAndWritesNothing(t *testing.T) {
	t.Parallel()
	for format, records := range everyFormat(t) {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			before := everything(t, s)
			dry := importRecords(s, s.Admin, format, true, records...)
			if diff := cmp.Diff(before, everything(t, s)); diff != "" {
				t.Fatalf("the dry run wrote: %s", diff)
			}
			if diff := cmp.Diff(outcomes(importRecords(s, s.Admin, format, false, records...)), outcomes(dry)); diff != "" {
				t.Errorf("the dry run told otherwise: %s", diff)
			}
			for _, r := range importRecords(s, s.Admin, format, true, records...) {
				if r.Outcome != "unchanged" && r.Outcome != "skipped" {
					t.Errorf("after the import: %+v", r)
				}
			}
		})
	}
}

func TestADryRunLetsReferencesBeMissing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, r := range importRecords(s, s.Admin, "auth0", true, fixture(t, "auth0-grants.json")...) {
		if r.Outcome != "created" && r.warned() != "skipped audience" || r.Outcome == "created" && r.warned() != "not_there_yet " {
			t.Errorf("%+v", r)
		}
	}
	for _, r := range importRecords(s, s.Admin, "auth0", false, fixture(t, "auth0-grants.json")...)[:1] {
		if r.Error.Code != "not_found" {
			t.Errorf("%+v", r)
		}
	}
}

func TestTheSourceWinsAndOtherMembersStay(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	record := object{"client_id": "a", "name": "old", "client_secret": strings.Repeat("s", 40), "description": "d", "grant_types": []string{"client_credentials"}, "token_endpoint_auth_method": "client_secret_post"}
	importRecords(s, s.Admin, "auth0", false, record)
	if _, err := s.Pool.Exec(t.Context(), `UPDATE clients SET document = (document::jsonb || '{"boruta:pkce": true}')::json WHERE client_id = 'a'`); err != nil {
		t.Fatal(err)
	}
	record["name"], record["client_secret"] = "new", strings.Repeat("t", 40)
	delete(record, "description")
	if r := importRecords(s, s.Admin, "auth0", false, record)[0]; r.Outcome != "updated" {
		t.Fatalf("%+v", r)
	}
	got := s.Do(s.Admin, "GET", "/api/v2/clients/a", nil).Want(200).Object()
	if got["name"] != "new" || got["description"] != nil || got["client_secret"] != record["client_secret"] {
		t.Errorf("%v", got)
	}
	var pkce string
	if err := s.Pool.QueryRow(t.Context(), `SELECT document ->> 'boruta:pkce' FROM clients WHERE client_id = 'a'`).Scan(&pkce); err != nil || pkce != "true" {
		t.Errorf("pkce is %q, %v", pkce, err)
	}
	delete(record, "client_secret") // none in the source: it stays
	if r := importRecords(s, s.Admin, "auth0", false, record)[0]; r.Outcome != "unchanged" || r.warned() != "" {
		t.Errorf("%+v", r)
	}
}

func TestABadRecordDoesNotHinderOthers(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	good := func(id string) object { return object{"client_id": id, "name": id, "client_secret": "secret-of-" + id} }
	bad := map[string]struct {
		record        any
		code, message string
	}{
		"no-object":       {"x", "invalid", "must be a JSON object"},
		"no-id":           {object{"name": "n"}, "invalid", "client_id"},
		"id-with-control": {object{"client_id": "a\nb", "name": "n"}, "invalid", "client_id"},
	}
	var records []any
	var names []string
	for name, b := range bad {
		records, names = append(records, good("good-"+name), b.record), append(names, name)
	}
	results := importRecords(s, s.Admin, "auth0", false, records...)
	for i, name := range names {
		if r := results[2*i]; r.Outcome != "created" {
			t.Errorf("beside %s: %+v", name, r)
		}
		if r := results[2*i+1]; r.Outcome != "failed" || r.Error.Code != bad[name].code || !strings.Contains(r.Error.Message+r.Error.Member, bad[name].message) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestFailuresNameMembersAsTheRecordDoes(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	private := privatePEM(t)
	for name, c := range map[string]struct {
		format  string
		record  object
		member  string
		message string // its beginning
	}{
		"Auth0, a rule":      {"auth0", object{"client_id": "a", "name": "n", "token_endpoint_auth_method": "none", "grant_types": []string{"client_credentials"}}, "grant_types", `grant_types must not have client_credentials while token_endpoint_auth_method is "none"`},
		"Auth0, the schema":  {"auth0", object{"client_id": "a", "name": "n", "callbacks": []any{1}}, "callbacks[0]", "callbacks[0] must be of type string"},
		"Auth0, an address":  {"auth0", object{"client_id": "a", "name": "n", "callbacks": []string{"javascript:alert(1)"}}, "callbacks[0]", "callbacks[0] must not use a scheme that runs or embeds content"},
		"Auth0, a key":       {"auth0", object{"client_id": "a", "name": "n", "client_authentication_methods": object{"private_key_jwt": object{"credentials": []any{object{"credential_type": "public_key", "pem": private}}}}}, "client_authentication_methods.private_key_jwt.credentials[0].pem", "client_authentication_methods.private_key_jwt.credentials[0].pem holds a private key"},
		"Boruta":             {"boruta", object{"id": "5f0c1a52-6bb0-4d2e-9d52-8a9d3a1a2c12", "pkce": "perhaps"}, "pkce", "pkce is invalid"},
		"Hydra":              {"hydra", object{"client_id": "a", "post_logout_redirect_uris": []string{"javascript:alert(1)"}}, "post_logout_redirect_uris[0]", "post_logout_redirect_uris[0] must "},
		"Roster, a document": {"roster", object{"kind": "client", "client_id": "a", "document": object{"redirect_uris": []any{1}}}, "redirect_uris[0]", "redirect_uris[0] must be of type string"},
		"Roster, a key":      {"roster", object{"kind": "client", "client_id": "a", "document": object{}, "credentials": []any{object{"id": "cred_1", "credential_type": "public_key"}}}, "credentials[0].pem", "credentials[0].pem is required"},
	} {
		r := importStrictly(s, c.format, c.record)[0]
		if r.Outcome != "failed" || r.Error.Member != c.member || !strings.HasPrefix(r.Error.Message, c.message) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestARecordMayFollowItself(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	one := object{"client_id": "twice", "name": "first"}
	if diff := cmp.Diff([]string{"created ", "unchanged ", "updated ", "created "}, outcomes(importRecords(s, s.Admin, "auth0", false, one, one, object{"client_id": "twice", "name": "second"}, object{"client_id": "other", "name": "n"}))); diff != "" {
		t.Error(diff)
	}
}

func TestImportedSecretsGetTokens(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for format, records := range everyFormat(t) {
		importRecords(s, s.Admin, format, false, records...)
	}
	form := "grant_type=client_credentials&client_id=M2M1fYxwPDmSwB0kGvXBYq1Mg0J0GTO5&client_secret=m2m-secret-of-acme&audience=https://payroll.example/"
	got := s.Do("", "POST", "/oauth/token", form, "Content-Type", "application/x-www-form-urlencoded").Want(200).Object()
	if got["scope"] != "read:wages" {
		t.Errorf("%v", got)
	}
}

func TestImportTakesTheRightsOfWhatItChanges(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	clients := []string{"create:clients", "update:clients"}
	with := func(scopes ...string) string { return s.Token(append(scopes, clients...)...) }
	secret := object{"client_id": "a", "name": "a", "client_secret": "secret-of-a"}
	api := object{"identifier": "urn:api", "name": "n"}
	for name, c := range map[string]struct {
		format, token string
		record        object
		outcome       string
	}{
		"a client":               {"auth0", with(), object{"client_id": "b", "name": "b"}, "created "},
		"a secret":               {"auth0", with(), secret, "failed forbidden"},
		"a secret, allowed":      {"auth0", with("update:client_keys"), secret, "created "},
		"an API":                 {"auth0", with("create:resource_servers"), api, "failed forbidden"},
		"an API, allowed":        {"auth0", with("create:resource_servers", "update:resource_servers"), api, "created "},
		"a grant":                {"auth0", with("create:client_grants"), object{"client_id": "a", "audience": "urn:api", "scope": []string{}}, "failed forbidden"},
		"a scope":                {"roster", with("clients:manage:all"), object{"kind": "scope", "id": "5f0c1a52-6bb0-4d2e-9d52-8a9d3a1a2c11", "name": "s"}, "failed forbidden"},
		"Boruta's clients":       {"boruta", with(), object{"id": "5f0c1a52-6bb0-4d2e-9d52-8a9d3a1a2c12"}, "failed forbidden"},
		"Boruta's":               {"boruta", s.Token("clients:manage:all"), object{"id": "5f0c1a52-6bb0-4d2e-9d52-8a9d3a1a2c13"}, "created "},
		"Auth0's by Boruta's":    {"auth0", s.Token("clients:manage:all"), object{"client_id": "c", "name": "c"}, "failed forbidden"},
		"Boruta's part":          {"roster", with(), object{"kind": "client", "client_id": "d", "document": object{"boruta:pkce": true}}, "failed forbidden"},
		"Boruta's part, allowed": {"roster", with("clients:manage:all"), object{"kind": "client", "client_id": "e", "document": object{"boruta:pkce": true}}, "created "},
		"the token vault":        {"roster", with(), object{"kind": "client", "client_id": "f", "document": object{"token_vault_privileged_access": object{"credentials": []any{}, "ip_allowlist": []string{"10.0.0.1"}, "grants": []any{}}}}, "failed forbidden"},
	} {
		if got := outcomes(importRecords(s, c.token, c.format, false, c.record)); got[0] != c.outcome {
			t.Errorf("%s: %s, want %s", name, got[0], c.outcome)
		}
	}
	if err := s.Registry.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(events(s, "?action=request.denied")); n != 8 { // each by another caller
		t.Errorf("%d events tell of denied imports", n)
	}
	s.Do(s.Token("create:clients"), "POST", "/api/roster/v1/import", object{"format": "auth0", "records": []any{secret}}).Want(403)
	s.Do("", "POST", "/api/roster/v1/import", object{"format": "auth0", "records": []any{secret}}).Want(401)
	s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": "x", "records": []any{secret}}).Want(400)
	s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": "auth0", "records": make([]any, 101)}).Want(400)
	s.Do(s.Admin, "POST", "/api/roster/v1/import", `{"format":"auth0","records":["`+strings.Repeat("x", 1<<20)+`"]}`).Want(413)
}

// publicPEM is the RSA key with a modulus in base64url.
func publicPEM(t *testing.T, modulus string) string {
	t.Helper()
	n, err := base64.RawURLEncoding.DecodeString(modulus)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func privatePEM(t *testing.T) string {
	t.Helper()
	key, err := oauth.NewECKey(elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	return key.Private.Reveal()
}

func TestABackendOfTheSourceLeavesNoSettings(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	record := object{
		"id": "00000000-0000-4000-8000-000000000062", "name": "Directory", "backend_id": "00000000-0000-4000-8000-000000000063",
		"backend": object{"id": "00000000-0000-4000-8000-000000000063", "ldap_master_password": "s3cret-of-the-directory"},
	}
	for _, want := range []string{"created", "unchanged"} {
		if r := importRecords(s, s.Admin, "boruta", false, record)[0]; r.Outcome != want || r.warned() != "left_out backend" {
			t.Errorf("%+v", r)
		}
	}
	if strings.Contains(everything(t, s), "s3cret-of-the-directory") {
		t.Error("a password of the backend was stored")
	}
	records := exportAll(s, s.Admin, 10, false)
	i := slices.IndexFunc(records, func(r any) bool { return r.(object)["id"] == record["id"] })
	if i < 0 || records[i].(object)["backend_id"] != record["backend_id"] {
		t.Errorf("the export lost the identifier: %v", records)
	}
}

// Of a document in Roster's own format what does not fit is left out, and no more.
func TestStrangersOfADocumentAreLeftOutAlone(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	private := map[string]any{"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB"}
	record := map[string]any{"kind": "client", "client_id": "odd", "document": map[string]any{
		"client_name": "odd", "jwks": map[string]any{"keys": []any{private, jwk(t, "a", nil)}},
		"auth0:refresh_token":         map[string]any{"rotation_type": "rotating", "expiration_type": "expiring", "leeway": 5, "of_tomorrow": "x"},
		"auth0:session_transfer":      map[string]any{"allow_refresh_token": true, "allowed_authentication_methods": []any{"cookie", "carrier pigeon"}},
		"auth0:organization_usage":    "sometimes",
		"boruta:authorized_resources": []any{"urn:a:b", 5},
		"auth0:a_member_of_tomorrow":  "x",
		"hydra:skip_consent":          "yes",
		"auth0:native_social_login":   map[string]any{"apple": map[string]any{"enabled": true, "of_tomorrow": "x"}, "myspace": map[string]any{"enabled": true}},
		"auth0:is_first_party":        true,
		"auth0:custom_login_page_on":  "yes",
	}}
	r := s.Do(s.Admin, "POST", "/api/roster/v1/import", map[string]any{"format": "roster", "records": []any{record}}).Want(200)
	var answer struct {
		Results []struct {
			Outcome  string
			Warnings []struct{ Code, Member string }
		}
	}
	r.Decode(&answer)
	var got []string
	for _, w := range answer.Results[0].Warnings {
		got = append(got, w.Code+" "+w.Member)
	}
	want := []string{
		"left_out auth0:a_member_of_tomorrow", "dropped auth0:custom_login_page_on", "left_out auth0:native_social_login.apple.of_tomorrow",
		"left_out auth0:native_social_login.myspace", "dropped auth0:organization_usage", "left_out auth0:refresh_token.of_tomorrow",
		"dropped auth0:session_transfer.allowed_authentication_methods[1]", "dropped boruta:authorized_resources[1]", "dropped hydra:skip_consent",
		"dropped jwks.keys[0]", "no_secret client_secret",
	}
	if diff := cmp.Diff(want, got); diff != "" || answer.Results[0].Outcome != "created" {
		t.Errorf("%s (-want +got):\n%s", answer.Results[0].Outcome, diff)
	}
	shown := s.Do(s.Admin, "GET", "/api/v2/clients/odd", nil).Want(200).Object()
	if token, _ := shown["refresh_token"].(map[string]any); token["leeway"] != 5.0 || token["rotation_type"] != "rotating" {
		t.Errorf("refresh_token is %v", shown["refresh_token"])
	}
}
