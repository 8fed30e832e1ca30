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

var systemAPI = &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Reserved, Detail: "The system API cannot be changed."}

// CreateResourceServer registers an API. No API can take a spelling of the
// management API's identifier.
func (r *Registry) CreateResourceServer(ctx context.Context, api oauth.ResourceServer) (oauth.ResourceServer, error) {
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		err := permit(ctx, creatingAPIs)
		if err == nil {
			api, err = r.insertAPI(ctx, tx, api)
		}
		return err
	})
	return api, err
}

func (r *Registry) insertAPI(ctx context.Context, tx *postgres.Tx, api oauth.ResourceServer) (oauth.ResourceServer, error) {
	if slices.Contains(tokens.Spellings(r.ManagementAudience()), api.Identifier) {
		return api, &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Reserved, Detail: "The identifier is reserved for the system API."}
	}
	if err := oauth.CheckSize(KindResourceServer, nil, api.Document); err != nil {
		return api, err
	}
	if err := oauth.CheckNoPrivateKeys(nil, api.Document); err != nil {
		return api, err
	}
	if err := r.checkLookalike(ctx, tx, api.Identifier); err != nil {
		return api, err
	}
	if api.ID == "" {
		api.ID = oauth.RandomText(oauth.Hexadecimal, 24)
	}
	api.Version, api.UpdatedAt = 1, r.now()
	if api.CreatedAt.IsZero() {
		api.CreatedAt = api.UpdatedAt
	}
	if err := r.sealAPISecret(&api); err != nil {
		return api, err
	}
	tx.InsertResourceServer(api)
	r.record(ctx, tx, "resource_server.created", "resource_server", api.Identifier, nil, api.Document)
	return api, nil
}

// checkLookalike refuses an identifier that people would take for another API's,
// to which they would then grant access.
func (r *Registry) checkLookalike(ctx context.Context, tx *postgres.Tx, identifier string) error {
	others, err := tx.APIsLike(ctx, identifier)
	if err != nil {
		return err
	}
	for _, other := range append(others, tokens.Spellings(r.ManagementAudience())...) {
		if oauth.Alike(other) == oauth.Alike(identifier) {
			return oauth.Invalidate(oauth.Violation{
				Member: "identifier", Rule: "not", Detail: "must differ from " + other + " in more than blanks, invisible characters and the case of scheme and host",
			})
		}
	}
	return nil
}

// ResourceServer returns the API that has one of names as id or identifier.
func (r *Registry) ResourceServer(ctx context.Context, names ...string) (oauth.ResourceServer, error) {
	return r.store.ResourceServer(ctx, names...)
}

// ResourceServers returns a page of APIs in creation order, as Clients does.
func (r *Registry) ResourceServers(ctx context.Context, identifiers []string, after int64, limit, offset int) (list []postgres.PlacedAPI, more bool, err error) {
	return r.store.ResourceServers(ctx, identifiers, after, limit, offset)
}

// CountResourceServers counts all that ResourceServers selects.
func (r *Registry) CountResourceServers(ctx context.Context, identifiers []string) (int, error) {
	return r.store.CountResourceServers(ctx, identifiers)
}

// UpdateResourceServer stores what edit makes of an API's document and secret.
func (r *Registry) UpdateResourceServer(ctx context.Context, edit func(*oauth.ResourceServer) error, names ...string) (oauth.ResourceServer, error) {
	var api oauth.ResourceServer
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		var err error
		if api, err = tx.LockResourceServer(ctx, names...); err != nil {
			return err
		}
		if api.System {
			return systemAPI
		}
		before := api.Document
		api.Document = maps.Clone(before)
		if err := edit(&api); err != nil {
			return err
		}
		if equalDocuments(before, api.Document) && api.NewSecret.IsZero() {
			return nil
		}
		if err = permit(ctx, changingAPIs); err == nil {
			api, err = r.storeAPI(ctx, tx, before, api)
		}
		return err
	})
	return api, err
}

// storeAPI stores a locked API whose document was before.
func (r *Registry) storeAPI(ctx context.Context, tx *postgres.Tx, before jsondoc.Object, api oauth.ResourceServer) (oauth.ResourceServer, error) {
	if err := oauth.CheckSize(KindResourceServer, before, api.Document); err != nil {
		return api, err
	}
	if err := oauth.CheckNoPrivateKeys(before, api.Document); err != nil {
		return api, err
	}
	if err := r.sealAPISecret(&api); err != nil {
		return api, err
	}
	if err := r.dropGrantScopes(ctx, tx, before, api); err != nil {
		return api, err
	}
	api.Version, api.UpdatedAt = api.Version+1, r.now()
	tx.UpdateResourceServer(api)
	r.record(ctx, tx, "resource_server.updated", "resource_server", api.Identifier, before, api.Document)
	return api, nil
}

// dropGrantScopes takes the scopes that an API no longer has from the grants on
// it.
func (r *Registry) dropGrantScopes(ctx context.Context, tx *postgres.Tx, before jsondoc.Object, api oauth.ResourceServer) error {
	old := oauth.ResourceServer{Document: before}
	was, err := old.Terms()
	if err != nil {
		return err
	}
	is, err := api.Terms()
	if err != nil {
		return err
	}
	known := is.ScopeValues()
	gone := slices.DeleteFunc(was.ScopeValues(), func(scope string) bool { return slices.Contains(known, scope) })
	if len(gone) == 0 {
		return nil
	}
	grants, err := tx.LockGrantsWithScopes(ctx, api.Identifier, gone)
	if err != nil {
		return err
	}
	for _, g := range grants {
		terms, err := g.Terms()
		if err != nil {
			return err
		}
		kept := slices.DeleteFunc(terms.Scope, func(scope string) bool { return slices.Contains(gone, scope) })
		granted := g.Document
		g.Document = maps.Clone(granted)
		g.Document["scope"] = jsondoc.Must(kept)
		if _, err := r.storeGrant(ctx, tx, granted, g); err != nil {
			return err
		}
	}
	return nil
}

// DeleteResourceServer removes an API and the grants on it.
func (r *Registry) DeleteResourceServer(ctx context.Context, names ...string) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		api, err := tx.LockResourceServer(ctx, names...)
		if err != nil {
			return err
		}
		if api.System {
			return systemAPI
		}
		if err := permit(ctx, deletingAPIs); err != nil {
			return err
		}
		tx.DeleteResourceServer(api.ID)
		r.record(ctx, tx, "resource_server.deleted", "resource_server", api.Identifier, api.Document, nil)
		return nil
	})
}

func (r *Registry) sealAPISecret(api *oauth.ResourceServer) error {
	if api.NewSecret.IsZero() {
		return nil
	}
	var err error
	api.SealedSecret, err = r.keys.Seal([]byte(api.NewSecret.Reveal()), tokens.APISecretLocation(api.ID))
	return err
}
