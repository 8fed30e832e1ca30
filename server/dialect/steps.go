package dialect

import (
	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/spec"
)

// Request is a request on its way to its handler.
type Request struct {
	*gin.Context
	Registry  *registry.Registry
	Operation *spec.Operation
	Body      jsondoc.Object // what a step has read of it for a later one
}

// Step returns why a request is refused, nil if it goes on.
type Step func(*Request) error

// Token refuses a request without a valid token, and notes the caller in the
// request's context.
func Token(req *Request) error { return Authenticate(req.Context, req.Registry) }

// Scope refuses a caller whose token does not allow the operation. lacking makes
// the error from the scopes that would.
func Scope(lacking func(scopes []string) error) Step {
	return func(req *Request) error {
		if req.Operation.Allows(Caller(req)) {
			return nil
		}
		return lacking(req.Operation.Scopes())
	}
}

// Parameters refuses parameters of another shape than the specification gives
// them.
func Parameters(req *Request) error { return req.Operation.CheckParameters(req.Context) }

// Body refuses a body of another shape than the specification gives it.
func Body(req *Request) error { return req.Operation.CheckBody(req.Context) }
