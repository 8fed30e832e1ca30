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

// HoldIdempotencyKey reserves a caller's key until the transaction ends, and finds
// the answer given under it after since. free is false when another transaction has
// the key, given is nil for a new one.
func (t *Tx) HoldIdempotencyKey(ctx context.Context, caller, key string, since time.Time) (free bool, given *Answered, err error) {
	var reserved []bool
	var answers []Answered
	err = t.ask(ctx,
		rows(&reserved, pgx.RowTo[bool], `SELECT pg_try_advisory_xact_lock(hashtextextended($1 || chr(31) || $2, 7274495))`, caller, key),
		rows(&answers, pgx.RowToStructByPos[Answered], `SELECT request, sealed FROM idempotency_keys WHERE caller = $1 AND key = $2 AND created_at > $3`, caller, key, since))
	if err != nil || !reserved[0] {
		return false, nil, err
	}
	if len(answers) > 0 {
		given = &answers[0]
	}
	return true, given, nil
}

// KeepAnswer stores the answer given under a caller's key.
func (t *Tx) KeepAnswer(caller, key string, a Answered, now time.Time) {
	t.write(`INSERT INTO idempotency_keys (caller, key, request, sealed, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (caller, key) DO UPDATE SET request = $3, sealed = $4, created_at = $5`, caller, key, a.Request, a.Sealed, now)
}

// TrimAnswers forgets answers given before t.
func (s *Store) TrimAnswers(ctx context.Context, t time.Time) error {
	_, err := s.exec(ctx, `DELETE FROM idempotency_keys WHERE created_at < $1`, t)
	return err
}
