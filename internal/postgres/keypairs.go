package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

const keyPairColumns = `id::text, public_key, sealed, is_default, created_at, updated_at`

func scanKeyPair(row pgx.CollectableRow) (oauth.KeyPair, error) {
	var k oauth.KeyPair
	err := row.Scan(&k.ID, &k.PublicKey, &k.Sealed, &k.Default, &k.CreatedAt, &k.UpdatedAt)
	return k, err
}

// KeyPair reads one shared key pair.
func (r reader) KeyPair(ctx context.Context, id string) (oauth.KeyPair, error) {
	return one(ctx, r, "key_pair", scanKeyPair, "SELECT "+keyPairColumns+" FROM key_pairs WHERE id = $1 AND retired_at IS NULL", id)
}

// DefaultKeyPair reads the pair of clients that have no key.
func (r reader) DefaultKeyPair(ctx context.Context) (oauth.KeyPair, error) {
	return one(ctx, r, "key_pair", scanKeyPair, "SELECT "+keyPairColumns+" FROM key_pairs WHERE is_default")
}

// LockKeyPair reads one shared key pair for changing it.
func (t *Tx) LockKeyPair(ctx context.Context, id string) (oauth.KeyPair, error) {
	return one(ctx, t, "key_pair", scanKeyPair, "SELECT "+keyPairColumns+" FROM key_pairs WHERE id = $1 AND retired_at IS NULL FOR UPDATE", id)
}

const holdKeyPair = "SELECT " + keyPairColumns + " FROM key_pairs WHERE id = $1 AND retired_at IS NULL FOR SHARE"

// InsertKeyPair stores a new shared key pair.
func (t *Tx) InsertKeyPair(k oauth.KeyPair) {
	t.write(`INSERT INTO key_pairs (id, public_key, sealed, is_default, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		k.ID, k.PublicKey, k.Sealed, k.Default, k.CreatedAt, k.UpdatedAt)
}

// UpdateKeyPair stores k over the locked one.
func (t *Tx) UpdateKeyPair(k oauth.KeyPair) {
	t.write(`UPDATE key_pairs SET public_key = $2, sealed = $3, is_default = $4, updated_at = $5 WHERE id = $1`,
		k.ID, k.PublicKey, k.Sealed, k.Default, k.UpdatedAt)
}

// UnsetDefaultKeyPair leaves no pair the default one.
func (t *Tx) UnsetDefaultKeyPair(now time.Time) {
	t.write(`UPDATE key_pairs SET is_default = false, updated_at = $1 WHERE is_default`, now)
}

// DeleteKeyPair removes a shared key pair; clients that use it keep it.
func (t *Tx) DeleteKeyPair(id string, now time.Time) {
	t.write(`UPDATE key_pairs SET retired_at = $2, is_default = false WHERE id = $1`, id, now)
	t.write(`DELETE FROM key_pairs WHERE id = $1 AND NOT EXISTS (SELECT FROM client_keys WHERE key_pair = $1)
		AND NOT EXISTS (SELECT FROM tombstones WHERE key_pair = $1)`, id)
}

// TrimKeyPairs removes deleted key pairs that no client uses any more, nor would
// if it were restored.
func (s *Store) TrimKeyPairs(ctx context.Context) error {
	_, err := s.exec(ctx, `DELETE FROM key_pairs k WHERE retired_at IS NOT NULL
		AND NOT EXISTS (SELECT FROM client_keys c WHERE c.key_pair = k.id) AND NOT EXISTS (SELECT FROM tombstones t WHERE t.key_pair = k.id)`)
	return err
}
