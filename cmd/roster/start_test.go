package main_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/internal/servertest"
)

// in is run in a folder.
func in(t *testing.T, dir string, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = environment(env...), &out, &errs, dir
	_ = cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal("it does not start")
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestOnlyServeMakesADatabase(t *testing.T) {
	t.Parallel()
	for name, env := range map[string][]string{
		"nothing is set":      nil,
		"a Roster elsewhere":  {"ROSTER_URL=http://127.0.0.1:1", "ROSTER_CLIENT_ID=x", "ROSTER_CLIENT_SECRET=y"},
		"a keyset of its own": {"ROSTER_KEYSET_FILE=keyset.json"},
		"a folder":            {"ROSTER_DATA_DIR=data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := shortDir(t)
			_, stderr, code := in(t, dir, nil, "keys", "create", "keyset.json")
			if code != 0 {
				t.Fatal(stderr)
			}
			for _, command := range []string{"token", "bootstrap", "bootstrap --create-keyset", "migrate", "migrate --runtime-role x", "keys rotate-signing"} {
				_, stderr, code := in(t, dir, env, strings.Fields(command)...)
				if code != 1 || !strings.Contains(stderr, "there is no Roster database in "+dir) || strings.Count(stderr, "\n") != 1 {
					t.Errorf("roster %s exits %d: %s", command, code, stderr)
				}
			}
			for _, command := range []string{"keys reseal", "keys prune", "keys list", "secrets list x", "secrets retire x y", "clients list", "export", "health"} {
				nobody := append(slices.Clone(env), "ROSTER_ADDR=127.0.0.1:1") // where health looks for a service: others may serve at 8080
				if _, stderr, code := in(t, dir, nobody, strings.Fields(command)...); code != 1 && command != "keys list" && command != "keys prune" || strings.Contains(stderr, "panic") {
					t.Errorf("roster %s exits %d: %s", command, code, stderr)
				}
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("there are %v, %v", left, err)
			}
		})
	}
}

func TestCommandsWorkOnTheDatabaseThatAStoppedServiceLeft(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	env := []string{"ROSTER_ADDR=127.0.0.1:0", "ROSTER_DATA_DIR=" + dir}
	s := serve(t, env)
	admin := s.stdout.wait(t, s.ended, regexp.MustCompile(`client_id (\S+)`))
	s.stop()
	if token := strings.TrimSpace(succeed(t, env, "token")); strings.Count(token, ".") != 2 {
		t.Errorf("token prints %q", token)
	}
	succeed(t, env, "migrate")
	refuse(t, env, []string{"secrets", "list", admin[1]}, "no Roster runs from "+dir)
	noPostgresLeft(t, dir)
}

func TestSecretsAreListedAndRetiredOverTheAPI(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	env := append(at(s), "DATABASE_URL=postgres://nobody@127.0.0.1:1/nothing") // which they do not look at
	id := strings.TrimSpace(succeed(t, at(s), "clients", "create", "--name", "a", "--grant-type", "client_credentials", "-o", "json"))
	id = regexp.MustCompile(`"client_id": *"([^"]+)"`).FindStringSubmatch(id)[1]
	succeed(t, at(s), "clients", "rotate-secret", id, "--grace", "24h", "--show-secrets")
	list := succeed(t, env, "secrets", "list", id)
	old := regexp.MustCompile(`(?m)^(\S+) +superseded `).FindStringSubmatch(list)
	if old == nil || !strings.Contains(list, " current ") {
		t.Fatalf("secrets list prints\n%s", list)
	}
	if out := succeed(t, env, "secrets", "retire", id, old[1]); out != "secret "+old[1]+" of client "+id+" revoked\n" {
		t.Errorf("secrets retire prints %q", out)
	}
	if list := succeed(t, env, "secrets", "list", id); strings.Contains(list, "superseded") {
		t.Errorf("after retiring, secrets list prints\n%s", list)
	}
	refuse(t, env, []string{"secrets", "list", "nobody"}, "client")
}

func TestEmbeddedServiceListensOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	s := serve(t, []string{"ROSTER_DATA_DIR=" + shortDir(t)})
	at := s.stderr.wait(t, s.ended, regexp.MustCompile(`"msg":"listening","addr":"([^"]*)"`))[1]
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	want := "127.0.0.1:" + port
	if ln, err := net.Listen("tcp", "[::1]:0"); err == nil {
		ln.Close()
		want += ", [::1]:" + port
	}
	if at != want {
		t.Errorf("it listens on %s, want %s", at, want)
	}
	for one := range strings.SplitSeq(at, ", ") {
		resp, err := http.Get("http://" + one + "/healthz")
		if err != nil {
			t.Error(err)
			continue
		}
		resp.Body.Close()
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip := a.(*net.IPNet).IP; !ip.IsLoopback() && ip.To4() != nil {
			if conn, err := net.Dial("tcp", net.JoinHostPort(ip.String(), port)); err == nil {
				conn.Close()
				t.Errorf("it can be reached at %s", ip)
			}
		}
	}
	s.stop()

	dir := shortDir(t)
	open := serve(t, []string{"ROSTER_DATA_DIR=" + dir, "ROSTER_ADDR=:0"})
	succeed(t, []string{"ROSTER_DATA_DIR=" + dir}, "health") // which finds the port
	if at := open.stderr.wait(t, open.ended, regexp.MustCompile(`"msg":"listening","addr":"([^"]*)"`))[1]; !strings.HasPrefix(at, "[::]:") && !strings.HasPrefix(at, "0.0.0.0:") {
		t.Errorf("with ROSTER_ADDR=:0 it listens on %s", at)
	}
	open.stop()
}

// TestServicesMayStartAtOnce starts several on one database and one data
// folder, in which none has made an administrator yet.
func TestServicesMayStartAtOnce(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"with a configured administrator": nil, "with setup": {"--setup"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, _ := external(t)
			env = append(env, "ROSTER_PUBLIC_URL=https://roster.example")
			if args == nil {
				succeed(t, env, "keys", "create")
				env = append(env, "ROSTER_BOOTSTRAP_CLIENT_ID=automation", "ROSTER_BOOTSTRAP_CLIENT_SECRET=a-secret-of-my-own-0123456789")
			}
			services := make([]*service, 6)
			for i := range services {
				services[i] = launch(t, env, args...)
			}
			listening := regexp.MustCompile(`"msg":"listening","addr":"([^"]*)"`)
			for _, s := range services {
				s.URL = "http://" + s.stderr.wait(t, s.ended, listening)[1]
			}
			request := "grant_type=client_credentials&client_id=automation&client_secret=a-secret-of-my-own-0123456789"
			if args != nil {
				_, dir, _ := strings.Cut(env[3], "=")
				kept, err := os.ReadFile(filepath.Join(dir, "administrator"))
				if err != nil {
					t.Fatal(err)
				}
				request = string(kept)
			}
			for _, s := range services {
				if status, body := s.call("", "POST", "/oauth/token", request+"&audience=https://roster.example/api/v2/"); status != http.StatusOK {
					t.Errorf("%d %s", status, body)
				}
				s.stop()
			}
		})
	}
}

