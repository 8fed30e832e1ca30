package boruta

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/gen/borutaapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

var (
	errNoScope   = &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.LacksScope, Detail: "The token lacks the scope."}
	errProtected = &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.Protected, Detail: "The resource is write protected."}
	errMalformed = &problem.Error{Status: http.StatusBadRequest, Text: "The requested with given parameters cannot be processed."}
)

// refusals are failures that the dialect reports as violations of a member.
var refusals = map[oauth.Reason]struct{ member, token string }{
	oauth.IDTaken:       {"id", tokenTaken},
	oauth.NameTaken:     {"name", tokenTaken},
	oauth.InUse:         {"client_identity_providers", tokenInUse},
	oauth.Indispensable: {"is_default", tokenDefault},
}

// wireNames are the names of members that the registry's own rules complain
// about.
var wireNames = map[string]string{
	"grant_types":                "supported_grant_types",
	"token_endpoint_auth_method": "token_endpoint_auth_methods",
	"client_name":                "name",
	oauth.MemberClientSecret:     "secret",
}

// WireName returns the dialect's name for a member of a client's document.
func WireName(member string) string {
	if name, ok := wireNames[member]; ok {
		return name
	}
	return strings.TrimPrefix(member, storedAsPrefix)
}

// about is the errors member of a failure that is not about members of the
// request.
func about(text string) map[string][]string {
	return map[string][]string{"resource": {text}}
}

// Fail writes err in the dialect's error body. Every failure ends here.
func Fail(c *gin.Context, err error) {
	err = asMember(err)
	status := problem.Answering(c, err)
	body := borutaapi.BorutaError{Message: problem.Text(err, problem.Canonical)}
	e, _ := errors.AsType[*oauth.Error](err)
	switch {
	case status == http.StatusUnauthorized:
		c.Header("WWW-Authenticate", "Bearer")
		body.Message, body.Errors = "You are unauthorized to access this resource.", about("you are unauthorized to access this resource.")
	case oauth.ReasonOf(err) == oauth.Protected:
		body.Message, body.Errors = e.Detail, about("is write protected.")
	case status == http.StatusForbidden:
		body.Message, body.Errors = "You are forbidden to access this resource.", about("you are forbidden to access this resource.")
		if e != nil && e.Reason == oauth.LacksScope && e != errNoScope {
			body.Errors["resource"] = append(body.Errors["resource"], e.Detail)
		}
	case errors.Is(err, errMalformed):
		body.Errors = about("the requested with given parameters cannot be processed.")
	case e != nil && e.Reason == oauth.TooLarge:
		status = http.StatusUnprocessableEntity
		body.Errors = about(body.Message)
	case e != nil && len(e.Violations) > 0:
		status = http.StatusUnprocessableEntity
		body.Message, body.Errors = "Your request could not be processed.", map[string][]string{}
		for _, v := range e.Violations {
			member, token := v.Member, v.Detail
			if v.Rule != ruleOfDialect {
				member, token = WireName(member), tokenInvalid
			}
			body.Errors[member] = append(body.Errors[member], token)
		}
	case status == http.StatusNotFound && e != nil:
		body.Message = "The " + strings.ReplaceAll(e.Resource, "_", " ") + " does not exist."
	case status == http.StatusMethodNotAllowed:
		status, body.Message = http.StatusNotFound, "There is nothing at this path for this method."
	}
	body.Code = strings.ReplaceAll(strings.ToUpper(http.StatusText(status)), " ", "_")
	c.Abort()
	c.Data(status, "application/json; charset=utf-8", spec.OrderOf("BorutaError").AppendValue(nil, jsondoc.Must(body)))
}

// asMember reports a failure as a violation of a member, if the dialect does so.
func asMember(err error) error {
	if told, ok := refusals[oauth.ReasonOf(err)]; ok {
		return refuse(told.member, told.token)
	}
	return err
}
