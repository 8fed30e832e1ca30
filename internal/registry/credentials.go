package registry

import (
	"cmp"
	"context"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// NewCredential parses a credential for a client that is about to be created
// or changed.
func (r *Registry) NewCredential(req oauth.CredentialRequest) (oauth.Credential, error) {
	return oauth.NewCredential("cred_"+oauth.RandomText(oauth.Base58, 22), "", req, r.now())
}

// checkCredentials checks all credentials of one client against the rules that
// concern several of them. The database has the one on keys too, but may find a
// kid, which is made of the key by default, taken before the key.
func checkCredentials(list []oauth.Credential) error {
	if len(list) > oauth.MaxCredentials {
		return &oauth.Error{Kind: oauth.Invalid, Reason: oauth.BrokenRule, Detail: "A client can have a maximum of 4 credentials."}
	}
	keys := map[string]bool{}
	for _, c := range list {
		if c.Type != oauth.TypePublicKey {
			continue
		}
		if keys[c.KeyThumbprint] {
			return &oauth.Error{Kind: oauth.Conflict, Reason: oauth.DuplicateKey, Detail: "The client has another credential with the same public key."}
		}
		keys[c.KeyThumbprint] = true
	}
	return nil
}

// AddCredential registers one more credential with a client.
func (r *Registry) AddCredential(ctx context.Context, ref oauth.ClientRef, req oauth.CredentialRequest) (oauth.Credential, error) {
	cred, err := r.NewCredential(req)
	if err != nil {
		return oauth.Credential{}, err
	}
	err = r.store.Write(ctx, func(tx *postgres.Tx) error {
		c, err := tx.LockClient(ctx, ref)
		if err != nil {
			return err
		}
		have, err := tx.Credentials(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := checkCredentials(append(have, cred)); err != nil {
			return err
		}
		if err := r.mayChange(ctx, clientChange{before: &c, after: &c, credential: registeringCredentials}); err != nil {
			return err
		}
		cred.Client = c.ID
		tx.InsertCredential(cred)
		r.recordCredential(ctx, tx, "credential.created", c, nil, &cred)
		return nil
	})
	return cred, err
}

// Credentials returns a client's credentials in creation order.
func (r *Registry) Credentials(ctx context.Context, ref oauth.ClientRef) ([]oauth.Credential, error) {
	c, err := r.store.Client(ctx, ref)
	if err != nil {
		return nil, err
	}
	return r.store.Credentials(ctx, c.ID)
}

// Credential returns one credential of a client.
func (r *Registry) Credential(ctx context.Context, ref oauth.ClientRef, id string) (oauth.Credential, error) {
	c, err := r.store.Client(ctx, ref)
	if err != nil {
		return oauth.Credential{}, err
	}
	return r.store.Credential(ctx, c.ID, id)
}

// SetCredentialExpiry changes when a credential ends; nil for never.
func (r *Registry) SetCredentialExpiry(ctx context.Context, ref oauth.ClientRef, id string, expires *time.Time) (oauth.Credential, error) {
	var cred oauth.Credential
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		c, err := tx.LockClient(ctx, ref)
		if err != nil {
			return err
		}
		if cred, err = tx.LockCredential(ctx, c.ID, id); err != nil {
			return err
		}
		if err := r.mayChange(ctx, clientChange{before: &c, after: &c, credential: changingCredentials}); err != nil {
			return err
		}
		before := cred
		if err := cred.SetExpiry(expires, r.now()); err != nil {
			return err
		}
		tx.SetCredentialExpiry(cred.ID, cred.ExpiresAt, cred.UpdatedAt)
		r.recordCredential(ctx, tx, "credential.updated", c, &before, &cred)
		return r.keepAdministrator(ctx, tx, &c)
	})
	return cred, err
}

// DeleteCredential removes a credential of a client, unless a slot uses it.
func (r *Registry) DeleteCredential(ctx context.Context, ref oauth.ClientRef, id string) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		c, err := tx.LockClient(ctx, ref)
		if err != nil {
			return err
		}
		cred, err := tx.LockCredential(ctx, c.ID, id)
		if err != nil {
			return err
		}
		if err := r.mayChange(ctx, clientChange{before: &c, after: &c, credential: deletingCredentials}); err != nil {
			return err
		}
		tx.DeleteCredential(id)
		r.recordCredential(ctx, tx, "credential.deleted", c, &cred, nil)
		return nil
	})
}

// recordCredential records a change of a credential of c from one state to
// another; nil where there is none.
func (r *Registry) recordCredential(ctx context.Context, tx *postgres.Tx, action string, c oauth.Client, before, after *oauth.Credential) {
	document := func(cred *oauth.Credential) jsondoc.Object {
		if cred == nil {
			return nil
		}
		return jsondoc.Object{
			"credential_type": jsondoc.Must(cred.Type), "name": jsondoc.Must(cred.Name), "kid": jsondoc.Must(cred.KeyID),
			"expires_at": jsondoc.Must(cred.ExpiresAt),
		}
	}
	diff := r.changes("", document(before), document(after))
	diff["client_id"] = oauth.Change{Before: jsondoc.Must(c.ClientID), After: jsondoc.Must(c.ClientID)}
	r.recordChanges(ctx, tx, action, "credential", cmp.Or(after, before).ID, diff)
}
