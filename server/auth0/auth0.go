// Package auth0 serves the Auth0 Management API v2 dialect: clients, their
// credentials, client grants and resource servers under /api/v2.
package auth0

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

// Prefix is where the dialect's routes are.
const Prefix = "/api/v2/"

// Mount registers the dialect's routes on r.
func Mount(r gin.IRouter, reg *registry.Registry) error {
	doc, err := auth0api.GetSpec()
	if err != nil {
		return err
	}
	api := spec.Load(doc, formats)
	strict := auth0api.NewStrictHandlerWithOptions(&handler{reg, newCursors(reg)}, nil, auth0api.StrictGinServerOptions{
		RequestErrorHandlerFunc: failBadRequest, HandlerErrorFunc: Fail, ResponseErrorHandlerFunc: Fail,
	})
	auth0api.RegisterHandlersWithOptions(r, strict, auth0api.GinServerOptions{
		Middlewares:  []auth0api.MiddlewareFunc{guard(api, reg)},
		ErrorHandler: func(c *gin.Context, err error, _ int) { failBadRequest(c, err) },
	})
	return nil
}

// guard lets a request through that carries a token which allows it and has the
// shape that the specification gives it: token, then scope, then shape.
func guard(api *spec.Description, reg *registry.Registry) auth0api.MiddlewareFunc {
	return func(c *gin.Context) {
		op := api.Operation(c)
		err := dialect.Authenticate(c, reg, errNoToken)
		if err == nil && !op.Allows(dialect.Caller(c)) {
			err = insufficientScope(op.Scopes())
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
	Fail(c, &problem.Error{Status: http.StatusBadRequest, Text: "The request could not be read."})
	_ = c.Error(err)
}

type handler struct {
	registry *registry.Registry
	cursors  *cursors
}

var _ auth0api.StrictServerInterface = (*handler)(nil)

// etag is the strong validator of a version.
func etag(version int64) string { return `"v` + strconv.FormatInt(version, 10) + `"` }

// GzipSuffix ends the validators of compressed answers; they name the same
// version.
const GzipSuffix = "-gzip"

func plain(tag string) string { return strings.Replace(tag, GzipSuffix+`"`, `"`, 1) }

// ifMatch reads the version that an If-Match header asks for, 0 for none or
// "*". A validator that is not ours matches nothing.
func ifMatch(header *string) int64 {
	if header == nil || *header == "*" {
		return 0
	}
	text, ok := strings.CutPrefix(plain(*header), `"v`)
	version, err := strconv.ParseInt(strings.TrimSuffix(text, `"`), 10, 64)
	if !ok || err != nil || version < 1 {
		return -1
	}
	return version
}

// matches reports whether an If-None-Match header names the version.
func matches(header *string, version int64) bool {
	if header == nil {
		return false
	}
	for one := range strings.SplitSeq(*header, ",") {
		one = plain(strings.TrimPrefix(strings.TrimSpace(one), "W/"))
		if one == "*" || one == etag(version) {
			return true
		}
	}
	return false
}

// clientRef names a client by its OAuth identifier.
func clientRef(id string) oauth.ClientRef { return oauth.ClientRef{ClientID: id} }

// ignoreMissing makes deleting what is not there a success, as Auth0 does.
func ignoreMissing(err error) error {
	if oauth.KindOf(err) == oauth.NotFound {
		return nil
	}
	return err
}

// need fails unless the caller has one of scopes.
func need(ctx context.Context, scopes ...string) error {
	if !dialect.Caller(ctx).HasAny(scopes...) {
		return insufficientScope(scopes)
	}
	return nil
}
