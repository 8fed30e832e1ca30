// Package spec validates requests against the OpenAPI description: who may call an
// operation, and whether parameters and body have the described shape.
// Generated code only decodes; required, enum, pattern and length are checked
// here.
package spec

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/oauth"
)

// Description is an OpenAPI document, ready to check requests.
type Description struct {
	operations map[string]*Operation // by method and gin route
	schemas    openapi3.Schemas
	formats    openapi3.SchemaValidationOption
}

// Load prepares doc. formats checks values of the string formats it names, each
// function returning what is wrong with the text.
func Load(doc *openapi3.T, formats map[string]func(string) error) *Description {
	validators := map[string]openapi3.StringFormatValidator{}
	for name, check := range formats {
		validators[name] = openapi3.NewCallbackValidator(check)
	}
	d := &Description{operations: map[string]*Operation{}, formats: openapi3.WithStringFormatValidators(validators)}
	if doc.Components != nil {
		d.schemas = doc.Components.Schemas
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			open := *op
			open.Security = openapi3.NewSecurityRequirements() // else parameters are checked with the body read, whatever its size
			o := &Operation{description: d, route: &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: &open}}
			if op.Security != nil {
				for _, alternative := range *op.Security {
					o.scopes = append(o.scopes, alternative["oauth2"])
				}
			}
			d.operations[method+" "+strings.NewReplacer("{", ":", "}", "").Replace(path)] = o
		}
	}
	return d
}

// Once returns a function that loads the document that get returns, once for
// all servers of a process.
func Once(get func() (*openapi3.T, error), formats map[string]func(string) error) func() (*Description, error) {
	return sync.OnceValues(func() (*Description, error) {
		doc, err := get()
		if err != nil {
			return nil, err
		}
		return Load(doc, formats), nil
	})
}

// Operation returns the operation that c's route serves, nil for none.
func (d *Description) Operation(c *gin.Context) *Operation {
	return d.operations[c.Request.Method+" "+c.FullPath()]
}

// Operation is one method of one path.
type Operation struct {
	description *Description
	route       *routers.Route
	scopes      [][]string // alternatives; all of one are needed
}

// ID is the operation's operationId.
func (o *Operation) ID() string { return o.route.Operation.OperationID }

// Tag names the part of the API that the operation belongs to.
func (o *Operation) Tag() string { return o.route.Operation.Tags[0] }

// Response returns the schema of the operation's JSON answers with a status, nil
// for none.
func (o *Operation) Response(status int) *openapi3.SchemaRef {
	response := o.route.Operation.Responses.Status(status)
	if response == nil {
		response = o.route.Operation.Responses.Default()
	}
	if response == nil || response.Value.Content[jsonType] == nil {
		return nil
	}
	return response.Value.Content[jsonType].Schema
}

// Public reports whether the operation needs no token.
func (o *Operation) Public() bool { return len(o.scopes) == 0 }

// Allows reports whether the token of caller allows the operation.
func (o *Operation) Allows(caller *oauth.Caller) bool {
	return slices.ContainsFunc(o.scopes, func(all []string) bool {
		return !slices.ContainsFunc(all, func(scope string) bool { return !caller.Has(scope) })
	})
}

// Scopes lists every scope that takes part in an alternative.
func (o *Operation) Scopes() []string {
	var names []string
	for _, scope := range slices.Concat(o.scopes...) {
		if !slices.Contains(names, scope) {
			names = append(names, scope)
		}
	}
	return names
}

// Mismatch is one way in which a request differs from its description.
type Mismatch struct {
	In      string   // "body", "query", "path" or "header"
	Name    string   // of the parameter; "" for a body
	Path    []string // members and indexes below it
	Keyword string   // JSON Schema keyword, "type" for the wrong type
	Value   any      // what was sent there, decoded; it may be a secret
	Schema  *openapi3.Schema
	About   string // the description of what is there
	Text    string // a sentence without the value
	Cause   string // what the check of a string format says, without the value; "" for other keywords
}

// Mismatches is an error that lists all that is wrong with the shape of a
// request, in the order of the names.
type Mismatches []Mismatch

func (m Mismatches) Error() string {
	var all []string
	for _, one := range m {
		where := strings.TrimSuffix(one.In+" "+strings.Join(append([]string{one.Name}, one.Path...), "/"), " ")
		all = append(all, where+": "+one.Text)
	}
	return strings.Join(all, "; ")
}

// CheckParameters checks path, query and header parameters. The error is
// Mismatches.
func (o *Operation) CheckParameters(c *gin.Context) error {
	params := map[string]string{}
	var unreadable Mismatches
	for _, p := range c.Params {
		params[p.Key] = p.Value
		unreadable = append(unreadable, unreadableText("path", p.Key, p.Value)...)
	}
	for name, values := range c.Request.URL.Query() {
		unreadable = append(unreadable, unreadableText("query", name, values...)...)
	}
	if unreadable != nil {
		return list(unreadable)
	}
	err := openapi3filter.ValidateRequest(c, &openapi3filter.RequestValidationInput{
		Request: c.Request, PathParams: params, Route: o.route,
		Options: &openapi3filter.Options{
			ExcludeRequestBody: true, MultiError: true, SkipSettingDefaults: true,
			AuthenticationFunc:      openapi3filter.NoopAuthenticationFunc,
			SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.DisableSchemaErrorDetails(), o.description.formats},
		},
	})
	return list(collect(err, Mismatch{}))
}

