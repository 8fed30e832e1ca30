package oauth

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rosterhq/roster/internal/rights"
)

// Event is one line of the audit trail. It holds no secret and no digest of
// one.
type Event struct {
	ID          int64
	OccurredAt  time.Time
	Actor       string // subject of the caller's token; "system" for Roster itself
	ActorClient string // OAuth identifier of the calling client; "" if none
	Action      string // "client.created", "credential.deleted", …
	TargetType  string // "client", "credential", "client_grant", "resource_server", …
	Target      string // public identifier; SeveralTargets if there are several, listed as the change of "targets"
	Changes     map[string]Change
	RequestID   string
	Address     string // where the request came from
}

// SeveralTargets is the Target of an event about more than one.
const SeveralTargets = "*"

// Change is a member's value before and after; nil for absent.
type Change struct {
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Origin says on whose behalf and through which request something happens.
type Origin struct {
	Caller    *Caller // nil before authentication, and for Roster itself, outside of any request
	RequestID string  // "" outside of any request
	Address   string
	Secrets   *[]string // where the ids of clients that get a secret are noted; nil for nowhere
}

// Disclosure is the event of a secret that an answer shows.
type Disclosure struct{ Action, TargetType, Target string }

// Rights are what the origin may do: what its caller may, all for Roster itself,
// and nothing for a request whose caller is not known.
func (o Origin) Rights() rights.Set {
	switch {
	case o.Caller != nil:
		return o.Caller.Rights
	case o.RequestID != "":
		return 0
	}
	return rights.All
}

type originKey struct{}

// WithOrigin returns a context that carries o.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns what WithOrigin stored, or the zero Origin.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}
