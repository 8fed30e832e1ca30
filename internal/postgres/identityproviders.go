package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

const identityProviderColumns = `id::text, name, document, sealed, created_at, updated_at`

func scanIdentityProvider(row pgx.CollectableRow) (oauth.IdentityProvider, error) {
	var p oauth.IdentityProvider
	err := row.Scan(&p.ID, &p.Name, &p.Document, &p.Sealed, &p.CreatedAt, &p.UpdatedAt)
	return p, err
}

// IdentityProviders returns every identity provider in creation order.
func (r reader) IdentityProviders(ctx context.Context) ([]oauth.IdentityProvider, error) {
	return all(ctx, r, scanIdentityProvider, "SELECT "+identityProviderColumns+" FROM identity_providers ORDER BY created_at, id")
}

// IdentityProvider reads one identity provider.
func (r reader) IdentityProvider(ctx context.Context, id string) (oauth.IdentityProvider, error) {
	return one(ctx, r, "identity_provider", scanIdentityProvider, "SELECT "+identityProviderColumns+" FROM identity_providers WHERE id = $1", id)
}

// LockIdentityProvider reads one identity provider for changing it.
func (t *Tx) LockIdentityProvider(ctx context.Context, id string) (oauth.IdentityProvider, error) {
	return one(ctx, t, "identity_provider", scanIdentityProvider, "SELECT "+identityProviderColumns+" FROM identity_providers WHERE id = $1 FOR UPDATE", id)
}

const holdProvider = "SELECT " + identityProviderColumns + " FROM identity_providers WHERE id = $1 FOR KEY SHARE"

// HoldIdentityProvider reads one identity provider and keeps it from going
// until the transaction ends.
func (t *Tx) HoldIdentityProvider(ctx context.Context, id string) (oauth.IdentityProvider, error) {
	return one(ctx, t, "identity_provider", scanIdentityProvider, holdProvider, id)
}

// InsertIdentityProvider stores a new identity provider.
func (t *Tx) InsertIdentityProvider(p oauth.IdentityProvider) {
	t.write(`INSERT INTO identity_providers (id, name, document, sealed, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		p.ID, p.Name, p.Document, p.Sealed, p.CreatedAt, p.UpdatedAt)
}

// UpdateIdentityProvider stores p over the locked one.
func (t *Tx) UpdateIdentityProvider(p oauth.IdentityProvider) {
	t.write(`UPDATE identity_providers SET name = $2, document = $3, sealed = $4, updated_at = $5 WHERE id = $1`,
		p.ID, p.Name, p.Document, p.Sealed, p.UpdatedAt)
}

// DeleteIdentityProvider removes an identity provider; one in use is a
// Conflict.
func (t *Tx) DeleteIdentityProvider(id string) {
	t.write(`DELETE FROM identity_providers WHERE id = $1`, id)
}
