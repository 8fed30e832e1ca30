package boruta_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/boruta"
)

// manager is the scope of the client operations.
const manager = "clients:manage:all"

type object = map[string]any

// panelKeys are the members of a client that the released admin panel knows. It
// breaks on any other.
var panelKeys = []string{
	"access_token_ttl", "authorization_code_ttl", "authorization_request_ttl", "authorize_scope", "authorized_scopes",
	"check_public_client_id", "confidential", "did", "enforce_dpop", "enforce_tx_code", "id", "id_token_signature_alg",
	"id_token_ttl", "identity_provider", "jwt_public_key", "key_pair_type", "name", "pkce", "public_client_id", "public_key",
	"public_refresh_token", "public_revoke", "redirect_uris", "refresh_token_ttl", "response_mode", "secret",
	"signatures_adapter", "supported_grant_types", "token_endpoint_auth_methods", "token_endpoint_jwt_auth_alg",
	"userinfo_signed_response_alg",
}

// api is a running service and an identity provider in it.
type api struct {
	*servertest.Server
	t        testing.TB
	provider string
	keys     []string // that clients may have in answers
}

func start(t testing.TB) *api { return startWith(t, boruta.Config{}) }

func startWith(t testing.TB, config boruta.Config) *api {
	t.Helper()
	s := servertest.NewWith(t, servertest.Options{Server: func(c *server.Config) { c.Boruta = config }})
	a := &api{Server: s, t: t, keys: panelKeys}
	if config.Master {
		a.keys = append(slices.Clone(panelKeys), "trusted_authorities", "trusted_hosts")
	}
	a.provider = a.newProvider("staff")
	return a
}

func (a *api) newProvider(name string) string {
	a.t.Helper()
	answer := a.Do(a.Admin, "POST", "/api/identity-providers", object{"identity_provider": object{"name": name, "backend_id": boruta.BackendID}})
	return answer.Want(http.StatusCreated).Object()["data"].(object)["id"].(string)
}

// panel reads a client as the admin panel does.
func (a *api) panel(client object) object {
	a.t.Helper()
	for name := range client {
		if !slices.Contains(a.keys, name) {
			a.t.Errorf("the panel has no setter for %s", name)
		}
	}
	if len(client) != len(a.keys) {
		a.t.Errorf("the client has %d members, the panel wants %d", len(client), len(a.keys))
	}
	return client
}

// send sends a client document and returns the client of the answer.
func (a *api) send(method, path string, client object, status int) object {
	a.t.Helper()
	answer := a.Do(a.Admin, method, path, object{"client": client}).Want(status).Object()
	if status >= 300 {
		return answer
	}
	return a.panel(answer["data"].(object))
}

// quick is a document of a client whose key is made fast.
func (a *api) quick(members object) object {
	doc := object{"identity_provider": object{"id": a.provider}, "key_pair_type": object{"type": "ec", "curve": "P-256"}}
	for name, value := range members {
		doc[name] = value
	}
	return doc
}

// create makes a client with an elliptic key.
func (a *api) create(members object) object {
	a.t.Helper()
	return a.send("POST", "/api/clients", a.quick(members), http.StatusCreated)
}

func (a *api) read(id string) object {
	a.t.Helper()
	return a.panel(a.Do(a.Admin, "GET", "/api/clients/"+id, nil).Want(http.StatusOK).Object()["data"].(object))
}

// refused sends a client document and returns the errors of the 422.
func (a *api) refused(method, path string, client object) map[string][]string {
	a.t.Helper()
	var body struct {
		Code, Message string
		Errors        map[string][]string
	}
	a.Do(a.Admin, method, path, object{"client": client}).Want(http.StatusUnprocessableEntity).Decode(&body)
	if body.Code != "UNPROCESSABLE_ENTITY" || body.Message != "Your request could not be processed." {
		a.t.Errorf("the refusal is %q, %q", body.Code, body.Message)
	}
	return body.Errors
}

func id(client object) string { return client["id"].(string) }

func path(client object) string { return "/api/clients/" + id(client) }

// jsonOf brings v into the form that answers have.
func jsonOf(t testing.TB, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}
