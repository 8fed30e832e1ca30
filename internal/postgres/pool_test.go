package postgres

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/postgrestest"
)

// open opens a pool of one connection on an address that does not change.
func open(t testing.TB, address string) *pgxpool.Pool {
	t.Helper()
	return openWith(t, Options{Connections: 1, Address: func() (string, error) { return address, nil }})
}

func openWith(t testing.TB, o Options) *pgxpool.Pool {
	t.Helper()
	pool, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// run executes statements over a connection of its own.
func run(t *testing.T, address string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	for _, sql := range statements {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// eventually waits until done is true, within a generous bound.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("a minute later: %s", what)
		}
	}
}

// withName returns the address with the database's name, for SQL.
func nameOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

func pid(t *testing.T, s *Store) int {
	t.Helper()
	n, err := one(t.Context(), s, "session", pgx.RowTo[int], "SELECT pg_backend_pid()")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSessionsThatAreNoUseAreThrownAway(t *testing.T) {
	t.Parallel()
	address := postgrestest.NewURL(t)
	for what, c := range map[string]struct {
		sql  string
		kept bool
	}{
		"read-only":              {sql: raise("25006")},
		"unknown statement":      {sql: raise("26000")},
		"statement there before": {sql: raise("42P05")},
		"shut down":              {sql: raise("57P01")},
		"statement timeout":      {sql: raise("57014"), kept: true},
		"lock timeout":           {sql: raise("55P03"), kept: true},
		"deadlock":               {sql: raise("40P01"), kept: true},
		"wrong statement":        {sql: "SELECT 1 / 0", kept: true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := New(open(t, address))
			before := pid(t, s)
			err := s.Write(t.Context(), func(tx *Tx) error {
				_, err := all(t.Context(), tx, pgx.RowTo[int], c.sql)
				return err
			})
			if err == nil {
				t.Fatal("the statement succeeded")
			}
			if kept := pid(t, s) == before; kept != c.kept {
				t.Errorf("the session is kept: %v, want %v", kept, c.kept)
			}
		})
	}
}

