package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgrestest"
)

// raise is a statement that fails with a SQLSTATE.
func raise(code string) string {
	return fmt.Sprintf("DO $$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = '%s'; END $$", code)
}

func TestFailuresThatPassAreUnavailable(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t)
	for code, want := range map[string]oauth.Kind{
		"25006": oauth.Unavailable, // read-only transaction
		"26000": oauth.Unavailable, // unknown prepared statement
		"42P05": oauth.Unavailable, // prepared statement exists
		"40001": oauth.Unavailable, // serialization failure
		"40P01": oauth.Unavailable, // deadlock
		"53100": oauth.Unavailable, // disk full
		"53200": oauth.Unavailable, // out of memory
		"53300": oauth.Unavailable, // too many connections
		"53400": oauth.Unavailable, // configuration limit
		"55P03": oauth.Unavailable, // lock timeout
		"57014": oauth.Unavailable, // statement timeout
		"57P01": oauth.Unavailable, // administrator's shutdown
		"57P03": oauth.Unavailable, // cannot connect now
		"58030": oauth.Unavailable, // input or output failed
		"08006": oauth.Unavailable, // connection failure
		"08P01": oauth.Unavailable, // what poolers answer

		"0A000": oauth.Internal, // not supported
		"22012": oauth.Internal, // division by zero
		"25P02": oauth.Internal, // the transaction has failed already
		"42501": oauth.Internal, // no right
		"42P01": oauth.Internal, // no such table
		"55000": oauth.Internal, // not in the prerequisite state
		"XX001": oauth.Internal, // damaged data
	} {
		_, err := pool.Exec(t.Context(), raise(code))
		if err == nil {
			t.Fatalf("%s was not raised", code)
		}
		if got := oauth.KindOf(translate(err)); got != want {
			t.Errorf("%s is of kind %d, want %d", code, got, want)
		}
		hinted := strings.Contains(translate(err).Error(), "default_query_exec_mode=cache_describe")
		if want := code == "26000" || code == "42P05"; hinted != want {
			t.Errorf("%s names the remedy: %v, want %v", code, hinted, want)
		}
	}
}

// blocked returns what a statement of another session gets that waits for a row
// lock under a setting.
func blocked(t *testing.T, pool *pgxpool.Pool, setting string) error {
	t.Helper()
	ctx := t.Context()
	var err error
	hold := func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE clients"); err != nil {
			return err
		}
		err = New(pool).Write(ctx, func(tx *Tx) error {
			if _, err := all(ctx, tx, pgx.RowTo[string], "SELECT set_config($1, '20ms', true)", setting); err != nil {
				return err
			}
			_, err := all(ctx, tx, pgx.RowTo[int], "SELECT 1 FROM clients FOR UPDATE")
			return err
		})
		return nil
	}
	if err := pgx.BeginFunc(ctx, pool, hold); err != nil {
		t.Fatal(err)
	}
	return err
}

func TestTimeoutsOfTheServerAreUnavailable(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t)
	wantUnavailable(t, "a statement timeout", blocked(t, pool, "statement_timeout"))
	wantUnavailable(t, "a lock timeout", blocked(t, pool, "lock_timeout"))
}

func TestDeadlockIsUnavailable(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := postgrestest.New(t)
	if _, err := pool.Exec(ctx, "CREATE TABLE two (id int PRIMARY KEY); INSERT INTO two VALUES (1), (2)"); err != nil {
		t.Fatal(err)
	}
	s := New(pool)
	locked, ended := make(chan struct{}, 2), make(chan error, 2)
	both := make(chan struct{})
	for _, first := range []int{1, 2} {
		go func() {
			ended <- s.Write(ctx, func(tx *Tx) error {
				const lock = "SELECT id FROM two WHERE id = $1 FOR UPDATE"
				if _, err := all(ctx, tx, pgx.RowTo[int], lock, first); err != nil {
					return err
				}
				locked <- struct{}{}
				<-both
				_, err := all(ctx, tx, pgx.RowTo[int], lock, 3-first)
				return err
			})
		}()
	}
	<-locked
	<-locked
	close(both)
	err := errors.Join(<-ended, <-ended)
	wantUnavailable(t, "a deadlock", err)
	if !strings.Contains(err.Error(), "40P01") {
		t.Errorf("%v, want a deadlock", err)
	}
}

func TestCancelledStatementIsNoFaultWhenItsCallerGaveUp(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	s := New(pool)
	err := s.Write(ctx, func(tx *Tx) error {
		if _, err := number(ctx, tx); err != nil {
			return err
		}
		leave()
		_, err := all(ctx, tx, pgx.RowTo[string], "SELECT pg_sleep(60)::text")
		return err
	})
	if oauth.KindOf(err) != oauth.Internal || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gave up: %v", err)
	}
}
