package client_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/client/internal/keytest"
)

func TestGraceIsRoundedUp(t *testing.T) {
	t.Parallel()
	for grace, want := range map[time.Duration]string{0: "0", 1: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Hour: "3600"} {
		var got string
		f := newFake(t, 3600, func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.Query().Get("grace_seconds")
			answer(201, "application/json", `{"id":"x","client_secret":"new","created_at":"2026-01-01T00:00:00Z"}`)(w, r)
		})
		secret, err := newClient(t, f.URL, asAdmin).RotateSecret(t.Context(), "x", &client.RotateOptions{Grace: grace})
		if err != nil || secret != "new" || got != want {
			t.Errorf("%v is sent as %q, want %q: %v", grace, got, want, err)
		}
	}
}

// TestAnswersWithoutContentAreErrors rather than empty results.
func TestAnswersWithoutContentAreErrors(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	t.Cleanup(srv.Close)
	api, ctx := newClient(t, srv.URL, client.Config{Token: "t"}), t.Context()
	for name, call := range map[string]func() error{
		"CreateClient": func() error { _, err := api.CreateClient(ctx, client.ClientInput{Name: "x"}, nil); return err },
		"GetClient":    func() error { _, err := api.GetClient(ctx, "x", nil); return err },
		"RotateSecret": func() error { _, err := api.RotateSecret(ctx, "x", nil); return err },
		"CreateGrant":  func() error { _, err := api.CreateGrant(ctx, client.GrantInput{}, nil); return err },
		"RegisterKey":  func() error { _, err := api.RegisterKey(ctx, "x", keytest.Key(t).Public(), nil); return err },
		"Secrets": func() (err error) {
			for _, err = range api.Secrets(ctx, "x") {
			}
			return err
		},
	} {
		if err := call(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestZeroIsNotSentAndNilRemoves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   any
		want string
	}{
		"nothing":             {client.ClientInput{}, `{}`},
		"an empty list":       {client.ClientInput{Callbacks: []string{}}, `{"callbacks":[]}`},
		"false":               {client.ClientInput{FirstParty: new(false)}, `{"is_first_party":false}`},
		"removed":             {client.ClientInput{Members: map[string]any{"logo_uri": nil}}, `{"logo_uri":null}`},
		"members win":         {client.ClientInput{Name: "a", Members: map[string]any{"name": "b"}}, `{"name":"b"}`},
		"a lifetime":          {client.APIInput{TokenLifetime: time.Minute}, `{"token_lifetime":60}`},
		"no scopes":           {client.GrantInput{Scopes: []string{}}, `{"scope":[]}`},
		"scopes left as they": {client.GrantInput{AllScopes: new(true)}, `{"allow_all_scopes":true}`},
	} {
		if got, err := json.Marshal(c.in); err != nil || string(got) != c.want {
			t.Errorf("%s: %s, want %s, %v", name, got, c.want, err)
		}
	}
}

func TestNamesInPathsAreEscaped(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"a b/c": "/clients/a%20b%2Fc/x", ".": "/clients/%2E/x", "..": "/clients/%2E%2E/x", "https://a.example/": "/clients/https:%2F%2Fa.example%2F/x"} {
		if got := client.Path("/clients", name, "x"); got != want {
			t.Errorf("%q is at %s, want %s", name, got, want)
		}
	}
}
