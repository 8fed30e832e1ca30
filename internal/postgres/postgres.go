// Package postgres stores the registry in PostgreSQL. Every query of the
// service is in this package.
package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
)

// Store keeps clients, their credentials and what belongs to them.
type Store struct {
	reader
	pool *pgxpool.Pool
}

// New returns a Store that borrows pool; the caller closes it.
func New(pool *pgxpool.Pool) *Store {
	s := &Store{pool: pool}
	s.reader = reader{s}
	return s
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// querier is what both a pool and a transaction can do.
type querier interface {
	query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// reader reads from the querier in it; Store and Tx are readers.
type reader struct{ querier }

func (s *Store) query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if outer := spanning(ctx); outer != nil {
		return outer.Query(ctx, sql, args...)
	}
	return s.pool.Query(ctx, sql, args...)
}

// one reads a single row; no row is the NotFound error of resource.
func one[T any](ctx context.Context, q querier, resource string, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	var zero T
	rows, err := q.query(ctx, sql, args...)
	if err != nil {
		return zero, translate(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return zero, oauth.Missing(resource)
	}
	return v, translate(err)
}

// all reads every row.
func all[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := q.query(ctx, sql, args...)
	if err != nil {
		return nil, translate(err)
	}
	list, err := pgx.CollectRows(rows, scan)
	return list, translate(err)
}
