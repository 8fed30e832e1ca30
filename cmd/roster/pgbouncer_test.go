package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
)

// logged matches a line of the log.
func logged(message string) *regexp.Regexp {
	return regexp.MustCompile(`"msg":"` + regexp.QuoteMeta(message) + `"`)
}

// bouncer is a PgBouncer before a server.
type bouncer struct {
	t          *testing.T
	dir        string
	credential *syscall.Credential
	cmd        *exec.Cmd
	out        *output
}

// newBouncer starts a PgBouncer before m, with the configuration that
// docs/operations.md shows and more lines.
func newBouncer(t *testing.T, m *machine, more ...string) *bouncer {
	t.Helper()
	b := &bouncer{t: t, dir: shortDir(t)}
	info, err := os.Stat(filepath.Join(m.Dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if int(owner.Uid) != os.Geteuid() { // PgBouncer refuses to run as root, as PostgreSQL does
		b.credential = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
		if err := os.Chown(b.dir, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	text := snippets(t, "operations.md", "## Poolers", "ini",
		"host=db.internal", "host="+filepath.Join(m.Dir, "run")+" port=5432",
		"roster = ", "app = ", "dbname=roster", "dbname=app", "auth_type = scram-sha-256", "auth_type = trust",
		"/etc/pgbouncer/userlist.txt", b.dir+"/users", "listen_addr = *", "unix_socket_dir = "+b.dir)[0]
	text += strings.Join(more, "\n") + "\n"
	for name, text := range map[string]string{"pgbouncer.ini": text, "users": "\"app\" \"\"\n"} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.start()
	return b
}

func (b *bouncer) start() {
	b.t.Helper()
	b.out = newOutput()
	b.cmd = exec.Command("pgbouncer", filepath.Join(b.dir, "pgbouncer.ini"))
	b.cmd.Stdout, b.cmd.Stderr, b.cmd.Dir = b.out, b.out, b.dir
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: b.credential}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan struct{})
	cmd := b.cmd
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if b.t.Failed() {
			b.t.Logf("PgBouncer printed:\n%s", b.out)
		}
	})
	b.out.wait(b.t, ended, regexp.MustCompile(`process up: PgBouncer`))
}

// address returns the URL of the database through the pooler, in a query mode if
// there is one.
func (b *bouncer) address(mode string) string {
	address := "postgres://app@/app?port=6432&sslmode=disable&host=" + b.dir
	if mode != "" {
		address += "&default_query_exec_mode=" + mode
	}
	return address
}

// pooled starts a server for a test with poolers.
func pooled(t *testing.T, settings map[string]string) *machine {
	t.Helper()
	outside(t, "pgbouncer", "it takes PgBouncer, which is not part of PostgreSQL")
	if _, err := exec.LookPath("pgbouncer"); err != nil {
		t.Fatalf("install pgbouncer: %v", err)
	}
	if settings == nil {
		settings = map[string]string{}
	}
	settings["cluster_name"] = "roster-test"
	m := newMachine(t, false, settings)
	sql(t, m.URL, "CREATE ROLE app LOGIN", "CREATE DATABASE app OWNER app")
	return m
}

func administered(env []string) []string {
	return append(env, "ROSTER_BOOTSTRAP_CLIENT_ID="+adminID, "ROSTER_BOOTSTRAP_CLIENT_SECRET="+adminSecret,
		"ROSTER_RATE_LIMIT=off")
}

