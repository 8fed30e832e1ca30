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

// linkChanges are what a draft changes beside its document, ready to be stored
// once the client is.
type linkChanges struct {
	scopes   *[]string // ids
	provider string
	keyPair  string
	sealed   []byte // private key
	noted    map[string]oauth.Change
}

// linkChanges finds what d names. It makes scopes that do not exist yet, and
// keeps the public half of a new key in d's document. NotFound names an
// identity provider or key pair that does not exist.
func (r *Registry) linkChanges(ctx context.Context, tx *postgres.Tx, d oauth.Draft, was oauth.Links) (linkChanges, error) {
	l := linkChanges{noted: map[string]oauth.Change{}}
	if d.Scopes != nil {
		scopes, err := r.chosenScopes(ctx, tx, *d.Scopes)
		if err != nil {
			return l, err
		}
		l.note("authorized_scopes", scopeNames(was.Scopes), scopeNames(scopes))
		ids := make([]string, len(scopes))
		for i, s := range scopes {
			ids[i] = s.ID
		}
		l.scopes = &ids
	}
	if d.IdentityProvider != "" {
		p, err := tx.HoldIdentityProvider(ctx, d.IdentityProvider)
		if err != nil {
			return l, err
		}
		l.provider = p.ID
		l.note("identity_provider", was.IdentityProvider.Name, p.Name)
	}
	switch {
	case d.KeyPair != "":
		pair, err := tx.HoldKeyPair(ctx, d.KeyPair)
		if err != nil {
			return l, err
		}
		l.keyPair = pair.ID
		l.note("key_pair", was.KeyPair, pair.ID)
		delete(d.Document, oauth.MemberPublicKey)
	case d.NewKey != nil:
		var err error
		if l.sealed, err = r.keys.Seal([]byte(d.NewKey.Private.Reveal()), clientKeyLocation(d.ID)); err != nil {
			return l, err
		}
		l.note("key_pair", was.KeyPair, "")
		d.Document[oauth.MemberPublicKey] = jsondoc.Must(d.NewKey.PublicPEM)
	}
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
	if l.scopes != nil {
		tx.SetClientScopes(client, *l.scopes)
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
	if d.Scopes == nil && d.IdentityProvider == "" && d.KeyPair == "" && d.NewKey == nil {
		return linkChanges{}, nil
	}
	was, err := tx.Links(ctx, []string{d.ID})
	if err != nil {
		return linkChanges{}, err
	}
	return r.linkChanges(ctx, tx, d, was[d.ID])
}

// chosenScopes returns the scopes that choices name, each once, and makes those
// that are named but do not exist. An id that does not exist names nothing.
func (r *Registry) chosenScopes(ctx context.Context, tx *postgres.Tx, choices []oauth.ScopeChoice) ([]oauth.Scope, error) {
	var ids, names []string
	for _, choice := range choices {
		if choice.ID != "" {
			ids = append(ids, choice.ID)
		} else if choice.Name != "" {
			names = append(names, choice.Name)
		}
	}
	slices.Sort(names)
	var missing []oauth.Scope
	for _, name := range slices.Compact(names) {
		missing = append(missing, oauth.Scope{ID: uuid.NewString(), Name: name, CreatedAt: r.now()})
	}
	made, err := tx.MakeScopes(ctx, missing)
	if err != nil {
		return nil, err
	}
	for _, s := range made {
		r.record(ctx, tx, "scope.created", "scope", s.Name, nil, nil)
	}
	if len(ids)+len(names) == 0 {
		return nil, nil
	}
	found, err := tx.HoldScopes(ctx, ids, names)
	if err != nil {
		return nil, err
	}
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
	return chosen, nil
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
		if l.PublicKey == "" {
			l.PublicKey = jsondoc.String(c.Document[oauth.MemberPublicKey])
		}
		if l.PublicKey == "" {
			if shared.ID == "" {
				if shared, err = r.defaultKeyPair(ctx); err != nil {
					return nil, err
				}
			}
			l.PublicKey = shared.PublicKey
		}
		found[c.ID] = l
	}
	return found, nil
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
