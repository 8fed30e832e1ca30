package clienttest_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/client"
)

func TestSecretIsRotatedWithAndWithoutGrace(t *testing.T) {
	t.Parallel()
	s, api, _ := administered(t)
	ctx := t.Context()
	id, first := create(t, api, client.ClientInput{Name: "billing", GrantTypes: []string{"client_credentials"}})
	grant, err := api.CreateGrant(ctx, client.GrantInput{ClientID: id, Audience: s.URL + "/api/v2/", Scopes: []string{"read:clients"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"read:clients"}, grant.Scopes); diff != "" || grant.ClientID != id {
		t.Errorf("the grant of %s is for %s (-want +got):\n%s", id, grant.ClientID, diff)
	}
	good := func(secret string) bool {
		t.Helper()
		_, err := newClient(t, s.URL, client.Config{ClientID: id, ClientSecret: secret}).GetClient(ctx, id, nil)
		if err != nil && !errors.Is(err, client.ErrUnauthorized) {
			t.Fatal(err)
		}
		return err == nil
	}
	second, err := api.RotateSecret(ctx, id, &client.RotateOptions{Grace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if !good(first) || !good(second) {
		t.Error("after rotation with grace, not both secrets are good")
	}
	third, err := api.RotateSecret(ctx, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if good(first) || good(second) || !good(third) {
		t.Error("after rotation without grace, not the last secret alone is good")
	}
	if _, err := api.RotateSecret(ctx, id, &client.RotateOptions{Grace: -time.Hour}); !errors.Is(err, client.ErrBadRequest) {
		t.Errorf("less than no grace: %v", err)
	}
	if _, err := api.RotateSecret(ctx, "nobody", nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("nobody's secret: %v", err)
	}
}

func TestGrantsMayHaveNoScopesAndAreMadeOnce(t *testing.T) {
	t.Parallel()
	s, api, id := administered(t)
	grant, err := api.CreateGrant(t.Context(), client.GrantInput{ClientID: id, Audience: s.URL + "/api/v2/", Scopes: []string{}}, nil)
	if err != nil || len(grant.Scopes) != 0 {
		t.Fatalf("got %+v, %v", grant, err)
	}
	if _, err := api.CreateGrant(t.Context(), client.GrantInput{ClientID: id, Audience: s.URL + "/api/v2/", Scopes: []string{}}, nil); !errors.Is(err, client.ErrConflict) {
		t.Errorf("once more: %v", err)
	}
	if _, err := api.CreateGrant(t.Context(), client.GrantInput{ClientID: id, Audience: "https://none.example", Scopes: []string{}}, nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("on no API: %v", err)
	}
}

func TestSupersededSecretsAreListedAndRetired(t *testing.T) {
	t.Parallel()
	_, api, id := administered(t)
	if _, err := api.RotateSecret(t.Context(), id, &client.RotateOptions{Grace: time.Hour}); err != nil {
		t.Fatal(err)
	}
	statuses := func() (all []string, last client.Secret) {
		t.Helper()
		for secret, err := range api.Secrets(t.Context(), id) {
			if err != nil {
				t.Fatal(err)
			}
			all, last = append(all, secret.Status), secret
		}
		return all, last
	}
	got, old := statuses()
	if diff := cmp.Diff([]string{"current", "superseded"}, got); diff != "" || old.ExpiresAt.IsZero() || old.CreatedAt.IsZero() {
		t.Errorf("%+v (-want +got):\n%s", old, diff)
	}
	if err := api.RetireSecret(t.Context(), id, old.ID); err != nil {
		t.Fatal(err)
	}
	if got, _ := statuses(); !slices.Equal(got, []string{"current", "ended"}) {
		t.Errorf("after retiring: %v", got)
	}
}
