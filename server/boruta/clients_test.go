package boruta_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rosterhq/roster/server/boruta"
)

// valid is what upstream's suite sends with every create.
func valid(provider string) object {
	return object{
		"redirect_uris": []string{"http://redirect.uri"}, "access_token_ttl": 10, "authorization_code_ttl": 10,
		"identity_provider": object{"id": provider},
	}
}

func TestClientSuite(t *testing.T) {
	t.Parallel()
	a := startWith(t, boruta.Config{Master: true})
	t.Run("BC-01 no token", func(t *testing.T) {
		t.Parallel()
		a.Do("", "GET", "/api/clients", nil).Want(http.StatusUnauthorized)
	})
	t.Run("BC-02 wrong scope", func(t *testing.T) {
		t.Parallel()
		a.Do(a.Token("read:clients"), "GET", "/api/clients", nil).Want(http.StatusForbidden)
	})
	t.Run("BC-04 bad redirect URI", func(t *testing.T) {
		t.Parallel()
		if errs := a.refused("POST", "/api/clients", object{"redirect_uris": []string{"bad_uri"}}); len(errs) == 0 {
			t.Error("no errors")
		}
	})
	t.Run("BC-05 BC-06 identity provider", func(t *testing.T) {
		t.Parallel()
		for id, want := range map[string]string{uuid.NewString(): "does not exist", "bad_uuid": "has invalid format"} {
			errs := a.refused("POST", "/api/clients", valid(id))
			if diff := cmp.Diff(map[string][]string{"identity_provider_id": {want}}, errs); diff != "" {
				t.Error(diff)
			}
		}
	})
	t.Run("BC-07 create", func(t *testing.T) {
		t.Parallel()
		doc := valid(a.provider)
		doc["trusted_authorities"], doc["trusted_hosts"] = "did:example:issuer", []string{"issuer.example.com"}
		c := a.send("POST", "/api/clients", doc, http.StatusCreated)
		if c["id"] == "" || c["trusted_authorities"] != "did:example:issuer" || !cmp.Equal(c["trusted_hosts"], []any{"issuer.example.com"}) {
			t.Errorf("got %v", c)
		}
	})
	t.Run("BC-08 BC-09 refused changes", func(t *testing.T) {
		t.Parallel()
		c := a.create(nil)
		if errs := a.refused("PUT", path(c), object{"redirect_uris": []string{"bad_uri"}}); len(errs) == 0 {
			t.Error("no errors")
		}
		errs := a.refused("PUT", path(c), object{"redirect_uris": []string{"http://ok.test"}, "identity_provider": object{"id": uuid.NewString()}})
		if diff := cmp.Diff(map[string][]string{"identity_provider_id": {"does not exist"}}, errs); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(c, a.read(id(c))); diff != "" {
			t.Errorf("a refused change left something behind: %s", diff)
		}
	})
	t.Run("BC-11 another identity provider", func(t *testing.T) {
		t.Parallel()
		c, second := a.create(nil), a.newProvider("partners")
		got := a.send("PUT", path(c), object{"redirect_uris": []string{"http://ok.test"}, "identity_provider": object{"id": second}}, http.StatusOK)
		if id(got) != id(c) || !cmp.Equal(a.read(id(c))["identity_provider"], any(object{"id": second, "name": "partners"})) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("BC-12 BC-13 changes", func(t *testing.T) {
		t.Parallel()
		c := a.create(nil)
		got := a.send("PUT", path(c), object{"redirect_uris": []string{"http://updated.redirect.uri"}, "trusted_hosts": []string{"status.example.com"}}, http.StatusOK)
		if id(got) != id(c) || !cmp.Equal(got["redirect_uris"], []any{"http://updated.redirect.uri"}) ||
			got["trusted_authorities"] != "" || !cmp.Equal(got["trusted_hosts"], []any{"status.example.com"}) {
			t.Errorf("got %v", got)
		}
		a.send("PUT", path(c), object{"trusted_authorities": "did:example:issuer"}, http.StatusOK)
		if got := a.send("PUT", path(c), object{"trusted_authorities": ""}, http.StatusOK); got["trusted_authorities"] != "" {
			t.Errorf("trusted_authorities is %v", got["trusted_authorities"])
		}
	})
	t.Run("BC-15 regenerate key pair", func(t *testing.T) {
		t.Parallel()
		c := a.create(nil)
		got := a.Do(a.Admin, "POST", path(c)+"/regenerate_key_pair", nil).Want(http.StatusOK).Object()["data"].(object)
		if got["public_key"] == c["public_key"] || got["public_key"] != a.read(id(c))["public_key"] {
			t.Error("the key pair is the old one, or was not kept")
		}
	})
	t.Run("BC-17 BC-18 BC-19 delete", func(t *testing.T) {
		t.Parallel()
		a.Do(a.Admin, "DELETE", "/api/clients/"+uuid.NewString(), nil).Want(http.StatusNotFound)
		c := a.create(nil)
		r := a.Do(a.Admin, "DELETE", path(c), nil).Want(http.StatusNoContent)
		if len(r.Body) > 0 || r.Header.Get("Content-Type") != "" {
			t.Errorf("the answer has a body: %q", r.Body)
		}
		a.Do(a.Admin, "GET", path(c), nil).Want(http.StatusNotFound)
		a.Do(a.Admin, "DELETE", path(c), nil).Want(http.StatusNotFound)
		var rows int
		if err := a.Pool.QueryRow(t.Context(), `SELECT count(*) FROM client_identity_providers WHERE client = $1`, id(c)).Scan(&rows); err != nil || rows != 0 {
			t.Errorf("%d associations are left, %v", rows, err)
		}
	})
}

func TestClientSuiteBC03ListHasEveryClient(t *testing.T) {
	t.Parallel()
	a := start(t)
	token := a.Token(manager)
	first := a.create(object{"name": "first"})
	list := a.Do(token, "GET", "/api/clients", nil).Want(http.StatusOK).Object()["data"].([]any)
	if len(list) != 2 { // the token's own and the one made here; the global client is not for this dialect
		t.Fatalf("the list has %d clients", len(list))
	}
	for _, c := range list {
		a.panel(c.(object))
	}
	if diff := cmp.Diff(any(first), list[1]); diff != "" {
		t.Error(diff)
	}
}

// BC-10, BC-16 and BI-01, and in which order the rule applies.
func TestProtectedClientIsReadOnly(t *testing.T) {
	t.Parallel()
	const protected, upper = "6a2f41a3-c54c-fce8-32d2-0324e1c32e20", "6A2F41A3-C54C-FCE8-32D2-0324E1C32E20"
	a := start(t)
	forbidden := func(method, path string, body any) {
		t.Helper()
		a.exact(a.Admin, method, path, body, http.StatusForbidden, writeProtected)
	}
	forbidden("DELETE", "/api/clients/"+protected, nil) // even before it exists
	a.Do(a.Admin, "PUT", "/api/clients/"+protected, object{"client": object{}}).Want(http.StatusNotFound)
	c := a.create(object{"id": upper})
	if id(c) != protected {
		t.Fatalf("id is %s", id(c))
	}
	for _, spelling := range []string{protected, upper} {
		at := "/api/clients/" + spelling
		a.Do(a.Admin, "GET", at, nil).Want(http.StatusOK)
		forbidden("PUT", at, object{"client": object{"redirect_uris": []string{"bad_uri"}}})
		forbidden("PATCH", at, object{"client": object{}})
		forbidden("DELETE", at, nil)
		forbidden("POST", at+"/regenerate_key_pair", nil)
		a.Do(a.Admin, "POST", at+"/regenerate_did", nil).Want(http.StatusOK)
	}
	forbidden("DELETE", "/api/identity-providers/"+a.provider, nil)
}

func TestProtectedClientIsConfigured(t *testing.T) {
	t.Parallel()
	other := uuid.NewString()
	a := startWith(t, boruta.Config{ProtectedClient: other})
	a.create(object{"id": other})
	a.Do(a.Admin, "DELETE", "/api/clients/"+other, nil).Want(http.StatusForbidden)
	c := a.create(object{"id": "6a2f41a3-c54c-fce8-32d2-0324e1c32e20"})
	a.Do(a.Admin, "DELETE", path(c), nil).Want(http.StatusNoContent)
}

// A caller that deletes its own client can do nothing any more: the panel's
// button is next to those of all others.
func TestCallersOwnClientIsReadOnly(t *testing.T) {
	t.Parallel()
	a := start(t)
	token, other := a.Token(manager, "identity-providers:manage:all", "read:clients", "update:clients"), a.Token(manager)
	var own, clientID string
	for _, c := range a.Do(token, "GET", "/api/clients", nil).Want(http.StatusOK).Object()["data"].([]any) {
		if own == "" {
			own, clientID = id(c.(object)), c.(object)["public_client_id"].(string)
		}
	}
	at := "/api/clients/" + own
	a.send("PATCH", at, object{"identity_provider": object{"id": a.provider}}, http.StatusOK) // by another
	for _, spelling := range []string{at, "/api/clients/" + strings.ToUpper(own)} {
		shown := a.Do(token, "GET", spelling, nil).Want(http.StatusOK).Object()["data"]
		a.exact(token, "PATCH", spelling, object{"client": object{"name": "mine"}}, http.StatusForbidden, writeProtected)
		a.exact(token, "PUT", spelling, object{"client": shown}, http.StatusForbidden, writeProtected)
		a.exact(token, "POST", spelling+"/regenerate_key_pair", nil, http.StatusForbidden, writeProtected)
		a.exact(token, "DELETE", spelling, nil, http.StatusForbidden, writeProtected)
	}
	a.exact(token, "DELETE", "/api/identity-providers/"+a.provider, nil, http.StatusForbidden, writeProtected)
	a.Do(token, "POST", at+"/regenerate_did", nil).Want(http.StatusOK) // as Boruta
	a.Do(token, "PATCH", "/api/v2/clients/"+clientID, object{"description": "of the caller"}).Want(http.StatusOK)
	a.Do(other, "DELETE", at, nil).Want(http.StatusNoContent)
}

// The table of default values, and what a create adds by itself.
func TestCreateDefaults(t *testing.T) {
	t.Parallel()
	all := []any{
		"client_credentials", "password", "authorization_code", "agent_code", "refresh_token", "implicit",
		"revoke", "introspect", "id_token", "vp_token", "preauthorized_code", "agent_credentials",
	}
	for name, test := range map[string]struct {
		config boruta.Config
		grants []any
	}{
		"0.10":   {boruta.Config{}, all},
		"master": {boruta.Config{Master: true}, []any{"client_credentials", "authorization_code"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startWith(t, test.config)
			r := a.Do(a.Admin, "POST", "/api/clients", object{"client": object{"identity_provider": object{"id": a.provider}}}).Want(http.StatusCreated)
			c := a.panel(r.Object()["data"].(object))
			if got, want := r.Header.Get("Location"), "/api/clients/"+id(c); got != want {
				t.Errorf("location is %q, want %q", got, want)
			}
			if got := r.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
				t.Errorf("content-type is %q", got)
			}
			if !regexp.MustCompile(`^[A-Za-z0-9]{86}$`).MatchString(c["secret"].(string)) {
				t.Errorf("secret is %q", c["secret"])
			}
			if !regexp.MustCompile(`(?s)^-----BEGIN RSA PUBLIC KEY-----\n.*-----END RSA PUBLIC KEY-----\n\n$`).MatchString(c["public_key"].(string)) {
				t.Errorf("public_key is %q", c["public_key"])
			}
			want := object{
				"public_client_id": nil, "check_public_client_id": false, "name": nil, "confidential": false, "redirect_uris": []any{},
				"public_refresh_token": false, "public_revoke": false, "authorize_scope": false, "enforce_dpop": false, "enforce_tx_code": false,
				"access_token_ttl": 86400., "authorization_code_ttl": 600., "authorization_request_ttl": 300., "refresh_token_ttl": 2592000.,
				"id_token_ttl": 86400., "pkce": false, "key_pair_type": object{"type": "rsa", "modulus_size": "2048", "exponent_size": "65537"},
				"signatures_adapter": "Elixir.Boruta.Internal.Signatures", "did": nil, "identity_provider": object{"id": a.provider, "name": "staff"},
				"authorized_scopes": []any{}, "supported_grant_types": test.grants, "id_token_signature_alg": "RS512",
				"userinfo_signed_response_alg": nil, "token_endpoint_jwt_auth_alg": "HS256",
				"token_endpoint_auth_methods": []any{"client_secret_basic", "client_secret_post"}, "jwt_public_key": nil, "response_mode": "direct_post",
				"id": c["id"], "secret": c["secret"], "public_key": c["public_key"],
			}
			if test.config.Master {
				want["trusted_authorities"], want["trusted_hosts"] = "", []any{}
			}
			if diff := cmp.Diff(want, c); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c, a.read(id(c))); diff != "" {
				t.Errorf("read back (-created +read):\n%s", diff)
			}
		})
	}
}

