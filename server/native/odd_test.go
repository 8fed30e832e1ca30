package native_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
)

// oddKeys are made once.
var oddKeys = sync.OnceValue(func() map[string]crypto.PublicKey {
	keys := map[string]crypto.PublicKey{}
	for name, bits := range map[string]int{"a": 2048, "b": 2048, "c": 2048, "weak": 1024} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		keys[name] = key.Public()
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	keys["ec"] = key.Public()
	return keys
})

// jwk is a public key with further members.
func jwk(t *testing.T, name string, more object) object {
	t.Helper()
	raw, err := (&jose.JSONWebKey{Key: oddKeys()[name]}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var key object
	if err := json.Unmarshal(raw, &key); err != nil {
		t.Fatal(err)
	}
	for member, value := range more {
		key[member] = value
	}
	return key
}

func pemOf(t *testing.T, name string) string {
	t.Helper()
	text, err := oauth.PublicKeyPEM(oddKeys()[name])
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// oddRecord is a record with something that cannot be imported.
type oddRecord struct {
	format  string
	record  object
	dropped []string // members of the warnings that somebody must look at
	keys    int      // that authenticate the client
}

func oddRecords(t *testing.T) map[string]oddRecord {
	hydra := func(more object) object { return with(object{"redirect_uris": []string{"https://a.example/cb"}}, more) }
	signer := func(keys ...object) object {
		return object{"grant_types": []string{"client_credentials"}, "token_endpoint_auth_method": "private_key_jwt", "jwks": object{"keys": keys}}
	}
	auth0 := func(more object) object {
		return with(object{"name": "odd", "callbacks": []string{"https://a.example/cb"}}, more)
	}
	slot := func(credentials ...object) object {
		return auth0(object{"client_authentication_methods": object{"private_key_jwt": object{"credentials": credentials}}})
	}
	boruta := func(more object) object {
		return with(object{"name": "odd", "redirect_uris": []string{"https://a.example/cb"}}, more)
	}
	roster := func(document object, more object) object {
		return with(object{"kind": "client", "document": with(object{"client_name": "odd"}, document)}, more)
	}
	credential := func(id, key string) object {
		return object{"id": "cred_" + strings.Repeat(id, 22), "credential_type": "public_key", "pem": pemOf(t, key)}
	}
	used := func(ids ...string) object {
		var list []object
		for _, id := range ids {
			list = append(list, object{"id": "cred_" + strings.Repeat(id, 22)})
		}
		return object{"client_authentication_methods": object{"private_key_jwt": object{"credentials": list}}}
	}
	return map[string]oddRecord{
		"hydra: a URN among addresses":   {"hydra", hydra(object{"redirect_uris": []string{"https://a.example/cb", "urn:ietf:wg:oauth:2.0:oob"}}), []string{"redirect_uris[1]"}, 0},
		"hydra: an international host":   {"hydra", hydra(object{"redirect_uris": []string{"https://bücher.example/cb", "https://a.example/cb"}}), []string{"redirect_uris[0]"}, 0},
		"hydra: a bar":                   {"hydra", hydra(object{"redirect_uris": []string{"https://a.example/cb?a|b"}}), []string{"redirect_uris[0]"}, 0},
		"hydra: an address that is none": {"hydra", hydra(object{"redirect_uris": []any{"https://a.example/cb", 5, nil}}), []string{"redirect_uris[1]", "redirect_uris[2]"}, 0},
		"hydra: addresses that are none": {"hydra", hydra(object{"redirect_uris": "https://a.example/cb"}), []string{"redirect_uris"}, 0},
		"hydra: metadata that is a list": {"hydra", hydra(object{"metadata": []string{"pay", "eu"}}), []string{"metadata"}, 0},
		"hydra: metadata that is a text": {"hydra", hydra(object{"metadata": "pay"}), []string{"metadata"}, 0},
		"hydra: a logo that is a script": {"hydra", hydra(object{"logo_uri": "javascript:alert(1)", "client_uri": "nowhere"}), []string{"client_uri", "logo_uri"}, 0},
		"hydra: an origin with a slash":  {"hydra", hydra(object{"allowed_cors_origins": []string{"https://a.example", "*"}}), []string{"allowed_cors_origins[1]"}, 0},
		"hydra: a lifespan":              {"hydra", hydra(object{"jwt_bearer_grant_access_token_lifespan": "an hour"}), []string{"jwt_bearer_grant_access_token_lifespan"}, 0},
		"hydra: a flag that is a text":   {"hydra", hydra(object{"skip_consent": "yes"}), []string{"skip_consent"}, 0},
		"hydra: grant types":             {"hydra", hydra(object{"grant_types": "client_credentials"}), []string{"grant_types"}, 0},
		"hydra: a method of its own":     {"hydra", hydra(object{"token_endpoint_auth_method": "client_secret_jwt"}), []string{"token_endpoint_auth_method"}, 0},
		"hydra: a public robot":          {"hydra", hydra(object{"token_endpoint_auth_method": "none", "grant_types": []string{"client_credentials", "refresh_token"}}), []string{"grant_types"}, 0},
		"hydra: a secret that is long":   {"hydra", hydra(object{"client_secret": strings.Repeat("x", 1025)}), []string{"client_secret"}, 0},
		"hydra: a key for encryption":    {"hydra", signer(jwk(t, "a", object{"use": "enc", "alg": "RSA-OAEP-256"}), jwk(t, "b", object{"use": "enc"}), jwk(t, "c", object{"use": "sig", "alg": "RS256"})), []string{"jwks.keys[0]", "jwks.keys[1]"}, 1},
		"hydra: a key for wrapping":      {"hydra", signer(jwk(t, "a", object{"key_ops": []string{"wrapKey"}}), jwk(t, "b", object{"key_ops": []string{"verify"}})), []string{"jwks.keys[0]"}, 1},
		"hydra: an alg of encryption":    {"hydra", signer(jwk(t, "a", object{"alg": "RSA-OAEP"}), jwk(t, "b", object{"alg": "PS256"})), []string{"jwks.keys[0]"}, 1},
		"hydra: an alg not taken":        {"hydra", signer(jwk(t, "a", object{"alg": "RS512"}), jwk(t, "b", nil)), []string{"jwks.keys[0]"}, 1},
		"hydra: a weak key":              {"hydra", signer(jwk(t, "weak", nil), jwk(t, "a", nil)), []string{"jwks.keys[0]"}, 1},
		"hydra: a weak key alone":        {"hydra", signer(jwk(t, "weak", nil)), []string{"jwks.keys[0]"}, 0},
		"hydra: one key under two kids":  {"hydra", signer(jwk(t, "a", object{"kid": "first-of-two"}), jwk(t, "a", object{"kid": "second-of-two"})), []string{"jwks.keys[1]"}, 1},
		"hydra: two keys under one kid":  {"hydra", signer(jwk(t, "a", object{"kid": "one-for-two"}), jwk(t, "b", object{"kid": "one-for-two"})), []string{"jwks.keys[1].kid"}, 2},
		"hydra: a short kid":             {"hydra", signer(jwk(t, "a", object{"kid": "1"})), []string{"jwks.keys[0].kid"}, 1},
		"hydra: a third key":             {"hydra", signer(jwk(t, "a", nil), jwk(t, "b", nil), jwk(t, "c", nil)), []string{"jwks.keys[2]"}, 2},
		"hydra: an elliptic key":         {"hydra", signer(jwk(t, "ec", nil), jwk(t, "a", nil)), []string{"jwks.keys[0]"}, 1},
		"hydra: a symmetric key":         {"hydra", signer(object{"kty": "oct", "k": "c2VjcmV0"}, jwk(t, "a", nil)), []string{"jwks.keys[0]"}, 1},
		"hydra: keys that are none":      {"hydra", signer(object{"kty": "x"}, object{}), []string{"jwks.keys[0]", "jwks.keys[1]"}, 0},
		"hydra: a set that is none":      {"hydra", hydra(object{"jwks": []any{}}), []string{"jwks"}, 0},

		"auth0: a fragment":               {"auth0", auth0(object{"callbacks": []string{"https://a.example/#/cb", "https://a.example/cb"}}), []string{"callbacks[0]"}, 0},
		"auth0: a script":                 {"auth0", auth0(object{"callbacks": []string{"javascript:alert(1)"}, "logo_uri": "data:x"}), []string{"callbacks[0]", "logo_uri"}, 0},
		"auth0: no name":                  {"auth0", object{}, []string{"name"}, 0},
		"auth0: a name with a tag":        {"auth0", auth0(object{"name": "<b>"}), []string{"name"}, 0},
		"auth0: a lifetime":               {"auth0", auth0(object{"jwt_configuration": object{"lifetime_in_seconds": "long", "alg": "RS256"}}), []string{"jwt_configuration.lifetime_in_seconds"}, 0},
		"auth0: rotation without expiry":  {"auth0", auth0(object{"refresh_token": object{"rotation_type": "rotating"}}), []string{"refresh_token"}, 0},
		"auth0: an unknown kind":          {"auth0", auth0(object{"app_type": "toaster"}), []string{"app_type"}, 0},
		"auth0: metadata":                 {"auth0", auth0(object{"client_metadata": object{"a": "b", "c": object{"d": "e"}}}), []string{"client_metadata.c"}, 0},
		"auth0: a public robot":           {"auth0", auth0(object{"token_endpoint_auth_method": "none", "grant_types": []string{"client_credentials"}}), []string{"grant_types"}, 0},
		"auth0: a secret that is none":    {"auth0", auth0(object{"client_secret": []string{"s"}}), []string{"client_secret"}, 0},
		"auth0: a weak key":               {"auth0", slot(object{"pem": pemOf(t, "weak")}, object{"pem": pemOf(t, "a")}), []string{"client_authentication_methods.private_key_jwt.credentials[0].pem"}, 1},
		"auth0: a key twice":              {"auth0", slot(object{"pem": pemOf(t, "a")}, object{"pem": pemOf(t, "a"), "alg": "PS256"}), []string{"client_authentication_methods.private_key_jwt.credentials[1]"}, 1},
		"auth0: a third key":              {"auth0", slot(object{"pem": pemOf(t, "a")}, object{"pem": pemOf(t, "b")}, object{"pem": pemOf(t, "c")}), []string{"client_authentication_methods.private_key_jwt.credentials[2]"}, 2},
		"auth0: methods that are none":    {"auth0", auth0(object{"client_authentication_methods": []any{}}), []string{"client_authentication_methods"}, 0},
		"auth0: an API that is not there": {"auth0", auth0(object{"resource_server_identifier": "urn:none"}), []string{"resource_server_identifier"}, 0},

		"boruta: a fragment":           {"boruta", boruta(object{"redirect_uris": []any{"https://a.example/#x", "https://a.example/cb", nil, 5}}), []string{"redirect_uris[0]", "redirect_uris[2]", "redirect_uris[3]"}, 0},
		"boruta: a lifetime":           {"boruta", boruta(object{"access_token_ttl": 99999999, "pkce": "perhaps"}), []string{"access_token_ttl", "pkce"}, 0},
		"boruta: an alg":               {"boruta", boruta(object{"id_token_signature_alg": "none", "response_mode": "smoke"}), []string{"id_token_signature_alg", "response_mode"}, 0},
		"boruta: methods":              {"boruta", boruta(object{"token_endpoint_auth_methods": []string{"client_secret_basic", "tls"}}), []string{"token_endpoint_auth_methods[1]"}, 0},
		"boruta: a long name":          {"boruta", boruta(object{"name": strings.Repeat("x", 256), "secret": strings.Repeat("x", 1025)}), []string{"name", "secret"}, 0},
		"boruta: scopes":               {"boruta", boruta(object{"authorized_scopes": []any{object{"name": "read"}, object{"name": ""}, 5}}), []string{"authorized_scopes[1]", "authorized_scopes[2]"}, 0},
		"boruta: a provider":           {"boruta", boruta(object{"identity_provider": object{"id": "x"}}), []string{"identity_provider.id"}, 0},
		"boruta: a key for encryption": {"boruta", boruta(object{"jwk": jwk(t, "a", object{"use": "enc"})}), []string{"jwk"}, 0},
		"boruta: a key that is none":   {"boruta", boruta(object{"jwk": object{"kty": "oct", "k": "c2VjcmV0"}}), []string{"jwk"}, 0},
		"boruta: a private key":        {"boruta", boruta(object{"public_key": privatePEM(t), "jwt_public_key": privatePEM(t)}), []string{"jwt_public_key", "public_key"}, 0},

		"roster: a script":                {"roster", roster(object{"redirect_uris": []string{"javascript:x", "https://a.example/cb"}}, nil), []string{"redirect_uris[0]"}, 0},
		"roster: a type":                  {"roster", roster(object{"auth0:app_type": 5}, nil), []string{"auth0:app_type"}, 0},
		"roster: a private key":           {"roster", roster(object{"public_key": privatePEM(t)}, nil), []string{"public_key"}, 0},
		"roster: a symmetric key":         {"roster", roster(object{"jwks": object{"keys": []object{{"kty": "oct", "k": "c2VjcmV0"}}}}, nil), []string{"jwks"}, 0},
		"roster: a time":                  {"roster", roster(nil, object{"created_at": "yesterday"}), []string{"created_at"}, 0},
		"roster: an id":                   {"roster", roster(nil, object{"id": "x"}), []string{"id"}, 0},
		"roster: a key pair":              {"roster", roster(nil, object{"key_pair": "5f0c1a52-6bb0-4d2e-9d52-8a9d3a1a2c11"}), []string{"key_pair"}, 0},
		"roster: secrets":                 {"roster", roster(nil, object{"secrets": []any{object{"secret": "a"}, object{"secret": "b"}, object{"secret": 5}}}), []string{"secrets[1]", "secrets[2]"}, 0},
		"roster: a weak key":              {"roster", roster(used("a", "b"), object{"credentials": []object{credential("a", "weak"), credential("b", "b")}}), []string{"client_authentication_methods.private_key_jwt.credentials[0]", "credentials[0].pem"}, 1},
		"roster: a key twice":             {"roster", roster(used("a"), object{"credentials": []object{credential("a", "a"), credential("b", "a")}}), []string{"credentials[1]"}, 1},
		"roster: a key that is not there": {"roster", roster(used("a"), nil), []string{"client_authentication_methods.private_key_jwt.credentials[0]"}, 0},
		"roster: scopes":                  {"roster", roster(nil, object{"authorized_scopes": []any{object{"name": ""}, "x"}}), []string{"authorized_scopes[0]", "authorized_scopes[1]"}, 0},
		"roster: a provider":              {"roster", roster(nil, object{"identity_provider": object{"id": "x"}}), []string{"identity_provider"}, 0},
		"roster: a private half":          {"roster", roster(nil, object{"private_key": privatePEM(t)}), []string{"private_key"}, 0},
	}
}

func with(record, more object) object {
	all := object{}
	for _, one := range []object{record, more} {
		for member, value := range one {
			all[member] = value
		}
	}
	return all
}

// TestOneOddMemberLosesNoClient imports records of which a part cannot be
// imported, and uses every door on what came of them.
func TestOneOddMemberLosesNoClient(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for name, odd := range oddRecords(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			id := "odd client/" + name
			id = strings.NewReplacer(" ", "-", ":", "").Replace(id)
			record := with(odd.record, object{"client_id": id})
			if odd.format == "boruta" {
				id = oauthUUID(name)
				record = with(odd.record, object{"id": id})
			}
			if got := importStrictly(s, odd.format, record)[0]; got.Outcome != "failed" || got.Error.Code != "invalid" || got.Error.Member == "" {
				t.Errorf("strictly: %+v", got)
			}
			s.Do(s.Admin, "GET", "/api/v2/clients/"+url.PathEscape(id), nil).Want(404)
			for _, want := range []string{"created", "unchanged"} {
				got := importRecords(s, s.Admin, odd.format, false, record)[0]
				var dropped []string
				for _, w := range got.Warnings {
					if w.Code == "dropped" {
						dropped = append(dropped, w.Member)
					}
					if strings.Contains(w.Message, "c2VjcmV0") || strings.Contains(w.Message, "xxxx") {
						t.Errorf("the warning repeats a secret: %s", w.Message)
					}
				}
				slices.Sort(dropped)
				if got.Outcome != want || !slices.Equal(dropped, odd.dropped) {
					t.Errorf("%+v, want %s without %q", got, want, odd.dropped)
				}
			}
			var keys int
			if err := s.Pool.QueryRow(t.Context(), `SELECT count(*) FROM credential_uses u JOIN clients c ON c.id = u.client WHERE c.client_id = $1`, id).Scan(&keys); err != nil || keys != odd.keys {
				t.Errorf("%d keys authenticate it, want %d, %v", keys, odd.keys, err)
			}
			everyDoor(t, s, id)
		})
	}
}

