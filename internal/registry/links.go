package registry

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
)

func clientKeyLocation(client string) seal.Location {
	return seal.Location{Table: "client_keys", Row: client, Column: "sealed"}
}

// linkChanges are what a draft changes next to its document, ready to be stored
// once the client is.
type linkChanges struct {
	is       oauth.Links // what the client is tied to then
	scopes   bool        // those of is are new
	provider string
	keyPair  string
	sealed   []byte // private key
	noted    map[string]oauth.Change
}

// linkChanges finds what d names. It makes scopes that do not exist yet, and
// keeps the public half of a new key in d's document. NotFound names an
// identity provider or key pair that does not exist.
func (r *Registry) linkChanges(ctx context.Context, tx *postgres.Tx, d oauth.Draft, was oauth.Links) (linkChanges, error) {
	l := linkChanges{is: was, noted: map[string]oauth.Change{}}
	wanted := postgres.Targets{IdentityProvider: d.IdentityProvider, KeyPair: d.KeyPair}
	if d.Scopes != nil {
		r.chooseScopes(&wanted, *d.Scopes)
	}
	held, err := tx.HoldTargets(ctx, wanted)
	if err != nil {
		return l, err
	}
	for _, s := range held.Made {
		r.record(ctx, tx, "scope.created", "scope", s.Name, nil, nil)
	}
	if d.Scopes != nil {
		l.scopes, l.is.Scopes = true, chosenScopes(*d.Scopes, held.Scopes)
		l.note("authorized_scopes", scopeNames(was.Scopes), scopeNames(l.is.Scopes))
	}
	if d.IdentityProvider != "" {
		l.provider, l.is.IdentityProvider = held.IdentityProvider.ID, held.IdentityProvider
		l.note("identity_provider", was.IdentityProvider.Name, held.IdentityProvider.Name)
	}
	switch {
	case d.KeyPair != "":
		l.keyPair, l.is.KeyPair, l.is.PublicKey = held.KeyPair.ID, held.KeyPair.ID, held.KeyPair.PublicKey
		delete(d.Document, oauth.MemberPublicKey)
	case d.NewKey != nil:
		if l.sealed, err = r.keys.Seal([]byte(d.NewKey.Private.Reveal()), clientKeyLocation(d.ID)); err != nil {
			return l, err
		}
		l.is.KeyPair, l.is.PublicKey = "", ""
		d.Document[oauth.MemberPublicKey] = jsondoc.Must(d.NewKey.PublicPEM)
	}
	l.note("key_pair", was.KeyPair, l.is.KeyPair)
	return l, nil
}

func (l *linkChanges) note(member string, before, after any) {
	b, a := jsondoc.Must(before), jsondoc.Must(after)
	if string(b) != string(a) {
		l.noted[member] = oauth.Change{Before: b, After: a}
	}
}

func scopeNames(scopes []oauth.Scope) []string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = s.Name
	}
	return names
}

// none reports whether nothing changes.
func (l *linkChanges) none() bool { return len(l.noted) == 0 && l.sealed == nil }

// store writes the changes of a stored client.
func (l *linkChanges) store(tx *postgres.Tx, client string) {
	if l.scopes {
		ids := make([]string, len(l.is.Scopes))
		for i, s := range l.is.Scopes {
			ids[i] = s.ID
		}
		tx.SetClientScopes(client, ids)
	}
	if l.provider != "" {
		tx.SetClientIdentityProvider(client, l.provider)
	}
	if l.keyPair != "" {
		tx.ShareKeyPair(client, l.keyPair)
	}
	if l.sealed != nil {
		tx.SetClientKey(client, l.sealed)
	}
}

// relink is linkChanges for a client that exists.
func (r *Registry) relink(ctx context.Context, tx *postgres.Tx, d oauth.Draft) (linkChanges, error) {
	switch {
	case d.Links != nil:
		return r.linkChanges(ctx, tx, d, *d.Links)
	case d.Scopes == nil && d.IdentityProvider == "" && d.KeyPair == "" && d.NewKey == nil:
		return linkChanges{}, nil
	}
	was, err := tx.Links(ctx, []string{d.ID})
	if err != nil {
		return linkChanges{}, err
	}
	return r.linkChanges(ctx, tx, d, was[d.ID])
}