func TestWholeClientSentBackChangesNothing(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(object{
		"name": " two words ", "authorized_scopes": []object{{"name": "b:scope"}, {"name": "a:scope"}}, "confidential": true,
		"supported_grant_types": []string{"revoke", "refresh_token", "vp_token"}, "pkce": nil, "enforce_dpop": nil, "authorize_scope": nil,
		"metadata": object{"deep": object{"list": []int{1}}}, "response_mode": nil, "id_token_signature_alg": nil,
	})
	for _, method := range []string{"PUT", "PATCH"} {
		if diff := cmp.Diff(c, a.send(method, path(c), c, http.StatusOK)); diff != "" {
			t.Errorf("%s (-before +after):\n%s", method, diff)
		}
	}
}

func TestDefaultIdentityProvider(t *testing.T) {
	t.Parallel()
	fallback := uuid.NewString()
	a := startWith(t, boruta.Config{DefaultIdentityProvider: fallback})
	a.Do(a.Admin, "POST", "/api/identity-providers", object{"identity_provider": object{"id": fallback, "name": "fallback", "backend_id": boruta.BackendID}}).Want(http.StatusCreated)
	c := a.send("POST", "/api/clients", object{"key_pair_type": object{"type": "ec", "curve": "P-256"}}, http.StatusCreated)
	if diff := cmp.Diff(any(object{"id": fallback, "name": "fallback"}), c["identity_provider"]); diff != "" {
		t.Error(diff)
	}
}

// However a client is sent, the answer to the change has the bytes of those that
// follow.
func TestAnswersToChangesHaveTheBytesOfLaterOnes(t *testing.T) {
	t.Parallel()
	a := start(t)
	address := path(a.create(nil))
	body := `{ "client" : { "name" : "a\u0026b" , "redirect_uris": [ "https://a.example/?x&y" ] , "metadata": { "b" : 1.0 , "a": [ ] }, "jwt_public_key":"a\/b" } }`
	for _, method := range []string{"PUT", "PATCH"} {
		changed := a.Do(a.Admin, method, address, body).Want(200)
		read := a.Do(a.Admin, "GET", address, nil).Want(200)
		if string(changed.Body) != string(read.Body) || changed.Header.Get("ETag") != read.Header.Get("ETag") {
			t.Errorf("%s: %s %s, then %s %s", method, changed.Header.Get("ETag"), changed.Body, read.Header.Get("ETag"), read.Body)
		}
	}
}
