package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/servertest"
)

func TestCallersThatHangUpAreNoFaultOfTheService(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "held"}).Want(http.StatusCreated).Object()["client_id"].(string)
	hold, err := s.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hold.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := hold.Exec(t.Context(), "SELECT FROM clients WHERE client_id = $1 FOR UPDATE", id); err != nil {
		t.Fatal(err)
	}

	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "PATCH", s.URL+"/api/v2/clients/"+id, strings.NewReader(`{"name":"changed"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Admin)
	req.Header.Set("Content-Type", "application/json")
	done := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(req)
		done <- err
	}()
	wait(t, "the change waits for the client", func() bool {
		var waiting bool
		err := s.Pool.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')").Scan(&waiting)
		return err == nil && waiting
	})
	hangUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("answered while the client was held: %v", err)
	}
	wait(t, "the request ends", func() bool { return strings.Contains(s.Log.String(), `"method":"PATCH"`) })
	if !strings.Contains(s.Log.String(), `"method":"PATCH","route":"/api/v2/clients/:client_id","status":499`) {
		t.Errorf("the log says %s", s.Log)
	}
}

// wait tries until something is so.
func wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
