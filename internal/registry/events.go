package registry

import (
	"context"
	"errors"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// Actions of events that show a secret to the caller.
const (
	clientSecretRead = "client_secret.read"
	clientKeyRead    = "client_key.read"
	keyPairRead      = "key_pair.read"
	apiSecretRead    = "resource_server_secret.read"
	tenantKeyRead    = "tenant_key.read"
)

// disclose notes that the answer to ctx's request will show a secret.
// RecordDisclosures, which stores the note, must run before the answer is sent.
func disclose(ctx context.Context, action, targetType, target string) error {
	shown := oauth.OriginOf(ctx).Shown
	if shown == nil {
		return errors.New("a secret was asked for where showing it would leave no trace")
	}
	*shown = append(*shown, oauth.Disclosure{Action: action, TargetType: targetType, Target: target})
	return nil
}

// RecordDisclosures stores an event for every kind of secret that the answer to
// ctx's request is about to show. If it fails, the answer must not be sent.
func (r *Registry) RecordDisclosures(ctx context.Context) error {
	if shown := oauth.OriginOf(ctx).Shown; shown == nil || len(*shown) == 0 {
		return nil
	}
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		r.insertDisclosures(ctx, tx)
		return nil
	})
}

// insertDisclosures stores in tx what disclose noted so far.
func (r *Registry) insertDisclosures(ctx context.Context, tx *postgres.Tx) {
	shown := oauth.OriginOf(ctx).Shown
	if shown == nil {
		return
	}
	type kind struct{ action, targetType string }
	var order []kind
	targets := map[kind][]string{}
	for _, d := range *shown {
		k := kind{d.Action, d.TargetType}
		if targets[k] == nil {
			order = append(order, k)
		}
		targets[k] = append(targets[k], d.Target)
	}
	*shown = nil
	for _, k := range order {
		e := r.event(ctx, k.action, k.targetType, targets[k][0])
		if len(targets[k]) > 1 {
			e.Target = oauth.SeveralTargets
			e.Changes = map[string]oauth.Change{"targets": {After: jsondoc.Must(targets[k])}}
		}
		tx.InsertEvent(e)
	}
}

// ShowSecret opens a client's newest secret for the caller, who may read it, and
// leaves a trace of that. It is zero when the client has none or only its MAC is
// kept.
func (r *Registry) ShowSecret(ctx context.Context, c oauth.Client) (oauth.Secret, error) {
	secret, err := r.RevealSecret(c)
	if err == nil && !secret.IsZero() {
		err = disclose(ctx, clientSecretRead, "client", c.ClientID)
	}
	return secret, err
}

// ShowAPISecret opens the HS256 signing secret of an API for the caller and
// leaves a trace of that; zero if the API has none.
func (r *Registry) ShowAPISecret(ctx context.Context, api oauth.ResourceServer) (oauth.Secret, error) {
	secret, err := r.openAPISecret(api)
	if err == nil && !secret.IsZero() {
		err = disclose(ctx, apiSecretRead, "resource_server", api.Identifier)
	}
	return secret, err
}

// ShowTenantKey opens the tenant's private key, PEM of PKCS#1, for the caller
// and leaves a trace of that.
func (r *Registry) ShowTenantKey(ctx context.Context) (oauth.Secret, error) {
	t, err := r.currentTenantKey(ctx)
	if err != nil {
		return oauth.Secret{}, err
	}
	return t.private, disclose(ctx, tenantKeyRead, "issuer_key", t.id)
}

// Events returns a page of the audit trail, in order of time.
func (r *Registry) Events(ctx context.Context, q postgres.EventQuery) ([]postgres.PlacedEvent, error) {
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

// Flush stores what was only noted so far: when secrets were used, and how many
// requests for tokens and for changes were refused. Call it every half minute, and once at the end.
func (r *Registry) Flush(ctx context.Context) error {
	return errors.Join(r.flushSecretUses(ctx), r.flushRefusals(ctx, &r.refused), r.flushRefusals(ctx, &r.denied))
}

// keepAudit forgets what the deployment no longer keeps of secrets and events.
func (r *Registry) keepAudit(ctx context.Context) error {
	now := r.now()
	return errors.Join(r.store.ForgetSecrets(ctx, now, now.Add(-deadSecretLife)), r.trimEvents(ctx))
}

// tokenSubject is the sub of tokens that a client gets for itself.
func tokenSubject(clientID string) string { return clientID + "@clients" }

// recordToken stores the event of a token, which may be handed out only then.
func (r *Registry) recordToken(ctx context.Context, action, actor, client, audience string, t Token) error {
	e := r.event(ctx, action, "token", t.ID)
	e.Actor, e.ActorClient = actor, client
	e.Changes = map[string]oauth.Change{
		"audience": {After: jsondoc.Must(audience)}, "scope": {After: jsondoc.Must(t.Scope)}, "lifetime": {After: jsondoc.Must(t.ExpiresIn)},
	}
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		tx.InsertEvent(e)
		return nil
	})
}
