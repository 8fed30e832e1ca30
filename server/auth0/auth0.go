// Package auth0 serves the Auth0 Management API v2 dialect: clients, their
// credentials, client grants and resource servers under /api/v2.
package auth0

import (
	"errors"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

// Prefix is where the dialect's routes are.
const Prefix = "/api/v2/"

var description = spec.Once(auth0api.GetSpec, formats)

// New returns the dialect.
func New(reg *registry.Registry, views *dialect.Views) (dialect.Dialect, error) {
	api, err := description()
	if err != nil {
		return dialect.Dialect{}, err
	}
	spec.OrderOf(clientSchema) // read now, not by the first request
	return dialect.Dialect{
		Name: "auth0", Prefix: Prefix, Spec: api, Charset: true,
		Steps: []dialect.Step{dialect.Token, dialect.Scope(insufficientScope), dialect.Parameters, checkBody},
		Routes: func(r gin.IRouter, hooks dialect.Hooks) {
			audited := []auth0api.StrictMiddlewareFunc{dialect.Audited[auth0api.StrictHandlerFunc](reg)}
			strict := auth0api.NewStrictHandlerWithOptions(&handler{registry: reg, views: views}, audited, auth0api.StrictGinServerOptions(hooks))
			auth0api.RegisterHandlersWithOptions(r, strict, auth0api.GinServerOptions{ErrorHandler: failParameters})
		},
		Fail: Fail, Importer: (&importer{reg, api}).read, Fit: fit(api), WireName: WireName,
	}, nil
}

// failParameters answers a request whose parameters could not be read.
func failParameters(c *gin.Context, err error, _ int) {
	_ = c.Error(err)
	Fail(c, invalidQuery("The request's parameters could not be read."))
}

// checkBody words one refusal in its own way: nobody but the registry picks a
// client's identifier.
func checkBody(req *dialect.Request) error {
	err := dialect.Body(req)
	mismatches, _ := errors.AsType[spec.Mismatches](err)
	for _, m := range mismatches {
		body, _ := m.Value.(map[string]any)
		if _, named := body["client_id"]; named && m.Keyword == "properties" && len(m.Path) == 0 && req.Operation.ID() == "auth0CreateClient" {
			return &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Reserved, Detail: "This operation must be authorized by Auth0"}
		}
	}
	return err
}

type handler struct {
	registry *registry.Registry
	views    *dialect.Views
	keys     atomic.Pointer[tenantKeys] // the last that were rendered
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
	if !ok || err != nil || version < 1 || plain(*header) != etag(version) {
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