// TestPgBouncerModes serves under load through a pooler that has fewer sessions
// than Roster has connections.
func TestPgBouncerModes(t *testing.T) {
	m := pooled(t, nil)
	for _, pool := range []string{"default_pool_size = 2", "default_pool_size = 3\nserver_round_robin = 1"} {
		b := newBouncer(t, m, pool)
		for _, mode := range []string{"cache_describe", "exec", "simple_protocol"} {
			env, keyset := on(t, b.address(mode))
			sql(t, m.URL, "DROP DATABASE app WITH (FORCE)", "CREATE DATABASE app OWNER app")
			var all sync.WaitGroup
			for range 4 { // at once, over one pool of sessions
				all.Go(func() {
					if _, stderr, code := run(t, env, "migrate"); code != 0 {
						t.Errorf("%s: migrate exits %d: %s", mode, code, stderr)
					}
				})
			}
			all.Wait()
			succeed(t, env, "keys", "create", keyset)
			s := serve(t, administered(env))
			l := loadOn(s)
			for range 10 {
				l.settled(mode+" with "+strings.ReplaceAll(pool, "\n", ", "), time.Now())
			}
			l.end()
			if l.refused > 0 {
				t.Errorf("%s: %d answers were 503", mode, l.refused)
			}
			s.stop()
			var locks int
			err := query(m.URL, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", &locks)
			if err != nil || locks > 0 {
				t.Errorf("%s leaves %d locks in the pooler's sessions, %v", mode, locks, err)
			}
		}
	}
}

func TestPgBouncerModesThatCannotWorkAreRefused(t *testing.T) {
	m := pooled(t, nil)
	for _, pool := range []string{
		"default_pool_size = 1", "default_pool_size = 5", "default_pool_size = 3\nserver_round_robin = 1",
	} {
		b := newBouncer(t, m, pool)
		env, keyset := on(t, b.address("cache_describe"))
		sql(t, m.URL, "DROP DATABASE app WITH (FORCE)", "CREATE DATABASE app OWNER app")
		succeed(t, env, "migrate")
		succeed(t, env, "keys", "create", keyset)
		s := serve(t, administered(env)) // next to which others start
		for range 3 {
			for _, mode := range []string{"", "cache_statement", "describe_exec"} {
				env := as(env, b.address(mode))
				refuse(t, env, []string{"serve"}, "roster: a connection pooler mixes up prepared statements: "+
					"add default_query_exec_mode=cache_describe to DATABASE_URL\n")
				succeed(t, env, "migrate") // uses none
			}
		}
		s.stop()
	}
	// Sessions that stay with their clients keep prepared statements.
	b := newBouncer(t, m, "pool_mode = session\ndefault_pool_size = 40")
	for _, mode := range []string{"", "describe_exec"} {
		env, keyset := on(t, b.address(mode))
		sql(t, m.URL, "DROP DATABASE app WITH (FORCE)", "CREATE DATABASE app OWNER app")
		succeed(t, env, "migrate")
		succeed(t, env, "keys", "create", keyset)
		serves(t, env)
	}
}

// TestPgBouncerFaults ends the pooler, and the server behind it, under load.
func TestPgBouncerFaults(t *testing.T) {
	m := pooled(t, nil)
	b := newBouncer(t, m, "default_pool_size = 4", "server_login_retry = 1")
	env, _ := on(t, b.address("cache_describe"))
	s := serve(t, administered(env), "--setup")
	l := loadOn(s)
	l.settled("the start", time.Now())
	if err := b.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "refused without the pooler", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.counts[http.StatusServiceUnavailable] >= callers
	})
	b.start()
	l.settled("a restart of the pooler", time.Now())
	m.Stop()
	m.start()
	l.settled("a restart of the server behind it", time.Now())
	l.end()
	s.stop()
}

