// Package postgres stores the registry in PostgreSQL. Every query of the
// service is in this package.
package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
)

// Store keeps clients, their credentials and what belongs to them.
type Store struct {
	reader
	pool     *pgxpool.Pool
	together together
}

// New returns a Store that borrows pool; the caller closes it.
func New(pool *pgxpool.Pool) *Store {
	s := &Store{pool: pool}
	s.reader = reader{s}
	return s
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// question is a statement that returns rows, and what reads them.
type question struct {
	sql  string
	args []any
	read func(pgx.Rows) error
}

// rows is the question for every row of a statement, which it puts into list.
func rows[T any](list *[]T, scan pgx.RowToFunc[T], sql string, args ...any) question {
	return question{sql, sendable(args), func(found pgx.Rows) (err error) {
		if m := found.TypeMap(); m != nil { // nil where there was no connection
			scanUTC(m)
		}
		*list, err = pgx.CollectRows(found, scan)
		return err
	}}
}

// timestamps scan in UTC, which pgx does in the time zone of the process.
var timestamps = &pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}}

// scanUTC makes the connection that m belongs to scan timestamps so, whoever
// opened it.
func scanUTC(m *pgtype.Map) {
	if t, _ := m.TypeForOID(timestamps.OID); t != timestamps {
		m.RegisterType(timestamps)
	}
}

// querier is what both a pool and a transaction can do: answer questions, in
// their order, in one round trip.
type querier interface {
	ask(ctx context.Context, questions ...question) error
}

// reader reads from the querier in it; Store and Tx are readers.
type reader struct{ querier }

func (s *Store) ask(ctx context.Context, questions ...question) error {
	if t := spanning(ctx); t != nil {
		return t.ask(ctx, questions...)
	}
	if len(questions) == 1 {
		q := questions[0]
		found, _ := s.pool.Query(ctx, q.sql, q.args...) // its error is found's too
		return translate(q.read(found))
	}
	var b pgx.Batch
	for _, q := range questions {
		b.Queue(q.sql, q.args...).Query(q.read)
	}
	return translate(s.pool.SendBatch(ctx, &b).Close())
}

// chunkBytes is how much of a list is read at a time: rows that have it together,
// or one that has more. All that is held of a list follows from it.
const chunkBytes = 1 << 20

// chunk reads rows until chunkBytes. more reports whether there are others, which
// the caller reads from the place of the last one on.
func chunk[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], sql string, args ...any) (list []T, more bool, err error) {
	read := func(found pgx.Rows) error {
		list, more = nil, false
		n := 0
		if m := found.TypeMap(); m != nil {
			scanUTC(m)
		}
		for found.Next() {
			for _, value := range found.RawValues() {
				n += len(value)
			}
			if more = n > chunkBytes && len(list) > 0; more {
				found.Close() // reads the rest without keeping it
				break
			}
			one, err := scan(found)
			if err != nil {
				found.Close()
				return err
			}
			list = append(list, one)
		}
		return found.Err()
	}
	err = q.ask(ctx, question{sql, sendable(args), read})
	return list, more, err
}

// one reads a single row; no row is the NotFound error of resource.
func one[T any](ctx context.Context, q querier, resource string, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	list, err := all(ctx, q, scan, sql, args...)
	return first(list, resource, err)
}

// all reads every row.
func all[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], sql string, args ...any) (list []T, err error) {
	err = q.ask(ctx, rows(&list, scan, sql, args...))
	return list, err
}

// first returns the first of list unless there is an err; none is the NotFound
// error of resource.
func first[T any](list []T, resource string, err error) (T, error) {
	if err == nil && len(list) > 0 {
		return list[0], nil
	}
	var zero T
	if err == nil {
		err = oauth.Missing(resource)
	}
	return zero, err
}
