package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/embedpg"
	"github.com/rosterhq/roster/internal/postgrestest"
)

// The programs: that of release 1.0.0, and this tree's.
const (
	released = "0c80589"
	old      = "roster-1.0.0"
	fresh    = "roster"
)

const (
	patience   = 3 * time.Minute // for what ought to happen
	publicURL  = "http://roster.example"
	management = publicURL + "/api/v2/"
	admin      = "administrator"
	secret     = "a-secret-that-is-for-tests-alone"
)

var programs string // the folder of both

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "roster-upgrade-")
	if err == nil {
		programs = dir
		err = build()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// build makes both programs, the older one from git.
func build() error {
	if err := exec.Command("git", "cat-file", "-e", released+"^{commit}").Run(); err != nil {
		return fmt.Errorf("this clone has no commit %s, which is release 1.0.0 and is built for comparison; "+
			"a shallow clone lacks it: git fetch --unshallow", released)
	}
	const script = `set -e
mkdir "$0/src"
(cd ../.. && git archive "$1") | tar -x -C "$0/src"
(cd "$0/src" && go build -o "$0/$2" ./cmd/roster)
rm -rf "$0/src"
cd ../.. && go build -o "$0/$3" ./cmd/roster`
	cmd := exec.Command("sh", "-c", script, programs, released, old, fresh)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the programs: %w\n%s", err, out)
	}
	return nil
}

// deployment is a database, with what its instances share.
type deployment struct {
	owner, runtime, superuser string // URLs of the database
	ownerRole, role, database string
	keyset                    string
}

func newDeployment(t *testing.T) *deployment {
	t.Helper()
	own := postgrestest.NewEmptyURL(t, "")
	d := &deployment{
		owner: own, runtime: postgrestest.Runtime(t, own), superuser: postgrestest.Superuser(t, own),
		keyset: filepath.Join(t.TempDir(), "keyset.json"),
	}
	for of, role := range map[string]*string{d.owner: &d.ownerRole, d.runtime: &d.role} {
		config, err := pgx.ParseConfig(of)
		if err != nil {
			t.Fatal(err)
		}
		*role, d.database = config.User, config.Database
	}
	d.run(t, fresh, "", "keys", "create", d.keyset)
	return d
}

func (d *deployment) command(t *testing.T, release, as string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, release), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nowhere", "DATABASE_URL=" + as,
		"ROSTER_KEYSET_FILE=" + d.keyset, "ROSTER_DATA_DIR=" + cmd.Dir,
		"ROSTER_ADDR=127.0.0.1:0", "ROSTER_RATE_LIMIT=off", "ROSTER_PUBLIC_URL=" + publicURL,
		"ROSTER_BOOTSTRAP_CLIENT_ID=" + admin, "ROSTER_BOOTSTRAP_CLIENT_SECRET=" + secret,
	}
	return cmd
}

func (d *deployment) run(t *testing.T, release, as string, args ...string) {
	t.Helper()
	if out, err := d.command(t, release, as, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", release, strings.Join(args, " "), err, out)
	}
}

func (d *deployment) migrate(t *testing.T, release, as string) {
	t.Helper()
	d.run(t, release, as, "migrate", "--runtime-role", d.role)
}

// instance is a running server.
type instance struct {
	release, url string

	cmd   *exec.Cmd
	log   *log
	ended chan struct{}
}

// log keeps what a server writes, and tells of the line with its address.
type log struct {
	mu      sync.Mutex
	text    bytes.Buffer
	address chan string // of one place
}

var listening = regexp.MustCompile(`"msg":"listening","addr":"([^"]*)"`)

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if m := listening.FindSubmatch(l.text.Bytes()); m != nil {
		select {
		case l.address <- string(m[1]):
		default:
		}
	}
	return len(p), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve starts an instance, which must be ready when it listens.
func (d *deployment) serve(t *testing.T, release string) *instance {
	t.Helper()
	s := d.start(t, release)
	s.ready(t)
	return s
}

// start starts an instance and returns when it listens.
func (d *deployment) start(t *testing.T, release string) *instance {
	t.Helper()
	s := &instance{
		release: release, cmd: d.command(t, release, d.runtime, "serve"),
		log: &log{address: make(chan string, 1)}, ended: make(chan struct{}),
	}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
		if t.Failed() {
			t.Logf("%s wrote\n%.9000s", release, s.log)
		}
	})
	select {
	case address := <-s.log.address:
		s.url = "http://" + address
	case <-s.ended:
		t.Fatalf("%s ended: %s", release, s.log)
	case <-time.After(patience):
		t.Fatalf("%s does not listen: %s", release, s.log)
	}
	return s
}

func (s *instance) ready(t *testing.T) {
	t.Helper()
	if status, body := s.call("", "GET", "/readyz", nil); status != http.StatusOK {
		t.Fatalf("%s is not ready: %d %s", s.release, status, body)
	}
}

func (s *instance) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatalf("%s does not stop", s.release)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%s exits %d after SIGTERM", s.release, code)
	}
}

// call sends a request; status 0 says that there was no answer, and body why.
func (s *instance) call(token, method, path string, body any, header ...string) (status int, text string) {
	var sent io.Reader
	kind := "application/json"
	switch body := body.(type) {
	case nil:
	case url.Values:
		sent, kind = strings.NewReader(body.Encode()), "application/x-www-form-urlencoded"
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, err.Error()
		}
		sent = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, sent)
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", kind)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(all)
}

// token asks for a token for the management API.
func (s *instance) token(id, secret string) (status int, token string) {
	status, body := s.call("", "POST", "/oauth/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "audience": {management}})
	var answer struct {
		Token string `json:"access_token"`
	}
	if json.Unmarshal([]byte(body), &answer) != nil || answer.Token == "" {
		return status, body
	}
	return status, answer.Token
}

func execute(t *testing.T, at, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// snippet returns the first SQL after some words of a document, with names of
// the document replaced.
func snippet(t *testing.T, file, words string, replace ...string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), words)
	_, after, _ = strings.Cut(after, "```sql\n")
	sql, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatalf("%s has no SQL after %q", file, words)
	}
	return strings.NewReplacer(replace...).Replace(sql)
}

// postgresProgram is one of PostgreSQL's own.
func postgresProgram(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	dir, err := embedpg.Programs(os.Getenv("ROSTER_POSTGRES_BIN"))
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), filepath.Join(dir, name), args...)
}
