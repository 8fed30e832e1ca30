package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/postgrestest"
)

// notes is a store with a table of texts, of which each may be there once.
func notes(t *testing.T) *Store {
	t.Helper()
	pool := postgrestest.New(t)
	if _, err := pool.Exec(t.Context(), "CREATE TABLE notes (note text PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	return New(pool)
}

func (t *Tx) note(text string) { t.write("INSERT INTO notes VALUES ($1)", text) }

func noted(ctx context.Context, q querier) ([]string, error) {
	return all(ctx, q, pgx.RowTo[string], "SELECT note FROM notes ORDER BY note")
}

func wantNotes(t *testing.T, q querier, want ...string) {
	t.Helper()
	got, err := noted(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("notes %v, want %v", got, want)
	}
}

func TestTransactionsReadWhatTheyWrote(t *testing.T) {
	t.Parallel()
	s := notes(t)
	err := s.Write(t.Context(), func(tx *Tx) error {
		tx.note("a")
		wantNotes(t, tx, "a")
		tx.note("b")
		wantNotes(t, tx, "a", "b")
		wantNotes(t, s) // others do not see it yet
		tx.note("c")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantNotes(t, s, "a", "b", "c")
}

func TestFailedTransactionsLeaveNothing(t *testing.T) {
	t.Parallel()
	s := notes(t)
	failure := errors.New("no")
	for name, fn := range map[string]func(*Tx) error{
		"a rule":             func(tx *Tx) error { tx.note("a"); return failure },
		"a rule, after both": func(tx *Tx) error { tx.note("a"); wantNotes(t, tx, "a"); return failure },
		"the last write":     func(tx *Tx) error { tx.note("a"); tx.note("a"); return nil },
		"an error not told": func(tx *Tx) error {
			tx.note("a")
			_, _ = all(t.Context(), tx, pgx.RowTo[int], "SELECT 1 / 0")
			return nil
		},
	} {
		if err := s.Write(t.Context(), fn); err == nil {
			t.Errorf("%s: no error", name)
		}
		wantNotes(t, s)
	}
}

// Parts that fail are undone whether their writes were sent or not, and whoever
// refused them; all else of the transaction is kept.
func TestFailedPartsAreUndoneAlone(t *testing.T) {
	t.Parallel()
	failure := errors.New("no")
	fail := func(*Tx) error { return failure }
	read := func(tx *Tx) error { _, err := noted(t.Context(), tx); return err }
	write := func(text string) func(*Tx) error { return func(tx *Tx) error { tx.note(text); return nil } }
	part := func(steps ...func(*Tx) error) func(*Tx) error {
		return func(tx *Tx) error {
			return tx.Part(t.Context(), func() error {
				for _, step := range steps {
					if err := step(tx); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	for name, c := range map[string]struct {
		steps []func(*Tx) error
		want  []string
	}{
		"nothing sent":           {[]func(*Tx) error{write("a"), part(write("x"), fail), write("b")}, []string{"a", "b"}},
		"sent":                   {[]func(*Tx) error{write("a"), part(write("x"), read, fail), write("b")}, []string{"a", "b"}},
		"some sent":              {[]func(*Tx) error{write("a"), part(write("x"), read, write("y"), fail), write("b")}, []string{"a", "b"}},
		"read before":            {[]func(*Tx) error{write("a"), read, part(read, write("x"), read, fail), read, write("b")}, []string{"a", "b"}},
		"refused by the server":  {[]func(*Tx) error{write("a"), part(write("a"), read), write("b")}, []string{"a", "b"}},
		"one kept":               {[]func(*Tx) error{part(write("a"), read), part(write("x"), read, fail), part(write("b"))}, []string{"a", "b"}},
		"the inner":              {[]func(*Tx) error{part(write("a"), drop(part(write("x"), read, fail)), write("b"))}, []string{"a", "b"}},
		"the inner, not sent":    {[]func(*Tx) error{part(write("a"), drop(part(write("x"), fail)), read, write("b"))}, []string{"a", "b"}},
		"the outer":              {[]func(*Tx) error{write("a"), part(write("x"), part(write("y"), read), fail), write("b")}, []string{"a", "b"}},
		"the outer, not sent":    {[]func(*Tx) error{write("a"), part(part(write("x")), part(write("y")), fail), write("b")}, []string{"a", "b"}},
		"both":                   {[]func(*Tx) error{write("a"), part(write("x"), read, part(write("x"), read)), write("b")}, []string{"a", "b"}},
		"many after one another": {[]func(*Tx) error{part(write("x"), read, fail), part(write("x"), read, fail), part(write("a"), read)}, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := notes(t)
			if err := s.Write(t.Context(), func(tx *Tx) error {
				for _, step := range c.steps {
					_ = step(tx)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			wantNotes(t, s, c.want...)
		})
	}
}

func drop(step func(*Tx) error) func(*Tx) error {
	return func(tx *Tx) error { _ = step(tx); return nil }
}

func TestSpansKeepWhatTheyAreToldTo(t *testing.T) {
	t.Parallel()
	s := notes(t)
	write := func(ctx context.Context, text string) error {
		return s.Write(ctx, func(tx *Tx) error { tx.note(text); return nil })
	}
	for i, commit := range []bool{false, true} {
		if err := s.Span(t.Context(), func(ctx context.Context, _ *Tx) (bool, error) {
			if err := write(ctx, "a"); err != nil {
				t.Error(err)
			}
			if err := write(ctx, "a"); err == nil { // told where it happens
				t.Error("the same note twice")
			}
			got, err := noted(ctx, s)
			if diff := cmp.Diff([]string{"a"}, got); err != nil || diff != "" {
				t.Errorf("within: %v %s", err, diff)
			}
			return commit, write(ctx, fmt.Sprint("b", i))
		}); err != nil {
			t.Fatal(err)
		}
		if !commit {
			wantNotes(t, s)
		}
	}
	wantNotes(t, s, "a", "b1")
}

// A server that says nothing any more holds nobody for good, not even a caller
// without a deadline.
func TestRollbackWaitsForNobodyForGood(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(postgrestest.NewURL(t))
	if err != nil {
		t.Fatal(err)
	}
	silent := make(chan struct{})
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		server, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		near, far := net.Pipe()
		copyUntil := func(to, from net.Conn) {
			buf := make([]byte, 1<<16)
			for {
				n, err := from.Read(buf)
				select {
				case <-silent:
					return
				default:
				}
				if err != nil {
					to.Close()
					return
				}
				if _, err := to.Write(buf[:n]); err != nil {
					from.Close()
					return
				}
			}
		}
		go copyUntil(far, server)
		go copyUntil(server, far)
		t.Cleanup(func() { server.Close(); far.Close() })
		return near, nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	ended := make(chan error, 1)
	go func() {
		ended <- New(pool).Write(context.Background(), func(tx *Tx) error {
			if _, err := number(t.Context(), tx); err != nil {
				return err
			}
			close(silent)
			return io.EOF // whatever made the caller give up
		})
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(time.Minute):
		t.Error("the rollback waits still")
	}
}

func TestTimesAreReadInUTC(t *testing.T) {
	t.Parallel()
	s := New(postgrestest.New(t))
	read := func(q querier) {
		t.Helper()
		var one []time.Time
		var two []*time.Time
		if err := q.ask(t.Context(), rows(&one, pgx.RowTo[time.Time], "SELECT now()"), rows(&two, pgx.RowTo[*time.Time], "SELECT now()")); err != nil {
			t.Fatal(err)
		}
		three, err := all(t.Context(), q, pgx.RowTo[time.Time], "SELECT now()")
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Time{one[0], *two[0], three[0]} {
			if at.Location() != time.UTC {
				t.Errorf("a time in %s", at.Location())
			}
		}
	}
	read(s)
	if err := s.Write(t.Context(), func(tx *Tx) error { read(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}
