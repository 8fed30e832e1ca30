package registry

import (
	"context"

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

// RecordDisclosures stores an event for every kind of secret that an answer to
// ctx's request is about to show, and returns when they are durable. If it fails,
// the answer must not be sent.
func (r *Registry) RecordDisclosures(ctx context.Context, shows []oauth.Disclosure) error {
	if len(shows) == 0 {
		return nil
	}
	return r.store.WriteTogether(ctx, func(tx *postgres.Tx) error {
		r.insertDisclosures(ctx, tx, shows)
		return nil
	})
}

// insertDisclosures stores the events of what an answer shows in tx.
func (r *Registry) insertDisclosures(ctx context.Context, tx *postgres.Tx, shows []oauth.Disclosure) {
	type kind struct{ action, targetType string }
	var order []kind
	targets := map[kind][]string{}
	for _, d := range shows {
		k := kind{d.Action, d.TargetType}
		if targets[k] == nil {
			order = append(order, k)
		}
		targets[k] = append(targets[k], d.Target)
	}
	for _, k := range order {
		if len(targets[k]) == 1 {
			r.record(ctx, tx, k.action, k.targetType, targets[k][0], nil, nil)
		} else {
			r.recordChanges(ctx, tx, k.action, k.targetType, oauth.SeveralTargets, r.changes("", nil, jsondoc.Object{"targets": jsondoc.Must(targets[k])}))
		}
	}
}

// shows is the event of one secret, none for a zero one.
func shows(secret oauth.Secret, action, targetType, target string) []oauth.Disclosure {
	if secret.IsZero() {
		return nil
	}
	return []oauth.Disclosure{{Action: action, TargetType: targetType, Target: target}}
}

// ShowSecret opens a client's newest secret for a caller who may read it. It is
// zero when the client has none or only its MAC is kept. An answer that shows it
// must not be sent before the event is stored; so it is with all that is shown.
func (r *Registry) ShowSecret(c *oauth.Client) (oauth.Secret, []oauth.Disclosure, error) {
	secret, err := r.RevealSecret(*c)
	return secret, shows(secret, clientSecretRead, "client", c.ClientID), err
}

// ShowAPISecret opens the HS256 signing secret of an API; zero if the API has
// none.
func (r *Registry) ShowAPISecret(api oauth.ResourceServer) (oauth.Secret, []oauth.Disclosure, error) {
	secret, err := r.OpenAPISecret(api)
	return secret, shows(secret, apiSecretRead, "resource_server", api.Identifier), err
}

// ShowTenantKey opens the tenant's private key, as Management writes it.
func (r *Registry) ShowTenantKey(ctx context.Context) (oauth.Secret, []oauth.Disclosure, error) {
	t, err := r.CurrentTenantKey(ctx)
	return t.Private, shows(t.Private, tenantKeyRead, "issuer_key", t.ID), err
}

// ShowKeyPair opens the private half of a shared key pair, PKCS #8 PEM.
func (r *Registry) ShowKeyPair(k oauth.KeyPair) (oauth.Secret, []oauth.Disclosure, error) {
	text, err := r.keys.Open(k.Sealed, keyPairLocation(k.ID))
	secret := oauth.NewSecret(string(text))
	return secret, shows(secret, keyPairRead, "key_pair", k.ID), err
}
