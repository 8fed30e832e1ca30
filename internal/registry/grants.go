package registry

import (
	"context"
	"maps"
	"slices"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/tokens"
)

// CreateClientGrant lets the client g names ask for tokens of g's audience.
func (r *Registry) CreateClientGrant(ctx context.Context, g oauth.ClientGrant) (oauth.ClientGrant, error) {
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		var c oauth.Client
		if g.ClientID != "" {
			var err error
			if c, err = tx.LockClient(ctx, oauth.ClientRef{ClientID: g.ClientID}); err != nil {
				return err
			}
		}
		api, err := tx.HoldResourceServer(ctx, tokens.Spellings(g.Audience)...)
		if err != nil {
			return err
		}
		g.Audience = api.Identifier
		if err := checkGrant(g, api, c); err != nil {
			return err
		}
		if err := mayGrant(ctx, api, nil, &g); err != nil {
			return err
		}
		g, err = r.insertGrant(ctx, tx, c.ID, g)
		return err
	})
	return g, err
}

func (r *Registry) insertGrant(ctx context.Context, tx *postgres.Tx, client string, g oauth.ClientGrant) (oauth.ClientGrant, error) {
	if g.ID == "" {
		g.ID = "cgr_" + oauth.RandomText(oauth.Alphanumeric, 16)
	}
	g.Version, g.UpdatedAt = 1, r.now()
	if g.CreatedAt.IsZero() {
		g.CreatedAt = g.UpdatedAt
	}
	tx.InsertClientGrant(client, g)
	r.record(ctx, tx, "client_grant.created", "client_grant", g.ID, nil, g.Document)
	return g, oauth.CheckSize(KindClientGrant, nil, g.Document)
}

// errUnknownScope refuses a grant of scopes that the management API
// does not have.
var errUnknownScope = &oauth.Error{Kind: oauth.Invalid, Reason: oauth.UnknownScope, Detail: "scope must be a subset of resource server scopes"}

// errSystemGrantee refuses a grant on the management API to those whom nobody
// has vouched for.
var errSystemGrantee = &oauth.Error{Kind: oauth.Invalid, Reason: oauth.TakesNoGrant, Detail: "Third-party applications cannot be granted access to system APIs."}

// checkGrant refuses a grant on the management API of scopes that the API does
// not have, by default, and to a client that Auth0 would refuse it; client is zero
// for a default grant. A grant on any other API may name scopes that the API gets
// later: a token carries what both have when it is issued.
func checkGrant(g oauth.ClientGrant, api oauth.ResourceServer, client oauth.Client) error {
	if !api.System {
		return nil
	}
	if g.DefaultFor != "" || jsondoc.String(client.Document[oauth.MemberSecurityMode]) == "strict" {
		return errSystemGrantee
	}
	terms, err := g.Terms()
	if err != nil {
		return err
	}
	known, err := api.Terms()
	if err != nil {
		return err
	}
	for _, scope := range terms.Scope {
		if !slices.Contains(known.ScopeValues(), scope) {
			return errUnknownScope
		}
	}
	return nil
}

// ClientGrant returns one grant.
func (r *Registry) ClientGrant(ctx context.Context, id string) (oauth.ClientGrant, error) {
	return r.store.ClientGrant(ctx, id)
}

// ClientGrants returns a page of grants in creation order, as Clients does.
func (r *Registry) ClientGrants(ctx context.Context, q postgres.GrantQuery) (list []postgres.PlacedGrant, more bool, err error) {
	return r.store.ClientGrants(ctx, q)
}

// CountClientGrants counts all that q selects, whatever its page.
func (r *Registry) CountClientGrants(ctx context.Context, q postgres.GrantQuery) (int, error) {
	return r.store.CountClientGrants(ctx, q)
}

// UpdateClientGrant stores what edit makes of a grant's document.
func (r *Registry) UpdateClientGrant(ctx context.Context, id string, edit func(jsondoc.Object) error) (oauth.ClientGrant, error) {
	g, err := r.store.ClientGrant(ctx, id)
	if err != nil {
		return g, err
	}
	audience, clientID := g.Audience, g.ClientID // never change
	err = r.store.Write(ctx, func(tx *postgres.Tx) error {
		var c oauth.Client
		if audience == r.ManagementAudience() && clientID != "" { // a change of the client depends on the grant
			var err error
			if c, err = tx.LockClient(ctx, oauth.ClientRef{ClientID: clientID}); err != nil {
				return err
			}
		}
		// The API first, then the grant, as a change of the API's scopes does.
		api, err := tx.HoldResourceServer(ctx, audience)
		if err != nil {
			return err
		}
		if g, err = tx.LockClientGrant(ctx, id); err != nil {
			return err
		}
		before := g
		g.Document = maps.Clone(before.Document)
		if err := edit(g.Document); err != nil {
			return err
		}
		if err := checkGrant(g, api, c); err != nil {
			return err
		}
		if err := mayGrant(ctx, api, &before, &g); err != nil {
			return err
		}
		if g, err = r.storeGrant(ctx, tx, before.Document, g); err != nil {
			return err
		}
		return r.keepAdministrator(ctx, tx, &c)
	})
	return g, err
}

// storeGrant stores a grant whose document was before.
func (r *Registry) storeGrant(ctx context.Context, tx *postgres.Tx, before jsondoc.Object, g oauth.ClientGrant) (oauth.ClientGrant, error) {
	g.Version, g.UpdatedAt = g.Version+1, r.now()
	tx.UpdateClientGrant(g)
	r.record(ctx, tx, "client_grant.updated", "client_grant", g.ID, before, g.Document)
	return g, oauth.CheckSize(KindClientGrant, before, g.Document)
}

// DeleteClientGrant removes a grant.
func (r *Registry) DeleteClientGrant(ctx context.Context, id string) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		g, err := tx.LockClientGrant(ctx, id)
		if err != nil {
			return err
		}
		if err := permit(ctx, deletingGrants); err != nil {
			return err
		}
		tx.DeleteClientGrant(g.ID)
		r.record(ctx, tx, "client_grant.deleted", "client_grant", g.ID, g.Document, nil)
		return r.keepGrantee(ctx, tx, g)
	})
}
