package migrations

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Schema is what schema.txt holds, Missing what of it a database lacks.
var (
	Schema  = schema
	Missing = missing

	RuntimeFunctions = runtimeFunctions
)

// Have returns what a database has of what schema.txt can name, in its order.
func Have(ctx context.Context, db Querier) ([]string, error) {
	things, err := texts(ctx, db, have)
	slices.Sort(things)
	return things, err
}

// Down undoes the newest migration and returns its version.
func Down(ctx context.Context, pool *pgxpool.Pool) (version int64, err error) {
	list, err := known()
	if err != nil {
		return 0, err
	}
	return version, apply(ctx, pool, func(tx pgx.Tx) error {
		s, err := read(ctx, tx)
		if err != nil {
			return err
		}
		version = s.version
		for _, m := range list {
			if m.version == version {
				if _, err := tx.Exec(ctx, m.down, pgx.QueryExecModeSimpleProtocol); err != nil {
					return err
				}
			}
		}
		_, err = tx.Exec(ctx, "DELETE FROM "+table+" WHERE version = $1", version)
		return err
	})
}
