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

// identified is where a request keeps the outcome of Authenticate.
const identified = "dialect.identified"

// Authenticate finds out who calls, once a request, and notes it in the
// request's context.
func Authenticate(c *gin.Context, reg *registry.Registry) error {
	if outcome, known := c.Get(identified); known {
		err, _ := outcome.(error)
		return err
	}
	err := identify(c, reg)
	c.Set(identified, err)
	return err
}

func identify(c *gin.Context, reg *registry.Registry) error {
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
	origin := oauth.OriginOf(c.Request.Context())
	origin.Caller = caller
	c.Request = c.Request.WithContext(oauth.WithOrigin(c.Request.Context(), origin))
	return nil
}

// Caller returns who Authenticate found.
func Caller(ctx context.Context) *oauth.Caller { return oauth.OriginOf(ctx).Caller }
