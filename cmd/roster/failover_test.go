package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/embedpg"
	"github.com/rosterhq/roster/internal/servertest"
)

// machine is a PostgreSQL server of a test's own.
type machine struct {
	*embedpg.Server
	t      *testing.T
	config embedpg.Config
}

// newMachine starts a server with settings, in a new folder.
func newMachine(t *testing.T, durable bool, settings map[string]string) *machine {
	t.Helper()
	m := &machine{t: t, config: embedpg.Config{
		Dir: filepath.Join(shortDir(t), "pg"), BinDir: os.Getenv("ROSTER_POSTGRES_BIN"), Durable: durable,
		Settings: settings, Log: slog.New(slog.DiscardHandler),
	}}
	m.start()
	return m
}

func (m *machine) start() {
	m.t.Helper()
	var err error
	if m.Server, err = embedpg.Start(context.WithoutCancel(m.t.Context()), m.config); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { m.Stop() })
}

// signal sends sig to the server and to all its processes.
func (m *machine) signal(sig syscall.Signal) {
	m.t.Helper()
	out, err := exec.Command("ps", "-o", "pid=", "--ppid", fmt.Sprint(m.Pid())).Output()
	if err != nil {
		m.t.Fatal(err)
	}
	for _, pid := range append(strings.Fields(string(out)), fmt.Sprint(m.Pid())) {
		var n int
		if _, err := fmt.Sscan(pid, &n); err != nil {
			m.t.Fatal(err)
		}
		_ = syscall.Kill(n, sig) // a child may be gone
	}
}

// crash ends the server at once.
func (m *machine) crash() {
	m.t.Helper()
	m.signal(syscall.SIGKILL)
	<-m.Done()
	m.Stop()
}

// standby makes a copy of the server that follows it.
func (m *machine) standby() *machine {
	m.t.Helper()
	dir := filepath.Join(shortDir(m.t), "pg")
	if err := os.Mkdir(dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	programs, err := embedpg.Programs(os.Getenv("ROSTER_POSTGRES_BIN"))
	if err != nil {
		m.t.Fatal(err)
	}
	backup := exec.Command(filepath.Join(programs, "pg_basebackup"), "--dbname="+m.URL, "--pgdata="+filepath.Join(dir, "data"),
		"--write-recovery-conf", "--checkpoint=fast")
	out, err := backup.CombinedOutput()
	if err != nil {
		m.t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	// As root the servers run as somebody else.
	info, err := os.Stat(filepath.Join(m.Dir, "data"))
	if err != nil {
		m.t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	err = filepath.WalkDir(filepath.Join(dir, "data"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
	if err != nil {
		m.t.Fatal(err)
	}
	other := &machine{t: m.t, config: m.config}
	other.config.Dir = dir
	other.start()
	return other
}

// addressOf returns the URL of database on several servers, as a role.
func addressOf(t *testing.T, role, database string, machines ...*machine) string {
	t.Helper()
	var hosts, ports []string
	for _, m := range machines {
		u, err := url.Parse(m.URL)
		if err != nil {
			t.Fatal(err)
		}
		hosts, ports = append(hosts, u.Query().Get("host")), append(ports, u.Query().Get("port"))
	}
	q := url.Values{"host": {strings.Join(hosts, ",")}, "port": {strings.Join(ports, ",")}, "sslmode": {"disable"}}
	return "postgres://" + role + "@/" + database + "?" + q.Encode()
}

// load is what callers do to a service all the time: each of them makes
// clients, changes them, and gets tokens.
type load struct {
	s    *service
	stop chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	kept    map[string]int    // by client_id the last change that was acknowledged
	counts  map[int]int       // answers by status since the last time that all was well
	refused int               // how many answers were 503
	last    map[int]time.Time // when each caller was last answered as it should be
	faults  []string
}

const (
	adminID, adminSecret = "load-administrator", "load-administrator-secret-load-administrator-secret-load-administrator"
	callers              = 6
)

func newLoad(s *service) *load {
	return &load{s: s, stop: make(chan struct{}), kept: map[string]int{}, counts: map[int]int{}, last: map[int]time.Time{}}
}

// loadOn begins the load on s, which knows adminID.
func loadOn(s *service) *load {
	l := newLoad(s)
	for n := range callers {
		l.done.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
					l.round(n)
				}
			}
		})
	}
	return l
}

// round is one caller's work: a token, a client, and changes of it.
func (l *load) round(n int) {
	token, ok := l.token()
	if !ok {
		return
	}
	text, ok := l.call(token, "POST", "/api/v2/clients", `{"name":"load","client_metadata":{"n":"0"}}`)
	if !ok {
		return
	}
	var made struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		l.fault("%v: %s", err, text)
		return
	}
	for change := range 4 {
		if change > 0 {
			body := fmt.Sprintf(`{"client_metadata":{"n":"%d"}}`, change)
			if _, ok := l.call(token, "PATCH", "/api/v2/clients/"+made.ID, body); !ok {
				return
			}
		}
		l.mu.Lock()
		l.kept[made.ID], l.last[n] = change, time.Now()
		l.mu.Unlock()
	}
}

