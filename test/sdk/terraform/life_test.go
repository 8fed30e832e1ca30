package terraform

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// four is a configuration of each kind of thing; NAME is to be replaced.
const four = `
resource "auth0_client" "app" {
  name            = "NAME"
  description     = "first"
  app_type        = "non_interactive"
  callbacks       = ["https://example.com/callback"]
  grant_types     = ["client_credentials"]
  oidc_conformant = true
  client_metadata = { keep = "1", gone = "2" }
  jwt_configuration {
    alg                 = "RS256"
    lifetime_in_seconds = 300
  }
  refresh_token {
    rotation_type   = "non-rotating"
    expiration_type = "non-expiring"
  }
}
resource "auth0_client_credentials" "app" {
  client_id             = auth0_client.app.id
  authentication_method = "client_secret_post"
  client_secret         = "a-secret-of-my-own-for-NAME"
}
resource "auth0_resource_server" "api" {
  name           = "NAME"
  identifier     = "https://api.test/NAME"
  token_lifetime = 600
}
resource "auth0_resource_server_scopes" "api" {
  resource_server_identifier = auth0_resource_server.api.identifier
  scopes {
    name        = "read:x"
    description = "May read X"
  }
  scopes { name = "write:x" }
}
resource "auth0_client_grant" "grant" {
  client_id  = auth0_client.app.id
  audience   = auth0_resource_server.api.identifier
  scopes     = ["read:x"]
  depends_on = [auth0_resource_server_scopes.api]
}
output "client" { value = auth0_client.app.id }
output "api" { value = auth0_resource_server.api.id }
output "grant" { value = auth0_client_grant.grant.id }
`

func named(t *testing.T, config string) string { return strings.ReplaceAll(config, "NAME", t.Name()) }

// pick is the members of an object that want names.
func pick(object, want map[string]any) map[string]any {
	maps.DeleteFunc(object, func(name string, _ any) bool { _, ok := want[name]; return !ok })
	return object
}

