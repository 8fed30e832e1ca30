package auth0_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

// object is JSON as tests write it.
type object = map[string]any

func clientPath(id string) string { return "/api/v2/clients/" + id }

func publicKeys(t testing.TB, keys ...int) object {
	t.Helper()
	list := []any{}
	for _, i := range keys {
		list = append(list, object{"credential_type": "public_key", "name": fmt.Sprint("key ", i), "pem": keyPEM(t, i)})
	}
	return object{"credentials": list}
}

func byID(ids ...string) object {
	list := []any{}
	for _, id := range ids {
		list = append(list, object{"id": id})
	}
	return object{"credentials": list}
}

// attach makes a client authenticate with credentials of its pool.
func attach(s *servertest.Server, client, method string, ids ...string) servertest.Response {
	return s.Do(s.Admin, "PATCH", clientPath(client), object{
		"client_authentication_methods": object{method: byID(ids...)}, "token_endpoint_auth_method": nil,
	})
}

// member follows a path of member names down an object.
func member(from any, path ...string) any {
	for _, name := range path {
		from, _ = from.(object)[name]
	}
	return from
}

func TestInlineCredentialsAreShownWholeOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	key := credentialKeys[1]().Public()
	cert := certificatePEM(t, key, nil)
	vault := publicKeys(t, 1)
	vault["ip_allowlist"], vault["grants"] = []any{"10.0.0.0/8"}, []any{object{"connection": "google", "scopes": []any{"drive"}}}
	for name, test := range map[string]struct {
		body object
		slot []string
		kind string
	}{
		"private_key_jwt": {
			object{"client_authentication_methods": object{"private_key_jwt": publicKeys(t, 2, 1)}},
			[]string{"client_authentication_methods", "private_key_jwt"}, "public_key",
		},
		"tls_client_auth": {
			object{"client_authentication_methods": object{"tls_client_auth": object{"credentials": []any{
				object{"credential_type": "cert_subject_dn", "subject_dn": "CN=b"}, object{"credential_type": "cert_subject_dn", "pem": cert},
			}}}},
			[]string{"client_authentication_methods", "tls_client_auth"}, "cert_subject_dn",
		},
		"self_signed_tls_client_auth": {
			object{"client_authentication_methods": object{"self_signed_tls_client_auth": object{"credentials": []any{
				object{"credential_type": "x509_cert", "pem": cert, "name": "c"},
			}}}},
			[]string{"client_authentication_methods", "self_signed_tls_client_auth"}, "x509_cert",
		},
		"signed_request_object": {
			object{"signed_request_object": object{"required": true, "credentials": publicKeys(t, 1)["credentials"]}},
			[]string{"signed_request_object"}, "public_key",
		},
		"token_vault_privileged_access": {object{"token_vault_privileged_access": vault}, []string{"token_vault_privileged_access"}, "public_key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			test.body["name"] = "keyed"
			created := s.Do(s.Admin, "POST", "/api/v2/clients", test.body).Want(201).Object()
			client := created["client_id"].(string)
			whole := member(created, append(test.slot, "credentials")...)
			var pool any
			s.Do(s.Admin, "GET", credentialsPath(client), nil).Want(200).Decode(&pool)
			if diff := cmp.Diff(pool, whole); diff != "" {
				t.Errorf("credentials in the answer (-registered +shown):\n%s", diff)
			}
			var ids []any
			for _, c := range whole.([]any) {
				if kind := c.(object)["credential_type"]; kind != test.kind {
					t.Errorf("credential_type %v", kind)
				}
				ids = append(ids, object{"id": c.(object)["id"]})
			}
			if _, shown := created["client_secret"]; shown == (test.slot[0] == "client_authentication_methods") {
				t.Errorf("client_secret shown: %v", shown)
			}
			want := without(member(created, test.slot...).(object))
			want["credentials"] = ids
			for _, method := range []string{"GET", "PATCH"} {
				var body any
				if method == "PATCH" {
					body = object{"description": "x"}
				}
				later := s.Do(s.Admin, method, clientPath(client), body).Want(200).Object()
				wantMembers(t, member(later, test.slot...).(object), want)
			}
		})
	}
}

func TestInlineCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	jwt := func(credentials ...any) object {
		return object{"client_authentication_methods": object{"private_key_jwt": object{"credentials": credentials}}}
	}
	key := object{"credential_type": "public_key", "pem": keyPEM(t, 1)}
	for name, test := range map[string]struct {
		body    object
		message string // part of it
	}{
		"three in a slot":     {object{"client_authentication_methods": object{"private_key_jwt": publicKeys(t, 1, 2, 3)}}, "'Array is too long (3), maximum 2' on property client_authentication_methods.private_key_jwt.credentials"},
		"an id":               {jwt(object{"id": "cred_1234567890123456789012"}), "Additional properties not allowed: id"},
		"one of another type": {jwt(object{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"}), ""},
		"a bad key":           {jwt(object{"credential_type": "public_key", "pem": "garbage"}), "no BEGIN line"},
		"the same key twice":  {jwt(key, object{"credential_type": "public_key", "pem": keyPEM(t, 1), "name": "again", "kid": "another-name"}), "credentials contains public keys that already exist in client"},
		"the same key in two slots": {
			object{"client_authentication_methods": object{"private_key_jwt": publicKeys(t, 1)}, "signed_request_object": publicKeys(t, 1)},
			"credentials contains public keys that already exist in client",
		},
		"the same kid twice": {
			jwt(object{"credential_type": "public_key", "pem": keyPEM(t, 1), "kid": "the-same-kid"}, object{"credential_type": "public_key", "pem": keyPEM(t, 2), "kid": "the-same-kid"}),
			"another credential with the same kid",
		},
		"five": {
			object{
				"client_authentication_methods": object{"private_key_jwt": publicKeys(t, 0, 1)}, "signed_request_object": publicKeys(t, 2, 3),
				"token_vault_privileged_access": object{"credentials": publicKeys(t, 4)["credentials"], "ip_allowlist": []any{"10.0.0.1"}, "grants": []any{object{"connection": "google", "scopes": []any{"x"}}}},
			},
			"A client can have a maximum of 4 credentials.",
		},
		"two methods": {
			object{"client_authentication_methods": object{
				"private_key_jwt": publicKeys(t, 1), "tls_client_auth": object{"credentials": []any{object{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"}}},
			}},
			"Too many properties defined (2), maximum 1",
		},
		"no method":            {object{"client_authentication_methods": object{}}, "Too few properties defined (0), minimum 1"},
		"a method that is not": {object{"client_authentication_methods": object{"client_secret_jwt": publicKeys(t, 1)}}, "Additional properties not allowed: client_secret_jwt"},
		"beside a secret method": {
			object{"client_authentication_methods": object{"private_key_jwt": publicKeys(t, 1)}, "token_endpoint_auth_method": "client_secret_post"},
			"token_endpoint_auth_method must be null while client_authentication_methods is set",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			test.body["name"] = name
			body := s.Do(s.Admin, "POST", "/api/v2/clients", test.body).Want(400).Object()
			if message := body["message"].(string); !strings.Contains(message, test.message) {
				t.Errorf("message %q, want one with %q", message, test.message)
			}
			if body["errorCode"] != "invalid_body" {
				t.Errorf("errorCode %v", body["errorCode"])
			}
			var stored int
			if err := s.Pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM credentials) + (SELECT count(*) FROM clients WHERE name = $1)`, name).Scan(&stored); err != nil || stored != 0 {
				t.Errorf("%d rows are stored: %v", stored, err)
			}
		})
	}
}

func TestAttachingCredentialsReplacesTheSecret(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, object{"token_endpoint_auth_method": "client_secret_post"})
	path := clientPath(client)
	secret := s.Do(s.Admin, "GET", path, nil).Want(200).Object()["client_secret"]
	first, second := addKey(t, s, client, 1), addKey(t, s, client, 2)

	for _, ids := range [][]string{{second, first}, {first}, {first, second}, {}} { // the order is the caller's
		for _, shown := range []object{attach(s, client, "private_key_jwt", ids...).Want(200).Object(), s.Do(s.Admin, "GET", path, nil).Want(200).Object()} {
			wantMembers(t, shown["client_authentication_methods"].(object), object{"private_key_jwt": byID(ids...)})
			for _, gone := range []string{"client_secret", "token_endpoint_auth_method"} {
				if shown[gone] != nil {
					t.Errorf("%s is %v", gone, shown[gone])
				}
			}
		}
	}

	detached := s.Do(s.Admin, "PATCH", path, object{
		"client_authentication_methods": nil, "token_endpoint_auth_method": "client_secret_basic", "signed_request_object": nil,
	}).Want(200).Object()
	wantMembers(t, without(s.Do(s.Admin, "GET", path, nil).Want(200).Object(), "signing_keys"), without(detached, "signing_keys"))
	if detached["client_secret"] != secret || detached["token_endpoint_auth_method"] != "client_secret_basic" || detached["client_authentication_methods"] != nil {
		t.Errorf("after detaching: %v", detached)
	}
	var pool []object
	s.Do(s.Admin, "GET", credentialsPath(client), nil).Want(200).Decode(&pool)
	if len(pool) != 2 {
		t.Errorf("detaching left %d credentials of 2", len(pool))
	}
}

func TestAttachingIsRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client, other := newClient(s, nil), newClient(s, nil)
	key, foreign := addKey(t, s, client, 1), addKey(t, s, other, 1)
	more := []string{addKey(t, s, client, 2), addKey(t, s, client, 3)}
	subject := addCredential(s, client, object{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"})["id"].(string)
	const nobody = "cred_1234567890123456789012"
	jwt := func(ids ...string) object {
		return object{"client_authentication_methods": object{"private_key_jwt": byID(ids...)}, "token_endpoint_auth_method": nil}
	}
	for name, test := range map[string]struct {
		body    object
		message string // part of it
	}{
		"an unknown id":          {jwt(nobody), "private_key_jwt names the credential " + nobody},
		"another client's":       {jwt(key, foreign), "private_key_jwt names the credential " + foreign},
		"an id of another shape": {jwt("key"), "Object didn't pass validation for format credential-id: key"},
		"another type":           {jwt(subject), "is not of type public_key"},
		"another type for TLS":   {object{"client_authentication_methods": object{"tls_client_auth": byID(key)}, "token_endpoint_auth_method": nil}, "is not of type cert_subject_dn"},
		"another type of cert":   {object{"client_authentication_methods": object{"self_signed_tls_client_auth": byID(key)}, "token_endpoint_auth_method": nil}, "is not of type x509_cert"},
		"for signing requests":   {object{"signed_request_object": byID(subject)}, "is not of type public_key"},
		"twice":                  {jwt(key, key), "only once in a slot"},
		"three":                  {jwt(key, more[0], more[1]), "'Array is too long (3), maximum 2'"},
		"whole credentials":      {object{"client_authentication_methods": object{"private_key_jwt": publicKeys(t, 4)}, "token_endpoint_auth_method": nil}, ""},
		"beside a secret method": {object{"client_authentication_methods": object{"private_key_jwt": byID(key)}, "token_endpoint_auth_method": "client_secret_post"}, "must be null while client_authentication_methods is set"},
		"two methods":            {object{"client_authentication_methods": object{"private_key_jwt": byID(key), "tls_client_auth": byID(subject)}, "token_endpoint_auth_method": nil}, "Too many properties defined (2), maximum 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			body := s.Do(s.Admin, "PATCH", clientPath(client), test.body).Want(400).Object()
			if message := body["message"].(string); !strings.Contains(message, test.message) {
				t.Errorf("message %q, want one with %q", message, test.message)
			}
			if s.Do(s.Admin, "GET", clientPath(client), nil).Want(200).Object()["client_secret"] == nil {
				t.Error("the client has lost its secret")
			}
		})
	}
}

func TestAClientKeepsExactlyOneWayToAuthenticate(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, object{"client_authentication_methods": object{"private_key_jwt": publicKeys(t, 1)}})
	for name, body := range map[string]object{
		"no way left":        {"client_authentication_methods": nil},
		"both null":          {"client_authentication_methods": nil, "token_endpoint_auth_method": nil},
		"a secret beside":    {"token_endpoint_auth_method": "client_secret_post"},
		"no secret, but key": {"token_endpoint_auth_method": "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			s.Do(s.Admin, "PATCH", clientPath(client), body).Want(400)
			if s.Do(s.Admin, "GET", clientPath(client), nil).Want(200).Object()["client_authentication_methods"] == nil {
				t.Error("the client has lost its key")
			}
		})
	}
}

func TestDeletingAnAttachedCredentialIsRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for slot, where := range map[string]object{
		"authentication":  {"client_authentication_methods": object{"private_key_jwt": publicKeys(t, 1)}},
		"request objects": {"signed_request_object": publicKeys(t, 1)},
		"token vault": {"token_vault_privileged_access": object{
			"credentials": publicKeys(t, 1)["credentials"], "ip_allowlist": []any{"10.0.0.1"}, "grants": []any{object{"connection": "google", "scopes": []any{"x"}}},
		}},
	} {
		t.Run(slot, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			client := newClient(s, where)
			var pool []object
			s.Do(s.Admin, "GET", credentialsPath(client), nil).Want(200).Decode(&pool)
			path := credentialsPath(client, pool[0]["id"].(string))
			wantMembers(t, s.Do(s.Admin, "DELETE", path, nil).Want(400).Object(), object{
				"statusCode": 400.0, "error": "Bad Request", "message": "Cannot delete credential still associated with a client",
			})
			s.Do(s.Admin, "GET", path, nil).Want(200)
			s.Do(s.Admin, "PATCH", clientPath(client), object{
				"client_authentication_methods": nil, "signed_request_object": nil, "token_vault_privileged_access": nil, "token_endpoint_auth_method": "client_secret_post",
			}).Want(200)
			s.Do(s.Admin, "DELETE", path, nil).Want(204)
			s.Do(s.Admin, "GET", path, nil).Want(404)
		})
	}
}

// The order that Terraform works in: nothing is ever without a live key.
func TestKeysRotateWithoutAGap(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, object{"client_authentication_methods": object{"private_key_jwt": publicKeys(t, 1)}})
	var pool []object
	s.Do(s.Admin, "GET", credentialsPath(client), nil).Want(200).Decode(&pool)
	old := pool[0]["id"].(string)
	for i := 2; i < 5; i++ {
		key := addKey(t, s, client, i)
		attach(s, client, "private_key_jwt", old, key).Want(200)
		attach(s, client, "private_key_jwt", key).Want(200)
		s.Do(s.Admin, "DELETE", credentialsPath(client, old), nil).Want(204)
		old = key
	}
}

func TestAKeyIsRegisteredOncePerClient(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, nil)
	key := credentialKeys[1]().Public()
	addCredential(s, client, object{"credential_type": "public_key", "pem": publicKeyPEM(t, key), "kid": "the-first-kid"})
	const twice = "credentials contains public keys that already exist in client"
	for name, body := range map[string]object{
		"the same":         {"pem": publicKeyPEM(t, key), "kid": "the-first-kid"},
		"another name":     {"pem": publicKeyPEM(t, key), "name": "another"},
		"another kid, alg": {"pem": publicKeyPEM(t, key), "kid": "the-second-kid", "alg": "PS256"},
		"in a certificate": {"pem": certificatePEM(t, key, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			body["credential_type"] = "public_key"
			wantRefusal(t, s.Do(s.Admin, "POST", credentialsPath(client), body), twice)
		})
	}
	wantRefusal(t, s.Do(s.Admin, "POST", credentialsPath(client), object{"credential_type": "public_key", "pem": keyPEM(t, 2), "kid": "the-first-kid"}),
		"The client has another credential with the same kid.")
	addKey(t, s, newClient(s, nil), 1) // other clients are free to have it
}

// A key whose computed name is taken is there already: it is told so.
func TestAKeyWithComputedKidIsRegisteredOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, nil)
	addKey(t, s, client, 1)
	wantRefusal(t, s.Do(s.Admin, "POST", credentialsPath(client), object{"credential_type": "public_key", "pem": keyPEM(t, 1)}),
		"credentials contains public keys that already exist in client")
}

func TestAClientHasFourCredentialsAtMost(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, object{"client_authentication_methods": object{"private_key_jwt": publicKeys(t, 0, 1)}})
	addKey(t, s, client, 2)
	last := addKey(t, s, client, 3)
	wantRefusal(t, s.Do(s.Admin, "POST", credentialsPath(client), object{"credential_type": "public_key", "pem": keyPEM(t, 4)}), "A client can have a maximum of 4 credentials.")
	s.Do(s.Admin, "DELETE", credentialsPath(client, last), nil).Want(204)
	addKey(t, s, client, 4)
}

func TestConcurrentAddsStayWithinTheLimit(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, nil)
	const writers = 16
	answers := make([]servertest.Response, writers)
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			answers[i] = s.Do(s.Admin, "POST", credentialsPath(client), object{"credential_type": "cert_subject_dn", "subject_dn": fmt.Sprint("CN=", i)})
		})
	}
	all.Wait()
	added := 0
	for _, r := range answers {
		if r.Status == http.StatusCreated {
			added++
			continue
		}
		wantRefusal(t, r, "A client can have a maximum of 4 credentials.")
	}
	var pool []object
	s.Do(s.Admin, "GET", credentialsPath(client), nil).Want(200).Decode(&pool)
	if added != 4 || len(pool) != 4 {
		t.Errorf("%d were added, %d are there; want 4", added, len(pool))
	}
}

// Attaching and deleting at once ends with the credential either attached or
// gone, never both.
func TestAttachAndDeleteAtOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for range 8 {
		client := newClient(s, nil)
		id := addCredential(s, client, object{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"})["id"].(string)
		var attached, deleted servertest.Response
		var both sync.WaitGroup
		both.Go(func() { attached = attach(s, client, "tls_client_auth", id) })
		both.Go(func() { deleted = s.Do(s.Admin, "DELETE", credentialsPath(client, id), nil) })
		both.Wait()
		if (attached.Status == 200) == (deleted.Status == 204) || attached.Status >= 500 || deleted.Status >= 500 {
			t.Errorf("attach: %d %s, delete: %d %s", attached.Status, attached.Body, deleted.Status, deleted.Body)
		}
	}
}
