package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

const secretColumns = `id::text, sealed, mac, created_at, expires_at, last_used_at, ` + isWeak

// isWeak tells whether a secret is short: by the length of what is sealed where an
// earlier release has stored it.
const isWeak = `coalesce(weak, octet_length(sealed) < 49, false)`

func scanSecret(row pgx.CollectableRow) (oauth.ClientSecret, error) {
	var s oauth.ClientSecret
	err := scanSecretInto(row, &s)
	return s, err
}

// scanSecretInto reads secretColumns into s and the columns after them into more.
func scanSecretInto(row pgx.CollectableRow, s *oauth.ClientSecret, more ...any) error {
	return row.Scan(append([]any{&s.ID, &s.Sealed, &s.MAC, &s.CreatedAt, &s.ExpiresAt, &s.LastUsedAt, &s.Weak}, more...)...)
}

// maxListedSecrets bounds how far back Secrets goes.
const maxListedSecrets = 100

// Secrets returns a client's secrets, newest first, those that are no longer
// good included.
func (r reader) Secrets(ctx context.Context, client string) ([]oauth.ClientSecret, error) {
	return all(ctx, r, scanSecret, "SELECT "+secretColumns+" FROM client_secrets WHERE client = $1 ORDER BY created_at DESC, id DESC LIMIT $2", client, maxListedSecrets)
}

// LiveSecrets returns the secrets of a client that are valid at now, newest
// first.
func (r reader) LiveSecrets(ctx context.Context, client string, now time.Time) ([]oauth.ClientSecret, error) {
	byClient, err := r.LiveSecretsOf(ctx, []string{client}, now)
	return byClient[client], err
}

// LiveSecretsOf returns the secrets of clients that are valid at now, by client,
// newest first.
func (r reader) LiveSecretsOf(ctx context.Context, clients []string, now time.Time) (map[string][]oauth.ClientSecret, error) {
	byClient := map[string][]oauth.ClientSecret{}
	_, err := all(ctx, r, func(row pgx.CollectableRow) (client string, err error) {
		var s oauth.ClientSecret
		if err = scanSecretInto(row, &s, &client); err == nil {
			byClient[client] = append(byClient[client], s)
		}
		return client, err
	}, "SELECT "+secretColumns+`, client::text FROM client_secrets
		WHERE client = ANY ($1::uuid[]) AND (expires_at IS NULL OR expires_at > $2) ORDER BY created_at DESC, id DESC`, clients, now)
	return byClient, err
}

// CountWeakSecrets counts the secrets that are valid at now and short.
func (r reader) CountWeakSecrets(ctx context.Context, now time.Time) (int, error) {
	return one(ctx, r, "client_secret", pgx.RowTo[int], `SELECT count(*) FROM client_secrets
		WHERE `+isWeak+` AND (expires_at IS NULL OR expires_at > $1)`, now)
}

// MarkSecret stores whether a secret is short that an earlier release keeps by its
// MAC alone.
func (s *Store) MarkSecret(ctx context.Context, id string, weak bool) error {
	_, err := s.exec(ctx, `UPDATE client_secrets SET weak = $2 WHERE id = $1 AND weak IS NULL`, id, weak)
	return err
}

// Secret reads one secret of a client.
func (r reader) Secret(ctx context.Context, client, id string) (oauth.ClientSecret, error) {
	return one(ctx, r, "client_secret", scanSecret, "SELECT "+secretColumns+" FROM client_secrets WHERE client = $1 AND id::text = $2", client, id)
}

// SetSecretExpiry stores when a secret ends.
func (t *Tx) SetSecretExpiry(id string, at time.Time) {
	t.write(`UPDATE client_secrets SET expires_at = $2 WHERE id = $1`, id, at)
}

// RetireSecret ends a secret for good: nothing is left to check it by.
func (t *Tx) RetireSecret(id string, now time.Time) {
	t.write(`UPDATE client_secrets SET expires_at = $2, sealed = NULL, mac = '' WHERE id = $1`, id, now)
}

// ForgetSecrets empties the secrets that ended before now and drops the rows of
// those that ended before longAgo.
func (s *Store) ForgetSecrets(ctx context.Context, now, longAgo time.Time) error {
	return s.Write(ctx, func(tx *Tx) error {
		tx.write(`UPDATE client_secrets SET sealed = NULL, mac = '' WHERE expires_at < $1 AND mac <> ''`, now)
		tx.write(`UPDATE tombstone_secrets SET sealed = NULL, mac = '' WHERE expires_at < $1 AND mac <> ''`, now)
		tx.write(`DELETE FROM client_secrets WHERE expires_at < $1`, longAgo)
		return nil
	})
}

// NoteSecretUse stores when secrets were last used, never an earlier time than
// is stored. missed are those that a transaction under way kept from it.
func (s *Store) NoteSecretUse(ctx context.Context, ids []string, at []time.Time) (missed []string, err error) {
	err = s.Write(ctx, func(tx *Tx) (err error) {
		missed, err = all(ctx, tx, pgx.RowTo[string], `WITH free AS MATERIALIZED (
				SELECT id FROM client_secrets WHERE id = ANY ($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED),
			noted AS (UPDATE client_secrets s SET last_used_at = u.at
				FROM free JOIN unnest($1::uuid[], $2::timestamptz[]) u (id, at) USING (id)
				WHERE s.id = u.id AND (s.last_used_at IS NULL OR s.last_used_at < u.at))
			SELECT id::text FROM client_secrets WHERE id = ANY ($1::uuid[]) AND id NOT IN (SELECT id FROM free)`, ids, at)
		return err
	})
	return missed, err
}
