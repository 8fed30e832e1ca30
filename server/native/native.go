// Package native serves what the registry does beyond its dialects, under
// /api/roster/v1: the secrets of a client side by side, the audit trail,
// import and export.
package native

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/gen/rosterapi"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

// Prefix is where the routes are.
const Prefix = "/api/roster/"

var description = spec.Once(rosterapi.GetSpec, nil)

// New returns the dialect. An import takes records of the others as well.
func New(reg *registry.Registry, others ...dialect.Dialect) (dialect.Dialect, error) {
	api, err := description()
	if err != nil {
		return dialect.Dialect{}, err
	}
	h := &handler{registry: reg, formats: map[string]dialect.Dialect{}}
	own := dialect.Dialect{
		Name: "roster", Prefix: Prefix, Spec: api,
		Steps: []dialect.Step{dialect.Token, dialect.Scope(insufficientScope), dialect.Parameters, dialect.Body},
		Routes: func(r gin.IRouter, hooks dialect.Hooks) {
			audited := []rosterapi.StrictMiddlewareFunc{dialect.Audited[rosterapi.StrictHandlerFunc](reg)}
			strict := rosterapi.NewStrictHandlerWithOptions(h, audited, rosterapi.StrictGinServerOptions(hooks))
			rosterapi.RegisterHandlersWithOptions(r, strict, rosterapi.GinServerOptions{ErrorHandler: hooks.Unreadable})
		},
		Fail: Fail, Importer: h.importRecord, WireName: problem.Canonical,
	}
	for _, d := range others {
		h.formats[d.Name] = d
		if d.Fit != nil {
			h.fits = append(h.fits, d.Fit)
		}
	}
	h.formats[own.Name] = own
	return own, nil
}

func insufficientScope(scopes []string) error {
	return &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.LacksScope, Detail: "The token needs one of these scopes: " + strings.Join(scopes, ", ")}
}

// Fail answers with err as application/problem+json.
func Fail(c *gin.Context, err error) {
	if problem.Status(err) == http.StatusUnauthorized {
		challenge := "Bearer"
		if oauth.ReasonOf(err) != oauth.NoToken {
			challenge = `Bearer error="invalid_token"`
		}
		c.Header("WWW-Authenticate", challenge)
	}
	problem.Fail(c, err)
}

type handler struct {
	registry *registry.Registry
	formats  map[string]dialect.Dialect // of records that an import takes, by name
	fits     []dialect.Fit              // a stored member must fit one that knows it
}

var _ rosterapi.StrictServerInterface = (*handler)(nil)

// timestamp renders a time in UTC with three decimals.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
