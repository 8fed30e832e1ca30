// Package server assembles the HTTP API: what every request passes, and the
// list of dialects.
package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/klauspost/compress/gzhttp"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/server/admission"
	"github.com/rosterhq/roster/server/auth0"
	"github.com/rosterhq/roster/server/boruta"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/docs"
	"github.com/rosterhq/roster/server/hydra"
	"github.com/rosterhq/roster/server/native"
	"github.com/rosterhq/roster/server/ops"
	"github.com/rosterhq/roster/server/problem"
)

// Config is what the server needs besides the registry.
type Config struct {
	Log            *slog.Logger
	Ready          ops.Check
	Limits         *admission.Limits // nil: admission.Defaults
	Now            func() time.Time  // for the limits; nil: time.Now
	Metrics        *ops.Metrics      // nil: nothing is counted
	TrustedProxies []string          // networks (CIDR) whose X-Forwarded-For is believed
	MaxInFlight    int               // requests under way at once; 0 for 1000
	Views          *dialect.Views

	Boruta boruta.Config
}

// New returns the handler of every route.
func New(reg *registry.Registry, config Config) (http.Handler, error) {
	var list dialects
	fail := func(c *gin.Context, err error) { list.fail(c, err) }
	bodyRule := func(path string) admission.BodyRule { return list.bodyRule(path) }
	gate := newGate(reg, config, fail, bodyRule)
	list, err := newDialects(reg, config, gate)
	if err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.ContextWithFallback = true // a gin.Context must end with its request
	engine.UseRawPath = true          // identifiers with an escaped slash are one segment
	engine.UnescapePathValues = true
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	if err := trustProxies(engine, config.TrustedProxies); err != nil {
		return nil, err
	}
	engine.Use(harden(reg.PublicURL))
	if config.Metrics != nil {
		engine.Use(config.Metrics.Observe)
	}
	engine.Use(observe(config.Log), recoverPanic(config.Log, fail))
	engine.Use(gate.Admit, refuseCoding(fail), gate.Body, gate.Place, denials(reg), once(reg, fail))
	engine.NoRoute(func(c *gin.Context) {
		if c.Request.Method == http.MethodGet && c.Request.URL.Path == "/" && strings.Contains(c.GetHeader("Accept"), "text/html") {
			c.Redirect(http.StatusFound, docs.Page) // a person with a browser
			return
		}
		fail(c, &problem.Error{Status: http.StatusNotFound, Text: "There is nothing at this path."})
	})
	engine.NoMethod(func(c *gin.Context) {
		fail(c, &problem.Error{Status: http.StatusMethodNotAllowed, Text: "The path does not take this method."})
	})
	ops.Mount(engine, config.Ready)
	if err := docs.Mount(engine, reg.ManagementAudience()); err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Mount(engine, reg)
	}
	// The jitter keeps an observer of compressed sizes from guessing what an
	// answer holds besides what the observer put there.
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.SuffixETag(auth0.GzipSuffix), gzhttp.RandomJitter(32, 0, false))
	if err != nil {
		return nil, err
	}
	return compress(list.rewrite(engine)), nil
}

// newGate returns the gate of a server that answers refusals with fail.
func newGate(reg *registry.Registry, config Config, fail failure, bodyRule func(string) admission.BodyRule) *admission.Gate {
	c := admission.Config{
		Registry: reg, Limits: admission.Defaults, Now: time.Now, Log: config.Log, Fail: fail,
		MaxInFlight: config.MaxInFlight, BodyRule: bodyRule, Waits: native.Waits,
	}
	if config.Limits != nil {
		c.Limits = *config.Limits
	}
	if config.Now != nil {
		c.Now = config.Now
	}
	if config.Metrics != nil {
		c.Refused = config.Metrics.Refused
	}
	return admission.New(c)
}

