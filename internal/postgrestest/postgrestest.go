// Package postgrestest gives each test its own migrated database, copied from
// a template that all test binaries share, and two plain roles: one that owns
// the database and one that serves.
package postgrestest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/migrations"
)

// Env names the variable with the URL (postgres://…) of a server whose role may
// create databases and roles. `make test` sets it. Unset, each test binary runs
// a server of its own, which takes some seconds more.
const Env = "TEST_DATABASE_URL"

// ModeEnv names the variable with the default_query_exec_mode of pgx that every
// test connects with; unset, pgx's own.
const ModeEnv = "TEST_QUERY_EXEC_MODE"

// The roles that all tests on a server share, set apart as docs/postgres-roles.md
// says. Neither has any other right: the role of [Env] does nothing but make
// databases and them.
const (
	owner    = "roster_test_owner"
	runtime  = "roster_test_runtime"
	password = "for-tests/@:?#&%" // as people choose them
)

// longEnough bounds what ought to take seconds, on a machine that is busy with
// other things.
const longEnough = 5 * time.Minute

// New returns a pool of at most 4 connections on a fresh migrated database, as
// the role that owns it. It is dropped when the test passes; when it fails it is
// kept, as long as its server lives, and the test's log gives the URL.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return Open(t, NewURL(t))
}

// Open returns a pool of at most 4 connections, closed at the end of the test.
func Open(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// NewURL is New for a test that connects by itself or lets a program do so.
// Connections still open at the end of the test are cut.
func NewURL(t testing.TB) string {
	t.Helper()
	p, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	return p.create(t, "TEMPLATE "+p.template+" STRATEGY file_copy")
}

// NewEmptyURL is NewURL for a database that nobody has migrated, made with
// options of CREATE DATABASE.
func NewEmptyURL(t testing.TB, options string) string {
	t.Helper()
	p, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	return p.create(t, "TEMPLATE template0 STRATEGY file_copy "+options)
}

// Runtime turns the URL of a test's database into that for the role which serves
// and owns nothing.
func Runtime(t testing.TB, own string) string {
	t.Helper()
	u, err := url.Parse(own)
	if err != nil {
		t.Fatal(err)
	}
	return withRole(u, runtime).String()
}

// Superuser turns the URL of a test's database into that for the role of [Env]:
// for tests of what superusers have done, or that need to end others' sessions.
func Superuser(t testing.TB, own string) string {
	t.Helper()
	p, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(own)
	if err != nil {
		t.Fatal(err)
	}
	return withDatabase(p.server, strings.TrimPrefix(u.Path, "/")).String()
}

// create makes a database that ends with the test, and returns its owner's URL.
func (p preparation) create(t testing.TB, options string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	if err := execute(t.Context(), p.server, "CREATE DATABASE "+name+" OWNER "+owner+" "+options, closeToOthers(name)); err != nil {
		t.Fatalf("creating a database: %v", err)
	}
	own := withMode(withRole(withDatabase(p.server, name), owner), os.Getenv(ModeEnv)).String()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("database kept while its server lives: %s", own)
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), longEnough)
		defer cancel()
		if err := execute(ctx, p.server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	return own
}

func closeToOthers(database string) string {
	return fmt.Sprintf("REVOKE ALL ON DATABASE %[1]s FROM PUBLIC; GRANT CONNECT ON DATABASE %[1]s TO %s", database, runtime)
}

type preparation struct {
	server   *url.URL
	template string
}

var prepare = sync.OnceValues(func() (preparation, error) {
	text := os.Getenv(Env)
	if text == "" {
		var err error
		if text, err = startForThisProcess(); err != nil {
			return preparation{}, fmt.Errorf("%s is not set and no server could be started: %w\nfor tests it is %s, not DATABASE_URL, that names a running server, by the URL of a role that may create databases and roles", Env, err, Env)
		}
	}
	server, err := url.Parse(text)
	if err != nil || server.Scheme != "postgres" && server.Scheme != "postgresql" {
		return preparation{}, fmt.Errorf("%s must be a URL, postgres://user@host/database", Env)
	}
	ctx, cancel := context.WithTimeout(context.Background(), longEnough)
	defer cancel()
	template, err := makeTemplate(ctx, server)
	if err != nil {
		return preparation{}, fmt.Errorf("preparing the template database: %w", err)
	}
	return preparation{server, template}, nil
})

// makeTemplate creates the database named after the migrations' hash unless it
// is there already. Test binaries that run at the same time wait for the first.
func makeTemplate(ctx context.Context, server *url.URL) (string, error) {
	hash, err := migrationsHash()
	if err != nil {
		return "", err
	}
	name := "template_" + hash
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext('postgrestest'))"); err != nil {
		return "", err
	}
	if err := makeRoles(ctx, conn); err != nil {
		return "", err
	}
	var done bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)", name).Scan(&done); err != nil || done {
		return name, err
	}
	// What is there without being a template yet was left by a killed process.
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name + " OWNER " + owner, closeToOthers(name)} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return "", err
		}
	}
	if err := migrate(ctx, withRole(withDatabase(server, name), owner)); err != nil {
		return "", err
	}
	// A database that somebody is connected to cannot be copied.
	_, err = conn.Exec(ctx, "ALTER DATABASE "+name+" IS_TEMPLATE true ALLOW_CONNECTIONS false")
	return name, err
}

// makeRoles makes the roles of tests unless they are there. A role that is no
// superuser must be a member of the owner of what it creates.
func makeRoles(ctx context.Context, conn *pgx.Conn) error {
	for _, role := range []string{owner, runtime} {
		var there bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role).Scan(&there); err != nil {
			return err
		}
		if there {
			continue
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", role, password)); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, "GRANT "+owner+" TO CURRENT_USER")
	return err
}

func migrationsHash() (string, error) {
	hash := sha256.New()
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		text, err := fs.ReadFile(migrations.FS, file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", file, len(text), text)
	}
	fmt.Fprint(hash, owner, runtime)
	return fmt.Sprintf("%x", hash.Sum(nil)[:8]), nil
}

func migrate(ctx context.Context, url *url.URL) error {
	pool, err := pgxpool.New(ctx, url.String())
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrations.Up(ctx, pool); err != nil {
		return err
	}
	return migrations.GrantRuntime(ctx, pool, runtime)
}

func withDatabase(server *url.URL, name string) *url.URL {
	u := *server
	u.Path = "/" + name
	return &u
}

// withMode sets a default_query_exec_mode; "" leaves the address as it is.
func withMode(server *url.URL, mode string) *url.URL {
	u := *server
	if mode != "" {
		q := u.Query()
		q.Set("default_query_exec_mode", mode)
		u.RawQuery = q.Encode()
	}
	return &u
}

func withRole(server *url.URL, role string) *url.URL {
	u := *server
	u.User = url.UserPassword(role, password)
	return &u
}

func execute(ctx context.Context, server *url.URL, statements ...string) error {
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