// chooseScopes adds to wanted what choices name. What is named may have to be
// made.
func (r *Registry) chooseScopes(wanted *postgres.Targets, choices []oauth.ScopeChoice) {
	for _, choice := range choices {
		if choice.ID != "" {
			wanted.ScopeIDs = append(wanted.ScopeIDs, choice.ID)
		} else if choice.Name != "" {
			wanted.ScopeNames = append(wanted.ScopeNames, choice.Name)
		}
	}
	slices.Sort(wanted.ScopeNames)
	wanted.ScopeNames = slices.Compact(wanted.ScopeNames)
	for _, name := range wanted.ScopeNames {
		wanted.Missing = append(wanted.Missing, oauth.Scope{ID: uuid.NewString(), Name: name, CreatedAt: r.now()})
	}
}

// chosenScopes returns the scopes among found that choices name, each once. An
// id that does not exist names nothing.
func chosenScopes(choices []oauth.ScopeChoice, found []oauth.Scope) []oauth.Scope {
	var chosen []oauth.Scope
	seen := map[string]bool{}
	for _, choice := range choices {
		i := slices.IndexFunc(found, func(s oauth.Scope) bool {
			return choice.ID != "" && s.ID == choice.ID || choice.ID == "" && s.Name == choice.Name
		})
		if i >= 0 && !seen[found[i].ID] {
			seen[found[i].ID] = true
			chosen = append(chosen, found[i])
		}
	}
	return chosen
}

// Links returns what clients are tied to, by the registry's own id. A client
// without a key shows the default shared pair, which is made if there is none.
func (r *Registry) Links(ctx context.Context, clients ...oauth.Client) (map[string]oauth.Links, error) {
	ids := make([]string, len(clients))
	for i, c := range clients {
		ids[i] = c.ID
	}
	found, err := r.store.Links(ctx, ids)
	if err != nil {
		return nil, err
	}
	var shared oauth.KeyPair
	for _, c := range clients {
		l := found[c.ID]
		if err := r.showKey(ctx, nil, c, &l, &shared); err != nil {
			return nil, err
		}
		found[c.ID] = l
	}
	return found, nil
}

// LinkedClient returns one client and what it is tied to; see Links.
func (r *Registry) LinkedClient(ctx context.Context, ref oauth.ClientRef) (oauth.Client, oauth.Links, error) {
	c, l, err := r.store.LinkedClient(ctx, ref)
	if err == nil {
		err = r.readClient(ctx, &c)
	}
	if err == nil {
		err = r.showKey(ctx, nil, c, &l, new(oauth.KeyPair))
	}
	return c, l, err
}

// showKey completes l, the links of c, by the public key that c shows. shared is
// the default pair, zero until it is needed; tx is as for defaultKeyPair.
func (r *Registry) showKey(ctx context.Context, tx *postgres.Tx, c oauth.Client, l *oauth.Links, shared *oauth.KeyPair) (err error) {
	if l.PublicKey == "" {
		l.PublicKey = jsondoc.String(c.Document[oauth.MemberPublicKey])
	}
	if l.PublicKey == "" && shared.ID == "" {
		*shared, err = r.defaultKeyPair(ctx, tx)
	}
	if l.PublicKey == "" {
		l.PublicKey = shared.PublicKey
	}
	return err
}

// mergeInto adds what l changes to the changes of a document.
func (l *linkChanges) mergeInto(changes map[string]oauth.Change) { maps.Copy(changes, l.noted) }

// LinksOf returns what the client with that id of the registry's own is tied
// to, nothing for one that does not exist. The public key is that of a shared
// pair only.
func (r *Registry) LinksOf(ctx context.Context, client string) (oauth.Links, error) {
	found, err := r.store.Links(ctx, []string{client})
	return found[client], err
}
