package migrations_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/migrations"
)

var update = flag.Bool("update", false, "write schema.txt anew")

// TestSchemaIsWhatTheMigrationsMake fails when schema.txt is not what a database
// consists of that was just migrated.
func TestSchemaIsWhatTheMigrationsMake(t *testing.T) {
	t.Parallel()
	have, err := migrations.Have(t.Context(), postgrestest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(have, "\n") + "\n"
	if *update {
		if err := os.WriteFile("schema.txt", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(migrations.Schema, text); diff != "" {
		t.Errorf("schema.txt is not what the migrations make; -update writes it anew (-file +database):\n%s", diff)
	}
}

// TestEveryLossIsNoticed takes each part of the schema away in turn.
func TestEveryLossIsNoticed(t *testing.T) {
	t.Parallel()
	conn, err := postgrestest.New(t).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	things := strings.Split(strings.TrimSpace(migrations.Schema), "\n")
	for _, thing := range append(things, "row event_clock", "trigger events.events_stay, disabled") {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), loss(thing, things)); err != nil {
			t.Fatalf("%s: %v", thing, err)
		}
		_, failure := migrations.Check(t.Context(), tx)
		if name := strings.TrimSuffix(thing, ", disabled"); failure == nil {
			t.Errorf("nobody misses %s", thing)
		} else if name != "row event_clock" && !strings.Contains(thing, "roster_migrations") { // without which the version is not known
			gone, err := migrations.Missing(t.Context(), tx)
			if err != nil || !slices.Contains(gone, name) {
				t.Errorf("without %s: %v; missing is %v, %v", thing, failure, gone, err)
			}
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := migrations.Check(t.Context(), conn); err != nil {
		t.Errorf("with all of it: %v", err)
	}
}

// loss is the statement that takes thing away.
func loss(thing string, things []string) string {
	kind, name, _ := strings.Cut(thing, " ")
	table, part, _ := strings.Cut(name, ".")
	switch kind {
	case "table":
		return "DROP TABLE " + name + " CASCADE"
	case "function":
		return "DROP FUNCTION " + name + " CASCADE"
	case "sequence": // of an identity column
		words := strings.Split(name, "_")
		return "ALTER TABLE " + strings.Join(words[:len(words)-2], "_") + " ALTER COLUMN " + words[len(words)-2] + " DROP IDENTITY"
	case "column":
		return "ALTER TABLE " + table + " DROP COLUMN " + part + " CASCADE"
	case "trigger":
		if part, disabled := strings.CutSuffix(part, ", disabled"); disabled {
			return "ALTER TABLE " + table + " DISABLE TRIGGER " + part
		}
		return "DROP TRIGGER " + part + " ON " + table
	case "row":
		return "DELETE FROM " + name
	case "index":
		for _, other := range things { // one that a constraint keeps
			if rest, ok := strings.CutPrefix(other, "constraint "); ok && strings.HasSuffix(rest, "."+name) {
				return loss(other, nil)
			}
		}
		return "DROP INDEX " + name
	}
	return "ALTER TABLE " + table + " DROP CONSTRAINT " + part + " CASCADE"
}

// TestRightsThatServingLacksAreNoticed takes the serving role's rights on each
// table away.
func TestRightsThatServingLacksAreNoticed(t *testing.T) {
	t.Parallel()
	own := postgrestest.NewURL(t)
	owner, serving := postgrestest.Open(t, own), postgrestest.Open(t, postgrestest.Runtime(t, own))
	role := serving.Config().ConnConfig.User
	things := migrations.Tables()
	for _, signature := range migrations.RuntimeFunctions {
		things = append(things, "FUNCTION "+signature)
	}
	for _, what := range things {
		execute(t, owner, "REVOKE ALL ON "+what+" FROM PUBLIC, "+role)
		_, err := migrations.Check(t.Context(), serving)
		if err == nil || !strings.Contains(err.Error(), "roster migrate --runtime-role") {
			t.Errorf("without rights on %s: %v", what, err)
		}
		if err := migrations.GrantRuntime(t.Context(), owner, role); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := migrations.Check(t.Context(), serving); err != nil {
		t.Errorf("with all rights: %v", err)
	}
}
