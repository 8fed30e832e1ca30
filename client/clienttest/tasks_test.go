package clienttest_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/client/clienttest"
	"github.com/rosterhq/roster/client/internal/keytest"
	"github.com/rosterhq/roster/internal/servertest"
)

// Register a client, give it a public key, and let the key expire.
func Example_readme() {
	ctx, url, id, secret, privateKey, stop := exampleService()
	defer stop()

	api, err := client.New(url, client.Config{ClientID: id, ClientSecret: secret})
	check(err)
	billing, err := api.CreateClient(ctx, client.ClientInput{Name: "billing"}, nil)
	check(err)
	key, err := api.RegisterKey(ctx, billing.ID, privateKey.Public(), &client.CredentialOptions{Name: "2026"})
	check(err)
	_, err = api.UpdateCredential(ctx, billing.ID, key.ID, time.Date(2027, time.January, 31, 0, 0, 0, 0, time.UTC))
	check(err)
	for key, err := range api.Credentials(ctx, billing.ID) {
		check(err)
		fmt.Println("key", key.Name, "expires at", key.ExpiresAt)
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
	return t.Context(), s.URL, s.AdminID, s.AdminSecret, keytest.Key(t), stop
}

func publicPEM(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(newRSAKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// TestReadmeShowsTheExample keeps the snippet in README.md the same as the
// example that is compiled and run here.
func TestReadmeShowsTheExample(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("tasks_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "defer stop()\n\n")
	body, _, _ = strings.Cut(body, "\n\n\t// Output:")
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll("\n"+body, "\n\t", "\n")[1:]
	if !strings.Contains(string(readme), "```go\n"+want+"\n```\n") {
		_, shown, _ := strings.Cut(string(readme), "```go\n")
		shown, _, _ = strings.Cut(shown, "\n```")
		t.Errorf("README.md does not show the example (-example +README):\n%s", cmp.Diff(want, shown))
	}
}

// TestAChangeIsAwaited: what a program does that keeps up with a registry.
func TestAChangeIsAwaited(t *testing.T) {
	t.Parallel()
	api, ctx := clienttest.New(t), t.Context()
	id, _ := create(t, api, client.ClientInput{Name: "billing"})
	read, err := api.GetClient(ctx, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.UpdateClient(ctx, id, client.ClientInput{Description: "Sends invoices"}, &client.ChangeOptions{IfMatch: read.ETag}); err != nil {
		t.Fatal(err)
	}
	bounded, cancel := context.WithTimeout(ctx, servertest.Patience)
	defer cancel()
	for part, err := range api.EventFeed(bounded, nil) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range part.Events {
			if e.Action == "client.updated" && e.Target == id {
				return
			}
		}
	}
}

func TestAPIsAndGrantsAreMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	api, ctx := clienttest.New(t), t.Context()
	id, _ := create(t, api, client.ClientInput{Name: "billing", GrantTypes: []string{"client_credentials"}})
	made, err := api.CreateAPI(ctx, client.APIInput{
		Identifier: "https://billing.example/", Scopes: []client.Scope{{Value: "read:invoices"}, {Value: "write:invoices"}}, TokenLifetime: time.Hour,
	}, nil)
	if err != nil || made.TokenLifetime != time.Hour || len(made.Scopes) != 2 {
		t.Fatal(made, err)
	}
	changed, err := api.UpdateAPI(ctx, made.Identifier, client.APIInput{Name: "Billing", Members: map[string]any{"token_lifetime": 60}})
	if err != nil || changed.Name != "Billing" || changed.TokenLifetime != time.Minute || len(changed.Scopes) != 2 {
		t.Fatal(changed, err)
	}
	if read, err := api.GetAPI(ctx, made.ID); err != nil || cmp.Diff(changed, read) != "" {
		t.Error(read, err)
	}
	grant, err := api.CreateGrant(ctx, client.GrantInput{ClientID: id, Audience: made.Identifier, Scopes: []string{"read:invoices"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wider, err := api.UpdateGrant(ctx, grant.ID, client.GrantInput{Scopes: []string{"read:invoices", "write:invoices"}})
	if err != nil || len(wider.Scopes) != 2 {
		t.Fatal(wider, err)
	}
	if read, err := api.GetGrant(ctx, grant.ID); err != nil || cmp.Diff(wider, read) != "" {
		t.Error(read, err)
	}
	if err := errors.Join(api.DeleteGrant(ctx, grant.ID), api.DeleteAPI(ctx, made.ID)); err != nil {
		t.Fatal(err)
	}
	_, noGrant := api.GetGrant(ctx, grant.ID)
	_, noAPI := api.GetAPI(ctx, made.ID)
	if !errors.Is(noGrant, client.ErrNotFound) || !errors.Is(noAPI, client.ErrNotFound) {
		t.Error(noGrant, noAPI)
	}
}

func TestWhatIsExportedIsImportedElsewhere(t *testing.T) {
	t.Parallel()
	here, there, ctx := clienttest.New(t), clienttest.New(t), t.Context()
	id, _ := create(t, here, client.ClientInput{Name: "billing", Metadata: map[string]string{"team": "pay"}})
	var records []json.RawMessage
	for record, err := range here.Export(ctx, &client.ExportOptions{IncludeSecrets: true}) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, record)
	}
	results, err := there.Import(ctx, records, client.ImportOptions{Format: "roster"})
	if err != nil || len(results) != len(records) {
		t.Fatal(results, err)
	}
	want, err := here.GetClient(ctx, id, &client.GetOptions{ShowSecrets: true})
	if err != nil || want.Secret == "" {
		t.Fatal(want, err)
	}
	got, err := there.GetClient(ctx, id, &client.GetOptions{ShowSecrets: true})
	if err != nil || got.Secret != want.Secret || got.Metadata["team"] != "pay" {
		t.Error(got, err)
	}
	if shy, err := there.GetClient(ctx, id, nil); err != nil || shy.Secret != "" || shy.Members["signing_keys"] != nil {
		t.Errorf("secrets are shown unasked: %v, %v", shy, err)
	}
}

func TestAClientIsSwitchedOffAndOn(t *testing.T) {
	t.Parallel()
	api, ctx := clienttest.New(t), t.Context()
	id, _ := create(t, api, client.ClientInput{Name: "billing"})
	if _, err := api.SetState(ctx, id, client.StateDisabled, "ticket 4711"); err != nil {
		t.Fatal(err)
	}
	off, err := api.GetState(ctx, id)
	if err != nil || off.State != client.StateDisabled || off.Reason != "ticket 4711" || off.ChangedAt.IsZero() || off.ClientID != id {
		t.Error(off, err)
	}
	for filter, want := range map[client.SearchFilter]bool{
		{}: true, {State: client.StateDisabled}: true, {State: client.StateActive}: false, {Name: "no such name"}: false,
	} {
		found := false
		for c, err := range api.FindClients(ctx, &filter) {
			if err != nil {
				t.Fatal(err)
			}
			found = found || c.ID == id
		}
		if found != want {
			t.Errorf("%+v finds it: %v", filter, found)
		}
	}
	if on, err := api.SetState(ctx, id, client.StateActive, ""); err != nil || on.State != client.StateActive {
		t.Error(on, err)
	}
	if _, err := api.GetState(ctx, "nobody"); !errors.Is(err, client.ErrNotFound) {
		t.Error(err)
	}
}

func TestEndedTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := clienttest.NewServer(t)
	admin, ctx := s.Client(), t.Context()
	id, secret := create(t, admin, client.ClientInput{Name: "billing", GrantTypes: []string{"client_credentials"}})
	if _, err := admin.CreateGrant(ctx, client.GrantInput{ClientID: id, Audience: s.URL + "/api/v2/", Scopes: []string{"read:clients"}}, nil); err != nil {
		t.Fatal(err)
	}
	own := newClient(t, s.URL, client.Config{ClientID: id, ClientSecret: secret})
	token, err := own.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	with := newClient(t, s.URL, client.Config{Token: token})
	if _, err := admin.CreateAPI(ctx, client.APIInput{Identifier: "https://elsewhere.example/"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := admin.EndTokens(ctx, id, &client.EndOptions{Audience: "https://elsewhere.example/"}); err != nil {
		t.Error(err)
	}
	if _, err := with.GetClient(ctx, id, nil); err != nil {
		t.Errorf("after the end of its tokens for another API: %v", err)
	}
	if err := admin.EndTokens(ctx, id, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := with.GetClient(ctx, id, nil); !errors.Is(err, client.ErrUnauthorized) {
		t.Errorf("after the end of its tokens: %v", err)
	}
	if _, err := own.GetClient(ctx, id, nil); err != nil {
		t.Errorf("with a new token: %v", err)
	}
}

func TestTokensAreAskedAboutAndRevoked(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	admin, ctx := newClient(t, s.URL, client.Config{Token: s.Admin}), t.Context()
	in := client.ClientInput{Name: "shop", GrantTypes: []string{"client_credentials"}}
	id, secret := create(t, admin, in)
	key := newRSAKey(t)
	keyed, err := admin.CreateClient(ctx, in, &client.CreateOptions{Keys: []client.PublicKey{{Key: key.Public()}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range []client.Config{{ClientID: id, ClientSecret: secret}, {ClientID: keyed.ID, Key: key}} {
		if _, err := admin.CreateGrant(ctx, client.GrantInput{ClientID: config.ClientID, Audience: s.URL + "/api/v2/", Scopes: []string{"read:clients"}}, nil); err != nil {
			t.Fatal(err)
		}
		shop := newClient(t, s.URL, config)
		token, err := shop.Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := admin.Revoke(ctx, token); err == nil {
			t.Error("who has no client revokes its token")
		}
		for _, asks := range []*client.Client{shop, admin} {
			if i, err := asks.Introspect(ctx, token); err != nil || !i.Active || i.ClientID != config.ClientID || i.Scope != "read:clients" || i.Expires().IsZero() {
				t.Error(i, err)
			}
		}
		if err := shop.Revoke(ctx, token); err != nil {
			t.Error(err)
		}
		if i, err := shop.Introspect(ctx, token); err != nil || *i != (client.Introspection{}) || !i.Expires().IsZero() {
			t.Error(i, err)
		}
	}
	if _, err := newClient(t, s.URL, client.Config{Token: s.Token("read:clients")}).Introspect(ctx, "x"); !errors.Is(err, client.ErrForbidden) {
		t.Error(err)
	}
}
