package postgres

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgrestest"
)

func number(ctx context.Context, q querier) (int, error) {
	return one(ctx, q, "number", pgx.RowTo[int], "SELECT 1")
}

func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if oauth.KindOf(err) != oauth.Unavailable {
		t.Errorf("%s: %v, want it to be unavailable", what, err)
	}
}

func TestBrokenConnectionsAreUnavailable(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t)
	s := New(pool)
	for name, cut := range map[string]func(*Tx) error{
		"ended by an administrator": func(tx *Tx) error {
			_, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend($1)", tx.conn.Conn().PgConn().PID())
			return err
		},
		"closed here": func(tx *Tx) error { return tx.conn.Conn().PgConn().Conn().Close() },
	} {
		err := s.Write(t.Context(), func(tx *Tx) error {
			if _, err := number(t.Context(), tx); err != nil {
				return err
			}
			if err := cut(tx); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			_, err := number(t.Context(), tx)
			wantUnavailable(t, name, err)
			_, again := number(t.Context(), tx)
			wantUnavailable(t, name+", asked again", again)
			return err
		})
		wantUnavailable(t, name+", all of it", err)
		err = s.Write(t.Context(), func(tx *Tx) error {
			if _, err := number(t.Context(), tx); err != nil {
				return err
			}
			tx.write("SELECT 1")
			return cut(tx)
		})
		wantUnavailable(t, name+" before the writes", err)
	}
	if _, err := number(t.Context(), s); err != nil {
		t.Errorf("with another connection: %v", err)
	}
}

func TestWhatIsNoFaultOfTheConnectionIsNotUnavailable(t *testing.T) {
	t.Parallel()
	s := New(postgrestest.New(t))
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := number(gone, s); oauth.KindOf(err) != oauth.Internal || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gave up: %v", err)
	}
	if _, err := one(t.Context(), s, "number", pgx.RowTo[int], "SELECT 1 / 0"); oauth.KindOf(err) != oauth.Internal {
		t.Errorf("a wrong statement: %v", err)
	}
	if _, err := one(t.Context(), s, "number", pgx.RowTo[int], "SELECT 'x'"); oauth.KindOf(err) != oauth.Internal {
		t.Errorf("a wrong type: %v", err)
	}
}

func TestStoppedServerIsUnavailableUntilItIsBack(t *testing.T) {
	t.Parallel()
	server := startServer(t, map[string]string{"cluster_name": throwaway})
	pool := open(t, server.URL)
	s := New(pool)
	if _, err := number(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the first may find a connection that is dead
		_, err := number(t.Context(), s)
		wantUnavailable(t, "a query", err)
		wantUnavailable(t, "a write", s.Write(t.Context(), func(tx *Tx) error { tx.write("SELECT 1"); return nil }))
		wantUnavailable(t, "a span", s.Span(t.Context(), func(ctx context.Context, _ *Tx) (bool, error) { _, err := number(ctx, s); return true, err }))
	}
	server.start()
	if _, err := number(t.Context(), s); err != nil {
		t.Errorf("the server is back: %v", err)
	}
}
