package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Answered is a request that was answered under an idempotency key.
type Answered struct {
	Request []byte // SHA-256 of what was asked
	Sealed  []byte // the answer
}

// TryIdempotencyKey reserves a caller's key until the transaction ends; false
// when another transaction has it.
func (s *Store) TryIdempotencyKey(ctx context.Context, caller, key string) (bool, error) {
	return one(ctx, s, "idempotency_key", pgx.RowTo[bool], `SELECT pg_try_advisory_xact_lock(hashtextextended($1 || chr(31) || $2, 7274495))`, caller, key)
}

// Answered finds the answer given under a caller's key after since.
func (s *Store) Answered(ctx context.Context, caller, key string, since time.Time) (Answered, error) {
	return one(ctx, s, "idempotency_key", pgx.RowToStructByPos[Answered],
		`SELECT request, sealed FROM idempotency_keys WHERE caller = $1 AND key = $2 AND created_at > $3`, caller, key, since)
}

// KeepAnswer stores the answer given under a caller's key.
func (t *Tx) KeepAnswer(caller, key string, a Answered, now time.Time) {
	t.write(`INSERT INTO idempotency_keys (caller, key, request, sealed, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (caller, key) DO UPDATE SET request = $3, sealed = $4, created_at = $5`, caller, key, a.Request, a.Sealed, now)
}

// TrimAnswers forgets answers given before t.
func (s *Store) TrimAnswers(ctx context.Context, t time.Time) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM idempotency_keys WHERE created_at < $1`, t)
	return translate(err)
}
