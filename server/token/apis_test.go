package token_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

func newAPI(s *servertest.Server, identifier string, members object) object {
	body := object{"identifier": identifier, "scopes": []any{object{"value": "read:x"}, object{"value": "write:x"}}}
	maps.Copy(body, members)
	return s.Do(s.Admin, "POST", "/api/v2/resource-servers", body).Want(201).Object()
}

// wantHMAC fails the test unless the token is signed by HMAC with secret.
func wantHMAC(t testing.TB, token, secret string) {
	t.Helper()
	dot := strings.LastIndexByte(token, '.')
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token[:dot]))
	if want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); token[dot+1:] != want {
		t.Errorf("signature %s, want %s", token[dot+1:], want)
	}
}

func TestTokensAreSignedAsTheAPIWants(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	for name, test := range map[string]struct {
		members object
		alg     jose.SignatureAlgorithm
		expires float64
		claims  object
	}{
		"default":       {nil, jose.RS256, 86400, nil},
		"RS256":         {object{"signing_alg": "RS256", "token_lifetime": 60}, jose.RS256, 60, nil},
		"PS256":         {object{"signing_alg": "PS256", "token_lifetime": 2592000}, jose.PS256, 2592000, nil},
		"RS512":         {object{"signing_alg": "RS512"}, jose.RS512, 86400, nil},
		"HS256":         {object{"signing_alg": "HS256"}, jose.HS256, 86400, nil},
		"own secret":    {object{"signing_alg": "HS256", "signing_secret": "a secret of 32 characters, mine."}, jose.HS256, 86400, nil},
		"short secret":  {object{"signing_alg": "HS256", "signing_secret": "sixteen letters!"}, jose.HS256, 86400, nil},
		"authorization": {object{"token_dialect": "rfc9068_profile_authz"}, jose.RS256, 86400, object{"permissions": []any{"read:x", "write:x"}}},
		"web lifetime":  {object{"token_lifetime": 100, "token_lifetime_for_web": 50}, jose.RS256, 100, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			identifier := "https://api.example/" + name
			api := newAPI(s, identifier, test.members)
			allow(s, id, identifier, "read:x", "write:x")
			body := ask(s, request(s, "client_id", id, "client_secret", secret, "audience", identifier)).Want(200).Object()
			if body["expires_in"] != test.expires || body["scope"] != "read:x write:x" {
				t.Errorf("answer %v", body)
			}
			var key any = keySet(s)
			token := body["access_token"].(string)
			if test.alg == jose.HS256 {
				secret := api["signing_secret"].(string)
				wantHMAC(t, token, secret)
				key = []byte(secret + strings.Repeat("\x00", max(0, 32-len(secret)))) // go-jose takes no shorter one
			}
			_, got := open(t, token, test.alg, key)
			if got["exp"].(float64)-got["iat"].(float64) != test.expires {
				t.Errorf("exp %v, iat %v", got["exp"], got["iat"])
			}
			for _, name := range []string{"iat", "exp", "jti"} {
				delete(got, name)
			}
			want := object{
				"iss": s.URL + "/", "sub": id + "@clients", "aud": identifier, "scope": "read:x write:x", "client_id": id, "azp": id, "gty": "client-credentials",
			}
			maps.Copy(want, test.claims)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			s.Do(token, "GET", "/api/v2/clients", nil).Want(401) // it is for another audience
		})
	}
}

func TestAudienceIsWhatTheAPIIsCalled(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	for identifier, asked := range map[string]string{"https://a.example": "https://a.example/", "https://b.example/": "https://b.example", "urn:c": "urn:c"} {
		newAPI(s, identifier, nil)
		allow(s, id, identifier, "read:x")
		token := ask(s, request(s, "client_id", id, "client_secret", secret, "audience", asked)).Want(200).Object()["access_token"].(string)
		if _, got := open(t, token, jose.RS256, keySet(s)); got["aud"] != identifier {
			t.Errorf("asked for %q, aud is %q", asked, got["aud"])
		}
	}
	// Two APIs whose names differ by the slash stay two.
	for _, identifier := range []string{"https://d.example", "https://d.example/"} {
		newAPI(s, identifier, nil)
	}
	allow(s, id, "https://d.example", "read:x")
	for asked, status := range map[string]int{"https://d.example": 200, "https://d.example/": 403} {
		ask(s, request(s, "client_id", id, "client_secret", secret, "audience", asked)).Want(status)
	}
}

func TestGrantsOfAllScopesAndOfClasses(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const api = "https://api.example"
	created := newAPI(s, api, nil)
	id, secret := newClient(s, nil)
	stranger, strangerSecret := newClient(s, object{"is_first_party": false, "third_party_security_mode": "permissive"})
	scope := func(id, secret string, pairs ...string) any {
		return ask(s, request(s, append([]string{"client_id", id, "client_secret", secret, "audience", api}, pairs...)...)).Want(200).Object()["scope"]
	}

	s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"default_for": "third_party_clients", "audience": api, "scope": []any{"read:x"}}).Want(201)
	if got := scope(stranger, strangerSecret); got != "read:x" {
		t.Errorf("a third-party client gets %v", got)
	}
	ask(s, request(s, "client_id", id, "client_secret", secret, "audience", api)).Want(403) // a first-party one is not meant

	allow(s, stranger, api, "write:x")
	if got := scope(stranger, strangerSecret); got != "write:x" {
		t.Errorf("a client with a grant of its own gets %v", got)
	}

	s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": id, "audience": api, "allow_all_scopes": true}).Want(201)
	if got := scope(id, secret); got != "read:x write:x" {
		t.Errorf("a grant of all scopes gives %v", got)
	}
	s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/"+created["id"].(string), object{"scopes": []any{object{"value": "new:x"}}}).Want(200)
	if got := scope(id, secret); got != "new:x" {
		t.Errorf("after the API has changed it gives %v", got)
	}
	s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/"+created["id"].(string), object{"scopes": []any{}}).Want(200)
	if got := scope(id, secret); got != nil {
		t.Errorf("an API without scopes gives %v", got)
	}
}

func TestKeySetAndMetadata(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Do("", "GET", "/.well-known/jwks.json", nil).Want(200)
	var set struct{ Keys []object }
	r.Decode(&set)
	if len(set.Keys) == 0 {
		t.Fatal("no keys")
	}
	for _, key := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if key[private] != nil {
				t.Errorf("the private member %s is published", private)
			}
		}
		if key["kty"] != "RSA" || key["use"] != "sig" || key["kid"] == "" || key["e"] != "AQAB" || len(key["n"].(string)) != 342 {
			t.Errorf("key %v", key)
		}
	}
	if r.Header.Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("Cache-Control %q", r.Header.Get("Cache-Control"))
	}
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		got := s.Do("", "GET", path, nil).Want(200).Object()
		for name, want := range map[string]any{
			"issuer": s.URL + "/", "token_endpoint": s.URL + "/oauth/token", "jwks_uri": s.URL + "/.well-known/jwks.json",
			"grant_types_supported":                            []any{"client_credentials"},
			"token_endpoint_auth_methods_supported":            []any{"client_secret_basic", "client_secret_post", "private_key_jwt"},
			"token_endpoint_auth_signing_alg_values_supported": []any{"RS256", "RS384", "PS256"},
		} {
			if diff := cmp.Diff(want, got[name]); diff != "" {
				t.Errorf("%s of %s (-want +got):\n%s", name, path, diff)
			}
		}
	}
}
