package main_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretsAreShownOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	made := c.create(map[string]any{
		"name": "x", "client_secret": "secret-of-the-client-secret-of-the-client-secret-of-it", "addons": map[string]any{"zendesk": map[string]any{"accountName": "secret-of-an-addon"}},
		"encryption_key": map[string]any{"pub": "secret-of-encryption", "cert": "c", "subject": "s"},
	})
	id := made["client_id"].(string)
	api := c.Do(c.Admin, http.MethodPost, "/api/v2/resource-servers", map[string]any{"identifier": "https://hs.example/", "signing_alg": "HS256", "signing_secret": "secret-of-the-api-0123"}).
		Want(http.StatusCreated).Object()["id"].(string)
	file := filepath.Join(t.TempDir(), "new")
	for _, line := range [][]string{
		{"clients", "list"}, {"clients", "get", id}, {"clients", "update", id, "--name", "y"}, {"clients", "rotate-secret", id}, {"clients", "rotate-secret", id, "--secret-file", file},
		{"clients", "create", "--name", "z"}, {"apis", "list"}, {"apis", "get", api}, {"apis", "update", api, "--name", "y"},
		{"apis", "create", "--identifier", "https://hs2.example/", "--set", `signing_alg="HS256"`},
		{"__complete", "clients", "get", ""}, {"__complete", "apis", "get", ""}, {"clients", "get", "nobody"},
	} {
		for _, format := range []string{"table", "json", "yaml"} {
			args := line
			if line[0] != "__complete" {
				args = append(line[:len(line):len(line)], "--output", format)
			}
			stdout, stderr, _ := c.run("", args...)
			secrets := []string{"secret-of-", "PRIVATE KEY", `"client_secret":`, "client_secret:", "client_secret  ", "signing_secret", "addons", c.Admin}
			if text, err := os.ReadFile(file); err == nil {
				secrets = append(secrets, strings.TrimSpace(string(text)))
			}
			for _, secret := range secrets {
				if strings.Contains(stdout+stderr, secret) {
					t.Errorf("roster %q shows %q:\n%s%s", args, secret, stdout, stderr)
				}
			}
			os.Remove(file)
		}
	}
	c.Do(c.Admin, http.MethodPatch, "/api/v2/clients/"+id, map[string]any{"client_secret": "secret-of-the-client-secret-of-the-client-secret-of-it"}).Want(http.StatusOK)
	for _, args := range [][]string{{"clients", "get", id}, {"clients", "list"}, {"clients", "update", id, "--name", "y"}} {
		for _, format := range []string{"json", "yaml"} {
			if out := c.ok(append(args, "--show-secrets", "-o", format)...); !strings.Contains(out, "secret-of-the-client") || !strings.Contains(out, "secret-of-an-addon") {
				t.Errorf("roster %q --show-secrets does not:\n%s", args, out)
			}
		}
	}
	if out := c.ok("apis", "get", api, "--show-secrets"); !strings.Contains(out, "secret-of-the-api") {
		t.Errorf("apis get --show-secrets does not:\n%s", out)
	}
	if out := c.ok("clients", "create", "--name", "z", "--show-secrets"); !strings.Contains(out, "\nclient_secret ") {
		t.Errorf("clients create --show-secrets does not:\n%s", out)
	}
}

// Listing and showing do not even ask for secrets: that would be in the audit
// trail.
func TestShowingAClientReadsNoSecret(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	id := c.create(map[string]any{"name": "x"})["client_id"].(string)
	read := func() int {
		var events struct{ Events []any }
		c.Do(c.Admin, http.MethodGet, "/api/roster/v1/events?action=client_secret.read", nil).Want(http.StatusOK).Decode(&events)
		return len(events.Events)
	}
	c.ok("clients", "list")
	c.ok("clients", "get", id, "-o", "json")
	c.ok("__complete", "clients", "get", "")
	if n := read(); n != 0 {
		t.Errorf("%d readings are noted, want none", n)
	}
	c.ok("clients", "get", id, "--show-secrets")
	if n := read(); n != 1 {
		t.Errorf("%d readings are noted with --show-secrets, want 1", n)
	}
}

func TestCreatingSaysHowToGetTheSecret(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	file := filepath.Join(t.TempDir(), "secret")
	_, stderr, code := c.run("", "clients", "create", "--name", "x")
	if code != 0 || !strings.Contains(stderr, "--show-secrets") || !strings.Contains(stderr, "rotate-secret") {
		t.Errorf("%d %s", code, stderr)
	}
	stdout, stderr, code := c.run("", "clients", "create", "--name", "x", "--grant-type", "client_credentials", "--secret-file", file, "-o", "json")
	if code != 0 || stderr != "" {
		t.Fatalf("%d %s", code, stderr)
	}
	c.holdsSecretOf(file, stdout)
	// One without a secret leaves none behind.
	keyed := filepath.Join(t.TempDir(), "keyed.json")
	write(t, keyed, `{"name":"x","client_authentication_methods":{"private_key_jwt":{"credentials":[{"credential_type":"public_key","pem":`+jsonText(t, publicPEM(t, newKey(t)))+`}]}}}`)
	none := filepath.Join(t.TempDir(), "none")
	c.fails(1, "the client has no secret", "clients", "create", "-f", keyed, "--secret-file", none)
	if _, err := os.Stat(none); !os.IsNotExist(err) {
		t.Errorf("an empty file stays behind: %v", err)
	}
}