func (l *load) token() (string, bool) {
	const request = `{"grant_type":"client_credentials","client_id":%q,"client_secret":%q,"audience":%q}`
	text, ok := l.call("", "POST", "/oauth/token", fmt.Sprintf(request, adminID, adminSecret, l.s.URL+"/api/v2/"))
	var t struct {
		Token string `json:"access_token"`
	}
	if ok {
		if err := json.Unmarshal(text, &t); err != nil {
			l.fault("%v: %s", err, text)
			return "", false
		}
	}
	return t.Token, ok
}

// call sends a request; ok is whether it was done. That it was not must be a 503
// that says when to come back.
func (l *load) call(token, method, path, body string) (text []byte, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), servertest.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, l.s.URL+path, strings.NewReader(body))
	if err != nil {
		l.fault("%v", err)
		return nil, false
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.fault("%s %s: %v", method, path, err)
		return nil, false
	}
	defer resp.Body.Close()
	if text, err = io.ReadAll(resp.Body); err != nil {
		l.fault("%s %s: %v", method, path, err)
		return nil, false
	}
	l.mu.Lock()
	l.counts[resp.StatusCode]++
	if resp.StatusCode == http.StatusServiceUnavailable {
		l.refused++
	}
	l.mu.Unlock()
	switch {
	case resp.StatusCode < 300:
		return text, true
	case resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "":
		l.fault("%s %s: %d, Retry-After %q: %s", method, path, resp.StatusCode, resp.Header.Get("Retry-After"), text)
	}
	return nil, false
}

func (l *load) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) < 10 {
		l.faults = append(l.faults, fmt.Sprintf(format, args...))
	}
}

// settled waits until every caller is served again and returns how long after
// from that is; refused is how many answers were 503 since the last call.
func (l *load) settled(what string, from time.Time) {
	l.s.t.Helper()
	begun := time.Now()
	servertest.Eventually(l.s.t, "every caller is served again after "+what, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.faults) > 0 {
			l.s.t.Fatalf("%s: %s", what, strings.Join(l.faults, "\n"))
		}
		for n := range callers {
			if !l.last[n].After(begun) {
				return false
			}
		}
		return true
	})
	took := time.Since(from)
	servertest.Eventually(l.s.t, "ready after "+what, func() bool {
		status, _ := l.s.call("", "GET", "/readyz", "")
		return status == http.StatusOK
	})
	l.mu.Lock()
	counts := maps.Clone(l.counts)
	clear(l.counts)
	l.mu.Unlock()
	l.s.t.Logf("%s: every caller was served again after %v, ready after %v; answers by status: %v",
		what, took.Round(time.Millisecond), time.Since(from).Round(time.Millisecond), counts)
}

