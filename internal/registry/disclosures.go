package registry

import (
	"context"
	"errors"
	"slices"

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
	if d := (oauth.Disclosure{Action: action, TargetType: targetType, Target: target}); !slices.Contains(shown.Stored, d) {
		shown.Noted = append(shown.Noted, d)
	}
	return nil
}

// RecordDisclosures stores an event for every kind of secret that the answer to
// ctx's request is about to show. If it fails, the answer must not be sent.
func (r *Registry) RecordDisclosures(ctx context.Context) error {
	if shown := oauth.OriginOf(ctx).Shown; shown == nil || len(shown.Noted) == 0 {
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
	for _, d := range shown.Noted {
		k := kind{d.Action, d.TargetType}
		if targets[k] == nil {
			order = append(order, k)
		}
		targets[k] = append(targets[k], d.Target)
	}
	shown.Noted, shown.Stored = nil, append(shown.Stored, shown.Noted...)
	for _, k := range order {
		if len(targets[k]) == 1 {
			r.record(ctx, tx, k.action, k.targetType, targets[k][0], nil, nil)
		} else {
			r.record(ctx, tx, k.action, k.targetType, oauth.SeveralTargets, nil, jsondoc.Object{"targets": jsondoc.Must(targets[k])})
		}
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

// ShowTenantKey opens the tenant's private key, as Management writes it, for the
// caller and leaves a trace of that.
func (r *Registry) ShowTenantKey(ctx context.Context) (oauth.Secret, error) {
	t, err := r.currentTenantKey(ctx)
	if err != nil {
		return oauth.Secret{}, err
	}
	return t.private, disclose(ctx, tenantKeyRead, "issuer_key", t.id)
}

// ShowKeyPair opens the private half of a shared key pair, PKCS #8 PEM, for the
// caller and leaves a trace of that.
func (r *Registry) ShowKeyPair(ctx context.Context, k oauth.KeyPair) (oauth.Secret, error) {
	text, err := r.keys.Open(k.Sealed, keyPairLocation(k.ID))
	if err != nil {
		return oauth.Secret{}, err
	}
	return oauth.NewSecret(string(text)), disclose(ctx, keyPairRead, "key_pair", k.ID)
}
