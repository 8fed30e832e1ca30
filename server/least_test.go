package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/migrations"
)

// TestRuntimeRoleServesTheWholeAPI goes once through every kind of operation as
// the role that may do no more than serving takes.
func TestRuntimeRoleServesTheWholeAPI(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	do := func(method, path string, body any, want int) map[string]any {
		t.Helper()
		r := s.Do(s.Admin, method, path, body).Want(want)
		if len(r.Body) == 0 || r.Body[0] != '{' {
			return nil
		}
		return r.Object()
	}
	api := do("POST", "/api/v2/resource-servers", map[string]any{"identifier": "urn:api", "signing_alg": "HS256"}, http.StatusCreated)
	c := do("POST", "/api/v2/clients", map[string]any{"name": "a", "grant_types": []string{"client_credentials"}}, http.StatusCreated)
	id := c["client_id"].(string)
	path := "/api/v2/clients/" + id
	do("PATCH", path, map[string]any{"name": "b"}, http.StatusOK)
	secret := do("POST", path+"/rotate-secret", nil, http.StatusOK)["client_secret"].(string)
	grant := do("POST", "/api/v2/client-grants", map[string]any{"client_id": id, "audience": "urn:api", "scope": []string{}}, http.StatusCreated)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "audience": {"urn:api"}}
	s.Do("", "POST", "/oauth/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").Want(http.StatusOK)
	do("PATCH", "/api/v2/client-grants/"+grant["id"].(string), map[string]any{"scope": []string{}}, http.StatusOK)
	do("PATCH", "/api/v2/resource-servers/"+api["id"].(string), map[string]any{"name": "n"}, http.StatusOK)
	s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "once"}, "Idempotency-Key", "a").Want(http.StatusCreated)
	for _, list := range []string{"clients?include_totals=true", "client-grants", "resource-servers"} {
		s.Do(s.Admin, "GET", "/api/v2/"+list, nil).Want(http.StatusOK)
	}
	export := do("GET", "/api/roster/v1/export?include_secrets=true", nil, http.StatusOK)
	for _, r := range do("POST", "/api/roster/v1/import", map[string]any{"format": "roster", "records": export["records"]}, http.StatusOK)["results"].([]any) {
		if r.(map[string]any)["outcome"] != "unchanged" {
			t.Error(r)
		}
	}
	do("DELETE", "/api/v2/client-grants/"+grant["id"].(string), nil, http.StatusNoContent)
	do("DELETE", path, nil, http.StatusNoContent)
	do("DELETE", "/api/v2/resource-servers/"+api["id"].(string), nil, http.StatusNoContent)

	ctx := t.Context()
	if _, _, err := s.Registry.RotateTokenKey(ctx, false); err != nil {
		t.Error(err)
	}
	if err := s.Registry.Reseal(ctx, func(string, int) {}, func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
	if err := s.Registry.ForgetExpired(ctx); err != nil {
		t.Error(err)
	}
}

// connect opens a connection as the role that s serves as.
func connect(t *testing.T, s *servertest.Server) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), s.Serving.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func TestRuntimeRoleCannotAlterTheSchemaOrTheTrail(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	conn := connect(t, s)
	for name, sql := range map[string]string{
		"drop a table":             `DROP TABLE clients`,
		"add a column":             `ALTER TABLE clients ADD COLUMN x text`,
		"drop a constraint":        `ALTER TABLE clients DROP CONSTRAINT clients_client_id_key`,
		"make a table":             `CREATE TABLE x (y text)`,
		"make a function":          `CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		"empty a table":            `TRUNCATE clients CASCADE`,
		"delete events":            `DELETE FROM events`,
		"delete events, trimming":  `SET roster.trimming = 'on'; DELETE FROM events`,
		"change events":            `UPDATE events SET actor = 'another'`,
		"empty the trail":          `TRUNCATE events`,
		"switch the guard off":     `ALTER TABLE events DISABLE TRIGGER ALL`,
		"switch all guards off":    `SET session_replication_role = replica`,
		"say what was trimmed":     `UPDATE event_clock SET trimmed_id = 0`,
		"say it is migrated":       `UPDATE roster_migrations SET version = 0`,
		"become the owner":         `SET ROLE ` + pgx.Identifier{s.Pool.Config().ConnConfig.User}.Sanitize(),
		"run a program":            `COPY clients TO PROGRAM 'cat'`,
		"trim what is recent":      `SELECT roster_trim_events(now(), 100)`,
		"trim what is to come":     `SELECT roster_trim_events('infinity', 100)`,
		"shadow the trail's table": `CREATE TEMP TABLE events (id bigint, occurred_at timestamptz, transaction xid8); SELECT roster_trim_events(now(), 1)`,
	} {
		_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "42501" {
			t.Errorf("%s: %v, want insufficient_privilege", name, err)
		}
	}
}

func TestRuntimeRoleTrimsWhatIsOldByTheFunctionAlone(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) { c.EventRetention = 36 * time.Hour }})
	if _, err := s.Pool.Exec(t.Context(), `INSERT INTO events (occurred_at, actor, action, target_type, target)
		SELECT now() - n * interval '1 day', 'test', 'old', '', '' FROM generate_series(1, 10) n`); err != nil {
		t.Fatal(err)
	}
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := s.Pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE action = 'old'`).Scan(&left); err != nil || left != 1 {
		t.Errorf("%d old events are left, %v", left, err)
	}
}

func TestRolesThatCannotBeKeptFromAnythingAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	own := s.Pool.Config().ConnConfig.User
	suffix := strings.ToLower(oauth.RandomText(oauth.Alphanumeric, 20))
	mighty, plain := "mighty_"+suffix, "plain_"+suffix
	superuser := postgrestest.Open(t, postgrestest.Superuser(t, s.Pool.Config().ConnString()))
	if _, err := superuser.Exec(t.Context(), fmt.Sprintf(`CREATE ROLE %s CREATEROLE; CREATE ROLE %s`, mighty, plain), pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = superuser.Exec(context.Background(), fmt.Sprintf(`DROP OWNED BY %s; DROP ROLE %[1]s, %s`, plain, mighty), pgx.QueryExecModeSimpleProtocol)
	})
	for name, c := range map[string]struct{ role, prepare, want string }{
		"nobody":               {"nobody_" + suffix, "SELECT 1", "there is no role"},
		"the owner":            {own, "SELECT 1", "owns the schema"},
		"a superuser":          {superuser.Config().ConnConfig.User, "SELECT 1", "is a superuser"},
		"one that makes roles": {mighty, "SELECT 1", "may change roles"},
		"by way of PUBLIC":     {plain, "GRANT DELETE ON events TO PUBLIC", "by way of PUBLIC"},
	} {
		if _, err := s.Pool.Exec(t.Context(), c.prepare); err != nil {
			t.Fatal(err)
		}
		if err := migrations.GrantRuntime(t.Context(), s.Pool, c.role); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
