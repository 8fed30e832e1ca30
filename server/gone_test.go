package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

func TestCallersThatHangUpAreNoFaultOfTheService(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "held"}).Want(http.StatusCreated).Object()["client_id"].(string)
	client := hold(t, s, id)

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
	client.awaited()
	hangUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("answered while the client was held: %v", err)
	}
	servertest.Eventually(t, "the request ends", func() bool { return strings.Contains(s.Log.String(), `"method":"PATCH"`) })
	if !strings.Contains(s.Log.String(), `"method":"PATCH","route":"/api/v2/clients/:client_id","status":499`) {
		t.Errorf("the log says %s", s.Log)
	}
}
