package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rosterhq/roster/internal/servertest"
)

// cli runs commands against a server of their own, as an administrator.
type cli struct {
	*servertest.Server
	t   *testing.T
	env []string
}

func newCLI(t *testing.T) *cli {
	t.Helper()
	s := servertest.NewWith(t, servertest.Options{Registry: servertest.RealTime})
	return &cli{s, t, []string{"ROSTER_URL=" + s.URL, "ROSTER_TOKEN=" + s.Admin}}
}

// run executes a command line with something on stdin.
func (c *cli) run(stdin string, args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), binary, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Dir = environment(c.env...), c.t.TempDir()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// ok is run for what must succeed.
func (c *cli) ok(args ...string) string {
	c.t.Helper()
	stdout, stderr, code := c.run("", args...)
	if code != 0 {
		c.t.Fatalf("roster %q exits %d: %s", args, code, stderr)
	}
	return stdout
}

// fails is run for what must end with a code and one line that says something.
func (c *cli) fails(code int, say string, args ...string) {
	c.t.Helper()
	stdout, stderr, got := c.run("", args...)
	if got != code || !strings.Contains(stderr, say) || strings.Count(stderr, "\n") != 1 {
		c.t.Errorf("roster %q exits %d, want %d and one line with %q: %s%s", args, got, code, say, stdout, stderr)
	}
}

// object is ok for a command that prints one object as JSON.
func (c *cli) object(args ...string) (object map[string]any) {
	c.t.Helper()
	if text := c.ok(append(args, "-o", "json")...); json.Unmarshal([]byte(text), &object) != nil {
		c.t.Fatalf("roster %q prints %s", args, text)
	}
	return object
}

// list is ok for a command that prints several.
func (c *cli) list(args ...string) (objects []map[string]any) {
	c.t.Helper()
	if text := c.ok(append(args, "-o", "json")...); json.Unmarshal([]byte(text), &objects) != nil {
		c.t.Fatalf("roster %q prints %s", args, text)
	}
	return objects
}

