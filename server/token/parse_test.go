package token

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/server/problem"
)

// FuzzTokenRequest: whatever is sent, a request is either refused for the
// caller's fault or names one client and at most one proof.
func FuzzTokenRequest(f *testing.F) {
	gin.SetMode(gin.TestMode)
	const form, jwt = "application/x-www-form-urlencoded", "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
	for _, body := range []string{
		"", "grant_type=client_credentials&client_id=a&client_secret=b&audience=c&scope=d", "grant_type=client_credentials&client_id=a&client_id=b",
		"grant_type=client_credentials&client_assertion=a.b.c" + jwt, "grant_type=client_credentials&client_secret=x&client_assertion=a.b.c" + jwt, "grant_type=%zz;a",
	} {
		for _, authorization := range []string{"", "Basic YTpi", "Basic YTo=", "Bearer x", "Basic %"} {
			f.Add(body, form, authorization)
		}
	}
	for _, body := range []string{`{"grant_type":"client_credentials","client_id":"a","client_secret":"b"}`, `{"client_id":1}`, `null`, `[]`, `{"a":{"a":[]}}`} {
		f.Add(body, "application/json; charset=utf-8", "")
	}
	f.Fuzz(func(t *testing.T, body, mediaType, authorization string) {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(body))
		c.Request.Header.Set("Content-Type", mediaType)
		if authorization != "" {
			c.Request.Header.Set("Authorization", authorization)
		}
		req, err := parse(c)
		if err != nil {
			if status := problem.Status(err); status < 400 || status > 499 {
				t.Fatalf("status %d: %v", status, err)
			}
			if text := problem.Text(err, problem.Canonical); text == "" || !utf8.ValidString(text) {
				t.Fatalf("text %q", text)
			}
			return
		}
		if req.ClientID == "" && req.Assertion == "" {
			t.Error("it names no client")
		}
		if req.Assertion != "" && (!req.Secret.IsZero() || authorization != "") {
			t.Error("it has two proofs")
		}
		for _, text := range []string{req.ClientID, req.Assertion, req.Audience, req.Scope} {
			if strings.ContainsRune(text, 0) {
				t.Errorf("NUL in %q", text)
			}
		}
	})
}
