package migrations

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// runtimeRights are what serving takes of a table; of those not listed,
// everyday.
var runtimeRights = map[string]string{
	"events":            "SELECT, INSERT", // removed by roster_trim_events alone
	"event_clock":       "SELECT, UPDATE (shift)",
	"roster_migrations": "SELECT",
	"token_ends":        "SELECT, INSERT, UPDATE",
	"revoked_tokens":    "SELECT, INSERT, DELETE",
	"tombstones":        "SELECT, UPDATE (sealed, sealed_key)", // to reseal them; the rest is for runtimeFunctions
	"tombstone_secrets": "SELECT, UPDATE (sealed, mac)",
}

// runtimeFunctions are those that serving executes.
var runtimeFunctions = []string{
	"roster_trim_events(timestamptz, int)", "roster_trigrams(text)",
	"roster_restore_client(bigint)", "roster_reuse_client_id(text)", "roster_clear_tombstones(timestamptz)",
}

const everyday = "SELECT, INSERT, UPDATE, DELETE"

func rightsOn(table string) string {
	if rights, ok := runtimeRights[table]; ok {
		return rights
	}
	return everyday
}

// checkRights fails when the role that db connects as lacks a right that serving
// takes: its rights come from a migration before the newest, or a restore has
// lost them.
func checkRights(ctx context.Context, db Querier) error {
	var wanted []string
	var functions []string
	for _, signature := range runtimeFunctions {
		name, _, _ := strings.Cut(signature, "(")
		functions = append(functions, name)
	}
	for _, table := range Tables() {
		for right := range strings.SplitSeq(rightsOn(table), ", ") {
			if !strings.ContainsAny(right, "()") { // those are of columns
				wanted = append(wanted, table+" "+right)
			}
		}
	}
	lacking, err := texts(ctx, db, `
		WITH home AS (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
		SELECT DISTINCT current_user || ' ' || relname FROM string_to_table($1, E'\n') want
			JOIN pg_class c ON relname = split_part(want, ' ', 1) JOIN home ON home.oid = relnamespace
			WHERE NOT has_table_privilege(c.oid, split_part(want, ' ', 2))
		UNION SELECT current_user || ' ' || proname FROM pg_proc p JOIN home ON home.oid = pronamespace
			WHERE proname = ANY (string_to_array($2, ' ')) AND NOT has_function_privilege(p.oid, 'EXECUTE')
		ORDER BY 1`, strings.Join(wanted, "\n"), strings.Join(functions, " "))
	if err == nil && len(lacking) > 0 {
		role, first, _ := strings.Cut(lacking[0], " ")
		err = fmt.Errorf("the role %s lacks rights on %s (%d such): "+
			"run `roster migrate --runtime-role %[1]s` as the owner of the tables", role, first, len(lacking))
	}
	return err
}

// GrantRuntime gives role what serving takes and nothing else: it cannot alter
// the schema, nor change or remove events and tombstones. Call it as the schema's owner, after
// every migration. A role that has more by other ways is refused.
func GrantRuntime(ctx context.Context, pool *pgxpool.Pool, role string) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := Owned(ctx, tx); err != nil {
			return err
		}
		schema, err := mayServe(ctx, tx, role)
		if err != nil {
			return err
		}
		in, to := pgx.Identifier{schema}.Sanitize(), pgx.Identifier{role}.Sanitize()
		statements := []string{
			"REVOKE ALL ON SCHEMA " + in + " FROM " + to,
			"GRANT USAGE ON SCHEMA " + in + " TO " + to,
		}
		for _, signature := range runtimeFunctions {
			statements = append(statements, "GRANT EXECUTE ON FUNCTION "+in+"."+signature+" TO "+to)
		}
		for _, table := range Tables() {
			name := pgx.Identifier{schema, table}.Sanitize()
			statements = append(statements,
				"REVOKE ALL ON "+name+" FROM "+to, "GRANT "+rightsOn(table)+" ON "+name+" TO "+to)
		}
		for _, sql := range statements {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		var more bool
		err = tx.QueryRow(ctx, `SELECT has_schema_privilege($1, $2, 'CREATE')
			OR has_table_privilege($1, format('%I.events', $2::text), 'UPDATE, DELETE, TRUNCATE, TRIGGER')`,
			pgx.QueryExecModeExec, role, schema).Scan(&more)
		if err == nil && more {
			err = fmt.Errorf("the role %s may change the schema or the events by way of PUBLIC or another role: "+
				"revoke that first (REVOKE CREATE ON SCHEMA %s FROM PUBLIC)", role, in)
		}
		return err
	})
}

// mayServe returns the schema, unless role could not be kept from anything in
// it.
func mayServe(ctx context.Context, tx pgx.Tx, role string) (schema string, err error) {
	var exists, mighty, owner bool
	err = tx.QueryRow(ctx, `
		SELECT current_schema(), r.oid IS NOT NULL, coalesce(r.rolsuper OR r.rolcreaterole, false),
			coalesce(pg_has_role(r.oid, current_user, 'MEMBER') OR pg_has_role(r.oid, c.relowner, 'MEMBER'), false)
		FROM pg_class c LEFT JOIN pg_roles r ON r.rolname = $1
		WHERE c.oid = 'events'::regclass`, pgx.QueryExecModeExec, role).Scan(&schema, &exists, &mighty, &owner)
	switch {
	case err != nil:
	case !exists:
		err = fmt.Errorf("there is no role %s: make it with CREATE ROLE", role)
	case mighty:
		err = fmt.Errorf("the role %s is a superuser or may change roles: nothing can be kept from it", role)
	case owner:
		err = fmt.Errorf("the role %s owns the schema or is a member of its owner: "+
			"migrate as another role than the one that serves", role)
	}
	return schema, err
}