// ManagementScopes lists the scopes of the management API, as the specification
// declares them.
var ManagementScopes = sync.OnceValues(func() ([]oauth.APIScope, error) {
	doc, err := auth0api.GetSpec()
	if err != nil {
		return nil, err
	}
	flow := doc.Components.SecuritySchemes["oauth2"].Value.Flows.ClientCredentials
	var scopes []oauth.APIScope
	for _, name := range slices.Sorted(maps.Keys(flow.Scopes)) {
		scopes = append(scopes, oauth.APIScope{Value: name, Description: flow.Scopes[name]})
	}
	return scopes, nil
})

// Management is how the registry presents itself on its management API.
func Management() (registry.Management, error) {
	scopes, err := ManagementScopes()
	m := auth0.Management(scopes)
	m.Takes = func(member string) rights.Set { return auth0.Takes(member) | boruta.Takes(member) }
	m.Fixed = auth0.Fixed
	m.Class, m.Plain = class, plain
	return m, err
}

// class is that of a stored member of a record.
func class(kind, member string) oauth.Class {
	c, known := auth0.Class(kind, member)
	if !known {
		c, known = boruta.Class(kind, member)
	}
	if !known && kind == registry.KindClient {
		c, _ = hydra.Class(member)
	}
	return c
}

// plain is the part of a stored member that is not secret.
func plain(kind, member string, raw json.RawMessage) (part json.RawMessage, all bool) {
	part, all = auth0.Plain(kind, member, raw)
	if kind == registry.KindClient && all {
		part, all = boruta.Plain(member, raw)
	}
	if kind == registry.KindClient && all {
		part, all = hydra.Plain(member, raw)
	}
	return part, all
}

// denials has the registry remember what its callers may neither change nor see.
func denials(reg *registry.Registry) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Next()
		if c.Writer.Status() == http.StatusForbidden {
			reg.Denied(c.Request.Context(), c.Request.Method+" "+c.FullPath())
		}
	}
}

// refuseCoding answers 415 to a body in a coding such as gzip, before anything
// reads it (RFC 9110 §15.5.16).
func refuseCoding(fail failure) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.ContentLength == 0 {
			return
		}
		for coding := range strings.SplitSeq(strings.Join(c.Request.Header.Values("Content-Encoding"), ","), ",") {
			coding = strings.ToLower(strings.TrimSpace(coding))
			if coding == "" || coding == "identity" {
				continue
			}
			if len(coding) > 20 || strings.Trim(coding, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				coding = "that it has"
			}
			c.Header("Accept-Encoding", "identity")
			fail(c, &problem.Error{Status: http.StatusUnsupportedMediaType, Text: "The Content-Encoding " + coding + " is not supported: send the payload without one."})
			return
		}
	}
}

// observe gives the request an id and logs one line when it is done: never a
// query, body or header, which may hold secrets.
func observe(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		began := time.Now()
		id := uuid.NewString()
		c.Header("X-Request-Id", id)
		c.Request = c.Request.WithContext(oauth.WithOrigin(c.Request.Context(), oauth.Origin{RequestID: id, Address: c.ClientIP()}))
		c.Next()
		caller := ""
		if who := oauth.OriginOf(c.Request.Context()).Caller; who != nil {
			caller = who.ClientID
		}
		log.LogAttrs(c, slog.LevelInfo, "request", slog.String("method", c.Request.Method), slog.String("route", c.FullPath()),
			slog.Int("status", c.Writer.Status()), slog.Duration("took", time.Since(began)), slog.Int("bytes", max(0, c.Writer.Size())),
			slog.String("client", caller), slog.String("address", c.ClientIP()), slog.String("request_id", id))
	}
}

// recoverPanic turns a panic into a 500 that says nothing of the inside. What
// panicked is logged by its type and place: its text may hold a secret. An answer
// that cannot be finished ends with its connection.
func recoverPanic(log *slog.Logger, fail failure) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				log.ErrorContext(c, "panic", "type", fmt.Sprintf("%T", p), "request_id", oauth.OriginOf(c.Request.Context()).RequestID, "stack", string(debug.Stack()))
				fail(c, fmt.Errorf("panic of type %T", p))
			}
		}()
		c.Next()
	}
}
