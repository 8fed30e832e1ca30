package token

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/tokens"
	"github.com/rosterhq/roster/server/admission"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

// readsTokens is the scope by which a caller is told about every token.
const readsTokens = "read:tokens"

const signedType = "application/token-introspection+jwt" // RFC 9701 §4

// introspect answers RFC 7662 §2.1.
func introspect(c *gin.Context, reg *registry.Registry, gate *admission.Gate) {
	params, err := tokenParameters(c)
	if err != nil {
		Fail(c, err)
		return
	}
	var i tokens.Introspection
	var caller string
	if scheme, _, _ := strings.Cut(c.GetHeader("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		if caller, err = bearer(c, reg, params); err == nil {
			i, err = reg.Introspect(c, params["token"])
		}
	} else {
		var refused bool
		refused, err = asClient(c, gate, params, func(req tokens.Request) (err error) {
			i, caller, err = reg.IntrospectAs(c, req, params["token"])
			return err
		})
		if refused {
			return
		}
	}
	if err != nil {
		Fail(c, err)
		return
	}
	c.Header("Pragma", "no-cache")
	if !wantsSigned(c.Request) {
		c.JSON(http.StatusOK, i)
		return
	}
	signed, err := reg.SignIntrospection(c, i, caller)
	if err != nil {
		Fail(c, err)
		return
	}
	c.Data(http.StatusOK, signedType, []byte(signed))
}

// revoke answers RFC 7009 §2.1.
func revoke(c *gin.Context, reg *registry.Registry, gate *admission.Gate) {
	params, err := tokenParameters(c)
	if err != nil {
		Fail(c, err)
		return
	}
	refused, err := asClient(c, gate, params, func(req tokens.Request) error { return reg.RevokeToken(c, req, params["token"]) })
	switch {
	case refused:
	case err != nil:
		Fail(c, err)
	default:
		c.Header("Pragma", "no-cache")
		c.Status(http.StatusOK)
	}
}

// bearer returns who calls with an access token, if that may ask about every
// token.
func bearer(c *gin.Context, reg *registry.Registry, params map[string]string) (string, error) {
	if params["client_id"]+params["client_secret"]+params["client_assertion"]+params["client_assertion_type"] != "" {
		return "", errTwoWays
	}
	if err := dialect.Authenticate(c, reg); err != nil {
		return "", err
	}
	caller := dialect.Caller(c)
	if !caller.Has(readsTokens) {
		return "", &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.LacksScope, Detail: "The token needs the scope read:tokens."}
	}
	if caller.ClientID == "" {
		return caller.Subject, nil
	}
	return caller.ClientID, nil
}

// asClient runs do as the client that a request comes from. It reports refused
// where the request was answered. Whatever is wrong with a secret, the answer is
// the same.
func asClient(c *gin.Context, gate *admission.Gate, params map[string]string, do func(tokens.Request) error) (refused bool, err error) {
	req, err := proof(c, params)
	if err != nil {
		return false, err
	}
	if req.Assertion == "" && req.ClientID == "" {
		return false, invalidClient("The client must authenticate.")
	}
	refused, err = gate.Prove(c, target(req), func() error { return do(req) })
	if oauth.ReasonOf(err) == oauth.WrongSecret { // access_denied is what Auth0 has for it, at its own endpoint
		err = invalidClient("The client_id or the client_secret is wrong.")
	}
	return refused, err
}

// tokenParameters reads a form that is about a token. What is sent in the query
// is refused, since it would be used again.
func tokenParameters(c *gin.Context) (map[string]string, error) {
	for name := range c.Request.URL.Query() {
		if parameterNames[name] {
			return nil, invalidRequest("Parameters must be in the body: what is in a URL ends up in logs.")
		}
	}
	body, err := spec.ReadBody(c.Request)
	if err != nil {
		return nil, err
	}
	if mediaType, _, err := mime.ParseMediaType(c.GetHeader("Content-Type")); err != nil || mediaType != formType {
		return nil, &problem.Error{Status: http.StatusUnsupportedMediaType, Text: "The request must be sent as " + formType + "."}
	}
	params, err := readForm(body)
	if err == nil && params["token"] == "" {
		err = invalidRequest("Missing required parameter: token")
	}
	return params, err
}

// wantsSigned reports whether a request accepts an answer that is a JWT.
func wantsSigned(req *http.Request) bool {
	accepted := strings.Split(strings.Join(req.Header.Values("Accept"), ","), ",")
	return slices.ContainsFunc(accepted, func(one string) bool {
		mediaType, params, err := mime.ParseMediaType(one)
		if err != nil || mediaType != signedType {
			return false
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		return params["q"] == "" || err == nil && q > 0
	})
}
