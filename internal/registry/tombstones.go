package registry

import (
	"context"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/rights"
)

// RestoreWindow is how long a deleted client can be brought back.
const RestoreWindow = 30 * 24 * time.Hour

var (
	errNotDeleted = &oauth.Error{Kind: oauth.Conflict, Reason: oauth.Duplicate, Detail: "The client was not deleted."}
	errTooLate    = &oauth.Error{Kind: oauth.Conflict, Reason: oauth.IDOfDeleted, Detail: "Nothing is left to restore the client from: it was deleted " +
		"more than 30 days ago, or by a release that kept nothing. roster import --restore registers its identifier anew."}
)

// RestoreClient brings a deleted client back with all that belonged to it, and
// in the state it was in; its tokens stay dead. It takes what registering such a
// client anew would, and of the management API all that the client was granted.
func (r *Registry) RestoreClient(ctx context.Context, clientID string) (oauth.Client, error) {
	var c oauth.Client
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		if err := permit(ctx, creatingClients); err != nil {
			return err
		}
		stones, err := tx.LockTombstones(ctx, clientID)
		if err != nil {
			return err
		}
		if len(stones) == 0 {
			if _, err = tx.Client(ctx, oauth.ClientRef{ClientID: clientID}); err == nil {
				err = errNotDeleted
			}
			return err
		}
		if !r.restorable(stones[0]) {
			return errTooLate
		}
		c, err = r.restoreClient(ctx, tx, stones[0])
		return err
	})
	return c, err
}

func (r *Registry) restorable(s postgres.Tombstone) bool {
	return s.Whole && r.now().Before(s.DeletedAt.Add(RestoreWindow))
}

func (r *Registry) restoreClient(ctx context.Context, tx *postgres.Tx, s postgres.Tombstone) (oauth.Client, error) {
	if err := mayHave(ctx, s.Granted, "was"); err != nil {
		return oauth.Client{}, err
	}
	tx.RestoreClient(s)
	c, links, err := tx.LockLinkedClient(ctx, oauth.ClientRef{ClientID: s.ClientID})
	if err != nil {
		return c, err
	}
	if err := r.tidy(tx, &c); err != nil {
		return c, err
	}
	credentials, err := tx.Credentials(ctx, c.ID)
	if err != nil {
		return c, err
	}
	grants, _, err := tx.ClientGrants(ctx, postgres.GrantQuery{ClientID: c.ClientID, Limit: 1})
	if err != nil {
		return c, err
	}
	change, more := clientChange{after: &c}, []rights.Set{}
	if len(credentials) > 0 {
		change.credential = registeringCredentials
	}
	if len(grants) > 0 {
		more = append(more, creatingGrants)
	}
	if len(links.Scopes) > 0 || links.IdentityProvider.ID != "" || links.KeyPair != "" {
		more = append(more, tying)
	}
	if err := r.mayChange(ctx, change); err != nil {
		return c, err
	}
	if err := permit(ctx, more...); err != nil {
		return c, err
	}
	r.record(ctx, tx, "client.restored", "client", c.ClientID, nil, c.Document)
	return c, nil
}

// reuseClientID lets the identifier of a deleted client be registered anew, by a
// caller who holds what that client was granted.
func (r *Registry) reuseClientID(ctx context.Context, tx *postgres.Tx, s postgres.Tombstone) error {
	if err := mayHave(ctx, s.Granted, "was"); err != nil {
		return err
	}
	tx.ReuseClientID(s.ClientID)
	r.record(ctx, tx, "client.identifier_reused", "client", s.ClientID, nil, nil)
	return nil
}
