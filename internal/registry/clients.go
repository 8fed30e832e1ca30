package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/tokens"
)

// CreateClient registers a client. Identifiers that d leaves empty are made:
// a uuid for ID, the same for ClientID.
func (r *Registry) CreateClient(ctx context.Context, d oauth.Draft) (oauth.Client, error) {
	var c oauth.Client
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		var err error
		c, err = r.createClient(ctx, tx, d)
		return err
	})
	return c, err
}

func (r *Registry) createClient(ctx context.Context, tx *postgres.Tx, d oauth.Draft) (oauth.Client, error) {
	c := *d.Client
	if c.ID == "" {
		c.ID = uuid.NewString()
	}
	if c.ClientID == "" {
		c.ClientID = c.ID
	}
	c.Version, c.UpdatedAt = 1, r.now()
	if c.CreatedAt.IsZero() {
		c.CreatedAt = c.UpdatedAt
	}
	change := clientChange{after: &c, secret: !d.NewSecret.IsZero()}
	if len(d.Credentials) > 0 {
		change.credential = registeringCredentials
	}
	if err := r.mayChange(ctx, change); err != nil {
		return c, err
	}
	if err := c.Validate(); err != nil {
		return c, err
	}
	if err := oauth.CheckNewClientID(c.ClientID); err != nil {
		return c, err
	}
	if err := oauth.CheckSize(KindClient, nil, c.Document); err != nil {
		return c, err
	}
	if err := oauth.CheckNoPrivateKeys(nil, c.Document); err != nil {
		return c, err
	}
	if err := c.CheckTrust(nil); err != nil {
		return c, err
	}
	if err := checkCredentials(d.Credentials); err != nil {
		return c, err
	}
	uses, err := c.CredentialUses()
	if err != nil {
		return c, err
	}
	meta, err := c.Metadata()
	if err != nil {
		return c, err
	}
	api, err := r.apiOf(ctx, tx, c)
	if err != nil {
		return c, err
	}
	d.Client = &c
	links, err := r.linkChanges(ctx, tx, d, oauth.Links{})
	if err != nil {
		return c, err
	}
	if !links.none() {
		if err := permit(ctx, tying); err != nil {
			return c, err
		}
	}
	stored, err := r.sealMembers(c)
	if err != nil {
		return c, err
	}
	tx.InsertClient(stored)
	links.store(tx, c.ID)
	if !d.NewSecret.IsZero() {
		secret, err := r.sealSecret(d.NewSecret)
		if err != nil {
			return c, err
		}
		tx.InsertSecret(c.ID, secret)
		c.Secret = &secret
		noteSecret(ctx, c.ID)
	}
	r.insertCredentials(ctx, tx, c, d.Credentials)
	if len(uses) > 0 {
		tx.SetCredentialUses(c.ID, uses)
	}
	if len(meta.ClientAliases) > 0 {
		tx.SetAliases(c.ID, meta.ClientAliases)
	}
	if api != "" {
		tx.LinkResourceServer(api, c.ID)
	}
	diff := r.changes(KindClient, nil, c.Document)
	links.mergeInto(diff)
	r.recordChanges(ctx, tx, "client.created", "client", c.ClientID, diff)
	if d.Links != nil {
		*d.Links = links.is
	}
	return c, r.answer(ctx, tx, d)
}

// answer makes the answer to the change of d, and stores the events of what it
// shows in the change's transaction.
func (r *Registry) answer(ctx context.Context, tx *postgres.Tx, d oauth.Draft) error {
	if d.Answer == nil {
		return nil
	}
	if d.Links != nil {
		if err := r.showKey(ctx, tx, *d.Client, d.Links, new(oauth.KeyPair)); err != nil {
			return err
		}
	}
	shows, err := d.Answer(*d.Client, d.Links)
	if err == nil {
		r.insertDisclosures(ctx, tx, shows)
	}
	return err
}

// Client returns one client.
func (r *Registry) Client(ctx context.Context, ref oauth.ClientRef) (oauth.Client, error) {
	c, err := r.store.Client(ctx, ref)
	if err == nil {
		err = r.readClient(ctx, &c)
	}
	return c, err
}

// Clients returns a page of clients in creation order, the global one last, or as
// much of it as is read at a time; more tells that the page has others.
func (r *Registry) Clients(ctx context.Context, q postgres.ClientQuery) (list []postgres.PlacedClient, more bool, err error) {
	list, more, err = r.store.Clients(ctx, q)
	for i := range list {
		if err := r.readClient(ctx, &list[i].Client); err != nil {
			return nil, false, err
		}
	}
	return list, more, err
}

// Flush stores what was only noted so far. Call it every half minute, and once at
// the end.
func (r *Registry) Flush(ctx context.Context) error {
	return errors.Join(r.Tokens.Flush(ctx), r.store.AddUpCounts(ctx))
}

