package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/internal/servertest"
)

// While the database is away, every dialect asks to come back, and then goes on.
func TestLostDatabaseIsAnsweredByTryAgain(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	config, err := pgx.ParseConfig(postgrestest.Superuser(t, s.Pool.Config().ConnString()))
	if err != nil {
		t.Fatal(err)
	}
	database := config.Database
	config.Database = "postgres"
	away, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close(t.Context())
	admit := func(yes string) {
		t.Helper()
		if _, err := away.Exec(t.Context(), "ALTER DATABASE "+pgx.Identifier{database}.Sanitize()+" ALLOW_CONNECTIONS "+yes); err != nil {
			t.Fatal(err)
		}
	}
	admit("false")
	if _, err := away.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database); err != nil {
		t.Fatal(err)
	}
	const form = "grant_type=client_credentials&client_id=x&client_secret=y&audience=z"
	for range 3 { // the first of them may find a connection that is dead
		for name, r := range map[string]servertest.Response{
			"Auth0":               s.Do(s.Admin, "GET", "/api/v2/clients", nil),
			"Auth0, a write":      s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "lost"}),
			"Auth0, at most once": s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "lost"}, "Idempotency-Key", "k"),
			"Boruta":              s.Do(s.Admin, "GET", "/api/clients", nil),
			"Roster":              s.Do(s.Admin, "GET", "/api/roster/v1/events", nil),
			"an import":           s.Do(s.Admin, "POST", "/api/roster/v1/import", map[string]any{"format": "auth0", "records": []any{map[string]any{"client_id": "lost", "name": "imported"}}}),
			"token":               s.Do("", "POST", "/oauth/token", form, "Content-Type", "application/x-www-form-urlencoded"),
		} {
			if r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") != "1" {
				t.Errorf("%s: %d, Retry-After %q: %s", name, r.Status, r.Header.Get("Retry-After"), r.Body)
			}
			for _, inside := range []string{database, "SQLSTATE", "socket", "connect"} {
				if strings.Contains(string(r.Body), inside) {
					t.Errorf("%s tells of the inside: %s", name, r.Body)
				}
			}
		}
	}
	admit("true")
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
	s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "lost"}, "Idempotency-Key", "k").Want(http.StatusCreated)
	if n := countClients(t, s, "lost"); n != 1 {
		t.Errorf("%d clients exist", n)
	}
}
