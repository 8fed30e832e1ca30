package dialect

import (
	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/spec"
)

// Audited wraps a strict handler, which gets the document that was read from the
// body, so that no answer shows a secret without a trace: the secrets that the
// handler opened are in the audit trail before its answer is written.
func Audited(reg *registry.Registry, handle func(*gin.Context, any) (any, error)) func(*gin.Context, any) (any, error) {
	return func(c *gin.Context, request any) (any, error) {
		origin := oauth.OriginOf(c.Request.Context())
		origin.Shown = new([]oauth.Disclosure)
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
}