// TestPgBouncerEndsOfTokens has one instance end tokens in every way and another
// accept them, both behind a pooler; the sessions over which they follow changes
// are ended in turn. Nobody accepts a token a second after the commit.
func TestPgBouncerEndsOfTokens(t *testing.T) {
	m := pooled(t, nil)
	b := newBouncer(t, m, "default_pool_size = 4", "server_login_retry = 1")
	env, _ := on(t, b.address("cache_describe"))
	env = append(env, "ROSTER_PUBLIC_URL=https://roster.example", "ROSTER_RATE_LIMIT=off")
	one := serve(t, administered(env), "--setup")
	two := serve(t, env)
	for _, s := range []*service{one, two} { // not where the public URL says
		s.URL = "http://" + s.stderr.wait(t, s.ended, regexp.MustCompile(`"msg":"listening","addr":"([^"]*)"`))[1]
	}
	ask := func(s *service, id, secret string) (token string) {
		t.Helper()
		status, body := s.call("", "POST", "/oauth/token", "grant_type=client_credentials&audience=https://roster.example/api/v2/&client_id="+id+"&client_secret="+secret)
		if m := regexp.MustCompile(`"access_token":"([^"]+)"`).FindStringSubmatch(body); m != nil {
			return m[1]
		}
		t.Fatalf("no token: %d %s", status, body)
		return ""
	}
	admin := ask(one, adminID, adminSecret)
	do := func(method, path, body string) map[string]any {
		t.Helper()
		status, text := one.call(admin, method, path, body)
		var o map[string]any
		if _ = json.Unmarshal([]byte(text), &o); status > 299 {
			t.Fatalf("%s %s: %d %s", method, path, status, text)
		}
		return o
	}
	const own = "/api/roster/v1/clients/"
	for _, way := range []struct {
		name string
		end  func(id, grant string)
	}{
		{"a narrowed grant", func(_, grant string) { do("PATCH", "/api/v2/client-grants/"+grant, `{"scope": []}`) }},
		{"a removed grant", func(_, grant string) { do("DELETE", "/api/v2/client-grants/"+grant, "") }},
		{"disabling", func(id, _ string) { do("PUT", own+id+"/state", `{"state": "disabled"}`) }},
		{"ending tokens", func(id, _ string) { do("POST", own+id+"/end-tokens", `{}`) }},
		{"a rotation without grace", func(id, _ string) { do("POST", own+id+"/secrets?grace_seconds=0", "") }},
		{"deletion", func(id, _ string) { do("DELETE", "/api/v2/clients/"+id, "") }},
	} {
		for _, cut := range []bool{false, true} {
			c := do("POST", "/api/v2/clients", `{"name": "c", "grant_types": ["client_credentials"]}`)
			id := c["client_id"].(string)
			grant := do("POST", "/api/v2/client-grants", `{"client_id": "`+id+`", "audience": "https://roster.example/api/v2/", "scope": ["read:clients"]}`)["id"].(string)
			token := ask(two, id, c["client_secret"].(string))
			accepts := func(s *service) bool {
				status, body := s.call(token, "GET", "/api/v2/clients?per_page=1", "")
				if status >= http.StatusInternalServerError {
					t.Logf("%s, cut %v: %d %s", way.name, cut, status, body)
				}
				return status == http.StatusOK
			}
			for _, s := range []*service{one, two} {
				servertest.Eventually(t, "the token is accepted", func() bool { return accepts(s) })
			}
			if cut {
				sql(t, m.URL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND query LIKE '%pg_current_snapshot%'`)
			}
			way.end(id, grant)
			committed := time.Now()
			var took []time.Duration
			for _, s := range []*service{one, two} {
				for asked := time.Now(); accepts(s); asked = time.Now() {
					if late := asked.Sub(committed); late > tokens.RevocationBound {
						t.Fatalf("%s, cut %v: an instance accepts the token %v after the commit", way.name, cut, late)
					}
				}
				took = append(took, time.Since(committed).Round(time.Millisecond))
			}
			t.Logf("%s, cut %v: refused after %v", way.name, cut, took)
		}
	}
	one.stop()
	two.stop()
}

// TestPgBouncerDurability has the server lose what nobody has made durable.
func TestPgBouncerDurability(t *testing.T) {
	m := pooled(t, map[string]string{"autovacuum": "off"})
	b := newBouncer(t, m, "default_pool_size = 2")
	env, _ := on(t, b.address("cache_describe"))
	direct := addressOf(t, "app", "app", m)
	sql(t, direct, "CREATE TABLE lost ()")
	for what, reset := range map[string]string{
		"ALTER ROLE app SET synchronous_commit = off":     "ALTER ROLE app RESET synchronous_commit",
		"ALTER DATABASE app SET synchronous_commit = off": "ALTER DATABASE app RESET synchronous_commit",
		"ALTER SYSTEM SET synchronous_commit = off":       "ALTER SYSTEM RESET synchronous_commit",
	} {
		const sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
		sql(t, m.URL, what, "SELECT pg_reload_conf()", sessions)
		s := serve(t, administered(env), "--setup")
		servertest.Eventually(t, what, func() bool {
			var value string
			return query(direct, "SHOW synchronous_commit", &value) == nil && value == "off"
		})
		var writer int
		if err := query(m.URL, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'", &writer); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(writer, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		l := newLoad(s)
		l.round(0)
		sql(t, direct, "INSERT INTO lost DEFAULT VALUES")
		m.crash()
		m.start()
		servertest.Eventually(t, "ready after the crash", func() bool {
			status, _ := s.call("", "GET", "/readyz", "")
			return status == http.StatusOK
		})
		l.end()
		var kept int
		if err := query(direct, "SELECT count(*) FROM lost", &kept); err != nil || kept != 0 {
			t.Errorf("%s: a commit of others is kept %d times, %v: this tests nothing", what, kept, err)
		}
		s.stop()
		sql(t, m.URL, "SET synchronous_commit = on", reset)
	}
}
