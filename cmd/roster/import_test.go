package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

// at is the environment of commands that talk to s.
func at(s *servertest.Server) []string {
	return []string{"ROSTER_URL=" + s.URL, "ROSTER_TOKEN=" + s.Admin}
}

// fileOf makes a file of records.
func fileOf(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "records.json")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// manyClients is a list of n clients as Auth0 shows them, each with that many
// bytes of addresses.
func manyClients(t *testing.T, n, size int) string {
	t.Helper()
	var callbacks []string
	for i := range size / 100 {
		callbacks = append(callbacks, fmt.Sprintf("https://app.example/%s/%02d", strings.Repeat("x", 75), i))
	}
	var b strings.Builder
	for i := range n {
		line, err := json.Marshal(map[string]any{
			"client_id": fmt.Sprintf("client%07d", i), "name": fmt.Sprint("Client ", i), "client_secret": fmt.Sprint("a-secret-of-client-", i),
			"callbacks": callbacks, "grant_types": []string{"client_credentials"}, "app_type": "non_interactive",
		})
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

func TestImportTakesFilesAsToolsWriteThem(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const a, b = `{"client_id":"a","name":"A"}`, `{"client_id":"b","name":"B","resource_servers":[]}`
	for name, text := range map[string]string{
		"a list":                   "[" + a + "," + b + "]",
		"a list, indented":         "[\n  " + a + ",\n  " + b + "\n]\n",
		"lines":                    a + "\n\n" + b + "\n",
		"lines without an end":     a + "\r\n" + b,
		"a page of Auth0's":        `{"start":0,"limit":50,"total":2,"clients":[` + a + "," + b + "]}\n",
		"pages":                    `{"clients":[` + a + `],"total":2}` + "\n" + `{"total":2,"clients":[` + b + "]}",
		"lists":                    "[" + a + "]\n[" + b + "]\n",
		"data":                     "{\n\"data\": [" + a + "," + b + "]}",
		"items":                    `{"items":[` + a + "," + b + "]}",
		"a tenant":                 `{"rules":[{"script":"x"}],"clients":[` + a + "," + b + `],"emailTemplates":[]}`,
		"objects over many lines":  strings.ReplaceAll(a+b, ",", ",\n "),
		"lines of different kinds": b + "\n" + a,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out := succeed(t, at(s), "import", "auth0", fileOf(t, text), "--dry-run"); !strings.HasPrefix(out, "Would import auth0: 2 created, 0 updated, 0 unchanged, 0 skipped, 0 failed.") {
				t.Error(out)
			}
		})
	}
}

func TestImportTakesAuth0sKindsInTheOrderOfTheirReferences(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	file := fileOf(t, `{
		"clientGrants": [{"client_id": "a", "audience": "urn:api", "scope": ["read"]}],
		"clients": [{"client_id": "a", "name": "A", "client_secret": "secret-of-a"}],
		"resourceServers": [{"identifier": "urn:api", "name": "API", "scopes": [{"value": "read"}]}]
	}`)
	if out := succeed(t, at(s), "import", "auth0", file); !strings.HasPrefix(out, "Imported auth0: 3 created, 0 updated, 0 unchanged, 0 skipped, 0 failed.\n") {
		t.Error(out)
	}
	if out := succeed(t, at(s), "import", "auth0", file); !strings.HasPrefix(out, "Imported auth0: 0 created, 0 updated, 3 unchanged, 0 skipped, 0 failed.\n") {
		t.Error(out)
	}
}

