package auth0

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

func insufficientScope(scopes []string) error {
	return &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.LacksScope, Detail: "Insufficient scope, expected any of: " + strings.Join(scopes, ",")}
}

// lacking says what a change takes, of each set one. A scope of Boruta's dialect
// is left out where another does.
func lacking(sets []rights.Set) string {
	var words []string
	for _, set := range sets {
		if own := set.Without(rights.Of("clients:manage:all")); own != 0 {
			set = own
		}
		words = append(words, "expected any of: "+strings.Join(set.Names(), ","))
	}
	return "Insufficient scope, " + strings.Join(words, "; and ")
}

// errGrantee refuses a grant for a client that takes none.
var errGrantee = &oauth.Error{Kind: oauth.Invalid, Reason: oauth.TakesNoGrant, Detail: "Client of type express_configuration cannot be used"}

// refusal is what the dialect says of a failure.
type refusal struct {
	code    string // errorCode; "" for none
	message string // "" for the failure's own words
	status  int    // 0 for that of the failure's kind
}

// refusals are failures that the dialect has a code, words or a status for.
var refusals = map[oauth.Reason]refusal{
	oauth.NoClient:         {code: "inexistent_client", message: "The client does not exist"},
	oauth.NoClientGrant:    {code: "inexistent_client_grant", message: "The grant does not exist."},
	oauth.NoResourceServer: {code: "inexistent_resource_server", message: "The resource server does not exist"},
	oauth.NoCredential:     {code: "inexistent_credential", message: "Credential does not exist"},

	oauth.NotAToken:  {code: "Bearer", status: http.StatusBadRequest},
	oauth.LacksScope: {code: "insufficient_scope"},

	oauth.BadQuery:     {code: "invalid_query_string"},
	oauth.UnknownScope: {code: "invalid_body", message: "Payload validation error: scope must be a subset of resource server scopes"},
	oauth.TakesNoGrant: {code: "validation_error"},
	oauth.OtherRequest: {},

	oauth.DuplicateCredential: {code: "invalid_body", status: http.StatusBadRequest},
	oauth.DuplicateKey:        {"invalid_body", "credentials contains public keys that already exist in client", http.StatusBadRequest},
	oauth.InUse:               {"", "Cannot delete credential still associated with a client", http.StatusBadRequest},
}

// owed are the words that Auth0 has for a broken rule, by member and rule.
var owed = map[[2]string]string{
	{"grant_types", "not"}: `Application must not have Token Endpoint Authentication Method set to "none" when client_credentials grant type is enabled`,
	{oauth.MemberIPHeaderTrusted, "not"}: "The flag is_token_endpoint_ip_header_trusted can only be set true on clients that require authentication " +
		"(i.e. token_endpoint_auth_method is set to 'client_secret_post' or 'client_secret_basic')",
}

// WireName returns the dialect's name for a member of a client's document, or a
// path below it.
func WireName(member string) string { return fields.WireName(member) }

// codes are the errorCodes of other failures.
var codes = map[oauth.Kind]string{
	oauth.Invalid: "invalid_body", oauth.Conflict: "conflict", oauth.Precondition: "precondition_failed",
}

// Fail writes err in the dialect's error body. Every failure ends here.
func Fail(c *gin.Context, err error) {
	status := problem.Answering(c, err)
	said := refusal{message: problem.Text(err, WireName), status: status}
	e, _ := errors.AsType[*oauth.Error](err)
	mismatches, misshapen := errors.AsType[spec.Mismatches](err)
	switch {
	case misshapen:
		said.code, said.message = wording(mismatches[0])
	case e != nil:
		if len(e.Violations) > 0 {
			first := e.Violations[0]
			said.message = cmp.Or(owed[[2]string{first.Member, first.Rule}], said.message)
		}
		if e.Lacks != nil {
			said.message = lacking(e.Lacks)
		}
		known, ok := refusals[e.Reason]
		if !ok {
			known.code = codes[e.Kind]
		}
		said = refusal{known.code, cmp.Or(known.message, said.message), cmp.Or(known.status, status)}
	case status == http.StatusBadRequest:
		said.code = "invalid_body"
	case status == http.StatusTooManyRequests:
		said.code, said.message = "too_many_requests", "Global limit has been reached"
	}
	body := auth0api.Auth0Error{StatusCode: said.status, Error: http.StatusText(said.status), Message: said.message}
	if said.code != "" {
		body.ErrorCode = &said.code
	}
	switch {
	case said.status != http.StatusUnauthorized:
	case oauth.ReasonOf(err) == oauth.NoToken:
		c.Header("WWW-Authenticate", "Bearer")
	default:
		c.Header("WWW-Authenticate", fmt.Sprintf("Bearer error=%q", said.message))
		body.Attributes = &auth0api.Auth0ErrorAttributes{Error: &said.message}
	}
	c.Abort()
	c.Data(said.status, "application/json; charset=utf-8", value(0, errorSchema, body).body)
}

