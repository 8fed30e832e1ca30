package registry

import (
	"context"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/shares"
)

func keyPairLocation(id string) seal.Location {
	return seal.Location{Table: "key_pairs", Row: id, Column: "sealed"}
}

// keyPairDocument is what the audit trail notes of a pair.
func keyPairDocument(k oauth.KeyPair) jsondoc.Object {
	return jsondoc.Object{"public_key": jsondoc.Must(k.PublicKey), "is_default": jsondoc.Must(k.Default)}
}

// rsaKeys bounds how many RSA keys are made at a time: each takes a processor for
// up to some seconds.
var rsaKeys = shares.New(2, 1)

// NewRSAKey makes an RSA key, one at a time for a caller. It gives up with ctx: a
// key that is being made then is finished for nobody, and others wait for that.
func (r *Registry) NewRSAKey(ctx context.Context, bits int) (oauth.NewKey, error) {
	caller := ""
	if c := oauth.OriginOf(ctx).Caller; c != nil {
		caller = c.ClientID
	}
	give, err := rsaKeys.Take(ctx, caller, 1)
	if err != nil {
		return oauth.NewKey{}, err
	}
	type result struct {
		key oauth.NewKey
		err error
	}
	made := make(chan result, 1)
	go func() {
		defer give()
		key, err := oauth.NewRSAKey(bits)
		made <- result{key, err}
	}()
	select {
	case r := <-made:
		return r.key, r.err
	case <-ctx.Done():
		return oauth.NewKey{}, ctx.Err()
	}
}

// renew gives k a new RSA key.
func (r *Registry) renew(ctx context.Context, k *oauth.KeyPair) error {
	key, err := r.NewRSAKey(ctx, oauth.MinKeyBits)
	if err != nil {
		return err
	}
	k.PublicKey, k.UpdatedAt = key.PublicPEM, r.now()
	k.Sealed, err = r.keys.Seal([]byte(key.Private.Reveal()), keyPairLocation(k.ID))
	return err
}

// CreateKeyPair makes a key pair for clients to share. isDefault makes it that
// of clients that have no key, in place of another.
func (r *Registry) CreateKeyPair(ctx context.Context, isDefault bool) (oauth.KeyPair, error) {
	k := oauth.KeyPair{ID: uuid.NewString(), Default: isDefault, CreatedAt: r.now()}
	if err := r.renew(ctx, &k); err != nil {
		return k, err
	}
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		r.insertKeyPair(ctx, tx, k)
		return nil
	})
	return k, err
}

func (r *Registry) insertKeyPair(ctx context.Context, tx *postgres.Tx, k oauth.KeyPair) {
	if k.Default {
		tx.UnsetDefaultKeyPair(r.now())
	}
	tx.InsertKeyPair(k)
	r.record(ctx, tx, "key_pair.created", "key_pair", k.ID, nil, keyPairDocument(k))
}

// defaultKeyPair returns the pair of clients that have no key. The first need
// makes it; instances that need it together wait for one another. Where there is
// a transaction, all of it happens there: what the transaction has locked must
// not wait for another connection.
func (r *Registry) defaultKeyPair(ctx context.Context, tx *postgres.Tx) (k oauth.KeyPair, err error) {
	if tx != nil {
		k, err = tx.DefaultKeyPair(ctx)
	} else {
		k, err = r.store.DefaultKeyPair(ctx)
	}
	switch {
	case oauth.KindOf(err) != oauth.NotFound:
	case tx != nil:
		k, err = r.makeDefaultKeyPair(ctx, tx)
	default:
		err = r.store.Write(ctx, func(tx *postgres.Tx) (err error) {
			k, err = r.makeDefaultKeyPair(ctx, tx)
			return err
		})
	}
	return k, err
}

func (r *Registry) makeDefaultKeyPair(ctx context.Context, tx *postgres.Tx) (oauth.KeyPair, error) {
	if err := tx.Exclusive(ctx); err != nil {
		return oauth.KeyPair{}, err
	}
	k, err := tx.DefaultKeyPair(ctx)
	if oauth.KindOf(err) != oauth.NotFound {
		return k, err
	}
	k = oauth.KeyPair{ID: uuid.NewString(), Default: true, CreatedAt: r.now()}
	if err := r.renew(ctx, &k); err != nil {
		return k, err
	}
	r.insertKeyPair(ctx, tx, k)
	return k, nil
}

// KeyPair returns one shared key pair.
func (r *Registry) KeyPair(ctx context.Context, id string) (oauth.KeyPair, error) {
	return r.store.KeyPair(ctx, id)
}

// SetDefaultKeyPair makes a pair that of clients that have no key, in place of
// another, or no longer.
func (r *Registry) SetDefaultKeyPair(ctx context.Context, id string, isDefault bool) (oauth.KeyPair, error) {
	return r.updateKeyPair(ctx, id, "key_pair.updated", func(k *oauth.KeyPair, tx *postgres.Tx) error {
		if isDefault && !k.Default {
			tx.UnsetDefaultKeyPair(r.now())
		}
		k.Default, k.UpdatedAt = isDefault, r.now()
		return nil
	})
}

// RotateKeyPair gives a pair, and so the clients that use it, a new key.
func (r *Registry) RotateKeyPair(ctx context.Context, id string) (oauth.KeyPair, error) {
	if _, err := r.store.KeyPair(ctx, id); err != nil {
		return oauth.KeyPair{}, err
	}
	fresh := oauth.KeyPair{ID: id}
	if err := r.renew(ctx, &fresh); err != nil { // slow: not while the pair is locked
		return fresh, err
	}
	return r.updateKeyPair(ctx, id, "key_pair.rotated", func(k *oauth.KeyPair, _ *postgres.Tx) error {
		k.PublicKey, k.Sealed, k.UpdatedAt = fresh.PublicKey, fresh.Sealed, fresh.UpdatedAt
		return nil
	})
}

func (r *Registry) updateKeyPair(ctx context.Context, id, action string, edit func(*oauth.KeyPair, *postgres.Tx) error) (oauth.KeyPair, error) {
	var k oauth.KeyPair
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		var err error
		if k, err = tx.LockKeyPair(ctx, id); err != nil {
			return err
		}
		before := k
		if err := edit(&k, tx); err != nil {
			return err
		}
		r.storeKeyPair(ctx, tx, action, before, k)
		return nil
	})
	return k, err
}

// storeKeyPair stores k over the locked pair that was before.
func (r *Registry) storeKeyPair(ctx context.Context, tx *postgres.Tx, action string, before, k oauth.KeyPair) {
	tx.UpdateKeyPair(k)
	r.record(ctx, tx, action, "key_pair", k.ID, keyPairDocument(before), keyPairDocument(k))
}

// DeleteKeyPair removes a shared key pair; clients that use it keep it. The
// default one is a Conflict.
func (r *Registry) DeleteKeyPair(ctx context.Context, id string) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		k, err := tx.LockKeyPair(ctx, id)
		if err != nil {
			return err
		}
		if k.Default {
			return &oauth.Error{Kind: oauth.Conflict, Reason: oauth.Indispensable, Detail: "The default key pair cannot be deleted."}
		}
		tx.DeleteKeyPair(k.ID, r.now())
		r.record(ctx, tx, "key_pair.deleted", "key_pair", k.ID, keyPairDocument(k), nil)
		return nil
	})
}
