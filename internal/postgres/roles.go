package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// runtimeRights are what serving takes of a table; of those not listed,
// everyday.
var runtimeRights = map[string]string{
	"events":           "SELECT, INSERT", // removed by roster_trim_events alone
	"event_clock":      "SELECT, UPDATE (shift)",
	"goose_db_version": "SELECT",
}

const everyday = "SELECT, INSERT, UPDATE, DELETE"

// GrantRuntime gives role what serving takes and nothing else: it cannot alter
// the schema, nor change or remove events. Call it as the schema's owner, after
// every migration. A role that has more by other ways is refused.
func GrantRuntime(ctx context.Context, pool *pgxpool.Pool, role string) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var schema string
		var exists, mighty, owner bool
		err := tx.QueryRow(ctx, `
			SELECT current_schema(), r.rolname IS NOT NULL, coalesce(r.rolsuper OR r.rolcreaterole, false),
				coalesce(pg_has_role(r.rolname, current_user, 'MEMBER'), false)
			FROM (VALUES ($1::text)) v (name) LEFT JOIN pg_roles r ON r.rolname = v.name`, role).Scan(&schema, &exists, &mighty, &owner)
		if err != nil {
			return err
		}
		switch {
		case !exists:
			return fmt.Errorf("there is no role %s: make it with CREATE ROLE", role)
		case mighty:
			return fmt.Errorf("the role %s is a superuser or may change roles: nothing can be kept from it", role)
		case owner:
			return fmt.Errorf("the role %s owns the schema or is a member of its owner: migrate as another role than the one that serves", role)
		}
		rows, _ := tx.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tableowner = current_user`, schema)
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		in, to := pgx.Identifier{schema}.Sanitize(), pgx.Identifier{role}.Sanitize()
		statements := []string{
			"REVOKE ALL ON SCHEMA " + in + " FROM " + to,
			"GRANT USAGE ON SCHEMA " + in + " TO " + to,
			"GRANT EXECUTE ON FUNCTION " + in + ".roster_trim_events(timestamptz, int) TO " + to,
		}
		for _, table := range tables {
			rights, ok := runtimeRights[table]
			if !ok {
				rights = everyday
			}
			name := pgx.Identifier{schema, table}.Sanitize()
			statements = append(statements, "REVOKE ALL ON "+name+" FROM "+to, "GRANT "+rights+" ON "+name+" TO "+to)
		}
		for _, sql := range statements {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		var more bool
		err = tx.QueryRow(ctx, `SELECT has_schema_privilege($1, $2, 'CREATE')
			OR has_table_privilege($1, format('%I.events', $2::text), 'UPDATE, DELETE, TRUNCATE, TRIGGER')`, role, schema).Scan(&more)
		if err == nil && more {
			err = fmt.Errorf("the role %s may change the schema or the events by way of PUBLIC or another role: revoke that first (REVOKE CREATE ON SCHEMA %s FROM PUBLIC)", role, in)
		}
		return err
	})
}
