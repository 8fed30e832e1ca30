package auth0

import (
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/server/dialect"
)

// FuzzChange sends a client through two changes: what the specification lets
// through is either refused for the caller's fault, or leaves a document of
// known members that the dialect can show.
func FuzzChange(f *testing.F) {
	gin.SetMode(gin.TestMode)
	api, err := description()
	if err != nil {
		f.Fatal(err)
	}
	op := api.Find("PATCH", "/api/v2/clients/x")
	known := map[string]bool{"id_token_signed_response_alg": true}
	for _, name := range fields.Names(dialect.Sent) {
		doc := jsondoc.Object{}
		if fields.Apply(doc, jsondoc.Object{name: json.RawMessage(`null`)}) == nil {
			known["auth0:"+name] = true
		}
	}
	for _, body := range []string{
		`{}`, `{"name":"a","callbacks":["https://a.example/"],"client_metadata":{"a":"b"}}`, `{"client_metadata":{"a":null}}`, `{"jwt_configuration":{"alg":"RS256","lifetime_in_seconds":60}}`, `{"addons":{"rms":{"url":"https://a.example"}}}`,
		`{"refresh_token":{"rotation_type":"rotating","expiration_type":"expiring"}}`, `{"oidc_logout":{"backchannel_logout_urls":["https://a.example/"]}}`, `{"client_authentication_methods":null,"token_endpoint_auth_method":"none"}`,
		`{"native_social_login":{"apple":{"enabled":true}}}`, `{"mobile":{"ios":{"team_id":"t"}}}`, `{"token_vault_privileged_access":{"credentials":[],"ip_allowlist":["10.0.0.0/8"],"grants":[]}}`, `{"session_transfer":null,"initiate_login_uri":""}`,
	} {
		f.Add(body, body)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		doc := jsondoc.Object{"client_name": json.RawMessage(`"x"`), "grant_types": json.RawMessage(`[]`)}
		for _, body := range []string{first, second} {
			c, _ := gin.CreateTestContext(httptest.NewRecorder())
			c.Request = httptest.NewRequest("PATCH", "/api/v2/clients/x", strings.NewReader(body))
			c.Request.Header.Set("Content-Type", "application/json")
			if op.CheckBody(c) != nil {
				return
			}
			text, err := io.ReadAll(c.Request.Body)
			if err != nil {
				t.Fatal(err)
			}
			var wire jsondoc.Object
			if err := json.Unmarshal(text, &wire); err != nil {
				t.Fatal(err)
			}
			if err := update(doc, wire); err != nil {
				if _, ok := errors.AsType[*oauth.Error](err); !ok {
					t.Fatalf("%s: %v is nobody's fault", body, err)
				}
				return
			}
		}
		client := oauth.Client{Document: doc}
		if err := client.Validate(); err != nil {
			return // the registry refuses it
		}
		for name, raw := range doc {
			if !json.Valid(raw) {
				t.Errorf("%s is %q", name, raw)
			}
			if strings.HasPrefix(name, "auth0:") && !known[name] {
				t.Errorf("%s is stored", name)
			}
		}
		if _, err := fields.View(doc, rights.All); err != nil {
			t.Errorf("after %s and %s the client cannot be shown: %v", first, second, err)
		}
	})
}

// FuzzCursor: no text but a cursor of ours is one.
func FuzzCursor(f *testing.F) {
	keys, err := seal.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	c := registry.New(nil, keys, registry.Config{Now: time.Now})
	ours, err := nextCursor(c, "clients", 7)
	if err != nil {
		f.Fatal(err)
	}
	other, err := nextCursor(c, "grants", 7)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", ours, other, ours[1:], ours + "A", "e30", "eyJwIjo3fQ", "\xff", "'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		place, err := readCursor[int](c, "clients", text)
		if err == nil && (place != 7 || strings.NewReplacer("\r", "", "\n", "").Replace(text) != ours) {
			t.Errorf("%q is place %d", text, place)
		}
	})
}

// FuzzValidators: If-Match names a version of ours or none, and If-None-Match
// never fails.
func FuzzValidators(f *testing.F) {
	for _, header := range []string{"", "*", `"v1"`, `W/"v1"`, `"v1-gzip"`, `"v0"`, `"v-1"`, `"v+1"`, `"v1`, `"v01"`, `"v1","v2"`, `"v9223372036854775808"`} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		v := ifMatch(&header)
		if v == 0 && header != "*" || v < -1 || v > 0 && plain(header) != etag(v) {
			t.Errorf("If-Match %q is version %d", header, v)
		}
		if v > 0 && (!matches(&header, v) || matches(&header, v+1)) {
			t.Errorf("If-None-Match %q does not match version %d alone", header, v)
		}
	})
}
