package postgres

import "github.com/rosterhq/roster/internal/oauth"

// InsertEvent adds a line to the audit trail of the transaction.
func (t *Tx) InsertEvent(e oauth.Event) {
	var changes any
	if len(e.Changes) > 0 {
		changes = e.Changes
	}
	t.write(`INSERT INTO events (occurred_at, actor, actor_client, action, target_type, target, changes, request_id, address)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.OccurredAt, e.Actor, e.ActorClient, e.Action, e.TargetType, e.Target, changes, e.RequestID, e.Address)
}