func (c *cli) create(body any) map[string]any {
	c.t.Helper()
	return c.Do(c.Admin, http.MethodPost, "/api/v2/clients", body).Want(http.StatusCreated).Object()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func column(objects []map[string]any, member string) (values []any) {
	for _, object := range objects {
		values = append(values, object[member])
	}
	return values
}

func TestClientsAreMadeShownChangedAndDeleted(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	made := c.object("clients", "create", "--name", "shop", "--app-type", "spa", "--auth-method", "none", "--callback", "https://shop.example/a,b",
		"--callback", "https://shop.example/c", "--grant-type", "authorization_code", "--first-party=false", "--metadata", "team=core=1", "--set", "sso=true")
	id := made["client_id"].(string)
	want := map[string]any{
		"name": "shop", "app_type": "spa", "token_endpoint_auth_method": "none", "is_first_party": false, "sso": true,
		"callbacks": []any{"https://shop.example/a,b", "https://shop.example/c"}, "grant_types": []any{"authorization_code"}, "client_metadata": map[string]any{"team": "core=1"},
	}
	for member, value := range want {
		if diff := cmp.Diff(value, made[member]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", member, diff)
		}
	}
	stored := c.Do(c.Admin, http.MethodGet, "/api/v2/clients/"+id+"?fields=client_secret&include_fields=false", nil).Want(http.StatusOK).Object()
	if diff := cmp.Diff(stored, c.object("clients", "get", id)); diff != "" {
		t.Errorf("get is not what the API shows (-API +get):\n%s", diff)
	}
	var fromYAML map[string]any
	if err := yaml.Unmarshal([]byte(c.ok("clients", "get", id, "--output", "yaml")), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(jsonText(t, stored), jsonText(t, fromYAML)); diff != "" {
		t.Errorf("YAML says something else (-API +YAML):\n%s", diff)
	}
	if table := c.ok("clients", "get", id); !strings.Contains(table, "\nname ") || !strings.Contains(table, " https://shop.example/a,b,https://shop.example/c\n") {
		t.Errorf("as a table:\n%s", table)
	}

	changed := c.object("clients", "update", id, "--name", "shop 2", "--set", "client_metadata={\"team\":null}", "--set", "callbacks=[]")
	for member, value := range map[string]any{"name": "shop 2", "app_type": "spa", "callbacks": []any{}} {
		if diff := cmp.Diff(value, changed[member]); diff != "" {
			t.Errorf("%s after the change (-want +got):\n%s", member, diff)
		}
	}
	c.fails(2, "nothing to change", "clients", "update", id)
	c.fails(2, "pass --yes", "clients", "delete", id)
	if out := c.ok("clients", "delete", "--yes", id); out != "client "+id+" (shop 2) deleted\n" {
		t.Errorf("deleting says %q", out)
	}
	c.fails(1, "The client does not exist", "clients", "get", id)
	c.fails(1, "The client does not exist", "clients", "update", id, "--name", "x")
	c.fails(1, "client "+id+" not found", "clients", "delete", "--yes", id)
	c.ok("clients", "delete", "--yes", "--ignore-not-found", id)
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRequestsComeFromFilesToo(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	asJSON, asYAML := filepath.Join(t.TempDir(), "c.json"), filepath.Join(t.TempDir(), "c.yaml")
	write(t, asJSON, `{"name":"from a file","callbacks":["https://a.example/"],"client_metadata":{"a":"1"}}`)
	write(t, asYAML, "name: from a file\ncallbacks:\n- https://a.example/\nclient_metadata: {a: '1'}\n")
	for _, file := range []string{asJSON, asYAML} {
		made := c.object("clients", "create", "--file", file, "--name", "flags win")
		if diff := cmp.Diff([]any{"flags win", []any{"https://a.example/"}, map[string]any{"a": "1"}}, []any{made["name"], made["callbacks"], made["client_metadata"]}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	if stdout, stderr, code := c.run("name: piped\n", "clients", "create", "-f", "-", "-o", "yaml"); code != 0 || !strings.Contains(stdout, "\nname: piped\n") {
		t.Errorf("from stdin: %d %s %s", code, stdout, stderr)
	}
	for text, say := range map[string]string{
		"name: a\nname: b":        "want one object",
		`{"name":"a","name":"b"}`: "twice",
		"[1]":                     "want one object",
		"":                        "want one object",
		"null":                    "want one object",
		"name: a\n---\nname: b":   "want one object",
		"name: 's3cr3t\nx: [":     "want one object",
		"nam: a":                  "nam",
	} {
		file := filepath.Join(t.TempDir(), "f")
		write(t, file, text)
		stdout, stderr, code := c.run("", "clients", "create", "-f", file)
		if code == 0 || !strings.Contains(stderr, say) || strings.Contains(stderr, "s3cr3t") {
			t.Errorf("%q: exit code %d, want %q: %s%s", text, code, say, stdout, stderr)
		}
	}
	c.fails(2, "no such file", "clients", "create", "-f", "/nowhere")
	c.fails(2, "not JSON", "clients", "create", "--set", "description=text")
	c.fails(2, "want MEMBER=JSON", "clients", "create", "--set", "description")
	c.fails(2, "--app-type: bogus is not one of its values, such as native, spa", "clients", "create", "--name", "x", "--app-type", "bogus")
}

func TestListsGoThroughAllPages(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for i := range 103 { // a page holds 100
		kind := "spa"
		if i%2 == 1 {
			kind = "native"
		}
		c.create(map[string]any{"name": fmt.Sprintf("client %d", i), "app_type": kind, "is_first_party": i != 7})
	}
	all := c.list("clients", "list", "--global=false")
	if len(all) != 103 || all[102]["name"] != "client 102" {
		t.Fatalf("it lists %d: %v", len(all), column(all, "name"))
	}
	for _, limit := range []int{1, 100, 101} {
		if diff := cmp.Diff(column(all[:limit], "client_id"), column(c.list("clients", "list", "--limit", fmt.Sprint(limit)), "client_id")); diff != "" {
			t.Errorf("--limit %d (-want +got):\n%s", limit, diff)
		}
	}
	var fromYAML []map[string]any
	if err := yaml.Unmarshal([]byte(c.ok("clients", "list", "--global=false", "-o", "yaml")), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(column(all, "client_id"), column(fromYAML, "client_id")); diff != "" {
		t.Errorf("as YAML (-want +got):\n%s", diff)
	}
	lines := strings.Split(c.ok("clients", "list", "--global=false"), "\n")
	if len(lines) != 105 || !strings.HasPrefix(lines[0], "CLIENT ID") || strings.Index(lines[0], "NAME") != strings.Index(lines[103], "client 102") {
		t.Errorf("as a table of %d lines:\n%s\n%s", len(lines), lines[0], lines[len(lines)-2])
	}
	for filter, want := range map[string]int{"--app-type=spa": 52, "--app-type=spa,native": 103, "--first-party=false": 1, "--global": 1, "--external-client-id=https://none.example/": 0} {
		if got := c.list("clients", "list", filter); len(got) != want {
			t.Errorf("%s lists %d, want %d", filter, len(got), want)
		}
	}
	if empty := c.ok("clients", "list", "--external-client-id=https://none.example/", "-o", "yaml"); empty != "[]\n" {
		t.Errorf("an empty list in YAML: %q", empty)
	}
}

func TestSeveralAreDeletedAtOnceUntilOneCannotBe(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	var ids []string
	for i := range 3 {
		ids = append(ids, c.create(map[string]any{"name": fmt.Sprint("client ", i)})["client_id"].(string))
	}
	global := c.list("clients", "list", "--global")[0]["client_id"].(string)
	c.fails(1, "1 of 3 were deleted, then "+global+": The global client cannot be deleted.", "clients", "delete", "-y", ids[0], global, ids[1])
	if _, stderr, code := c.run("y\n", "clients", "delete", ids[1], ids[2]); code != 2 || !strings.Contains(stderr, "--yes") {
		t.Errorf("an answer from a pipe is taken: %d %s", code, stderr)
	}
	if stdout, stderr, code := c.run("", "clients", "delete", "-yq", ids[1], ids[2]); code != 0 || stdout+stderr != "" {
		t.Errorf("deleting two: %d %q %q", code, stdout, stderr)
	}
	if left := c.list("clients", "list", "--global=false"); len(left) != 0 {
		t.Errorf("left are %v", column(left, "name"))
	}
}

// hostile is a name that would change what a terminal shows.
const hostile = "x\x1b[2J\x1b]0;owned\a\u202egpj.exe\u0085\u009b31m\r\nadmin \U000e0041\\"

func TestNamesCannotActOnTheTerminal(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	id := c.create(map[string]any{"name": hostile, "description": hostile, "client_metadata": map[string]any{"k": hostile}})["client_id"].(string)
	for _, args := range [][]string{
		{"clients", "get", id}, {"clients", "list"}, {"clients", "get", id, "-o", "json"}, {"clients", "list", "-o", "json"}, {"clients", "get", id, "-o", "yaml"},
		{"clients", "list", "-o", "yaml"}, {"clients", "update", id, "--set", "sso=true"},
	} {
		out := c.ok(args...)
		if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && (r < ' ' || r >= 0x7f) }); i >= 0 {
			t.Errorf("roster %q prints %q", args, out[i:min(len(out), i+20)])
		}
	}
	if got := c.object("clients", "get", id)["description"]; got != hostile {
		t.Errorf("JSON has %q", got)
	}
	var fromYAML map[string]any
	if err := yaml.Unmarshal([]byte(c.ok("clients", "get", id, "-o", "yaml")), &fromYAML); err != nil || fromYAML["description"] != hostile {
		t.Errorf("YAML has %q, %v", fromYAML["description"], err)
	}
	if table := c.ok("clients", "get", id); !strings.Contains(table, `x\x1b[2J\x1b]0;owned\x07\u202egpj.exe\u0085\u009b31m\x0d\nadmin \U000e0041\\`) {
		t.Errorf("as a table:\n%s", table)
	}
}
