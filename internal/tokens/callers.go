package tokens

import (
	"context"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/rosterhq/roster/internal/oauth"
)

// RevocationBound is how long a management token can still be used after its
// client was deleted, or has lost a scope or the grant.
const RevocationBound = 5 * time.Second

// maxCallers bounds how many clients' rights are remembered at a time.
const maxCallers = 10_000

// standing is what a client is granted on the management API at a moment; nil
// scopes for nothing, because there is no such client or grant.
type standing struct {
	scopes []string
	at     time.Time
}

func newCallers() *lru.Cache[string, standing] {
	c, err := lru.New[string, standing](maxCallers)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return c
}

// ForgetCallers has every client's rights read again.
func (r *Tokens) ForgetCallers() { r.callers.Purge() }

// stillGranted cuts the scopes of a client's token down to what the client is
// granted now, or within RevocationBound. ok is false when that is nothing at
// all: the client or its grant is gone.
func (r *Tokens) stillGranted(ctx context.Context, clientID string, scopes []string) (left []string, ok bool, err error) {
	known, found := r.callers.Get(clientID)
	if age := r.config.Now().Sub(known.at); !found || age > RevocationBound || age < 0 {
		known = standing{at: r.config.Now()}
		if known.scopes, err = r.managementScopes(ctx, clientID); err != nil {
			return nil, false, err
		}
		r.callers.Add(clientID, known)
	}
	if known.scopes == nil {
		return nil, false, nil
	}
	return slices.DeleteFunc(scopes, func(s string) bool { return !slices.Contains(known.scopes, s) }), true, nil
}

// managementScopes reads what a client is granted on the management API; nil
// when there is no such client, or none that is active, or no grant.
func (r *Tokens) managementScopes(ctx context.Context, clientID string) ([]string, error) {
	c, err := r.store.Client(ctx, oauth.ClientRef{ClientID: clientID})
	if oauth.KindOf(err) == oauth.NotFound || err == nil && c.State != oauth.Active {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r.ManagementGrant(ctx, c)
}

// ManagementGrant reads what a client is granted on the management API, whether
// or not it is active; nil when it has no grant.
func (r *Tokens) ManagementGrant(ctx context.Context, c oauth.Client) ([]string, error) {
	_, _, scopes, err := r.authorize(ctx, c, Request{Audience: r.config.Audience})
	if oauth.KindOf(err) == oauth.Forbidden {
		return nil, nil
	}
	return append([]string{}, scopes...), err
}