// everyDoor reads, changes and deletes a client through each dialect; servertest
// holds each answer to the specification.
func everyDoor(t *testing.T, s *servertest.Server, id string) {
	t.Helper()
	path := "/api/v2/clients/" + url.PathEscape(id)
	var uuid string
	if err := s.Pool.QueryRow(t.Context(), "SELECT id::text FROM clients WHERE client_id = $1", id).Scan(&uuid); err != nil {
		t.Fatal(err)
	}
	s.Do(s.Admin, "GET", path, nil).Want(200)
	s.Do(s.Admin, "GET", path+"/credentials", nil).Want(200)
	s.Do(s.Admin, "PATCH", path, object{"description": "changed by Auth0's dialect"}).Want(200)
	s.Do(s.Admin, "GET", "/api/clients/"+uuid, nil).Want(200)
	s.Do(s.Admin, "PATCH", "/api/clients/"+uuid, object{"client": object{"name": "changed by Boruta's"}}).Want(200)
	s.Do(s.Admin, "GET", "/api/roster/v1/clients/"+url.PathEscape(id)+"/secrets", nil).Want(200)
	var own object
	for _, r := range exportAll(s, s.Admin, 100, true) {
		if one := r.(object); one["kind"] == "client" && one["client_id"] == id {
			own = one
		}
	}
	if own == nil {
		t.Fatal("the export does not have it")
	}
	if got := importRecords(s, s.Admin, "roster", false, own)[0]; got.Outcome != "unchanged" {
		t.Errorf("importing its export: %+v", got)
	}
	own["document"].(object)["client_name"] = "changed by the import"
	if got := importRecords(s, s.Admin, "roster", false, own)[0]; got.Outcome != "updated" {
		t.Errorf("importing a changed export: %+v", got)
	}
	if name := s.Do(s.Admin, "GET", path, nil).Want(200).Object()["name"]; name != "changed by the import" {
		t.Errorf("it is called %v", name)
	}
	s.Do(s.Admin, "DELETE", path, nil).Want(204)
	if got := importAgain(s, "roster", own)[0]; got.Outcome != "created" {
		t.Errorf("importing it again: %+v", got)
	}
	s.Do(s.Admin, "DELETE", "/api/clients/"+uuid, nil).Want(204)
}