// holdsSecretOf checks that file holds, for its owner only, the secret of the
// client that a command has printed as JSON.
func (c *cli) holdsSecretOf(file, printed string) {
	c.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		c.t.Errorf("%v %v", info.Mode(), err)
	}
	_, id, _ := strings.Cut(printed, `"client_id": "`)
	id, _, _ = strings.Cut(id, `"`)
	stored := c.Do(c.Admin, http.MethodGet, "/api/v2/clients/"+id, nil).Want(http.StatusOK).Object()["client_secret"]
	if strings.TrimSuffix(string(text), "\n") != stored {
		c.t.Errorf("the file holds %q, the secret is %q", text, stored)
	}
}

func TestRotatingLosesNoSecret(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	made := c.create(map[string]any{"name": "x"})
	id := made["client_id"].(string)
	file := filepath.Join(t.TempDir(), "secret")
	c.fails(2, "say where it goes", "clients", "rotate-secret", id)
	c.fails(2, "say where it goes", "clients", "rotate-secret", id, "--show-secrets=false")
	write(t, file, "precious")
	c.fails(2, "file exists", "clients", "rotate-secret", id, "--secret-file", file)
	c.fails(2, "no such file or directory", "clients", "rotate-secret", id, "--secret-file", "/nowhere/secret")
	c.fails(2, "whole seconds", "clients", "rotate-secret", id, "--show-secrets", "--grace", "-1s")
	if now := c.Do(c.Admin, http.MethodGet, "/api/v2/clients/"+id, nil).Object()["client_secret"]; now != made["client_secret"] {
		t.Error("a refused command has changed the secret")
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file is overwritten with %q", text)
	}
	fresh := filepath.Join(t.TempDir(), "secret")
	c.fails(1, "The client does not exist", "clients", "rotate-secret", "nobody", "--secret-file", fresh)
	if _, err := os.Stat(fresh); !os.IsNotExist(err) {
		t.Errorf("a failed rotation leaves a file: %v", err)
	}
	c.holdsSecretOf(fresh, c.ok("clients", "rotate-secret", id, "--secret-file", fresh, "--grace", "1h", "-o", "json"))
	var secrets struct{ Secrets []map[string]any }
	c.Do(c.Admin, http.MethodGet, "/api/roster/v1/clients/"+id+"/secrets", nil).Want(http.StatusOK).Decode(&secrets)
	if len(secrets.Secrets) != 2 || secrets.Secrets[1]["expires_at"] == nil {
		t.Errorf("with --grace the secrets are %v", secrets.Secrets)
	}
	if out := c.ok("clients", "rotate-secret", id, "--show-secrets"); !strings.Contains(out, "\nclient_secret ") {
		t.Errorf("it shows\n%s", out)
	}
}

func TestNoFlagTakesASecret(t *testing.T) {
	t.Parallel()
	// The arguments of a command that waits for its answer are read as others on
	// the machine could.
	asked, answer := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-answer
	}))
	defer srv.Close()
	defer close(answer)
	file := filepath.Join(t.TempDir(), "c.json")
	write(t, file, `{"name":"x","client_secret":"hunter2-of-the-client"}`)
	cmd := exec.CommandContext(t.Context(), binary, "clients", "create", "-f", file)
	cmd.Env = environment("ROSTER_URL="+srv.URL, "ROSTER_CLIENT_ID=me", "ROSTER_CLIENT_SECRET=hunter2-of-the-caller")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	list, err := exec.Command("ps", "-ww", "-eo", "args=").Output()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil || !strings.Contains(string(list), file) {
		t.Fatalf("the command is not in the list: %v", err)
	}
	if strings.Contains(string(list), "hunter2-of-") {
		t.Error("ps shows a secret")
	}
	for _, name := range []string{"client_secret", "signing_secret", "encryption_key", "addons"} {
		_, stderr, code := run(t, []string{"ROSTER_URL=" + srv.URL, "ROSTER_TOKEN=x"}, "clients", "create", "--set", name+`="hunter2"`)
		if code != 2 || !strings.Contains(stderr, "use --file") || strings.Contains(stderr, "hunter2") {
			t.Errorf("--set %s: %d %s", name, code, stderr)
		}
	}
}

// A client may call with a key; nothing of it is sent but signatures.
func TestCommandsAuthenticateWithAKey(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	key := newKey(t)
	made := c.create(map[string]any{"name": "caller", "grant_types": []string{"client_credentials"}, "client_authentication_methods": map[string]any{
		"private_key_jwt": map[string]any{"credentials": []any{map[string]any{"credential_type": "public_key", "pem": publicPEM(t, key)}}},
	}})
	id := made["client_id"].(string)
	c.Do(c.Admin, http.MethodPost, "/api/v2/client-grants", map[string]any{"client_id": id, "audience": c.URL + "/api/v2/", "scope": []string{"read:clients"}}).Want(http.StatusCreated)
	file := filepath.Join(t.TempDir(), "key.pem")
	write(t, file, privatePEM(t, key))
	env := []string{"ROSTER_URL=" + c.URL, "ROSTER_CLIENT_ID=" + id}
	if out := succeed(t, append(env, "ROSTER_CLIENT_KEY_FILE="+file), "clients", "list"); !strings.Contains(out, "caller") {
		t.Errorf("it lists\n%s", out)
	}
	refuse(t, append(env, "ROSTER_CLIENT_KEY_FILE="+file, "ROSTER_CLIENT_SECRET=x"), []string{"clients", "list"}, "set one of them")
	refuse(t, append(env, "ROSTER_CLIENT_KEY_FILE=/nowhere"), []string{"clients", "list"}, "/nowhere")
	write(t, file, privatePEM(t, newKey(t)))
	refuse(t, append(env, "ROSTER_CLIENT_KEY_FILE="+file), []string{"clients", "list"}, "refuses the client "+id)
}
