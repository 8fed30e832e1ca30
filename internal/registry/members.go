package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
)

// documented are the kinds of records whose members callers name.
var documented = []string{KindClient, KindResourceServer, KindClientGrant, KindIdentityProvider}

// Plain returns what of a member of a record may be known without the right to
// read secrets, nil for nothing, and whether that is all of it. What is not a
// known member's is secret, and so is a member that nobody knows. Members of
// other kinds of records are the registry's own words.
func (r *Registry) Plain(kind, member string, raw json.RawMessage) (part json.RawMessage, all bool) {
	if !slices.Contains(documented, kind) || jsondoc.IsNull(raw) {
		return raw, true
	}
	if r.Management.Class(kind, member) != oauth.ClassSecret {
		return r.Management.Plain(kind, member, raw)
	}
	var value any
	if json.Unmarshal(raw, &value) == nil && !speaks(value) {
		return raw, true
	}
	return nil, false
}

// speaks reports whether a value holds a text or a number: no other holds a
// secret.
func speaks(value any) bool {
	switch value := value.(type) {
	case string:
		return value != ""
	case float64:
		return true
	case []any:
		return slices.ContainsFunc(value, speaks)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(value)), speaks)
	}
	return false
}

// WithoutSecrets returns of a record's members what may be known without the
// right to read secrets.
func (r *Registry) WithoutSecrets(kind string, doc jsondoc.Object) jsondoc.Object {
	known := make(jsondoc.Object, len(doc))
	for name, raw := range doc {
		if part, _ := r.Plain(kind, name, raw); part != nil {
			known[name] = part
		}
	}
	return known
}

// Keep has doc, which may be all that an export without secrets shows of was,
// hold what such an export leaves out.
func (r *Registry) Keep(kind string, was, doc jsondoc.Object) {
	for name, raw := range was {
		switch part, all := r.Plain(kind, name, raw); {
		case all:
		case part == nil && doc[name] == nil, part != nil && doc[name] != nil && sameJSON(part, doc[name]):
			doc[name] = raw
		}
	}
}

func membersLocation(client string) seal.Location {
	return seal.Location{Table: "clients", Row: client, Column: "sealed"}
}

// sealMembers returns c as it is to be stored: without the members of its document
// that hold secrets, which are stored next to it, sealed. Above the registry they
// are members like others. A null one, which holds nothing, stays. c remains as it
// is; what was not opened is not replaced.
func (r *Registry) sealMembers(c oauth.Client) (oauth.Client, error) {
	if c.Sealed != nil {
		return c, fmt.Errorf("client %s is stored without its sealed members having been opened", c.ID)
	}
	var members jsondoc.Object
	for name, raw := range c.Document {
		if _, plain := r.Plain(KindClient, name, raw); !plain {
			if members == nil {
				members = jsondoc.Object{}
			}
			members[name] = raw
		}
	}
	if members == nil {
		return c, nil
	}
	c.Document = maps.Clone(c.Document)
	maps.DeleteFunc(c.Document, func(name string, _ json.RawMessage) bool { return members[name] != nil })
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

// inClear reports whether a document as it is stored shows what is secret, as
// releases before stored it.
func (r *Registry) inClear(doc jsondoc.Object) bool {
	for name, raw := range doc {
		if _, plain := r.Plain(KindClient, name, raw); !plain {
			return true
		}
	}
	return false
}

// tidy opens the sealed members of a client that goes into a tombstone or comes
// out of one, where no reseal finds it. What is secret in its document is stored
// as this release does, without private keys in the place of public ones. Members
// that do not open stay as they are.
func (r *Registry) tidy(tx *postgres.Tx, c *oauth.Client) error {
	clean := maps.Clone(c.Document)
	stays := len(oauth.DropPrivateKeys(clean)) == 0 && !r.inClear(clean)
	if r.openMembers(c) != nil || stays {
		return nil
	}
	stored := *c
	stored.Document = maps.Clone(c.Document)
	oauth.DropPrivateKeys(stored.Document)
	stored, err := r.sealMembers(stored)
	if err == nil {
		tx.UpdateClient(stored)
	}
	return err
}

// unsealed lists up to a batch of clients whose documents, as they are stored,
// hold secrets, in order from the one following after on; "" starts. next is
// where to go on, "" at the end. It reads every document.
func (r *Registry) unsealed(ctx context.Context, after string) (ids []string, next string, err error) {
	list, err := r.store.StoredClients(ctx, after, resealBatch)
	for _, c := range list {
		if r.inClear(c.Document) {
			ids = append(ids, c.ID)
		}
	}
	if len(list) == resealBatch {
		next = list[len(list)-1].ID
	}
	return ids, next, err
}

// countUnsealed counts all such clients.
func (r *Registry) countUnsealed(ctx context.Context) (n int, err error) {
	for after := ""; ; {
		ids, next, err := r.unsealed(ctx, after)
		if n += len(ids); err != nil || next == "" {
			return n, err
		}
		after = next
	}
}

// sealKept seals what a release from before members were sealed has stored in
// documents, client by client, waiting for whoever changes one. To callers the
// clients stay as they are, version and time included.
func (r *Registry) sealKept(ctx context.Context, progress func(int), failed func(error)) (sealed int, err error) {
	for after := ""; ; {
		ids, next, err := r.unsealed(ctx, after)
		if err != nil {
			return sealed, err
		}
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
		if len(ids) > 0 {
			progress(sealed)
		}
		if after = next; next == "" {
			return sealed, nil
		}
	}
}
