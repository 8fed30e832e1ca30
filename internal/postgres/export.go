package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

// MadeAt is a place in the order in which records were made.
type MadeAt struct {
	CreatedAt time.Time `json:"t"`
	ID        string    `json:"i"`
}

const beforeAll = "00000000-0000-0000-0000-000000000000"

func (p MadeAt) args(limit int) []any {
	if p.ID == "" {
		return []any{time.Time{}, beforeAll, limit}
	}
	return []any{p.CreatedAt, p.ID, limit}
}

const madeAfter = " (created_at, id) > ($1, $2::uuid) ORDER BY created_at, id LIMIT $3"

// KeyPairsAfter returns the shared key pairs that were made after a place.
func (r reader) KeyPairsAfter(ctx context.Context, after MadeAt, limit int) (list []oauth.KeyPair, more bool, err error) {
	return chunk(ctx, r, scanKeyPair, "SELECT "+keyPairColumns+" FROM key_pairs WHERE retired_at IS NULL AND"+madeAfter, after.args(limit)...)
}

// ScopesAfter returns the scopes that were made after a place.
func (r reader) ScopesAfter(ctx context.Context, after MadeAt, limit int) (list []oauth.Scope, more bool, err error) {
	return chunk(ctx, r, scanScope, "SELECT "+scopeColumns+" FROM scopes WHERE"+madeAfter, after.args(limit)...)
}

// IdentityProvidersAfter returns the identity providers that were made after a
// place.
func (r reader) IdentityProvidersAfter(ctx context.Context, after MadeAt, limit int) (list []oauth.IdentityProvider, more bool, err error) {
	return chunk(ctx, r, scanIdentityProvider, "SELECT "+identityProviderColumns+" FROM identity_providers WHERE"+madeAfter, after.args(limit)...)
}

// ResourceServersAfter returns APIs, all but Roster's own, that come after a
// place in lists.
func (r reader) ResourceServersAfter(ctx context.Context, after int64, limit int) (list []PlacedAPI, more bool, err error) {
	return chunk(ctx, r, scanPlacedAPI, "SELECT "+apiColumns+", r.serial"+apiTables+" WHERE r.serial > $1 AND NOT r.is_system ORDER BY r.serial LIMIT $2", after, limit)
}

// ClientKey is the key that a client signs with.
type ClientKey struct {
	Client    string // uuid
	Sealed    []byte // its own; nil for a shared one
	KeyPair   string // id of the shared one
	Pair      []byte // sealed private half of the shared one, where that is retired
	PublicKey string // of the retired shared one
}

// ClientKeys returns the keys of those clients that have one, by client.
func (r reader) ClientKeys(ctx context.Context, clients []string) (map[string]ClientKey, error) {
	list, err := all(ctx, r, pgx.RowToStructByPos[ClientKey], `SELECT ck.client::text, ck.sealed, coalesce(k.id::text, ''),
			CASE WHEN k.retired_at IS NOT NULL THEN k.sealed END, CASE WHEN k.retired_at IS NOT NULL THEN k.public_key ELSE '' END
		FROM client_keys ck LEFT JOIN key_pairs k ON k.id = ck.key_pair WHERE ck.client = ANY ($1::uuid[])`, clients)
	byClient := map[string]ClientKey{}
	for _, k := range list {
		byClient[k.Client] = k
	}
	return byClient, err
}
