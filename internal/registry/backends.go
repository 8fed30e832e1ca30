package registry

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
)

func backendLocation(provider string) seal.Location {
	return seal.Location{Table: "identity_providers", Row: provider, Column: "sealed"}
}

// ShowBackend opens what is kept of a provider's backend for the caller, and says
// what that shows; nil for nothing.
func (r *Registry) ShowBackend(p oauth.IdentityProvider) (backend []byte, shows []oauth.Disclosure, err error) {
	if backend = p.Document[oauth.MemberBackend]; backend == nil && p.Sealed != nil {
		backend, err = r.keys.Open(p.Sealed, backendLocation(p.ID))
	}
	if err != nil || backend == nil {
		return nil, nil, err
	}
	return backend, []oauth.Disclosure{{Action: "identity_provider_backend.read", TargetType: KindIdentityProvider, Target: p.ID}}, nil
}

// ImportingBackend returns one, the import of an identity provider, with what an
// export with secrets shows of its backend.
func (r *Registry) ImportingBackend(one Import, backend json.RawMessage) Import {
	put := one.put
	one.put = func(ctx context.Context, t *importTx) (Outcome, []Note, error) {
		outcome, notes, err := put(ctx, t)
		if err != nil {
			return outcome, notes, err
		}
		p, err := t.LockIdentityProvider(ctx, one.Target)
		if err != nil {
			return Failed, nil, err
		}
		held, _, err := r.ShowBackend(p)
		if err != nil || held != nil && sameJSON(held, backend) {
			return outcome, notes, err
		}
		is, was := jsondoc.Object{oauth.MemberBackend: backend}, jsondoc.Object{oauth.MemberBackend: held}
		if err := oauth.CheckSize(KindIdentityProvider, was, is); err != nil {
			return Failed, nil, err
		}
		if p.Sealed, err = r.keys.Seal(backend, backendLocation(p.ID)); err != nil {
			return Failed, nil, err
		}
		p.Document, p.UpdatedAt = maps.Clone(p.Document), r.now()
		delete(p.Document, oauth.MemberBackend)
		t.UpdateIdentityProvider(p)
		r.record(ctx, t.Tx, "identity_provider.updated", KindIdentityProvider, p.ID, was, is)
		if outcome == Unchanged {
			outcome = Updated
		}
		return outcome, notes, nil
	}
	return one
}

// sealBackends seals the backends that 1.0.0 has stored in clear.
func (r *Registry) sealBackends(ctx context.Context) (sealed int, err error) {
	providers, err := r.store.IdentityProviders(ctx)
	for _, one := range providers {
		if one.Document[oauth.MemberBackend] == nil {
			continue
		}
		err := r.store.Write(ctx, func(tx *postgres.Tx) error {
			p, err := tx.LockIdentityProvider(ctx, one.ID)
			if err != nil || p.Document[oauth.MemberBackend] == nil {
				return err
			}
			if p.Sealed, err = r.keys.Seal(p.Document[oauth.MemberBackend], backendLocation(p.ID)); err != nil {
				return err
			}
			p.Document = maps.Clone(p.Document)
			delete(p.Document, oauth.MemberBackend)
			tx.UpdateIdentityProvider(p)
			sealed++
			return nil
		})
		if err != nil && oauth.KindOf(err) != oauth.NotFound { // deleted meanwhile
			return sealed, err
		}
	}
	return sealed, err
}

// ErrNotOwner is why events cannot be redacted.
var ErrNotOwner = errors.New("only the owner of the schema may redact events: run it as that role")

// RedactEvents takes out of events what earlier releases should not have written
// into them, and leaves one that says how many it changed. Only the owner of the
// schema can: ErrNotOwner.
func (r *Registry) RedactEvents(ctx context.Context) (redacted int, err error) {
	members := slices.Concat(oauth.HadSecrets, oauth.TakesPublicKeys)
	err = r.store.Write(ctx, func(tx *postgres.Tx) error {
		var after int64
		for {
			list, err := tx.EventsAbout(ctx, members, after, resealBatch)
			if err != nil {
				return err
			}
			for _, e := range list {
				after = e.ID
				if r.redact(e.Event, members) {
					redacted++
					tx.RedactEvent(e.ID, e.Changes)
				}
			}
			if len(list) < resealBatch {
				break
			}
		}
		if redacted > 0 {
			r.record(ctx, tx, "event.redacted", "event", oauth.SeveralTargets, nil, jsondoc.Object{"count": jsondoc.Must(redacted)})
		}
		return nil
	})
	if postgres.Denied(err) {
		err = ErrNotOwner
	}
	if err != nil {
		return 0, err
	}
	return redacted, nil
}

// redact hides secrets in the changes that an event holds, and
// reports whether there were any.
func (r *Registry) redact(e oauth.Event, members []string) (found bool) {
	for _, member := range members {
		c, changed := e.Changes[member]
		if !changed {
			continue
		}
		was := c
		if c.Before != nil && r.isSecret(e.TargetType, member, c.Before) {
			c.Before = hidden
		}
		if c.After != nil && r.isSecret(e.TargetType, member, c.After) {
			c.After = hidden
		}
		if string(c.Before) != string(was.Before) || string(c.After) != string(was.After) {
			e.Changes[member], found = c, true
		}
	}
	return found
}
