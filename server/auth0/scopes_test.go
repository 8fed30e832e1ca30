package auth0_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
)

// legacy is a PATCH with every member that the older API had.
const legacy = `{
	"name": "legacy", "client_secret": "canary-chosen-secret", "logo_uri": "https://x.example/logo.png",
	"callbacks": ["https://x.example/callback"], "allowed_origins": ["https://x.example"], "client_aliases": ["legacy-alias"],
	"allowed_clients": ["abc"], "allowed_logout_urls": ["https://x.example/bye"],
	"jwt_configuration": {"lifetime_in_seconds": 360, "secret_encoded": true, "scopes": {"a": "b"}, "alg": "HS256"},
	"encryption_key": {"pub": "canary-pub", "cert": "canary-cert", "subject": "canary-subject"},
	"sso": true, "custom_login_page_on": false, "token_endpoint_auth_method": "client_secret_basic", "app_type": "regular_web",
	"is_first_party": true, "custom_login_page": "<p>", "custom_login_page_preview": "<q>", "form_template": "<f>",
	"addons": {
		"aws": {"principal": "p", "role": "r", "lifetime_in_seconds": 900}, "azure_blob": {"accountName": "acc", "containerName": "container", "blob_read": true},
		"azure_sb": {"namespace": "n", "expiration": 5}, "rms": {"url": "https://rms.example"}, "mscrm": {"url": "https://crm.example"},
		"slack": {"team": "t"}, "sentry": {"org_slug": "o"}, "box": {}, "cloudbees": {}, "concur": {}, "dropbox": {},
		"echosign": {"domain": "d"}, "egnyte": {"domain": "d"}, "firebase": {"secret": "s", "lifetime_in_seconds": 1}, "newrelic": {"account": "a"},
		"office365": {"domain": "d", "connection": "c"}, "salesforce": {"entity_id": "https://sf.example"}, "salesforce_api": {"clientid": "c", "principal": "p"},
		"salesforce_sandbox_api": {"clientid": "c"}, "samlp": {"audience": "a", "logout": {"callback": "https://x.example"}, "binding": "b", "mappings": {"x": "y"}},
		"layer": {"providerId": "p", "keyId": "k", "privateKey": "pk"}, "sap_api": {"clientid": "c"}, "sharepoint": {"url": "https://sp.example", "external_url": ["https://sp.example"]},
		"springcm": {"acsurl": "https://cm.example"}, "wams": {"masterkey": "m"}, "wsfed": {}, "zendesk": {"accountName": "z"}
	},
	"resource_servers": [{"identifier": "https://api.example/", "scopes": ["a", "b"]}],
	"client_metadata": {"team": "core"}, "mobile": {"android": {"app_package_name": "p", "sha256_cert_fingerprints": ["AA:BB"]}, "ios": {"team_id": "t", "app_bundle_identifier": "b"}}
}`

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEveryLegacyMemberIsKept(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	want := parse(t, legacy)
	if n := len(want["addons"].(map[string]any)); n != 27 {
		t.Fatalf("the request has %d add-ons", n)
	}
	id := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x"}`).Want(http.StatusCreated).Object()["client_id"].(string)
	changed := s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, legacy).Want(http.StatusOK).Object()
	read := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(http.StatusOK).Object()
	for name := range want {
		if diff := cmp.Diff(want[name], changed[name]); diff != "" {
			t.Errorf("%s in the answer (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(want[name], read[name]); diff != "" {
			t.Errorf("%s as read (-want +got):\n%s", name, diff)
		}
	}
}

