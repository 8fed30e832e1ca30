package main_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/internal/servertest"
)

// TestTroubleshootingQuotesWhatPeopleSee provokes every message in the first
// column of docs/guides/troubleshooting.md. An ellipsis there stands for anything.
func TestTroubleshootingQuotesWhatPeopleSee(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/guides/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	// Provoking this one takes a machine without PostgreSQL.
	binaries, err := os.ReadFile("../../internal/embedpg/binaries.go")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join([]string{string(binaries), troubleOfStarting(t), troubleOfTokens(t), troubleOfCalls(t)}, "\n")
	rows := regexp.MustCompile("(?m)^\\| `([^|]*)` \\|").FindAllStringSubmatch(string(text), -1)
	if len(rows) < 15 {
		t.Errorf("it has %d messages", len(rows))
	}
	for _, row := range rows {
		message := strings.ReplaceAll(regexp.QuoteMeta(row[1]), "…", `.*`)
		if !regexp.MustCompile(message).MatchString(said) {
			t.Errorf("nothing says %q; what was said is\n%s", row[1], strings.TrimPrefix(said, string(binaries)))
		}
	}
}

func troubleOfStarting(t *testing.T) string {
	t.Helper()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	own := postgrestest.NewURL(t)
	env, _ := on(t, postgrestest.Runtime(t, own))
	succeed(t, env, "bootstrap", "--create-keyset")
	other := filepath.Join(t.TempDir(), "other.json")
	succeed(t, nil, "keys", "create", other)
	u, err := url.Parse(own)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/nowhere"
	said := ""
	for _, broken := range [][]string{
		{"DATABASE_URL=postgres://roster:p@ss@db/roster"}, {"DATABASE_URL=" + u.String()}, {"DATABASE_URL=" + postgrestest.NewEmptyURL(t, "")},
		{"ROSTER_KEYSET_FILE=" + other}, {"ROSTER_ADDR=" + taken.Addr().String()},
	} {
		_, stderr, code := run(t, append(env[:len(env):len(env)], broken...), "serve")
		if code != 1 {
			t.Errorf("roster serve exits %d with %s: %s", code, broken, stderr)
		}
		said += stderr
	}
	return said
}

func troubleOfTokens(t *testing.T) string {
	t.Helper()
	s := servertest.New(t)
	client := func(grants ...string) url.Values {
		made := s.Do(s.Admin, http.MethodPost, "/api/v2/clients", map[string]any{"name": "x", "app_type": "non_interactive", "grant_types": grants}).
			Want(http.StatusCreated).Object()
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {made["client_id"].(string)}, "client_secret": {made["client_secret"].(string)}}
	}
	s.Do(s.Admin, http.MethodPost, "/api/v2/resource-servers", map[string]any{"identifier": "https://ledger.example/"}).Want(http.StatusCreated)
	machine := client("client_credentials")
	said := ""
	ask := func(form url.Values, members ...string) {
		for i := 0; i < len(members); i += 2 {
			form.Set(members[i], members[i+1])
		}
		answer := s.Do("", http.MethodPost, "/oauth/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		if answer.Status < 400 {
			t.Errorf("%v: %d %s", members, answer.Status, answer.Body)
		}
		said += string(answer.Body) + "\n"
	}
	ask(machine)
	ask(machine, "audience", "https://nothing.example/")
	ask(machine, "audience", "https://ledger.example/")
	ask(client("authorization_code"), "audience", "https://ledger.example/")
	ask(machine, "client_secret", "wrong")
	machine.Del("client_secret")
	ask(machine, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "e30.e30.x")
	return said
}

func troubleOfCalls(t *testing.T) string {
	t.Helper()
	s := servertest.New(t)
	id := s.Do(s.Admin, http.MethodPost, "/api/v2/clients", map[string]any{"name": "x"}).Want(http.StatusCreated).Object()["client_id"].(string)
	said := ""
	fails := func(status int, answer servertest.Response) { said += string(answer.Want(status).Body) + "\n" }
	const signature = 300 // characters, at the end of a token: some of RSA's 342
	admin, other := s.Admin, s.Token("read:clients")
	forged := admin[:len(admin)-signature] + other[len(other)-signature:]
	fails(http.StatusUnauthorized, s.Do(forged, http.MethodGet, "/api/v2/clients", nil))
	fails(http.StatusForbidden, s.Do(s.Token("read:clients"), http.MethodDelete, "/api/v2/clients/"+id, nil))
	fails(http.StatusPreconditionFailed, s.Do(s.Admin, http.MethodPatch, "/api/v2/clients/"+id, map[string]any{"name": "y"}, "If-Match", `"7"`))
	s.Do(s.Admin, http.MethodPost, "/api/v2/clients", map[string]any{"name": "y"}, "Idempotency-Key", "k").Want(http.StatusCreated)
	fails(http.StatusUnprocessableEntity, s.Do(s.Admin, http.MethodPost, "/api/v2/clients", map[string]any{"name": "z"}, "Idempotency-Key", "k"))
	for tries := 0; ; tries++ {
		answer := s.Do("", http.MethodPost, "/oauth/token", "grant_type=client_credentials&client_id="+id+"&client_secret=wrong",
			"Content-Type", "application/x-www-form-urlencoded")
		if answer.Status == http.StatusTooManyRequests {
			said += string(answer.Body) + "\n"
			break
		}
		if tries == 50 {
			t.Fatal("guessing a secret is not limited")
		}
	}
	name := s.Serving.Config().ConnConfig.Database
	sql(t, postgrestest.Superuser(t, postgrestest.NewURL(t)), "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	fails(http.StatusServiceUnavailable, s.Do(s.Admin, http.MethodGet, "/api/v2/clients/"+id, nil))

	foreign := httptest.NewUnstartedServer(http.NotFoundHandler())
	foreign.Config.ErrorLog = log.New(io.Discard, "", 0)
	foreign.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	foreign.StartTLS()
	defer foreign.Close()
	for _, env := range [][]string{{"ROSTER_URL=" + foreign.URL, "ROSTER_TOKEN=x"}, {"ROSTER_URL=" + foreign.URL}} {
		_, stderr, _ := run(t, env, "clients", "list")
		said += stderr
	}
	return said
}