// CountClients counts all that q selects, whatever its page.
func (r *Registry) CountClients(ctx context.Context, q postgres.ClientQuery) (int, error) {
	return r.store.CountClients(ctx, q)
}

// UpdateClient stores what edit makes of a client, if it obeys the rules. edit
// runs while the client is locked and must have no side effects; its error
// comes back unchanged. A client that edit leaves as it is keeps its version, is
// not checked and leaves no event.
func (r *Registry) UpdateClient(ctx context.Context, ref oauth.ClientRef, edit func(*oauth.Draft) error) (oauth.Client, error) {
	var c oauth.Client
	err := r.store.Write(ctx, func(tx *postgres.Tx) (err error) {
		if c, err = tx.LockClient(ctx, ref); err == nil {
			err = r.editClient(ctx, tx, oauth.Draft{Client: &c}, edit)
		}
		return err
	})
	return c, err
}

// UpdateLinkedClient is UpdateClient with what the client is tied to, in the
// draft's Links for edit and for the answer.
func (r *Registry) UpdateLinkedClient(ctx context.Context, ref oauth.ClientRef, edit func(*oauth.Draft) error) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		c, l, err := tx.LockLinkedClient(ctx, ref)
		if err == nil {
			err = r.editClient(ctx, tx, oauth.Draft{Client: &c, Links: &l}, edit)
		}
		return err
	})
}

// editClient stores what edit makes of the locked client in d.
func (r *Registry) editClient(ctx context.Context, tx *postgres.Tx, d oauth.Draft, edit func(*oauth.Draft) error) error {
	if err := r.readClient(ctx, d.Client); err != nil {
		return err
	}
	before := *d.Client
	d.Document = maps.Clone(d.Document)
	if err := edit(&d); err != nil {
		return err
	}
	if err := r.updateClient(ctx, tx, before, d); err != nil {
		return err
	}
	return r.answer(ctx, tx, d)
}

// updateClient stores d over the locked client that was before.
func (r *Registry) updateClient(ctx context.Context, tx *postgres.Tx, before oauth.Client, d oauth.Draft) error {
	c := d.Client
	same := d.NewSecret.IsZero() && len(d.Credentials) == 0 && equalDocuments(before.Document, c.Document)
	change := clientChange{before: &before, after: c, secret: !d.NewSecret.IsZero()}
	if len(d.Credentials) > 0 {
		change.credential = registeringCredentials
	}
	if !same {
		if err := r.mayChange(ctx, change); err != nil {
			return err
		}
		if err := c.Validate(); err != nil {
			return err
		}
		if err := oauth.CheckSize(KindClient, before.Document, c.Document); err != nil {
			return err
		}
		if err := oauth.CheckNoPrivateKeys(before.Document, c.Document); err != nil {
			return err
		}
		if err := c.CheckTrust(before.Document); err != nil {
			return err
		}
	}
	uses, err := changedUses(ctx, tx, before, *c, d.Credentials)
	if err != nil {
		return err
	}
	links, err := r.relink(ctx, tx, d)
	if err != nil {
		return err
	}
	if same && links.none() {
		*c = before
		return nil
	}
	if !links.none() {
		if err := permit(ctx, tying); err != nil {
			return err
		}
	}
	c.Version, c.UpdatedAt = before.Version+1, r.now()
	r.insertCredentials(ctx, tx, *c, d.Credentials)
	if uses != nil {
		tx.SetCredentialUses(c.ID, *uses)
	}
	if err := storeAliases(tx, before, *c); err != nil {
		return err
	}
	diff := r.changes(KindClient, before.Document, c.Document)
	links.mergeInto(diff)
	if !d.NewSecret.IsZero() {
		if err := r.replaceSecret(ctx, tx, c, d.NewSecret, d.Grace); err != nil {
			return err
		}
	}
	stored, err := r.sealMembers(*c)
	if err != nil {
		return err
	}
	tx.UpdateClient(stored)
	links.store(tx, c.ID)
	if d.Links != nil {
		*d.Links = links.is
	}
	if d.NewSecret.IsZero() || len(diff) > 0 { // a rotation alone has an event already
		r.recordChanges(ctx, tx, "client.updated", "client", c.ClientID, diff)
	}
	if !change.authenticates() {
		return nil
	}
	return r.keepAdministrator(ctx, tx, &before)
}

// insertCredentials stores new credentials of c.
func (r *Registry) insertCredentials(ctx context.Context, tx *postgres.Tx, c oauth.Client, list []oauth.Credential) {
	for _, cred := range list {
		cred.Client = c.ID
		tx.InsertCredential(cred)
		r.recordCredential(ctx, tx, "credential.created", c, nil, &cred)
	}
}

