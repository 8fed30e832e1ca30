package boruta_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/servertest"
)

// auth0 sends a request of the Auth0 dialect.
func (a *api) auth0(method, path string, body any, status int) object {
	a.t.Helper()
	r := a.Do(a.Admin, method, "/api/v2/clients"+path, body).Want(status)
	if len(r.Body) == 0 {
		return nil
	}
	return r.Object()
}

// uuidOf finds the id here of a client that another dialect made.
func (a *api) uuidOf(clientID string) string {
	a.t.Helper()
	for _, c := range a.Do(a.Admin, "GET", "/api/clients", nil).Want(http.StatusOK).Object()["data"].([]any) {
		if c.(object)["public_client_id"] == clientID {
			return id(c.(object))
		}
	}
	a.t.Fatalf("no client has the public_client_id %s", clientID)
	return ""
}

func TestClientMadeHereInAuth0sView(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(object{
		"redirect_uris": []string{"https://a.test/cb"}, "supported_grant_types": []string{"client_credentials", "revoke", "preauthorized_code"},
		"enforce_dpop": true, "id_token_signature_alg": "HS256", "logo_uri": "https://a.test/logo",
		"metadata": object{"tier": "gold", "seats": 5, "long": strings.Repeat("x", 300)},
	})
	got := a.auth0("GET", "/"+id(c), nil, http.StatusOK)
	want := object{
		"client_id": id(c), "client_secret": c["secret"], "name": id(c), "callbacks": []any{"https://a.test/cb"}, "require_proof_of_possession": true,
		"grant_types":                []any{"client_credentials", "urn:ietf:params:oauth:grant-type:pre-authorized_code"},
		"token_endpoint_auth_method": "client_secret_basic", "logo_uri": "https://a.test/logo", "client_metadata": object{"tier": "gold"},
	}
	for member, value := range want {
		if diff := cmp.Diff(value, got[member]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", member, diff)
		}
	}
	if alg := got["jwt_configuration"].(object)["alg"]; alg != "HS256" {
		t.Errorf("alg is %v", alg)
	}
	for member := range got {
		if strings.Contains(member, "boruta") || member == "key_pair_type" || member == "public_key" {
			t.Errorf("Auth0's view shows %s", member)
		}
	}
	a.auth0("PATCH", "/"+id(c), object{"client_metadata": object{"tier": nil, "owner": "x"}}, http.StatusOK)
	if diff := cmp.Diff(any(object{"owner": "x"}), a.auth0("GET", "/"+id(c), nil, http.StatusOK)["client_metadata"]); diff != "" {
		t.Error(diff)
	}
}

func TestClientOfAuth0InThisView(t *testing.T) {
	t.Parallel()
	a := start(t)
	made := a.auth0("POST", "", object{
		"name": "spa", "callbacks": []string{"com.example.app:/cb"}, "grant_types": []string{"authorization_code", "urn:ietf:params:oauth:grant-type:device_code"},
		"token_endpoint_auth_method": "none", "jwt_configuration": object{"alg": "PS256"}, "require_proof_of_possession": true,
	}, http.StatusCreated)
	at := a.uuidOf(made["client_id"].(string))
	c := a.read(at)
	shown := object{
		"id": at, "public_client_id": made["client_id"], "name": "spa", "secret": made["client_secret"], "redirect_uris": []any{"com.example.app:/cb"},
		"supported_grant_types": []any{"authorization_code"}, "confidential": false, "id_token_signature_alg": nil, "enforce_dpop": true,
		"identity_provider": object{"id": nil, "name": nil}, "authorized_scopes": []any{}, "did": nil,
	}
	for member, want := range shown {
		if diff := cmp.Diff(want, c[member]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", member, diff)
		}
	}
	if diff := cmp.Diff(c, a.send("PUT", "/api/clients/"+at, c, http.StatusOK)); diff != "" { // what could not be set here is no change
		t.Errorf("sent back (-before +after):\n%s", diff)
	}
	a.send("PATCH", "/api/clients/"+at, object{"supported_grant_types": []string{"refresh_token", "revoke"}, "public_client_id": "alias"}, http.StatusOK)
	got := a.auth0("GET", "/"+made["client_id"].(string), nil, http.StatusOK)
	if diff := cmp.Diff(any([]any{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}), got["grant_types"]); diff != "" {
		t.Error(diff)
	}
	if got["jwt_configuration"].(object)["alg"] != "PS256" || got["token_endpoint_auth_method"] != "none" {
		t.Errorf("got %v", got)
	}
	a.auth0("PATCH", "/"+made["client_id"].(string), object{"grant_types": []string{"implicit"}}, http.StatusOK)
	if diff := cmp.Diff(any([]any{"revoke", "implicit"}), a.read(at)["supported_grant_types"]); diff != "" {
		t.Error(diff)
	}
}

