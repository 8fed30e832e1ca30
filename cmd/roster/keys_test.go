package main_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/postgrestest"
)

// TestKeysAreReplacedBesideAServer rotates, reseals and prunes while a server
// runs.
func TestKeysAreReplacedBesideAServer(t *testing.T) {
	t.Parallel()
	own := postgrestest.NewURL(t)
	env, _ := on(t, postgrestest.Runtime(t, own))
	refuse(t, as(env, own), []string{"migrate", "--runtime-role", "nobody"}, "there is no role nobody")

	m := regexp.MustCompile(`client_id +(\S+)\nclient_secret +(\S+)\n`).FindStringSubmatch(succeed(t, env, "bootstrap", "--create-keyset"))
	if m == nil {
		t.Fatal("bootstrap prints no credentials")
	}
	s := serve(t, append(env, "ROSTER_ADMIN_ADDR=127.0.0.1:0"))
	authenticates := func(when string) {
		t.Helper()
		if status, body := s.call("", "POST", "/oauth/token", tokenRequest(s, m[1], m[2])); status != http.StatusOK {
			t.Errorf("%s: %d %s", when, status, body)
		}
	}
	if out := succeed(t, env, "keys", "prune"); !strings.Contains(out, "no older keys") {
		t.Errorf("prune prints %q", out)
	}
	if out := succeed(t, env, "keys", "rotate", "--add-only"); !strings.Contains(out, "Added new keys") {
		t.Errorf("rotate --add-only prints %q", out)
	}
	if out := succeed(t, env, "keys", "list"); strings.Count(out, "not yet in use") != 2 || strings.Count(out, " old") != 0 {
		t.Errorf("list prints %q", out)
	}
	refuse(t, env, []string{"keys", "prune"}, "a rotation was interrupted")
	authenticates("with keys that are not in use")
	succeed(t, env, "keys", "rotate")
	if out := succeed(t, env, "keys", "list"); strings.Count(out, "in use") != 2 || strings.Count(out, "old") != 2 {
		t.Errorf("list prints %q", out)
	}
	authenticates("after rotating")
	refuse(t, env, []string{"keys", "prune", "--settle", "0s"}, "still under older keys: run `roster keys reseal`")
	if out := succeed(t, env, "keys", "reseal"); !regexp.MustCompile(`Renewed [1-9]\d* values`).MatchString(out) {
		t.Errorf("reseal prints %q", out)
	}
	if out := succeed(t, env, "keys", "reseal"); !strings.Contains(out, "Renewed 0 values") {
		t.Errorf("a second reseal prints %q", out)
	}
	authenticates("after resealing")
	if out := succeed(t, env, "keys", "prune", "--settle", "0s"); !strings.Contains(out, "Dropped 2 keys") {
		t.Errorf("prune prints %q", out)
	}
	if out := succeed(t, env, "keys", "list"); strings.Count(out, "\n") != 3 {
		t.Errorf("list prints %q", out)
	}
	authenticates("after pruning")
	if out := succeed(t, env, "keys", "rotate-signing"); !strings.Contains(out, "signs from") {
		t.Errorf("rotate-signing prints %q", out)
	}
	db, err := pgx.Connect(t.Context(), own)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	var told string
	if err := db.QueryRow(t.Context(), "SELECT string_agg(action, ' ' ORDER BY id) FROM events WHERE target_type = 'keyset'").Scan(&told); err != nil {
		t.Fatal(err)
	}
	if told != "keyset.extended keyset.rotated keyset.resealed keyset.pruned" {
		t.Errorf("events tell of %s", told)
	}
	if status, body := s.call("", "GET", "/metrics", ""); status != http.StatusNotFound {
		t.Errorf("/metrics on the API's port: %d %s", status, body)
	}
	admin := regexp.MustCompile(`"admin listening","addr":"([^"]+)"`).FindStringSubmatch(s.stderr.String())
	if admin == nil {
		t.Fatalf("no admin listener: %s", s.stderr)
	}
	resp, err := http.Get("http://" + admin[1] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("/metrics on the admin port: %s", resp.Status)
	}
	s.stop()
	s = serve(t, env)
	authenticates("after a restart")
	s.stop()
}
