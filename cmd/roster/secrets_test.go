package main_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/servertest"
)

func TestSecretsAreListedAndRetiredWithoutBeingShown(t *testing.T) {
	t.Parallel()
	env, _ := external(t)
	env = append(env, "ROSTER_SECRET_GRACE=600")
	succeed(t, env, "bootstrap", "--create-keyset")
	s := serve(t, env)
	token := strings.TrimSpace(succeed(t, append(env, "ROSTER_PUBLIC_URL="+s.URL), "token"))
	post := func(path, body string) map[string]any {
		t.Helper()
		status, text := s.call(token, "POST", path, body)
		var o map[string]any
		if err := json.Unmarshal([]byte(text), &o); err != nil || status >= 300 {
			t.Fatalf("POST %s: %d %s", path, status, text)
		}
		return o
	}
	client := post("/api/v2/clients", `{"name":"a","grant_types":["client_credentials"]}`)
	id, old := client["client_id"].(string), client["client_secret"].(string)
	fresh := post("/api/v2/clients/"+id+"/rotate-secret", "")["client_secret"].(string)
	if status, body := s.call("", "POST", "/oauth/token", tokenRequest(s, id, old)); status != http.StatusForbidden { // proved, but granted nothing
		t.Errorf("with the old secret: %d %s", status, body)
	}
	online := []string{"ROSTER_URL=" + s.URL, "ROSTER_TOKEN=" + token}
	line := regexp.MustCompile(`(?m)^(\S+) +(current|superseded|ended) +(\S+) +(\S+) +(\S+) +false$`)
	list := succeed(t, online, "secrets", "list", id)
	found := line.FindAllStringSubmatch(list, -1)
	if len(found) != 2 || found[0][2] != "current" || found[0][4] != "never" || found[1][2] != "superseded" {
		t.Fatalf("secrets list prints\n%s", list)
	}
	if strings.Contains(list, old) || strings.Contains(list, fresh) {
		t.Error("secrets list shows a secret")
	}
	refuse(t, online, []string{"secrets", "retire", id, found[0][1]}, "newest")
	refuse(t, online, []string{"secrets", "retire", id, "nothing"}, "secret nothing of client "+id+" not found")
	refuse(t, online, []string{"secrets", "list", "nobody"}, "no such client")
	succeed(t, online, "secrets", "retire", id, found[1][1])
	if list := succeed(t, online, "secrets", "list", id); !strings.Contains(list, "ended") || strings.Contains(list, "superseded") {
		t.Errorf("after retiring, secrets list prints\n%s", list)
	}

	answered := make(chan int, 1)
	go func() {
		defer close(answered) // also when it fails
		status, _ := s.call(token, "GET", "/api/roster/v1/events/feed?after=latest&wait=20", "")
		answered <- status
	}()
	waitsForEvents(t, env[0])
	s.stop() // which fails if a request is still under way in the end
	if status := <-answered; status != http.StatusOK {
		t.Errorf("who waited for events got %d", status)
	}
}

// waitsForEvents returns when somebody waits for events of the database.
func waitsForEvents(t *testing.T, variable string) {
	t.Helper()
	_, url, _ := strings.Cut(variable, "=")
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	servertest.Eventually(t, "somebody waits for events", func() (found bool) { // the feed was read: what follows is the wait
		err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%FROM events%' AND state = 'idle')`).Scan(&found)
		if err != nil {
			t.Fatal(err)
		}
		return found
	})
}