// wording puts a mismatch into the words of Auth0's validator, which are those
// of z-schema.
func wording(m spec.Mismatch) (code, message string) {
	var what, property string
	switch m.In {
	case "body":
		code, what = "invalid_body", "Payload"
	case "query":
		code, what = "invalid_query_string", "Query"
	case "path":
		code, what = "invalid_uri", "Path"
	default:
		code, what = "invalid_header", "Header"
	}
	path := m.Place()
	if m.Name != "" {
		path = slices.Concat([]string{m.Name}, path)
	}
	for _, step := range path {
		switch _, err := strconv.Atoi(step); {
		case err == nil && property != "":
			property += "[" + step + "]"
		case property != "":
			property += "." + step
		default:
			property = step
		}
	}
	message = what + " validation error: '" + reason(m) + "'"
	if property != "" {
		message += " on property " + property
		if about := firstSentence(m.About); about != "" {
			message += " (" + about + ")"
		}
	}
	message += "."
	if strings.HasPrefix(m.Cause, "must ") { // more than Auth0 says
		message += " It " + m.Cause + "."
	}
	return code, message
}

func firstSentence(text string) string {
	text, _, _ = strings.Cut(strings.Join(strings.Fields(text), " "), ". ")
	return strings.TrimSuffix(text, ".")
}

// reason is the part of the message that tells which rule is broken.
func reason(m spec.Mismatch) string {
	s := m.Schema
	if s == nil {
		s = &openapi3.Schema{}
	}
	last := ""
	if len(m.Path) > 0 {
		last = m.Path[len(m.Path)-1]
	}
	switch m.Keyword {
	case "enum":
		if !permits(s, m.Value) { // the wrong type is told before the wrong value
			return fmt.Sprintf("Expected type %s but found type %s", typeNames(s), typeOf(m.Value))
		}
		return "No enum match for: " + text(m.Value)
	case "type", "nullable":
		return fmt.Sprintf("Expected type %s but found type %s", typeNames(s), typeOf(m.Value))
	case "format":
		return fmt.Sprintf("Object didn't pass validation for format %s: %s", s.Format, text(m.Value))
	case "minItems":
		return fmt.Sprintf("Array is too short (%d), minimum %d", size(m.Value), s.MinItems)
	case "maxItems":
		return fmt.Sprintf("Array is too long (%d), maximum %d", size(m.Value), *s.MaxItems)
	case "uniqueItems":
		i, j := duplicate(m.Value)
		return fmt.Sprintf("Array items are not unique (indexes %d and %d)", i, j)
	case "minimum":
		return fmt.Sprintf("Value %s is less than minimum %s", text(m.Value), text(*s.Min))
	case "maximum":
		return fmt.Sprintf("Value %s is greater than maximum %s", text(m.Value), text(*s.Max))
	case "minProperties":
		return fmt.Sprintf("Too few properties defined (%d), minimum %d", size(m.Value), s.MinProps)
	case "maxProperties":
		return fmt.Sprintf("Too many properties defined (%d), maximum %d", size(m.Value), *s.MaxProps)
	case "minLength":
		return fmt.Sprintf("String is too short (%d chars), minimum %d", size(m.Value), s.MinLength)
	case "maxLength":
		return fmt.Sprintf("String is too long (%d chars), maximum %d", size(m.Value), *s.MaxLength)
	case "pattern":
		return fmt.Sprintf("String does not match pattern %s: %s", s.Pattern, text(m.Value))
	case "required":
		if last == "" {
			last = m.Name
		}
		return "Missing required property: " + last
	case "properties":
		return "Additional properties not allowed: " + strings.Join(unknown(m.Value, s), ",")
	case "anyOf", "oneOf":
		return "Data does not match any schemas from '" + m.Keyword + "'"
	}
	return m.Text
}

// unknown lists the members of an object that its schema does not name.
func unknown(v any, s *openapi3.Schema) []string {
	object, _ := v.(map[string]any)
	var names []string
	for name := range object {
		if s.Properties[name] == nil {
			names = append(names, text(name))
		}
	}
	slices.Sort(names)
	return names
}

func typeNames(s *openapi3.Schema) string {
	if s.Type == nil {
		return "object"
	}
	names := s.Type.Slice()
	if s.Nullable {
		return strings.Join(append(slices.Clone(names), "null"), ",")
	}
	return strings.Join(names, ",")
}

// permits reports whether v is of a type that s allows.
func permits(s *openapi3.Schema, v any) bool {
	if v == nil {
		return s.Nullable
	}
	kind := typeOf(v)
	return s.Type.Permits(kind) || kind == "integer" && s.Type.Permits("number")
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// maxEcho bounds what an error message repeats of a value.
const maxEcho = 200

func text(v any) string {
	s, ok := v.(string)
	if !ok {
		raw, err := json.Marshal(v)
		if err != nil {
			return "?"
		}
		s = string(raw)
	}
	if r := []rune(s); len(r) > maxEcho {
		s = string(r[:maxEcho]) + "…"
	}
	return s
}

func size(v any) int {
	switch v := v.(type) {
	case string:
		return len([]rune(v))
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return 0
}

func duplicate(v any) (int, int) {
	list, _ := v.([]any)
	for j := range list {
		for i := range j {
			if text(list[i]) == text(list[j]) {
				return i, j
			}
		}
	}
	return 0, 0
}