func TestImportTellsWhereARecordIsWrong(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	lines := []string{
		`{"client_id":"a","name":"A"}`,
		`{"client_id":"b","name":"B"`,
		`{"client_id":"c","name":"C","callbacks":["javascript:x"],"client_secret":"secret-that-is-not-shown"}`,
		`{"client_id":"d","name":"D","name":"E","client_secret":"secret-that-is-not-shown"}`,
		`{"client_id":"e","name":"E","description":"` + strings.Repeat("x", 1<<20-2000) + `"}`,
		`{"client_id":"f","name":"F","description":"` + strings.Repeat("x", 2<<20) + `"}`,
		`{"name":"G"}`,
		`"h"`,
		`{"client_id":"i","name":"I","client_secret":["secret-that-is-not-shown"]}`,
		`{"client_id":"a","name":"A"}`,
		`{"client_id":"z","name":"Z"}`,
	}
	stdout, stderr, code := run(t, at(s), "import", "auth0", fileOf(t, strings.Join(lines, "\n")))
	if code != 1 || !strings.HasPrefix(stdout, "Imported auth0: 6 created, 0 updated, 1 unchanged, 0 skipped, 4 failed.\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{
		"line 2: ", "line 3 (c): callbacks[0] was left out: it must ", "line 4 (d): name was left out: it is there twice", "line 5 (e): description was left out", "line 6: the line is larger than 1 MB", "line 7: client_id must ", "line 8", "line 9 (i): client_secret was left out: it must ",
		"roster: 4 of 11 records could not be imported\n",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q", want)
		}
	}
	if strings.Contains(stdout+stderr, "secret-that") || len(stderr) > 3000 {
		t.Errorf("stderr is %.4000s", stderr)
	}
	refuse(t, at(s), []string{"import", "auth0", fileOf(t, lines[0]+"\nnull\n")}, "line 2: the record must be a JSON object")
	refuse(t, at(s), []string{"import", "auth0", fileOf(t, "\n")}, "holds no records")
	refuse(t, at(s), []string{"import", "auth0", fileOf(t, `{"kind":"client","client_id":"a","document":{}}`)}, "use `roster import roster`")
	refuse(t, at(s), []string{"import", "auth0", fileOf(t, `[{"client_id":"a","name":"A"},{]`)}, "not valid JSON from byte")
	refuse(t, at(s), []string{"import", "auth0", fileOf(t, `[{"client_id":"a","description":"`+strings.Repeat("x", 20<<20)+`"}]`)}, "a value is larger than 8 MB")
	refuse(t, []string{"ROSTER_URL=" + s.URL, "ROSTER_TOKEN=" + s.Token("read:clients")}, []string{"import", "auth0", fileOf(t, lines[0])}, "may not do this")
}