func TestWaysOfAuthenticatingFollowBothDialects(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(object{"supported_grant_types": []string{"authorization_code"}, "token_endpoint_auth_methods": []string{"private_key_jwt", "client_secret_post"}})
	method := func() any { return a.auth0("GET", "/"+id(c), nil, http.StatusOK)["token_endpoint_auth_method"] }
	here := func(confidential bool, methods ...any) {
		t.Helper()
		got := a.read(id(c))
		if diff := cmp.Diff([]any{confidential, methods}, []any{got["confidential"], got["token_endpoint_auth_methods"]}); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if got := method(); got != "none" { // no grant needs the secret
		t.Errorf("method is %v", got)
	}
	here(false, "private_key_jwt", "client_secret_post")
	a.auth0("PATCH", "/"+id(c), object{"token_endpoint_auth_method": "client_secret_basic"}, http.StatusOK)
	here(true, "client_secret_basic", "private_key_jwt")
	a.auth0("PATCH", "/"+id(c), object{"token_endpoint_auth_method": "none"}, http.StatusOK)
	here(false, "private_key_jwt", "client_secret_post") // as it was written here
	a.send("PATCH", path(c), object{"confidential": true}, http.StatusOK)
	if got := method(); got != "client_secret_post" {
		t.Errorf("method is %v", got)
	}
	a.send("PATCH", path(c), object{"confidential": false, "supported_grant_types": []string{"client_credentials"}}, http.StatusOK)
	if got := method(); got != "client_secret_post" { // client_credentials does
		t.Errorf("method is %v", got)
	}
	a.send("PATCH", path(c), object{"token_endpoint_auth_methods": []string{"client_secret_jwt"}}, http.StatusOK)
	if got := method(); got != nil {
		t.Errorf("method is %v", got)
	}
	here(false, "client_secret_jwt")
}

func TestSecretIsTheSameInBothDialects(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(nil)
	rotated := a.auth0("POST", "/"+id(c)+"/rotate-secret", nil, http.StatusOK)["client_secret"]
	if got := a.read(id(c))["secret"]; got != rotated {
		t.Error("the secret that Auth0's dialect made is not shown here")
	}
	a.send("PATCH", path(c), object{"secret": "set-here"}, http.StatusOK)
	if got := a.auth0("GET", "/"+id(c), nil, http.StatusOK)["client_secret"]; got != "set-here" {
		t.Errorf("Auth0's dialect shows %v", got)
	}
}

func TestDeletingIsForBothDialects(t *testing.T) {
	t.Parallel()
	a := start(t)
	here, there := a.create(nil), a.auth0("POST", "", object{"name": "there"}, http.StatusCreated)["client_id"].(string)
	at := a.uuidOf(there)
	a.auth0("DELETE", "/"+id(here), nil, http.StatusNoContent)
	a.Do(a.Admin, "GET", path(here), nil).Want(http.StatusNotFound)
	a.Do(a.Admin, "DELETE", "/api/clients/"+at, nil).Want(http.StatusNoContent)
	a.auth0("GET", "/"+there, nil, http.StatusNotFound)
}

func TestGlobalClientIsHidden(t *testing.T) {
	t.Parallel()
	a := start(t)
	var global string
	if err := a.Pool.QueryRow(t.Context(), `SELECT id FROM clients WHERE is_global`).Scan(&global); err != nil {
		t.Fatal(err)
	}
	at := "/api/clients/" + global
	a.Do(a.Admin, "GET", at, nil).Want(http.StatusNotFound)
	a.Do(a.Admin, "PATCH", at, object{"client": object{}}).Want(http.StatusNotFound)
	a.Do(a.Admin, "DELETE", at, nil).Want(http.StatusNotFound)
	a.Do(a.Admin, "POST", at+"/regenerate_did", nil).Want(http.StatusNotFound)
	a.Do(a.Admin, "POST", at+"/regenerate_key_pair", nil).Want(http.StatusNotFound)
	a.exact(a.Admin, "GET", "/api/clients", nil, http.StatusOK, object{"data": []any{}})
}

func TestClientsWithoutAKeyShareTheDefaultPair(t *testing.T) {
	t.Parallel()
	a := start(t)
	var ids []string
	for _, name := range []string{"one", "two"} {
		clientID := a.auth0("POST", "", object{"name": name}, http.StatusCreated)["client_id"].(string)
		var at string
		if err := a.Pool.QueryRow(t.Context(), `SELECT id FROM clients WHERE client_id = $1`, clientID).Scan(&at); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, at)
	}
	var wait sync.WaitGroup
	keys := make([]any, 8)
	for i := range keys { // the pair is made on first need, once
		wait.Go(func() {
			keys[i] = a.Do(a.Admin, "GET", "/api/clients/"+ids[i%2], nil).Object()["data"].(object)["public_key"]
		})
	}
	wait.Wait()
	pairs := a.Do(a.Admin, "GET", "/api/key-pairs", nil).Want(http.StatusOK).Object()["data"].([]any)
	if len(pairs) != 1 || pairs[0].(object)["is_default"] != true {
		t.Fatalf("key pairs are %v", pairs)
	}
	for _, key := range keys {
		if key != pairs[0].(object)["public_key"] {
			t.Errorf("a client shows %v", key)
		}
	}
	a.Do(a.Admin, "POST", "/api/clients/"+ids[0]+"/regenerate_key_pair", nil).Want(http.StatusOK)
	if a.read(ids[0])["public_key"] == keys[0] || a.read(ids[1])["public_key"] != keys[0] {
		t.Error("a key of one client became that of another, or none was made")
	}
}

