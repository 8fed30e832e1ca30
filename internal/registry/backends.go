package registry

import (
	"context"
	"errors"
	"maps"

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
	members := append([]string{oauth.MemberBackend}, append(KeptSealed, oauth.TakesPublicKeys...)...)
	err = r.store.Write(ctx, func(tx *postgres.Tx) error {
		var after int64
		for {
			list, err := tx.EventsAbout(ctx, members, after, resealBatch)
			if err != nil {
				return err
			}
			for _, e := range list {
				after = e.ID
				if redact(e.Changes) {
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

// redact hides secrets in the changes of an event, and reports whether there were
// any.
func redact(diff map[string]oauth.Change) (found bool) {
	for member, c := range diff {
		was := c
		if c.Before != nil && isSecret(member, c.Before) {
			c.Before = hidden
		}
		if c.After != nil && isSecret(member, c.After) {
			c.After = hidden
		}
		if string(c.Before) != string(was.Before) || string(c.After) != string(was.After) {
			diff[member], found = c, true
		}
	}
	return found
}
