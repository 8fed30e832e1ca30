package main_test

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/postgrestest"
)

// external is an environment with a migrated database of its own, as the role
// that serves, and no keyset.
func external(t *testing.T) (env []string, keyset string) {
	t.Helper()
	return on(t, postgrestest.Runtime(t, postgrestest.NewURL(t)))
}

// on is an environment with the database at url and no keyset.
func on(t *testing.T, url string) (env []string, keyset string) {
	t.Helper()
	keyset = filepath.Join(t.TempDir(), "keyset.json")
	return []string{"DATABASE_URL=" + url, "ROSTER_KEYSET_FILE=" + keyset, "ROSTER_ADDR=127.0.0.1:0", "ROSTER_DATA_DIR=" + t.TempDir()}, keyset
}

// as is env with the database at url.
func as(env []string, url string) []string {
	return append(slices.Clone(env), "DATABASE_URL="+url)
}

// serving is the role that serves.
func serving(t *testing.T, own string) (url, role string) {
	t.Helper()
	config, err := pgx.ParseConfig(postgrestest.Runtime(t, own))
	if err != nil {
		t.Fatal(err)
	}
	return config.ConnString(), config.User
}

// TestExternalDatabaseIsSetUpStepByStep follows the way that README.md and
// docs/postgres-roles.md describe for production.
func TestExternalDatabaseIsSetUpStepByStep(t *testing.T) {
	t.Parallel()
	own := postgrestest.NewEmptyURL(t, "")
	url, role := serving(t, own)
	env, keyset := on(t, url)

	refuse(t, env, []string{"serve"}, "run `roster migrate`")
	refuse(t, env, []string{"bootstrap"}, "run `roster migrate`")
	refuse(t, env, []string{"migrate"}, "the role "+role+" may not create tables in the schema public")
	if out := succeed(t, as(env, own), "migrate", "--runtime-role", role); !strings.Contains(out, "The schema is at version ") {
		t.Errorf("migrate prints %q", out)
	}
	succeed(t, as(env, own), "migrate") // again changes nothing
	refuse(t, env, []string{"serve"}, "no keyset at "+keyset, "roster keys create")
	if out := succeed(t, env, "keys", "create"); !strings.Contains(out, keyset) {
		t.Errorf("keys create prints %q", out)
	}
	before, err := os.ReadFile(keyset)
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, env, []string{"keys", "create"}, "exists")
	if after, err := os.ReadFile(keyset); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the keyset was overwritten, %v", err)
	}
	m := regexp.MustCompile(`client_id +(\S+)\nclient_secret +(\S+)\n`).FindStringSubmatch(succeed(t, env, "bootstrap"))
	if m == nil {
		t.Fatal("bootstrap prints no credentials")
	}
	s := serve(t, env)
	if s.stdout.String() != "" {
		t.Errorf("it prints %s", s.stdout)
	}
	if status, body := s.call("", "POST", "/oauth/token", tokenRequest(s, m[1], m[2])); status != http.StatusOK {
		t.Errorf("the administrator's token: %d %s", status, body)
	}
	if status, body := s.call("", "GET", "/readyz", ""); status != http.StatusOK {
		t.Errorf("readyz: %d %s", status, body)
	}
	s.stop()
}

func TestSetupPreparesAnExternalDatabase(t *testing.T) {
	t.Parallel()
	env, _ := on(t, postgrestest.NewEmptyURL(t, ""))
	s := serve(t, env, "--setup")
	if token := shell(t, s.printed("Get a token"))["access_token"]; token == nil {
		t.Error("the printed line gives no token")
	}
	s.stop()
}

func TestDatabaseIsUselessWithoutItsKeyset(t *testing.T) {
	t.Parallel()
	env, keyset := external(t)
	succeed(t, env, "bootstrap", "--create-keyset")
	right, err := os.ReadFile(keyset)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(keyset); err != nil {
		t.Fatal(err)
	}
	refuse(t, env, []string{"serve"}, "sealed under a keyset that is not at "+keyset)
	refuse(t, env, []string{"serve", "--setup"}, "sealed under a keyset that is not at "+keyset)
	refuse(t, env, []string{"bootstrap", "--create-keyset"}, "sealed under a keyset that is not at "+keyset)
	if _, err := os.Stat(keyset); err == nil {
		t.Error("a new keyset was put over old data")
	}

	succeed(t, env, "keys", "create")
	refuse(t, env, []string{"serve"}, "keyset")
	refuse(t, env, []string{"token"}, "keyset")

	if err := os.WriteFile(keyset, right, 0o600); err != nil {
		t.Fatal(err)
	}
	succeed(t, env, "token")
}

