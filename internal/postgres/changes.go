package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

// Change says that something is not as it was. The zero Change says that
// anything may have changed.
type Change struct {
	Action string // as in the audit trail: "client.updated", …
	Kind   string // of the target: "client", "credential", "client_grant", …
	Target string // public identifier
	Client string // OAuth identifier of the client it belongs to; "" where the event names none
}

// ChangePlace is how far a reader of changes has come. The zero place has seen
// nothing.
type ChangePlace struct {
	Server   string `json:"server"`   // which server and database the snapshot is of
	Snapshot string `json:"snapshot"` // what was committed by then
}

var errReadOnly = &oauth.Error{
	Kind: oauth.Unavailable, Reason: oauth.Busy,
	Detail: "The database takes no changes: what is read from it may be out of date.",
}

// unchanging are actions of events that change nothing, besides those that end in
// ".read".
var unchanging = []string{"token.issued", "token.minted", "token.refused", "request.denied", "answer.repeated"}

// Unchanging reports whether events of that action change nothing.
func Unchanging(action string) bool {
	return strings.HasSuffix(action, ".read") || slices.Contains(unchanging, action)
}

// freshEvents selects at most $2 of the events that a condition holds for and
// that change something.
func freshEvents(condition string) string {
	return `LATERAL (SELECT id, transaction, action, target_type, target, changes FROM events
		WHERE transaction ` + condition + ` AND action NOT LIKE '%.read'
			AND action NOT IN ('` + strings.Join(unchanging, "', '") + `')
		ORDER BY transaction, id LIMIT $2) e`
}

// changesSince selects the place where the next reading starts and, besides, the
// events of transactions that an earlier snapshot did not see: those that were
// under way then, and those that began later. Nothing that a long transaction
// holds back, of whatever database, is missed or read again. A snapshot means
// nothing to another server or after a restore, so a place names both.
var changesSince = `
	WITH now AS (
		SELECT pg_current_snapshot()::text AS snapshot, shift, current_setting('transaction_read_only') AS read_only,
			shift || ' ' || extract(epoch FROM pg_postmaster_start_time()) || ' ' || 'events'::regclass::oid AS server
		FROM event_clock),
	fresh AS (
		SELECT e.* FROM now, ` + freshEvents(`>= (pg_snapshot_xmax($1::text::pg_snapshot)::text::bigint + shift)::text::xid8`) + `
		UNION ALL SELECT e.* FROM now, pg_snapshot_xip($1::text::pg_snapshot) open,
			` + freshEvents(`= (open::text::bigint + shift)::text::xid8`) + `)
	SELECT server, snapshot, read_only = 'on', coalesce(action, ''), coalesce(target_type, ''), coalesce(target, ''),
		coalesce(changes -> 'client_id' ->> 'after', '')
	FROM now LEFT JOIN fresh ON true ORDER BY transaction, id LIMIT $2`

// Changes returns what has changed since a place, in the order of the audit
// feed, and the place to read from next. Where the place is of another server or
// of a database since restored, or more than limit things have changed, anything
// may have.
func (r reader) Changes(ctx context.Context, since ChangePlace, limit int) ([]Change, ChangePlace, error) {
	var next ChangePlace
	var readOnly bool
	var snapshot any
	if since.Snapshot != "" {
		snapshot = since.Snapshot
	}
	list, err := all(ctx, r, func(row pgx.CollectableRow) (c Change, err error) {
		err = row.Scan(&next.Server, &next.Snapshot, &readOnly, &c.Action, &c.Kind, &c.Target, &c.Client)
		if c.Kind == "client" {
			c.Client = c.Target
		}
		return c, err
	}, changesSince, snapshot, limit+1)
	switch {
	case err != nil:
		return nil, since, err
	case len(list) == 0:
		return nil, since, oauth.Missing("event_clock")
	case readOnly:
		return nil, since, errReadOnly
	case next.Server != since.Server || len(list) > limit:
		return []Change{{}}, next, nil
	case list[0] == (Change{}): // the place alone
		list = nil
	}
	return list, next, nil
}
