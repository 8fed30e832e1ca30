package dialect

import (
	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/spec"
)

// Audited returns the middleware of generated strict handlers. The handler gets
// the document that was read from the body, and no answer shows a secret without
// a trace: the secrets that the handler opened are in the audit trail before its
// answer is written.
func Audited[Handler ~func(*gin.Context, any) (any, error)](reg *registry.Registry) func(Handler, string) Handler {
	return func(handle Handler, _ string) Handler {
		return func(c *gin.Context, request any) (any, error) { return audited(reg, c, request, handle) }
	}
}

func audited(reg *registry.Registry, c *gin.Context, request any, handle func(*gin.Context, any) (any, error)) (any, error) {
	origin := oauth.OriginOf(c.Request.Context())
	origin.Shown = new(oauth.Shown)
	c.Request = c.Request.WithContext(oauth.WithOrigin(c.Request.Context(), origin))
	response, err := handle(c, spec.WithDocument(c.Request, request))
	if err != nil {
		return nil, err
	}
	if err := reg.RecordDisclosures(c.Request.Context()); err != nil {
		return nil, err
	}
	return response, nil
}
