package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

func TestClientLivesFromCreateToDelete(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	created := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "billing", "client_metadata": map[string]string{"tier": "gold", "team": "pay"}}).Want(http.StatusCreated).Object()
	id := created["client_id"].(string)
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"client_metadata": map[string]any{"team": "core", "tier": nil}}).Want(http.StatusOK)
	got := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(http.StatusOK).Object()
	if m := got["client_metadata"].(map[string]any); len(m) != 1 || m["team"] != "core" {
		t.Errorf("client_metadata is %v after the merge", m)
	}
	if got["client_secret"] != created["client_secret"] {
		t.Error("the secret changed though nobody rotated it")
	}
	s.Do(s.Admin, "GET", "/api/v2/clients?include_totals=true", nil).Want(http.StatusOK)
	s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil).Want(http.StatusNoContent)
	s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil).Want(http.StatusNoContent)
	s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(http.StatusNotFound)
}

func TestPathsOutsideEveryDialectAnswerProblems(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Do("", "GET", "/nowhere", nil).Want(http.StatusNotFound)
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	r = s.Do("", "GET", "/api/v2/nowhere", nil).Want(http.StatusNotFound)
	if !strings.Contains(string(r.Body), `"statusCode":404`) {
		t.Errorf("not the dialect's body: %s", r.Body)
	}
	s.Do("", "PUT", "/healthz", nil).Want(http.StatusMethodNotAllowed)
}