// grant lets a client ask for tokens of the management API.
func (a *api) grant(clientID string) {
	a.t.Helper()
	a.Do(a.Admin, "POST", "/api/v2/client-grants", object{"client_id": clientID, "audience": a.Registry.ManagementAudience(), "scope": []string{manager}}).Want(http.StatusCreated)
}

// token asks for a token with a form.
func (a *api) token(form url.Values, header ...string) int {
	a.t.Helper()
	form.Set("grant_type", "client_credentials")
	form.Set("audience", a.Registry.ManagementAudience())
	return a.Do("", "POST", "/oauth/token", form.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...).Status
}

func TestClientMadeHereGetsTokensByTheMethodsItLists(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(nil)
	a.grant(id(c))
	secret := c["secret"].(string)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(id(c)+":"+secret))
	post := func() int { return a.token(url.Values{"client_id": {id(c)}, "client_secret": {secret}}) }
	inHeader := func() int { return a.token(url.Values{}, "Authorization", basic) }
	for _, test := range []struct {
		change         object
		post, inHeader int
	}{
		{object{}, 200, 200},
		{object{"token_endpoint_auth_methods": []string{"client_secret_basic"}}, 401, 200},
		{object{"token_endpoint_auth_methods": []string{"client_secret_post"}}, 200, 401},
		{object{"token_endpoint_auth_methods": []string{}}, 401, 401},
		{object{"token_endpoint_auth_methods": "", "supported_grant_types": []string{"authorization_code"}}, 403, 403},
	} {
		a.send("PATCH", path(c), test.change, http.StatusOK)
		if diff := cmp.Diff([]int{test.post, test.inHeader}, []int{post(), inHeader()}); diff != "" {
			t.Errorf("after %v, post and basic (-want +got):\n%s", test.change, diff)
		}
	}
}

