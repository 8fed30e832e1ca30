// Package token serves the token endpoint (RFC 6749 §3.2), introspection
// (RFC 7662) and revocation (RFC 7009), and what is needed to verify tokens: the
// key set (RFC 7517) and the metadata (RFC 8414).
package token

import (
	"cmp"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/tokens"
	"github.com/rosterhq/roster/server/admission"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

// Prefix is where the token endpoint is.
const Prefix = "/oauth/"

const maxBody = 64 << 10 // bytes; assertions have 16 KiB at most

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 §2.2

// New returns the dialect. A request is refused by what the handlers read of it,
// and a client that fails to authenticate too often by gate.
func New(reg *registry.Registry, gate *admission.Gate) dialect.Dialect {
	return dialect.Dialect{
		Name: "oauth", Prefix: Prefix, MaxBody: maxBody, BodyFirst: true,
		Routes: func(r gin.IRouter, _ dialect.Hooks) { routes(r, reg, gate) }, Fail: Fail,
	}
}

func routes(r gin.IRouter, reg *registry.Registry, gate *admission.Gate) {
	r.POST("/oauth/token", func(c *gin.Context) {
		req, err := parse(c)
		if err != nil {
			Fail(c, err)
			return
		}
		var t tokens.Token
		refused, err := gate.Prove(c, target(req), func() (err error) {
			t, err = reg.IssueToken(c, req)
			return err
		})
		if refused {
			return
		}
		if err != nil {
			Fail(c, err)
			return
		}
		c.Header("Pragma", "no-cache")
		body := gin.H{"access_token": t.AccessToken.Reveal(), "token_type": "Bearer", "expires_in": t.ExpiresIn}
		if t.Scope != "" {
			body["scope"] = t.Scope
		}
		c.JSON(http.StatusOK, body)
	})
	r.POST("/oauth/introspect", func(c *gin.Context) { introspect(c, reg, gate) })
	r.POST("/oauth/revoke", func(c *gin.Context) { revoke(c, reg, gate) })
	r.GET("/.well-known/jwks.json", func(c *gin.Context) {
		set, err := reg.JWKS(c)
		if err != nil {
			problem.Fail(c, err)
			return
		}
		c.Header("Cache-Control", "public, max-age=60")
		c.JSON(http.StatusOK, set)
	})
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		r.GET(path, func(c *gin.Context) {
			c.Header("Cache-Control", "public, max-age=60")
			c.JSON(http.StatusOK, metadata(reg))
		})
	}
}

// target is the client that a request claims to come from; "" if an assertion
// does not say it.
func target(req tokens.Request) string {
	if req.Assertion == "" {
		return req.ClientID
	}
	a, err := oauth.ParseAssertion(req.Assertion)
	if err != nil {
		return req.ClientID
	}
	return a.ClientID()
}

func metadata(reg *registry.Registry) gin.H {
	return gin.H{
		"issuer":                                reg.Issuer(),
		"token_endpoint":                        reg.PublicURL + "/oauth/token",
		"jwks_uri":                              reg.PublicURL + "/.well-known/jwks.json",
		"grant_types_supported":                 []string{oauth.GrantClientCredentials},
		"response_types_supported":              []string{},
		"token_endpoint_auth_methods_supported": oauth.AuthMethods,
		"token_endpoint_auth_signing_alg_values_supported": oauth.CredentialAlgorithms,

		"introspection_endpoint":                                   reg.PublicURL + "/oauth/introspect",
		"introspection_endpoint_auth_methods_supported":            oauth.AuthMethods,
		"introspection_endpoint_auth_signing_alg_values_supported": oauth.CredentialAlgorithms,
		"introspection_signing_alg_values_supported":               []string{"RS256"},
		"revocation_endpoint":                                      reg.PublicURL + "/oauth/revoke",
		"revocation_endpoint_auth_methods_supported":               oauth.AuthMethods,
		"revocation_endpoint_auth_signing_alg_values_supported":    oauth.CredentialAlgorithms,
	}
}

func invalidRequest(detail string) error {
	return &oauth.Error{Kind: oauth.Invalid, Reason: oauth.InvalidRequest, Detail: detail}
}

var errTwoWays = invalidRequest("Use one way of client authentication at a time.") // RFC 6749 §2.3

// parse reads a token request from the body and the Authorization header. The
// query is never read: what is in a URL ends up in logs.
func parse(c *gin.Context) (tokens.Request, error) {
	var req tokens.Request
	params, err := parameters(c)
	if err != nil {
		return req, err
	}
	switch grant := params["grant_type"]; grant {
	case oauth.GrantClientCredentials:
	case "":
		return req, invalidRequest("Missing required parameter: grant_type")
	default:
		return req, &oauth.Error{Kind: oauth.Invalid, Reason: oauth.UnsupportedGrant, Detail: "Unsupported grant type"}
	}
	if req, err = proof(c, params); err != nil {
		return req, err
	}
	req.Audience, req.Scope = params["audience"], params["scope"]
	if req.Assertion == "" && req.ClientID == "" {
		return req, invalidRequest("Missing required parameter: client_id")
	}
	return req, nil
}

