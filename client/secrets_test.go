package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/client"
)

func TestSecretIsRotatedWithAndWithoutGrace(t *testing.T) {
	t.Parallel()
	s, api, _ := administered(t)
	ctx := t.Context()
	id, first, err := api.CreateClient(ctx, client.CreateClientRequestContent{Name: "billing", GrantTypes: []string{"client_credentials"}})
	if err != nil {
		t.Fatal(err)
	}
	grant, err := api.GrantAPI(ctx, id, s.URL+"/api/v2/", []string{"read:clients"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"read:clients"}, grant.Scope); diff != "" || *grant.ClientID != id {
		t.Errorf("the grant of %s is for %s (-want +got):\n%s", id, *grant.ClientID, diff)
	}
	good := func(secret string) bool {
		t.Helper()
		_, err := newClient(t, s.URL, client.Config{ClientID: id, ClientSecret: secret}).Auth0GetClientWithResponse(ctx, id, nil)
		if err != nil && !errors.Is(err, client.ErrUnauthorized) {
			t.Fatal(err)
		}
		return err == nil
	}
	second, err := api.RotateSecret(ctx, id, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !good(first) || !good(second) {
		t.Error("after rotation with grace, not both secrets are good")
	}
	third, err := api.RotateSecret(ctx, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	if good(first) || good(second) || !good(third) {
		t.Error("after rotation without grace, not the last secret alone is good")
	}
	if _, err := api.RotateSecret(ctx, id, -time.Hour); !errors.Is(err, client.ErrBadRequest) {
		t.Errorf("less than no grace: %v", err)
	}
	if _, err := api.RotateSecret(ctx, "nobody", 0); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("nobody's secret: %v", err)
	}
}

func TestGraceIsRoundedUp(t *testing.T) {
	t.Parallel()
	for grace, want := range map[time.Duration]string{0: "0", 1: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Hour: "3600"} {
		var got string
		f := newFake(t, 3600, func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.Query().Get("grace_seconds")
			answer(201, "application/json", `{"id":"x","client_secret":"new","created_at":"2026-01-01T00:00:00Z"}`)(w, r)
		})
		secret, err := newClient(t, f.URL, asAdmin).RotateSecret(t.Context(), "x", grace)
		if err != nil || secret != "new" || got != want {
			t.Errorf("%v is sent as %q, want %q: %v", grace, got, want, err)
		}
	}
}

func TestGrantsMayHaveNoScopesAndAreMadeOnce(t *testing.T) {
	t.Parallel()
	s, api, id := administered(t)
	grant, err := api.GrantAPI(t.Context(), id, s.URL+"/api/v2/", nil)
	if err != nil || len(grant.Scope) != 0 {
		t.Fatalf("got %+v, %v", grant, err)
	}
	if _, err := api.GrantAPI(t.Context(), id, s.URL+"/api/v2/", nil); !errors.Is(err, client.ErrConflict) {
		t.Errorf("once more: %v", err)
	}
	if _, err := api.GrantAPI(t.Context(), id, "https://none.example", nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("on no API: %v", err)
	}
}

// TestCreationUnderAKeyIsNotRepeated also by helpers, which pass editors on.
func TestCreationUnderAKeyIsNotRepeated(t *testing.T) {
	t.Parallel()
	_, api, _ := administered(t)
	var ids []string
	for range 2 {
		id, _, err := api.CreateClient(t.Context(), client.CreateClientRequestContent{Name: "once"}, client.WithIdempotencyKey("job 7"))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if ids[0] != ids[1] {
		t.Errorf("two clients: %v", ids)
	}
}

// TestAnswersWithoutContentAreErrors rather than panics.
func TestAnswersWithoutContentAreErrors(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	t.Cleanup(srv.Close)
	api := newClient(t, srv.URL, client.Config{Token: "t"})
	for name, call := range map[string]func() error{
		"CreateClient": func() error {
			_, _, err := api.CreateClient(t.Context(), client.CreateClientRequestContent{Name: "x"})
			return err
		},
		"RotateSecret": func() error { _, err := api.RotateSecret(t.Context(), "x", 0); return err },
		"GrantAPI":     func() error { _, err := api.GrantAPI(t.Context(), "x", "y", nil); return err },
		"ClearExpiry":  func() error { _, err := api.ClearExpiry(t.Context(), "x", "y"); return err },
		"RegisterKey": func() error {
			_, err := api.RegisterKey(t.Context(), "x", testKey(t).Public(), client.KeyOptions{})
			return err
		},
	} {
		if err := call(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
