package main_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgrestest"
)

func sql(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(context.WithoutCancel(t.Context()), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, s := range statements {
		if _, err := conn.Exec(context.WithoutCancel(t.Context()), s); err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
	}
}

// separately gives the statements of a script, which CREATE DATABASE wants.
func separately(script string) []string {
	return strings.SplitAfter(strings.TrimSpace(script), ";\n")
}

func databaseOf(t *testing.T, address string) (u *url.URL, name string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u, strings.TrimPrefix(u.Path, "/")
}

// TestRolesAreMadeAsDocumented follows docs/postgres-roles.md as a superuser and
// as what a provider of managed databases gives its customers.
func TestRolesAreMadeAsDocumented(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string]string{"superuser": "SUPERUSER", "provider's administrator": "CREATEDB CREATEROLE"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suffix := strings.ToLower(oauth.RandomText(oauth.Alphanumeric, 20))
			administrator, owner, runtime, database := "a_"+suffix, "o_"+suffix, "r_"+suffix, "d_"+suffix
			superuser, _ := databaseOf(t, postgrestest.Superuser(t, postgrestest.NewEmptyURL(t, "")))
			sql(t, superuser.String(), "CREATE ROLE "+administrator+" LOGIN PASSWORD 'secret' "+attributes)
			t.Cleanup(func() {
				sql(t, superuser.String(), "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)",
					"DROP ROLE IF EXISTS "+owner, "DROP ROLE IF EXISTS "+runtime, "DROP ROLE "+administrator)
			})
			at := func(role, database string) string {
				u := *superuser
				u.User, u.Path = url.UserPassword(role, "secret"), "/"+database
				return u.String()
			}
			names := []string{"…", "secret", "DATABASE roster", "DATABASE " + database,
				"postgres://roster_owner@db/roster", "'" + at(owner, database) + "'", "roster_owner", owner, "roster_runtime", runtime}
			sql(t, at(administrator, "postgres"), separately(snippets(t, "postgres-roles.md", "# PostgreSQL roles", "sql", names...)[0])...)
			shellWith(t, snippets(t, "postgres-roles.md", "# PostgreSQL roles", "sh", names...)[0])
			env, _ := on(t, at(runtime, database))
			succeed(t, env, "bootstrap", "--create-keyset")
			serves(t, env)
		})
	}
}

// TestComposeServesAsAPlainRole runs what deploy/postgres-roles.sh gives to the
// image of PostgreSQL, then the commands of docker-compose.yml.
func TestComposeServesAsAPlainRole(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../deploy/postgres-roles.sh")
	if err != nil {
		t.Fatal(err)
	}
	compose, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(compose), "command: [migrate, --runtime-role, roster_runtime]") {
		t.Error("docker-compose.yml migrates otherwise")
	}
	suffix := strings.ToLower(oauth.RandomText(oauth.Alphanumeric, 20))
	owner, runtime, database, secrets := "o_"+suffix, "r_"+suffix, "d_"+suffix, t.TempDir()
	superuser, _ := databaseOf(t, postgrestest.Superuser(t, postgrestest.NewEmptyURL(t, "")))
	t.Cleanup(func() {
		sql(t, superuser.String(), "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)", "DROP ROLE IF EXISTS "+owner, "DROP ROLE IF EXISTS "+runtime)
	})
	write(t, secrets+"/owner_password", "it's $ecret")
	write(t, secrets+"/runtime_password", "another")
	made := strings.NewReplacer("psql ", "psql '"+superuser.String()+"' ", "/run/secrets", secrets, "roster_owner", owner, "roster_runtime", runtime,
		"DATABASE roster", "DATABASE "+database).Replace(string(script))
	shellWith(t, made)
	at := func(role, password string) string {
		u := *superuser
		u.User, u.Path = url.UserPassword(role, password), "/"+database
		return u.String()
	}
	env, _ := on(t, at(runtime, "another"))
	succeed(t, as(env, at(owner, "it's $ecret")), "migrate", "--runtime-role", runtime)
	succeed(t, env, "bootstrap", "--create-keyset")
	serves(t, env)
}

