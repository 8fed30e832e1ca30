package auth0_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

// Making an RSA key takes a good part of a second: these serve all tests.
var (
	credentialKeys = [...]func() *rsa.PrivateKey{rsaKey(2048), rsaKey(2048), rsaKey(2048), rsaKey(2048), rsaKey(2048)}
	ellipticKey    = sync.OnceValue(func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	})
	// weakPublicKey has 1024 bits, which crypto/rsa no longer makes by itself.
	weakPublicKey = sync.OnceValue(func() *rsa.PublicKey {
		n := new(big.Int)
		for n.BitLen() != 1024 {
			p, err := rand.Prime(rand.Reader, 512)
			if err != nil {
				panic(err)
			}
			q, err := rand.Prime(rand.Reader, 512)
			if err != nil {
				panic(err)
			}
			n.Mul(p, q)
		}
		return &rsa.PublicKey{N: n, E: 65537}
	})
)

func rsaKey(bits int) func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return key
	})
}

func pemBlock(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

func publicKeyPEM(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemBlock("PUBLIC KEY", der)
}

// keyPEM is the i-th shared key's public half.
func keyPEM(t testing.TB, i int) string {
	t.Helper()
	return publicKeyPEM(t, credentialKeys[i]().Public())
}

// certificateEnd has a fraction of a second in no certificate, so none here.
var certificateEnd = time.Date(2033, 5, 13, 9, 33, 13, 0, time.UTC)

// certificate returns the DER of a certificate for key, signed by the first
// shared key. edit may be nil.
func certificate(t testing.TB, key crypto.PublicKey, edit func(*x509.Certificate)) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: certificateEnd.AddDate(-10, 0, 0), NotAfter: certificateEnd,
		Subject: pkix.Name{
			Country: []string{"es"}, Organization: []string{"Org"}, CommonName: "Name",
		},
	}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: template.Subject}, key, credentialKeys[0]())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func certificatePEM(t testing.TB, key crypto.PublicKey, edit func(*x509.Certificate)) string {
	t.Helper()
	return pemBlock("CERTIFICATE", certificate(t, key, edit))
}

// thumbprint is a key's JWK thumbprint by the letter of RFC 7638 §3.
func thumbprint(key *rsa.PublicKey) string {
	b64 := base64.RawURLEncoding
	sum := sha256.Sum256([]byte(`{"e":"` + b64.EncodeToString(big.NewInt(int64(key.E)).Bytes()) + `","kty":"RSA","n":"` + b64.EncodeToString(key.N.Bytes()) + `"}`))
	return b64.EncodeToString(sum[:])
}

// newClient registers a client and returns its identifier. members may be nil.
func newClient(s *servertest.Server, members map[string]any) string {
	body := map[string]any{"name": "keyed"}
	for name, value := range members {
		body[name] = value
	}
	return s.Do(s.Admin, "POST", "/api/v2/clients", body).Want(201).Object()["client_id"].(string)
}

func credentialsPath(client string, id ...string) string {
	return strings.Join(append([]string{"/api/v2/clients", client, "credentials"}, id...), "/")
}

// addCredential registers a credential and returns the answer.
func addCredential(s *servertest.Server, client string, body map[string]any) map[string]any {
	return s.Do(s.Admin, "POST", credentialsPath(client), body).Want(201).Object()
}

// addKey registers the i-th shared key and returns the credential's id.
func addKey(t testing.TB, s *servertest.Server, client string, i int) string {
	t.Helper()
	return addCredential(s, client, map[string]any{"credential_type": "public_key", "pem": keyPEM(t, i)})["id"].(string)
}

// wantRefusal fails the test unless the answer is a 400 with that message.
func wantRefusal(t testing.TB, r servertest.Response, message string) {
	t.Helper()
	body := r.Want(400).Object()
	if body["message"] != message {
		t.Errorf("message %q, want %q", body["message"], message)
	}
}

// without returns a copy of object that lacks members.
func without(object map[string]any, members ...string) map[string]any {
	rest := map[string]any{}
	for name, value := range object {
		rest[name] = value
	}
	for _, name := range members {
		delete(rest, name)
	}
	return rest
}

func wantMembers(t testing.TB, got, want map[string]any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
