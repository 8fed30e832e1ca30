package registry

import (
	"context"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

const (
	// MaxSecretGrace bounds how long a superseded secret stays valid.
	MaxSecretGrace = 90 * 24 * time.Hour

	// deadSecretLife is how long a secret is listed after its end.
	deadSecretLife = 30 * 24 * time.Hour
)

// replaceSecret makes secret the newest one of a locked client, in c and in
// store. The newest one until now stays valid for grace, nil for as long as the
// deployment says; all others are revoked at once, so that never more than
// tokens.MaxLiveSecrets are good.
func (r *Registry) replaceSecret(ctx context.Context, tx *postgres.Tx, c *oauth.Client, secret oauth.Secret, grace *time.Duration) error {
	s, err := r.sealSecret(secret)
	if err != nil {
		return err
	}
	now := s.CreatedAt
	live, err := tx.LiveSecrets(ctx, c.ID, now)
	if err != nil {
		return err
	}
	if grace == nil {
		grace = &r.SecretGrace
	}
	was, is := jsondoc.Object{}, jsondoc.Object{"secret_id": jsondoc.Must(s.ID)}
	if len(live) > 0 {
		was["secret_id"] = jsondoc.Must(live[0].ID)
		if !now.After(live[0].CreatedAt) { // made on a machine whose clock is ahead
			s.CreatedAt = live[0].CreatedAt.Add(time.Microsecond)
		}
		if *grace > 0 {
			until := now.Add(*grace)
			tx.SetSecretExpiry(live[0].ID, until)
			is["superseded_until"] = jsondoc.Must(until)
			live = live[1:]
		}
	}
	if len(live) > 0 && *grace <= 0 {
		r.endTokens(ctx, tx, *c)
	}
	for _, old := range live {
		tx.RetireSecret(old.ID, now)
	}
	tx.InsertSecret(c.ID, s)
	r.recordChanges(ctx, tx, "client.secret_rotated", "client", c.ClientID, r.changes("", was, is))
	c.Secret = &s
	noteSecret(ctx, c.ID)
	return nil
}

// RotateSecret gives a client a new secret; grace is as in oauth.Draft.
func (r *Registry) RotateSecret(ctx context.Context, ref oauth.ClientRef, secret oauth.Secret, grace *time.Duration) (oauth.Client, error) {
	return r.UpdateClient(ctx, ref, func(d *oauth.Draft) error {
		d.NewSecret, d.Grace = secret, grace
		return nil
	})
}

// Secrets lists a client's secrets, newest first, those of the last weeks that
// are no longer valid included.
func (r *Registry) Secrets(ctx context.Context, ref oauth.ClientRef) ([]oauth.ClientSecret, error) {
	c, err := r.store.Client(ctx, ref)
	if err != nil {
		return nil, err
	}
	list, err := r.store.Secrets(ctx, c.ID)
	for i := range list {
		if at, ok := r.LastUse(list[i].ID); ok && (list[i].LastUsedAt == nil || list[i].LastUsedAt.Before(at)) {
			list[i].LastUsedAt = &at
		}
	}
	return list, err
}

var newestSecretStays = &oauth.Error{Kind: oauth.Conflict, Reason: oauth.Indispensable, Detail: "The newest secret cannot be retired; rotate it without a grace period instead."}

// RetireSecret ends a superseded secret now. The newest one stays: rotating it
// without grace ends it. Retiring what has ended already changes nothing.
func (r *Registry) RetireSecret(ctx context.Context, ref oauth.ClientRef, id string) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		c, err := tx.LockClient(ctx, ref)
		if err != nil {
			return err
		}
		s, err := tx.Secret(ctx, c.ID, id)
		if err != nil {
			return err
		}
		if err := r.mayChange(ctx, clientChange{before: &c, after: &c, secret: true}); err != nil {
			return err
		}
		now := r.now()
		if s.ExpiresAt == nil {
			return newestSecretStays
		}
		if !s.ExpiresAt.After(now) {
			return nil
		}
		tx.RetireSecret(id, now)
		r.recordChanges(ctx, tx, "client.secret_retired", "client", c.ClientID, r.changes("", jsondoc.Object{"secret_id": jsondoc.Must(id)}, nil))
		return nil
	})
}
