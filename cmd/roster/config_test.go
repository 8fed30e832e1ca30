package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"ROSTER_ADDR=nowhere", "ROSTER_PUBLIC_URL=ftp://x/y", "ROSTER_LOG_LEVEL=loud", "ROSTER_SECRET_MODE=plain",
		"ROSTER_TLS_CERT_FILE=x.pem", "ROSTER_BOOTSTRAP_CLIENT_ID=x", "ROSTER_TRUSTED_ISSUERS=http://login.example",
		"ROSTER_BORUTA_PROFILE=old", "ROSTER_SECRET_GRACE=91d", "ROSTER_EVENT_RETENTION=1h", "ROSTER_MANAGEMENT_TOKEN_TTL=2d", "ROSTER_BORUTA_PROTECTED_CLIENT=x", "ROSTER_BORUTA_IDENTITY_PROVIDER=y", "ROSTER_BORUTA_MAX_TTL=secret_ttl=5,id_token_ttl=0",
		"DATABASE_URL_FILE=/nowhere/url", "ROSTER_BOOTSTRAP_CLIENT_SECRET_FILE=" + empty,
	}
	for _, command := range []string{"serve", "migrate", "bootstrap", "token", "config", "health"} {
		refuse(t, env, []string{command},
			"ROSTER_ADDR:", "ROSTER_PUBLIC_URL:", "ROSTER_LOG_LEVEL:", "ROSTER_SECRET_MODE:", "ROSTER_TLS_CERT_FILE and",
			"ROSTER_BOOTSTRAP_CLIENT_ID and", "ROSTER_TRUSTED_ISSUERS:",
			"ROSTER_BORUTA_PROFILE:", "ROSTER_BORUTA_PROTECTED_CLIENT:", "ROSTER_BORUTA_IDENTITY_PROVIDER:", `"secret_ttl" is not one of`, `id_token_ttl: "0" is not`,
			"ROSTER_SECRET_GRACE:", "ROSTER_EVENT_RETENTION:", "ROSTER_MANAGEMENT_TOKEN_TTL:", "DATABASE_URL_FILE:", "ROSTER_BOOTSTRAP_CLIENT_SECRET_FILE:")
	}
	refuse(t, []string{"DATABASE_URL=postgres://x", "DATABASE_URL_FILE=" + empty}, []string{"config"}, "DATABASE_URL and DATABASE_URL_FILE: set one of them")
}

func TestConfigShowsWhatIsInForceButNoSecret(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"a URL":               "postgres://me:hunter2@db.example:5433/roster?sslpassword=hunter2",
		"a URL with a socket": "postgres://me:hunter2@/roster?host=/run",
		"keywords and values": "host=db.example password=hunter2",
		"nothing to connect":  "hunter2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, stderr, code := run(t, []string{"DATABASE_URL=" + url, "ROSTER_TENANT=acme", "ROSTER_BOOTSTRAP_CLIENT_ID=automation", "ROSTER_BOOTSTRAP_CLIENT_SECRET=hunter2-hunter2"}, "config")
			if (code == 0) != (url != "hunter2") || strings.Contains(out+stderr, "hunter2") {
				t.Errorf("it exits %d and shows:\n%s%s", code, out, stderr)
			}
			for _, want := range []string{"acme", "automation", "[redacted]", "ROSTER_SECRET_MODE", "sealed"} {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing:\n%s", want, out)
				}
			}
		})
	}
	out := succeed(t, []string{"DATABASE_URL=postgres://me:x@db.example:5433/roster"}, "config")
	if !strings.Contains(out, "postgres://db.example:5433/roster") {
		t.Errorf("host and database are no secret:\n%s", out)
	}
}

func TestVersionIsTheBuilds(t *testing.T) {
	t.Parallel()
	want := regexp.MustCompile(`^roster 9\.8\.7-test \(commit 0123456789ab, go\S+ \w+/\w+\)\n$`)
	for _, ask := range []string{"version", "--version"} {
		if out := succeed(t, nil, ask); !want.MatchString(out) {
			t.Errorf("%s prints %q", ask, out)
		}
	}
}
