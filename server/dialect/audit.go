package dialect

import (
	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/spec"
)

// Showing is an answer that shows secrets whose events are not stored yet.
type Showing interface{ Shows() []oauth.Disclosure }

// Audited returns the middleware of generated strict handlers. The handler gets
// the document that was read from the body, and no answer shows a secret without
// a trace: what it shows is in the audit trail before its first byte is written.
func Audited[Handler ~func(*gin.Context, any) (any, error)](reg *registry.Registry) func(Handler, string) Handler {
	return func(handle Handler, _ string) Handler {
		return func(c *gin.Context, request any) (any, error) {
			response, err := handle(c, spec.WithDocument(c.Request, request))
			if showing, ok := response.(Showing); ok && err == nil {
				err = reg.RecordDisclosures(c.Request.Context(), showing.Shows())
			}
			if err != nil {
				return nil, err
			}
			return response, nil
		}
	}
}
