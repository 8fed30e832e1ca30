// Package terraform drives a started Roster with Terraform and the Auth0
// provider. Start it with ../run.sh terraform, which says where they are.
package terraform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// domain is the server's host:port; providerDir holds the provider's binary.
var (
	domain      = os.Getenv("AUTH0_DOMAIN")
	adminID     = os.Getenv("AUTH0_CLIENT_ID")
	adminSecret = os.Getenv("AUTH0_CLIENT_SECRET")
	providerDir = os.Getenv("SDK_PROVIDER_DIR")
	management  = "https://" + domain + "/api/v2/"
)

func TestMain(m *testing.M) {
	if domain == "" || adminID == "" || adminSecret == "" || providerDir == "" {
		fmt.Fprintln(os.Stderr, "AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET and SDK_PROVIDER_DIR are not set: start these tests with ../run.sh terraform")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// workspace is a folder with a configuration and its state.
type workspace struct {
	t   *testing.T
	dir string
	env []string
}

// newWorkspace makes one whose provider logs in with the variables of login,
// NAME=value each; without any, as the administrator. What is left of it is
// destroyed when the test ends.
func newWorkspace(t *testing.T, login ...string) *workspace {
	t.Helper()
	if login == nil {
		login = []string{"AUTH0_CLIENT_ID=" + adminID, "AUTH0_CLIENT_SECRET=" + adminSecret}
	}
	w := &workspace{t: t, dir: t.TempDir()}
	rc := filepath.Join(w.dir, "cli.tfrc")
	w.write(rc, fmt.Sprintf("provider_installation {\n  dev_overrides { \"auth0/auth0\" = %q }\n  direct {}\n}\n", providerDir))
	w.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "SSL_CERT_FILE=" + os.Getenv("SSL_CERT_FILE"),
		"TF_CLI_CONFIG_FILE=" + rc, "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1", "AUTH0_DOMAIN=" + domain,
	}, login...)
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(w.dir, "terraform.tfstate")); err == nil {
			w.must("destroy", "-auto-approve")
		}
	})
	return w
}

func (w *workspace) write(path, text string) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// configure replaces the configuration.
func (w *workspace) configure(text string) {
	w.t.Helper()
	w.write(filepath.Join(w.dir, "main.tf"), "terraform {\n  required_providers {\n    auth0 = { source = \"auth0/auth0\" }\n  }\n}\n"+text)
}

// run is a terraform command: its exit code and what it printed.
func (w *workspace) run(args ...string) (int, string) {
	w.t.Helper()
	flags := 1 // come after the command
	if args[0] == "state" {
		flags = 2
	}
	cmd := exec.Command("terraform", slices.Insert(slices.Clone(args), flags, "-no-color")...)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		w.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func (w *workspace) must(args ...string) string {
	w.t.Helper()
	code, out := w.run(args...)
	if code != 0 {
		w.t.Fatalf("terraform %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// apply brings about the configuration, and checks that a second plan finds
// nothing left to do.
func (w *workspace) apply() {
	w.t.Helper()
	w.must("apply", "-auto-approve")
	if code, out := w.run("plan", "-detailed-exitcode"); code != 0 {
		w.t.Errorf("plan after apply: exit %d, want no changes\n%s", code, out)
	}
}

// changes checks that a plan wants changes, and returns it as text.
func (w *workspace) changes() string {
	w.t.Helper()
	code, out := w.run("plan", "-detailed-exitcode")
	if code != 2 {
		w.t.Errorf("plan: exit %d, want changes\n%s", code, out)
	}
	return out
}

// output is the value of an output of the configuration.
func (w *workspace) output(name string) string {
	w.t.Helper()
	var outputs map[string]struct{ Value any }
	out := w.must("output", "-json")
	if err := json.Unmarshal([]byte(out), &outputs); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
	text, ok := outputs[name].Value.(string)
	if !ok {
		w.t.Fatalf("output %s is %v", name, outputs[name].Value)
	}
	return text
}

// logIn is a token for an audience, by client secret; or the status that it
// was refused with.
func logIn(t *testing.T, id, secret, audience string) (token, scope string, status int) {
	t.Helper()
	resp, err := http.PostForm("https://"+domain+"/oauth/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "audience": {audience},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		AccessToken string `json:"access_token"`
		Scope       string `json:"scope"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body.AccessToken, body.Scope, resp.StatusCode
}

// call is a request to the API, without Terraform; its status and its answer.
func call(t *testing.T, method, path string, body any) (int, any) {
	t.Helper()
	token, _, status := logIn(t, adminID, adminSecret, management)
	if status != http.StatusOK {
		t.Fatalf("logging in: %d", status)
	}
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, management+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// get is an object of the API.
func get(t *testing.T, path string) map[string]any {
	t.Helper()
	status, answer := call(t, http.MethodGet, path, nil)
	object, ok := answer.(map[string]any)
	if status != http.StatusOK || !ok {
		t.Fatalf("GET %s: %d %v", path, status, answer)
	}
	return object
}

// change is a PATCH past Terraform.
func change(t *testing.T, path string, body any) {
	t.Helper()
	if status, answer := call(t, http.MethodPatch, path, body); status != http.StatusOK {
		t.Fatalf("PATCH %s: %d %v", path, status, answer)
	}
}
