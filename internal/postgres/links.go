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
	err := r.ask(ctx, linksOf(byClient, "unnest($1::uuid[]) c (id)", "", clients))
	return byClient, err
}

// linksOf asks what those clients c of from are tied to that where selects, and
// puts it into byClient.
func linksOf(byClient map[string]oauth.Links, from, where string, args ...any) question {
	return rows(new([]string), func(row pgx.CollectableRow) (client string, err error) {
		var l oauth.Links
		var scopes json.RawMessage
		if err = row.Scan(&client, &scopes, &l.IdentityProvider.ID, &l.IdentityProvider.Name, &l.KeyPair, &l.PublicKey); err == nil && scopes != nil {
			err = json.Unmarshal(scopes, &l.Scopes)
		}
		byClient[client] = l
		return client, err
	}, `SELECT c.id::text,
			(SELECT json_agg(json_build_object('ID', s.id, 'Name', s.name, 'Public', s.public) ORDER BY cs.position)
				FROM client_scopes cs JOIN scopes s ON s.id = cs.scope WHERE cs.client = c.id),
			coalesce(p.id::text, ''), coalesce(p.name, ''), coalesce(k.id::text, ''), coalesce(k.public_key, '')
		FROM (SELECT c.id FROM `+from+where+`) c
			LEFT JOIN client_identity_providers cp ON cp.client = c.id
			LEFT JOIN identity_providers p ON p.id = cp.identity_provider
			LEFT JOIN client_keys ck ON ck.client = c.id
			LEFT JOIN key_pairs k ON k.id = ck.key_pair`, args...)
}

// Targets are records that a client is to be tied to.
type Targets struct {
	Missing              []oauth.Scope // to be made where their names are free; see MakeScopes
	ScopeIDs, ScopeNames []string
	IdentityProvider     string // id; "" for none
	KeyPair              string // id; "" for none
}

// Held are the Targets that exist, those that were made among them.
type Held struct {
	Made, Scopes     []oauth.Scope
	IdentityProvider oauth.IdentityProvider
	KeyPair          oauth.KeyPair
}

// HoldTargets reads records and keeps them from going until the transaction
// ends. A scope that does not exist is left out; an identity provider or key
// pair is NotFound.
func (t *Tx) HoldTargets(ctx context.Context, w Targets) (held Held, err error) {
	var ask []question
	if len(w.Missing) > 0 {
		t.save(true)
		ask = append(ask, makeScopes(&held.Made, w.Missing))
	}
	if len(w.ScopeIDs)+len(w.ScopeNames) > 0 {
		ask = append(ask, holdScopes(&held.Scopes, w.ScopeIDs, w.ScopeNames))
	}
	var providers []oauth.IdentityProvider
	if w.IdentityProvider != "" {
		ask = append(ask, rows(&providers, scanIdentityProvider, holdProvider, w.IdentityProvider))
	}
	var pairs []oauth.KeyPair
	if w.KeyPair != "" {
		ask = append(ask, rows(&pairs, scanKeyPair, holdKeyPair, w.KeyPair))
	}
	if len(ask) == 0 {
		return held, nil
	}
	err = t.ask(ctx, ask...)
	if w.IdentityProvider != "" {
		held.IdentityProvider, err = first(providers, "identity_provider", err)
	}
	if w.KeyPair != "" && err == nil {
		held.KeyPair, err = first(pairs, "key_pair", err)
	}
	return held, err
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
