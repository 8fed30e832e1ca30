package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
)

// Tombstone is what is left of a deleted client.
type Tombstone struct {
	ClientID  string
	DeletedAt time.Time
	Whole     bool       // what brings the client back is there
	Granted   rights.Set // what it was granted on the management API, if Whole

	number int64
}

// LockTombstones reads the tombstones of those of the identifiers that belonged
// to deleted clients, and keeps others from changing them.
func (t *Tx) LockTombstones(ctx context.Context, clientIDs ...string) ([]Tombstone, error) {
	return all(ctx, t, func(row pgx.CollectableRow) (s Tombstone, err error) {
		var grant jsondoc.Object
		if err = row.Scan(&s.number, &s.ClientID, &s.DeletedAt, &s.Whole, &grant); err == nil && grant != nil {
			s.Granted = (&oauth.ClientGrant{Document: grant}).Rights()
		}
		return s, err
	}, `SELECT number, client_id, deleted_at, held IS NOT NULL, (
			SELECT g -> 'document' FROM json_array_elements(held -> 'client_grants') g
			WHERE g ->> 'subject_type' = 'client' AND g ->> 'api' = (SELECT id FROM resource_servers WHERE is_system))
		FROM tombstones WHERE client_id = ANY ($1) AND reused_at IS NULL ORDER BY client_id FOR UPDATE`, clientIDs)
}

// RestoreClient brings a client back as it was, whose Tombstone is whole. Its
// tokens stay dead.
func (t *Tx) RestoreClient(s Tombstone) { t.write(`SELECT roster_restore_client($1)`, s.number) }

// ReuseClientID lets the identifier of a deleted client be registered anew. Its
// tokens stay dead.
func (t *Tx) ReuseClientID(clientID string) { t.write(`SELECT roster_reuse_client_id($1)`, clientID) }

// ClearTombstones removes what brings clients back that were deleted before t,
// which the database takes for 30 days ago where it is later.
func (s *Store) ClearTombstones(ctx context.Context, t time.Time) error {
	_, err := s.exec(ctx, `SELECT roster_clear_tombstones($1)`, t)
	return err
}
