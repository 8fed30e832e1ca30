package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

const scopeColumns = `id::text, name, label, public, created_at, updated_at`

func scanScope(row pgx.CollectableRow) (oauth.Scope, error) {
	var s oauth.Scope
	err := row.Scan(&s.ID, &s.Name, &s.Label, &s.Public, &s.CreatedAt, &s.UpdatedAt)
	return s, err
}

// Scope reads one scope.
func (r reader) Scope(ctx context.Context, id string) (oauth.Scope, error) {
	return one(ctx, r, "scope", scanScope, "SELECT "+scopeColumns+" FROM scopes WHERE id = $1", id)
}

// LockScope reads one scope for changing it.
func (t *Tx) LockScope(ctx context.Context, id string) (oauth.Scope, error) {
	return one(ctx, t, "scope", scanScope, "SELECT "+scopeColumns+" FROM scopes WHERE id = $1 FOR UPDATE", id)
}

// LockScopes reads, for changing them, the scopes with that id or name.
func (t *Tx) LockScopes(ctx context.Context, id, name string) ([]oauth.Scope, error) {
	return all(ctx, t, scanScope, "SELECT "+scopeColumns+" FROM scopes WHERE id = nullif($1, '')::uuid OR name = $2 ORDER BY id FOR UPDATE", id, name)
}

// InsertScope stores a new scope.
func (t *Tx) InsertScope(s oauth.Scope) {
	t.write(`INSERT INTO scopes (id, name, label, public, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		s.ID, s.Name, s.Label, s.Public, s.CreatedAt, s.UpdatedAt)
}

// UpdateScope stores s over the locked scope with that id, which may get
// another one.
func (t *Tx) UpdateScope(id string, s oauth.Scope) {
	t.write(`UPDATE scopes SET id = $2, name = $3, label = $4, public = $5, updated_at = $6 WHERE id = $1`,
		id, s.ID, s.Name, s.Label, s.Public, s.UpdatedAt)
}

// DeleteScope removes a scope, from clients too.
func (t *Tx) DeleteScope(id string) { t.write(`DELETE FROM scopes WHERE id = $1`, id) }

// MakeScopes stores those of list whose name is free and returns them. list is
// in the order of the names, so that two transactions wait for each other in
// the same order.
func (t *Tx) MakeScopes(ctx context.Context, list []oauth.Scope) (made []oauth.Scope, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	t.save(true)
	err = t.ask(ctx, makeScopes(&made, list))
	return made, err
}

func makeScopes(made *[]oauth.Scope, list []oauth.Scope) question {
	ids, names, public := make([]string, len(list)), make([]string, len(list)), make([]bool, len(list))
	for i, s := range list {
		ids[i], names[i], public[i] = s.ID, s.Name, s.Public
	}
	return rows(made, scanScope, `INSERT INTO scopes (id, name, public, created_at, updated_at)
		SELECT w.id, w.name, w.public, $4, $4 FROM unnest($1::uuid[], $2::text[], $3::bool[]) w (id, name, public)
		ON CONFLICT (name) DO NOTHING RETURNING `+scopeColumns, ids, names, public, list[0].CreatedAt)
}

// HoldScopes returns the scopes that have one of the ids or names, and keeps
// them from going until the transaction ends.
func (t *Tx) HoldScopes(ctx context.Context, ids, names []string) (found []oauth.Scope, err error) {
	err = t.ask(ctx, holdScopes(&found, ids, names))
	return found, err
}

func holdScopes(found *[]oauth.Scope, ids, names []string) question {
	return rows(found, scanScope, "SELECT "+scopeColumns+" FROM scopes WHERE id = ANY ($1::uuid[]) OR name = ANY ($2) ORDER BY id FOR KEY SHARE", ids, names)
}
