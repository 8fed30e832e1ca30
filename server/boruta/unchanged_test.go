package boruta_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/boruta"
)

// panelGrants is the order in which the panel sends grant types.
var panelGrants = []string{
	"client_credentials", "agent_credentials", "password", "authorization_code", "agent_code", "refresh_token", "implicit",
	"preauthorized_code", "id_token", "vp_token", "revoke", "introspect",
}

// clientsOfEveryDialect makes clients of all kinds at every door.
func clientsOfEveryDialect(t *testing.T, a *api) {
	t.Helper()
	_, public := newKey(t)
	keys := []object{{"credential_type": "public_key", "pem": public}}
	for name, client := range map[string]object{
		"plain":  {},
		"spa":    {"app_type": "spa", "token_endpoint_auth_method": "none", "web_origins": []string{"https://a.example"}},
		"device": {"app_type": "native", "grant_types": []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token", "authorization_code"}},
		"web": {
			"app_type": "regular_web", "jwt_configuration": object{"alg": "PS256", "lifetime_in_seconds": 90000},
			"token_endpoint_auth_method": "client_secret_post", "client_metadata": object{"tier": "gold"},
			"callbacks": []string{"com.example.app:/cb", "https://*.example.com/cb"}, "require_proof_of_possession": true,
			"addons": object{"samlp": object{"audience": "urn:x"}}, "refresh_token": object{"rotation_type": "rotating", "expiration_type": "expiring"},
		},
		"m2m":    {"app_type": "non_interactive", "grant_types": []string{"client_credentials"}},
		"keys":   {"client_authentication_methods": object{"private_key_jwt": object{"credentials": keys}}},
		"grants": {"grant_types": []string{}},
		"third":  {"is_first_party": false, "third_party_security_mode": "strict", "callbacks": []string{"https://a.example/cb"}},
	} {
		client["name"] = name
		a.auth0("POST", "", client, http.StatusCreated)
	}

	pair := a.Do(a.Admin, "POST", "/api/key-pairs", object{"key_pair": object{}}).Want(http.StatusCreated).Object()["data"].(object)
	for _, client := range []object{
		{}, {"name": "rsa", "key_pair_type": object{"type": "rsa", "modulus_size": "2048", "exponent_size": "65537"}},
		{"supported_grant_types": []string{"vp_token", "client_credentials", "revoke"}, "confidential": true},
		{"supported_grant_types": nil, "authorize_scope": nil, "enforce_dpop": nil, "pkce": nil, "response_mode": nil},
		{"supported_grant_types": []string{}, "token_endpoint_auth_methods": []string{}},
		{"token_endpoint_auth_methods": []string{"private_key_jwt", "client_secret_post", "client_secret_jwt"}, "jwt_public_key": "any text"},
		{"key_pair_id": pair["id"], "key_pair_type": object{"type": "rsa", "modulus_size": "2048", "exponent_size": "65537"}},
		{
			"authorized_scopes": []object{{"name": "b"}, {"name": "a"}}, "metadata": object{"deep": []any{1, object{"b": 1, "a": 2}}},
			"redirect_uris": []string{"https://b.example/cb", "https://a.example/cb"}, "userinfo_signed_response_alg": "ES256",
			"id_token_signature_alg": "HS256", "public_client_id": "anything", "secret": "chosen by the caller",
		},
	} {
		a.create(client)
	}

	for _, from := range []struct{ format, file string }{
		{"auth0", "auth0-clients.json"}, {"boruta", "boruta.json"}, {"hydra", "hydra.json"},
	} {
		text, err := os.ReadFile("../native/testdata/" + from.file)
		if err != nil {
			t.Fatal(err)
		}
		a.Do(a.Admin, "POST", "/api/roster/v1/import", object{"format": from.format, "records": json.RawMessage(text)}).Want(http.StatusOK)
	}
	a.Do(a.Admin, "POST", "/api/roster/v1/import", object{"format": "roster", "records": []object{{
		"kind": "client", "client_id": "of another roster",
		"document": object{"client_name": "other", "grant_types": []string{"refresh_token", "implicit"}},
	}}}).Want(http.StatusOK)
	if _, _, err := a.Registry.Administrator(t.Context(), "administrator", oauth.NewSecret("s3cret-of-the-administrator")); err != nil {
		t.Fatal(err)
	}
}

// stored is what the database holds of a client.
type stored struct {
	ClientID, Document, Links string
	Version                   int64
}

func (a *api) stored(id string) (s stored) {
	a.t.Helper()
	err := a.Pool.QueryRow(a.t.Context(), `
		SELECT client_id, document::text, version,
			(SELECT coalesce(string_agg(x, ' '), '') FROM (
				SELECT k::text FROM client_keys k WHERE k.client = c.id
				UNION ALL SELECT p::text FROM client_identity_providers p WHERE p.client = c.id
				UNION ALL SELECT s.id::text FROM client_secrets s WHERE s.client = c.id
				UNION ALL (SELECT s::text FROM client_scopes s WHERE s.client = c.id ORDER BY s.position)) x (x))
		FROM clients c WHERE id = $1`, id).Scan(&s.ClientID, &s.Document, &s.Version, &s.Links)
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

// sentBack are ways to send a client back as it is shown.
func sentBack(c object, pairs map[string]string, provider object) map[string]object {
	with := func(change func(object)) object {
		o := maps.Clone(c)
		change(o)
		return o
	}
	reversed := func(o object, member string) {
		if list, ok := o[member].([]any); ok {
			list = slices.Clone(list)
			slices.Reverse(list)
			o[member] = list
		}
	}
	ways := map[string]object{
		"as it is":                c,
		"grants the other way":    with(func(o object) { reversed(o, "supported_grant_types") }),
		"methods the other way":   with(func(o object) { reversed(o, "token_endpoint_auth_methods") }),
		"nothing but its grants":  {"supported_grant_types": c["supported_grant_types"], "authorized_scopes": c["authorized_scopes"]},
		"nothing but its methods": {"token_endpoint_auth_methods": c["token_endpoint_auth_methods"], "authorized_scopes": c["authorized_scopes"]},
		"as the panel does": with(func(o object) {
			if shown, ok := o["supported_grant_types"].([]any); ok {
				list := []any{}
				for _, grant := range panelGrants {
					if slices.Contains(shown, any(grant)) {
						list = append(list, grant)
					}
				}
				o["supported_grant_types"] = list
			}
			if o["identity_provider"].(object)["id"] == provider["id"] {
				o["identity_provider"] = provider
			}
			o["key_pair_id"], o["errors"] = nil, nil
			delete(o, "public_key")
			delete(o, "did")
		}),
	}
	if pair := pairs[c["public_key"].(string)]; pair != "" {
		ways["with the key pair that it shows"] = with(func(o object) { o["key_pair_id"] = pair; reversed(o, "supported_grant_types") })
	}
	return ways
}

func TestSendingAClientBackAsItIsShownChangesNothing(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]boruta.Config{"release": {}, "master": {Master: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startWith(t, config)
			clientsOfEveryDialect(t, a)
			provider := a.Do(a.Admin, "GET", "/api/identity-providers/"+a.provider, nil).Want(http.StatusOK).Object()["data"].(object)
			list := a.Do(a.Admin, "GET", "/api/clients/", nil).Want(http.StatusOK).Object()["data"].([]any)
			pairs := map[string]string{}
			for _, pair := range a.Do(a.Admin, "GET", "/api/key-pairs/", nil).Want(http.StatusOK).Object()["data"].([]any) {
				pairs[pair.(object)["public_key"].(string)] = pair.(object)["id"].(string)
			}
			shared := 0
			for _, c := range list {
				c := a.panel(c.(object))
				before := a.stored(id(c))
				elsewhere := string(a.Do(a.Admin, "GET", "/api/v2/clients/"+url.PathEscape(before.ClientID), nil).Want(http.StatusOK).Body)
				etag := a.Do(a.Admin, "GET", path(c), nil).Want(http.StatusOK).Header.Get("ETag")
				ways := sentBack(c, pairs, provider)
				if ways["with the key pair that it shows"] != nil {
					shared++
				}
				for way, body := range ways {
					for _, method := range []string{"PUT", "PATCH"} {
						answer := a.Do(a.Admin, method, path(c), object{"client": body}).Want(http.StatusOK)
						if diff := cmp.Diff(any(c), answer.Object()["data"]); diff != "" {
							t.Errorf("%s %s, %s: the answer (-before +after):\n%s", method, before.ClientID, way, diff)
						}
						if got := answer.Header.Get("ETag"); got != etag {
							t.Errorf("%s %s, %s: the ETag is %s, was %s", method, before.ClientID, way, got, etag)
						}
						if diff := cmp.Diff(before, a.stored(id(c))); diff != "" {
							t.Errorf("%s %s, %s: stored (-before +after):\n%s", method, before.ClientID, way, diff)
						}
					}
				}
				if after := string(a.Do(a.Admin, "GET", "/api/v2/clients/"+url.PathEscape(before.ClientID), nil).Want(http.StatusOK).Body); after != elsewhere {
					t.Errorf("%s in Auth0's dialect was\n%s\nis\n%s", before.ClientID, elsewhere, after)
				}
			}
			if len(list) < 24 || shared < 10 {
				t.Errorf("%d clients were sent back, %d of them with a shared key pair", len(list), shared)
			}
			var changes int
			if err := a.Pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE action IN ('client.updated', 'client.secret_rotated')`).
				Scan(&changes); err != nil || changes != 0 {
				t.Errorf("%d changes were noted, %v", changes, err)
			}
		})
	}
}

// Other grants change the method that other dialects show only if they make the
// secret needed, or no longer.
func TestGrantsChangeTheMethodOnlyWhereTheSecretDependsOnThem(t *testing.T) {
	t.Parallel()
	a := start(t)
	type step struct {
		grants []string
		method any
	}
	for name, test := range map[string]struct {
		client object
		steps  []step
	}{
		"no method": {object{}, []step{
			{[]string{"client_credentials"}, nil}, {[]string{"authorization_code"}, nil}, {[]string{"revoke", "client_credentials"}, nil},
		}},
		"post": {object{"token_endpoint_auth_method": "client_secret_post"}, []step{
			{[]string{"client_credentials"}, "client_secret_post"}, {[]string{"implicit"}, "client_secret_post"},
		}},
		"none": {object{"token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code"}}, []step{
			{[]string{"implicit", "revoke"}, "none"}, {[]string{"client_credentials"}, "client_secret_basic"}, {[]string{"implicit"}, "none"},
		}},
	} {
		test.client["name"] = name
		made := a.auth0("POST", "", test.client, http.StatusCreated)
		at := a.uuidOf(made["client_id"].(string))
		for i, step := range test.steps {
			c := a.send("PATCH", "/api/clients/"+at, object{"supported_grant_types": step.grants}, http.StatusOK)
			if diff := cmp.Diff(jsonOf(t, step.grants), c["supported_grant_types"]); diff != "" {
				t.Errorf("%s, step %d: grants (-want +got):\n%s", name, i, diff)
			}
			if got := a.auth0("GET", "/"+made["client_id"].(string), nil, http.StatusOK)["token_endpoint_auth_method"]; got != step.method {
				t.Errorf("%s, step %d: the method is %v, want %v", name, i, got, step.method)
			}
		}
	}
}

func TestAKeyPairThatIsShownIsNoChoice(t *testing.T) {
	t.Parallel()
	a := start(t)
	newDefault := func() (id string) {
		t.Helper()
		return a.Do(a.Admin, "POST", "/api/key-pairs", object{"key_pair": object{"is_default": true}}).
			Want(http.StatusCreated).Object()["data"].(object)["id"].(string)
	}
	first := newDefault()
	other := a.uuidOf(a.auth0("POST", "", object{"name": "follows"}, http.StatusCreated)["client_id"].(string))
	chose := a.create(object{"key_pair_id": first})
	own := a.create(nil)
	shown := a.read(other)
	for _, c := range []string{other, id(chose), id(own)} {
		a.send("PATCH", "/api/clients/"+c, object{"key_pair_id": first}, http.StatusOK)
	}
	if got := a.read(id(own))["public_key"]; got != shown["public_key"] {
		t.Error("a client with a key of its own did not choose the pair")
	}
	newDefault()
	if got := a.read(other)["public_key"]; got == shown["public_key"] {
		t.Error("a client that only showed the default pair keeps it")
	}
	for _, c := range []string{id(chose), id(own)} {
		if got := a.read(c)["public_key"]; got != shown["public_key"] {
			t.Errorf("client %s lost the pair that it had chosen", c)
		}
	}
	a.send("PATCH", "/api/clients/"+other, object{"key_pair_id": first}, http.StatusOK) // another one than it shows
	if got := a.read(other)["public_key"]; got != shown["public_key"] {
		t.Error("a pair that was not shown could not be chosen")
	}
}
