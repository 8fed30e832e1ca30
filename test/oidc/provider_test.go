package oidc_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
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
)

// settings are what provider.mjs reads.
type settings struct {
	Port   string `json:"port"` // "0" for any
	Alg    string `json:"alg"`
	KeyID  string `json:"kid"`
	Client struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
	} `json:"client"`
	Scope string `json:"scope"` // that it grants for every resource
}

// provider is a running OpenID Connect provider.
type provider struct {
	Issuer string
	Stop   func() // ends it before the test does

	t        testing.TB
	settings settings
}

// startTimeout bounds how long the provider may take on a busy machine.
const startTimeout = 5 * time.Minute

// start runs the provider until the test ends or Stop is called.
func start(t testing.TB, s settings) *provider {
	t.Helper()
	node := install(t)
	line, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "provider.mjs")
	var log bytes.Buffer
	cmd.Stderr = &log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(startTimeout, func() { _ = cmd.Process.Kill() })
	stop := sync.OnceFunc(func() {
		timer.Stop()
		_ = stdin.Close() // it ends with its input
		kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the provider ended with %v:\n%s", err, &log)
		}
	})
	t.Cleanup(stop)
	if _, err := stdin.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	issuer, err := bufio.NewReader(stdout).ReadString('\n')
	timer.Stop()
	if err != nil {
		stop()
		t.Fatalf("the provider does not start: %v", err)
	}
	return &provider{Issuer: strings.TrimSpace(issuer), Stop: stop, t: t, settings: s}
}

// Token asks for an access token for resource (RFC 8707).
func (p *provider) Token(resource, scope string) string {
	p.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {resource}, "scope": {scope}}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.Issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(p.settings.Client.ID, p.settings.Client.Secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || resp.StatusCode != http.StatusOK || answer.AccessToken == "" {
		p.t.Fatalf("the provider answers %s: %s", resp.Status, body)
	}
	return answer.AccessToken
}

// install brings what package-lock.json pins into node_modules, unless it is
// there, and returns the node to run.
func install(t testing.TB) (node string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: without it there is no OpenID Connect provider to test with")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed: without it there is no OpenID Connect provider to test with")
	}
	lock, err := os.Open("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() // and with it the lock: other test processes wait for the same folder
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	wanted, err := lock.Stat()
	if err != nil {
		t.Fatal(err)
	}
	done := filepath.Join("node_modules", ".package-lock.json") // npm writes it last
	if have, err := os.Stat(done); err == nil && !have.ModTime().Before(wanted.ModTime()) {
		return node
	}
	out, err := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund").CombinedOutput()
	if err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return node
}
