package registry

import (
	"context"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/tokens"
)

var globalStaysActive = &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Reserved, Detail: "The global client is always active."}

// ClientState returns the state of a client.
func (r *Registry) ClientState(ctx context.Context, ref oauth.ClientRef) (oauth.ClientState, error) {
	return r.store.ClientState(ctx, ref)
}

// stateEvents are the events of a client's coming into a state.
var stateEvents = map[oauth.State]string{
	oauth.Active: "client.enabled", oauth.Disabled: "client.disabled", oauth.Quarantined: "client.quarantined",
}

// SetClientState switches a client off or on. Waking it takes a caller who has
// every permission that the client is granted on the management API. What a
// client is already changes nothing and leaves no event.
func (r *Registry) SetClientState(ctx context.Context, ref oauth.ClientRef, to oauth.State, reason string) (oauth.ClientState, error) {
	var s oauth.ClientState
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		c, err := tx.LockClient(ctx, ref)
		if err != nil {
			return err
		}
		if to == oauth.Active {
			if err := mayHave(ctx, c.Granted, "is"); err != nil {
				return err
			}
		}
		if c.IsGlobal() {
			return globalStaysActive
		}
		if s, err = tx.ClientState(ctx, oauth.ClientRef{ID: c.ID}); err != nil || s.State == to && s.Reason == reason {
			return err
		}
		before := s
		s.State, s.Reason, s.ChangedAt = to, reason, new(r.now())
		tx.SetClientState(c.ID, s)
		r.recordChanges(ctx, tx, stateEvents[to], "client", c.ClientID, r.changes("", stateDocument(before), stateDocument(s)))
		return r.keepAdministrator(ctx, tx, &c)
	})
	return s, err
}

func stateDocument(s oauth.ClientState) jsondoc.Object {
	doc := jsondoc.Object{"state": jsondoc.Must(s.State)}
	if s.Reason != "" {
		doc["reason"] = jsondoc.Must(s.Reason)
	}
	return doc
}

// ListedClients returns a page of clients, the global one last, as far as every
// dialect has it in common, as Clients does.
func (r *Registry) ListedClients(ctx context.Context, q postgres.ClientQuery) (list []postgres.ListedClient, more bool, err error) {
	return r.store.ListedClients(ctx, q)
}

// CountStates counts the clients in each state.
func (r *Registry) CountStates(ctx context.Context) (map[oauth.State]int, error) {
	return r.store.CountStates(ctx)
}

// CountWeakSecrets counts the secrets of clients that are good and short.
func (r *Registry) CountWeakSecrets(ctx context.Context) (int, error) {
	return r.store.CountWeakSecrets(ctx, r.now())
}

// endTokens ends all tokens of a client whose secret was replaced at once, but
// for the one that asks for it, so that a tool which rotates its own secret
// finishes its run.
func (r *Registry) endTokens(ctx context.Context, tx *postgres.Tx, c oauth.Client) {
	tx.EndTokens(c.ClientID, "", r.now())
	if caller := oauth.OriginOf(ctx).Caller; caller != nil && caller.TokenID != "" && caller.ClientID == c.ClientID {
		tx.SpareToken(caller.TokenID, c.ClientID, r.ManagementAudience(), caller.ExpiresAt)
	}
}

// EndTokens ends the tokens that a client has now: those for an API, or all
// where audience is "".
func (r *Registry) EndTokens(ctx context.Context, ref oauth.ClientRef, audience string) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		c, err := tx.LockClient(ctx, ref)
		if err != nil {
			return err
		}
		what := jsondoc.Object{}
		if audience != "" {
			api, err := tx.ResourceServer(ctx, tokens.Spellings(audience)...)
			if err != nil {
				return err
			}
			audience = api.Identifier
			what["audience"] = jsondoc.Must(audience)
		}
		tx.EndTokens(c.ClientID, audience, r.now())
		r.recordChanges(ctx, tx, "client.tokens_ended", "client", c.ClientID, r.changes("", nil, what))
		return nil
	})
}
