package abuse

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/ops"
)

// planted are values, each with a place for a secret, by where openapi.yaml lets
// a caller of the Auth0 dialect put what it does not describe.
var planted = map[string]string{
	"addons":                   `{"addons":{"layer":{"providerId":"p","keyId":"k","privateKey":%[1]q},"box":{"x":%[1]q}}}`,
	"encryption_key":           `{"encryption_key":{"pub":%[1]q,"cert":%[1]q,"x":%[1]q}}`,
	"client_secret":            `{"client_secret":%[1]q}`,
	"jwt_configuration":        `{"jwt_configuration":{"lifetime_in_seconds":60,"x":%[1]q}}`,
	"jwt_configuration.scopes": `{"jwt_configuration":{"lifetime_in_seconds":60,"scopes":{"x":{"y":%[1]q}}}}`,
	"oidc_logout":              `{"oidc_logout":{"backchannel_logout_urls":["https://a.example"],"x":%[1]q}}`,
	"oidc_logout.backchannel_logout_initiators":                   `{"oidc_logout":{"backchannel_logout_initiators":{"mode":"all","x":[%[1]q]}}}`,
	"oidc_logout.backchannel_logout_session_metadata":             `{"oidc_logout":{"backchannel_logout_session_metadata":{"include":true,"x":%[1]q}}}`,
	"oidc_backchannel_logout":                                     `{"oidc_backchannel_logout":{"backchannel_logout_urls":["https://a.example"],"x":%[1]q}}`,
	"oidc_backchannel_logout.backchannel_logout_initiators":       `{"oidc_backchannel_logout":{"backchannel_logout_initiators":{"mode":"all","x":%[1]q}}}`,
	"oidc_backchannel_logout.backchannel_logout_session_metadata": `{"oidc_backchannel_logout":{"backchannel_logout_session_metadata":{"include":true,"x":%[1]q}}}`,
	"mobile":         `{"mobile":{"x":%[1]q}}`,
	"mobile.android": `{"mobile":{"android":{"app_package_name":"p","x":{"y":%[1]q}}}}`,
	"mobile.ios":     `{"mobile":{"ios":{"team_id":"t","x":%[1]q}}}`,
	"token_vault_privileged_access.grants[]": `{"token_vault_privileged_access":{"ip_allowlist":["10.0.0.1"],"grants":[{"connection":"c","scopes":["s"],"x":%[1]q}],"credentials":` +
		`[{"credential_type":"public_key","pem":%[2]q}]}}`,

	"authorization_details[]":                   `{"authorization_details":[{"type":"t","x":%[1]q}]}`,
	"subject_type_authorization.user":           `{"subject_type_authorization":{"user":{"policy":"allow_all","x":%[1]q}}}`,
	"subject_type_authorization.client":         `{"subject_type_authorization":{"client":{"policy":"deny_all","x":%[1]q}}}`,
	"subject_type_authorization.anonymous_user": `{"subject_type_authorization":{"anonymous_user":{"policy":"deny_all","x":%[1]q}}}`,
	"signing_secret":                            `{"signing_alg":"HS256","signing_secret":%[1]q}`,
}

// open lists the objects below a schema in which anything can be, by their paths.
func open(s *openapi3.Schema, path string, secret func(string) bool) (paths []string) {
	for name, ref := range s.Properties {
		below := strings.TrimPrefix(path+"."+name, ".")
		if path == "" && secret(name) {
			paths = append(paths, below)
			continue
		}
		paths = append(paths, open(ref.Value, below, secret)...)
	}
	for _, ref := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
		paths = append(paths, open(ref.Value, path, secret)...)
	}
	if s.Items != nil {
		paths = append(paths, open(s.Items.Value, path+"[]", secret)...)
	}
	closed := s.AdditionalProperties.Has != nil && !*s.AdditionalProperties.Has || s.AdditionalProperties.Schema != nil
	if path != "" && s.Type.Is("object") && !closed {
		paths = append(paths, path)
	}
	return paths
}

// canaries are secrets, and through which door each was sent.
type canaries struct {
	t    *testing.T
	key  string
	sent map[string]string
}

func (c *canaries) next(door string) string {
	one := "canary-" + oauth.RandomText(oauth.Alphanumeric, 32)
	c.sent[one] = door
	return one
}

