package dialect

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/tokens"
)

// Bearer returns the token of the Authorization header (RFC 6750 §2.1), "" when
// there is no such header. Two headers or another scheme are an error.
func Bearer(req *http.Request) (string, error) {
	headers := req.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	token = strings.TrimSpace(token)
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", tokens.ErrNotAToken
	}
	return token, nil
}

var errNoToken = &oauth.Error{Kind: oauth.Unauthenticated, Reason: oauth.NoToken, Detail: "Missing authentication"}

// Authenticate finds out who calls and notes it in the request's context.
func Authenticate(c *gin.Context, reg *registry.Registry) error {
	origin := oauth.OriginOf(c.Request.Context())
	if origin.Caller != nil { // found already, to look up the Idempotency-Key
		return nil
	}
	token, err := Bearer(c.Request)
	if err != nil {
		return err
	}
	if token == "" {
		return errNoToken
	}
	caller, err := reg.VerifyToken(c, token)
	if err != nil {
		return err
	}
	origin.Caller = caller
	c.Request = c.Request.WithContext(oauth.WithOrigin(c.Request.Context(), origin))
	return nil
}

// Caller returns who Authenticate found.
func Caller(ctx context.Context) *oauth.Caller { return oauth.OriginOf(ctx).Caller }
