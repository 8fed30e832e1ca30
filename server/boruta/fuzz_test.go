package boruta

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
)

// FuzzClient makes a client of any body: it is refused for the caller's fault,
// or what is stored reads as valid JSON and, sent back, changes nothing.
func FuzzClient(f *testing.F) {
	for _, body := range []string{
		`{"client":{}}`, `{"client":{"name":"a","redirect_uris":["https://a.example/"],"confidential":"1","access_token_ttl":"10"}}`, `{"client":{"key_pair_type":{"type":"ec","curve":"P-256"}}}`,
		`{"client":{"supported_grant_types":["client_credentials"],"token_endpoint_auth_methods":["private_key_jwt"],"confidential":true}}`, `{"client":{"metadata":{"a":1},"logo_uri":"https://a.example/","enforce_dpop":null}}`,
		`{"client":{"jwk":{"kty":"EC","crv":"P-256","x":"","y":""}}}`, `{"client":{"authorized_scopes":[{"id":"x"}],"id_token_signature_alg":"ES256"}}`, `{"client":{"id":"{00000000-0000-0000-0000-000000000000}","secret":" "}}`, `{"client":[]}`, `[]`,
	} {
		f.Add(body)
	}
	h := &handler{attributes: clientAttributes(Config{})}
	f.Fuzz(func(t *testing.T, body string) {
		req := httptest.NewRequest("POST", "/api/clients", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		sent, err := unwrapped(req)
		if err != nil {
			if status := problem.Status(err); status < 400 || status > 499 {
				t.Fatalf("%d: %v", status, err)
			}
			return
		}
		before := initialValues(h.attributes)
		r, broken, err := h.parse(sent, before, true)
		if err == nil {
			err = broken.err()
		}
		if err != nil {
			_, known := errors.AsType[*oauth.Error](err)
			if status := problem.Status(err); !known && (status < 400 || status > 499) {
				t.Fatalf("%v is nobody's fault", err)
			}
			return
		}
		if _, ok := readID(r.id); !ok {
			t.Errorf("the id is %q", r.id)
		}
		values := after(before, r.change)
		doc := jsondoc.Object{}
		h.store(doc, values, values)
		for name, raw := range doc {
			if !json.Valid(raw) {
				t.Errorf("%s is %q", name, raw)
			}
		}
		client := oauth.Client{ID: r.id, ClientID: r.id, Document: doc}
		if err := client.Validate(); err != nil {
			return
		}
		shown := read(h.attributes, &client)
		var complaints refusal
		if change := cast(h.attributes, shown, shown, false, &complaints); len(change) > 0 {
			t.Errorf("what is shown, sent back, changes %v", change)
		}
	})
}

// FuzzIfMatch: a validator is a version, or matches nothing.
func FuzzIfMatch(f *testing.F) {
	for _, header := range []string{"", "*", `"v1-abc"`, `"v1"`, `"v0-a"`, `"v-1-a"`, `W/"v1-a"`} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if v := version(&header); v < -1 || v == 0 && header != "*" {
			t.Errorf("%q is version %d", header, v)
		}
	})
}

// unwrapped returns of a request what a handler gets to read.
func unwrapped(req *http.Request) (sent jsondoc.Object, err error) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.POST("/api/clients", func(c *gin.Context) {
		r := &dialect.Request{Context: c}
		if err = readBody(r); err == nil {
			err = unwrap(r)
		}
		sent = r.Body
	})
	engine.ServeHTTP(httptest.NewRecorder(), req)
	return sent, err
}
