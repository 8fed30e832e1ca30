package terraform

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type key struct {
	private, public string // PEM
	kid             string // RFC 7638
	rsa             *rsa.PrivateKey
}

func newKey(t *testing.T) key {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	e := binary.BigEndian.AppendUint32(nil, uint32(k.E))
	for e[0] == 0 {
		e = e[1:]
	}
	url := base64.RawURLEncoding
	sum := sha256.Sum256(fmt.Appendf(nil, `{"e":%q,"kty":"RSA","n":%q}`, url.EncodeToString(e), url.EncodeToString(k.N.Bytes())))
	return key{
		private: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})),
		public:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		kid:     url.EncodeToString(sum[:]), rsa: k,
	}
}

func (k key) certificate(t *testing.T) string {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		Subject: pkix.Name{Country: []string{"ES"}, Organization: []string{"Org"}, CommonName: "Name"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.rsa.PublicKey, k.rsa)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// withKeys is a client that may read clients, and authenticates with these keys.
func withKeys(t *testing.T, keys ...key) string {
	var credentials strings.Builder
	for i, k := range keys {
		fmt.Fprintf(&credentials, "    credentials {\n      name            = \"key %d\"\n      credential_type = \"public_key\"\n"+
			"      algorithm       = \"RS256\"\n      pem             = <<-EOF\n%s\nEOF\n    }\n", i, strings.TrimSpace(k.public))
	}
	return named(t, `
resource "auth0_client" "app" {
  name     = "NAME"
  app_type = "non_interactive"
  jwt_configuration { alg = "RS256" }
}
resource "auth0_client_credentials" "app" {
  client_id             = auth0_client.app.id
  authentication_method = "private_key_jwt"
  private_key_jwt {
`+credentials.String()+`  }
}
resource "auth0_client_grant" "grant" {
  client_id = auth0_client.app.id
  audience  = "`+management+`"
  scopes    = ["read:clients", "create:clients", "delete:clients", "update:clients", "read:client_keys"]
}
output "client" { value = auth0_client.app.id }
`)
}

// loginWith is what the provider logs in with as client.
func loginWith(client string, k key) []string {
	return []string{"AUTH0_CLIENT_ID=" + client, "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY=" + k.private, "AUTH0_CLIENT_ASSERTION_SIGNING_ALG=RS256"}
}

func TestKeysAreRotatedAndTheProviderLogsInWithThem(t *testing.T) {
	w := newWorkspace(t)
	one, two := newKey(t), newKey(t)
	w.configure(withKeys(t, one))
	w.apply()
	client := w.output("client")
	if diff := cmp.Diff([]string{one.kid}, kids(t, client)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}

	own := newWorkspace(t, loginWith(client, one)...)
	own.configure(named(t, `
resource "auth0_client" "other" { name = "made by NAME" }
output "other" { value = auth0_client.other.id }
`))
	own.apply()
	expect(t, "clients/"+own.output("other"), map[string]any{"name": "made by " + t.Name()})

	w.configure(withKeys(t, two))
	w.apply()
	if diff := cmp.Diff([]string{two.kid}, kids(t, client)); diff != "" {
		t.Errorf("keys after rotation (-want +got):\n%s", diff)
	}
	if code, out := own.run("plan"); code == 0 || !strings.Contains(out, "invalid_client") {
		t.Errorf("login with the old key: exit %d\n%s", code, out)
	}
	for i, entry := range own.env {
		if strings.HasPrefix(entry, "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY=") {
			own.env[i] = "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY=" + two.private
		}
	}
	own.must("destroy", "-auto-approve")

	w.must("destroy", "-target=auth0_client_credentials.app", "-auto-approve")
	if left := kids(t, client); len(left) != 0 {
		t.Errorf("keys %v are left after the credentials were destroyed", left)
	}
	got := get(t, "clients/"+client)
	if got["client_authentication_methods"] != nil || got["token_endpoint_auth_method"] != "client_secret_post" || got["client_secret"] == nil {
		t.Errorf("without keys the client has methods %v, method %v and secret %v",
			got["client_authentication_methods"], got["token_endpoint_auth_method"], got["client_secret"] != nil)
	}
}

func TestADeletedKeyIsDrift(t *testing.T) {
	w := newWorkspace(t)
	one, two := newKey(t), newKey(t)
	w.configure(withKeys(t, one, two))
	w.apply()
	client := w.output("client")
	methods := get(t, "clients/"+client)["client_authentication_methods"]
	attached := methods.(map[string]any)["private_key_jwt"].(map[string]any)["credentials"].([]any)
	if len(attached) != 2 {
		t.Fatalf("attached: %v", attached)
	}
	change(t, "clients/"+client, map[string]any{
		"client_authentication_methods": map[string]any{"private_key_jwt": map[string]any{"credentials": attached[:1]}},
		"token_endpoint_auth_method":    nil,
	})
	gone := attached[1].(map[string]any)["id"].(string)
	if status, answer := call(t, http.MethodDelete, "clients/"+client+"/credentials/"+gone, nil); status != http.StatusNoContent {
		t.Fatalf("deleting a key: %d %v", status, answer)
	}
	w.changes()
	w.apply()
	if len(kids(t, client)) != 2 {
		t.Errorf("keys after mending: %v", kids(t, client))
	}
}

func TestCertificateMethods(t *testing.T) {
	certificate := strings.TrimSpace(newKey(t).certificate(t))
	for name, c := range map[string]struct{ method, credential string }{
		"self signed": {"self_signed_tls_client_auth", "credential_type = \"x509_cert\"\n      pem = <<-EOF\n" + certificate + "\nEOF"},
		"authority":   {"tls_client_auth", "credential_type = \"cert_subject_dn\"\n      pem = <<-EOF\n" + certificate + "\nEOF"},
		"a subject":   {"tls_client_auth", "credential_type = \"cert_subject_dn\"\n      subject_dn = \"C=ES\\nO=Org\\nCN=Name\""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkspace(t)
			w.configure(named(t, `
resource "auth0_client" "app" {
  name     = "NAME"
  app_type = "non_interactive"
}
resource "auth0_client_credentials" "app" {
  client_id             = auth0_client.app.id
  authentication_method = "`+c.method+`"
  `+c.method+` {
    credentials {
      name = "certificate"
      `+c.credential+`
    }
  }
}
output "client" { value = auth0_client.app.id }
`))
			w.apply()
			methods, _ := get(t, "clients/"+w.output("client"))["client_authentication_methods"].(map[string]any)
			slot, _ := methods[c.method].(map[string]any)
			if list, _ := slot["credentials"].([]any); len(list) != 1 {
				t.Errorf("methods are %v, want one credential for %s", methods, c.method)
			}
		})
	}
}

func TestWriteOnlySecretAndStaticToken(t *testing.T) {
	token, _, _ := logIn(t, adminID, adminSecret, management)
	w := newWorkspace(t, "AUTH0_API_TOKEN="+token)
	config := named(t, `
resource "auth0_client" "app" {
  name     = "NAME"
  app_type = "non_interactive"
}
resource "auth0_client_credentials" "app" {
  client_id                = auth0_client.app.id
  authentication_method    = "client_secret_post"
  client_secret_wo         = "write-only-secret-1-of-NAME"
  client_secret_wo_version = 1
}
output "client" { value = auth0_client.app.id }
`)
	w.configure(config)
	w.apply()
	client := "clients/" + w.output("client")
	expect(t, client, map[string]any{"client_secret": "write-only-secret-1-of-" + t.Name()})
	w.configure(strings.NewReplacer("secret-1", "secret-2", "version = 1", "version = 2").Replace(config))
	w.apply()
	expect(t, client, map[string]any{"client_secret": "write-only-secret-2-of-" + t.Name()})
}
