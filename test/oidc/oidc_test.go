// Package oidc_test takes tokens from a real OpenID Connect provider, the npm
// package oidc-provider, to a running Roster.
package oidc_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/issuers"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
)

// newRoster starts a Roster that trusts what ROSTER_TRUSTED_ISSUERS would say.
func newRoster(t *testing.T, trusted string) *servertest.Server {
	t.Helper()
	return servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) {
		servertest.RealTime(c)
		scopes, err := server.ManagementScopes()
		if err != nil {
			t.Fatal(err)
		}
		var known []string
		for _, s := range scopes {
			known = append(known, s.Value)
		}
		list, err := issuers.Parse(trusted, known)
		if err != nil {
			t.Fatal(err)
		}
		c.Issuers, err = issuers.New(list, issuers.Self{
			Issuer: c.Issuer(), Audience: c.ManagementAudience(), Now: c.Now, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
	}})
}

func newSettings() settings {
	s := settings{Port: "0", Alg: "ES256", KeyID: "first", Scope: "create:clients read:clients delete:clients"}
	s.Client.ID, s.Client.Secret = "ops", oauth.RandomText(oauth.URLSafe, 48)
	return s
}

func TestTokensOfAnOutsideIssuerManageClients(t *testing.T) {
	t.Parallel()
	p := start(t, newSettings())
	s := newRoster(t, p.Issuer)
	audience := s.Registry.ManagementAudience()

	token := p.Token(audience, "create:clients read:clients")
	created := s.Do(token, http.MethodPost, "/api/v2/clients", map[string]any{"name": "billing"}).Want(http.StatusCreated).Object()
	id := created["client_id"].(string)
	s.Do(token, http.MethodGet, "/api/v2/clients/"+id, nil).Want(http.StatusOK)
	s.Do(token, http.MethodDelete, "/api/v2/clients/"+id, nil).Want(http.StatusForbidden)
	s.Do(p.Token(audience, "delete:clients"), http.MethodDelete, "/api/v2/clients/"+id, nil).Want(http.StatusNoContent)

	var actor, actorClient string
	err := s.Pool.QueryRow(t.Context(), `SELECT actor, actor_client FROM events WHERE action = 'client.created' AND target = $1`, id).Scan(&actor, &actorClient)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{p.Issuer + "|ops", p.Issuer + "|ops"}
	if diff := cmp.Diff(want, []string{actor, actorClient}); diff != "" {
		t.Errorf("actor and client of the event (-want +got):\n%s", diff)
	}
}

func TestTokensOfAnOutsideIssuerAreRefused(t *testing.T) {
	t.Parallel()
	p := start(t, newSettings())
	stranger := start(t, newSettings())
	s := newRoster(t, p.Issuer+";scopes=read:clients")
	audience := s.Registry.ManagementAudience()
	get := func(token string, status int) {
		t.Helper()
		s.Do(token, http.MethodGet, "/api/v2/clients", nil).Want(status)
	}
	get(p.Token(audience, "read:clients"), http.StatusOK)
	get(p.Token(s.URL+"/api/v3/", "read:clients"), http.StatusUnauthorized)       // another audience
	get(stranger.Token(audience, "read:clients"), http.StatusUnauthorized)        // an issuer that is not listed
	get(p.Token(audience, ""), http.StatusForbidden)                              // no scope
	s.Do(p.Token(audience, "create:clients"), http.MethodPost, "/api/v2/clients", // more than the issuer may grant
		map[string]any{"name": "billing"}).Want(http.StatusForbidden)
}

func TestAnOutsideIssuerMayChangeItsKeys(t *testing.T) {
	t.Parallel()
	config := newSettings()
	p := start(t, config)
	s := newRoster(t, p.Issuer)
	before := p.Token(s.Registry.ManagementAudience(), "read:clients")
	s.Do(before, http.MethodGet, "/api/v2/clients", nil).Want(http.StatusOK)

	p.Stop()
	s.Do(before, http.MethodGet, "/api/v2/clients", nil).Want(http.StatusOK) // needs no provider
	address, err := url.Parse(p.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	config.Port, config.Alg, config.KeyID = address.Port(), "RS256", "second"
	p = start(t, config)
	after := p.Token(s.Registry.ManagementAudience(), "read:clients")
	s.Do(after, http.MethodGet, "/api/v2/clients", nil).Want(http.StatusOK)
	s.Do(before, http.MethodGet, "/api/v2/clients", nil).Want(http.StatusUnauthorized)
}
