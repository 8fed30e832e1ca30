// Package goauth0 drives a started Roster with go-auth0. Start it with
// ../run.sh goauth0, which says where the server is.
package goauth0

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/auth0/go-auth0/management"
)

// domain is the server's host:port.
var domain, adminID, adminSecret = os.Getenv("AUTH0_DOMAIN"), os.Getenv("AUTH0_CLIENT_ID"), os.Getenv("AUTH0_CLIENT_SECRET")

func TestMain(m *testing.M) {
	if domain == "" || adminID == "" || adminSecret == "" {
		fmt.Fprintln(os.Stderr, "AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET are not set: start these tests with ../run.sh goauth0")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// connect is a management client with the credentials of option.
func connect(t *testing.T, option management.Option) *management.Management {
	t.Helper()
	m, err := management.New(domain, option)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func connectAdmin(t *testing.T) *management.Management {
	t.Helper()
	return connect(t, management.WithClientCredentials(t.Context(), adminID, adminSecret))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that err is the SDK's error with this status, and that its
// message has text in it.
func refused(t *testing.T, err error, status int, text string) {
	t.Helper()
	var failure management.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want a management error with status %d", err, status)
	}
	if failure.Status() != status || !strings.Contains(failure.Error(), text) {
		t.Errorf("got %d %q, want %d with %q", failure.Status(), failure.Error(), status, text)
	}
}

// newClient makes a client that is deleted when the test ends. It is as the
// server answered it.
func newClient(t *testing.T, m *management.Management, c *management.Client) *management.Client {
	t.Helper()
	if c.Name == nil {
		c.Name = new(t.Name())
	}
	must(t, m.Client.Create(t.Context(), c))
	t.Cleanup(func() { // t.Context has ended by now
		if err := m.Client.Delete(context.Background(), c.GetClientID()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// newAPI makes a resource server that is deleted when the test ends.
func newAPI(t *testing.T, m *management.Management, scopes ...string) *management.ResourceServer {
	t.Helper()
	api := &management.ResourceServer{
		Identifier: new("https://api.test/" + t.Name() + "/" + rand.Text()),
		Name:       new("API of " + t.Name()),
		Scopes:     &[]management.ResourceServerScope{},
	}
	for _, scope := range scopes {
		*api.Scopes = append(*api.Scopes, management.ResourceServerScope{Value: &scope, Description: new("may " + scope)})
	}
	must(t, m.ResourceServer.Create(t.Context(), api))
	t.Cleanup(func() {
		if err := m.ResourceServer.Delete(context.Background(), api.GetID()); err != nil {
			t.Error(err)
		}
	})
	return api
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return key
}

func encode(kind string, der []byte) *string {
	return new(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func publicPEM(t *testing.T, key *rsa.PrivateKey) *string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	must(t, err)
	return encode("PUBLIC KEY", der)
}

func privatePEM(key *rsa.PrivateKey) string {
	return *encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

// certificate is a self-signed one; its DER and its PEM.
func certificate(t *testing.T, key *rsa.PrivateKey, notAfter time.Time) ([]byte, *string) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter,
		Subject: pkix.Name{Country: []string{"ES"}, Organization: []string{"Org"}, CommonName: "Name"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	return der, encode("CERTIFICATE", der)
}
