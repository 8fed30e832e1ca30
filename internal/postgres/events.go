package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rosterhq/roster/internal/oauth"
)

// InsertEvent adds a line to the audit trail of the transaction, which fails
// where event_clock has lost its row.
func (t *Tx) InsertEvent(e oauth.Event) {
	var changes any
	if len(e.Changes) > 0 {
		changes = e.Changes
	}
	t.write(`INSERT INTO events (transaction, occurred_at, actor, actor_client, action, target_type, target, changes, request_id, address)
		VALUES ((pg_current_xact_id()::text::bigint + (SELECT shift FROM event_clock))::text::xid8, $1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.OccurredAt, e.Actor, e.ActorClient, e.Action, e.TargetType, e.Target, changes, e.RequestID, e.Address)
}

// EventsAbout returns events that tell of changes of one of members, in the order
// of their ids from the one following after on.
func (r reader) EventsAbout(ctx context.Context, members []string, after int64, limit int) ([]PlacedEvent, error) {
	return all(ctx, r, scanEvent, "SELECT "+eventColumns+" FROM events WHERE id > $2 AND changes::jsonb ?| $1 ORDER BY id LIMIT $3", members, after, limit)
}

// RedactEvent puts changes in place of those that an event holds. Only the
// owner of the schema may.
func (t *Tx) RedactEvent(id int64, changes map[string]oauth.Change) {
	t.write(`SELECT set_config('roster.redacting', 'on', true)`)
	t.write(`UPDATE events SET changes = $2 WHERE id = $1`, id, changes)
	t.write(`SELECT set_config('roster.redacting', 'off', true)`)
}

// Denied reports whether the database refused err's statement for want of a right.
func Denied(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "42501"
}

// FeedPlace is an event's place in the feed. The zero place is before all.
type FeedPlace struct {
	Transaction int64 `json:"t"`
	ID          int64 `json:"i"`
}

// After reports whether p comes after q.
func (p FeedPlace) After(q FeedPlace) bool {
	return p.Transaction > q.Transaction || p.Transaction == q.Transaction && p.ID > q.ID
}

// PlacedEvent is an event and its place in the feed.
type PlacedEvent struct {
	oauth.Event
	Place FeedPlace
}

const eventColumns = `id, transaction::text::bigint, occurred_at, actor, actor_client, action, target_type, target, changes, request_id, address`

func scanEvent(row pgx.CollectableRow) (PlacedEvent, error) {
	var e PlacedEvent
	err := row.Scan(&e.ID, &e.Place.Transaction, &e.OccurredAt, &e.Actor, &e.ActorClient, &e.Action, &e.TargetType, &e.Target, &e.Changes, &e.RequestID, &e.Address)
	e.Place.ID = e.ID
	return e, err
}

// EventQuery selects events for a list. Zero members select nothing in
// particular.
type EventQuery struct {
	Action, TargetType, Target, Actor, ActorClient string

	Since, Until *time.Time // from Since on, before Until
	Oldest       bool       // oldest first; otherwise newest first
	After        *ListedAt  // the last event seen, in that order
	Limit        int
}

// ListedAt is an event's place in lists, which run in order of time.
type ListedAt struct {
	OccurredAt time.Time `json:"t"`
	ID         int64     `json:"i"`
}

// Events returns a page of events, or its first chunk. One that is about several targets is found
// by each of them.
func (r reader) Events(ctx context.Context, q EventQuery) (list []PlacedEvent, more bool, err error) {
	var f filter
	for _, one := range []struct{ column, value string }{
		{"action", q.Action}, {"target_type", q.TargetType}, {"actor", q.Actor}, {"actor_client", q.ActorClient},
	} {
		if one.value != "" {
			f.and(one.column + " = " + f.arg(one.value))
		}
	}
	if q.Target != "" {
		target := f.arg(q.Target)
		f.and("target IN (" + target + ", '" + oauth.SeveralTargets + "') AND (target = " + target + " OR (changes::jsonb #> '{targets,after}') ? " + target + ")")
	}
	if q.Since != nil {
		f.and("occurred_at >= " + f.arg(*q.Since))
	}
	if q.Until != nil {
		f.and("occurred_at < " + f.arg(*q.Until))
	}
	compare, order := "<", " DESC"
	if q.Oldest {
		compare, order = ">", ""
	}
	if q.After != nil {
		at := f.arg(q.After.OccurredAt)
		f.and("occurred_at " + compare + "= " + at)
		f.and("(occurred_at, id) " + compare + " (" + at + ", " + f.arg(q.After.ID) + ")")
	}
	return chunk(ctx, r, scanEvent, "SELECT "+eventColumns+" FROM events"+f.where()+" ORDER BY occurred_at"+order+", id"+order+f.page(q.Limit, 0), f.args...)
}

// settled holds for events before which no other can appear any more:
// transactions that are older than each one still running. Among them, order
// by transaction and id never changes.
const settled = `transaction < (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (SELECT shift FROM event_clock))::text::xid8`

// EventFeed returns what follows a place in the feed, at most limit events.
// Once returned after some place, an event is returned after it always, and
// none ever appears in between, unless it is trimmed.
func (r reader) EventFeed(ctx context.Context, after FeedPlace, limit int) (list []PlacedEvent, more bool, err error) {
	return chunk(ctx, r, scanEvent, "SELECT "+eventColumns+` FROM events
		WHERE (transaction, id) > ($1::text::xid8, $2) AND `+settled+" ORDER BY transaction, id LIMIT $3",
		fmt.Sprint(after.Transaction), after.ID, limit)
}

// FeedEnd returns the last place of the feed as it is now, and the last one
// that was trimmed.
func (r reader) FeedEnd(ctx context.Context) (end, trimmed FeedPlace, err error) {
	ends, err := one(ctx, r, "event_clock", func(row pgx.CollectableRow) (two [2]FeedPlace, err error) {
		return two, row.Scan(&two[0].Transaction, &two[0].ID, &two[1].Transaction, &two[1].ID)
	}, `SELECT coalesce(e.transaction::text::bigint, c.trimmed_transaction), coalesce(e.id, c.trimmed_id), c.trimmed_transaction, c.trimmed_id
		FROM event_clock c LEFT JOIN LATERAL (
			SELECT transaction, id FROM events WHERE `+settled+` ORDER BY transaction DESC, id DESC LIMIT 1) e ON true`)
	return ends[0], ends[1], err
}

// KeepFeedInOrder makes the feed go on after its last event where the server's
// transaction numbers have fallen behind it: after the database was restored to
// another server. It comes before the transaction's own events.
func (t *Tx) KeepFeedInOrder() {
	t.write(`UPDATE event_clock SET shift = e.last + 1 - pg_snapshot_xmin(pg_current_snapshot())::text::bigint
		FROM (SELECT transaction::text::bigint last FROM events ORDER BY transaction DESC, id DESC LIMIT 1) e
		WHERE e.last >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint + shift`)
}

// TrimEvents removes events older than t, at most limit of them, and returns how
// many there were.
func (s *Store) TrimEvents(ctx context.Context, t time.Time, limit int) (int, error) {
	n := 0
	err := s.Write(ctx, func(tx *Tx) (err error) {
		n, err = one(ctx, tx, "event", pgx.RowTo[int], `SELECT roster_trim_events($1, $2)`, t, limit)
		return err
	})
	return n, err
}
