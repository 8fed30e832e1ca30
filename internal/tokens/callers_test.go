package tokens_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
)

// accepts reports whether an instance accepts a token for a scope.
func accepts(t *testing.T, r *registry.Registry, token string) bool {
	t.Helper()
	caller, err := r.VerifyToken(t.Context(), token)
	if err != nil && oauth.KindOf(err) != oauth.Unauthenticated {
		t.Fatal(err)
	}
	return err == nil && caller.Has("read:clients")
}

// TestEveryWayOfEndingIsSeenWithinTheBound has two instances remember what they
// know of callers while a third makes the changes, and the connections over which
// they follow it are cut at random. No instance may accept a token that was ended
// longer ago than the bound, counted from the commit.
func TestEveryWayOfEndingIsSeenWithinTheBound(t *testing.T) {
	t.Parallel()
	s := servertest.New(t) // makes the changes
	address := s.Pool.Config().ConnString()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	var both []*registry.Registry
	for range 2 {
		reader, err := postgres.Open(ctx, postgres.Options{Address: func() (string, error) { return postgrestest.Runtime(t, address), nil }, Connections: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(reader.Close)
		r := registry.New(postgres.New(s.Serving), s.Keys, s.Registry.Config)
		running.Go(func() { r.Changes.Run(ctx, postgres.New(reader), slog.New(slog.DiscardHandler)) })
		both = append(both, r)
	}
	cutter := postgrestest.Open(t, postgrestest.Superuser(t, address))
	path := func(id string) string { return "/api/roster/v1/clients/" + id }
	for _, way := range []struct {
		name string
		end  func(id, grant, token string) servertest.Response
	}{
		{"a narrowed grant", func(id, grant, token string) servertest.Response {
			return s.Do(s.Admin, "PATCH", "/api/v2/client-grants/"+grant, map[string]any{"scope": []string{}})
		}},
		{"a removed grant", func(id, grant, token string) servertest.Response {
			return s.Do(s.Admin, "DELETE", "/api/v2/client-grants/"+grant, nil)
		}},
		{"disabling", func(id, grant, token string) servertest.Response {
			return s.Do(s.Admin, "PUT", path(id)+"/state", map[string]any{"state": "disabled"})
		}},
		{"ending tokens", func(id, grant, token string) servertest.Response {
			return s.Do(s.Admin, "POST", path(id)+"/end-tokens", map[string]any{})
		}},
		{"a rotation without grace", func(id, grant, token string) servertest.Response {
			return s.Do(s.Admin, "POST", path(id)+"/secrets?grace_seconds=0", nil)
		}},
		{"revocation", func(id, grant, token string) servertest.Response {
			secret := s.Do(s.Admin, "POST", path(id)+"/secrets?grace_seconds=600", nil).Want(http.StatusCreated).Object()["client_secret"].(string)
			form := url.Values{"client_id": {id}, "client_secret": {secret}, "token": {token}}
			return s.Do("", "POST", "/oauth/revoke", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		}},
		{"deletion", func(id, grant, token string) servertest.Response {
			return s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil)
		}},
		{"deletion, and restoring", func(id, grant, token string) servertest.Response {
			s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil).Want(http.StatusNoContent)
			return s.Do(s.Admin, "POST", path(id)+"/restore", nil)
		}},
	} {
		for _, cut := range []bool{false, true} {
			token := s.Token("read:clients")
			caller, err := s.Registry.VerifyToken(ctx, token)
			if err != nil {
				t.Fatal(err)
			}
			var grants []map[string]any
			s.Do(s.Admin, "GET", "/api/v2/client-grants?client_id="+caller.ClientID, nil).Want(http.StatusOK).Decode(&grants)
			for _, r := range both {
				servertest.Eventually(t, "the reader proves itself", r.Changes.Proven)
				if !accepts(t, r, token) {
					t.Fatal("the token is refused to begin with")
				}
			}
			if cut {
				time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() {
					_, _ = cutter.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
						WHERE datname = current_database() AND query LIKE '%pg_current_snapshot%' AND pid <> pg_backend_pid()`)
				})
			}
			if r := way.end(caller.ClientID, grants[0]["id"].(string), token); r.Status > 299 {
				t.Fatalf("%s: %d: %s", way.name, r.Status, r.Body)
			}
			committed := time.Now() // or a little before
			if accepts(t, s.Registry, token) {
				t.Errorf("%s: the instance that did it accepts the token", way.name)
			}
			var took [2]time.Duration
			for n, r := range both {
				for asked := time.Now(); accepts(t, r, token); asked = time.Now() {
					if late := asked.Sub(committed); late > tokens.RevocationBound {
						t.Fatalf("%s, cut %v: an instance accepts the token %v after the commit", way.name, cut, late)
					}
					time.Sleep(time.Millisecond)
				}
				took[n] = time.Since(committed)
			}
			t.Logf("%s, cut %v: refused after %v and %v", way.name, cut, took[0], took[1])
		}
	}
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK) // an operator's token has no client
}
