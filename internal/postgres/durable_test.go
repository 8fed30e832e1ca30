package postgres

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// crash ends the server as a crash does: what was not written is lost, and the
// process that would write it later is stopped before others can commit.
func (s *server) crash(writer int) {
	s.t.Helper()
	if err := syscall.Kill(s.Pid(), syscall.SIGQUIT); err != nil {
		s.t.Fatal(err)
	}
	_ = syscall.Kill(writer, syscall.SIGKILL) // stopped, it would not hear of the end
	<-s.Done()
	s.Stop()
}

func TestCommitsAreDurableWhereTheServerWouldNotMakeThemSo(t *testing.T) {
	t.Parallel()
	s := startServer(t, map[string]string{"cluster_name": throwaway, "autovacuum": "off"})
	ctx := t.Context()
	batch := func(s *Store, name string) error {
		return s.Write(ctx, func(tx *Tx) error {
			tx.write("INSERT INTO kept VALUES ($1)", name)
			return nil
		})
	}
	for _, c := range []struct {
		setting string // the value that the server has
		sql     string // what makes it another one
		way     func(*Store, string) error
	}{
		{"off", "SELECT 1", batch},
		{"on", "ALTER DATABASE roster SET synchronous_commit = off", batch},
		{"on", "ALTER ROLE roster SET synchronous_commit = off", batch},
		{"off", "SELECT 1", func(s *Store, name string) error {
			return s.WriteTogether(ctx, func(tx *Tx) error {
				tx.write("INSERT INTO kept VALUES ($1)", name)
				return nil
			})
		}},
		{"off", "SELECT 1", func(s *Store, name string) error { // a transaction that asks first
			return s.Write(ctx, func(tx *Tx) error {
				_, err := number(ctx, tx)
				tx.write("INSERT INTO kept VALUES ($1)", name)
				return err
			})
		}},
		{"off", "SELECT 1", func(s *Store, name string) error {
			return s.Span(ctx, func(ctx context.Context, _ *Tx) (bool, error) {
				return true, s.Write(ctx, func(tx *Tx) error {
					tx.write("INSERT INTO kept VALUES ($1)", name)
					return nil
				})
			})
		}},
		{"off", "SELECT 1", func(s *Store, name string) error {
			_, err := s.exec(ctx, "INSERT INTO kept VALUES ($1)", name)
			return err
		}},
	} {
		s.Stop()
		s.config.Settings["synchronous_commit"] = c.setting
		s.start()
		durable := strings.Replace(s.URL, "?", "?options=-c%20synchronous_commit%3Don&", 1)
		run(t, durable, "CREATE TABLE kept (name text)", c.sql)
		store := New(open(t, s.URL))
		var writer int
		eventually(t, "the server writes nothing", func() (started bool) {
			var err error
			writer, err = one(ctx, store, "writer", pgx.RowTo[int],
				"SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
			return err == nil
		})
		if err := syscall.Kill(writer, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if err := c.way(store, "stored by Roster"); err != nil {
			t.Fatal(err)
		}
		run(t, s.URL, "INSERT INTO kept VALUES ('stored by another')")
		s.crash(writer)
		s.start()
		names, err := all(ctx, New(open(t, s.URL)), pgx.RowTo[string], "SELECT name FROM kept")
		if err != nil || !slices.Equal(names, []string{"stored by Roster"}) {
			t.Errorf("with synchronous_commit = %s and %s, what a crash leaves is %q, %v", c.setting, c.sql, names, err)
		}
		run(t, durable, "DROP TABLE kept",
			"ALTER DATABASE roster RESET synchronous_commit", "ALTER ROLE roster RESET synchronous_commit")
	}
}
