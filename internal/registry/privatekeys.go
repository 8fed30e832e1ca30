package registry

import (
	"context"
	"maps"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// RemovePrivateKeys takes out of clients and resource servers the private keys
// that earlier releases have stored in the place of public ones. removed is told
// of each member that held one.
func (r *Registry) RemovePrivateKeys(ctx context.Context, removed func(kind, target, member string)) error {
	after := ""
	for {
		ids, err := r.store.ClientsWith(ctx, oauth.TakesPublicKeys, after, resealBatch)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := r.removeFromClient(ctx, id, removed); err != nil && oauth.KindOf(err) != oauth.NotFound { // deleted meanwhile
				return err
			}
		}
		if len(ids) < resealBatch {
			break
		}
		after = ids[len(ids)-1]
	}
	for at := int64(0); ; {
		apis, more, err := r.store.ResourceServers(ctx, nil, at, resealBatch, 0)
		if err != nil {
			return err
		}
		for _, api := range apis {
			at = api.Serial
			if err := r.removeFromAPI(ctx, api.ID, removed); err != nil && oauth.KindOf(err) != oauth.NotFound {
				return err
			}
		}
		if len(apis) < resealBatch && !more {
			return nil
		}
	}
}

func (r *Registry) removeFromClient(ctx context.Context, id string, removed func(kind, target, member string)) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		before, err := tx.LockClient(ctx, oauth.ClientRef{ID: id})
		if err != nil {
			return err
		}
		if r.openMembers(&before) != nil {
			return nil // resealing has told
		}
		c := before
		c.Document = maps.Clone(c.Document)
		held := oauth.DropPrivateKeys(c.Document)
		if len(held) == 0 {
			return nil
		}
		c.Version, c.UpdatedAt = before.Version+1, r.now()
		stored, err := r.sealMembers(c)
		if err != nil {
			return err
		}
		tx.UpdateClient(stored)
		r.record(ctx, tx, "client.updated", KindClient, c.ClientID, before.Document, c.Document)
		for _, member := range held {
			removed(KindClient, c.ClientID, member)
		}
		return nil
	})
}

func (r *Registry) removeFromAPI(ctx context.Context, id string, removed func(kind, target, member string)) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		api, err := tx.LockResourceServer(ctx, id)
		if err != nil {
			return err
		}
		before := api.Document
		api.Document = maps.Clone(before)
		held := oauth.DropPrivateKeys(api.Document)
		if len(held) == 0 {
			return nil
		}
		_, err = r.storeAPI(ctx, tx, before, api)
		for _, member := range held {
			removed(KindResourceServer, api.Identifier, member)
		}
		return err
	})
}
