package postgres_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/postgrestest"
)

func TestErrorsOfConnectingRepeatNothingOfTheAddress(t *testing.T) {
	t.Parallel()
	const canary = "CANARY"
	for name, c := range map[string]struct {
		edit func(u *url.URL)
		says string
	}{
		"user":     {func(u *url.URL) { u.User = url.User(canary) }, "28"},
		"database": {func(u *url.URL) { u.Path = "/" + canary }, "the database does not exist (SQLSTATE 3D000)"},
		"parameter": {func(u *url.URL) { u.RawQuery += "&" + canary + "=1" },
			"the server does not know a parameter of the connection (SQLSTATE 42704)"},
		"value": {func(u *url.URL) { u.RawQuery += "&work_mem=" + canary },
			"the server refuses the value of a parameter of the connection (SQLSTATE 22023)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(postgrestest.NewURL(t))
			if err != nil {
				t.Fatal(err)
			}
			c.edit(u)
			conn, err := pgx.Connect(t.Context(), u.String())
			if err == nil {
				conn.Close(t.Context())
				t.Fatal("it connects")
			}
			if _, failed := err.(*pgconn.ConnectError); !failed || !strings.Contains(err.Error(), canary) {
				t.Fatalf("pgx says %T %v, which proves nothing", err, err)
			}
			err = postgres.Unconnected(err)
			if text := err.Error(); strings.Contains(text, canary) || !strings.Contains(text, c.says) {
				t.Errorf("it says %s", text)
			}
		})
	}
}

func TestErrorsOfConnectingAreOneLine(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), "postgres://no-such-host.invalid/roster?connect_timeout=60")
	if err == nil {
		conn.Close(t.Context())
		t.Fatal("it connects")
	}
	if text := postgres.Unconnected(err).Error(); strings.Contains(text, "\n") || strings.Count(text, "no-such-host.invalid") != 1 {
		t.Errorf("it says %s", text)
	}
}
