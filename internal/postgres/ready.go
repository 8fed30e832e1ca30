package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
)

// Ready returns what keeps the database from taking changes, in words for
// anybody; nil when nothing does.
func (s *Store) Ready(ctx context.Context) error {
	type state struct{ Standby, ReadOnly, Volatile bool }
	is, err := one(ctx, s, "", pgx.RowToStructByPos[state],
		`SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', `+volatile)
	switch {
	case is.Volatile || errors.Is(err, errVolatile):
		return errVolatile
	case err != nil:
		return errSilent
	case is.Standby:
		err = errors.New("the database is a standby, which takes no changes")
	case is.ReadOnly:
		err = errors.New("the database takes no changes: its transactions are read-only")
	}
	if err != nil {
		s.pool.Reset() // new connections may lead elsewhere, or have other settings
	}
	return err
}

// errSilent is all that anybody is told of a failure of the database.
var errSilent = errors.New("the database does not answer")

// Told returns what anybody may read of an error: that the database does not
// answer, where it is the database that has failed.
func Told(err error) error {
	_, refused := errors.AsType[*pgconn.PgError](err)
	if refused || lost(err, nil) || errors.Is(err, context.Canceled) {
		return errSilent
	}
	return err
}

// CheckMode returns what keeps the pool's query mode from working with whatever
// is between here and the server; nil when nothing does.
//
// The modes cache_statement and describe_exec prepare a statement in one round
// trip and execute it in another. A pooler may lead the second one to another
// session, or other clients in between to the same one. Two connections try to
// provoke that, at different distances, since poolers hand out the session that
// was used last, or the one that was not used for longest.
func CheckMode(ctx context.Context, pool *pgxpool.Pool) error {
	config := pool.Config().ConnConfig
	named := config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement
	if !named && config.DefaultQueryExecMode != pgx.QueryExecModeDescribeExec {
		return sendsValues(ctx, pool)
	}
	var pair [2]*pgconn.PgConn
	for i := range pair {
		c, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return translate(err)
		}
		defer c.Close(context.WithoutCancel(ctx))
		pair[i] = c.PgConn()
	}
	for distance := 1; distance <= 4; distance++ {
		mixed, err := mixes(ctx, pair, named, distance)
		if err != nil {
			return translate(err)
		}
		if mixed {
			return ErrPooled
		}
	}
	return sendsValues(ctx, pool)
}

// sendsValues returns what keeps values of the types that the store sends from
// coming back as they were.
func sendsValues(ctx context.Context, pool *pgxpool.Pool) error {
	type values struct {
		Text  string
		Time  time.Time
		Bytes []byte
		List  [][]byte
	}
	text, at, raw := "it's \\", time.Unix(1_700_000_000, 123_456_000).UTC(), []byte{0, '\\', 'x', 255}
	rows, _ := pool.Query(ctx, "SELECT $1::text, $2::timestamptz, $3::bytea, ARRAY[$3::bytea]", text, at, raw)
	got, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[values])
	if err != nil && oauth.KindOf(translate(err)) == oauth.Unavailable {
		return translate(err)
	}
	same := got.Text == text && got.Time.Equal(at) && bytes.Equal(got.Bytes, raw) && slices.EqualFunc(got.List, [][]byte{raw}, bytes.Equal)
	if err == nil && !same {
		err = errors.New("they come back as others")
	}
	if err != nil {
		return fmt.Errorf("values cannot be sent to this database in the mode %v, leave default_query_exec_mode out of DATABASE_URL: %w",
			pool.Config().ConnConfig.DefaultQueryExecMode, err)
	}
	return nil
}

// mixes reports whether a statement that the first of pair prepares is another
// one after the second has prepared its own.
func mixes(ctx context.Context, pair [2]*pgconn.PgConn, named bool, distance int) (bool, error) {
	name := ""
	if named {
		name = "roster_" + oauth.RandomText(oauth.Alphanumeric, 16)
	}
	if _, err := pair[0].Prepare(ctx, name, "SELECT 1", nil); err != nil {
		return outOfOrder(err)
	}
	for i := range distance {
		other := name
		if i > 0 && named {
			other = fmt.Sprintf("%s_%d", name, i)
		}
		if _, err := pair[1].Prepare(ctx, other, "SELECT 2", nil); err != nil {
			return outOfOrder(err)
		}
	}
	got := pair[0].ExecPrepared(ctx, name, nil, nil, nil).Read()
	if got.Err != nil {
		return outOfOrder(got.Err)
	}
	return len(got.Rows) != 1 || string(got.Rows[0][0]) != "1", nil
}

// outOfOrder tells what a pooler mixes up from every other failure.
func outOfOrder(err error) (bool, error) {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && passes(pgErr) == outOfStep {
		return true, nil
	}
	return false, err
}
