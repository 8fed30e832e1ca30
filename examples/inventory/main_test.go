package main

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/client/clienttest"
)

func TestCredentialsThatExpireSoonAreListed(t *testing.T) {
	t.Parallel()
	roster := clienttest.NewServer(t)
	admin, ctx := roster.Client(), t.Context()
	limit := time.Now().AddDate(0, 0, 30)
	var want strings.Builder
	for name, expires := range map[string]time.Time{"soon": limit.Add(-time.Hour), "later": limit.Add(time.Hour), "never": {}} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		app, err := admin.CreateClient(ctx, client.ClientInput{Name: name + " app"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		credential, err := admin.RegisterKey(ctx, app.ID, key.Public(), &client.CredentialOptions{Name: name, ExpiresAt: expires})
		if err != nil {
			t.Fatal(err)
		}
		if name == "soon" {
			fmt.Fprintf(&want, "%s  %s \"soon app\"  %s \"soon\"\n", expires.UTC().Format(time.DateOnly), app.ID, credential.ID)
		}
	}
	var got strings.Builder
	if err := list(ctx, roster.Client("read:clients", "read:client_credentials"), limit, &got); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("listed:\n%swant:\n%s", &got, &want)
	}
}

func TestMissingScopeIsAnError(t *testing.T) {
	t.Parallel()
	api := clienttest.New(t, "read:clients")
	var out strings.Builder
	if err := list(t.Context(), api, time.Now(), &out); !errors.Is(err, client.ErrForbidden) || out.Len() > 0 {
		t.Errorf("got %v and %q", err, out.String())
	}
}

func TestProgramReadsItsEnvironment(t *testing.T) {
	roster := clienttest.NewServer(t)
	t.Setenv("ROSTER_URL", roster.URL)
	t.Setenv("ROSTER_CLIENT_ID", roster.AdminID)
	t.Setenv("ROSTER_CLIENT_SECRET", roster.AdminSecret)
	if err := run(t.Context(), 30); err != nil {
		t.Error(err)
	}
	t.Setenv("ROSTER_CLIENT_SECRET", "wrong")
	if err := run(t.Context(), 30); !errors.Is(err, client.ErrUnauthorized) {
		t.Errorf("with a wrong secret: %v", err)
	}
}
