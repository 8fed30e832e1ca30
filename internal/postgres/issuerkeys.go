package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
)

// IssuerKey is a key that Roster signs with.
type IssuerKey struct {
	ID        string
	Use       string // "token" or "tenant"
	Sealed    []byte // PKCS#8 DER
	Public    json.RawMessage
	CreatedAt time.Time  // signs from here on
	RetiredAt *time.Time // signs no more from here on; nil for the newest
}

func scanIssuerKey(row pgx.CollectableRow) (IssuerKey, error) {
	var k IssuerKey
	err := row.Scan(&k.ID, &k.Use, &k.Sealed, &k.Public, &k.CreatedAt, &k.RetiredAt)
	return k, err
}

const issuerKeyColumns = `SELECT id, use, sealed, public, created_at, retired_at FROM issuer_keys`

// IssuerKeys returns the keys of a use that are current or retired after since,
// the current one first.
func (r reader) IssuerKeys(ctx context.Context, use string, since time.Time) ([]IssuerKey, error) {
	return all(ctx, r, scanIssuerKey, issuerKeyColumns+` WHERE use = $1 AND (retired_at IS NULL OR retired_at > $2) ORDER BY retired_at DESC NULLS FIRST`, use, since)
}

// CurrentIssuerKey reads the key in use.
func (r reader) CurrentIssuerKey(ctx context.Context, use string) (IssuerKey, error) {
	return one(ctx, r, "issuer_key", scanIssuerKey, issuerKeyColumns+` WHERE use = $1 AND retired_at IS NULL`, use)
}

// InsertIssuerKey makes k the key of its use from its CreatedAt on.
func (t *Tx) InsertIssuerKey(k IssuerKey) {
	t.write(`UPDATE issuer_keys SET retired_at = $2 WHERE use = $1 AND retired_at IS NULL`, k.Use, k.CreatedAt)
	t.write(`INSERT INTO issuer_keys (id, use, sealed, public, created_at) VALUES ($1, $2, $3, $4, $5)`, k.ID, k.Use, k.Sealed, k.Public, k.CreatedAt)
}

// DeleteIssuerKeys removes every key of a use.
func (t *Tx) DeleteIssuerKeys(use string) { t.write(`DELETE FROM issuer_keys WHERE use = $1`, use) }