func expect(t *testing.T, path string, want map[string]any) {
	t.Helper()
	if diff := cmp.Diff(want, pick(get(t, path), want)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestApplyChangeAndDestroy(t *testing.T) {
	w := newWorkspace(t)
	w.configure(named(t, four))
	if plan := w.changes(); !strings.Contains(plan, "Plan: 5 to add, 0 to change, 0 to destroy.") {
		t.Errorf("first plan:\n%s", plan)
	}
	w.apply()
	client, api, grant := "clients/"+w.output("client"), "resource-servers/"+w.output("api"), "client-grants/"+w.output("grant")
	expect(t, client, map[string]any{
		"name": t.Name(), "description": "first", "app_type": "non_interactive", "callbacks": []any{"https://example.com/callback"},
		"grant_types": []any{"client_credentials"}, "client_metadata": map[string]any{"keep": "1", "gone": "2"},
		"token_endpoint_auth_method": "client_secret_post", "client_secret": "a-secret-of-my-own-for-" + t.Name(),
		"jwt_configuration": map[string]any{"alg": "RS256", "lifetime_in_seconds": 300., "secret_encoded": false},
	})
	expect(t, api, map[string]any{
		"identifier": "https://api.test/" + t.Name(), "token_lifetime": 600.,
		"scopes": []any{map[string]any{"value": "read:x", "description": "May read X"}, map[string]any{"value": "write:x"}},
	})
	expect(t, grant, map[string]any{"client_id": w.output("client"), "audience": "https://api.test/" + t.Name(), "scope": []any{"read:x"}})
	if _, scope, status := logIn(t, w.output("client"), "a-secret-of-my-own-for-"+t.Name(), "https://api.test/"+t.Name()); scope != "read:x" {
		t.Errorf("the client got %d and scope %q, want read:x", status, scope)
	}

	w.configure(strings.NewReplacer(
		`"first"`, `"second"`, `{ keep = "1", gone = "2" }`, `{ keep = "1", more = "3" }`, `["read:x"]`, `["read:x", "write:x"]`,
		"= 600", "= 700", "May read X", "May read every X", `["https://example.com/callback"]`, `[]`, "client_secret_post", "client_secret_basic",
	).Replace(named(t, four)))
	if plan := w.changes(); !strings.Contains(plan, "Plan: 0 to add, 5 to change, 0 to destroy.") {
		t.Errorf("plan of changes:\n%s", plan)
	}
	w.apply()
	expect(t, client, map[string]any{
		"description": "second", "callbacks": []any{}, "client_metadata": map[string]any{"keep": "1", "more": "3"},
		"token_endpoint_auth_method": "client_secret_basic",
	})
	expect(t, api, map[string]any{
		"token_lifetime": 700.,
		"scopes":         []any{map[string]any{"value": "read:x", "description": "May read every X"}, map[string]any{"value": "write:x"}},
	})
	expect(t, grant, map[string]any{"scope": []any{"read:x", "write:x"}})

	w.must("destroy", "-auto-approve")
	for _, path := range []string{client, api, grant} {
		if status, answer := call(t, http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("after destroy, GET %s: %d %v", path, status, answer)
		}
	}
}

func TestDriftIsSeenAndMended(t *testing.T) {
	w := newWorkspace(t)
	w.configure(named(t, four))
	w.apply()
	client, api, grant := "clients/"+w.output("client"), "resource-servers/"+w.output("api"), "client-grants/"+w.output("grant")
	change(t, client, map[string]any{"description": "drifted", "client_metadata": map[string]any{"gone": nil}})
	change(t, api, map[string]any{"scopes": []any{map[string]any{"value": "read:x"}}, "token_lifetime": 5})
	change(t, grant, map[string]any{"scope": []any{}})
	plan := w.changes()
	for _, part := range []string{`"drifted" -> "first"`, "5 -> 600", `+ "read:x"`, "Plan: 0 to add, 4 to change, 0 to destroy."} {
		if !strings.Contains(plan, part) {
			t.Errorf("plan after drift lacks %s:\n%s", part, plan)
		}
	}
	w.apply()
	expect(t, client, map[string]any{"description": "first", "client_metadata": map[string]any{"keep": "1", "gone": "2"}})
	expect(t, grant, map[string]any{"scope": []any{"read:x"}})

	if status, answer := call(t, http.MethodDelete, client, nil); status != http.StatusNoContent {
		t.Fatalf("DELETE %s: %d %v", client, status, answer)
	}
	if plan := w.changes(); !strings.Contains(plan, "3 to add") {
		t.Errorf("plan after the client was deleted:\n%s", plan)
	}
	w.apply()
	if again := "clients/" + w.output("client"); again == client {
		t.Errorf("the client came back as %s", again)
	}
}

func TestImport(t *testing.T) {
	w := newWorkspace(t)
	w.configure(named(t, four))
	w.apply()
	client, api, grant := w.output("client"), w.output("api"), w.output("grant")
	for address, id := range map[string]string{
		"auth0_client.app": client, "auth0_client_credentials.app": client, "auth0_client_grant.grant": grant,
		"auth0_resource_server.api": api, "auth0_resource_server_scopes.api": "https://api.test/" + t.Name(),
	} {
		w.must("state", "rm", address)
		w.must("import", address, id)
	}
	if code, out := w.run("plan", "-detailed-exitcode"); code != 0 {
		t.Errorf("plan after import: exit %d, want no changes\n%s", code, out)
	}
	code, out := w.run("import", "auth0_client.app", "no-such-client")
	if code == 0 {
		t.Errorf("a client that does not exist was imported:\n%s", out)
	}
}

func TestAnExistingGrantIsTakenOver(t *testing.T) {
	w := newWorkspace(t)
	w.configure(named(t, four))
	w.apply()
	grant := w.output("grant")
	w.must("state", "rm", "auth0_client_grant.grant")
	w.apply()
	if again := w.output("grant"); again != grant {
		t.Errorf("the grant is %s, was %s", again, grant)
	}
}

func TestDataSources(t *testing.T) {
	w := newWorkspace(t)
	w.configure(named(t, four))
	w.apply()
	w.configure(named(t, four+`
data "auth0_client" "by_id" { client_id = auth0_client.app.id }
data "auth0_client" "by_name" { name = auth0_client.app.name }
data "auth0_clients" "all" {
  name_filter = "NAME"
  app_types   = ["non_interactive"]
}
data "auth0_client_grants" "of_client" { client_id = auth0_client.app.id }
data "auth0_client_grants" "of_audience" { audience = auth0_resource_server.api.identifier }
data "auth0_resource_server" "by_id" { resource_server_id = auth0_resource_server.api.id }
data "auth0_resource_server" "by_identifier" { identifier = auth0_resource_server.api.identifier }
output "found" {
  value = jsonencode([
    data.auth0_client.by_id.name, data.auth0_client.by_name.client_id, data.auth0_clients.all.clients[*].client_id,
    data.auth0_client_grants.of_client.client_grants[*].id, data.auth0_client_grants.of_audience.client_grants[*].id,
    data.auth0_resource_server.by_id.identifier, data.auth0_resource_server.by_identifier.id,
    sort(data.auth0_resource_server.by_identifier.scopes[*].name),
  ])
}
`))
	w.apply()
	client, grant := `"`+w.output("client")+`"`, `["`+w.output("grant")+`"]`
	want := "[" + strings.Join([]string{
		`"` + t.Name() + `"`, client, "[" + client + "]", grant, grant,
		`"https://api.test/` + t.Name() + `"`, `"` + w.output("api") + `"`, `["read:x","write:x"]`,
	}, ",") + "]"
	if diff := cmp.Diff(want, w.output("found")); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

func TestErrorsAreShown(t *testing.T) {
	for name, c := range map[string]struct{ config, text string }{
		"a grant on an unknown API": {`
resource "auth0_client" "app" { name = "NAME" }
resource "auth0_client_grant" "grant" {
  client_id = auth0_client.app.id
  audience  = "https://nowhere.test/NAME"
  scopes    = []
}`, "404 Not Found"},
		"a callback that is no URL": {`
resource "auth0_client" "app" {
  name      = "NAME"
  callbacks = ["no url"]
}`, "400 Bad Request: Payload validation error"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkspace(t)
			w.configure(named(t, c.config))
			code, out := w.run("apply", "-auto-approve")
			if code != 1 || !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(out, "│", " ")), " "), c.text) {
				t.Errorf("apply: exit %d, want %q\n%s", code, c.text, out)
			}
		})
	}
}

// kids of a client's credentials, in the order of their making.
func kids(t *testing.T, client string) []string {
	t.Helper()
	status, answer := call(t, http.MethodGet, "clients/"+client+"/credentials", nil)
	list, ok := answer.([]any)
	if status != http.StatusOK || !ok {
		t.Fatalf("GET credentials: %d %v", status, answer)
	}
	found := []string{}
	for _, item := range list {
		found = append(found, item.(map[string]any)["kid"].(string))
	}
	return found
}
