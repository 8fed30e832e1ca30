package postgres

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/postgrestest"
)

// follower reads changes one after another.
type follower struct {
	t     *testing.T
	store *Store
	place ChangePlace
}

// next reads once and returns the targets of what has changed.
func (f *follower) next() (targets []string) {
	f.t.Helper()
	list, next, err := f.store.Changes(f.t.Context(), f.place, 10)
	if err != nil {
		f.t.Fatal(err)
	}
	f.place = next
	for _, c := range list {
		if c == (Change{}) {
			c.Target = "anything"
		}
		targets = append(targets, c.Target)
	}
	return targets
}

func (f *follower) want(what string, targets ...string) {
	f.t.Helper()
	if diff := cmp.Diff(targets, f.next()); diff != "" {
		f.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

const insertEvent = `INSERT INTO events (transaction, occurred_at, actor, action, target_type, target, changes)
	SELECT (pg_current_xact_id()::text::bigint + shift)::text::xid8, now(), 'system', $1, split_part($1, '.', 1), $2,
		'{"client_id": {"after": "owner"}}' FROM event_clock`

// begin opens a transaction with an event about target.
func begun(t *testing.T, pool *pgxpool.Pool, target string) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), insertEvent, "client.updated", target)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func commit(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Transactions that are under way hold the end of the audit feed back, but not
// what others change.
func TestChangesAreReadOnceWhateverIsUnderWay(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t)
	other := begun(t, postgrestest.New(t), "of another database")
	f := &follower{t: t, store: New(pool)}
	f.want("the first reading", "anything")
	f.want("nothing was done")
	slow := begun(t, pool, "slow")
	f.want("not committed")
	commit(t, begun(t, pool, "quick"))
	f.want("committed after one that is under way", "quick")
	slower := begun(t, pool, "slower")
	f.want("read already")
	commit(t, slow)
	f.want("held back", "slow")
	f.want("read already")
	commit(t, slower)
	commit(t, begun(t, pool, "last"))
	f.want("two at once", "slower", "last")
	commit(t, other)
	if _, err := pool.Exec(t.Context(), insertEvent, "client.updated", "by the way"); err != nil {
		t.Fatal(err)
	}
	f.want("the others are done", "by the way")
}

func TestChangesTellWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t)
	f := &follower{t: t, store: New(pool)}
	f.next()
	for _, action := range []string{"client.updated", "token.issued", "client_secret.read", "credential.deleted", "request.denied", "client_grant.created"} {
		if _, err := pool.Exec(t.Context(), insertEvent, action, "x"); err != nil {
			t.Fatal(err)
		}
		if Unchanging(action) != (action == "token.issued" || action == "client_secret.read" || action == "request.denied") {
			t.Errorf("%s is taken for what it is not", action)
		}
	}
	list, _, err := f.store.Changes(t.Context(), f.place, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []Change{
		{Action: "client.updated", Kind: "client", Target: "x", Client: "x"},
		{Action: "credential.deleted", Kind: "credential", Target: "x", Client: "owner"},
		{Action: "client_grant.created", Kind: "client_grant", Target: "x", Client: "owner"},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What cannot be told one by one is anything.
func TestChangesOfMoreThanAReaderTakesAreAnything(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t)
	f := &follower{t: t, store: New(pool)}
	f.next()
	for i := range 11 {
		if _, err := pool.Exec(t.Context(), insertEvent, "client.updated", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	f.want("more than the limit", "anything")
	f.want("read already")
	if _, err := pool.Exec(t.Context(), "UPDATE event_clock SET shift = shift + 1000"); err != nil {
		t.Fatal(err)
	}
	f.want("restored to another server", "anything")
	f.place.Server = "1 1"
	f.want("another server", "anything")
	f.want("read already")

	config := pool.Config()
	config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	standby, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.Close)
	if _, _, err := New(standby).Changes(t.Context(), ChangePlace{}, 10); err != errReadOnly {
		t.Errorf("a server that takes no changes is read: %v", err)
	}
	if _, err := pool.Exec(t.Context(), "DELETE FROM event_clock"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.store.Changes(t.Context(), f.place, 10); err == nil {
		t.Error("without the clock of events nothing is wrong")
	}
}

// A reading costs what is new, also where the trail is long and a transaction
// has been under way for most of it.
func TestReadingChangesTakesNoWalkThroughTheTrail(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t)
	f := &follower{t: t, store: New(pool)}
	slow := begun(t, pool, "slow")
	f.next()
	for range 5 {
		if _, err := pool.Exec(t.Context(), `INSERT INTO events (occurred_at, actor, action, target_type, target)
			SELECT now(), 'system', 'client.updated', 'client', 'c' || n FROM generate_series(1, 4000) n`); err != nil {
			t.Fatal(err)
		}
	}
	f.next()
	if _, err := pool.Exec(t.Context(), "ANALYZE events"); err != nil {
		t.Fatal(err)
	}
	commit(t, begun(t, pool, "new"))
	commit(t, slow)
	for _, n := range explain(t, pool, changesSince, []any{f.place.Snapshot, 100}) {
		if n.Type == "Seq Scan" && n.Table == "events" || n.Rows+n.Removed > 10 {
			t.Errorf("%s of %s reads %v rows", n.Type, n.Table, n.Rows+n.Removed)
		}
	}
	f.want("both", "slow", "new")
}