// serves starts a server, waits until it is ready, has it store a client, and
// stops it.
func serves(t *testing.T, env []string) {
	t.Helper()
	s := serve(t, env)
	defer s.stop()
	if status, body := s.call("", "GET", "/readyz", ""); status != http.StatusOK {
		t.Fatalf("readyz: %d %s", status, body)
	}
	token := strings.TrimSpace(succeed(t, append(env, "ROSTER_PUBLIC_URL="+s.URL), "token"))
	if status, body := s.call(token, "POST", "/api/v2/clients", `{"name":"Élan"}`); status != http.StatusCreated || !strings.Contains(body, "Élan") {
		t.Errorf("creating a client: %d %s", status, body)
	}
	if status, body := s.call(token, "GET", "/api/roster/v1/events?action=client.created", ""); status != http.StatusOK || !strings.Contains(body, "Élan") {
		t.Errorf("reading events: %d %s", status, body)
	}
}

func TestOwnerIsChangedAsDocumented(t *testing.T) {
	t.Parallel()
	for name, block := range map[string]int{"REASSIGN OWNED": 0, "one by one": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := postgrestest.NewEmptyURL(t, "")
			u, database := databaseOf(t, own)
			owner := u.User.Username()
			serving, runtime := serving(t, own)
			superuser, _ := databaseOf(t, postgrestest.Superuser(t, own))
			app := superuser.User.Username()
			old := *superuser
			if block == 0 { // which PostgreSQL refuses for the role that the server was set up with
				app = "app_" + strings.ToLower(oauth.RandomText(oauth.Alphanumeric, 20))
				sql(t, superuser.String(), "CREATE ROLE "+app+" LOGIN SUPERUSER PASSWORD 'secret'")
				t.Cleanup(func() { sql(t, superuser.String(), "DROP ROLE "+app) })
				old.User = url.UserPassword(app, "secret")
			}
			env, _ := on(t, serving)
			succeed(t, as(env, old.String()), "migrate", "--runtime-role", runtime)
			sql(t, old.String(), "CREATE TABLE goose_db_version ()")
			succeed(t, env, "bootstrap", "--create-keyset")

			words := snippets(t, "postgres-roles.md", "## Changing the owner", "", "roster_owner", owner, "role app", "role "+app)[0]
			refuse(t, as(env, own), []string{"migrate", "--runtime-role", runtime}, strings.SplitAfter(words, ":")[0])
			sql(t, superuser.String(), snippets(t, "postgres-roles.md", "## Changing the owner", "sql",
				"DATABASE roster", "DATABASE "+database, "roster_owner", owner, "app", app)[block])
			succeed(t, as(env, own), "migrate", "--runtime-role", runtime)
			serves(t, env)
		})
	}
}

// TestBackupIsRestoredAsDocumented dumps and restores as a plain role, and looks
// whether a secret of before is valid after.
func TestBackupIsRestoredAsDocumented(t *testing.T) {
	t.Parallel()
	own, dir := postgrestest.NewURL(t), t.TempDir()
	env, keyset := on(t, postgrestest.Runtime(t, own))
	m := regexp.MustCompile(`client_id +(\S+)\nclient_secret +(\S+)\n`).FindStringSubmatch(succeed(t, env, "bootstrap", "--create-keyset"))
	serves(t, env)

	fresh := postgrestest.NewEmptyURL(t, "")
	url, role := serving(t, fresh)
	blocks := snippets(t, "operations.md", "## Backup", "sh", "roster_runtime", role)
	restored, other := on(t, url)
	shellWith(t, blocks[0], "PWD="+dir, "DATABASE_URL="+own, "ROSTER_KEYSET_FILE="+keyset)
	shellWith(t, blocks[1], "PWD="+dir, "DATABASE_URL="+fresh, "ROSTER_KEYSET_FILE="+other)
	s := serve(t, restored)
	if status, body := s.call("", "POST", "/oauth/token", tokenRequest(s, m[1], m[2])); status != http.StatusOK {
		t.Errorf("with the secret of before: %d %s", status, body)
	}
	s.stop()
	for loss, name := range map[string]string{
		"ALTER TABLE idempotency_keys RENAME TO gone":                     "table idempotency_keys",
		"DROP INDEX clients_app_type_idx":                                 "index clients_app_type_idx",
		"ALTER TABLE credentials DROP CONSTRAINT credentials_kid_key":     "constraint credentials.credentials_kid_key",
		"DROP TRIGGER events_stay ON events":                              "trigger events.events_stay",
		"DROP FUNCTION roster_trim_events(timestamptz, int)":              "function roster_trim_events(before timestamp with time zone, batch integer)",
		"DELETE FROM event_clock":                                         "the table event_clock has lost its row",
		"REVOKE DELETE ON scopes FROM " + pgx.Identifier{role}.Sanitize(): "lacks rights on scopes",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := postgrestest.NewEmptyURL(t, "")
			shellWith(t, blocks[1], "PWD="+dir, "DATABASE_URL="+own, "ROSTER_KEYSET_FILE="+filepath.Join(t.TempDir(), "keyset"))
			env := as(restored, postgrestest.Runtime(t, own))
			s := serve(t, env)
			sql(t, own, loss)
			if status, body := s.call("", "GET", "/readyz", ""); status != http.StatusServiceUnavailable || !strings.Contains(body, name) {
				t.Errorf("readyz: %d %s", status, body)
			}
			s.stop()
			if !strings.Contains(name, "rights") { // which are the serving role's alone
				refuse(t, as(env, own), []string{"migrate"}, name)
			}
		})
	}
}