func assertion(t testing.TB, s *servertest.Server, key *rsa.PrivateKey, alg jose.SignatureAlgorithm, clientID string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := s.Clock.Now().Unix()
	jws, err := signer.Sign(jsondoc.Must(object{"iss": clientID, "sub": clientID, "aud": s.Registry.Issuer(), "iat": now, "exp": now + 60, "jti": uuid.NewString()}))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// newKey makes an RSA key and returns it with its public half, PEM.
func newKey(t *testing.T) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestAssertionsOfClientsMadeHere(t *testing.T) {
	t.Parallel()
	a := start(t)
	key, text := newKey(t)
	prove := func(c object, alg jose.SignatureAlgorithm) int {
		return a.token(url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {assertion(t, a.Server, key, alg, id(c))},
		})
	}
	byValue := a.create(object{"jwt_public_key": text, "token_endpoint_jwt_auth_alg": "RS256", "token_endpoint_auth_methods": []string{"private_key_jwt"}})
	a.grant(id(byValue))
	if got := prove(byValue, jose.RS256); got != 200 {
		t.Errorf("status %d with the key by value", got)
	}
	if got := prove(byValue, jose.RS384); got != 401 {
		t.Errorf("status %d with another algorithm", got)
	}
	a.send("PATCH", path(byValue), object{"token_endpoint_auth_methods": []string{"client_secret_basic"}}, http.StatusOK)
	if got := prove(byValue, jose.RS256); got != 401 {
		t.Errorf("status %d without the method", got)
	}

	registered := a.create(nil)
	a.grant(id(registered))
	cred := a.auth0("POST", "/"+id(registered)+"/credentials", object{"credential_type": "public_key", "name": "k", "pem": text}, http.StatusCreated)["id"]
	a.auth0("PATCH", "/"+id(registered), object{"token_endpoint_auth_method": nil, "client_authentication_methods": object{"private_key_jwt": object{"credentials": []object{{"id": cred}}}}}, http.StatusOK)
	if got := prove(registered, jose.RS256); got != 200 {
		t.Errorf("status %d with a credential registered through Auth0's dialect", got)
	}
	view := a.read(id(registered))
	if diff := cmp.Diff(any([]any{"private_key_jwt"}), view["token_endpoint_auth_methods"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(view, a.send("PATCH", path(registered), view, http.StatusOK)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(invalid("token_endpoint_auth_methods", "is invalid"), a.refused("PATCH", path(registered), object{"token_endpoint_auth_methods": []string{"client_secret_basic"}})); diff != "" {
		t.Error(diff)
	}
	if methods := a.auth0("GET", "/"+id(registered), nil, http.StatusOK)["client_authentication_methods"]; methods == nil {
		t.Error("a change here took the registered methods away")
	}
}

func TestListShowsClientsOfBothDialects(t *testing.T) {
	t.Parallel()
	a := start(t)
	first := a.create(object{"name": "first"})
	a.auth0("POST", "", object{"name": "second"}, http.StatusCreated)
	third := a.create(object{"name": "third"})
	a.send("PATCH", path(first), object{"pkce": true}, http.StatusOK) // does not move it
	var names []string
	for _, c := range a.Do(a.Admin, "GET", "/api/clients", nil).Want(http.StatusOK).Object()["data"].([]any) {
		names = append(names, a.panel(c.(object))["name"].(string))
	}
	if diff := cmp.Diff([]string{"first", "second", "third"}, names); diff != "" {
		t.Error(diff)
	}
	list := a.Do(a.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
	var there []object
	list.Decode(&there)
	if !slices.ContainsFunc(there, func(c object) bool { return c["client_id"] == id(third) }) {
		t.Error("Auth0's list lacks a client made here")
	}
}
