package abuse

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	dialect "github.com/rosterhq/roster/server/boruta"
)

type object = map[string]any

const (
	jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	form      = "application/x-www-form-urlencoded"
)

// defaultLog is what goes to slog.Default, at debug level, of all tests.
var defaultLog servertest.LogBuffer

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(&defaultLog, &slog.HandlerOptions{Level: slog.LevelDebug})))
	os.Exit(m.Run())
}

// keys serve all tests: making one takes a good part of a second.
var keys = [...]func() *rsa.PrivateKey{rsaKey(), rsaKey()}

func rsaKey() func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return key
	})
}

func publicPEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemBlock("PUBLIC KEY", der)
}

func pemBlock(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

// newClient registers a client that may use the client_credentials grant and
// has a grant of read:clients on the management API. members may be nil.
func newClient(s *servertest.Server, members object) (id, secret string) {
	body := object{"name": "machine", "grant_types": []string{"client_credentials"}}
	maps.Copy(body, members)
	created := s.Do(s.Admin, "POST", "/api/v2/clients", body).Want(201).Object()
	id = created["client_id"].(string)
	secret, _ = created["client_secret"].(string)
	allow(s, id, "read:clients")
	return id, secret
}

func allow(s *servertest.Server, id string, scopes ...string) {
	s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": id, "audience": s.Registry.ManagementAudience(), "scope": scopes}).Want(201)
}

// newKeyedClient registers a client that authenticates by one of keys.
func newKeyedClient(t testing.TB, s *servertest.Server, key int) string {
	t.Helper()
	id, _ := newClient(s, object{"client_authentication_methods": object{"private_key_jwt": object{"credentials": []object{
		{"credential_type": "public_key", "pem": publicPEM(t, keys[key]().Public())},
	}}}})
	return id
}

func clientPath(id string) string { return "/api/v2/clients/" + id }

// read is the client as an administrator sees it in the Auth0 dialect.
func read(s *servertest.Server, id string) object {
	return s.Do(s.Admin, "GET", clientPath(id), nil).Want(200).Object()
}

// newProvider makes an identity provider, which clients of the Boruta dialect
// need, and returns its id.
func newProvider(s *servertest.Server) string {
	return s.Do(s.Admin, "POST", "/api/identity-providers", object{
		"identity_provider": object{"name": "p" + uuid.NewString(), "backend_id": dialect.BackendID},
	}).Want(201).Object()["data"].(object)["id"].(string)
}

// boruta is the document of a client of the Boruta dialect. members may be nil.
func boruta(provider string, members object) object {
	client := object{"identity_provider": object{"id": provider}, "key_pair_type": object{"type": "ec", "curve": "P-256"}}
	maps.Copy(client, members)
	return object{"client": client}
}

// ask sends a token request as a form, with the management audience. Pairs of
// names and values follow.
func ask(s *servertest.Server, pairs ...string) servertest.Response {
	return s.Do("", "POST", "/oauth/token", request(s, pairs...).Encode(), "Content-Type", form)
}

func request(s *servertest.Server, pairs ...string) url.Values {
	params := url.Values{"grant_type": {"client_credentials"}, "audience": {s.Registry.ManagementAudience()}}
	for i := 0; i < len(pairs); i += 2 {
		params.Set(pairs[i], pairs[i+1])
	}
	return params
}

// good reports whether the client gets a token with that secret.
func good(t testing.TB, s *servertest.Server, id, secret string) bool {
	t.Helper()
	r := ask(s, "client_id", id, "client_secret", secret)
	if r.Status != 200 && r.Status != 401 {
		t.Fatalf("token request: %d %s", r.Status, r.Body)
	}
	return r.Status == 200
}

// claims are those of a good assertion of the client; edit may change them.
func claims(s *servertest.Server, client string, edit ...func(object)) object {
	now := s.Registry.Now()
	c := object{"iss": client, "sub": client, "aud": s.Registry.Issuer(), "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": uuid.NewString()}
	for _, f := range edit {
		f(c)
	}
	return c
}

func set(name string, value any) func(object) { return func(c object) { c[name] = value } }
func drop(name string) func(object)           { return func(c object) { delete(c, name) } }

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

// present asks for a token with an assertion.
func present(s *servertest.Server, assertion string) servertest.Response {
	return ask(s, "client_assertion", assertion, "client_assertion_type", jwtBearer)
}

// beside starts another instance of the service on the same database and
// keyset: a replica, or what runs after a restart. pool may be nil, for that of
// s. Its answers are not held against openapi.yaml.
func beside(t testing.TB, s *servertest.Server, pool *pgxpool.Pool, edit ...func(*server.Config)) *servertest.Server {
	t.Helper()
	if pool == nil {
		pool = s.Serving
	}
	reg := registry.New(postgres.New(pool), s.Keys, s.Registry.Config)
	if err := reg.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := s.In(t)
	other.Log = &servertest.LogBuffer{}
	config := server.Config{
		Log:   slog.New(slog.NewJSONHandler(other.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Ready: pool.Ping,
	}
	for _, f := range edit {
		f(&config)
	}
	handler, err := server.New(reg, config)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	other.URL, other.Registry = srv.URL, reg
	return other
}

// serverError fails the test where the service is at fault.
func serverError(t testing.TB, what string, r servertest.Response) {
	t.Helper()
	if r.Status >= http.StatusInternalServerError {
		t.Errorf("%s: %d %s", what, r.Status, r.Body)
	}
}

var discard = slog.New(slog.DiscardHandler)
