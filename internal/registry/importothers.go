package registry

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"maps"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/tokens"
)

// ImportOfAPI returns the import of a resource server, which is found by its
// identifier. A NewSecret replaces the one that it has; said is what the record
// says of who may have tokens. What a record leaves out, such as a key that its
// source does not show, stays as it is.
func (r *Registry) ImportOfAPI(api oauth.ResourceServer, said json.RawMessage, rights []string, warnings []Note) Import {
	one := Import{Kind: KindResourceServer, Target: api.Identifier, Rights: rights, Warnings: warnings}
	one.put = func(ctx context.Context, t *importTx) (Outcome, []Note, error) {
		api := api
		was, err := t.LockResourceServer(ctx, api.Identifier)
		if oauth.KindOf(err) == oauth.NotFound {
			terms, err := api.Terms()
			if err != nil {
				return Failed, nil, err
			}
			var notes []Note
			if terms.SigningAlg == "HS256" && api.NewSecret.IsZero() {
				api.NewSecret = oauth.NewSecret(oauth.RandomText(oauth.Alphanumeric, 32))
				notes = append(notes, Note{Code: NoteNoSecret, Message: "The source shows no signing secret: the API has a new one.", Member: "signing_secret"})
			}
			_, err = r.insertAPI(ctx, t.Tx, api)
			return Created, notes, err
		}
		if err != nil {
			return Failed, nil, err
		}
		if was.System || was.Identifier != api.Identifier { // it may be the id of another
			return Failed, nil, systemAPI
		}
		secret, err := r.OpenAPISecret(was)
		if err != nil {
			return Failed, nil, err
		}
		is := was
		if subtle.ConstantTimeCompare([]byte(secret.Reveal()), []byte(api.NewSecret.Reveal())) == 0 {
			is.NewSecret = api.NewSecret
		}
		is.Document = maps.Clone(api.Document)
		if err := is.KeepUnsaid(was, said); err != nil {
			return Failed, nil, err
		}
		if equalDocuments(was.Document, is.Document) && is.NewSecret.IsZero() {
			return Unchanged, nil, nil
		}
		_, err = r.storeAPI(ctx, t.Tx, was.Document, is)
		return Updated, nil, err
	}
	return one
}

// ImportOfGrant returns the import of a client grant, which is found by whom it
// is for and its audience. takes says why a client takes no grants. With foreign,
// a grant on an API that does not exist is skipped, and foreign says why.
func (r *Registry) ImportOfGrant(g oauth.ClientGrant, takes func(*oauth.Client) error, foreign *Note, rights []string, warnings []Note) Import {
	one := Import{Kind: KindClientGrant, Target: g.ID, Rights: rights, Warnings: warnings}
	one.put = func(ctx context.Context, t *importTx) (Outcome, []Note, error) {
		g := g
		api, err := t.HoldResourceServer(ctx, tokens.Spellings(g.Audience)...)
		if oauth.KindOf(err) == oauth.NotFound && foreign != nil {
			return Skipped, []Note{*foreign}, nil
		}
		if err != nil {
			return Failed, nil, err
		}
		g.Audience = api.Identifier
		var c oauth.Client
		if g.ClientID != "" {
			if c, err = t.LockClient(ctx, oauth.ClientRef{ClientID: g.ClientID}); err == nil {
				err = takes(&c)
			}
			if err != nil {
				return Failed, nil, err
			}
		}
		if err := checkGrant(g, api, c); err != nil {
			return Failed, nil, err
		}
		was, err := t.LockGrant(ctx, c.ID, g)
		switch {
		case oauth.KindOf(err) == oauth.NotFound:
			if err := mayGrant(ctx, api, nil, &g); err != nil {
				return Failed, nil, err
			}
			_, err = r.insertGrant(ctx, t.Tx, c.ID, g)
			return Created, nil, err
		case err != nil:
			return Failed, nil, err
		case equalDocuments(was.Document, g.Document):
			return Unchanged, nil, nil
		}
		before := was
		was.Document = g.Document
		if err := mayGrant(ctx, api, &before, &was); err != nil {
			return Failed, nil, err
		}
		if _, err := r.storeGrant(ctx, t.Tx, before.Document, was); err != nil {
			return Failed, nil, err
		}
		return Updated, nil, r.keepGrantee(ctx, t.Tx, before)
	}
	return one
}

