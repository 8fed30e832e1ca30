package main_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/postgrestest"
)

func TestNoCommandShowsThePasswordOfAMalformedDatabaseURL(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"postgres://roster:77/CANARY@db.invalid/roster", "postgres://roster:p@CANARY@db.invalid/roster", "postgres://roster:p?CANARY%@db.invalid/roster",
		"postgres://roster:CANARY/x@db.invalid/roster", "host=127.0.0.1 port=1 password=p CANARY dbname=roster", "mysql://roster:CANARY=@db.invalid/roster",
	} {
		env := []string{"DATABASE_URL=" + text, "ROSTER_ADDR=127.0.0.1:0"}
		for _, command := range [][]string{
			{"config"}, {"serve"}, {"serve", "--setup"}, {"migrate"}, {"bootstrap"}, {"token"}, {"keys", "reseal"}, {"health"},
		} {
			stdout, stderr, code := run(t, env, command...)
			if code != 1 || !strings.Contains(stderr, "DATABASE_URL: ") || strings.Contains(stdout+stderr, "CANARY") {
				t.Errorf("roster %s with %s exits %d: %s%s", strings.Join(command, " "), text, code, stdout, stderr)
			}
		}
	}
}

// TestLostDatabaseIsSaidWithoutItsPassword takes the database away from a
// running server.
func TestLostDatabaseIsSaidWithoutItsPassword(t *testing.T) {
	t.Parallel()
	env, _ := external(t)
	variable, text, _ := strings.Cut(env[0], "=")
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	password, given := u.User.Password()
	if !given {
		t.Fatal("the role that serves has no password")
	}
	env[0] = variable + "=" + u.String()
	s := serve(t, env, "--setup")
	if status, body := s.call("", "GET", "/readyz", ""); status != http.StatusOK {
		t.Fatalf("readyz: %d %s", status, body)
	}

	conn, err := pgx.Connect(t.Context(), postgrestest.Superuser(t, postgrestest.NewURL(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	name := strings.TrimPrefix(u.Path, "/")
	if _, err := conn.Exec(t.Context(), "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name); err != nil {
		t.Fatal(err)
	}
	told := ""
	for _, request := range [][3]string{{"GET", "/readyz", ""}, {"POST", "/oauth/token", tokenRequest(s, "x", "y")}, {"GET", "/readyz", ""}} {
		status, body := s.call("", request[0], request[1], request[2])
		if status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", request[1], status, body)
		}
		told += body
	}
	for _, command := range [][]string{{"serve"}, {"migrate"}, {"token"}} {
		stdout, stderr, code := run(t, env, command...)
		if code != 1 || !strings.Contains(stderr, "connecting to the database: ") {
			t.Errorf("roster %s exits %d: %s", command[0], code, stderr)
		}
		told += stdout + stderr
	}
	s.stop()
	told += s.stderr.String()
	for _, form := range []string{password, url.QueryEscape(password), url.PathEscape(password), "for-tests"} {
		if strings.Contains(told, form) {
			t.Errorf("the password is told:\n%s", told)
		}
	}
	if !strings.Contains(s.stderr.String(), "55000") {
		t.Errorf("the log does not tell why:\n%s", s.stderr)
	}
}
