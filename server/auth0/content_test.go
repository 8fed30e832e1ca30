package auth0_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smallstep/pkcs7"

	"github.com/rosterhq/roster/internal/servertest"
)

func TestSigningKeyIsTheTenantsCertificate(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	signing := func(r servertest.Response) map[string]any {
		t.Helper()
		return r.Object()["signing_keys"].([]any)[0].(map[string]any)
	}
	der := func(text any, label string) []byte {
		t.Helper()
		block, rest := pem.Decode([]byte(text.(string)))
		if block == nil || block.Type != label || len(bytes.TrimSpace(rest)) > 0 {
			t.Fatalf("not one %s: %v", label, text)
		}
		return block.Bytes
	}
	created := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x"}`).Want(http.StatusCreated)
	shown := signing(created)
	cert, err := x509.ParseCertificate(der(shown["cert"], "CERTIFICATE"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS1PrivateKey(der(shown["key"], "RSA PRIVATE KEY"))
	if err != nil {
		t.Fatal(err)
	}
	if public, ok := cert.PublicKey.(*rsa.PublicKey); !ok || !public.Equal(&key.PublicKey) {
		t.Error("the certificate is not that of the private key")
	}
	if got := "/CN=" + cert.Subject.CommonName; got != shown["subject"] {
		t.Errorf("the certificate's subject is %s, shown is %v", got, shown["subject"])
	}
	message, err := pkcs7.Parse(der(shown["pkcs7"], "PKCS7"))
	if err != nil {
		t.Fatal(err)
	}
	if len(message.Certificates) != 1 || !message.Certificates[0].Equal(cert) {
		t.Errorf("the PKCS #7 message holds %d certificates, or another one", len(message.Certificates))
	}
	path := clientPath(created.Object()["client_id"].(string))
	for name, test := range map[string]struct {
		answer  servertest.Response
		subject any
	}{
		"read":   {s.Do(s.Admin, "GET", path, nil), "deprecated"},
		"change": {s.Do(s.Admin, "PATCH", path, `{"name":"y"}`), shown["subject"]},
		"rotate": {s.Do(s.Admin, "POST", path+"/rotate-secret", nil), shown["subject"]},
	} {
		want := map[string]any{"cert": shown["cert"], "pkcs7": shown["pkcs7"], "subject": test.subject}
		if diff := cmp.Diff(want, signing(test.answer.Want(http.StatusOK))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Every member that is an address, and how a request names it.
var addresses = map[string]string{
	"callbacks":           `{"callbacks":[%s]}`,
	"allowed_logout_urls": `{"allowed_logout_urls":[%s]}`,
	"allowed_origins":     `{"allowed_origins":[%s]}`,
	"web_origins":         `{"web_origins":[%s]}`,
	"logo_uri":            `{"logo_uri":%s}`,
	"initiate_login_uri":  `{"initiate_login_uri":%s}`,
	"cross_origin_loc":    `{"cross_origin_loc":%s}`,
	"oidc_logout":         `{"oidc_logout":{"backchannel_logout_urls":[%s]}}`,
	"backchannel logout":  `{"oidc_backchannel_logout":{"backchannel_logout_urls":[%s]}}`,
	"addons.rms":          `{"addons":{"rms":{"url":%s}}}`,
	"addons.mscrm":        `{"addons":{"mscrm":{"url":%s}}}`,
	"express":             `{"express_configuration":{"initiate_login_uri_template":%s,"user_attribute_profile_id":"uap_0123456789012345678901","connection_profile_id":"cop_0123456789012345678901","enable_client":true,"enable_organization":true,"okta_oin_client_id":"a","admin_login_domain":"x"}}`,
}

func TestNoAddressCanRunContent(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	path := clientPath(newClient(s, nil))
	bad := []string{
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://x.example/%0aalert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "java\nscript:alert(1)",
		"\u0001javascript:alert(1)", "javascript%3Aalert(1)", "data:text/html,x", "DATA:text/html;base64,eA==", "vbscript:x", "blob:https://x.example/1", "file:///etc/passwd",
		"https://x.example/\r\nSet-Cookie: a=b", "https://a@b@c.example/", `https://x.example\@y.example`, "https://x.example/..;/y", "https://x.example/%2e%2e/y", "https://x.example:0/", "https://x.example./",
	}
	for name, format := range addresses {
		good := strings.Replace(format, "%s", `"https://x.example/a"`, 1)
		if r := s.Do(s.Admin, "PATCH", path, good); r.Status != http.StatusOK {
			t.Errorf("%s: a good address is refused: %s", name, r.Body)
		}
		for _, address := range bad {
			body := strings.Replace(format, "%s", quote(address), 1)
			r := s.Do(s.Admin, "PATCH", path, body)
			if r.Status != http.StatusBadRequest || !strings.Contains(string(r.Body), "didn't pass validation for format") {
				t.Errorf("%s takes %q: %d %s", name, address, r.Status, r.Body)
			}
		}
	}
}

func TestTextsAreKeptAndInert(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	path := clientPath(newClient(s, nil))
	for _, text := range []string{
		"a\r\nSet-Cookie: x=y", "=cmd()|' /C calc'!A0", "\u202egnp.exe", "\u2028", "\"quoted\" & 'single'", "日本語", "\U0001F511", "a\u0000"[:1] + "\u0001", strings.Repeat("n", 50<<10),
	} {
		raw, err := json.Marshal(map[string]any{"name": text, "client_metadata": map[string]any{"k": "<b>"}})
		if err != nil {
			t.Fatal(err)
		}
		s.Do(s.Admin, "PATCH", path, string(raw)).Want(http.StatusOK)
		r := s.Do(s.Admin, "GET", path, nil).Want(http.StatusOK)
		if got := r.Object(); got["name"] != text || got["client_metadata"].(map[string]any)["k"] != "<b>" {
			t.Errorf("%.50q came back as %.50q", text, got["name"])
		}
		if bytes.Contains(r.Body, []byte("<b>")) {
			t.Error("an answer has HTML in it")
		}
		for name, values := range r.Header {
			for _, value := range values {
				if strings.ContainsAny(value, "\r\n") || name == "Set-Cookie" {
					t.Errorf("header %s: %q", name, value)
				}
			}
		}
	}
	for line := range strings.Lines(s.Log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the log has a line that is no JSON: %q", line)
		}
	}
	for _, name := range []string{"<script>alert(1)</script>", "a<", ">", ""} {
		raw, _ := json.Marshal(map[string]any{"name": name})
		s.Do(s.Admin, "PATCH", path, string(raw)).Want(http.StatusBadRequest)
	}
}