// changedUses returns what the credential slots hold, nil if that has not
// changed, after checking that each names a credential of the right type of this
// client, one of fresh or a stored one.
func changedUses(ctx context.Context, tx *postgres.Tx, before, after oauth.Client, fresh []oauth.Credential) (*[]oauth.CredentialUse, error) {
	was, err := before.CredentialUses()
	if err != nil {
		return nil, err
	}
	uses, err := after.CredentialUses()
	if err != nil || slices.Equal(was, uses) {
		return nil, err
	}
	registered, err := tx.Credentials(ctx, after.ID)
	if err != nil {
		return nil, err
	}
	registered = append(registered, fresh...)
	for _, u := range uses {
		i := slices.IndexFunc(registered, func(c oauth.Credential) bool { return c.ID == u.Credential })
		if i < 0 {
			return nil, oauth.Invalidate(oauth.Violation{Member: u.Slot, Rule: "credentials", Detail: "names the credential " + u.Credential + ", which the client does not have"})
		}
		if want := oauth.SlotCredentialType[u.Slot]; registered[i].Type != want {
			return nil, oauth.Invalidate(oauth.Violation{Member: u.Slot, Rule: "credentials", Detail: "names the credential " + u.Credential + ", which is not of type " + string(want)})
		}
	}
	return &uses, nil
}

func storeAliases(tx *postgres.Tx, before, after oauth.Client) error {
	was, err := before.Metadata()
	if err != nil {
		return err
	}
	is, err := after.Metadata()
	if err != nil {
		return err
	}
	if !slices.Equal(was.ClientAliases, is.ClientAliases) {
		tx.SetAliases(after.ID, is.ClientAliases)
	}
	return nil
}

// apiOf returns the identifier of the API that c is created to stand for, ""
// for none.
func (r *Registry) apiOf(ctx context.Context, tx *postgres.Tx, c oauth.Client) (string, error) {
	identifier := jsondoc.String(c.Document[oauth.MemberAPI])
	if identifier == "" {
		return "", nil
	}
	api, err := tx.ResourceServer(ctx, identifier)
	if err == nil && api.ClientID != "" {
		err = &oauth.Error{Kind: oauth.Conflict, Reason: oauth.Duplicate, Detail: "The resource server has a client already."}
	}
	return api.Identifier, err
}

// DeleteClient removes a client with all that belongs to it, unless may, which
// comes first, objects. The global client stays.
func (r *Registry) DeleteClient(ctx context.Context, ref oauth.ClientRef, may func(*oauth.Client) error) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		c, err := tx.LockClient(ctx, oauth.ClientRef{ID: ref.ID, ClientID: ref.ClientID})
		if err == nil {
			err = may(&c)
		}
		if err == nil {
			err = ref.Check(&c)
		}
		if err != nil {
			return err
		}
		if c.IsGlobal() {
			return &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Reserved, Detail: "The global client cannot be deleted."}
		}
		if err := permit(ctx, deletingClients); err != nil {
			return err
		}
		if err := r.tidy(tx, &c); err != nil {
			return err
		}
		tx.DeleteClient(c.ID)
		r.record(ctx, tx, "client.deleted", "client", c.ClientID, c.Document, nil)
		return r.keepAdministrator(ctx, tx, &c)
	})
}

// sealSecret makes what is kept of a secret.
func (r *Registry) sealSecret(secret oauth.Secret) (oauth.ClientSecret, error) {
	if secret.Len() < r.MinSecret {
		return oauth.ClientSecret{}, oauth.Invalidate(oauth.Violation{
			Member: oauth.MemberClientSecret, Rule: "minLength", Detail: fmt.Sprintf("must have at least %d characters", r.MinSecret),
		})
	}
	s := oauth.ClientSecret{ID: newID(), CreatedAt: r.now(), Weak: secret.Len() < oauth.WeakSecret}
	s.MAC = r.keys.MAC([]byte(secret.Reveal()), tokens.MACLocation(s.ID))
	if r.HashedSecrets {
		return s, nil
	}
	var err error
	s.Sealed, err = r.keys.Seal([]byte(secret.Reveal()), secretLocation(s.ID))
	return s, err
}

func secretLocation(id string) seal.Location {
	return seal.Location{Table: "client_secrets", Row: id, Column: "sealed"}
}

// RevealSecret opens a client's newest secret, for a caller who may read it.
// It is zero when the client has none or only its MAC is kept.
func (r *Registry) RevealSecret(c oauth.Client) (oauth.Secret, error) {
	if c.Secret == nil || c.Secret.Sealed == nil {
		return oauth.Secret{}, nil
	}
	text, err := r.keys.Open(c.Secret.Sealed, secretLocation(c.Secret.ID))
	return oauth.NewSecret(string(text)), err
}
