package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

// Authentication is what a client can prove itself by.
type Authentication struct {
	Client      oauth.Client
	Secrets     []oauth.ClientSecret // live ones, newest first; ID and MAC only
	Credentials []oauth.Credential   // that its private_key_jwt slot uses; nil unless asked for
}

// Authentication reads what the client with that OAuth identifier can prove
// itself by, its credentials only if keys says so. An identifier that nobody has
// costs what others do: the global client is read in its place, and not returned.
func (s *Store) Authentication(ctx context.Context, clientID string, keys bool, now time.Time) (Authentication, error) {
	a, err := one(ctx, s, "client", func(row pgx.CollectableRow) (Authentication, error) {
		var a Authentication
		var ids []string
		var macs [][]byte
		err := scanClientInto(row, &a.Client, &ids, &macs)
		for i := range ids {
			a.Secrets = append(a.Secrets, oauth.ClientSecret{ID: ids[i], MAC: macs[i]})
		}
		return a, err
	}, "SELECT "+clientColumns+`, l.ids, l.macs FROM clients c`+newestSecret+`
		CROSS JOIN LATERAL (
			SELECT coalesce(array_agg(id::text ORDER BY created_at DESC, id DESC), '{}') ids,
				coalesce(array_agg(mac ORDER BY created_at DESC, id DESC), '{}') macs
			FROM client_secrets WHERE client = c.id AND (expires_at IS NULL OR expires_at > $2)) l
		WHERE c.id = coalesce((SELECT id FROM clients WHERE client_id = $1), (SELECT id FROM clients WHERE is_global LIMIT 1))`, clientID, now)
	if err != nil {
		return a, err
	}
	if a.Client.ClientID != clientID {
		return Authentication{}, oauth.Missing("client")
	}
	if keys && a.Client.Document[oauth.SlotsOfAuthentication] != nil {
		a.Credentials, err = all(ctx, s, scanCredential, "SELECT "+credentialColumns+`
			FROM credential_uses u JOIN credentials k ON k.id = u.credential
			WHERE u.client = $1 AND u.slot = $2 ORDER BY u.position`, a.Client.ID, oauth.SlotPrivateKeyJWT)
	}
	return a, err
}

// UseAssertion records that a client used the assertion whose jti has that
// SHA-256, and reports whether this was the first time.
func (s *Store) UseAssertion(ctx context.Context, client string, jti []byte, expires time.Time) (first bool, err error) {
	tag, err := s.pool.Exec(ctx, `INSERT INTO assertions_seen (client, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, client, jti, expires)
	return tag.RowsAffected() == 1, translate(err)
}

// TrimAssertions forgets assertions that expired before t.
func (s *Store) TrimAssertions(ctx context.Context, t time.Time) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM assertions_seen WHERE expires_at < $1`, t)
	return translate(err)
}

// GrantFor returns the grant under which a client may ask for tokens of an
// audience: its own, or else the default one for its class ("" for none).
func (s *Store) GrantFor(ctx context.Context, client, audience, class string) (oauth.ClientGrant, error) {
	return one(ctx, s, "client_grant", scanGrant, "SELECT "+grantColumns+grantTables+`
		WHERE g.audience = $2 AND g.subject_type = 'client' AND (g.client = $1 OR g.default_for = nullif($3, ''))
		ORDER BY g.client NULLS LAST LIMIT 1`, client, audience, class)
}

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
func (s *Store) IssuerKeys(ctx context.Context, use string, since time.Time) ([]IssuerKey, error) {
	return all(ctx, s, scanIssuerKey, issuerKeyColumns+` WHERE use = $1 AND (retired_at IS NULL OR retired_at > $2) ORDER BY retired_at DESC NULLS FIRST`, use, since)
}

// CurrentIssuerKey reads the key in use inside a transaction.
func (t *Tx) CurrentIssuerKey(ctx context.Context, use string) (IssuerKey, error) {
	return one(ctx, t, "issuer_key", scanIssuerKey, issuerKeyColumns+` WHERE use = $1 AND retired_at IS NULL`, use)
}

// InsertIssuerKey makes k the key of its use from its CreatedAt on.
func (t *Tx) InsertIssuerKey(k IssuerKey) {
	t.write(`UPDATE issuer_keys SET retired_at = $2 WHERE use = $1 AND retired_at IS NULL`, k.Use, k.CreatedAt)
	t.write(`INSERT INTO issuer_keys (id, use, sealed, public, created_at) VALUES ($1, $2, $3, $4, $5)`, k.ID, k.Use, k.Sealed, k.Public, k.CreatedAt)
}

// DeleteIssuerKeys removes every key of a use.
func (t *Tx) DeleteIssuerKeys(use string) { t.write(`DELETE FROM issuer_keys WHERE use = $1`, use) }

// KeysetCheck reads the value that proves which keyset the database was
// written under.
func (s *Store) KeysetCheck(ctx context.Context) ([]byte, error) {
	return one(ctx, s, "keyset_check", pgx.RowTo[[]byte], `SELECT value FROM keyset_check`)
}

// InsertKeysetCheck stores that value; the first one stays.
func (t *Tx) InsertKeysetCheck(value []byte) {
	t.write(`INSERT INTO keyset_check (value) VALUES ($1) ON CONFLICT DO NOTHING`, value)
}

// Exclusive makes transactions that call it run one after another.
func (t *Tx) Exclusive(ctx context.Context) error {
	_, err := all(ctx, t, pgx.RowTo[string], `SELECT pg_advisory_xact_lock(7274495)::text`)
	return err
}
