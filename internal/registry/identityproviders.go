package registry

import (
	"context"
	"maps"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

func providerDocument(p oauth.IdentityProvider) jsondoc.Object {
	doc := maps.Clone(p.Document)
	doc["name"] = jsondoc.Must(p.Name)
	return doc
}

// CreateIdentityProvider registers an identity provider. An empty ID is made
// up.
func (r *Registry) CreateIdentityProvider(ctx context.Context, p oauth.IdentityProvider) (oauth.IdentityProvider, error) {
	if p.ID == "" {
		p.ID = uuid.NewString()
	}
	p.CreatedAt = r.now()
	p.UpdatedAt = p.CreatedAt
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		return r.insertProvider(ctx, tx, p)
	})
	return p, err
}

// insertProvider stores a new provider, whose document holds no secrets: no door
// takes a backend.
func (r *Registry) insertProvider(ctx context.Context, tx *postgres.Tx, p oauth.IdentityProvider) error {
	tx.InsertIdentityProvider(p)
	r.record(ctx, tx, "identity_provider.created", "identity_provider", p.ID, nil, providerDocument(p))
	return oauth.CheckSize(KindIdentityProvider, nil, p.Document)
}

// IdentityProvider returns one identity provider.
func (r *Registry) IdentityProvider(ctx context.Context, id string) (oauth.IdentityProvider, error) {
	return r.store.IdentityProvider(ctx, id)
}

// UpdateIdentityProvider stores what edit makes of an identity provider.
func (r *Registry) UpdateIdentityProvider(ctx context.Context, id string, edit func(*oauth.IdentityProvider) error) (oauth.IdentityProvider, error) {
	var p oauth.IdentityProvider
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		var err error
		if p, err = tx.LockIdentityProvider(ctx, id); err != nil {
			return err
		}
		before := p
		p.Document = maps.Clone(p.Document)
		if err := edit(&p); err != nil {
			return err
		}
		return r.storeProvider(ctx, tx, before, p)
	})
	return p, err
}

// storeProvider stores p over the locked one that was before.
func (r *Registry) storeProvider(ctx context.Context, tx *postgres.Tx, before, p oauth.IdentityProvider) error {
	p.UpdatedAt = r.now()
	tx.UpdateIdentityProvider(p)
	r.record(ctx, tx, "identity_provider.updated", "identity_provider", p.ID, providerDocument(before), providerDocument(p))
	return oauth.CheckSize(KindIdentityProvider, before.Document, p.Document)
}

// DeleteIdentityProvider removes an identity provider, unless a client uses it.
func (r *Registry) DeleteIdentityProvider(ctx context.Context, id string) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		p, err := tx.LockIdentityProvider(ctx, id)
		if err != nil {
			return err
		}
		tx.DeleteIdentityProvider(p.ID)
		r.record(ctx, tx, "identity_provider.deleted", "identity_provider", p.ID, providerDocument(p), nil)
		return nil
	})
}