func TestDatabaseThatTakesNoChangesIsNotReadyUntilItDoes(t *testing.T) {
	t.Parallel()
	address := postgrestest.NewURL(t)
	name := nameOf(t, address)
	pool := openWith(t, Options{Connections: 4, Address: func() (string, error) { return address, nil }})
	s := New(pool)
	change := func() error {
		return s.Write(t.Context(), func(tx *Tx) error {
			tx.write("UPDATE event_clock SET shift = shift")
			return nil
		})
	}
	if err := errors.Join(s.Ready(t.Context()), change()); err != nil {
		t.Fatal(err)
	}
	run(t, address, "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
	pool.Reset()
	wantUnavailable(t, "a change", change())
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "takes no changes") {
		t.Errorf("it is ready, or for another reason not: %v", err)
	}
	if _, err := number(t.Context(), s); err != nil {
		t.Errorf("reading: %v", err)
	}
	// Every connection that is open now stays read-only for good.
	var held []*pgxpool.Conn
	for range 4 {
		c, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	for _, c := range held {
		c.Release()
	}
	run(t, strings.Replace(address, "?", "?options=-c%20default_transaction_read_only%3Doff&", 1),
		"ALTER DATABASE "+name+" RESET default_transaction_read_only")
	eventually(t, "the database still takes no changes", func() bool { return change() == nil })
	for range 8 { // on every connection
		if err := errors.Join(change(), s.Ready(t.Context())); err != nil {
			t.Errorf("after it has taken a change: %v", err)
		}
	}
}

func TestAddressIsFollowed(t *testing.T) {
	t.Parallel()
	var address atomic.Pointer[string]
	first, second := postgrestest.NewURL(t), postgrestest.NewURL(t)
	address.Store(&first)
	var log bytes.Buffer
	pool := openWith(t, Options{
		Connections: 1, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Address: func() (string, error) {
			if text := address.Load(); text != nil {
				return *text, nil
			}
			return "", errors.New("the file is not there")
		},
	})
	in := func() string {
		name, err := one(t.Context(), New(pool), "database", pgx.RowTo[string], "SELECT current_database()")
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	if in() != nameOf(t, first) {
		t.Fatal("it is not connected to the first database")
	}
	address.Store(&second)
	eventually(t, "it is still connected to the first database", func() bool { return in() == nameOf(t, second) })

	address.Store(nil)
	pool.Reset()
	if in() != nameOf(t, second) {
		t.Error("without a file it does not stay where it was")
	}
	for range 3 {
		address.Store(new("postgres://h:secret@a@b/roster"))
		pool.Reset()
		if in() != nameOf(t, second) {
			t.Error("with an address that is no use it does not stay where it was")
		}
	}
	text := log.String()
	if strings.Count(text, "has changed") != 1 || strings.Count(text, "cannot use the new address") != 2 || strings.Contains(text, "secret") {
		t.Errorf("the log is\n%s", text)
	}
}

func TestSeveralHostsMeanOneThatTakesChanges(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"postgres://a,b/roster":                                  true,
		"postgres://a:1,a:2/roster":                              true,
		"host=a,b dbname=roster":                                 true,
		"host=/run/a,/run/b":                                     true,
		"postgres://a/roster?target_session_attrs=read-write":    true,
		"postgres://a/roster":                                    false,
		"postgres://a/roster?sslmode=prefer":                     false,
		"postgres://a,b/roster?target_session_attrs=any":         false,
		"host=a,b target_session_attrs=any":                      false,
		"postgres://a,b/roster?sslmode=disable&pool_max_conns=3": true,
	} {
		l := &link{}
		config, err := l.parse(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
		} else if got := config.ConnConfig.ValidateConnect != nil; got != want {
			t.Errorf("%s asks for a server that takes changes: %v, want %v", address, got, want)
		}
	}
}

func TestPoolsOpenAsManyConnectionsAsIsSaid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address string
		option  int
		want    int32
	}{
		{"postgres://a/roster", 0, DefaultConnections},
		{"postgres://a/roster?pool_max_conns=3", 0, 3},
		{"postgres://a/roster?pool_max_conns=3", 40, 40},
		{"postgres://a/roster?pool_min_conns=20", 0, 20},
		{"postgres://a/roster", 2, 2},
	} {
		pool := openWith(t, Options{Connections: c.option, Address: func() (string, error) { return c.address, nil }})
		if got := pool.Stat().MaxConns(); got != c.want {
			t.Errorf("%s with %d: %d connections, want %d", c.address, c.option, got, c.want)
		}
	}
}

func TestEveryQueryModeWorksWithoutAPooler(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{
		"datestyle = 'German, DMY'", "bytea_output = 'escape'", "standard_conforming_strings = off", "timezone = 'Asia/Kathmandu'",
	} {
		address := postgrestest.NewURL(t)
		run(t, address, "ALTER DATABASE "+nameOf(t, address)+" SET "+setting)
		for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			q.Set("default_query_exec_mode", mode)
			u.RawQuery = q.Encode()
			if err := CheckMode(t.Context(), open(t, u.String())); err != nil {
				t.Errorf("%s with %s: %v", mode, setting, err)
			}
		}
	}
}

func TestBytesOfTheFormatEscape(t *testing.T) {
	t.Parallel()
	m := pgtype.NewMap()
	readBytea(m)
	for text, want := range map[string]string{
		`\x00ff`: "\x00\xff", `a\\b`: `a\b`, `\000\377x`: "\x00\xffx", ``: "", `\\x`: `\x`,
	} {
		var got []byte
		if err := m.Scan(pgtype.ByteaOID, pgtype.TextFormatCode, []byte(text), &got); err != nil || string(got) != want {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`\`, `\9`, `\999`, `\12`, `a\x00`} {
		if err := m.Scan(pgtype.ByteaOID, pgtype.TextFormatCode, []byte(text), new([]byte)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
