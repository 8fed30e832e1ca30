package migrations

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// schema lists what the newest version consists of, one thing a line, as have
// names it. A test makes it from a database that was just migrated.
//
//go:embed schema.txt
var schema string

// have selects what is in the current schema and in working order: an index that
// was built to its end, a constraint that all rows were checked against, a trigger
// that fires.
const have = `
	WITH home AS (SELECT oid FROM pg_namespace WHERE nspname = current_schema()),
		relation AS (SELECT c.oid, c.relname, c.relkind FROM pg_class c JOIN home ON home.oid = c.relnamespace)
	SELECT 'table ' || relname AS thing FROM relation WHERE relkind IN ('r', 'p')
	UNION ALL SELECT 'sequence ' || relname FROM relation WHERE relkind = 'S'
	UNION ALL SELECT 'column ' || relname || '.' || attname FROM relation JOIN pg_attribute ON attrelid = oid
		WHERE relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
	UNION ALL SELECT 'index ' || relname FROM relation JOIN pg_index ON indexrelid = oid WHERE indisvalid AND indisready
	UNION ALL SELECT 'constraint ' || relname || '.' || conname
		FROM relation JOIN pg_constraint k ON conrelid = relation.oid
		WHERE convalidated AND contype <> 'n'
			AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgconstraint = k.oid AND tgenabled NOT IN ('O', 'A'))
	UNION ALL SELECT 'trigger ' || relname || '.' || tgname FROM relation JOIN pg_trigger ON tgrelid = relation.oid
		WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')
	UNION ALL SELECT 'function ' || proname || '(' || pg_get_function_identity_arguments(p.oid) || ')'
		FROM pg_proc p JOIN home ON home.oid = pronamespace`

// Tables names the tables of the newest version.
func Tables() (names []string) {
	for line := range strings.Lines(schema) {
		if name, ok := strings.CutPrefix(line, "table "); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// Check returns the version that a database is at, 0 if it was never migrated.
// The error tells what migrations it lacks or, at the newest version, which
// parts of the schema are gone, since a restore may have lost some, or which
// rights the role lacks. A version that is newer than this program is taken as
// it is.
func Check(ctx context.Context, db Querier) (version int64, err error) {
	s, err := read(ctx, db)
	if err != nil {
		return 0, err
	}
	list, err := known()
	if err != nil {
		return 0, err
	}
	newest := list[len(list)-1].version
	switch {
	case len(s.pending) > 0:
		missing := s.pending[len(s.pending)-1].version
		return s.version, fmt.Errorf("the database schema is at version %d, version %d is missing: run `roster migrate`",
			s.version, missing)
	case s.version > newest:
		return s.version, nil
	}
	gone, err := missing(ctx, db)
	if err != nil {
		return 0, err
	}
	if len(gone) > 0 {
		return s.version, fmt.Errorf("the schema %s lacks %s of version %d: restore what is missing from a backup",
			s.schema, some(gone), newest)
	}
	if err := checkRights(ctx, db); err != nil {
		return s.version, err
	}
	clock, err := texts(ctx, db, "SELECT 'there' FROM event_clock")
	if err == nil && len(clock) == 0 {
		err = errors.New("the table event_clock has lost its row: restore it from a backup")
	}
	return s.version, err
}

// missing returns the lines of schema that the database does not have, whole
// tables first and without what goes with them.
func missing(ctx context.Context, db Querier) ([]string, error) {
	gone, err := texts(ctx, db, `SELECT want FROM string_to_table($1, E'\n') want WHERE want <> ''
		EXCEPT (`+have+`) ORDER BY 1 DESC`, schema)
	all := slices.Clone(gone)
	return slices.DeleteFunc(gone, func(thing string) bool {
		_, name, _ := strings.Cut(thing, " ")
		table, _, part := strings.Cut(name, ".")
		return part && slices.Contains(all, "table "+table)
	}), err
}

// unhindered tells what would keep the role from migrating a database in state
// s, in words that an operator can act on.
func unhindered(ctx context.Context, db Querier, s state) error {
	if s.schema == "" {
		return fmt.Errorf("the role %s has no schema to create tables in: none that its search_path names exists",
			s.role)
	}
	may, err := texts(ctx, db, `SELECT current_database() FROM pg_namespace
		WHERE nspname = current_schema() AND NOT has_schema_privilege(oid, 'CREATE')`)
	if err != nil {
		return err
	}
	if len(may) > 0 {
		return fmt.Errorf("the role %s may not create tables in the schema %s: "+
			"make it the owner of the database %s, or GRANT CREATE ON SCHEMA %[2]s to it", s.role, s.schema, may[0])
	}
	if s.version == 0 {
		return vacant(ctx, db, s)
	}
	return Owned(ctx, db)
}

// vacant tells what takes the place of the first migrations.
func vacant(ctx context.Context, db Querier, s state) error {
	taken, err := texts(ctx, db, "("+have+`) INTERSECT SELECT want FROM string_to_table($1, E'\n') want
		WHERE want ~ '^(table|function) ' AND want <> 'table `+table+"' ORDER BY 1", schema)
	if err == nil && len(taken) > 0 {
		err = fmt.Errorf("the schema %s has %s already, but no %s that says which migrations of Roster were applied: "+
			"restore that table if they are Roster's, else give Roster a schema or a database of its own",
			s.schema, some(taken), table)
	}
	return err
}

// Owned fails when tables or functions of Roster belong to a role whose rights
// the current one does not have, and names both.
func Owned(ctx context.Context, db Querier) error {
	rows, _ := db.Query(ctx, `
		WITH home AS (SELECT oid FROM pg_namespace WHERE nspname = current_schema()),
			owned (thing, owner) AS (
				SELECT 'table ' || relname, relowner FROM pg_class c JOIN home ON home.oid = relnamespace
					WHERE relkind IN ('r', 'p')
				UNION ALL SELECT 'function ' || proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
					proowner FROM pg_proc p JOIN home ON home.oid = pronamespace)
		SELECT current_user, pg_get_userbyid(owner), array_agg(thing ORDER BY thing)
		FROM owned JOIN string_to_table($1, E'\n') want ON want = thing
		WHERE NOT pg_has_role(owner, 'USAGE') GROUP BY owner ORDER BY count(*) DESC`, pgx.QueryExecModeExec, schema)
	_, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var role, owner string
		var things []string
		if err := row.Scan(&role, &owner, &things); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, fmt.Errorf("the role %s cannot change what belongs to the role %s: %s; "+
			"run `roster migrate` as that role, or give the tables to %[1]s (docs/postgres-roles.md, \"Changing the owner\")",
			role, owner, some(things))
	})
	return err
}

func texts(ctx context.Context, db Querier, sql string, args ...any) ([]string, error) {
	rows, _ := db.Query(ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// some names a few things of many.
func some(things []string) string {
	const enough = 5
	if len(things) <= enough+1 {
		return strings.Join(things, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(things[:enough], ", "), len(things)-enough)
}
