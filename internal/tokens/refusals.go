package tokens

import (
	"context"
	"errors"
	"sync"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// refusal is what refused requests have in common.
type refusal struct {
	client  string // whose token was asked for or used; "" for none that exists
	proved  bool   // the client had authenticated
	reason  string // RFC 6749 §5.2 error code, "unknown_client" where there is none, "client_disabled" …; or what was denied
	address string
}

// maxRefusals bounds how many refusals are kept apart between two flushes: each
// is one event, however often it was repeated.
const maxRefusals = 256

// refusals holds the events of refused requests until they are stored. Storing
// one at once would tell, by the time it takes, which clients exist, and guessing
// would fill the audit trail.
type refusals struct {
	mu     sync.Mutex
	events map[refusal]*refusedTimes
}

type refusedTimes struct {
	first oauth.Event
	times int
}

// note counts a refusal whose event is e. When too many are kept apart already,
// only the reason is kept.
func (l *refusals) note(f refusal, e oauth.Event, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.events == nil {
		l.events = map[refusal]*refusedTimes{}
	}
	if l.events[f] == nil && len(l.events) >= maxRefusals {
		f = refusal{reason: f.reason}
		e.Actor, e.ActorClient, e.Target, e.RequestID, e.Address = "anonymous", "", "", "", ""
	}
	if l.events[f] == nil {
		l.events[f] = &refusedTimes{first: e}
	}
	l.events[f].times += times
}

func (l *refusals) take() map[refusal]*refusedTimes {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.events
	l.events = nil
	return taken
}

// tokenRefused leaves a trace of a token request that was refused because of
// cause. c is the client that it was for, zero if there is none. What the caller
// sent is not repeated: a secret may have been sent as identifier.
func (r *Tokens) tokenRefused(ctx context.Context, c oauth.Client, proved bool, cause error) {
	refused, ok := errors.AsType[*oauth.Error](cause)
	if !ok || refused.Kind != oauth.Unauthenticated && refused.Kind != oauth.Forbidden && refused.Kind != oauth.Invalid {
		return
	}
	f := refusal{client: c.ClientID, proved: proved, reason: refused.Reason.Code(), address: oauth.OriginOf(ctx).Address}
	if f.client == "" {
		f.reason = "unknown_client"
	}
	if c.State == oauth.Disabled || c.State == oauth.Quarantined {
		f.reason = "client_" + string(c.State)
	}
	e := r.config.Event(ctx, "token.refused", "client", f.client)
	e.Actor = "anonymous"
	if proved {
		e.Actor, e.ActorClient = tokenSubject(f.client), f.client
	}
	r.refused.note(f, e, 1)
}

// Denied leaves a trace of a change that ctx's caller may not make. operation is
// its method and route, without what the caller filled in.
func (r *Tokens) Denied(ctx context.Context, operation string) {
	origin := oauth.OriginOf(ctx)
	if origin.Caller == nil {
		return
	}
	f := refusal{client: origin.Caller.Subject, proved: true, reason: operation, address: origin.Address}
	r.denied.note(f, r.config.Event(ctx, "request.denied", "client", origin.Caller.ClientID), 1)
}

// flushRefusals stores the events that l holds.
func (r *Tokens) flushRefusals(ctx context.Context, l *refusals) error {
	taken := l.take()
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		for f, refused := range taken {
			e := refused.first
			e.Changes = map[string]oauth.Change{"reason": {After: jsondoc.Must(f.reason)}, "times": {After: jsondoc.Must(refused.times)}}
			tx.InsertEvent(e)
		}
		return nil
	})
	if err != nil {
		for f, refused := range taken {
			l.note(f, refused.first, refused.times)
		}
	}
	return err
}
