package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

// ClientState reads the state of one client.
func (r reader) ClientState(ctx context.Context, ref oauth.ClientRef) (oauth.ClientState, error) {
	where, arg := match(ref)
	return one(ctx, r, "client", func(row pgx.CollectableRow) (s oauth.ClientState, err error) {
		return s, row.Scan(&s.ClientID, &s.State, &s.Reason, &s.ChangedAt)
	}, "SELECT client_id, state, state_reason, state_changed_at FROM clients c"+where, arg)
}

// SetClientState stores the state of a locked client.
func (t *Tx) SetClientState(id string, s oauth.ClientState) {
	t.write(`UPDATE clients SET state = $2, state_reason = $3, state_changed_at = $4 WHERE id = $1`, id, s.State, s.Reason, s.ChangedAt)
}

// CountStates counts the clients in each state.
func (r reader) CountStates(ctx context.Context) (map[oauth.State]int, error) {
	counts := map[oauth.State]int{oauth.Active: 0, oauth.Disabled: 0, oauth.Quarantined: 0}
	_, err := all(ctx, r, func(row pgx.CollectableRow) (s oauth.State, err error) {
		var n int
		if err = row.Scan(&s, &n); err == nil {
			counts[s] += n
		}
		return s, err
	}, `SELECT state, count(*) FROM clients WHERE state <> 'active' GROUP BY state UNION ALL SELECT 'active', count(*) FROM clients`)
	counts[oauth.Active] -= counts[oauth.Disabled] + counts[oauth.Quarantined]
	return counts, err
}

// ListedClient is what every dialect has in common of a client.
type ListedClient struct {
	ClientID, Name       string
	State                oauth.State
	CreatedAt, UpdatedAt time.Time
	Place                ListPlace
}

// ListedClients returns a page of clients as Clients does, without their
// documents.
func (r reader) ListedClients(ctx context.Context, q ClientQuery) (list []ListedClient, more bool, err error) {
	sql, args := q.listed()
	return chunk(ctx, r, func(row pgx.CollectableRow) (c ListedClient, err error) {
		return c, row.Scan(&c.ClientID, &c.Name, &c.State, &c.CreatedAt, &c.UpdatedAt, &c.Place.Global, &c.Place.Serial)
	}, sql, args...)
}

func (q ClientQuery) listed() (string, []any) {
	f := q.filter()
	return "WITH page AS MATERIALIZED (" + q.places(f, " LIMIT "+f.arg(q.Limit)) + `) SELECT c.client_id, coalesce(c.name, ''), c.state, c.created_at, c.updated_at,
		c.is_global, c.serial FROM page JOIN clients c USING (is_global, serial) ORDER BY c.is_global, c.serial`, f.args
}
