package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
)

// Tx is one transaction. Its writes are collected and sent together when the
// function of Write returns; a transaction that reads nothing is a single round
// trip.
type Tx struct {
	reader
	pool   *pgxpool.Pool
	tx     pgx.Tx // nil until something is read
	writes pgx.Batch
}

// Write runs fn in a transaction. All of fn's writes happen, or none.
func (s *Store) Write(ctx context.Context, fn func(*Tx) error) error {
	t := &Tx{pool: s.pool}
	t.reader = reader{t}
	var err error
	if outer := spanning(ctx); outer != nil {
		if t.tx, err = outer.Begin(ctx); err != nil { // a savepoint
			return translate(err)
		}
	}
	defer func() { // also when fn panics, else its connection is lost
		if t.tx != nil {
			t.tx.Rollback(context.WithoutCancel(ctx)) // does nothing after Commit
		}
	}()
	err = fn(t)
	if t.tx == nil {
		if err == nil && t.writes.Len() > 0 {
			err = s.pool.SendBatch(ctx, &t.writes).Close() // without BEGIN a batch is one implicit transaction
		}
		return translate(err)
	}
	if err == nil && t.writes.Len() > 0 {
		err = t.tx.SendBatch(ctx, &t.writes).Close()
	}
	if err == nil {
		err = t.tx.Commit(ctx)
	}
	return translate(err)
}

// write adds a statement to those that the transaction ends with.
func (t *Tx) write(sql string, args ...any) { t.writes.Queue(sql, args...) }

// query reads inside the transaction. It does not see what write collected.
func (t *Tx) query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.tx == nil {
		tx, err := t.pool.Begin(ctx)
		if err != nil {
			return nil, err
		}
		t.tx = tx
	}
	return t.tx.Query(ctx, sql, args...)
}

// Try runs fn as Write does and then undoes it: the error is what Write's would
// be.
func (s *Store) Try(ctx context.Context, fn func(*Tx) error) error {
	undo := errors.New("undone")
	err := s.Write(ctx, func(t *Tx) error {
		err := fn(t)
		if err == nil {
			err = t.Flush(ctx)
		}
		if err == nil {
			err = &oauth.Error{Kind: oauth.Invalid, Reason: oauth.BrokenRule, Err: undo} // which Write passes unchanged
		}
		return err
	})
	if errors.Is(err, undo) {
		return nil
	}
	return err
}

// Refused reports whether the database refused something, so that nothing more
// can be done in its transaction.
func Refused(err error) bool {
	_, refused := errors.AsType[*pgconn.PgError](err)
	return refused
}

// Pending counts the writes that were collected and not sent.
func (t *Tx) Pending() int { return t.writes.Len() }

// Forget drops all collected writes but the first n.
func (t *Tx) Forget(n int) { t.writes.QueuedQueries = t.writes.QueuedQueries[:n] }

// Flush sends what was collected, so that later reads see it.
func (t *Tx) Flush(ctx context.Context) error {
	if t.writes.Len() == 0 {
		return nil
	}
	if t.tx == nil {
		tx, err := t.pool.Begin(ctx)
		if err != nil {
			return translate(err)
		}
		t.tx = tx
	}
	err := t.tx.SendBatch(ctx, &t.writes).Close()
	t.writes = pgx.Batch{}
	return translate(err)
}

type spanKey struct{}

// spanning returns the transaction that Span put into ctx, nil for none.
func spanning(ctx context.Context) pgx.Tx {
	tx, _ := ctx.Value(spanKey{}).(pgx.Tx)
	return tx
}

// Span makes everything that fn does with the store through its context one
// transaction, which is committed when fn says so. fn must not use the context
// in several goroutines.
func (s *Store) Span(ctx context.Context, fn func(context.Context) (commit bool, err error)) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return translate(err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // does nothing after Commit
	commit, err := fn(context.WithValue(ctx, spanKey{}, tx))
	if err == nil && commit {
		err = tx.Commit(ctx)
	}
	return translate(err)
}

// Exclusive makes transactions that call it run one after another.
func (t *Tx) Exclusive(ctx context.Context) error {
	_, err := all(ctx, t, pgx.RowTo[string], `SELECT pg_advisory_xact_lock(7274495)::text`)
	return err
}
