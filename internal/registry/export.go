package registry

import (
	"context"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// ExportedClient is a client with all that belongs to it but its grants.
type ExportedClient struct {
	postgres.PlacedClient
	Credentials []oauth.Credential
	Links       oauth.Links        // without a public key
	Secrets     []SecretImport     // the live ones, newest first; none unless secrets are asked for
	PrivateKey  oauth.Secret       // its own, PKCS #8 PEM; zero unless secrets are asked for
	Shows       []oauth.Disclosure // of the secrets
}

// ExportClients returns a page of clients, all but the global one, with their
// secrets if asked for.
func (r *Registry) ExportClients(ctx context.Context, after *postgres.ListPlace, limit int, secrets bool) (list []ExportedClient, more bool, err error) {
	page, more, err := r.Clients(ctx, postgres.ClientQuery{Global: new(false), After: after, Limit: limit})
	if err != nil {
		return nil, false, err
	}
	ids := make([]string, len(page))
	for i := range page {
		ids[i] = page[i].ID
	}
	credentials, err := r.store.CredentialsOf(ctx, ids)
	if err != nil {
		return nil, false, err
	}
	links, err := r.store.Links(ctx, ids)
	if err != nil {
		return nil, false, err
	}
	live, err := r.store.LiveSecretsOf(ctx, ids, r.now())
	if err != nil {
		return nil, false, err
	}
	keys, err := r.store.ClientKeys(ctx, ids)
	if err != nil {
		return nil, false, err
	}
	list = make([]ExportedClient, len(page))
	for i, p := range page {
		c := ExportedClient{PlacedClient: p, Credentials: credentials[p.ID], Links: links[p.ID]}
		key := keys[p.ID]
		if key.PublicKey != "" { // a shared pair that is deleted belongs to those that use it still
			c.Links.KeyPair = ""
			if secrets {
				c.Document[oauth.MemberPublicKey] = jsondoc.Must(key.PublicKey)
			}
		}
		if secrets {
			if !mayControl(ctx, &c.Client) {
				delete(live, p.ID)
			}
			if err := r.openExported(&c, live[p.ID], key); err != nil {
				return nil, false, err
			}
		}
		list[i] = c
	}
	return list, more, nil
}

func (r *Registry) openExported(c *ExportedClient, live []oauth.ClientSecret, key postgres.ClientKey) error {
	for _, s := range live {
		one := c.Client
		one.Secret = &s
		text, shows, err := r.ShowSecret(&one)
		if err != nil {
			return err
		}
		c.Shows = append(c.Shows, shows...)
		if !text.IsZero() { // else only its MAC is kept
			c.Secrets = append(c.Secrets, SecretImport{text, s.CreatedAt, s.ExpiresAt})
		}
	}
	sealed, location := key.Sealed, clientKeyLocation(c.ID)
	if key.Pair != nil {
		sealed, location = key.Pair, keyPairLocation(key.KeyPair)
	}
	if sealed == nil {
		return nil
	}
	text, err := r.keys.Open(sealed, location)
	if err != nil {
		return err
	}
	c.PrivateKey = oauth.NewSecret(string(text))
	c.Shows = append(c.Shows, shows(c.PrivateKey, clientKeyRead, "client", c.ClientID)...)
	return nil
}

// KeyPairsAfter returns a page of the shared key pairs in creation order, as Clients does.
func (r *Registry) KeyPairsAfter(ctx context.Context, after postgres.MadeAt, limit int) (list []oauth.KeyPair, more bool, err error) {
	return r.store.KeyPairsAfter(ctx, after, limit)
}

// ScopesAfter returns a page of the scopes in creation order, as Clients does.
func (r *Registry) ScopesAfter(ctx context.Context, after postgres.MadeAt, limit int) (list []oauth.Scope, more bool, err error) {
	return r.store.ScopesAfter(ctx, after, limit)
}

// IdentityProvidersAfter returns a page of the identity providers in creation order, as Clients does.
func (r *Registry) IdentityProvidersAfter(ctx context.Context, after postgres.MadeAt, limit int) (list []oauth.IdentityProvider, more bool, err error) {
	return r.store.IdentityProvidersAfter(ctx, after, limit)
}

// ExportAPIs returns a page of the resource servers, all but Roster's own.
func (r *Registry) ExportAPIs(ctx context.Context, after int64, limit int) (list []postgres.PlacedAPI, more bool, err error) {
	return r.store.ResourceServersAfter(ctx, after, limit)
}