// row is all that is stored of a client.
func row(t *testing.T, s *servertest.Server, id string) string {
	t.Helper()
	var text string
	err := s.Pool.QueryRow(t.Context(), `SELECT row_to_json(c)::text || (SELECT json_agg(s ORDER BY s.id)::text FROM client_secrets s WHERE s.client = c.id)
		|| (SELECT count(*)::text FROM client_aliases) || (SELECT count(*)::text FROM events WHERE target = $1) FROM clients c WHERE client_id = $1`, id).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestForbiddenMembersRefuseTheWholeChange(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x","token_endpoint_auth_method":"client_secret_post"}`).Want(http.StatusCreated).Object()["client_id"].(string)
	tokens := map[string]string{}
	for _, scope := range []string{"update:clients", "update:client_keys", "update:client_credentials", "update:client_token_vault_privileged_access"} {
		tokens[scope] = s.Token(scope)
	}
	const vault = `{"token_vault_privileged_access":{"credentials":[],"ip_allowlist":["10.0.0.0/8"],"grants":[{"connection":"c","scopes":["s"]}]}}`
	for name, test := range map[string]struct{ scope, body, needs string }{
		"every legacy member":            {"update:clients", legacy, "update:client_keys"},
		"a secret":                       {"update:clients", `{"name":"y","client_secret":"z"}`, "update:client_keys"},
		"an encryption key":              {"update:clients", `{"encryption_key":{"pub":"z"}}`, "update:client_keys"},
		"authentication methods":         {"update:clients", `{"client_authentication_methods":{"private_key_jwt":{"credentials":[]}},"token_endpoint_auth_method":null}`, "update:client_credentials"},
		"the token vault":                {"update:clients", vault, "update:client_token_vault_privileged_access"},
		"a name, with keys":              {"update:client_keys", `{"client_secret":"z","name":"y"}`, "update:clients"},
		"a name, with credentials":       {"update:client_credentials", `{"client_authentication_methods":null,"token_endpoint_auth_method":"client_secret_post","name":"y"}`, "update:clients"},
		"a method alone":                 {"update:client_credentials", `{"token_endpoint_auth_method":"none"}`, "update:clients"},
		"a secret, with credentials":     {"update:client_credentials", `{"client_secret":"z"}`, "update:client_keys"},
		"a name, with the vault":         {"update:client_token_vault_privileged_access", `{"name":"y"}`, "update:clients"},
		"a secret, with the vault alone": {"update:client_token_vault_privileged_access", `{"client_secret":"z"}`, "update:client_keys"},
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			before := row(t, s, id)
			wantFailure(t, s.Do(tokens[test.scope], "PATCH", "/api/v2/clients/"+id, test.body), http.StatusForbidden, "insufficient_scope", "Insufficient scope, expected any of: "+test.needs)
			if diff := cmp.Diff(before, row(t, s, id)); diff != "" {
				t.Errorf("the client changed (-before +after):\n%s", diff)
			}
		})
	}
	for name, test := range map[string]struct{ scope, body string }{
		"keys alone":      {"update:client_keys", `{"client_secret":"z","encryption_key":{"pub":"p"}}`},
		"slots alone":     {"update:client_credentials", `{"signed_request_object":{"required":true}}`},
		"the vault":       {"update:client_token_vault_privileged_access", vault},
		"everything else": {"update:clients", `{"name":"y","signed_request_object":{"required":false}}`},
		"nothing new":     {"update:clients", `{"encryption_key":null,"client_authentication_methods":null}`},
	} {
		t.Run("allowed: "+name, func(t *testing.T) {
			id := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x","token_endpoint_auth_method":"client_secret_post"}`).Want(http.StatusCreated).Object()["client_id"].(string)
			r := s.Do(tokens[test.scope], "PATCH", "/api/v2/clients/"+id, test.body)
			if r.Status != http.StatusOK {
				t.Fatalf("status %d: %s", r.Status, r.Body)
			}
			if body := r.Object(); body["client_secret"] != nil || body["encryption_key"] != nil {
				t.Error("a token that may not read keys was shown some")
			}
		})
	}
}

func TestCredentialsInUseChangeWithTheMethod(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	token := s.Token("update:client_credentials")
	key := quote(publicKeyPEM(t, &credentialKeys[2]().PublicKey))
	id := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x","client_authentication_methods":{"private_key_jwt":{"credentials":[{"credential_type":"public_key","pem":`+key+`}]}}}`).
		Want(http.StatusCreated).Object()["client_id"].(string)
	s.Do(token, "PATCH", "/api/v2/clients/"+id, `{"client_authentication_methods":null,"token_endpoint_auth_method":"client_secret_basic"}`).Want(http.StatusOK)
	s.Do(token, "PATCH", "/api/v2/clients/"+id, `{"client_authentication_methods":null,"token_endpoint_auth_method":"client_secret_post"}`).Want(http.StatusForbidden)
	s.Do(s.Token("update:clients"), "PATCH", "/api/v2/clients/"+id, `{"token_endpoint_auth_method":"client_secret_post"}`).Want(http.StatusOK)
}

