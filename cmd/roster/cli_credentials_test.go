package main_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicPEM(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func privatePEM(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func certificatePEM(t *testing.T, key *rsa.PrivateKey, until time.Time) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "billing"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestCredentialsAreMadeShownChangedAndDeleted(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	id := c.create(map[string]any{"name": "billing"})["client_id"].(string)
	dir, key := t.TempDir(), newKey(t)
	public, certificate, private := filepath.Join(dir, "key.pub"), filepath.Join(dir, "crt.pem"), filepath.Join(dir, "key.pem")
	until := time.Now().Add(1000 * time.Hour).UTC().Truncate(time.Second)
	write(t, public, publicPEM(t, key))
	write(t, certificate, certificatePEM(t, newKey(t), until))
	write(t, private, privatePEM(t, key))

	first := c.object("credentials", "create", id, public, "--name", "2026", "--expires", "2126-01-31", "--alg", "RS384", "--kid", "key-of-2026")
	for member, want := range map[string]any{"credential_type": "public_key", "name": "2026", "expires_at": "2126-01-31T00:00:00.000Z", "alg": "RS384", "kid": "key-of-2026"} {
		if first[member] != want {
			t.Errorf("%s is %v, want %v", member, first[member], want)
		}
	}
	ends := until.Format("2006-01-02T15:04:05.000Z")
	second := c.object("credentials", "create", id, certificate)
	if second["credential_type"] != "x509_cert" || second["expires_at"] != ends {
		t.Errorf("from a certificate: %v", second)
	}
	write(t, certificate, certificatePEM(t, newKey(t), until))
	third := c.object("credentials", "create", id, certificate, "--type", "public_key", "--expiry-from-cert")
	if third["credential_type"] != "public_key" || third["expires_at"] != ends {
		t.Errorf("the key of a certificate: %v", third)
	}
	stdout, stderr, code := c.run(certificatePEM(t, newKey(t), until), "credentials", "create", id, "-", "--type", "cert_subject_dn", "-o", "yaml")
	if code != 0 || !strings.Contains(stdout, "credential_type: cert_subject_dn\n") || !strings.Contains(stdout, "subject_dn: CN=billing\n") {
		t.Errorf("from stdin: %d %s%s", code, stdout, stderr)
	}
	all := c.list("credentials", "list", id)
	var stored []map[string]any
	c.Do(c.Admin, http.MethodGet, "/api/v2/clients/"+id+"/credentials", nil).Want(http.StatusOK).Decode(&stored)
	if diff := cmp.Diff(stored, all); diff != "" || len(all) != 4 {
		t.Errorf("the list (-API +printed):\n%s", diff)
	}
	if table := c.ok("credentials", "list", id, "--limit", "1"); !strings.Contains(table, "2026  public_key  2126-01-31T00:00Z") || strings.Count(table, "\n") != 2 {
		t.Errorf("as a table:\n%s", table)
	}

	credential := first["id"].(string)
	if got := c.object("credentials", "update", id, credential, "--expires", "never"); got["expires_at"] != nil {
		t.Errorf("it expires at %v, want never", got["expires_at"])
	}
	if got := c.object("credentials", "update", id, credential, "--expires", "2126-02-01T12:00:00+02:00")["expires_at"]; got != "2126-02-01T10:00:00.000Z" {
		t.Errorf("it expires at %v", got)
	}
	soon, err := time.Parse(time.RFC3339, c.object("credentials", "update", id, credential, "--expires", "48h")["expires_at"].(string))
	if in := time.Until(soon); err != nil || in < 47*time.Hour || in > 49*time.Hour {
		t.Errorf("it expires in %v, %v", in, err)
	}
	if got := c.object("credentials", "get", id, credential)["expires_at"]; got == nil {
		t.Error("get shows no expiry")
	}
	c.fails(2, "--expires is missing", "credentials", "update", id, credential)
	c.fails(2, `"soon" is not a date`, "credentials", "update", id, credential, "--expires", "soon")
	c.fails(2, "holds a private key", "credentials", "create", id, private)
	write(t, public, "ssh-rsa AAAA")
	c.fails(2, "holds no PEM", "credentials", "create", id, public)
	c.fails(2, "no such file", "credentials", "create", id, "/nowhere")
	c.fails(2, "nothing to create", "credentials", "create", id)
	c.fails(1, "The client does not exist", "credentials", "list", "nobody")
	if logged := c.Log.String(); strings.Contains(logged, "PRIVATE KEY") {
		t.Error("a private key was sent")
	}
	c.ok("credentials", "delete", "-y", id, credential, second["id"].(string))
	if left := c.list("credentials", "list", id); len(left) != 2 {
		t.Errorf("left are %v", column(left, "id"))
	}
	c.fails(1, "not", "credentials", "get", id, credential)
}

func TestGrantsAndAPIsAreMadeShownChangedAndDeleted(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	id := c.create(map[string]any{"name": "billing"})["client_id"].(string)
	const identifier = "https://billing.example/v1?x=y"
	made := c.object("apis", "create", "--identifier", identifier, "--name", "Billing", "--scope", "read:x=See = x", "--scope", "write:x", "--token-lifetime", "600")
	want := []any{map[string]any{"value": "read:x", "description": "See = x"}, map[string]any{"value": "write:x"}}
	if diff := cmp.Diff([]any{"Billing", want, 600.0}, []any{made["name"], made["scopes"], made["token_lifetime"]}); diff != "" {
		t.Errorf("the API (-want +got):\n%s", diff)
	}
	grant := c.object("grants", "create", "--client", id, "--audience", identifier, "--scope", "read:x")
	granted := grant["id"].(string)
	if diff := cmp.Diff([]any{"read:x"}, grant["scope"]); diff != "" {
		t.Errorf("the grant (-want +got):\n%s", diff)
	}
	for _, filter := range []string{"--client=" + id, "--audience=" + identifier} {
		if diff := cmp.Diff([]map[string]any{grant}, c.list("grants", "list", filter)); diff != "" {
			t.Errorf("grants list %s (-want +got):\n%s", filter, diff)
		}
	}
	if diff := cmp.Diff(grant, c.object("grants", "get", granted)); diff != "" {
		t.Errorf("grants get (-want +got):\n%s", diff)
	}
	if got := c.object("grants", "update", granted, "--scope", "write:x", "--scope", "read:x")["scope"]; !cmp.Equal(got, []any{"write:x", "read:x"}) {
		t.Errorf("the scope is %v", got)
	}
	if table := c.ok("grants", "list"); !strings.Contains(table, identifier+"  write:x,read:x") {
		t.Errorf("as a table:\n%s", table)
	}
	if got := c.object("apis", "update", identifier, "--name", "B 2"); got["name"] != "B 2" || got["token_lifetime"] != 600.0 {
		t.Errorf("the API is %v", got)
	}
	if got := c.object("apis", "get", made["id"].(string))["identifier"]; got != identifier {
		t.Errorf("apis get shows %v", got)
	}
	for i := range 100 { // with the management API more than a page
		c.Do(c.Admin, http.MethodPost, "/api/v2/resource-servers", map[string]any{"identifier": strings.Repeat("x", i+1)}).Want(http.StatusCreated)
	}
	if all := c.list("apis", "list"); len(all) != 102 {
		t.Errorf("it lists %d APIs", len(all))
	}
	c.fails(1, "too long", "grants", "update", granted, "--scope", strings.Repeat("x", 281))
	c.ok("grants", "delete", "-y", granted)
	c.ok("apis", "delete", "-y", identifier)
	c.fails(1, "not", "grants", "get", granted)
	c.fails(1, "not", "apis", "get", identifier)
}

func TestShellsCompleteWhatIsThere(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	id := c.create(map[string]any{"name": "billing \x1b[2J\tx"})["client_id"].(string)
	credential := c.Do(c.Admin, http.MethodPost, "/api/v2/clients/"+id+"/credentials", map[string]any{"credential_type": "public_key", "pem": publicPEM(t, newKey(t))}).
		Want(http.StatusCreated).Object()["id"].(string)
	for _, identifier := range []string{"https://billing.example/", "https://$(reboot).example/"} {
		c.Do(c.Admin, http.MethodPost, "/api/v2/resource-servers", map[string]any{"identifier": identifier}).Want(http.StatusCreated)
	}
	for line, want := range map[string]string{
		"clients get ":                      id + "\tbilling \\x1b[2J\\x09x\n:4\n",
		"clients get x ":                    ":4\n",
		"clients delete x ":                 id + "\tbilling \\x1b[2J\\x09x\n:4\n",
		"clients list ":                     ":4\n",
		"clients list --output ":            "table\njson\nyaml\n:4\n",
		"clients create --app-type ":        "native\nspa\nregular_web\nnon_interactive\n:4\n",
		"credentials get " + id + " ":       credential + "\n:4\n",
		"credentials create " + id + " ":    ":0\n",
		"grants list --client ":             id + "\tbilling \\x1b[2J\\x09x\n:4\n",
		"grants create --audience https://": "https://billing.example/\n:4\n",
	} {
		args := append([]string{"__complete"}, strings.Split(line, " ")...)
		servertest.Eventually(t, line+" is completed", func() bool { // looking up gives up early
			stdout, _, code := c.run("", args...)
			if line == "grants create --audience https://" {
				stdout = strings.ReplaceAll(stdout, c.URL+"/api/v2/\tAuth0 Management API\n", "")
			}
			diff := cmp.Diff(want, stdout)
			if code != 0 || diff != "" && stdout != ":4\n" {
				t.Fatalf("%q (-want +got):\n%s", line, diff)
			}
			return diff == ""
		})
	}
	if stdout, _, code := run(t, []string{"ROSTER_URL=http://127.0.0.1:1", "ROSTER_TOKEN=x"}, "__complete", "clients", "get", ""); stdout != ":4\n" || code != 0 {
		t.Errorf("without a server: %d %q", code, stdout)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := c.ok("completion", shell); !strings.Contains(out, "roster") {
			t.Errorf("completion %s prints %q", shell, out)
		}
	}
}
