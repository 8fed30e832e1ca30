package postgres

import (
	"context"
	"encoding/json"
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

// KeyPairs returns the shared key pairs in creation order.
func (s *Store) KeyPairs(ctx context.Context) ([]oauth.KeyPair, error) {
	return all(ctx, s, scanKeyPair, "SELECT "+keyPairColumns+" FROM key_pairs WHERE retired_at IS NULL ORDER BY created_at, id")
}

// KeyPair reads one shared key pair.
func (s *Store) KeyPair(ctx context.Context, id string) (oauth.KeyPair, error) {
	return one(ctx, s, "key_pair", scanKeyPair, "SELECT "+keyPairColumns+" FROM key_pairs WHERE id = $1 AND retired_at IS NULL", id)
}

// DefaultKeyPair reads the pair of clients that have no key.
func (s *Store) DefaultKeyPair(ctx context.Context) (oauth.KeyPair, error) {
	return one(ctx, s, "key_pair", scanKeyPair, "SELECT "+keyPairColumns+" FROM key_pairs WHERE is_default")
}

// DefaultKeyPair reads the pair of clients that have no key.
func (t *Tx) DefaultKeyPair(ctx context.Context) (oauth.KeyPair, error) {
	return one(ctx, t, "key_pair", scanKeyPair, "SELECT "+keyPairColumns+" FROM key_pairs WHERE is_default FOR UPDATE")
}

// LockKeyPair reads one shared key pair for changing it.
func (t *Tx) LockKeyPair(ctx context.Context, id string) (oauth.KeyPair, error) {
	return one(ctx, t, "key_pair", scanKeyPair, "SELECT "+keyPairColumns+" FROM key_pairs WHERE id = $1 AND retired_at IS NULL FOR UPDATE", id)
}

// HoldKeyPair reads one shared key pair and keeps it from being deleted until
// the transaction ends.
func (t *Tx) HoldKeyPair(ctx context.Context, id string) (oauth.KeyPair, error) {
	return one(ctx, t, "key_pair", scanKeyPair, "SELECT "+keyPairColumns+" FROM key_pairs WHERE id = $1 AND retired_at IS NULL FOR SHARE", id)
}

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
	t.write(`DELETE FROM key_pairs WHERE id = $1 AND NOT EXISTS (SELECT FROM client_keys WHERE key_pair = $1)`, id)
}

// TrimKeyPairs removes deleted key pairs that no client uses any more.
func (s *Store) TrimKeyPairs(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM key_pairs k WHERE retired_at IS NOT NULL AND NOT EXISTS (SELECT FROM client_keys c WHERE c.key_pair = k.id)`)
	return translate(err)
}

// SetClientKey gives a client a key of its own, sealed.
func (t *Tx) SetClientKey(client string, sealed []byte) {
	t.write(`INSERT INTO client_keys (client, sealed) VALUES ($1, $2)
		ON CONFLICT (client) DO UPDATE SET sealed = excluded.sealed, key_pair = NULL`, client, sealed)
}

// ShareKeyPair makes a client use a shared key pair.
func (t *Tx) ShareKeyPair(client, keyPair string) {
	t.write(`INSERT INTO client_keys (client, key_pair) VALUES ($1, $2)
		ON CONFLICT (client) DO UPDATE SET sealed = NULL, key_pair = excluded.key_pair`, client, keyPair)
}

// Links returns what clients are tied to, by client. The public key is that of
// a shared pair only.
func (s *Store) Links(ctx context.Context, clients []string) (map[string]oauth.Links, error) {
	return links(ctx, s, clients)
}

// Links returns what clients are tied to, by client. The public key is that of
// a shared pair only.
func (t *Tx) Links(ctx context.Context, clients []string) (map[string]oauth.Links, error) {
	return links(ctx, t, clients)
}

func links(ctx context.Context, q querier, clients []string) (map[string]oauth.Links, error) {
	type linked struct {
		client string
		oauth.Links
	}
	list, err := all(ctx, q, func(row pgx.CollectableRow) (linked, error) {
		var l linked
		var scopes json.RawMessage
		if err := row.Scan(&l.client, &scopes, &l.IdentityProvider.ID, &l.IdentityProvider.Name, &l.KeyPair, &l.PublicKey); err != nil || scopes == nil {
			return l, err
		}
		return l, json.Unmarshal(scopes, &l.Scopes)
	}, `SELECT w.id::text,
			(SELECT json_agg(json_build_object('ID', s.id, 'Name', s.name, 'Public', s.public) ORDER BY cs.position)
				FROM client_scopes cs JOIN scopes s ON s.id = cs.scope WHERE cs.client = w.id),
			coalesce(p.id::text, ''), coalesce(p.name, ''), coalesce(k.id::text, ''), coalesce(k.public_key, '')
		FROM unnest($1::uuid[]) w (id)
			LEFT JOIN client_identity_providers cp ON cp.client = w.id
			LEFT JOIN identity_providers p ON p.id = cp.identity_provider
			LEFT JOIN client_keys ck ON ck.client = w.id
			LEFT JOIN key_pairs k ON k.id = ck.key_pair`, clients)
	if err != nil {
		return nil, err
	}
	byClient := make(map[string]oauth.Links, len(list))
	for _, l := range list {
		byClient[l.client] = l.Links
	}
	return byClient, nil
}