func TestConfiguredAdministratorIsMadeOnceAndNeverChanged(t *testing.T) {
	t.Parallel()
	env, _ := external(t)
	succeed(t, env, "keys", "create")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a-secret-of-my-own-0123456789\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env = append(env, "ROSTER_BOOTSTRAP_CLIENT_ID=automation", "ROSTER_BOOTSTRAP_CLIENT_SECRET_FILE="+secret)
	for _, want := range []string{"Made the administrator automation.\n", "The administrator automation exists.\n"} {
		if out := succeed(t, env, "bootstrap"); out != want {
			t.Errorf("bootstrap prints %q, want %q", out, want)
		}
	}
	if err := os.WriteFile(secret, []byte("another-secret-0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, env)
	if status, body := s.call("", "POST", "/oauth/token", tokenRequest(s, "automation", "a-secret-of-my-own-0123456789")); status != http.StatusOK {
		t.Errorf("with the first secret: %d %s", status, body)
	}
	if status, body := s.call("", "POST", "/oauth/token", tokenRequest(s, "automation", "another-secret-0123456789")); status != http.StatusUnauthorized {
		t.Errorf("with the second secret: %d %s", status, body)
	}
	s.stop()
}

func TestHashedSecretsAreShownOnce(t *testing.T) {
	t.Parallel()
	env, _ := external(t)
	env = append(env, "ROSTER_SECRET_MODE=hashed")
	s := serve(t, env, "--setup")
	token, ok := shell(t, s.printed("Get a token"))["access_token"].(string)
	if !ok {
		t.Fatal("no token")
	}
	status, body := s.call(token, "POST", "/api/v2/clients", `{"name":"billing","grant_types":["client_credentials"]}`)
	var made map[string]any
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusCreated || made["client_secret"] == nil {
		t.Fatalf("creating: %d %s", status, body)
	}
	status, body = s.call(token, "GET", "/api/v2/clients/"+made["client_id"].(string), "")
	var read map[string]any
	if err := json.Unmarshal([]byte(body), &read); err != nil || status != http.StatusOK {
		t.Fatalf("reading: %d %s", status, body)
	}
	if read["client_secret"] != nil {
		t.Error("the secret is shown again")
	}
	grant := `{"client_id":"` + made["client_id"].(string) + `","audience":"` + s.URL + `/api/v2/","scope":["read:clients"]}`
	if status, body := s.call(token, "POST", "/api/v2/client-grants", grant); status != http.StatusCreated {
		t.Fatalf("granting: %d %s", status, body)
	}
	if status, body := s.call("", "POST", "/oauth/token", tokenRequest(s, made["client_id"].(string), made["client_secret"].(string))); status != http.StatusOK {
		t.Errorf("the secret does not authenticate: %d %s", status, body)
	}
	s.stop()
}

// TestCallerWhoSaysNothingDoesNotHoldUpTheEnd has one connection with half a
// request on it and one that never sent a byte.
func TestCallerWhoSaysNothingDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	env, _ := external(t)
	s := serve(t, env, "--setup")
	for _, text := range []string{"", "GET /healthz HTTP/1.1\r\nHost: x\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	s.stop() // which fails if it had to give up waiting
}

func TestUnreachableDatabaseIsSaidWithoutItsPassword(t *testing.T) {
	t.Parallel()
	_, stderr, code := run(t, []string{"DATABASE_URL=postgres://me:hunter2@127.0.0.1:1/x", "ROSTER_ADDR=127.0.0.1:0"}, "serve")
	if code != 1 || !strings.Contains(stderr, "connecting to the database") || strings.Contains(stderr, "hunter2") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
