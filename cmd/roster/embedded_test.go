package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

// printed returns the command that the banner shows under a heading.
func (s *service) printed(heading string) string {
	s.t.Helper()
	m := s.stdout.wait(s.t, s.ended, regexp.MustCompile(regexp.QuoteMeta(heading)+`:\n\n((?:  .*\n)+)`))
	return m[1]
}

// shell executes a line as a person would and returns the JSON it prints.
func shell(t *testing.T, line string) map[string]any {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Stderr = t.TempDir(), t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	var answer map[string]any
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%s prints %q: %v", line, out, err)
	}
	return answer
}

func TestFirstStartPrintsLinesThatWorkAndTheSecondFindsTheData(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(shortDir(t), "it's here") // a path that a shell must have quoted
	env := []string{"ROSTER_ADDR=127.0.0.1:0", "ROSTER_DATA_DIR=" + dir}
	first := serve(t, env)
	if token := shell(t, first.printed("Get a token"))["access_token"]; token == nil {
		t.Error("the first line gives no token")
	}
	created := shell(t, first.printed("Create a client"))
	if created["name"] != "My first client" {
		t.Errorf("the second line answers %v", created)
	}
	if !strings.Contains(first.stdout.String(), "client_secret") || strings.Contains(first.stderr.String(), "client_secret") {
		t.Error("the administrator's secret is to be printed once, and not logged")
	}
	for file, mode := range map[string]os.FileMode{"administrator": 0o600, "keyset.json": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	first.stop()
	noPostgresLeft(t, dir)

	second := serve(t, env)
	if shown := regexp.MustCompile(`client_secret [A-Za-z0-9_-]{64}`).FindString(second.stdout.String()); shown != "" {
		t.Error("the secret is printed again")
	}
	token, ok := shell(t, second.printed("Get a token"))["access_token"].(string)
	if !ok {
		t.Fatal("no token after the second start")
	}
	if status, body := second.call(token, "GET", "/api/v2/clients/"+created["client_id"].(string), ""); status != http.StatusOK {
		t.Errorf("the client of the first start: %d %s", status, body)
	}
	second.stop()
	noPostgresLeft(t, dir)
}

func TestStopWhileStartingIsNoFailure(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	s := launch(t, []string{"ROSTER_ADDR=127.0.0.1:0", "ROSTER_DATA_DIR=" + dir})
	s.stderr.wait(t, s.ended, regexp.MustCompile(`"msg":"making a new database"`))
	s.stop()
	noPostgresLeft(t, dir)
}

func TestCommandsBesideARunningService(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	env := []string{"ROSTER_ADDR=127.0.0.1:0", "ROSTER_DATA_DIR=" + dir}
	s := serve(t, env)
	addr := strings.Replace(strings.TrimPrefix(s.URL, "http://"), "localhost", "127.0.0.1", 1)

	t.Run("token", func(t *testing.T) {
		t.Parallel()
		token := strings.TrimSpace(succeed(t, env, "token", "--lifetime=1m"))
		if status, body := s.call(token, "GET", "/api/v2/clients?include_totals=true", ""); status != http.StatusOK {
			t.Errorf("its token: %d %s", status, body)
		}
		if _, stderr, code := run(t, env, "token", "--lifetime=2h"); code != 2 || !strings.Contains(stderr, "--lifetime: want 1s to 1h") {
			t.Errorf("--lifetime=2h exits %d: %s", code, stderr)
		}
	})
	t.Run("bootstrap", func(t *testing.T) {
		t.Parallel()
		m := regexp.MustCompile(`(?s)^client_id +(\S+)\nclient_secret +(\S+)\n$`).FindStringSubmatch(succeed(t, env, "bootstrap"))
		if m == nil {
			t.Fatal("no credentials are printed")
		}
		if status, body := s.call("", "POST", "/oauth/token", tokenRequest(s, m[1], m[2])); status != http.StatusOK {
			t.Errorf("its administrator: %d %s", status, body)
		}
	})
	t.Run("migrate", func(t *testing.T) {
		t.Parallel()
		if out := succeed(t, env, "migrate"); !strings.Contains(out, "The schema is at version ") {
			t.Errorf("it prints %q", out)
		}
	})
	t.Run("health", func(t *testing.T) {
		t.Parallel()
		servertest.Eventually(t, "the service is ready", func() bool { // asking gives up early
			_, _, code := run(t, []string{"ROSTER_ADDR=" + addr}, "health")
			return code == 0
		})
		succeed(t, nil, "health", "--url", "http://"+addr+"/")
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		free.Close()
		refuse(t, []string{"ROSTER_ADDR=" + free.Addr().String()}, []string{"health"}, "connection refused")
		refuse(t, []string{"ROSTER_ADDR=" + addr}, []string{"health", "--url", "http://" + free.Addr().String()}, "connection refused")
	})
	t.Run("a second service on the same data", func(t *testing.T) {
		t.Parallel()
		refuse(t, env, []string{"serve"}, "another process", fmt.Sprintf("pid %d", s.cmd.Process.Pid), "ROSTER_DATA_DIR")
	})
	t.Run("a second service on the same address", func(t *testing.T) {
		t.Parallel()
		other := []string{"ROSTER_ADDR=" + addr, "ROSTER_DATA_DIR=" + filepath.Join(shortDir(t), "d")}
		refuse(t, other, []string{"serve"}, "ROSTER_ADDR", addr, "address already in use")
	})
}

func tokenRequest(s *service, id, secret string) string {
	return "grant_type=client_credentials&client_id=" + id + "&client_secret=" + secret + "&audience=" + s.URL + "/api/v2/"
}

// TestTakenDefaultPortIsReplaced leaves the address open. Whoever else has port
// 8080 on this machine serves the test as well as its own listener.
func TestTakenDefaultPortIsReplaced(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", ":8080")
	if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatal(err)
	}
	if err == nil {
		defer ln.Close()
	}
	s := serve(t, []string{"ROSTER_DATA_DIR=" + shortDir(t)})
	if ln == nil && s.URL == "http://localhost:8080" {
		t.Skip("whoever had port 8080 has left it meanwhile")
	}
	if !regexp.MustCompile(`^http://localhost:8(0[89]|1[0-8])\d$`).MatchString(s.URL) || s.URL == "http://localhost:8080" {
		t.Errorf("it listens at %s", s.URL)
	}
	banner := s.stdout.wait(t, s.ended, regexp.MustCompile(`Roster is running at (\S+)\n(.*)\n`))
	if banner[1] != s.URL || !strings.Contains(banner[2], "port 8080 is taken") {
		t.Errorf("it says %q", banner[0])
	}
	if token := shell(t, s.printed("Get a token"))["access_token"]; token == nil {
		t.Error("the printed line gives no token")
	}
	s.stop()
}

