package main_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestClientsAreSwitchedOffAndOn(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	var ids []string
	for range 2 {
		o := c.Do(c.Admin, "POST", "/api/v2/clients", map[string]any{"name": "off"}).Want(http.StatusCreated).Object()
		ids = append(ids, o["client_id"].(string))
	}
	if got, want := c.ok("clients", "disable", ids[0], ids[1], "--reason", "a drill"), "client "+ids[0]+" disabled\nclient "+ids[1]+" disabled\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if got := c.Do(c.Admin, "GET", "/api/roster/v1/clients/"+ids[0]+"/state", nil).Object(); got["state"] != "disabled" || got["reason"] != "a drill" {
		t.Errorf("it is %v", got)
	}
	if got := c.ok("clients", "list", "--state", "disabled"); !strings.Contains(got, "STATE") || strings.Count(got, "disabled") != 2 {
		t.Errorf("listed:\n%s", got)
	}
	c.Do(c.Admin, "POST", "/api/v2/client-grants", map[string]any{"client_id": ids[0], "audience": c.URL + "/api/v2/", "scope": []string{"read:clients"}}).Want(http.StatusCreated)
	shown := strings.Join(strings.Fields(c.ok("clients", "get", ids[0])), " ")
	for _, want := range []string{"client_id " + ids[0] + " name off ", " state disabled since ", ": a drill secret current, created ", " last used never grant " + c.URL + "/api/v2/, 1 scope "} {
		if !strings.Contains(shown, want) {
			t.Errorf("get lacks %q: %s", want, shown)
		}
	}
	little := cli{c.Server, t, []string{"ROSTER_URL=" + c.URL, "ROSTER_TOKEN=" + c.Token("read:clients")}}
	if got := little.ok("clients", "get", ids[0]); strings.Contains(got, "secret") || !strings.Contains(got, "a drill") {
		t.Errorf("to a caller who may read clients alone:\n%s", got)
	}
	c.ok("clients", "enable", ids[0])
	if got := c.ok("clients", "list", "--state", "disabled", "-o", "json"); strings.Contains(got, ids[0]) || !strings.Contains(got, ids[1]) {
		t.Errorf("listed:\n%s", got)
	}
	c.fails(1, "1 of 2 are active, then nobody", "clients", "enable", ids[1], "nobody")
	c.fails(2, "cannot be combined with --global", "clients", "list", "--state", "active", "--global")
}
