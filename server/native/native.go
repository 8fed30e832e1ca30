// Package native serves what the registry does beyond its dialects, under
// /api/roster/v1: the secrets of a client side by side, the audit trail,
// import and export.
package native

import (
	"maps"
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

// Mount registers the routes on r.
func Mount(r gin.IRouter, reg *registry.Registry, dialects Dialects) error {
	api, err := description()
	if err != nil {
		return err
	}
	audited := func(f rosterapi.StrictHandlerFunc, _ string) rosterapi.StrictHandlerFunc {
		return dialect.Audited(reg, f)
	}
	h := &handler{registry: reg, wireNames: maps.Clone(dialects.WireNames)}
	h.wireNames["roster"] = problem.Canonical
	h.formats = map[string]dialect.Importer{"roster": h.importer(dialects), "auth0": dialects.Auth0, "boruta": dialects.Boruta, "hydra": dialects.Hydra}
	strict := rosterapi.NewStrictHandlerWithOptions(h, []rosterapi.StrictMiddlewareFunc{audited}, rosterapi.StrictGinServerOptions{
		RequestErrorHandlerFunc: failBadRequest, HandlerErrorFunc: Fail, ResponseErrorHandlerFunc: Fail,
	})
	// The guard is the group's: it asks for a token before parameters are read.
	rosterapi.RegisterHandlersWithOptions(r.Group("", guard(api, reg)), strict, rosterapi.GinServerOptions{
		ErrorHandler: func(c *gin.Context, err error, _ int) { failBadRequest(c, err) },
	})
	return nil
}

// guard lets a request through that carries a token which allows it and has the
// shape that the specification gives it.
func guard(api *spec.Description, reg *registry.Registry) gin.HandlerFunc {
	return func(c *gin.Context) {
		op := api.Operation(c)
		err := dialect.Authenticate(c, reg)
		if err == nil && !op.Allows(dialect.Caller(c)) {
			err = &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.LacksScope, Detail: "The token needs one of these scopes: " + strings.Join(op.Scopes(), ", ")}
		}
		if err == nil {
			err = op.CheckParameters(c)
		}
		if err == nil {
			err = op.CheckBody(c)
		}
		if err != nil {
			Fail(c, err)
		}
	}
}

func failBadRequest(c *gin.Context, err error) {
	_ = c.Error(err)
	Fail(c, &problem.Error{Status: http.StatusBadRequest, Text: "The request could not be read."})
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
	registry  *registry.Registry
	formats   map[string]dialect.Importer
	wireNames map[string]func(member string) string // by format
}

var _ rosterapi.StrictServerInterface = (*handler)(nil)

// timestamp renders a time in UTC with three decimals.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
