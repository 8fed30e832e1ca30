// Package upgrade serves one database from release 1.0.0 and from this tree,
// side by side and under load. `make test-upgrade` runs it.
package upgrade

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestOldFirst has 1.0.0 migrate and serve, and the new release migrate and join
// it under load. Then 1.0.0 goes.
func TestOldFirst(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	d.migrate(t, old, d.superuser) // which 1.0.0 needs
	first := d.serve(t, old)
	kept := d.fill(t, first)
	before := d.documents(t, first, kept)

	load := d.load(t, first)
	load.more(t)
	d.migrate(t, fresh, d.superuser)
	load.more(t)
	second := d.serve(t, fresh)
	load.use(first, second)
	load.more(t)
	d.run(t, fresh, d.runtime, "keys", "reseal")
	load.more(t)
	load.use(second)
	load.more(t)
	first.stop(t)
	load.more(t)
	load.stop()

	contains(t, "after the upgrade", before, d.documents(t, second, kept))
	for _, secret := range kept.secrets { // the newest, and the one that stays valid for a while
		if status, body := second.token(kept.id, secret); status != http.StatusOK {
			t.Errorf("a secret of before the upgrade: %d %s", status, body)
		}
	}
}

// TestNewFirst has a database that 1.0.0 has migrated served by the new release
// alone before an instance of 1.0.0 comes back.
func TestNewFirst(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	d.migrate(t, old, d.superuser)
	d.migrate(t, fresh, d.superuser)
	d.comesBack(t)
	d.migrate(t, old, d.superuser) // by mistake: it finds nothing to do
	d.migrate(t, fresh, d.superuser)
}

// TestNewDatabaseTakesTheOldReleaseAsDocumented is TestNewFirst for a database
// that 1.0.0 has never seen.
func TestNewDatabaseTakesTheOldReleaseAsDocumented(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	d.migrate(t, fresh, d.owner)
	s := d.start(t, old)
	if status, body := s.call("", "GET", "/readyz", nil); status != http.StatusServiceUnavailable {
		t.Errorf("1.0.0 on a database that it does not know: %d %s", status, body)
	}
	execute(t, d.owner, snippet(t, "../../docs/operations.md", "A server of 1.0.0 is never ready",
		"roster_runtime", d.role))
	s.ready(t)
	s.stop(t)
	d.comesBack(t)
}

// comesBack has the new release serve under load before 1.0.0 joins it.
func (d *deployment) comesBack(t *testing.T) {
	t.Helper()
	first := d.serve(t, fresh)
	load := d.load(t, first)
	load.more(t)
	second := d.serve(t, old)
	load.use(first, second)
	load.more(t)
	load.use(second)
	load.more(t)
	load.stop()
	first.stop(t)
	second.stop(t)
}

// TestWhatTheOldReleaseCouldNotMigrate goes on where 1.0.0 gives up as a plain
// role.
func TestWhatTheOldReleaseCouldNotMigrate(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	out, err := d.command(t, old, d.owner, "migrate").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "42501") {
		t.Fatalf("1.0.0 migrates as a plain role: %v\n%s", err, out)
	}
	d.migrate(t, fresh, d.owner)
	load := d.load(t, d.serve(t, fresh))
	load.more(t)
	load.stop()
}

// TestDumpOfTheOldReleaseIsRestoredAsAPlainRole dumps what 1.0.0 has made as a
// superuser.
func TestDumpOfTheOldReleaseIsRestoredAsAPlainRole(t *testing.T) {
	t.Parallel()
	from, to := newDeployment(t), newDeployment(t)
	from.migrate(t, old, from.superuser)
	s := from.serve(t, old)
	kept := from.fill(t, s)
	before := from.documents(t, s, kept)
	s.stop(t)

	dump := filepath.Join(t.TempDir(), "roster.dump")
	plain := []string{"--no-owner", "--no-privileges"}
	out, err := postgresProgram(t, "pg_dump", append(plain, "--format=custom", "--file="+dump, from.superuser)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, _ = postgresProgram(t, "pg_restore", append(plain, "--dbname="+to.owner, dump)...).CombinedOutput()
	if !strings.Contains(string(out), `permission denied to set parameter "roster.trimming"`) {
		t.Errorf("pg_restore says\n%s", out)
	}
	to.keyset = from.keyset
	to.migrate(t, fresh, to.owner)
	restored := to.serve(t, fresh)
	contains(t, "after the restore", before, to.documents(t, restored, kept))
	load := to.load(t, restored)
	load.more(t)
	load.stop()
}

// TestTablesOfTheOldReleaseChangeTheirOwner gives what a superuser has migrated
// with 1.0.0 to a plain role, as docs/postgres-roles.md shows.
func TestTablesOfTheOldReleaseChangeTheirOwner(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	d.migrate(t, old, d.superuser)
	out, err := d.command(t, fresh, d.owner, "migrate").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "cannot change what belongs to the role") {
		t.Errorf("as a plain role: %v\n%s", err, out)
	}
	execute(t, d.superuser, snippet(t, "../../docs/postgres-roles.md", "Then give away the schema's tables",
		"DATABASE roster", "DATABASE "+d.database, "roster_owner", d.ownerRole))
	d.migrate(t, fresh, d.owner)
	d.comesBack(t)
}