func TestCreatingSomeMembersNeedsTheirScopes(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	token := s.Token("create:clients")
	key := quote(publicKeyPEM(t, &credentialKeys[2]().PublicKey))
	credential := `{"credential_type":"public_key","pem":` + key + `}`
	for name, test := range map[string]struct{ body, needs string }{
		"authentication methods": {`{"name":"x","client_authentication_methods":{"private_key_jwt":{"credentials":[` + credential + `]}}}`, "create:client_credentials"},
		"request object keys":    {`{"name":"x","signed_request_object":{"credentials":[` + credential + `]}}`, "create:client_credentials"},
		"token vault":            {`{"name":"x","token_vault_privileged_access":{"credentials":[],"ip_allowlist":["10.0.0.0/8"],"grants":[{"connection":"c","scopes":["s"]}]}}`, "update:client_token_vault_privileged_access"},
	} {
		t.Run(name, func(t *testing.T) {
			wantFailure(t, s.Do(token, "POST", "/api/v2/clients", test.body), http.StatusForbidden, "insufficient_scope", "Insufficient scope, expected any of: "+test.needs)
		})
	}
	s.Do(token, "POST", "/api/v2/clients", `{"name":"x","client_secret":"own","encryption_key":{"pub":"p"},"signed_request_object":{"required":true}}`).Want(http.StatusCreated)
	s.Do(s.Token("create:clients", "create:client_credentials"), "POST", "/api/v2/clients", `{"name":"x","client_authentication_methods":{"private_key_jwt":{"credentials":[`+credential+`]}}}`).Want(http.StatusCreated)
}

// everything is a client with every member that can be set, but for those that
// exclude one another.
func everything(t *testing.T) map[string]any {
	t.Helper()
	all := parse(t, legacy)
	maps.Copy(all, parse(t, `{
		"description":"d","web_origins":["https://x.example"],"initiate_login_uri":"https://x.example/login","grant_types":["authorization_code"],
		"is_token_endpoint_ip_header_trusted":true,"third_party_security_mode":"permissive","is_first_party":false,"redirection_policy":"allow_always","oidc_conformant":true,
		"sso_disabled":true,"cross_origin_authentication":true,"cross_origin_loc":"https://x.example","native_social_login":{"apple":{"enabled":true}},
		"fedcm_login":{"google":{"is_enabled":true}},"refresh_token":{"rotation_type":"rotating","expiration_type":"expiring"},"session_transfer":{},
		"oidc_logout":{"backchannel_logout_urls":["https://x.example/out"]},"default_organization":{"organization_id":"org_0123456789abcdef","flows":["client_credentials"]},
		"organization_usage":"allow","organization_require_behavior":"no_prompt","organization_discovery_methods":["email"],
		"require_pushed_authorization_requests":true,"require_proof_of_possession":true,"signed_request_object":{"required":true},
		"token_vault_privileged_access":{"credentials":[],"ip_allowlist":["::1"],"grants":[{"connection":"c","scopes":[]}]},"compliance_level":"none","skip_non_verifiable_callback_uri_confirmation_prompt":true,
		"token_exchange":{},"par_request_expiry":60,"token_quota":{"client_credentials":{"enforce":true}},
		"my_organization_configuration":{"allowed_strategies":[],"connection_deletion_behavior":"allow"},"async_approval_notification_channels":["email"],
		"identity_assertion_authorization_grant":{"active":true},"express_configuration":{"initiate_login_uri_template":"https://x.example/{organization_name}","user_attribute_profile_id":"uap_0123456789012345678901",
		"connection_profile_id":"cop_0123456789012345678901","enable_client":true,"enable_organization":true,"okta_oin_client_id":"abc","admin_login_domain":"x.example"}
	}`))
	return all
}

