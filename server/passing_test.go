package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

// wantLater fails unless r says that the same request may succeed later.
func wantLater(t *testing.T, what string, r servertest.Response) {
	t.Helper()
	if r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %d, Retry-After %q: %s", what, r.Status, r.Header.Get("Retry-After"), r.Body)
	}
}

// set changes what sessions of the service's database begin with.
func set(t *testing.T, s *servertest.Server, setting string) {
	t.Helper()
	var name string
	if err := s.Pool.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pool.Exec(t.Context(), "ALTER DATABASE "+name+" SET "+setting); err != nil {
		t.Fatal(err)
	}
	s.Serving.Reset()
}

func TestTimeoutsOfTheDatabaseAreTriedAgainLater(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"statement_timeout", "lock_timeout"} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			made := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "held"}).Want(http.StatusCreated).Object()
			id := made["client_id"].(string)
			client := hold(t, s, id)
			set(t, s, setting+" = '50ms'")
			wantLater(t, "a change", s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"name": "changed"}))
			wantLater(t, "a rotation", s.Do(s.Admin, "POST", "/api/v2/clients/"+id+"/rotate-secret", nil))
			wantLater(t, "a removal", s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil))
			client.release()
			if strings.Contains(s.Log.String(), `"level":"ERROR"`) {
				t.Errorf("the log has errors: %s", s.Log)
			}
		})
	}
}

func TestDatabaseThatTakesNoChangesIsReadAndTriedAgainLater(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	created := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{
		"name": "read", "grant_types": []string{"client_credentials"},
	}).Want(http.StatusCreated).Object()
	id, management := created["client_id"].(string), s.URL+"/api/v2/"
	s.Do(s.Admin, "POST", "/api/v2/client-grants", map[string]any{
		"client_id": id, "audience": management, "scope": []string{"read:clients"},
	}).Want(http.StatusCreated)
	reader := s.Token("read:clients")
	set(t, s, "default_transaction_read_only = on")

	s.Do(reader, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
	wantLater(t, "creating", s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "another"}))
	wantLater(t, "changing", s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"name": "changed"}))
	wantLater(t, "removing", s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil))
	wantLater(t, "reading a secret, which is an event", s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil))
	wantLater(t, "creating a scope", s.Do(s.Admin, "POST", "/api/scopes", map[string]any{"scope": map[string]any{"name": "a"}}))
	wantLater(t, "a token", s.Do("", "POST", "/oauth/token", map[string]any{
		"grant_type": "client_credentials", "client_id": id, "client_secret": created["client_secret"], "audience": management,
	}))
	if strings.Contains(s.Log.String(), `"level":"ERROR"`) {
		t.Errorf("the log has errors: %s", s.Log)
	}
}
