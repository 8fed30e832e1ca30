package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

// endsOf selects the generations of the tokens of client $1, and of every
// client, by audience: that for all audiences, and those of $2.
const endsOf = `SELECT audience, sum(generation)::bigint AS generation, max(not_before) AS not_before
	FROM token_ends WHERE client_id IN ($1, '') AND (audience = '' OR audience = ANY ($2::text[])) GROUP BY audience`

// TokenEnds reads which tokens of a client for an audience are dead, and whether
// the one with that jti was revoked.
func (r reader) TokenEnds(ctx context.Context, clientID, audience, jti string) (ends oauth.TokenEnds, revoked bool, err error) {
	var found []bool
	var totals, spared []string
	err = r.ask(ctx,
		rows(&totals, func(row pgx.CollectableRow) (string, error) {
			var generation int64
			var notBefore *time.Time
			err := row.Scan(&generation, &notBefore)
			if ends.Generation = generation; notBefore != nil {
				ends.NotBefore = *notBefore
			}
			return "", err
		}, `SELECT coalesce(sum(generation), 0)::bigint, max(not_before) FROM (`+endsOf+`) e`, clientID, []string{audience}),
		rows(&spared, func(row pgx.CollectableRow) (jti string, err error) {
			var generation int64
			if err = row.Scan(&jti, &generation); err == nil {
				if ends.Spared == nil {
					ends.Spared = map[string]int64{}
				}
				ends.Spared[jti] = generation
			}
			return jti, err
		}, `SELECT jti, generation FROM spared_tokens WHERE client_id = $1`, clientID),
		rows(&found, pgx.RowTo[bool], isRevoked, clientID, jti))
	return ends, len(found) > 0, err
}

// TokenIssuedAt returns when a token of a release before 1.1.0 was issued, by its
// event; zero where there is none.
func (r reader) TokenIssuedAt(ctx context.Context, jti string) (time.Time, error) {
	list, err := all(ctx, r, pgx.RowTo[time.Time], `SELECT occurred_at FROM events
		WHERE target = $1 AND target_type = 'token' AND action = 'token.issued' ORDER BY occurred_at, id LIMIT 1`, jti)
	if err != nil || len(list) == 0 {
		return time.Time{}, err
	}
	return list[0], nil
}

// EndTokens ends the tokens of a client that were issued until now: those for an
// audience, or all where that is "".
func (t *Tx) EndTokens(clientID, audience string, now time.Time) {
	t.write(`INSERT INTO token_ends AS e (client_id, audience, generation, not_before) VALUES ($1, $2, 1, $3)
		ON CONFLICT ON CONSTRAINT token_ends_pkey DO UPDATE SET generation = e.generation + 1, not_before = excluded.not_before`,
		clientID, audience, now)
}

// SpareToken keeps a token of a client for an audience alive that what the
// transaction did before would end.
func (t *Tx) SpareToken(jti, clientID, audience string, expires time.Time) {
	t.write(`INSERT INTO spared_tokens (client_id, jti, expires_at, generation)
		SELECT $1, $3, $4, coalesce(sum(generation), 0) FROM (`+endsOf+`) e
		ON CONFLICT (jti) DO UPDATE SET generation = excluded.generation`,
		clientID, []string{audience}, jti, expires)
}

// TrimSpared forgets spared tokens that expired before t.
func (s *Store) TrimSpared(ctx context.Context, t time.Time) error {
	_, err := s.exec(ctx, `DELETE FROM spared_tokens WHERE expires_at < $1`, t)
	return err
}

// RevokeToken makes a client's token dead until it expires, and reports whether
// it was not before.
func (t *Tx) RevokeToken(ctx context.Context, clientID, jti string, expires time.Time) (first bool, err error) {
	revoked, err := all(ctx, t, pgx.RowTo[bool], `INSERT INTO revoked_tokens (client_id, jti, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT ON CONSTRAINT revoked_tokens_pkey DO NOTHING RETURNING true`, clientID, jti, expires)
	return len(revoked) > 0, err
}

const isRevoked = `SELECT true FROM revoked_tokens WHERE client_id = $1 AND jti = $2`

// TokenRevoked reports whether a client's token was revoked.
func (r reader) TokenRevoked(ctx context.Context, clientID, jti string) (bool, error) {
	found, err := all(ctx, r, pgx.RowTo[bool], isRevoked, clientID, jti)
	return len(found) > 0, err
}

// TrimRevoked forgets revoked tokens that expired before t.
func (s *Store) TrimRevoked(ctx context.Context, t time.Time) error {
	_, err := s.exec(ctx, `DELETE FROM revoked_tokens WHERE expires_at < $1`, t)
	return err
}