// TestKillLosesNothingAcknowledged kills the service in the middle of writes.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	env := []string{"ROSTER_ADDR=127.0.0.1:0", "ROSTER_DATA_DIR=" + dir}
	s := serve(t, env)
	token := strings.TrimSpace(succeed(t, env, "token"))

	var mu sync.Mutex
	var acknowledged []string
	var sent atomic.Int64
	write := func() error {
		n := sent.Add(1)
		req, err := http.NewRequest("POST", s.URL+"/api/v2/clients", strings.NewReader(fmt.Sprintf(`{"name":"client %d"}`, n)))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var made struct {
			ClientID string `json:"client_id"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || resp.StatusCode != http.StatusCreated {
			return fmt.Errorf("%s, %w", resp.Status, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if acknowledged = append(acknowledged, made.ClientID); len(acknowledged) == 100 {
			return s.cmd.Process.Kill()
		}
		return nil
	}
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for write() == nil {
			}
		})
	}
	writers.Wait()
	<-s.ended
	if n := len(acknowledged); n < 100 {
		t.Fatalf("writing stopped after %d", n)
	}
	noPostgresLeft(t, dir)

	again := serve(t, env)
	token = strings.TrimSpace(succeed(t, env, "token"))
	for _, id := range acknowledged {
		if status, body := again.call(token, "GET", "/api/v2/clients/"+id+"?fields=name", ""); status != http.StatusOK {
			t.Errorf("client %s was acknowledged and is lost: %d %s", id, status, body)
		}
	}
	again.stop()
	noPostgresLeft(t, dir)
}

func TestWhatEmbeddingNeeds(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for name, c := range map[string]struct {
		env   []string
		words []string
	}{
		"server binaries": {
			[]string{"ROSTER_POSTGRES_BIN=" + empty, "PATH=" + empty, "ROSTER_DATA_DIR=" + filepath.Join(empty, "d")},
			[]string{"ROSTER_POSTGRES_BIN", "initdb"},
		},
		"a path short enough for a socket": {
			[]string{"ROSTER_DATA_DIR=/tmp/" + strings.Repeat("long/", 30)},
			[]string{"too long for a Unix socket", "ROSTER_DATA_DIR"},
		},
		"a folder it may make": {
			[]string{"ROSTER_DATA_DIR=/proc/nothing"},
			[]string{"ROSTER_DATA_DIR"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuse(t, append(c.env, "ROSTER_ADDR=127.0.0.1:0"), []string{"serve"}, c.words...)
		})
	}
}
