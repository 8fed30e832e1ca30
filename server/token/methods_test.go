package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/servertest"
)

// The secret and the key, keys[0], of every client in this file.
const theSecret = "a-secret-of-enough-characters-for-all"

// proofs tells by which proofs a client authenticates, whether it then gets a
// token or not.
func proofs(t testing.TB, s *servertest.Server, id string) string {
	var taken []string
	for name, answer := range map[string]servertest.Response{
		"post":  ask(s, request(s, "client_id", id, "client_secret", theSecret)),
		"basic": ask(s, request(s), "Authorization", basic(id, theSecret)),
		"key":   askWith(s, sign(t, jose.RS256, keys[0](), nil, claims(s, id))),
	} {
		switch answer.Status {
		case 200, 403:
			taken = append(taken, name)
		case 401:
		default:
			t.Errorf("%s answers %d: %s", name, answer.Status, answer.Body)
		}
	}
	slices.Sort(taken)
	return strings.Join(taken, " ")
}

// methodCase is a client, as a record of an import, and the proofs that its
// methods allow.
type methodCase struct {
	format string
	record object
	want   string
}

// borutaLists are all lists of Boruta's methods, with and without a key.
func borutaLists(t testing.TB) map[string]methodCase {
	cases := map[string]methodCase{}
	methods := []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"}
	for set := range 1 << len(methods) {
		for _, keyed := range []bool{false, true} {
			listed, want := []string{}, []string{}
			for i, m := range methods {
				if set>>i&1 == 1 {
					listed = append(listed, m)
				}
			}
			if slices.Contains(listed, "client_secret_basic") {
				want = append(want, "basic")
			}
			if keyed && slices.Contains(listed, "private_key_jwt") {
				want = append(want, "key")
			}
			if slices.Contains(listed, "client_secret_post") {
				want = append(want, "post")
			}
			record := object{
				"id": uuid.NewString(), "secret": theSecret, "confidential": true, "supported_grant_types": []string{"client_credentials"},
				"token_endpoint_auth_methods": listed, "token_endpoint_jwt_auth_alg": "RS256",
			}
			if keyed {
				record["jwt_public_key"] = publicPEM(t, keys[0]())
			}
			cases[fmt.Sprintf("boruta %v, key %v", listed, keyed)] = methodCase{"boruta", record, strings.Join(want, " ")}
		}
	}
	return cases
}

func ellipticJWK(t testing.TB) object {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var members object
	if raw, err := json.Marshal(jose.JSONWebKey{Key: key.Public()}); err != nil || json.Unmarshal(raw, &members) != nil {
		t.Fatal(err)
	}
	return members
}

