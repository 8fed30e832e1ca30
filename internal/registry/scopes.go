package registry

import (
	"context"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

func scopeDocument(s oauth.Scope) jsondoc.Object {
	return jsondoc.Object{"id": jsondoc.Must(s.ID), "name": jsondoc.Must(s.Name), "label": jsondoc.Must(s.Label), "public": jsondoc.Must(s.Public)}
}

// CreateScope registers a scope. An empty ID is generated.
func (r *Registry) CreateScope(ctx context.Context, s oauth.Scope) (oauth.Scope, error) {
	if s.ID == "" {
		s.ID = uuid.NewString()
	}
	s.CreatedAt = r.now()
	s.UpdatedAt = s.CreatedAt
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		r.insertScope(ctx, tx, s)
		return nil
	})
	return s, err
}

func (r *Registry) insertScope(ctx context.Context, tx *postgres.Tx, s oauth.Scope) {
	tx.InsertScope(s)
	r.record(ctx, tx, "scope.created", "scope", s.Name, nil, scopeDocument(s))
}

// Scope returns one scope.
func (r *Registry) Scope(ctx context.Context, id string) (oauth.Scope, error) {
	return r.store.Scope(ctx, id)
}

// UpdateScope stores what edit makes of a scope, its id included.
func (r *Registry) UpdateScope(ctx context.Context, id string, edit func(*oauth.Scope) error) (oauth.Scope, error) {
	var s oauth.Scope
	err := r.store.Write(ctx, func(tx *postgres.Tx) error {
		var err error
		if s, err = tx.LockScope(ctx, id); err != nil {
			return err
		}
		before := s
		if err := edit(&s); err != nil {
			return err
		}
		r.storeScope(ctx, tx, before, s)
		return nil
	})
	return s, err
}

// DeleteScope removes a scope, from clients too, unless may objects.
func (r *Registry) DeleteScope(ctx context.Context, id string, may func(oauth.Scope) error) error {
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		s, err := tx.LockScope(ctx, id)
		if err != nil {
			return err
		}
		if err := may(s); err != nil {
			return err
		}
		tx.DeleteScope(s.ID)
		r.record(ctx, tx, "scope.deleted", "scope", s.Name, scopeDocument(s), nil)
		return nil
	})
}

// storeScope stores s over the locked scope before.
func (r *Registry) storeScope(ctx context.Context, tx *postgres.Tx, before, s oauth.Scope) {
	s.UpdatedAt = r.now()
	tx.UpdateScope(before.ID, s)
	r.record(ctx, tx, "scope.updated", "scope", before.Name, scopeDocument(before), scopeDocument(s))
}