func TestReadScopesShowTheirMembersAlone(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	created := s.Do(s.Admin, "POST", "/api/v2/clients", everything(t)).Want(http.StatusCreated).Object()
	id := created["client_id"].(string)
	keyed := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"k","client_authentication_methods":{"self_signed_tls_client_auth":{"credentials":[]}}}`).Want(http.StatusCreated).Object()["client_id"].(string)

	summary := []string{"client_id", "name", "description", "app_type"}
	keys := []string{"client_secret", "encryption_key"}
	var plain []string // what needs no more than read:clients
	for name := range created {
		if !slices.Contains(slices.Concat(summary, keys, []string{"signing_keys", "encrypted"}), name) {
			plain = append(plain, name)
		}
	}
	if len(plain) < 55 {
		t.Fatalf("only %d members are set: %v", len(plain), plain)
	}
	for scope, want := range map[string][]string{
		"read:client_summary":     summary,
		"read:clients":            slices.Concat(summary, plain),
		"read:client_credentials": slices.Concat(summary, []string{"signing_keys"}),
		"read:client_keys":        slices.Concat(summary, plain, keys, []string{"signing_keys"}),
	} {
		t.Run(scope, func(t *testing.T) {
			token := s.Token(scope)
			slices.Sort(want)
			one := s.Do(token, "GET", "/api/v2/clients/"+id, nil).Object()
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(one))); diff != "" {
				t.Errorf("one client (-want +got):\n%s", diff)
			}
			var list []map[string]any
			s.Do(token, "GET", "/api/v2/clients?is_global=false&app_type=regular_web", nil).Decode(&list)
			if diff := cmp.Diff(one, list[0]); diff != "" {
				t.Errorf("the list shows a client differently (-one +list):\n%s", diff)
			}
			methods := s.Do(token, "GET", "/api/v2/clients/"+keyed, nil).Object()["client_authentication_methods"] != nil
			if may := scope == "read:client_keys" || scope == "read:client_credentials"; methods != may {
				t.Errorf("authentication methods are shown: %v", methods)
			}
			for name := range created {
				if name == "encrypted" {
					continue
				}
				status := http.StatusOK
				if !slices.Contains(want, name) {
					status = http.StatusForbidden
				}
				for _, path := range []string{"/api/v2/clients/" + id + "?fields=", "/api/v2/clients?per_page=1&fields=client_id,"} {
					if r := s.Do(token, "GET", path+name, nil); r.Status != status {
						t.Errorf("asking %s for %s answers %d, want %d", path, name, r.Status, status)
					} else if status == http.StatusForbidden && !strings.Contains(string(r.Body), `"insufficient_scope"`) {
						t.Errorf("a refusal without its code: %s", r.Body)
					}
				}
				if r := s.Do(token, "GET", "/api/v2/clients/"+id+"?include_fields=false&fields="+name, nil); r.Status != http.StatusOK || r.Object()[name] != nil {
					t.Errorf("hiding %s answers %d: %s", name, r.Status, r.Body)
				}
			}
		})
	}
}

// A token with every right but that of reading keys never sees a secret, save
// where one is made.
func TestSecretsAreShownToTheirReadersAlone(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	scopes := slices.DeleteFunc(everyScope(t), func(scope string) bool { return scope == "read:client_keys" })
	token := s.Token(scopes...)
	created := s.Do(token, "POST", "/api/v2/clients", everything(t)).Want(http.StatusCreated)
	id := created.Object()["client_id"].(string)
	rotated := s.Do(token, "POST", "/api/v2/clients/"+id+"/rotate-secret", nil).Want(http.StatusOK)
	secret, _ := rotated.Object()["client_secret"].(string)
	if len(secret) != 64 || !strings.Contains(string(created.Body), "canary-chosen-secret") {
		t.Fatal("making a secret does not show it")
	}
	var seen []servertest.Response
	for _, one := range []step{
		{"GET /api/v2/clients/" + id, ""}, {"GET /api/v2/clients", ""}, {"GET /api/v2/clients?take=10", ""}, {"GET /api/v2/clients?include_totals=true&include_fields=false&fields=name", ""},
		{"PATCH /api/v2/clients/" + id, `{"name":"y"}`}, {"PATCH /api/v2/clients/" + id, `{"client_secret":"` + secret + `"}`}, {"GET /api/v2/clients/" + id + "/credentials", ""},
		{"GET /api/v2/clients/" + id + "/connections", ""}, {"GET /api/v2/client-grants", ""}, {"GET /api/v2/resource-servers", ""},
		{"PATCH /api/v2/clients/" + id, `{"client_secret":"` + secret + `","name":"<"}`}, {"PATCH /api/v2/clients/" + id, `{"client_secret":["` + secret + `"],"name":5}`},
	} {
		method, path, _ := strings.Cut(one.request, " ")
		var body any
		if one.body != "" {
			body = one.body
		}
		seen = append(seen, s.Do(token, method, path, body))
	}
	for _, r := range append(seen, rotated) {
		if strings.Contains(string(r.Body), "canary-") {
			t.Errorf("a key was shown: %s", r.Body)
		}
	}
	for _, r := range seen {
		if strings.Contains(string(r.Body), secret) {
			t.Errorf("the secret was shown: %s", r.Body)
		}
	}
	if log := s.Log.String(); strings.Contains(log, secret) || strings.Contains(log, "canary-") {
		t.Error("the log has a secret")
	}
}

func everyScope(t *testing.T) []string {
	t.Helper()
	list, err := server.ManagementScopes()
	if err != nil {
		t.Fatal(err)
	}
	var scopes []string
	for _, scope := range list {
		scopes = append(scopes, scope.Value)
	}
	return scopes
}