// end stops the load and checks that nothing that was acknowledged is lost.
func (l *load) end() {
	l.s.t.Helper()
	close(l.stop)
	l.done.Wait()
	for _, fault := range l.faults {
		l.s.t.Error(fault)
	}
	token, ok := l.token()
	if !ok {
		l.s.t.Fatalf("no token: %q", l.faults)
	}
	if len(l.kept) == 0 {
		l.s.t.Fatal("nothing was stored: this tests nothing")
	}
	for id, change := range l.kept {
		status, text := l.s.call(token, "GET", "/api/v2/clients/"+id, "")
		var c struct {
			Metadata struct {
				N string `json:"n"`
			} `json:"client_metadata"`
		}
		if status != http.StatusOK || json.Unmarshal([]byte(text), &c) != nil || c.Metadata.N < fmt.Sprint(change) {
			l.s.t.Errorf("client %s after change %d: %d %s", id, change, status, text)
		}
	}
	l.s.t.Logf("all %d clients are as acknowledged", len(l.kept))
}

// outside skips a test with processes from outside unless make has asked for it.
func outside(t *testing.T, target, why string) {
	t.Helper()
	if variable := "TEST_" + strings.ToUpper(target); os.Getenv(variable) == "" {
		t.Skipf("%s: run make test-%s, which sets %s", why, target, variable)
	}
}

// TestFailover restarts and loses PostgreSQL servers under load.
func TestFailover(t *testing.T) {
	outside(t, "failover", "it runs two PostgreSQL servers that replicate and takes two minutes")
	replicating := map[string]string{"wal_level": "replica", "max_wal_senders": "10", "hot_standby": "on"}
	first := newMachine(t, true, replicating)
	sql(t, first.URL, "CREATE ROLE app LOGIN", "CREATE DATABASE app OWNER app")
	second := first.standby()
	synchronous := func(m *machine) {
		sql(t, m.URL, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
		servertest.Eventually(t, "the standby is synchronous", func() bool {
			var n int
			err := query(m.URL, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", &n)
			return err == nil && n == 1
		})
	}
	synchronous(first)

	env, _ := on(t, addressOf(t, "app", "app", second, first)) // the standby first
	s := serve(t, administered(env), "--setup")
	l := loadOn(s)
	l.settled("the start", time.Now())

	first.Stop()
	servertest.Eventually(t, "not ready without a primary", func() bool {
		status, _ := s.call("", "GET", "/readyz", "")
		return status == http.StatusServiceUnavailable
	})
	from := time.Now()
	first.start()
	l.settled("a restart of the primary", from)

	first.crash()
	from = time.Now()
	sql(t, second.URL, "SELECT pg_promote()")
	l.settled("the promotion of the standby", from)

	// The lost one comes back as a standby, and the new primary is restarted.
	third := second.standby()
	synchronous(second)
	second.Stop()
	from = time.Now()
	second.start()
	l.settled("a restart of the new primary", from)

	// A server that is gone without a word: connections stay open, nothing comes.
	second.signal(syscall.SIGSTOP)
	from = time.Now()
	servertest.Eventually(t, "not ready without an answer", func() bool {
		status, _ := s.call("", "GET", "/readyz", "")
		return status == http.StatusServiceUnavailable
	})
	servertest.Eventually(t, "callers are refused while nothing answers", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.counts[http.StatusServiceUnavailable] >= callers
	})
	t.Logf("nothing answers: all callers were refused after %v", time.Since(from).Round(time.Millisecond))
	second.signal(syscall.SIGCONT)
	l.settled("a server that answers again", time.Now())

	l.end()
	s.stop()
	third.Stop()
}

// query reads one value.
func query(address, sql string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), servertest.Patience)
	defer cancel()
	c, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return c.QueryRow(ctx, sql).Scan(into)
}
