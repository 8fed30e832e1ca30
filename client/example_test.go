package client_test

import (
	"context"
	"crypto"
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

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/client/clienttest"
	"github.com/rosterhq/roster/internal/servertest"
)

// Register a client, give it a public key, and let the key expire.
func Example() {
	ctx, url, id, secret, privateKey, stop := exampleService()
	defer stop()

	api, err := client.New(url, client.Config{ClientID: id, ClientSecret: secret})
	check(err)
	billing, _, err := api.CreateClient(ctx, client.CreateClientRequestContent{Name: "billing"})
	check(err)
	key, err := api.RegisterKey(ctx, billing, privateKey.Public(), client.KeyOptions{Name: "2026"})
	check(err)
	_, err = api.SetExpiry(ctx, billing, key.ID, time.Date(2027, time.January, 31, 0, 0, 0, 0, time.UTC))
	check(err)
	for key, err := range api.Credentials(ctx, billing) {
		check(err)
		at, _ := key.Expiry()
		fmt.Println("key", *key.Name, "expires at", at)
	}

	// Output: key 2026 expires at 2027-01-31 00:00:00 +0000 UTC
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// exampleService starts a Roster with an administrator and makes a key.
func exampleService() (ctx context.Context, url, id, secret string, privateKey crypto.Signer, stop func()) {
	t, stop := servertest.ForExample()
	s := clienttest.NewServer(t)
	return t.Context(), s.URL, s.AdminID, s.AdminSecret, testKey(t), stop
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
