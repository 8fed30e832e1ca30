package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// event returns an audit line for something that happens on behalf of ctx's
// origin.
func (r *Registry) event(ctx context.Context, action, targetType, target string) oauth.Event {
	origin := oauth.OriginOf(ctx)
	e := oauth.Event{
		OccurredAt: r.now(), Actor: "system", Action: action, TargetType: targetType, Target: target,
		RequestID: origin.RequestID, Address: origin.Address,
	}
	if origin.Caller != nil {
		e.Actor, e.ActorClient = origin.Caller.Subject, origin.Caller.ClientID
	}
	return e
}

// record stores in tx that target has changed from one document to another, nil
// where there is none.
func (r *Registry) record(ctx context.Context, tx *postgres.Tx, action, kind, target string, before, after jsondoc.Object) {
	r.recordChanges(ctx, tx, action, kind, target, r.changes(kind, before, after))
}

// recordChanges stores an event of tx. If it changes what tokens allow, this
// instance looks that up again once tx has ended; others do within
// RevocationBound.
func (r *Registry) recordChanges(ctx context.Context, tx *postgres.Tx, action, kind, target string, diff map[string]oauth.Change) {
	e := r.event(ctx, action, kind, target)
	e.Changes = diff
	tx.InsertEvent(e)
	if !postgres.Unchanging(action) {
		tx.AtEnd(func() { r.Changes.Tell(changed(e)) })
	}
}

// changed returns what e says of what has changed, as others read it.
func changed(e oauth.Event) postgres.Change {
	c := postgres.Change{Action: e.Action, Kind: e.TargetType, Target: e.Target, Client: jsondoc.String(e.Changes["client_id"].After)}
	if c.Kind == "client" {
		c.Client = c.Target
	}
	return c
}

var hidden = json.RawMessage(`"[redacted]"`)

// isSecret reports whether a member's value is shown to nobody who only reads
// events.
func (r *Registry) isSecret(kind, member string, raw json.RawMessage) bool {
	_, plain := r.Plain(kind, member, raw)
	_, private := oauth.PrivateKeyIn(member, raw) // which an earlier release has taken
	return !plain || private
}

// maxEventValue is how many bytes of JSON a value in an event has at most.
const maxEventValue = 4 << 10

// short returns a value as an event holds it: a large one by its size and digest,
// since events stay for long and nobody can remove them.
func short(value json.RawMessage) json.RawMessage {
	if len(value) <= maxEventValue {
		return value
	}
	sum := sha256.Sum256(value)
	return jsondoc.Must(map[string]any{"bytes": len(value), "sha256": hex.EncodeToString(sum[:])})
}

// changes lists the members that differ between two documents of a kind; "" for
// words of the registry's own.
func (r *Registry) changes(kind string, before, after jsondoc.Object) map[string]oauth.Change {
	diff := map[string]oauth.Change{}
	note := func(member string, b, a json.RawMessage) {
		if jsondoc.IsNull(b) { // says no more than an absent one
			b = nil
		}
		if jsondoc.IsNull(a) {
			a = nil
		}
		if bytes.Equal(b, a) {
			return
		}
		if b != nil && r.isSecret(kind, member, b) { // the audit trail says that it changed, not how
			b = hidden
		}
		if a != nil && r.isSecret(kind, member, a) {
			a = hidden
		}
		diff[member] = oauth.Change{Before: short(b), After: short(a)}
	}
	for member, b := range before {
		note(member, b, after[member])
	}
	for member, a := range after {
		if _, ok := before[member]; !ok {
			note(member, nil, a)
		}
	}
	return diff
}

// Events returns a page of the audit trail, in order of time, as Clients does.
func (r *Registry) Events(ctx context.Context, q postgres.EventQuery) (list []postgres.PlacedEvent, more bool, err error) {
	return r.store.Events(ctx, q)
}

// trimBatch is how many events are removed in one transaction.
const trimBatch = 1000

// trimEvents removes events that are older than the deployment keeps them.
func (r *Registry) trimEvents(ctx context.Context) error {
	if r.EventRetention <= 0 {
		return nil
	}
	before := r.now().Add(-r.EventRetention)
	for {
		removed, err := r.store.TrimEvents(ctx, before, trimBatch)
		if err != nil || removed < trimBatch {
			return err
		}
	}
}

// keepAudit forgets what the deployment no longer keeps of secrets and events.
func (r *Registry) keepAudit(ctx context.Context) error {
	now := r.now()
	return errors.Join(r.store.ForgetSecrets(ctx, now, now.Add(-deadSecretLife)), r.trimEvents(ctx))
}

// ForgetExpired removes what is no longer needed.
func (r *Registry) ForgetExpired(ctx context.Context) error {
	return errors.Join(r.keepAudit(ctx), r.store.ClearTombstones(ctx, r.now().Add(-RestoreWindow)), r.store.TrimAssertions(ctx, r.now()), r.store.TrimSpared(ctx, r.now()),
		r.store.TrimRevoked(ctx, r.now().Add(-time.Hour)), // others' clocks may be behind
		r.store.TrimKeyPairs(ctx), r.store.TrimAnswers(ctx, r.now().Add(-IdempotencyWindow)))
}
