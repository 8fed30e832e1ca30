package token_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/servertest"
)

// object is JSON as tests write it.
type object = map[string]any

const (
	jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	form      = "application/x-www-form-urlencoded"
)

// Making an RSA key takes a good part of a second: these serve all tests.
var keys = [...]func() *rsa.PrivateKey{rsaKey(), rsaKey(), rsaKey()}

func rsaKey() func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return key
	})
}

func publicPEM(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func audience(s *servertest.Server) string { return s.URL + "/api/v2/" }

// newClient registers a client with a grant of read:clients and read:client_keys
// on the management API. members may be nil.
func newClient(s *servertest.Server, members object) (id, secret string) {
	body := object{"name": "machine", "grant_types": []string{"client_credentials"}}
	maps.Copy(body, members)
	created := s.Do(s.Admin, "POST", "/api/v2/clients", body).Want(201).Object()
	id = created["client_id"].(string)
	secret, _ = created["client_secret"].(string)
	allow(s, id, audience(s), "read:clients", "read:client_keys")
	return id, secret
}

func allow(s *servertest.Server, client, audience string, scopes ...string) {
	if scopes == nil {
		scopes = []string{}
	}
	s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": client, "audience": audience, "scope": scopes}).Want(201)
}

// newKeyedClient registers a client that authenticates with keys.
func newKeyedClient(t testing.TB, s *servertest.Server, credentials ...object) string {
	t.Helper()
	id, _ := newClient(s, object{"client_authentication_methods": object{"private_key_jwt": object{"credentials": credentials}}})
	return id
}

// credential is a public key to register. members may be nil.
func credential(t testing.TB, key *rsa.PrivateKey, members object) object {
	t.Helper()
	body := object{"credential_type": "public_key", "pem": publicPEM(t, key)}
	maps.Copy(body, members)
	return body
}

// request is a token request with the management audience. Pairs of names and
// values may follow; "" takes a parameter out.
func request(s *servertest.Server, pairs ...string) url.Values {
	params := url.Values{"grant_type": {"client_credentials"}, "audience": {audience(s)}}
	for i := 0; i < len(pairs); i += 2 {
		params.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			params.Del(pairs[i])
		}
	}
	return params
}

// ask sends a token request as a form. Pairs of header names and values may follow.
func ask(s *servertest.Server, params url.Values, header ...string) servertest.Response {
	return s.Do("", "POST", "/oauth/token", params.Encode(), append([]string{"Content-Type", form}, header...)...)
}

// basic is the Authorization header of client_secret_basic (RFC 6749 §2.3.1).
func basic(id, secret string) string {
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return req.Header.Get("Authorization")
}

// claims are those of an assertion as SDKs make it.
func claims(s *servertest.Server, client string, edit ...func(object)) object {
	now := s.Clock.Now()
	c := object{"iss": client, "sub": client, "aud": s.URL + "/", "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": uuid.NewString()}
	for _, f := range edit {
		f(c)
	}
	return c
}

// sign returns the compact JWS of payload. header may be nil.
func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, header, payload object) string {
	t.Helper()
	opts := &jose.SignerOptions{}
	for name, value := range header {
		opts.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// askWith sends a token request with an assertion.
func askWith(s *servertest.Server, assertion string, pairs ...string) servertest.Response {
	return ask(s, request(s, append([]string{"client_assertion", assertion, "client_assertion_type", jwtBearer}, pairs...)...))
}

// wantError fails the test unless the answer is this error of RFC 6749 §5.2.
func wantError(t testing.TB, r servertest.Response, status int, code, description string) {
	t.Helper()
	want := object{"error": code, "error_description": description}
	if diff := cmp.Diff(want, r.Want(status).Object()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", r.Header.Get("Cache-Control"))
	}
}

// keySet reads the service's published keys.
func keySet(s *servertest.Server) *jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	s.Do("", "GET", "/.well-known/jwks.json", nil).Want(200).Decode(&set)
	return &set
}

// open verifies a token and returns its header and claims.
func open(t testing.TB, token string, alg jose.SignatureAlgorithm, key any) (jose.Header, object) {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify(key)
	if err != nil {
		t.Fatal(err)
	}
	var c object
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Header, c
}
