package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// BodyError says that a body could not be read as what it should be. Status is
// the HTTP status to answer with.
type BodyError struct {
	Status int
	Text   string
}

func (e *BodyError) Error() string { return e.Text }

// keptBody is a body that was read already, as far as err let it.
type keptBody struct {
	io.Reader
	text []byte
	err  error
}

func (*keptBody) Close() error { return nil }

// KeepBody makes text the body of req, which reading it to its end gave together
// with err.
func KeepBody(req *http.Request, text []byte, err error) {
	req.Body = &keptBody{bytes.NewReader(text), text, err}
}

// ReadBody reads a request's body to its end. The error is a *BodyError.
func ReadBody(req *http.Request) (body []byte, err error) {
	if kept, ok := req.Body.(*keptBody); ok {
		body, err = kept.text, kept.err
	} else {
		body, err = io.ReadAll(req.Body)
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &BodyError{http.StatusRequestEntityTooLarge, fmt.Sprintf("The payload exceeds the limit of %d bytes.", tooLarge.Limit)}
	}
	if err != nil {
		return nil, &BodyError{http.StatusBadRequest, "The payload could not be read to its end."}
	}
	return body, nil
}

// parse reads a body through once. The error is a sentence for the caller.
func parse(body []byte) (jsondoc.Text, error) {
	text, err := jsondoc.Parse(body)
	if err == nil && text.Oversize {
		err = jsondoc.Malformed("The payload has a number that is too large.")
	}
	return text, err
}

// respell rewrites body where it has a spelling of its own: an integer as a
// fraction or with an exponent, characters escaped that need not be, or the other
// way round. The same document gives the same bytes. Of a document, whose text
// nobody reads, it writes the members.
func respell(body []byte, text jsondoc.Text, isDocument bool) ([]byte, error) {
	if !text.Disguised && !bytes.ContainsAny(body, "\\<>&\u2028\u2029") {
		return body, nil
	}
	members, _ := text.Value.(map[string]any)
	if !isDocument || members == nil {
		return json.Marshal(text.Value)
	}
	for name, value := range members {
		raw, err := json.Marshal(value)
		if err != nil {
			return body, err
		}
		text.Members[name] = raw
	}
	return body, nil
}

// Decode reads a JSON value as CheckValue takes it.
func Decode(raw []byte) (any, error) {
	text, err := parse(raw)
	return text.Value, err
}

// document is the body of a request that was read already.
type document struct {
	io.ReadCloser
	members jsondoc.Object
}

// ValidatedValue is what generated code binds in place of the text: nothing,
// WithDocument has the members.
func (*document) ValidatedValue() any { return map[string]any{} }

// SetDocument makes members the body of req, which nobody has to read again.
func SetDocument(req *http.Request, members jsondoc.Object) {
	req.Body = &document{req.Body, members}
}

// WithDocument returns the request of a generated strict handler with the
// members that SetDocument was given as its Body.
func WithDocument(req *http.Request, request any) any {
	body, ok := req.Body.(*document)
	if !ok {
		return request
	}
	v := reflect.New(reflect.TypeOf(request)).Elem()
	v.Set(reflect.ValueOf(request))
	v.FieldByName("Body").Set(reflect.ValueOf(&body.members))
	return v.Interface()
}