// unreadableText finds parameters that hold no text which can be stored.
func unreadableText(in, name string, values ...string) Mismatches {
	for _, value := range append(values, name) {
		if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return Mismatches{{In: in, Name: strings.ToValidUTF8(strings.ReplaceAll(name, "\x00", ""), ""), Text: "Text may not contain NUL characters or malformed UTF-8"}}
		}
	}
	return nil
}

// CheckBody reads the request's body, checks it and leaves it to be read again
// as JSON; a document is left to WithDocument. A form, where the description has
// one, stands for the JSON object that it describes. The error is a *BodyError if it is not JSON, else
// Mismatches.
func (o *Operation) CheckBody(c *gin.Context) error {
	if o.route.Operation.RequestBody == nil {
		return nil
	}
	want := o.route.Operation.RequestBody.Value
	body, err := ReadBody(c.Request)
	if err != nil {
		return err
	}
	if len(body) == 0 && !want.Required {
		c.Request.Body = http.NoBody
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	isForm := mediaType == formType && want.Extensions["x-form"] == true
	if err != nil || mediaType != jsonType && !isForm {
		return &BodyError{http.StatusUnsupportedMediaType, "The payload must be sent as application/json."}
	}
	schema := want.Content.Get(jsonType).Schema.Value
	if isForm {
		if body, err = formToJSON(body, schema); err != nil {
			return &BodyError{http.StatusBadRequest, err.Error()}
		}
	}
	text, err := parse(body)
	if err != nil {
		return &BodyError{http.StatusBadRequest, err.Error()}
	}
	isDocument := schema.Extensions["x-document"] == true
	if body, err = respell(body, text, isDocument); err != nil {
		return &BodyError{http.StatusBadRequest, err.Error()}
	}
	c.Request.Body, c.Request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	c.Request.Header.Set("Content-Type", jsonType)
	if isDocument {
		SetDocument(c.Request, text.Members)
	}
	return o.description.check(schema, text.Value)
}

// The media types of request bodies.
const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

// Find returns the operation for a method and an escaped path, nil for none.
func (d *Description) Find(method, path string) *Operation {
	for _, o := range d.operations {
		if o.route.Method == method && matches(o.route.Path, path) {
			return o
		}
	}
	return nil
}

func matches(template, path string) bool {
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != have[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

// CheckResponse checks an answer to the operation.
func (o *Operation) CheckResponse(ctx context.Context, req *http.Request, status int, header http.Header, body []byte) error {
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: o.route},
		Status:                 status, Header: header,
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true,
			SchemaValidationOptions: []openapi3.SchemaValidationOption{o.description.formats},
		},
	}
	return openapi3filter.ValidateResponse(ctx, in.SetBodyBytes(body))
}

func list(m Mismatches) error {
	if len(m) == 0 {
		return nil
	}
	slices.SortStableFunc(m, func(a, b Mismatch) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), slices.Compare(a.Place(), b.Place()))
	})
	return m
}

// Place is the path of the value that breaks the rule: for a missing member the
// object that lacks it.
func (m *Mismatch) Place() []string {
	if m.Keyword == "required" && len(m.Path) > 0 {
		return m.Path[:len(m.Path)-1]
	}
	return m.Path
}

// collect flattens what kin-openapi reports; at says where in the request.
func collect(err error, at Mismatch) Mismatches {
	switch err := err.(type) { // walks the tree level by level
	case nil:
		return nil
	case openapi3.MultiError:
		var all Mismatches
		for _, one := range err {
			all = append(all, collect(one, at)...)
		}
		return all
	case *openapi3filter.RequestError:
		if err.Parameter != nil {
			at.In, at.Name, at.About = err.Parameter.In, err.Parameter.Name, err.Parameter.Description
			if err.Parameter.Schema != nil {
				at.Schema = err.Parameter.Schema.Value
			}
		}
		return collect(err.Err, at)
	case *openapi3.SchemaError:
		if err.SchemaField == "allOf" && err.Origin != nil { // the branch says more
			return collect(err.Origin, at)
		}
		at.Path, at.Keyword, at.Value, at.Schema = err.JSONPointer(), err.SchemaField, err.Value, err.Schema
		at.Text, at.Cause = err.Reason, causeOf(err)
		if at.Name == "" && err.Schema != nil {
			at.About = err.Schema.Description
		}
		return Mismatches{at}
	case *openapi3filter.ParseError:
		at.Keyword, at.Value, at.Text = "type", err.Value, "is not of the expected type"
		return Mismatches{at}
	}
	if errors.Is(err, openapi3filter.ErrInvalidEmptyValue) {
		at.Keyword, at.Value, at.Text = "type", "", "is empty"
		return Mismatches{at}
	}
	if inner := errors.Unwrap(err); inner != nil && inner != err { // the same value
		return collect(inner, at)
	}
	at.Keyword, at.Text = "required", err.Error()
	return Mismatches{at}
}
