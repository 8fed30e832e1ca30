package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
)

// KeptSealed are the members of a client's document that may hold keys of other
// systems. They are stored beside the document, sealed, and the audit trail says
// only that they changed. Above the registry they are members like others.
//
// An add-on's settings are passwords and private keys by design. An encryption
// key should be a public one, but is any text, and callers need the right to
// read secrets to see it.
var KeptSealed = []string{oauth.MemberAddons, oauth.MemberEncryptionKey}

func membersLocation(client string) seal.Location {
	return seal.Location{Table: "clients", Row: client, Column: "sealed"}
}

// sealMembers returns c as it is to be stored: with the members of KeptSealed
// out of its document. A null one, which holds nothing, stays. c remains as it
// is; what was not opened is not replaced.
func (r *Registry) sealMembers(c oauth.Client) (oauth.Client, error) {
	if c.Sealed != nil {
		return c, fmt.Errorf("client %s is stored without its sealed members having been opened", c.ID)
	}
	var members jsondoc.Object
	for _, name := range KeptSealed {
		if raw := c.Document[name]; raw != nil && !jsondoc.IsNull(raw) {
			if members == nil {
				members, c.Document = jsondoc.Object{}, maps.Clone(c.Document)
			}
			members[name] = raw
			delete(c.Document, name)
		}
	}
	if members == nil {
		return c, nil
	}
	text, err := json.Marshal(members)
	if err != nil {
		return c, fmt.Errorf("encoding sealed members: %w", err)
	}
	c.Sealed, err = r.keys.Seal(text, membersLocation(c.ID))
	return c, err
}

// openMembers puts the sealed members of a client just read into its document.
// One that the document holds itself is newer: a release from before they were
// sealed has put it there.
func (r *Registry) openMembers(c *oauth.Client) error {
	if c.Sealed == nil {
		return nil
	}
	text, err := r.keys.Open(c.Sealed, membersLocation(c.ID))
	if err != nil {
		return err
	}
	var members jsondoc.Object
	if err := json.Unmarshal(text, &members); err != nil {
		return fmt.Errorf("decoding the sealed members of client %s", c.ID) // the cause may quote them
	}
	for name, raw := range members {
		if _, newer := c.Document[name]; !newer {
			c.Document[name] = raw
		}
	}
	c.Sealed = nil
	return nil
}

// readClient makes of a client just read what ctx's caller reads: with its sealed
// members, and without a secret that is not for the caller.
func (r *Registry) readClient(ctx context.Context, c *oauth.Client) error {
	if !mayControl(ctx, c) {
		c.Secret = nil
	}
	return r.openMembers(c)
}

// sealKept seals what a release from before members were sealed has stored in
// documents, client by client, waiting for whoever changes one. To callers the
// clients stay as they are, version and time included.
func (r *Registry) sealKept(ctx context.Context, progress func(int), failed func(error)) (sealed int, err error) {
	after := ""
	for {
		ids, err := r.store.ClientsHolding(ctx, KeptSealed, after, resealBatch)
		if err != nil || len(ids) == 0 {
			return sealed, err
		}
		after = ids[len(ids)-1]
		for _, id := range ids {
			var damaged error
			err := r.store.Write(ctx, func(tx *postgres.Tx) error {
				c, err := tx.LockClient(ctx, oauth.ClientRef{ID: id})
				if err != nil {
					return err
				}
				if damaged = r.openMembers(&c); damaged != nil {
					return nil
				}
				if c, err = r.sealMembers(c); err == nil {
					tx.UpdateClient(c)
				}
				return err
			})
			switch {
			case oauth.KindOf(err) == oauth.NotFound: // deleted meanwhile
			case err != nil:
				return sealed, err
			case damaged != nil:
				failed(damaged)
			default:
				sealed++
			}
		}
		progress(sealed)
	}
}