// singleMethods are what dialects of a single method write.
func singleMethods(t *testing.T) map[string]methodCase {
	cases := map[string]methodCase{}
	add := func(name, format, want string, record object) {
		if format == "hydra" || format == "auth0" {
			record["client_secret"] = theSecret
		}
		if record["grant_types"] == nil && format != "roster" {
			record["grant_types"] = []string{"client_credentials"}
		}
		if format == "boruta" {
			record["id"], record["secret"] = uuid.NewString(), theSecret
		} else {
			record["client_id"] = strings.NewReplacer(" ", "-", ",", "").Replace(format + "-" + name)
		}
		cases[format+" "+name] = methodCase{format, record, want}
	}
	for _, method := range []string{"client_secret_post", "client_secret_basic"} {
		add(method, "auth0", "basic post", object{"name": "n", "token_endpoint_auth_method": method})
		add(method, "hydra", "basic post", object{"token_endpoint_auth_method": method, "jwks": object{"keys": []object{jwk(t, keys[0](), nil)}}})
	}
	add("no method", "auth0", "basic post", object{"name": "n"})
	add("none", "auth0", "", object{"name": "n", "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code"}})
	add("none", "hydra", "", object{"token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code"}})
	slot := func(more object) object {
		return object{"name": "n", "client_authentication_methods": object{"private_key_jwt": object{"credentials": []object{credential(t, keys[0](), more)}}}}
	}
	add("a key", "auth0", "key", slot(nil))
	add("an expired key", "auth0", "", slot(object{"expires_at": "2001-01-01T00:00:00Z"}))
	add("a name in a certificate", "auth0", "", object{"name": "n", "client_authentication_methods": object{
		"tls_client_auth": object{"credentials": []object{{"credential_type": "cert_subject_dn", "subject_dn": "CN=machine"}}}}})
	for name, key := range map[string]object{
		"elliptic key": ellipticJWK(t), "for encryption": jwk(t, keys[0](), object{"use": "enc"}), "of another algorithm": jwk(t, keys[0](), object{"alg": "RS512"}),
	} {
		add(name, "hydra", "", object{"token_endpoint_auth_method": "private_key_jwt", "jwks": object{"keys": []object{key}}})
	}
	add("a method of its own", "hydra", "", object{"token_endpoint_auth_method": "client_secret_jwt"})
	add("a method of its own", "auth0", "", object{"name": "n", "token_endpoint_auth_method": "tls_client_auth"})
	add("no key at all", "hydra", "", object{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://keys.example/jwks"})
	// All that a client proved itself by is left out: its secret does not stand in for that.
	add("a key that is not shown", "auth0", "", object{"name": "n", "client_authentication_methods": object{"private_key_jwt": object{"credentials": []object{{"id": "cred_1"}}}}})
	add("a slot of another kind", "auth0", "", object{"name": "n", "client_authentication_methods": object{"spiffe": object{}}})
	add("slots that are none", "auth0", "", object{"name": "n", "client_authentication_methods": "key"})
	for name, methods := range map[string]any{"of another kind": []string{"tls_client_auth"}, "that are none": object{"private_key_jwt": true}, "that are a text": "private_key_jwt"} {
		add("methods "+name, "boruta", "", object{"redirect_uris": []string{"https://a.example/cb"}, "supported_grant_types": []string{"client_credentials"}, "token_endpoint_auth_methods": methods})
	}
	held := func(slots any, credentials ...object) object {
		return object{
			"kind": "client", "document": object{"grant_types": []string{"client_credentials"}, "client_authentication_methods": slots},
			"secrets": []object{{"secret": theSecret}}, "credentials": credentials,
		}
	}
	const cred = "cred_0123456789012345678901"
	using := object{"private_key_jwt": object{"credentials": []object{{"id": cred}}}}
	add("a credential that is missing", "roster", "", held(using))
	add("a credential that is broken", "roster", "", held(using, object{"id": cred, "credential_type": "public_key", "pem": "x"}))
	add("slots that are none", "roster", "", held("x"))
	add("a slot of another kind", "roster", "", held(object{"spiffe": object{"credentials": []object{{"id": cred}}}}))
	add("a credential", "roster", "key", held(using, object{"id": cred, "credential_type": "public_key", "pem": publicPEM(t, keys[0]())}))
	add("a key", "hydra", "key", object{"token_endpoint_auth_method": "private_key_jwt", "jwks": object{"keys": []object{jwk(t, keys[0](), nil)}}})
	for method, want := range map[string]string{
		"client_secret_post": "basic post", "client_secret_basic": "basic post", "private_key_jwt": "", "client_secret_jwt": "",
		"tls_client_auth": "", "self_signed_tls_client_auth": "", "none": "", "": "basic post",
	} {
		doc := object{"grant_types": []string{"client_credentials"}}
		if method == "none" {
			doc["grant_types"] = []string{"authorization_code"}
		}
		if method != "" {
			doc["token_endpoint_auth_method"] = method
		}
		dormant := maps.Clone(doc) // keys of members that this method does not name
		dormant["boruta:jwt_public_key"], dormant["token_endpoint_auth_signing_alg"] = publicPEM(t, keys[0]()), "RS256"
		dormant["jwks"] = object{"keys": []object{jwk(t, keys[0](), nil)}}
		for kind, doc := range map[string]object{"": doc, ", a dormant key": dormant} {
			add("method "+method+kind, "roster", want, object{"kind": "client", "document": doc, "secrets": []object{{"secret": theSecret}}})
		}
	}
	return cases
}

// TestClientsAuthenticateByTheirMethodsAlone shows every proof to clients of
// every dialect and every choice of methods.
func TestClientsAuthenticateByTheirMethodsAlone(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	all := borutaLists(t)
	maps.Copy(all, singleMethods(t))
	for name, c := range all {
		outcome := string(s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": c.format, "records": []object{c.record}}).Want(200).Body)
		id, _ := c.record["client_id"].(string)
		if id == "" {
			id = c.record["id"].(string)
		}
		if got := proofs(t, s, id); got != c.want {
			t.Errorf("%s: %q prove the client, want %q; the import said %s", name, got, c.want, outcome)
		}
	}
}

// TestAnotherDialectsMethodOpensNoDormantKey has Auth0's dialect set one method
// for clients with a list of Boruta's.
func TestAnotherDialectsMethodOpensNoDormantKey(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for name, c := range borutaLists(t) {
		for _, method := range []string{"client_secret_post", "client_secret_basic", "none"} {
			record := maps.Clone(c.record)
			id := uuid.NewString()
			record["id"] = id
			s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": "boruta", "records": []object{record}}).Want(200)
			before := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(200).Object()["token_endpoint_auth_method"]
			s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, object{"token_endpoint_auth_method": method, "grant_types": []string{"authorization_code"}}).Want(200)
			want := "basic post"
			switch {
			case before == method:
				want = c.want // Boruta's list says the same, and more
			case method == "none":
				want = ""
			case strings.Contains(c.want, "key"):
				want = "basic key post" // the list names the key, and Boruta's dialect still shows it
			}
			if got := proofs(t, s, id); got != want {
				t.Errorf("%s, then %s: %q prove the client, want %q", name, method, got, want)
			}
		}
	}
}
