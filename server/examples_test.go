package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"

	"github.com/rosterhq/roster/internal/servertest"
)

// exchange is what the document shows of one call: a request and its answer.
type exchange struct {
	operation
	name      string // of the examples of both; "" for an answer without body
	mediaType string // of the request's body; "" for none
	body      any    // of the request
	status    int
	answer    any // nil for no body
	// what media type the answer has
	answerType string
}

// Every request in openapi.yaml is sent to a Roster and must be answered as the
// document shows: the same status, the same members, and the same values but
// for those that are made up anew each time.
func TestRequestsAreAnsweredAsTheirExamplesSay(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		for _, x := range exchanges(t, op) {
			t.Run(op.ID+"/"+x.name, func(t *testing.T) {
				t.Parallel()
				x.check(t)
			})
		}
	}
}

// exchanges pairs the examples of requests with those of answers, by name.
func exchanges(t *testing.T, op operation) []exchange {
	var all []exchange
	success := 0
	for code, r := range op.Responses.Map() {
		var status int
		if _, err := fmt.Sscan(code, &status); err != nil || status > 299 {
			continue
		}
		if success != 0 {
			t.Errorf("%s has two answers for success", op.ID)
		}
		success = status
		for mediaType, content := range r.Value.Content {
			for name, e := range content.Examples {
				all = append(all, exchange{operation: op, name: name, status: status, answer: e.Value.Value, answerType: mediaType})
			}
		}
		if len(r.Value.Content) == 0 {
			all = append(all, exchange{operation: op, status: status})
		}
	}
	if op.RequestBody == nil {
		return all
	}
	var paired []exchange
	for mediaType, content := range op.RequestBody.Value.Content {
		for name, e := range content.Examples {
			i := slices.IndexFunc(all, func(x exchange) bool { return x.name == name || x.answer == nil }) // which none has an example of
			if i < 0 {
				t.Errorf("%s has a request %q without an answer of that name", op.ID, name)
				continue
			}
			x := all[i]
			x.name, x.mediaType, x.body = name, mediaType, e.Value.Value
			paired = append(paired, x)
		}
	}
	for _, x := range all {
		if x.answer != nil && !slices.ContainsFunc(paired, func(p exchange) bool { return p.name == x.name }) {
			t.Errorf("%s has an answer %q without a request of that name", op.ID, x.name)
		}
	}
	return paired
}

func (x exchange) check(t *testing.T) {
	w := newWorld(t)
	how := callings[x.ID+"/"+x.name]
	target := cmp.Or(how.path, x.fill()) + how.query
	for _, one := range append(slices.Clone(how.given), target) {
		w.prepare(one)
	}
	body := ""
	switch x.mediaType {
	case "":
	case "application/x-www-form-urlencoded":
		body = formOf(x.body.(map[string]any))
	default:
		body = asJSON(t, x.body)
	}
	w.prepare(body)
	token := ""
	if scopes := how.scopes; needsToken(x.Operation) && !how.open {
		if scopes == nil {
			scopes = (*x.Security)[0]["oauth2"] // what the document says is enough
		}
		token = w.Token(scopes...)
	}
	if how.first != nil {
		how.first(w)
	}
	header := slices.Clone(how.header)
	if x.mediaType != "" {
		header = append(header, "Content-Type", x.mediaType)
	}
	var sent any
	if body != "" {
		sent = w.real(body)
	}
	r := w.Do(token, x.Method, w.real(target), sent, header...)
	if r.Status != x.status {
		t.Fatalf("%s %s: status %d, want %d: %s", x.Method, target, r.Status, x.status, r.Body)
	}
	if x.answer == nil {
		if len(r.Body) > 0 {
			t.Errorf("an answer without an example: %s", r.Body)
		}
		return
	}
	text := w.shown(string(r.Body))
	var got any
	switch x.answerType {
	case "application/json", "application/problem+json":
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
	case "application/yaml":
		if err := yaml.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
	default:
		if example := x.answer.(string); !strings.HasPrefix(text, example) && !alike(example, text) {
			t.Errorf("the answer starts with %.200s", text)
		}
		return
	}
	c := comparison{part: how.part}
	c.compare("", plain(t, x.answer), plain(t, got))
	if len(c.wrong) > 0 {
		t.Errorf("%s %s is not answered as its example says:\n%s\nthe answer: %s", x.Method, target, strings.Join(c.wrong, "\n"), indented(t, got))
	}
}

// operation is one of the document's.
type operation struct {
	*openapi3.Operation
	ID, Method, Path string
	params           openapi3.Parameters
}

func operations(t *testing.T) []operation {
	t.Helper()
	var all []operation
	paths := servertest.Spec(t).Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for method, op := range paths[path].Operations() {
			all = append(all, operation{op, op.OperationID, method, path, append(slices.Clone(paths[path].Parameters), op.Parameters...)})
		}
	}
	return all
}

// fill puts the examples of path parameters in their places.
func (op operation) fill() string {
	path := op.Path
	for _, p := range op.params {
		if p.Value.In != "path" {
			continue
		}
		example := p.Value.Example
		if example == nil {
			example = p.Value.Schema.Value.Example
		}
		path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", fmt.Sprint(example))
	}
	return path
}

// needsToken reports whether callers of an operation must have an access token.
func needsToken(op *openapi3.Operation) bool {
	return op.Security != nil && slices.ContainsFunc(*op.Security, func(alternative openapi3.SecurityRequirement) bool {
		return alternative["oauth2"] != nil
	})
}

// formOf writes the members of an object as a form: name[]=v for each item of a
// list, name[member]=v for those of an object.
func formOf(members map[string]any) string {
	form := url.Values{}
	for name, value := range members {
		switch value := value.(type) {
		case []any:
			for _, item := range value {
				form.Add(name+"[]", fmt.Sprint(item))
			}
		case map[string]any:
			for below, item := range value {
				form.Set(name+"["+below+"]", fmt.Sprint(item))
			}
		default:
			form.Set(name, fmt.Sprint(value))
		}
	}
	return form.Encode()
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func indented(t testing.TB, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// plain makes v what decoding JSON gives.
func plain(t testing.TB, v any) any {
	t.Helper()
	var p any
	if err := json.Unmarshal([]byte(asJSON(t, v)), &p); err != nil {
		t.Fatal(err)
	}
	return p
}
