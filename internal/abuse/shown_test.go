package abuse

import (
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
)

// uuidOf returns the registry's own id of a client.
func uuidOf(t testing.TB, s *servertest.Server, clientID string) string {
	t.Helper()
	c, err := s.Registry.Client(t.Context(), oauth.ClientRef{ClientID: clientID})
	if err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// The secret of a client is shown only to callers who hold all that the client is
// granted on the management API. Others read the client as where secrets are
// hashed, and can send back what they read.
func TestSecretsAreShownOnlyToWhoeverHoldsWhatTheClientHolds(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	created := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "machine", "grant_types": []string{"client_credentials"}}).Want(201).Object()
	id, secret := created["client_id"].(string), created["client_secret"].(string)
	allow(s, id, "read:logs")
	uuid := uuidOf(t, s, id)
	s.Do(s.Admin, "PUT", "/api/clients/"+uuid, object{"client": object{"identity_provider": object{"id": newProvider(s)}}}).Want(200)
	for name, c := range map[string]struct {
		method, path string
		body         any
		scopes       []string
	}{
		"get":           {"GET", clientPath(id), nil, []string{"read:client_keys"}},
		"get, by name":  {"GET", clientPath(id) + "?fields=client_id,client_secret", nil, []string{"read:client_keys"}},
		"list":          {"GET", "/api/v2/clients", nil, []string{"read:client_keys"}},
		"patch":         {"PATCH", clientPath(id), object{"description": "d"}, []string{"update:clients", "read:client_keys"}},
		"Boruta get":    {"GET", "/api/clients/" + uuid, nil, []string{"clients:manage:all"}},
		"Boruta list":   {"GET", "/api/clients", nil, []string{"clients:manage:all"}},
		"Boruta update": {"PATCH", "/api/clients/" + uuid, object{"client": object{"name": "n"}}, []string{"clients:manage:all"}},
		"Boruta did":    {"POST", "/api/clients/" + uuid + "/regenerate_did", nil, []string{"clients:manage:all"}},
		"Boruta key":    {"POST", "/api/clients/" + uuid + "/regenerate_key_pair", nil, []string{"clients:manage:all"}},
		"export":        {"GET", "/api/roster/v1/export?include_secrets=true", nil, []string{"read:clients", "read:client_grants", "read:resource_servers", "read:client_keys", "read:client_credentials", "clients:manage:all", "scopes:manage:all", "identity-providers:manage:all"}},
	} {
		if r := s.Do(s.Token(c.scopes...), c.method, c.path, c.body); strings.Contains(string(r.Body), secret) {
			t.Errorf("%s shows the secret to a caller who lacks what the client holds: %d", name, r.Status)
		}
		r := s.Do(s.Token(append(c.scopes, "read:logs")...), c.method, c.path, c.body)
		if shows := strings.Contains(string(r.Body), secret); r.Status != 200 && r.Status != 422 || r.Status == 200 && !shows {
			t.Errorf("%s does not show the secret to a caller who holds what the client holds: %d %s", name, r.Status, r.Body)
		}
	}
	narrow := s.Token("clients:manage:all")
	whole := s.Do(narrow, "GET", "/api/clients/"+uuid, nil).Want(200).Object()["data"].(object)
	if value, there := whole["secret"]; value != nil || !there {
		t.Errorf("secret is %v, want null", value)
	}
	s.Do(narrow, "PUT", "/api/clients/"+uuid, object{"client": whole}).Want(200)
	if !good(t, s, id, secret) {
		t.Error("a client that was sent back as it was read has another secret")
	}
}