// TestServingBeforeMigratingIsSaidInOneSentence starts a service on a database
// without a schema, and on one that an older release has migrated.
func TestServingBeforeMigratingIsSaidInOneSentence(t *testing.T) {
	t.Parallel()
	sentence := regexp.MustCompile("^roster: the database schema is at version [05], version [0-9]+ is missing: run `roster migrate`\n$")
	own := postgrestest.NewEmptyURL(t, "")
	old := postgrestest.NewURL(t)
	sql(t, old, "DELETE FROM roster_migrations WHERE version > 5", "ALTER TABLE clients DROP COLUMN sealed")
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	succeed(t, nil, "keys", "create", keyset)
	for name, c := range map[string]struct {
		url string
		env []string
	}{
		"as the owner":              {own, nil},
		"as the role that serves":   {postgrestest.Runtime(t, own), nil},
		"with a keyset":             {own, []string{"ROSTER_KEYSET_FILE=" + keyset}},
		"with an administrator":     {own, []string{"ROSTER_BOOTSTRAP_CLIENT_ID=x", "ROSTER_BOOTSTRAP_CLIENT_SECRET=a-secret-of-my-own-0123456789"}},
		"with a public URL":         {own, []string{"ROSTER_PUBLIC_URL=https://roster.example", "ROSTER_SECRET_MODE=hashed", "ROSTER_RATE_LIMIT=1"}},
		"by the simple protocol":    {own + "&default_query_exec_mode=simple_protocol", nil},
		"by exec":                   {own + "&default_query_exec_mode=exec", nil},
		"by cached descriptions":    {own + "&default_query_exec_mode=cache_describe", nil},
		"in a schema that is not":   {own + "&search_path=nowhere", nil},
		"an older one":              {old, []string{"ROSTER_KEYSET_FILE=" + keyset}},
		"an older one, and a robot": {old, []string{"ROSTER_KEYSET_FILE=" + keyset, "ROSTER_BOOTSTRAP_CLIENT_ID=x", "ROSTER_BOOTSTRAP_CLIENT_SECRET=a-secret-of-my-own-0123456789"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, _ := on(t, c.url)
			for _, command := range []string{"serve", "bootstrap"} {
				if _, stderr, code := run(t, append(env, c.env...), command); code != 1 || !sentence.MatchString(stderr) {
					t.Errorf("roster %s exits %d: %s", command, code, stderr)
				}
			}
		})
	}
}

// TestSignals sends each signal that means something to a running service.
func TestSignals(t *testing.T) {
	t.Parallel()
	env, keyset := external(t)
	s := serve(t, env, "--setup")
	again := func() {
		t.Helper()
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	succeed(t, env, "keys", "rotate", "--add-only")
	again()
	s.stderr.wait(t, s.ended, regexp.MustCompile(`"msg":"the keyset has changed"`))
	s.stderr.wait(t, s.ended, regexp.MustCompile(`"msg":"files were read again","signal":"SIGHUP"`))
	if err := os.WriteFile(keyset, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	again()
	s.stderr.wait(t, s.ended, regexp.MustCompile(`"msg":"cannot use the keyset file`))
	if status, body := s.call("", "GET", "/readyz", ""); status != http.StatusOK {
		t.Errorf("after SIGHUP: %d %s", status, body)
	}
	s.stop()

	for name, sig := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name+" lets requests end", func(t *testing.T) {
			t.Parallel()
			env, _ := external(t)
			s := serve(t, env, "--setup")
			body := "grant_type=client_credentials&client_id=x&client_secret=y"
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := fmt.Fprintf(conn, "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
				"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body)); err != nil {
				t.Fatal(err)
			}
			text := make([]byte, 4096)
			n, err := conn.Read(text) // "100 Continue": the request is under way
			if err != nil || !strings.Contains(string(text[:n]), "100 Continue") {
				t.Fatalf("%s, %v", text[:n], err)
			}
			if err := s.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			s.stderr.wait(t, s.ended, regexp.MustCompile(`"msg":"stopping"`))
			if _, err := conn.Write([]byte(body)); err != nil {
				t.Fatal(err)
			}
			if n, err = conn.Read(text); err != nil || !strings.HasPrefix(string(text[:n]), "HTTP/1.1 401 ") {
				t.Errorf("it answers %s, %v", text[:n], err)
			}
			<-s.ended
			if code := s.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://")); err == nil {
				conn.Close()
				t.Error("it still listens")
			}
		})
	}
}
