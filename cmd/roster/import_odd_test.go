package main_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/rosterhq/roster/internal/servertest"
)

// powerShell is a text as PowerShell 5 writes it.
func powerShell(text string) string {
	out := "\xff\xfe"
	for _, unit := range utf16.Encode([]rune(text)) {
		out += string([]byte{byte(unit), byte(unit >> 8)})
	}
	return out
}

func TestWhatIsLeftOutOfARecordIsSaidLoudly(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	file := fileOf(t, powerShell(`[
		{"client_id":"one","redirect_uris":["https://a.example/cb","urn:ietf:wg:oauth:2.0:oob"],"tint":"red"},
		{"client_id":"two","metadata":{"account":12345678901234567890,"tier":"gold"}},
		{"client_id":"three","client_name":"Three"}
	]`))
	stdout, stderr, code := run(t, at(s), "import", "hydra", file)
	if code != 0 || !strings.HasPrefix(stdout, "Imported hydra: 3 created, 0 updated, 0 unchanged, 0 skipped, 0 failed.\n") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	for _, line := range []string{
		"record 1 (one): redirect_uris[1] was left out: it must have a / after its scheme.\n",
		"record 2 (two): metadata.account was left out: it has a number that not every program reads alike.\n",
	} {
		if !strings.Contains(stderr, line) {
			t.Errorf("stderr lacks %q: %s", line, stderr)
		}
	}
	if strings.Contains(stderr, "tint") || !strings.Contains(stdout, "1 × Roster has no place for tint.") {
		t.Errorf("%s%s", stdout, stderr)
	}
	if out := succeed(t, at(s), "clients", "get", "two", "-o", "json"); !strings.Contains(out, "gold") {
		t.Errorf("metadata is lost as a whole: %s", out)
	}

	other := servertest.New(t)
	stdout, stderr, code = run(t, at(other), "import", "hydra", file, "--strict")
	if code != 1 || !strings.HasPrefix(stdout, "Imported hydra: 1 created, 0 updated, 0 unchanged, 0 skipped, 2 failed.\n") ||
		!strings.Contains(stderr, "record 1 (one): redirect_uris[1] must have a / after its scheme; tint ") || !strings.Contains(stderr, "record 2 (two): metadata.account ") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

func TestFilesOfEditorsAndShellsAreTaken(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pem := publicPEM(t, key)
	for name, dress := range map[string]func(string) string{
		"UTF-8 with a mark": func(s string) string { return "\xef\xbb\xbf" + s },
		"UTF-16":            powerShell,
		"lines of Windows":  func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") + "\r\n\x1a" },
		"zeros at the end":  func(s string) string { return s + "\x00\x00" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := func(name, text string) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(dress(text)), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			for kind, text := range map[string]string{"json": "{\n\"name\": \"café\"\n}\n", "yaml": "name: café\ngrant_types:\n- client_credentials\n"} {
				var made struct {
					ID   string `json:"client_id"`
					Name string
				}
				out := succeed(t, at(s), "clients", "create", "--file", file("client."+kind, text), "-o", "json")
				if err := json.Unmarshal([]byte(out), &made); err != nil || made.Name != "café" {
					t.Errorf("%s: %s, %v", kind, out, err)
				}
				succeed(t, at(s), "credentials", "create", made.ID, file(kind+".pem", pem), "--name", "k")
			}
			token := file("token", s.Admin)
			succeed(t, []string{"ROSTER_URL=" + s.URL, "ROSTER_TOKEN_FILE=" + token}, "clients", "list")
		})
	}
}

// TestImportedClientsCanBeManaged reads, changes and deletes by command what
// each format has brought.
func TestImportedClientsCanBeManaged(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const uuid = "0e4f1a52-6bb0-4d2e-9d52-8a9d3a1a2c11"
	for id, c := range map[string][2]string{
		"from+auth0":   {"auth0", `{"client_id":"from+auth0","name":"n","callbacks":["https://a.example/#x"],"app_type":"toaster"}`},
		"from/hydra?#": {"hydra", `{"client_id":"from/hydra?#","redirect_uris":["urn:x"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"oct","k":"eA"}]}}`},
		uuid:           {"boruta", `{"id":"` + uuid + `","name":"n","redirect_uris":["no address"],"pkce":"perhaps"}`},
		"from-roster":  {"roster", `{"kind":"client","client_id":"from-roster","document":{"client_name":"n","redirect_uris":["javascript:x"],"nothing":1}}`},
	} {
		if out := succeed(t, at(s), "import", c[0], fileOf(t, c[1])); !strings.HasPrefix(out, fmt.Sprintf("Imported %s: 1 created", c[0])) {
			t.Errorf("%s: %s", id, out)
		}
		succeed(t, at(s), "clients", "get", id)
		succeed(t, at(s), "credentials", "list", id)
		succeed(t, at(s), "secrets", "list", id)
		if out := succeed(t, at(s), "clients", "update", id, "--name", "renamed", "-o", "json"); !strings.Contains(out, "renamed") {
			t.Errorf("%s: %s", id, out)
		}
		all := filepath.Join(t.TempDir(), "all.jsonl")
		succeed(t, at(s), "export", "--include-secrets", "--output", all)
		if out := succeed(t, at(s), "import", "roster", all, "--strict"); !strings.Contains(out, " 0 created, 0 updated, ") || !strings.Contains(out, " 0 failed.") {
			t.Errorf("%s: importing its export: %s", id, out)
		}
		succeed(t, at(s), "clients", "delete", id, "--yes")
		if _, _, code := run(t, at(s), "clients", "get", id); code != 1 {
			t.Errorf("%s is still there", id)
		}
	}
}