// importAgain is importRecords with restore.
func importAgain(s *servertest.Server, format string, records ...any) []result {
	var body struct{ Results []result }
	s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": format, "restore": true, "records": records}).Want(200).Decode(&body)
	return body.Results
}

// importStrictly is importRecords with strict.
func importStrictly(s *servertest.Server, format string, records ...any) []result {
	var body struct{ Results []result }
	s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": format, "strict": true, "records": records}).Want(200).Decode(&body)
	return body.Results
}

// oauthUUID is a uuid that a name always has.
func oauthUUID(name string) string {
	sum := crypto.SHA256.New()
	sum.Write([]byte(name))
	h := fmt.Sprintf("%x", sum.Sum(nil))
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32]
}

// TestWhatIsImportedCanBeUsedByEveryDoor imports clients with what their own
// products allow and others do not know.
func TestWhatIsImportedCanBeUsedByEveryDoor(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	records := map[string][]any{"auth0": fixture(t, "auth0-clients.json"), "boruta": fixture(t, "boruta.json"), "hydra": fixture(t, "hydra.json")}
	records["hydra"] = append(records["hydra"],
		object{"client_id": "tags", "client_name": "<b>&\"'", "scope": "", "contacts": []string{"", "x"}, "owner": "🦉"},
		object{"client_id": "long-name", "client_name": strings.Repeat("n", 3000), "redirect_uris": []string{"com.example.app:/cb", "app://x", "http://127.0.0.1/cb"}},
		object{"client_id": "keys-elsewhere", "jwks_uri": "http://keys.example/jwks", "token_endpoint_auth_method": "private_key_jwt", "grant_types": []string{"client_credentials", "urn:x", ""}},
		object{"client_id": "algs", "userinfo_signed_response_alg": "RS256", "id_token_signed_response_alg": "PS512", "request_object_signing_alg": "none", "token_endpoint_auth_signing_alg": "HS1"},
		object{"client_id": "metadata", "metadata": object{"": 1, "deep": object{"a": []any{nil, 1.5, "x"}}, strings.Repeat("k", 300): true}, "logo_uri": "http://a.example/x.png", "response_types": []string{"code token"}},
		object{"client_id": "logout", "post_logout_redirect_uris": []string{"https://a.example/#/bye"}, "frontchannel_logout_uri": "http://a.example/out", "backchannel_logout_uri": "http://a.example/out", "backchannel_logout_session_required": true},
	)
	for format, list := range records {
		for i, r := range importRecords(s, s.Admin, format, false, list...) {
			if r.Kind != "client" || r.Outcome == "skipped" {
				continue
			}
			if r.Outcome != "created" {
				t.Errorf("%s, record %d: %+v", format, i, r)
				continue
			}
			everyDoor(t, s, r.Target)
		}
	}
}

