package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

// answer is what is kept of a response.
type answer struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`

	Clients []string `json:"clients,omitempty"` // whose secrets it may show, by the registry's ids
}

// kept are the headers that a replayed answer repeats.
var kept = []string{"Content-Type", "Etag", "Location"}

// once makes a POST below /api/ that carries an Idempotency-Key happen at most
// once: the same key and request within 24 hours get the first answer again.
// Only success is remembered; what was refused changed nothing and may be tried
// again.
func once(reg *registry.Registry, fail failure) gin.HandlerFunc {
	return func(c *gin.Context) {
		key := c.GetHeader("Idempotency-Key")
		if key == "" || c.Request.Method != http.MethodPost || !strings.HasPrefix(c.Request.URL.Path, "/api/") {
			return
		}
		if len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
			fail(c, &problem.Error{Status: http.StatusBadRequest, Text: "Idempotency-Key must have 1 to 255 printable ASCII characters."})
			return
		}
		caller := dialect.Caller(c)
		if caller == nil {
			return // the dialect refuses it in its own words
		}
		digest, err := digestOf(c.Request, caller)
		if err != nil {
			fail(c, err)
			return
		}
		var shown []string
		origin := oauth.OriginOf(c.Request.Context())
		origin.Secrets = &shown
		ctx := oauth.WithOrigin(c.Request.Context(), origin)
		real := c.Writer
		defer func() { c.Writer = real }() // for the answer to a panic too
		held := &holder{ResponseWriter: real, status: http.StatusOK}
		text, replayed, err := reg.Once(ctx, caller.Account(), key, digest, func(ctx context.Context) ([]byte, bool) {
			c.Request = c.Request.WithContext(ctx)
			c.Writer = held
			c.Next()
			a := answer{Status: held.status, Header: http.Header{}, Body: held.body.Bytes(), Clients: shown}
			if reg.HashedSecrets && held.status < 300 {
				a.Body = withoutSecret(c.Request.URL.Path, a.Body)
			}
			for _, name := range kept {
				if v := held.Header().Values(name); v != nil {
					a.Header[name] = v
				}
			}
			text, err := json.Marshal(a)
			return text, err == nil && held.status < 300
		})
		c.Writer = real
		switch {
		case err != nil:
			fail(c, err)
		case replayed:
			replay(c, ctx, reg, text, fail)
		default:
			real.WriteHeader(held.status)
			_, _ = real.Write(held.body.Bytes())
		}
		c.Abort()
	}
}

// withoutSecret returns an answer as it may be shown again where only MACs of
// secrets are kept: without the client's secret, or with an empty one where the
// answer must have one.
func withoutSecret(path string, body []byte) []byte {
	var shown struct {
		Secret json.RawMessage `json:"client_secret"`
		Data   struct {
			Secret json.RawMessage `json:"secret"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &shown) != nil {
		return body
	}
	drop := func(name string, value json.RawMessage, instead string) {
		if len(value) == 0 || string(value) == "null" {
			return
		}
		member := append([]byte(`"`+name+`":`), value...)
		switch {
		case instead != "":
			body = bytes.ReplaceAll(body, member, []byte(`"`+name+`":`+instead))
		case bytes.Contains(body, append(member, ',')):
			body = bytes.ReplaceAll(body, append(member, ','), nil)
		default:
			body = bytes.ReplaceAll(body, append([]byte(","), member...), nil)
		}
	}
	if strings.HasPrefix(path, "/api/v2/") {
		drop("client_secret", shown.Secret, "")
	} else {
		drop("client_secret", shown.Secret, `""`)
	}
	drop("secret", shown.Data.Secret, "null")
	return body
}

func replay(c *gin.Context, ctx context.Context, reg *registry.Registry, text []byte, fail failure) {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		fail(c, fmt.Errorf("reading a kept answer: %w", err))
		return
	}
	if err := reg.MayShowAgain(ctx, a.Clients); err != nil {
		fail(c, err)
		return
	}
	if reg.HashedSecrets { // it may have been kept by the release before, or in another mode
		a.Body = withoutSecret(c.Request.URL.Path, a.Body)
	}
	for name, values := range a.Header {
		c.Writer.Header()[name] = values
	}
	c.Header("Idempotency-Replayed", "true")
	c.Writer.WriteHeader(a.Status)
	_, _ = c.Writer.Write(a.Body)
}

// digestOf tells requests apart by what they ask for and with which scopes, and
// leaves the body to be read again. A token of the same caller that allows less
// must not get the answer that another one got.
func digestOf(r *http.Request, caller *oauth.Caller) ([]byte, error) {
	body, err := spec.ReadBody(r)
	if err != nil {
		return nil, err
	}
	spec.KeepBody(r, body, nil)
	h := sha256.New()
	scopes := strings.Join(caller.Rights.Names(), " ")
	for _, part := range []string{scopes, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Content-Type"), string(body)} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return h.Sum(nil), nil
}

// holder keeps a response back until its transaction is committed.
type holder struct {
	gin.ResponseWriter
	status  int
	written bool
	body    bytes.Buffer
}

func (h *holder) WriteHeader(status int) {
	if !h.written {
		h.status = status
	}
}
func (h *holder) WriteHeaderNow() { h.written = true }
func (h *holder) Write(p []byte) (int, error) {
	h.written = true
	return h.body.Write(p)
}
func (h *holder) WriteString(s string) (int, error) { return h.Write([]byte(s)) }
func (h *holder) Status() int                       { return h.status }
func (h *holder) Size() int                         { return h.body.Len() }
func (h *holder) Written() bool                     { return h.written }
func (h *holder) Flush()                            {}
