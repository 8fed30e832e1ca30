package server_test

import (
	"context"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

// lock is one on a client's row: requests that change the client wait for it.
type lock struct {
	t       testing.TB
	s       *servertest.Server
	pid     uint32 // of the session that has it
	release func()
}

// hold locks a client's row until release is called, or the test ends.
func hold(t testing.TB, s *servertest.Server, id string) *lock {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	tx, err := s.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	release := func() { _ = tx.Rollback(ctx) } // a second one finds nothing to do
	t.Cleanup(release)
	if _, err := tx.Exec(ctx, "SELECT FROM clients WHERE client_id = $1 FOR UPDATE", id); err != nil {
		t.Fatal(err)
	}
	return &lock{t, s, tx.Conn().PgConn().PID(), release}
}

// awaited returns once somebody waits for the lock.
func (l *lock) awaited() {
	l.t.Helper()
	servertest.Eventually(l.t, "a change waits for the client", func() bool {
		var waiting bool
		err := l.s.Pool.QueryRow(context.WithoutCancel(l.t.Context()),
			"SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND $1 = ANY (pg_blocking_pids(pid)))", l.pid).Scan(&waiting)
		return err == nil && waiting
	})
}

// occupy has a request wait inside the service until the function that it
// returns is called, or the test ends.
func occupy(t testing.TB, s *servertest.Server) (leave func()) {
	t.Helper()
	path := "/api/v2/clients"
	id := s.Do(s.Admin, "POST", path, map[string]any{"name": "held"}).Want(201).Object()["client_id"].(string)
	client := hold(t, s, id)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if r := s.Do(s.Admin, "PATCH", path+"/"+id, map[string]any{"name": "changed"}); r.Status != 200 {
			t.Errorf("the request that was held ends with %d: %s", r.Status, r.Body)
		}
	}()
	leave = func() { client.release(); <-done }
	t.Cleanup(leave)
	client.awaited()
	return leave
}
