package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

// Links returns what clients are tied to, by client. The public key is that of
// a shared pair only.
func (r reader) Links(ctx context.Context, clients []string) (map[string]oauth.Links, error) {
	byClient := make(map[string]oauth.Links, len(clients))
	_, err := all(ctx, r, func(row pgx.CollectableRow) (client string, err error) {
		var l oauth.Links
		var scopes json.RawMessage
		if err = row.Scan(&client, &scopes, &l.IdentityProvider.ID, &l.IdentityProvider.Name, &l.KeyPair, &l.PublicKey); err == nil && scopes != nil {
			err = json.Unmarshal(scopes, &l.Scopes)
		}
		byClient[client] = l
		return client, err
	}, `SELECT w.id::text,
			(SELECT json_agg(json_build_object('ID', s.id, 'Name', s.name, 'Public', s.public) ORDER BY cs.position)
				FROM client_scopes cs JOIN scopes s ON s.id = cs.scope WHERE cs.client = w.id),
			coalesce(p.id::text, ''), coalesce(p.name, ''), coalesce(k.id::text, ''), coalesce(k.public_key, '')
		FROM unnest($1::uuid[]) w (id)
			LEFT JOIN client_identity_providers cp ON cp.client = w.id
			LEFT JOIN identity_providers p ON p.id = cp.identity_provider
			LEFT JOIN client_keys ck ON ck.client = w.id
			LEFT JOIN key_pairs k ON k.id = ck.key_pair`, clients)
	return byClient, err
}

// SetClientKey gives a client a key of its own, sealed.
func (t *Tx) SetClientKey(client string, sealed []byte) {
	t.write(`INSERT INTO client_keys (client, sealed) VALUES ($1, $2)
		ON CONFLICT (client) DO UPDATE SET sealed = excluded.sealed, key_pair = NULL`, client, sealed)
}

// ShareKeyPair makes a client use a shared key pair.
func (t *Tx) ShareKeyPair(client, keyPair string) {
	t.write(`INSERT INTO client_keys (client, key_pair) VALUES ($1, $2)
		ON CONFLICT (client) DO UPDATE SET sealed = NULL, key_pair = excluded.key_pair`, client, keyPair)
}

// SetClientScopes replaces the scopes that a client is authorized for.
func (t *Tx) SetClientScopes(client string, scopes []string) {
	t.write(`DELETE FROM client_scopes WHERE client = $1`, client)
	if len(scopes) > 0 {
		t.write(`INSERT INTO client_scopes (client, scope, position)
			SELECT $1::uuid, s.id, s.position FROM unnest($2::uuid[]) WITH ORDINALITY s (id, position)`, client, scopes)
	}
}

// SetClientIdentityProvider makes provider the client's.
func (t *Tx) SetClientIdentityProvider(client, provider string) {
	t.write(`INSERT INTO client_identity_providers (client, identity_provider) VALUES ($1, $2)
		ON CONFLICT (client) DO UPDATE SET identity_provider = excluded.identity_provider`, client, provider)
}
