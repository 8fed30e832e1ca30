package registry

import (
	"context"
	"slices"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/rights"
)

// administration is what somebody must hold for a registry that can be managed
// over the API: whoever has it can give clients what they need, and change them.
var administration = rights.Of("update:client_grants", "update:clients")

var errLastAdministrator = &oauth.Error{
	Kind: oauth.Conflict, Reason: oauth.LastAdministrator,
	Detail: "No client would be left that is active, can authenticate and may change client grants and clients.",
}

// keepAdministrator refuses what a request has done in tx to a client that was an
// administrator if nobody is one now. The operator, who can make another, may do
// it, and so may a request that is forced, which leaves an event.
func (r *Registry) keepAdministrator(ctx context.Context, tx *postgres.Tx, was *oauth.Client) error {
	origin := oauth.OriginOf(ctx)
	if origin.RequestID == "" || !was.Granted.Has(administration) {
		return nil
	}
	if err := tx.Exclusive(ctx); err != nil { // two may go at once
		return err
	}
	q := postgres.GrantQuery{Audience: r.ManagementAudience(), Limit: 100}
	for {
		page, more, err := tx.ClientGrants(ctx, q)
		if err != nil {
			return err
		}
		for _, g := range page {
			q.After = g.Serial
			if g.ClientID == "" || g.SubjectType != "client" || !g.Rights().Has(administration) {
				continue
			}
			if good, err := r.canAuthenticate(ctx, tx, g.ClientID); good || err != nil {
				return err
			}
		}
		if len(page) < q.Limit && !more {
			return errLastAdministrator
		}
	}
}

// keepGrantee is keepAdministrator after a change of a grant.
func (r *Registry) keepGrantee(ctx context.Context, tx *postgres.Tx, was oauth.ClientGrant) error {
	if was.ClientID == "" || was.Audience != r.ManagementAudience() {
		return nil
	}
	return r.keepAdministrator(ctx, tx, &oauth.Client{Granted: was.Rights()})
}

// canAuthenticate reports whether a client is active and can get tokens.
func (r *Registry) canAuthenticate(ctx context.Context, tx *postgres.Tx, clientID string) (bool, error) {
	now := r.now()
	auth, err := tx.Authentication(ctx, clientID, nil, true, now)
	if oauth.KindOf(err) == oauth.NotFound { // or not active
		return false, nil
	}
	if err != nil {
		return false, err
	}
	meta, err := auth.Client.Metadata()
	if err != nil || !slices.Contains(meta.GrantTypes, oauth.GrantClientCredentials) {
		return false, err
	}
	keys := slices.DeleteFunc(auth.Credentials, func(c oauth.Credential) bool { return c.ExpiresAt != nil && !c.ExpiresAt.After(now) })
	if key, ok := auth.Client.AssertionKey(now); ok {
		keys = append(keys, key)
	}
	return slices.ContainsFunc(oauth.EffectiveMethods(auth.Client.Document, keys), func(method string) bool {
		return method == oauth.SlotPrivateKeyJWT || len(auth.Secrets) > 0
	}), nil
}
