package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rosterhq/roster/internal/oauth"
)

// Try runs fn as Write does and then undoes it: the error is what Write's would
// be.
func (s *Store) Try(ctx context.Context, fn func(*Tx) error) error {
	undo := errors.New("undone")
	err := s.Write(ctx, func(t *Tx) error {
		err := fn(t)
		if err == nil {
			err = t.Flush(ctx)
		}
		if err == nil {
			err = &oauth.Error{Kind: oauth.Invalid, Err: undo} // which Write passes unchanged
		}
		return err
	})
	if errors.Is(err, undo) {
		return nil
	}
	return err
}

// Refused reports whether the database refused something, so that nothing more
// can be done in its transaction.
func Refused(err error) bool {
	_, refused := errors.AsType[*pgconn.PgError](err)
	return refused
}

// Pending counts the writes that were collected and not sent.
func (t *Tx) Pending() int { return t.writes.Len() }

// Forget drops all collected writes but the first n.
func (t *Tx) Forget(n int) { t.writes.QueuedQueries = t.writes.QueuedQueries[:n] }

// Flush sends what was collected, so that later reads see it.
func (t *Tx) Flush(ctx context.Context) error {
	if t.writes.Len() == 0 {
		return nil
	}
	if t.tx == nil {
		tx, err := t.pool.Begin(ctx)
		if err != nil {
			return translate(err)
		}
		t.tx = tx
	}
	err := t.tx.SendBatch(ctx, &t.writes).Close()
	t.writes = pgx.Batch{}
	return translate(err)
}

// LockClients reads the clients that have one of the identifiers, and keeps
// others from changing them until the transaction ends.
func (t *Tx) LockClients(ctx context.Context, clientIDs, ids []string) ([]oauth.Client, error) {
	// In the order of the ids, so that two transactions wait for each other in the
	// same order; in two statements, as LockClient.
	found, err := all(ctx, t, pgx.RowTo[string],
		`SELECT id::text FROM clients WHERE client_id = ANY ($1) OR id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE`, clientIDs, ids)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return all(ctx, t, scanClient, "SELECT "+clientColumns+" FROM clients c"+newestSecret+" WHERE c.id = ANY ($1::uuid[])", found)
}

// CredentialsOf returns the credentials of clients, by client, in creation
// order.
func (s *Store) CredentialsOf(ctx context.Context, clients []string) (map[string][]oauth.Credential, error) {
	return credentialsOf(ctx, s, clients)
}

// CredentialsOf returns the credentials of clients, by client, in creation
// order.
func (t *Tx) CredentialsOf(ctx context.Context, clients []string) (map[string][]oauth.Credential, error) {
	return credentialsOf(ctx, t, clients)
}

func credentialsOf(ctx context.Context, q querier, clients []string) (map[string][]oauth.Credential, error) {
	list, err := all(ctx, q, scanCredential, "SELECT "+credentialColumns+" FROM credentials k WHERE k.client = ANY ($1::uuid[]) ORDER BY k.serial", clients)
	byClient := map[string][]oauth.Credential{}
	for _, c := range list {
		byClient[c.Client] = append(byClient[c.Client], c)
	}
	return byClient, err
}

// LiveSecretsOf returns the secrets of clients that are good at now, by client,
// newest first.
func (s *Store) LiveSecretsOf(ctx context.Context, clients []string, now time.Time) (map[string][]oauth.ClientSecret, error) {
	return liveSecretsOf(ctx, s, clients, now)
}

// LiveSecretsOf returns the secrets of clients that are good at now, by client,
// newest first.
func (t *Tx) LiveSecretsOf(ctx context.Context, clients []string, now time.Time) (map[string][]oauth.ClientSecret, error) {
	return liveSecretsOf(ctx, t, clients, now)
}

func liveSecretsOf(ctx context.Context, q querier, clients []string, now time.Time) (map[string][]oauth.ClientSecret, error) {
	type owned struct {
		client string
		oauth.ClientSecret
	}
	list, err := all(ctx, q, func(row pgx.CollectableRow) (o owned, err error) {
		err = row.Scan(&o.client, &o.ID, &o.Sealed, &o.MAC, &o.CreatedAt, &o.ExpiresAt, &o.LastUsedAt)
		return o, err
	}, "SELECT client::text, "+secretColumns+` FROM client_secrets
		WHERE client = ANY ($1::uuid[]) AND (expires_at IS NULL OR expires_at > $2) ORDER BY created_at DESC, id DESC`, clients, now)
	byClient := map[string][]oauth.ClientSecret{}
	for _, o := range list {
		byClient[o.client] = append(byClient[o.client], o.ClientSecret)
	}
	return byClient, err
}

// LockGrant reads, for changing it, the grant of a client, by its uuid, or of a
// class of clients on an API.
func (t *Tx) LockGrant(ctx context.Context, client string, g oauth.ClientGrant) (oauth.ClientGrant, error) {
	return one(ctx, t, "client_grant", scanGrant, "SELECT "+grantColumns+grantTables+`
		WHERE g.audience = $1 AND g.subject_type = $2 AND (g.client = nullif($3, '')::uuid OR g.default_for = nullif($4, '')) FOR UPDATE OF g`,
		g.Audience, g.SubjectType, client, g.DefaultFor)
}

// LockScopes reads, for changing them, the scopes with that id or name.
func (t *Tx) LockScopes(ctx context.Context, id, name string) ([]oauth.Scope, error) {
	return all(ctx, t, scanScope, "SELECT "+scopeColumns+" FROM scopes WHERE id = nullif($1, '')::uuid OR name = $2 ORDER BY id FOR UPDATE", id, name)
}
