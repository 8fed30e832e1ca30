package client_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oapi-codegen/nullable"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
)

// Register a client, give it a public key, and let the key expire.
func Example() {
	ctx, url, id, secret, publicKey, stop := exampleService()
	defer stop()

	api, err := client.New(url, client.Config{ClientID: id, ClientSecret: secret})
	check(err)
	billing, err := api.Auth0CreateClientWithResponse(ctx, client.CreateClientRequestContent{Name: "billing"})
	check(err)
	clientID := *billing.JSON201.ClientID
	key, err := api.Auth0CreateClientCredentialWithResponse(ctx, clientID, client.PostClientCredentialRequestContent{
		CredentialType: client.ClientCredentialTypeEnumPublicKey, Name: new("2026"), PEM: &publicKey})
	check(err)
	until := nullable.NewNullableWithValue(time.Date(2027, time.January, 31, 0, 0, 0, 0, time.UTC))
	changed, err := api.Auth0UpdateClientCredentialWithResponse(ctx, clientID, key.JSON201.ID, client.PatchClientCredentialRequestContent{ExpiresAt: until})
	check(err)
	fmt.Println("key", *changed.JSON200.Name, "expires at", changed.JSON200.ExpiresAt.MustGet())

	// Output: key 2026 expires at 2027-01-31 00:00:00 +0000 UTC
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// exampleService starts a Roster with an administrator and makes a key.
func exampleService() (ctx context.Context, url, id, secret, publicKey string, stop func()) {
	t := &exampleTB{ctx: context.Background()}
	s := servertest.New(t)
	id, secret = "administrator", oauth.RandomText(oauth.URLSafe, 64)
	_, _, err := s.Registry.Administrator(t.ctx, id, oauth.NewSecret(secret))
	check(err)
	return t.ctx, s.URL, id, secret, publicPEM(t), t.end
}

func publicPEM(t testing.TB) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// exampleTB stands in for the test that an example does not have.
type exampleTB struct {
	testing.TB // nil: what is not below must not be called
	ctx        context.Context
	cleanups   []func()
}

func (t *exampleTB) Helper()                   {}
func (t *exampleTB) Context() context.Context  { return t.ctx }
func (t *exampleTB) Cleanup(f func())          { t.cleanups = append(t.cleanups, f) }
func (t *exampleTB) Failed() bool              { return false }
func (t *exampleTB) Fatal(args ...any)         { log.Fatal(args...) }
func (t *exampleTB) Fatalf(f string, a ...any) { log.Fatalf(f, a...) }
func (t *exampleTB) Errorf(f string, a ...any) { log.Fatalf(f, a...) }
func (t *exampleTB) end() {
	for len(t.cleanups) > 0 {
		last := len(t.cleanups) - 1
		f := t.cleanups[last]
		t.cleanups = t.cleanups[:last]
		f()
	}
}

// TestReadmeShowsTheExample keeps the snippet in README.md the same as the
// example that is compiled and run here.
func TestReadmeShowsTheExample(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "defer stop()\n\n")
	body, _, _ = strings.Cut(body, "\n\n\t// Output:")
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, found := strings.Cut(string(readme), "```go\n")
	shown, _, closed := strings.Cut(shown, "\n```")
	if !found || !closed {
		t.Fatal("README.md has no Go snippet")
	}
	want := strings.ReplaceAll("\n"+body, "\n\t", "\n")[1:]
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("README.md's snippet (-example +README):\n%s", diff)
	}
}
