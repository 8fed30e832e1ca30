// Package postgrestest gives each test its own migrated database, copied from
// a template that all test binaries share.
package postgrestest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
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
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/rosterhq/roster/migrations"
)

// Env names the variable with the URL (postgres://…) of a server whose role may
// create databases. `make test` sets it. Unset, each test binary runs a server
// of its own, which takes some seconds more.
const Env = "TEST_DATABASE_URL"

// ModeEnv names the variable with the default_query_exec_mode of pgx that every
// test connects with; unset, pgx's own.
const ModeEnv = "TEST_QUERY_EXEC_MODE"

// New returns a pool of at most 4 connections on a fresh migrated database. It
// is dropped when the test passes; when it fails it is kept, as long as its
// server lives, and the test's log gives the URL.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(NewURL(t))
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
	server, template, err := prepared()
	if err != nil {
		t.Fatal(err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := execute(t.Context(), server, "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY file_copy"); err != nil {
		t.Fatalf("copying the template database: %v", err)
	}
	own := withMode(withDatabase(server, name), os.Getenv(ModeEnv))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("database kept while its server lives: %s", own)
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := execute(ctx, server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	return own
}

// prepared gives the server and the name of its template, made on first use.
func prepared() (server *url.URL, template string, err error) {
	p, err := prepare()
	return p.server, p.template, err
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
			return preparation{}, fmt.Errorf("%s is not set and no server could be started: %w\nfor tests it is %s, not DATABASE_URL, that names a running server, by the URL of a role that may create databases", Env, err, Env)
		}
	}
	server, err := url.Parse(text)
	if err != nil || server.Scheme != "postgres" && server.Scheme != "postgresql" {
		return preparation{}, fmt.Errorf("%s must be a URL, postgres://user@host/database", Env)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
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
	var done bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)", name).Scan(&done); err != nil || done {
		return name, err
	}
	// What is there without being a template yet was left by a killed process.
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return "", err
		}
	}
	if err := migrate(ctx, withDatabase(server, name)); err != nil {
		return "", err
	}
	// A database that somebody is connected to cannot be copied.
	_, err = conn.Exec(ctx, "ALTER DATABASE "+name+" IS_TEMPLATE true ALLOW_CONNECTIONS false")
	return name, err
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
	return fmt.Sprintf("%x", hash.Sum(nil)[:8]), nil
}

func migrate(ctx context.Context, url string) error {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	db := sql.OpenDB(stdlib.GetConnector(*cfg))
	defer db.Close()
	return migrations.Up(ctx, db)
}

func withDatabase(server *url.URL, name string) string {
	u := *server
	u.Path = "/" + name
	return u.String()
}

// withMode returns address with a default_query_exec_mode; "" leaves it as it is.
func withMode(address, mode string) string {
	u, err := url.Parse(address)
	if err != nil || mode == "" {
		return address
	}
	q := u.Query()
	q.Set("default_query_exec_mode", mode)
	u.RawQuery = q.Encode()
	return u.String()
}

func execute(ctx context.Context, server *url.URL, sql string) error {
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
