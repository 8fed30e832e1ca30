package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/postgrestest"
)

// TestBadDaysAreSurvivedAsDocumented walks through "On a bad day" from top to
// bottom and looks whether each step does what it promises.
func TestBadDaysAreSurvivedAsDocumented(t *testing.T) {
	t.Parallel()
	own, dir := postgrestest.NewURL(t), t.TempDir()
	env, keyset := on(t, postgrestest.Runtime(t, own))
	operator := regexp.MustCompile(`client_id +(\S+)\nclient_secret +(\S+)\n`).FindStringSubmatch(succeed(t, env, "bootstrap", "--create-keyset"))
	spare := []string{"ROSTER_BOOTSTRAP_CLIENT_ID=spare", "ROSTER_BOOTSTRAP_CLIENT_SECRET=" + strings.Repeat("spare", 8)}
	succeed(t, append(spare, env...), "bootstrap") // or the other could not be switched off
	s := serve(t, env)
	id, secret := operator[1], operator[2]
	asked := func(secret string) (status int, token string) {
		t.Helper()
		status, body := s.call("", "POST", "/oauth/token", tokenRequest(s, id, secret))
		if m := regexp.MustCompile(`"access_token":"([^"]+)"`).FindStringSubmatch(body); m != nil {
			token = m[1]
		}
		return status, token
	}
	works := func(token string) bool {
		status, _ := s.call(token, "GET", "/api/v2/clients?per_page=1", "")
		return status == http.StatusOK
	}
	kept := func(file string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	blocks := snippets(t, "operations.md", "## On a bad day", "sh")
	if len(blocks) != 7 {
		t.Fatalf("%d blocks", len(blocks))
	}
	do := func(block int) {
		t.Helper()
		token := strings.TrimSpace(succeed(t, env, "token"))
		shellWith(t, blocks[block], append([]string{"PWD=" + dir, "ID=" + id, "ROSTER_URL=" + s.URL, "ROSTER_TOKEN=" + token}, env...)...)
	}
	remove := func() {
		t.Helper()
		if status, body := s.call(strings.TrimSpace(succeed(t, env, "token")), "DELETE", "/api/v2/clients/"+id, ""); status != http.StatusNoContent {
			t.Fatalf("deleting: %d %s", status, body)
		}
	}
	expect := func(when, old, oldToken, now string) (token string) {
		t.Helper()
		status, token := asked(now)
		if before, _ := asked(old); old != now && before != http.StatusUnauthorized || status != http.StatusOK || works(oldToken) || !works(token) {
			t.Errorf("%s: the old secret gets %d, the new one %d, the old token works: %v, the new one: %v", when, before, status, works(oldToken), works(token))
		}
		return token
	}

	_, token := asked(secret)
	do(0)
	token = expect("a leaked secret", secret, token, kept("new.secret"))
	do(1)
	if status, _ := asked(kept("new.secret")); status != http.StatusUnauthorized || works(token) {
		t.Errorf("the stolen client gets %d, its token works: %v", status, works(token))
	}
	do(2)
	secret = kept("newest.secret")
	token = expect("a stolen client", kept("new.secret"), token, secret)
	for _, block := range []int{3, 4} {
		remove()
		if status, _ := asked(secret); status != http.StatusUnauthorized || works(token) {
			t.Errorf("the deleted administrator gets %d, its token works: %v", status, works(token))
		}
		do(block)
		token = expect("a deleted administrator", secret, token, secret)
	}

	fresh := postgrestest.NewEmptyURL(t, "")
	url, role := serving(t, fresh)
	backup := snippets(t, "operations.md", "## Backup", "sh", "roster_runtime", role)
	shellWith(t, backup[0], "PWD="+dir, "DATABASE_URL="+own, "ROSTER_KEYSET_FILE="+keyset)
	remove()
	s.stop()
	env, keyset = on(t, url)
	shellWith(t, backup[1], "PWD="+dir, "DATABASE_URL="+fresh, "ROSTER_KEYSET_FILE="+keyset)
	do(5)
	s = serve(t, env)
	token = expect("a restored backup", secret, token, secret)
	do(6)
	if status, _ := asked(secret); status != http.StatusUnauthorized || works(token) {
		t.Errorf("the client that was deleted again gets %d, its token works: %v", status, works(token))
	}
	s.stop()
}
