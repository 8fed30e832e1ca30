// Package migrations embeds the schema's migrations, applies them, and reports
// what a database lacks of the schema.
//
// It keeps no state in a session: each migration takes a lock, runs and is noted
// in one transaction. So it works through a pooler that hands out a connection
// for one transaction at a time.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// FS holds the migrations, NNNNN_name.sql, each in the format of goose: what
// follows "-- +goose Up", and what undoes it after "-- +goose Down".
//
//go:embed *.sql
var FS embed.FS

// table is where the migrations that were applied are noted.
const table = "roster_migrations"

// Release 1.0.0 noted its migrations in goose's default table, which programs
// may share. Those up to legacyNewest in it are Roster's where keyset_check,
// which came with the first of them, is there too.
const (
	legacyTable  = "goose_db_version"
	legacyNewest = 6
)

// lock is the advisory lock, held to the end of a transaction, by which
// processes that migrate the same database wait for one another.
const lock = 0x726f73746572 // "roster"

type migration struct {
	version  int64
	up, down string
}

// known are the migrations in their order.
var known = sync.OnceValues(func() ([]migration, error) {
	files, err := fs.Glob(FS, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, file := range files {
		text, err := fs.ReadFile(FS, file)
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(file, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		up, down, both := strings.Cut(strings.TrimPrefix(string(text), "-- +goose Up\n"), "\n-- +goose Down\n")
		if err != nil || !both {
			return nil, fmt.Errorf("%s is no migration", file)
		}
		list = append(list, migration{version, up, down})
	}
	return list, nil
})

// Up brings the database to the newest version. A role that owns an empty
// database needs no other right. Where nothing is to be done, no right to change
// the schema is needed either.
func Up(ctx context.Context, pool *pgxpool.Pool) error {
	s, err := read(ctx, pool)
	if errors.As(err, new(denied)) {
		if hindrance := Owned(ctx, pool); hindrance != nil {
			return hindrance
		}
	}
	if err != nil || len(s.pending) == 0 {
		return err
	}
	var hindrance error
	err = apply(ctx, pool, func(tx pgx.Tx) error {
		s, err := read(ctx, tx) // as others left it that migrate too
		if err != nil || len(s.pending) == 0 {
			return err
		}
		if hindrance = unhindered(ctx, tx, s); hindrance != nil {
			return hindrance
		}
		return prepare(ctx, tx, s)
	})
	if hindrance != nil {
		return hindrance
	}
	if err != nil {
		return fmt.Errorf("preparing to migrate: %w", err)
	}
	for _, m := range s.pending {
		err := apply(ctx, pool, func(tx pgx.Tx) error {
			if s, err := read(ctx, tx); err != nil || !s.lacks(m.version) {
				return err // another process was faster
			}
			if _, err := tx.Exec(ctx, m.up, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO "+table+" (version) VALUES ($1)", pgx.QueryExecModeExec, m.version)
			return err
		})
		if err != nil {
			return fmt.Errorf("migrating to version %d: %w", m.version, err)
		}
	}
	return nil
}

// apply runs fn in a transaction that holds the lock. A transaction that reads
// again for each statement sees what others did while it waited.
func apply(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL synchronous_commit = on;
			SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
			SELECT pg_advisory_xact_lock(%d)`, lock), pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return err
		}
		return fn(tx)
	})
}

// prepare makes the table of migrations. It copies what 1.0.0 noted and
// leaves that as it is: a server of 1.0.0 goes by it.
func prepare(ctx context.Context, tx pgx.Tx, s state) error {
	if s.own {
		return nil
	}
	_, err := tx.Exec(ctx, "CREATE TABLE "+table+` (
		version    bigint      NOT NULL CONSTRAINT roster_migrations_pkey PRIMARY KEY,
		applied_at timestamptz NOT NULL DEFAULT now())`)
	if err == nil && s.legacy {
		_, err = tx.Exec(ctx, "INSERT INTO "+table+" (version, applied_at) "+
			"SELECT version_id, max(tstamp) FROM "+legacyRows+" GROUP BY version_id")
	}
	return err
}

var legacyRows = fmt.Sprintf("%s WHERE is_applied AND version_id BETWEEN 1 AND %d", legacyTable, legacyNewest)

// Querier is what a pool, a connection and a transaction can do.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// state is what of the migrations a database has.
type state struct {
	role, schema string // who asks, and where its tables are; schema is empty if there is none
	own          bool   // the table of migrations is there
	legacy       bool   // that of 1.0.0 is, with migrations of Roster
	version      int64  // the newest one that was applied
	pending      []migration
}

// denied says that role may not read the table of migrations.
type denied struct{ role string }

func (d denied) Error() string {
	return fmt.Sprintf("the role %s may not read which migrations were applied: "+
		"run `roster migrate --runtime-role %[1]s` as the owner of the tables", d.role)
}

func (s state) lacks(version int64) bool {
	return slices.ContainsFunc(s.pending, func(m migration) bool { return m.version == version })
}

func read(ctx context.Context, db Querier) (s state, err error) {
	list, err := known()
	if err != nil {
		return s, err
	}
	// By the catalog: to_regclass may answer from a cache that is older than what
	// the transaction has waited for.
	rows, _ := db.Query(ctx, `
		SELECT current_user, coalesce(current_schema(), ''),
			coalesce(array_agg(relname::text) FILTER (WHERE relname IS NOT NULL), '{}')
		FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
			AND c.relname IN ('`+table+`', '`+legacyTable+`', 'keyset_check')
		WHERE n.nspname = current_schema()`, pgx.QueryExecModeExec)
	var tables []string
	if _, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (struct{}, error) {
		return struct{}{}, row.Scan(&s.role, &s.schema, &tables)
	}); err != nil {
		return s, err
	}
	s.own = slices.Contains(tables, table)
	s.legacy = slices.Contains(tables, legacyTable) && slices.Contains(tables, "keyset_check")
	var applied []int64
	switch {
	case s.own:
		applied, err = versions(ctx, db, "SELECT version FROM "+table)
	case s.legacy:
		applied, err = versions(ctx, db, "SELECT DISTINCT version_id FROM "+legacyRows)
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42501" {
		return s, denied{s.role}
	} else if err != nil {
		return s, err
	}
	has := map[int64]bool{}
	for _, v := range applied {
		has[v], s.version = true, max(s.version, v)
	}
	for _, m := range list {
		if !has[m.version] {
			s.pending = append(s.pending, m)
		}
	}
	return s, nil
}

func versions(ctx context.Context, db Querier, sql string) ([]int64, error) {
	rows, _ := db.Query(ctx, sql, pgx.QueryExecModeExec)
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}