func TestStrictImportFailsARecordAndNoOther(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	results := importStrictly(s, "hydra",
		object{"client_id": "first", "redirect_uris": []string{"https://a.example/cb"}},
		object{"client_id": "second", "redirect_uris": []string{"https://a.example/cb", "urn:x"}},
		object{"client_id": "third", "client_name": "third", "backgroundColor": "red"},
		object{"client_id": "fourth", "client_secret": "$2a$10$abcdefghijklmnopqrstuv"},
		object{"client_id": "fifth", "client_secret": "a-secret-in-plain-text"})
	if got := strings.Join(outcomes(results), ", "); got != "created , failed invalid, failed invalid, failed invalid, created " {
		t.Errorf("%s: %+v", got, results)
	}
	var n int
	if err := s.Pool.QueryRow(t.Context(), `SELECT count(*) FROM clients WHERE client_id IN ('second', 'third', 'fourth')`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d of the failed ones are there, %v", n, err)
	}
}

func TestIdentifiersThatNoDoorCanNameAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, id := range []string{".", "..", "", "a\tb", "ü", "a b", "a|b"} {
		for _, format := range []string{"auth0", "hydra"} {
			if got := importRecords(s, s.Admin, format, false, object{"client_id": id, "name": "n"})[0]; got.Outcome != "failed" || got.Error.Member != "client_id" {
				t.Errorf("%s, %s: %+v", format, id, got)
			}
		}
	}
	for _, id := range []string{"a/b", "a%2Fb", "%2e%2e", "a?b#c", "...", "-", `a"b\c`, "a+b&c=d", "https://a.example/client", "operator"} {
		if got := importRecords(s, s.Admin, "hydra", false, object{"client_id": id})[0]; got.Outcome != "created" {
			t.Errorf("%s: %+v", id, got)
			continue
		}
		everyDoor(t, s, id)
	}
}