// TestStartTellsWhichRightsAreLacking serves as a role that was given its rights
// before the newest migration.
func TestStartTellsWhichRightsAreLacking(t *testing.T) {
	t.Parallel()
	own := postgrestest.NewURL(t)
	url, runtime := serving(t, own)
	env, _ := on(t, url)
	succeed(t, env, "bootstrap", "--create-keyset")
	for _, table := range []string{"events", "issuer_keys", "roster_migrations", "keyset_check"} {
		sql(t, own, "REVOKE ALL ON "+table+" FROM "+runtime)
		for _, command := range []string{"serve", "token"} {
			refuse(t, env, []string{command}, "run `roster migrate --runtime-role "+runtime+"` as the owner of the tables")
		}
		succeed(t, as(env, own), "migrate", "--runtime-role", runtime)
	}
	serves(t, env)
}

// TestDatabaseIsSharedAsDocumented gives Roster a schema of its own next to a
// program whose tables have the same names.
func TestDatabaseIsSharedAsDocumented(t *testing.T) {
	t.Parallel()
	own := postgrestest.NewEmptyURL(t, "")
	u, database := databaseOf(t, own)
	url, runtime := serving(t, own)
	sql(t, own, `CREATE TABLE clients (theirs int); CREATE TABLE scopes (theirs int);
		CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp DEFAULT now());
		INSERT INTO goose_db_version (version_id, is_applied) SELECT n, true FROM generate_series(0, 7) n`)
	env, _ := on(t, url)
	refuse(t, as(env, own), []string{"migrate"}, "the schema public has table clients, table scopes already")
	sql(t, postgrestest.Superuser(t, own), snippets(t, "operations.md", "## Managed PostgreSQL", "sql", "roster_owner", u.User.Username(), "roster_runtime", runtime, "shared", database)...)
	succeed(t, as(env, own), "migrate", "--runtime-role", runtime)
	succeed(t, env, "bootstrap", "--create-keyset")
	serves(t, env)
	sql(t, own, "DO $$ BEGIN ASSERT (SELECT array_agg(version_id) FROM public.goose_db_version) = '{0,1,2,3,4,5,6,7}'; END $$")
}

// TestSettingsOfTheDatabaseChangeNothing serves on databases whose owners have
// set what sessions begin with.
func TestSettingsOfTheDatabaseChangeNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ options, setting, mode string }{
		"a schema of an odd name": {"", `search_path = "Reg-istry"`, ""},
		"times":                   {"", "timezone = 'Asia/Kathmandu'", ""},
		"times as text":           {"", "timezone = 'Asia/Kathmandu'", "exec"},
		"dates":                   {"", "datestyle = 'German, DMY'", ""},
		"dates as text":           {"", "datestyle = 'German, DMY'", "simple_protocol"},
		"bytes":                   {"", "bytea_output = 'escape'", ""},
		"bytes as text":           {"", "bytea_output = 'escape'", "exec"},
		"isolation":               {"", "default_transaction_isolation = 'serializable'", ""},
		"intervals":               {"", "intervalstyle = 'sql_standard'", ""},
		"LATIN1":                  {"ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'", "client_encoding = 'LATIN1'", ""},
		"LATIN1 as text":          {"ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'", "client_encoding = 'LATIN1'", "exec"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := postgrestest.NewEmptyURL(t, c.options)
			_, database := databaseOf(t, own)
			url, runtime := serving(t, own)
			sql(t, own, `CREATE SCHEMA "Reg-istry"`, "ALTER DATABASE "+database+" SET "+c.setting)
			if c.mode != "" {
				url += "&default_query_exec_mode=" + c.mode
			}
			env, _ := on(t, url)
			succeed(t, as(env, own), "migrate", "--runtime-role", runtime)
			succeed(t, env, "bootstrap", "--create-keyset")
			serves(t, env)
		})
	}
}
