package tokens

import (
	"context"
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/rosterhq/roster/internal/changefeed"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// RevocationBound is how long a token can still be used on the management API
// after its client was deleted or switched off, has lost a scope or the grant, or
// after its tokens were ended or it was revoked: on every instance, from the commit on.
const RevocationBound = changefeed.Bound

// maxCallers bounds how many clients' rights are remembered at a time.
const maxCallers = 10_000

// standing is what a client is granted on an API; nil scopes for
// nothing, because there is no such client or grant. It is never changed: what a
// token gave under one it gives as long as that is the client's.
type standing struct {
	scopes []string
	ends   oauth.TokenEnds
}

func newCallers(feed *changefeed.Feed) *lru.Cache[string, *standing] {
	callers, err := lru.New[string, *standing](maxCallers)
	if err != nil {
		panic(err) // only for a size below 1
	}
	feed.Subscribe(func(list []postgres.Change) {
		for _, c := range list {
			switch {
			case movesAll(c):
				callers.Purge()
			case c.Kind == "client", c.Kind == "token":
				callers.Remove(c.Client)
			}
		}
	})
	return callers
}

// movesAll reports whether a change may touch the rights of any client.
func movesAll(c postgres.Change) bool {
	return c.Kind == "" || c.Kind == "client_grant" || c.Kind == "resource_server"
}

// standingOf returns a client's standing as it is, or was within RevocationBound.
// If it had to be read, revoked tells whether a token was revoked; else it is nil.
func (r *Tokens) standingOf(ctx context.Context, clientID, jti string) (s *standing, revoked *bool, err error) {
	if known, found := r.callers.Get(clientID); found && r.config.Changes.Proven() {
		return known, nil, nil
	}
	mark := r.config.Changes.Mark()
	s, gone, err := r.standing(ctx, clientID, r.config.Audience, jti)
	if err != nil {
		return nil, nil, err
	}
	r.callers.Add(clientID, s)
	if r.config.Changes.Since(mark, func(c postgres.Change) bool {
		return movesAll(c) || c.Client == clientID && (c.Kind == "client" || c.Kind == "token")
	}) {
		r.callers.Remove(clientID)
	}
	return s, &gone, nil
}

// standing reads what a client is granted on an API, and whether a token of it was
// revoked.
func (r *Tokens) standing(ctx context.Context, clientID, audience, jti string) (s *standing, revoked bool, err error) {
	ends, revoked, err := r.store.TokenEnds(ctx, clientID, audience, jti)
	if err != nil {
		return nil, false, err
	}
	scopes, err := r.grantedScopes(ctx, clientID, audience)
	return &standing{scopes, ends}, revoked, err
}

// stillGranted cuts the scopes of a token down to what its client's standing
// allows. ok is false when that is nothing at all, or the token was ended.
func (r *Tokens) stillGranted(ctx context.Context, s *standing, scopes []string, t oauth.IssuedToken) (left []string, ok bool, err error) {
	if s.ends.Ambiguous(t) {
		at, err := r.store.TokenIssuedAt(ctx, t.ID)
		if err != nil {
			return nil, false, err
		}
		if !at.IsZero() {
			t.IssuedAt = at
		}
	}
	if s.scopes == nil || s.ends.Dead(t) {
		return nil, false, nil
	}
	return slices.DeleteFunc(scopes, func(scope string) bool { return !slices.Contains(s.scopes, scope) }), true, nil
}

// grantedScopes reads what a client is granted on an API; nil when there is no
// such client, or none that is active, or no grant.
func (r *Tokens) grantedScopes(ctx context.Context, clientID, audience string) ([]string, error) {
	c, err := r.store.Client(ctx, oauth.ClientRef{ClientID: clientID})
	if oauth.KindOf(err) == oauth.NotFound || err == nil && c.State != oauth.Active {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, _, scopes, err := r.authorize(ctx, c, Request{Audience: audience})
	if oauth.KindOf(err) == oauth.Forbidden {
		return nil, nil
	}
	return append([]string{}, scopes...), err
}