// plant returns a body with a new canary, and what more it holds.
func (c *canaries) plant(door, where string, more object) object {
	var body object
	if err := json.Unmarshal(fmt.Appendf(nil, strings.ReplaceAll(planted[where], "%[2]q", `"@"`), c.next(door+" "+where)), &body); err != nil {
		c.t.Fatalf("%s: %v", where, err)
	}
	if vault, ok := body["token_vault_privileged_access"].(object); ok {
		vault["credentials"].([]any)[0].(object)["pem"] = c.key
	}
	for name, value := range more {
		body[name] = value
	}
	return body
}

// What openapi.yaml does not describe, and every member without a class, is where
// those who may not read secrets never see it, whichever door it came by.
func TestSecretMembersAreNowhereInClear(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Unchecked: true})
	doc, err := openapi3.NewLoader().LoadFromData(roster.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	management, err := server.Management()
	if err != nil {
		t.Fatal(err)
	}
	c := &canaries{t: t, key: publicPEM(t, keys[0]().Public()), sent: map[string]string{}}
	at := map[string][]string{} // paths by kind
	for kind, schemas := range map[string][]string{
		registry.KindClient:         {"CreateClientRequestContent", "UpdateClientRequestContent"},
		registry.KindResourceServer: {"CreateResourceServerRequestContent", "UpdateResourceServerRequestContent"},
		registry.KindClientGrant:    {"CreateClientGrantRequestContent", "UpdateClientGrantRequestContent"},
	} {
		for _, schema := range schemas {
			at[kind] = append(at[kind], open(doc.Components.Schemas[schema].Value, "", func(name string) bool {
				return name == "client_secret" || name == "signing_secret" || management.Class(kind, "auth0:"+name) == oauth.ClassSecret && planted[name] != ""
			})...)
		}
		slices.Sort(at[kind])
		at[kind] = slices.Compact(at[kind])
	}
	for kind, paths := range at {
		for _, path := range paths {
			if planted[path] == "" && !strings.HasSuffix(path, "credentials[]") {
				t.Errorf("nothing is planted in %s of a %s", path, kind)
			}
		}
	}
	records := map[string][]object{}
	for i, path := range at[registry.KindClient] {
		if planted[path] == "" {
			continue
		}
		id := s.Do(s.Admin, "POST", "/api/v2/clients", c.plant("create", path, object{"name": "n"}), "Idempotency-Key", fmt.Sprint("k", i)).Want(201).Object()["client_id"].(string)
		if !strings.HasPrefix(path, "token_vault") { // whose credentials are registered by then
			s.Do(s.Admin, "PATCH", clientPath(id), c.plant("change", path, nil)).Want(200)
		}
		c.unseen("a refusal", string(s.Do(s.Admin, "PATCH", clientPath(id), c.plant("refused change", path, object{"name": "<"})).Want(400).Body))
		records["auth0"] = append(records["auth0"], c.plant("import", path, object{"client_id": fmt.Sprint("auth0-", i), "name": "n"}))
	}
	for i, path := range at[registry.KindResourceServer] {
		api := fmt.Sprintf("https://api-%d.example/", i)
		id := s.Do(s.Admin, "POST", "/api/v2/resource-servers", c.plant("create", path, object{"identifier": api})).Want(201).Object()["id"].(string)
		s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/"+id, c.plant("change", path, nil)).Want(200)
		records["auth0"] = append(records["auth0"], c.plant("import", path, object{"identifier": api + "imported/"}))
		records["roster"] = append(records["roster"], c.plant("import", path, object{"kind": "resource_server", "identifier": api + "roster/"}))
	}
	provider := newProvider(s)
	attributes := func(door string) object {
		return object{
			"name": "n", "redirect_uris": []string{"https://app.example/cb"}, "secret": c.next(door + " secret"), "metadata": object{"x": object{"y": c.next(door + " metadata")}},
			"key_pair_type": object{"type": "rsa", "modulus_size": "2048", "exponent_size": "65537", "x": c.next(door + " key_pair_type")},
		}
	}
	client := attributes("boruta create")
	client["identity_provider"] = object{"id": provider}
	id := s.Do(s.Admin, "POST", "/api/clients", object{"client": client}).Want(201).Object()["data"].(object)["id"].(string)
	for _, method := range []string{"PUT", "PATCH"} {
		s.Do(s.Admin, method, "/api/clients/"+id, object{"client": attributes("boruta " + method)}).Want(200)
	}
	refused := attributes("boruta refused")
	refused["response_mode"] = "none"
	s.Do(s.Admin, "PATCH", "/api/clients/"+id, object{"client": refused}).Want(422)
	imported := attributes("boruta import")
	imported["id"] = "7e1f0000-0000-4000-8000-000000000001"
	backend := func(door string) object {
		return object{"id": "7e1f0000-0000-4000-8000-00000000000" + fmt.Sprint(len(door)%10), "name": "p", "backend": object{"name": "b", "ldap_master_password": c.next(door + " backend")}}
	}
	s.Do(s.Admin, "POST", "/api/identity-providers", object{"identity_provider": backend("create")}) // whatever becomes of it
	records["boruta"] = []object{imported, backend("boruta")}
	var jwk object
	if err := json.Unmarshal(mustJSON(t, jose.JSONWebKey{Key: keys[0]().Public()}), &jwk); err != nil {
		t.Fatal(err)
	}
	jwk["x"] = c.next("hydra jwks")
	records["hydra"] = []object{{
		"client_id": "hydra", "client_name": "n", "client_secret": c.next("hydra client_secret"), "metadata": object{"x": c.next("hydra metadata")},
		"jwks": object{"keys": []object{jwk}, "x": c.next("hydra jwks set")}, "x": c.next("hydra stranger"),
	}}
	own := backend("roster")
	own["kind"] = "identity_provider"
	records["roster"] = append(records["roster"], own, object{
		"kind": "client", "client_id": "roster", "id": "7e1f0000-0000-4000-8000-000000000009", "secrets": []object{{"secret": c.next("roster secrets")}},
		"document": object{
			"client_name": "n", "auth0:addons": object{"layer": object{"privateKey": c.next("roster addons")}}, "boruta:metadata": object{"x": c.next("roster metadata")},
			"auth0:mobile": object{"ios": object{"team_id": "t", "x": c.next("roster mobile")}}, "auth0:stranger": c.next("roster stranger"),
			"jwks": object{"keys": []object{jwk}},
		},
	})
	for format, list := range records {
		for _, dry := range []bool{true, false} {
			r := s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": format, "records": list, "dry_run": dry}).Want(200)
			c.unseen(fmt.Sprintf("the answer to an import in the format %s", format), string(r.Body))
			if strings.Contains(string(r.Body), `"failed"`) {
				t.Errorf("%s: %s", format, r.Body)
			}
		}
	}
	// What comes out for those who may not read secrets.
	reader := s.Token("read:logs", "read:clients", "read:client_credentials", "read:client_grants", "identity-providers:manage:all")
	for _, path := range []string{ // readers of clients are shown what Auth0 shows them
		"/api/roster/v1/events?take=100", "/api/roster/v1/events/feed?take=1000", "/api/roster/v1/clients", "/api/identity-providers", "/api/v2/client-grants",
		"/api/v2/clients?fields=addons,mobile,jwt_configuration,oidc_logout,client_metadata,token_vault_privileged_access&include_fields=false&per_page=100",
	} {
		c.unseen(path, string(s.Do(reader, "GET", path, nil).Want(200).Body))
	}
	c.unseen("an export", exported(s, s.Admin, ""))
	for table, text := range dump(t, s) {
		c.unseen("table "+table, text)
	}
	c.unseen("the log", s.Log.String()+defaultLog.String())
	w := httptest.NewRecorder()
	ops.NewMetrics("test").Handler(s.Pool.Ping).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	c.unseen("the metrics", w.Body.String())
	if whole := exported(s, s.Admin, "&include_secrets=true"); !strings.Contains(whole, c.one("hydra metadata")) || !strings.Contains(whole, c.one("change mobile.ios")) {
		t.Error("an export with secrets lacks them")
	}
}

func (c *canaries) one(door string) string {
	for canary, sent := range c.sent {
		if sent == door {
			return canary
		}
	}
	c.t.Fatalf("there is no canary of %s", door)
	return ""
}

func (c *canaries) unseen(where, text string) {
	c.t.Helper()
	for canary, door := range c.sent {
		if strings.Contains(text, canary) {
			c.t.Errorf("%s shows what was sent by %s", where, door)
		}
	}
}

// exported is all of an export.
func exported(s *servertest.Server, token, query string) (all string) {
	for cursor := ""; ; {
		r := s.Do(token, "GET", "/api/roster/v1/export?take=100"+query+cursor, nil).Want(200)
		all += string(r.Body)
		next, more := r.Object()["next"].(string)
		if !more {
			return all
		}
		cursor = "&cursor=" + next
	}
}
