package main_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestEventsAreShown(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	id := c.create(map[string]any{"name": "billing"})["client_id"].(string)
	c.ok("clients", "update", id, "--name", "invoicing")
	if got := column(c.list("events", "--target", id), "action"); len(got) < 2 || got[len(got)-1] != "client.created" {
		t.Errorf("events of the client: %v", got)
	}
	if got := c.list("events", "--target", id, "--action", "client.created", "--since", "1d"); len(got) != 1 {
		t.Errorf("of its creation: %v", got)
	}
	if table := c.ok("events", "--limit", "1"); !strings.HasPrefix(table, "WHEN ") || strings.Count(table, "\n") != 2 {
		t.Errorf("as a table:\n%s", table)
	}
	c.fails(2, "--follow begins now", "events", "--follow", "--limit", "3")
}

func TestWhoamiTellsWhoCallsWhom(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	got := c.object("whoami")
	if got["url"] != c.URL || got["issuer"] != c.URL+"/" || len(got["scopes"].([]any)) == 0 || got["expires_at"] == nil {
		t.Errorf("it says %v", got)
	}
	refuse(t, []string{"ROSTER_URL=" + c.URL, "ROSTER_TOKEN=x"}, []string{"whoami"}, "refuses the token")
}

func TestClientsAreFoundByName(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for _, name := range []string{"Billing", "billing for partners", "shop"} {
		c.create(map[string]any{"name": name})
	}
	if got := c.list("clients", "list", "--name", "bill"); len(got) != 2 {
		t.Errorf("it lists %v", column(got, "name"))
	}
	if got := c.list("clients", "list", "--name-prefix", "BILLING F", "--state", "active"); len(got) != 1 {
		t.Errorf("it lists %v", column(got, "name"))
	}
	c.fails(1, "name", "clients", "list", "--name", "bi")
	if ids := c.ok("clients", "list", "--name", "shop", "-q"); strings.Count(ids, "\n") != 1 || strings.Contains(ids, " ") {
		t.Errorf("-q prints %q", ids)
	}
}

func TestATokenIsHadAsAClient(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	made := c.create(map[string]any{"name": "caller", "grant_types": []string{"client_credentials"}})
	id := made["client_id"].(string)
	c.ok("grants", "create", "--client", id, "--audience", c.URL+"/api/v2/", "--scope", "read:clients")
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, made["client_secret"].(string)+"\n")
	for _, args := range [][]string{nil, {"--secret-file", file}} {
		token := strings.TrimSpace(c.ok(append([]string{"clients", "token", id, "--audience", c.URL + "/api/v2/"}, args...)...))
		c.Do(token, http.MethodGet, "/api/v2/clients", nil).Want(http.StatusOK)
	}
	c.fails(2, "--audience is required", "clients", "token", id)
}

func TestTokensAreAskedAboutAndRevoked(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	made := c.create(map[string]any{"name": "caller", "grant_types": []string{"client_credentials"}})
	id, secret := made["client_id"].(string), made["client_secret"].(string)
	c.ok("grants", "create", "--client", id, "--audience", c.URL+"/api/v2/", "--scope", "read:clients")
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, c.ok("clients", "token", id, "--audience", c.URL+"/api/v2/"))
	if got := c.object("tokens", "introspect", file); got["active"] != true || got["client_id"] != id || len(got["scopes"].([]any)) != 1 {
		t.Errorf("it says %v", got)
	}
	own := []string{"ROSTER_URL=" + c.URL, "ROSTER_CLIENT_ID=" + id, "ROSTER_CLIENT_SECRET=" + secret}
	refuse(t, own, []string{"tokens", "introspect", file}, "read:tokens")
	if stdout, stderr, code := run(t, own, "tokens", "revoke", file); code != 0 {
		t.Fatal(stdout, stderr)
	}
	if got := c.object("tokens", "introspect", file); len(got) != 1 || got["active"] != false {
		t.Errorf("after it was revoked it says %v", got)
	}
}
