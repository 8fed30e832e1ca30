package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/embedpg"
	"github.com/rosterhq/roster/internal/issuers"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/migrations"
	"github.com/rosterhq/roster/server"
)

// database is an open database and, when Roster runs it itself, its server.
type database struct {
	pool     *pgxpool.Pool
	options  postgres.Options // of pool
	embedded *embedpg.Server  // nil: somebody else runs it, or another roster does
}

// defaultDataDir is ROSTER_DATA_DIR's default, databaseDir where below it the
// embedded database is.
const (
	defaultDataDir = ".roster"
	databaseDir    = "postgres"
)

// postgresConfig says where the embedded database is.
func postgresConfig(c Config, log *slog.Logger) embedpg.Config {
	return embedpg.Config{Dir: filepath.Join(c.DataDir, databaseDir), BinDir: c.PostgresBin, Durable: true, Log: log}
}

// openDatabase connects to the configured database, starting the embedded one
// if need be. serving makes that one where there is none; a command uses what is
// there, also while a server runs it. exec is postgres.Options.Exec; without it a
// query mode that cannot work is an error.
func openDatabase(ctx context.Context, c Config, log *slog.Logger, serving, exec bool) (*database, error) {
	db := &database{}
	options := postgres.Options{Address: c.databaseAddress, Connections: c.Connections, Exec: exec, Log: log}
	if c.embedded() {
		url, err := db.openEmbedded(ctx, c, log, serving)
		if err != nil {
			return nil, err
		}
		options.Address = func() (string, error) { return url, nil }
	}
	var err error
	db.options = options
	if db.pool, err = postgres.Open(ctx, options); err != nil {
		db.close()
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	if err := db.pool.Ping(ctx); err != nil {
		db.close()
		err = fmt.Errorf("connecting to the database: %w", postgres.Unconnected(err))
		if !c.embedded() {
			err = fmt.Errorf("DATABASE_URL: %w", err)
		}
		return nil, err
	}
	if !exec {
		if err := postgres.CheckMode(ctx, db.pool); err != nil {
			db.close()
			return nil, err
		}
	}
	return db, nil
}

// openEmbedded returns the URL of the embedded database.
func (db *database) openEmbedded(ctx context.Context, c Config, log *slog.Logger, serving bool) (url string, err error) {
	config := postgresConfig(c, log)
	if serving {
		err = os.MkdirAll(c.DataDir, 0o755)
	} else {
		var running, exists bool
		if url, running = embedpg.Running(config); running {
			return url, nil
		}
		if exists, err = embedpg.Exists(config); err == nil && !exists {
			return "", fmt.Errorf("there is no Roster database in %s, and DATABASE_URL is not set: run this where `roster serve` keeps its data "+
				"(ROSTER_DATA_DIR), or set DATABASE_URL; this command works on the database, not over the API", c.DataDir)
		}
	}
	if err != nil {
		return "", fmt.Errorf("ROSTER_DATA_DIR: %w", err)
	}
	if db.embedded, err = embedpg.Start(ctx, config); err != nil {
		return "", err
	}
	return db.embedded.URL, nil
}

// another returns a pool of its own on the same database, of that many
// connections at most. The caller closes it before db.
func (db *database) another(ctx context.Context, connections int) (*pgxpool.Pool, error) {
	options := db.options
	options.Connections = connections
	return postgres.Open(ctx, options)
}

func (db *database) close() {
	if db.pool != nil {
		db.pool.Close()
	}
	if db.embedded != nil {
		if err := db.embedded.Stop(); err != nil {
			slog.Error("stopping the embedded database", "err", err)
		}
	}
}

func (db *database) up(ctx context.Context) error {
	return postgres.Unconnected(migrations.Up(ctx, db.pool))
}

// schema returns the version that the database is at, 0 if it was never
// migrated, and what keeps this program from using it.
func (db *database) schema(ctx context.Context) (version int64, err error) {
	version, err = migrations.Check(ctx, db.pool)
	return version, postgres.Unconnected(err)
}

// readKeyset reads the keyset from where it is configured to be.
func readKeyset(c Config) (keys *seal.Keyset, warning string, err error) {
	if c.Keyset == "" {
		return seal.Load(c.KeysetFile, nil)
	}
	if keys, err = seal.Parse([]byte(c.Keyset), nil); err != nil {
		err = fmt.Errorf("ROSTER_KEYSET: %w", err)
	}
	return keys, "", err
}

// openKeyset loads the keyset. Where create is allowed and nothing was sealed
// yet, a missing one is made.
func openKeyset(ctx context.Context, c Config, store *postgres.Store, create bool, log *slog.Logger) (*seal.Keyset, error) {
	keys, warning, err := readKeyset(c)
	if warning != "" {
		log.Warn(warning)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if _, used := store.KeysetCheck(ctx); used == nil {
		return nil, fmt.Errorf("the database was sealed under a keyset that is not at %s: put it back there or set ROSTER_KEYSET_FILE", c.KeysetFile)
	} else if oauth.KindOf(used) != oauth.NotFound {
		return nil, used
	}
	if !create {
		return nil, fmt.Errorf("there is no keyset at %s: make one with `roster keys create`, or set ROSTER_KEYSET_FILE", c.KeysetFile)
	}
	if err := os.MkdirAll(filepath.Dir(c.KeysetFile), 0o755); err != nil {
		return nil, err
	}
	keys, err = seal.Create(c.KeysetFile, nil)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		keys, _, err = seal.Load(c.KeysetFile, nil)
	}
	return keys, err
}

// openRegistry puts a registry over an open database. Where that does not work
// because the database is not migrated, or not far enough, the error says so: a
// release works on the schema of the one before too.
func openRegistry(ctx context.Context, c Config, db *database, create bool, log *slog.Logger) (*registry.Registry, error) {
	at, behind := db.schema(ctx)
	if at == 0 && behind != nil {
		return nil, behind
	}
	reg, err := prepareRegistry(ctx, c, db, create, log)
	if behind != nil && postgres.LacksSchema(err) {
		err = behind
	}
	return reg, err
}

func prepareRegistry(ctx context.Context, c Config, db *database, create bool, log *slog.Logger) (*registry.Registry, error) {
	store := postgres.New(db.pool)
	keys, err := openKeyset(ctx, c, store, create, log)
	if err != nil {
		return nil, err
	}
	management, err := server.Management()
	if err != nil {
		return nil, err
	}
	if c.PublicURL == "" { // a command next to the server: as the server left it
		identifier, err := store.SystemIdentifier(ctx)
		if err != nil && oauth.KindOf(err) != oauth.NotFound {
			return nil, err
		}
		c.PublicURL = strings.TrimSuffix(identifier, management.Path)
		if c.PublicURL == "" {
			c.PublicURL = "http://localhost:8080"
		}
	}
	config := registry.Config{
		PublicURL: c.PublicURL, Tenant: c.Tenant, HashedSecrets: c.SecretMode == "hashed", Management: management, Now: time.Now,
		KeysetFile: c.KeysetFile, SecretGrace: c.secretGrace, MinSecret: c.MinSecret, EventRetention: c.retention, ManagementTokenTTL: c.tokenTTL,
	}
	config.Issuers, err = issuers.New(c.issuers, issuers.Self{
		Issuer: config.Issuer(), Audience: config.ManagementAudience(), Now: time.Now, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("ROSTER_TRUSTED_ISSUERS: %w", err)
	}
	reg := registry.New(store, keys, config)
	return reg, reg.Prepare(ctx)
}