func TestAnInterruptedImportGoesOn(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	var passed atomic.Int32
	stuck := make(chan struct{}, 100)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/import") && passed.Add(1) > 5 {
			_, _ = io.Copy(io.Discard, r.Body) // else nothing tells that the client is gone
			stuck <- struct{}{}
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	const n = 1500
	file := fileOf(t, manyClients(t, n, 0))
	cmd := exec.CommandContext(t.Context(), binary, "import", "auth0", file)
	cmd.Env = environment("ROSTER_URL="+front.URL, "ROSTER_TOKEN="+s.Admin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 4 { // every batch under way
		<-stuck
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "roster: interrupted\n") {
		t.Errorf("%v, %s", err, &stderr)
	}
	hint := regexp.MustCompile(`The first (\d+) records are done: go on with --skip (\d+)`).FindStringSubmatch(stderr.String())
	if hint == nil || hint[1] != hint[2] || hint[1] == "0" {
		t.Fatalf("stderr is %s", &stderr)
	}
	skip, _ := strconv.Atoi(hint[1])
	if out := succeed(t, at(s), "import", "auth0", file, "--skip", hint[1]); !strings.HasPrefix(out, fmt.Sprintf("Imported auth0: %d created, 0 updated, %d unchanged, 0 skipped, 0 failed.", n-500, 500-skip)) {
		t.Error(out)
	}
	if out := succeed(t, at(s), "import", "auth0", file); !strings.HasPrefix(out, fmt.Sprintf("Imported auth0: 0 created, 0 updated, %d unchanged, 0 skipped, 0 failed.", n)) {
		t.Error(out)
	}
}

// TEST_IMPORT is how many clients are imported; make import-test sets it
// to 100,000.
func TestManyClientsAreImported(t *testing.T) {
	t.Parallel()
	n := 1000
	if text := os.Getenv("TEST_IMPORT"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s := servertest.New(t)
	file := fileOf(t, manyClients(t, n, 500))
	for _, want := range []string{"Imported auth0: %d created, 0 updated, 0 unchanged, 0 skipped, 0 failed.\n", "Imported auth0: 0 created, 0 updated, %d unchanged, 0 skipped, 0 failed.\n"} {
		cmd := exec.CommandContext(t.Context(), binary, "import", "auth0", file)
		cmd.Env = environment(at(s)...)
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != fmt.Sprintf(want, n) {
			t.Fatalf("%v, %s", err, out)
		}
		t.Logf("%v of CPU: %s", cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), out)
	}
	var clients, events int
	if err := s.Pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM clients WHERE client_id LIKE 'client%'), (SELECT count(*) FROM events WHERE action = 'client.created' AND target LIKE 'client%')`).Scan(&clients, &events); err != nil || clients != n || events != n {
		t.Errorf("%d clients and %d events, %v", clients, events, err)
	}
}

// peak is the most memory that a running process has had, in kB.
func peak(t *testing.T, pid int64) (kB int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Error(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(after, &kB); err != nil {
		t.Error(err)
	}
	return kB
}

func TestImportNeedsNoMoreMemoryForMoreRecords(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	var imported, pid, most atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		records := bytes.Count(body, []byte(`"client_id":`))
		imported.Add(int64(records))
		if p := pid.Load(); p != 0 {
			most.Store(peak(t, p))
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"results":[%s]}`, strings.TrimSuffix(strings.Repeat(`{"kind":"client","target":"x","outcome":"created"},`, records), ","))
	}))
	defer server.Close()
	const n, size = 1000, 9000
	var peaks []int64
	for _, records := range []int{n, 4 * n} {
		imported.Store(0)
		pid.Store(0)
		cmd := exec.CommandContext(t.Context(), binary, "import", "auth0", fileOf(t, manyClients(t, records, size)))
		cmd.Env = environment("ROSTER_URL="+server.URL, "ROSTER_TOKEN=x")
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pid.Store(int64(cmd.Process.Pid))
		if err := cmd.Wait(); err != nil || imported.Load() != int64(records) {
			t.Fatalf("%d records, %v, %s", imported.Load(), err, &out)
		}
		peaks = append(peaks, most.Load())
	}
	t.Logf("%d kB for %d records, %d kB for %d", peaks[0], n, peaks[1], 4*n)
	if peaks[1] > peaks[0]*3/2 {
		t.Errorf("%d kB for %d records, %d kB for %d", peaks[0], n, peaks[1], 4*n)
	}
}

func TestAnExportIsAFileForItsOwnerThatImportTakes(t *testing.T) {
	t.Parallel()
	from, to := servertest.New(t), servertest.New(t)
	succeed(t, at(from), "import", "auth0", fileOf(t, manyClients(t, 250, 100)))
	name := filepath.Join(t.TempDir(), "all.jsonl")
	if out := succeed(t, at(from), "export", "-q", "--output", filepath.Join(t.TempDir(), "quiet")); out != "" {
		t.Errorf("export -q prints %q", out)
	}
	if out := succeed(t, at(from), "export", "--include-secrets", "--output", name); out != "Wrote 250 records to "+name+".\n" {
		t.Error(out)
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(name)); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
	if out := succeed(t, at(to), "import", "roster", name); !strings.HasPrefix(out, "Imported roster: 250 created, 0 updated, 0 unchanged, 0 skipped, 0 failed.\n") {
		t.Error(out)
	}
	if a, b := succeed(t, at(from), "export", "--include-secrets"), succeed(t, at(to), "export", "--include-secrets"); sorted(a) != sorted(b) || !strings.Contains(a, "secret-of-client-7") {
		t.Error("the exports differ")
	}
	if out := succeed(t, at(to), "export"); strings.Contains(out, "secret-of") {
		t.Error("an export without secrets shows them")
	}
	_, _, code := run(t, []string{"ROSTER_URL=" + from.URL, "ROSTER_TOKEN=" + from.Token("read:clients")}, "export", "--output", name+"2")
	if _, err := os.Stat(name + "2"); code != 1 || !os.IsNotExist(err) {
		t.Errorf("exit code %d, %v", code, err)
	}
	if left, err := os.ReadDir(filepath.Dir(name)); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// sorted is a text with its lines in order: batches of an import overtake each
// other.
func sorted(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}