// proof reads who the client is, and by what it proves that.
func proof(c *gin.Context, params map[string]string) (req tokens.Request, err error) {
	req.ClientID, req.Secret, req.Method = params["client_id"], oauth.NewSecret(params["client_secret"]), oauth.SecretPost
	if err := basic(c, &req); err != nil {
		return req, err
	}
	if params["client_assertion"] != "" || params["client_assertion_type"] != "" {
		if params["client_assertion_type"] != assertionType {
			return req, invalidRequest("client_assertion_type must be " + assertionType)
		}
		if params["client_assertion"] == "" {
			return req, invalidRequest("Missing required parameter: client_assertion")
		}
		if !req.Secret.IsZero() || c.GetHeader("Authorization") != "" {
			return req, errTwoWays
		}
		req.Assertion = params["client_assertion"]
	}
	return req, nil
}

// basic reads client_secret_basic (RFC 6749 §2.3.1). A client_id next to it must
// be the same one.
func basic(c *gin.Context, req *tokens.Request) error {
	headers := c.Request.Header.Values("Authorization")
	if len(headers) == 0 {
		return nil
	}
	user, password, ok := c.Request.BasicAuth()
	if len(headers) > 1 || !ok {
		return invalidClient("The Authorization header must be one of the Basic scheme.")
	}
	id, err := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	if err != nil || err2 != nil || strings.ContainsRune(id, 0) {
		return invalidClient("The Basic credentials must be form-encoded before base64.")
	}
	if req.ClientID != "" && req.ClientID != id {
		return invalidRequest("client_id differs from the one in the Authorization header.")
	}
	if !req.Secret.IsZero() {
		return errTwoWays
	}
	req.ClientID, req.Secret, req.Method = id, oauth.NewSecret(secret), oauth.SecretBasic
	return nil
}

func invalidClient(detail string) error {
	return &oauth.Error{Kind: oauth.Unauthenticated, Reason: oauth.InvalidClient, Detail: detail}
}

// parameters reads the body: a form, or an object of strings. A parameter may
// not be repeated (RFC 6749 §3.2).
func parameters(c *gin.Context) (map[string]string, error) {
	body, err := spec.ReadBody(c.Request)
	if err != nil {
		return nil, err
	}
	mediaType, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	params := map[string]string{}
	switch mediaType {
	case formType:
		return readForm(body)
	case "application/json":
		read, err := jsondoc.Parse(body)
		if err != nil {
			return nil, invalidRequest(err.Error())
		}
		members, ok := read.Value.(map[string]any)
		if !ok && read.Value != nil {
			return nil, invalidRequest("The request must be a JSON object.")
		}
		for name, value := range members {
			if text, ok := value.(string); ok {
				params[name] = text
			} else if parameterNames[name] && value != nil {
				return nil, invalidRequest(name + " must be a string.")
			}
		}
	default:
		return nil, &problem.Error{Status: http.StatusUnsupportedMediaType, Text: "The request must be sent as application/x-www-form-urlencoded or application/json."}
	}
	return params, noNUL(params)
}

const formType = "application/x-www-form-urlencoded"

// readForm reads a form. A parameter may not be repeated.
func readForm(body []byte) (map[string]string, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest("The request is not a valid form.")
	}
	params := make(map[string]string, len(form))
	for name, values := range form {
		if len(values) > 1 {
			return nil, invalidRequest("A parameter is repeated.")
		}
		params[name] = values[0]
	}
	return params, noNUL(params)
}

func noNUL(params map[string]string) error {
	for _, value := range params {
		if strings.ContainsRune(value, 0) {
			return invalidRequest("A parameter has a NUL character.")
		}
	}
	return nil
}

var parameterNames = map[string]bool{
	"grant_type": true, "client_id": true, "client_secret": true, "audience": true, "scope": true,
	"client_assertion": true, "client_assertion_type": true, "token": true, "token_type_hint": true,
}

// words are those that callers know, Auth0's, in place of a failure's own. %s is
// what the caller named.
var words = map[oauth.Reason]string{
	oauth.GrantNotAllowed: "Grant type 'client_credentials' not allowed for the client.",
	oauth.WrongSecret:     "Unauthorized",
	oauth.UnknownAudience: "Service not found: %s",
	oauth.NotGranted:      `Client is not authorized to access "%s". You need to create a "client-grant" associated to this API.`,
	oauth.ScopeNotGranted: "Client has not been granted scopes: %s",
}

// Fail writes err in the error body of RFC 6749 §5.2.
func Fail(c *gin.Context, err error) {
	status := problem.Answering(c, err)
	code, text := cmp.Or(oauth.ReasonOf(err).Code(), "invalid_request"), problem.Text(err, problem.Canonical)
	if e, ok := errors.AsType[*oauth.Error](err); ok && words[e.Reason] != "" {
		text = strings.ReplaceAll(words[e.Reason], "%s", e.Named)
	}
	switch {
	case status == http.StatusInternalServerError:
		code = "server_error"
	case status == http.StatusServiceUnavailable:
		code = "temporarily_unavailable"
	case status == http.StatusTooManyRequests:
		code = "too_many_requests"
	case code == "invalid_token", code == "insufficient_scope":
		c.Header("WWW-Authenticate", `Bearer realm="roster", error="`+code+`", scope="read:tokens"`)
	case status == http.StatusUnauthorized && (c.GetHeader("Authorization") != "" || c.FullPath() != "/oauth/token"):
		c.Header("WWW-Authenticate", `Basic realm="roster"`)
	}
	c.AbortWithStatusJSON(status, gin.H{"error": code, "error_description": text})
}