// ImportOfScope returns the import of a scope, which is found by its id, or else
// by its name. writable says why one must not be changed.
func (r *Registry) ImportOfScope(s oauth.Scope, writable func(oauth.Scope) error, rights []string) Import {
	one := Import{Kind: KindScope, Target: s.ID, Rights: rights}
	one.put = func(ctx context.Context, t *importTx) (Outcome, []Note, error) {
		found, err := t.LockScopes(ctx, s.ID, s.Name)
		if err != nil {
			return Failed, nil, err
		}
		if len(found) == 0 {
			s.UpdatedAt = r.now()
			if s.CreatedAt.IsZero() {
				s.CreatedAt = s.UpdatedAt
			}
			r.insertScope(ctx, t.Tx, s)
			return Created, nil, nil
		}
		was := found[0]
		for _, one := range found {
			if one.ID == s.ID {
				was = one
			}
		}
		is := was
		is.Name, is.Label, is.Public = s.Name, s.Label, s.Public
		if equalDocuments(scopeDocument(was), scopeDocument(is)) {
			return Unchanged, nil, nil
		}
		if err := writable(was); err != nil {
			return Failed, nil, err
		}
		r.storeScope(ctx, t.Tx, was, is)
		return Updated, nil, nil
	}
	return one
}

// ImportOfProvider returns the import of an identity provider, which is found by
// its id. Members of the one found that p's document does not have stay.
func (r *Registry) ImportOfProvider(p oauth.IdentityProvider, rights []string, warnings []Note) Import {
	one := Import{Kind: KindIdentityProvider, Target: p.ID, Rights: rights, Warnings: warnings}
	one.put = func(ctx context.Context, t *importTx) (Outcome, []Note, error) {
		was, err := t.LockIdentityProvider(ctx, p.ID)
		if oauth.KindOf(err) == oauth.NotFound {
			p.UpdatedAt = r.now()
			if p.CreatedAt.IsZero() {
				p.CreatedAt = p.UpdatedAt
			}
			return Created, nil, r.insertProvider(ctx, t.Tx, p)
		}
		if err != nil {
			return Failed, nil, err
		}
		is := was
		is.Name, is.Document = p.Name, maps.Clone(was.Document)
		maps.Copy(is.Document, p.Document)
		if was.Name == is.Name && equalDocuments(was.Document, is.Document) {
			return Unchanged, nil, nil
		}
		return Updated, nil, r.storeProvider(ctx, t.Tx, was, is)
	}
	return one
}

// ImportOfKeyPair returns the import of a shared key pair, which is found by its
// id. private is zero where the record does not show it.
func (r *Registry) ImportOfKeyPair(k oauth.KeyPair, private oauth.Secret, rights []string) Import {
	one := Import{Kind: KindKeyPair, Target: k.ID, Rights: rights}
	one.put = func(ctx context.Context, t *importTx) (Outcome, []Note, error) {
		was, err := t.LockKeyPair(ctx, k.ID)
		missing := oauth.KindOf(err) == oauth.NotFound
		switch {
		case err != nil && !missing:
			return Failed, nil, err
		case !missing && was.PublicKey == k.PublicKey && was.Default == k.Default:
			return Unchanged, nil, nil
		case private.IsZero() && (missing || was.PublicKey != k.PublicKey):
			return Failed, nil, oauth.Invalidate(oauth.Violation{Member: "private_key", Rule: "required", Detail: "is needed: export with secrets"})
		}
		is := k
		is.Sealed, is.UpdatedAt = was.Sealed, r.now()
		if !private.IsZero() {
			if is.Sealed, err = r.keys.Seal([]byte(private.Reveal()), keyPairLocation(k.ID)); err != nil {
				return Failed, nil, err
			}
		}
		if missing {
			if is.CreatedAt.IsZero() {
				is.CreatedAt = is.UpdatedAt
			}
			r.insertKeyPair(ctx, t.Tx, is)
			return Created, nil, nil
		}
		if is.Default && !was.Default {
			t.UnsetDefaultKeyPair(is.UpdatedAt)
		}
		action := "key_pair.updated"
		if was.PublicKey != is.PublicKey {
			action = "key_pair.rotated"
		}
		is.CreatedAt = was.CreatedAt
		r.storeKeyPair(ctx, t.Tx, action, was, is)
		return Updated, nil, nil
	}
	return one
}

// Skip returns the import of a record that should not be imported.
func Skip(kind, target, why string) Import {
	return Import{Kind: kind, Target: target, Warnings: []Note{{Code: NoteSkipped, Message: why}}}
}

// Unfit returns the import of a record that cannot be imported.
func Unfit(kind, target string, err error) Import {
	return Import{Kind: kind, Target: target, Err: err}
}
