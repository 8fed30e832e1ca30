package registry_test

import (
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/internal/servertest"
)

// A rotation that has waited for a grant sees what the client is granted now.
func TestARotationThatWaitsForAGrantIsRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	w := newWorld(t, s, rights.Of("update:client_keys"), 0)
	ctx, c := t.Context(), w.clients[0]
	tx, err := s.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx) // after the commit it does nothing
	for _, sql := range []string{
		`SELECT FROM clients WHERE client_id = $1 FOR UPDATE`,
		`INSERT INTO client_grants (id, client, audience, subject_type, document, created_at, updated_at)
			SELECT 'cgr_0123456789abcdef', c.id, r.identifier, 'client', '{"scope":["read:logs"]}', now(), now() FROM clients c, resource_servers r WHERE c.client_id = $1 AND r.is_system`,
	} {
		if _, err := tx.Exec(ctx, sql, c.clientID); err != nil {
			t.Fatal(err)
		}
	}
	answered := make(chan servertest.Response)
	go func() { answered <- s.Do(w.token, "POST", "/api/v2/clients/"+c.clientID+"/rotate-secret", nil) }()
	for deadline := time.Now().Add(time.Minute); ; {
		var waits bool
		if err := s.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database())`).Scan(&waits); err != nil || time.Now().After(deadline) {
			t.Fatalf("the rotation does not wait: %v", err)
		}
		if waits {
			break
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	(<-answered).Want(403)
}

// A grant and a rotation of somebody who has less come one after the other: the
// rotation is refused, or it was before the grant.
func TestAGrantAndARotationAtOnceAreInOrder(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	sets := make([]rights.Set, 12)
	w := newWorld(t, s, rights.Of("update:client_keys"), sets...)
	for i, c := range w.clients {
		granted, rotated := make(chan servertest.Response), make(chan servertest.Response)
		grant := func() {
			granted <- s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": c.clientID, "audience": s.Registry.ManagementAudience(), "scope": []string{"read:logs"}})
		}
		rotate := func() { rotated <- s.Do(w.token, "POST", "/api/v2/clients/"+c.clientID+"/rotate-secret", nil) }
		if i%2 == 0 {
			go grant()
			go rotate()
		} else {
			go rotate()
			go grant()
		}
		id := (<-granted).Want(201).Object()["id"]
		if (<-rotated).Status == 403 {
			continue
		}
		var inOrder bool
		err := s.Pool.QueryRow(t.Context(), `SELECT (SELECT id FROM events WHERE action = 'client.secret_rotated' AND target = $1)
			< (SELECT id FROM events WHERE action = 'client_grant.created' AND target = $2)`, c.clientID, id).Scan(&inOrder)
		if err != nil || !inOrder {
			t.Errorf("a secret was rotated after the grant by somebody who lacks what is granted: %v", err)
		}
	}
}
