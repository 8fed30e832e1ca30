package abuse

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rosterhq/roster/internal/servertest"
)

// operation is one of openapi.yaml.
type operation struct {
	method, path string
	spec         *openapi3.Operation
	params       openapi3.Parameters // of the path and its own
}

func (o operation) String() string { return o.method + " " + o.path }

// operations lists all of openapi.yaml: those that read, then those that write,
// those that delete last, and a whole client last of all.
func operations(t testing.TB) []operation {
	t.Helper()
	doc := servertest.Spec(t)
	var all []operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, operation{method, path, op, slices.Concat(item.Parameters, op.Parameters)})
		}
	}
	order := map[string]int{"GET": 0, "DELETE": 2}
	rank := func(o operation) int {
		if n, ok := order[o.method]; ok {
			return n
		}
		return 1
	}
	slices.SortFunc(all, func(a, b operation) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(b.path), len(a.path)), strings.Compare(a.String(), b.String()))
	})
	return all
}

// crawler calls operations and keeps all that comes back.
type crawler struct {
	t     testing.TB
	url   string
	token string
	ids   map[string]string // what to put into a path: by "path{name}", else by name
	seen  *sightings
	good  map[string]bool // operations that succeeded
}

// call sends one request.
func (c *crawler) call(o operation, token, path, query, mediaType, body string) int {
	c.t.Helper()
	target := c.url + path
	if query != "" {
		target += "?" + query
	}
	req, err := http.NewRequestWithContext(c.t.Context(), o.method, target, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var header bytes.Buffer
	_ = resp.Header.Write(&header)
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	where := fmt.Sprintf("%s %.200s %.60s: %d", o, query, body, resp.StatusCode)
	c.seen.add(where+", header", header.Bytes())
	c.seen.add(where, text)
	var v any
	if json.Unmarshal(text, &v) == nil { // which may spell a c as \u0063
		c.seen.add(where, fmt.Append(nil, v))
	}
	if resp.StatusCode < 300 {
		c.good[o.String()] = true
	}
	return resp.StatusCode
}

// body is a request that o takes, as far as its schema tells; "" for none.
func (o operation) body(t testing.TB) string {
	t.Helper()
	if o.spec.RequestBody == nil {
		return ""
	}
	content := o.spec.RequestBody.Value.Content.Get("application/json")
	if content == nil || content.Schema == nil {
		return ""
	}
	text, err := json.Marshal(sample(content.Schema.Value, 0))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// path fills in the parameters of o's path.
func (c *crawler) path(o operation) string {
	path := o.path
	for _, p := range o.params {
		if p.Value.In != "path" {
			continue
		}
		place := "{" + p.Value.Name + "}"
		value := cmp.Or(c.ids[o.path[:strings.Index(o.path, place)]+place], c.ids[p.Value.Name], "nothing")
		path = strings.ReplaceAll(path, place, url.PathEscape(value))
	}
	return path
}

// visit calls one operation in every way that may make it talk.
func (c *crawler) visit(o operation) {
	c.t.Helper()
	path, body := c.path(o), o.body(c.t)
	const mediaType = "application/json"
	c.call(o, c.token, path, "", mediaType, body)
	for _, p := range o.params {
		if p.Value.In != "query" {
			continue
		}
		for _, v := range texts(p.Value.Schema) {
			c.call(o, c.token, path, url.Values{p.Value.Name: {v}}.Encode(), mediaType, body)
		}
	}
	c.call(o, "", path, "", mediaType, body)
	c.call(o, "a.b.c", path, "", mediaType, body)
	for _, p := range []string{path + "/x", strings.TrimSuffix(path, path[strings.LastIndexByte(path, '/'):]) + "/nothing"} {
		c.call(o, c.token, p, "", mediaType, body)
	}
	if o.spec.RequestBody == nil {
		return
	}
	for _, bad := range []string{
		`{"name":`, `[]`, `"x"`, `null`, `{}`, `{"name":1,"client":2,"scope":3,"key_pair":4,"identity_provider":5}`, `{"client_secret":1}`, `{"client_secret":{"a":[]}}`, `{"client":{"secret":[1]}}`,
		`{"name":"a","name":"b"}`, "{\"name\":\"\xff\"}", strings.Repeat(`{"a":`, 5000), `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, `{"name":"renamed"}`, `{"client":{"name":"renamed"}}`,
	} {
		c.call(o, c.token, path, "", mediaType, bad)
	}
	c.call(o, c.token, path, "", "text/plain", body)
	c.call(o, c.token, path, "", form, "name=x&name=y&%zz")
}

// texts are values for a query parameter.
func texts(ref *openapi3.SchemaRef) []string {
	switch s := ref.Value; {
	case len(s.Enum) > 0:
		var all []string
		for _, v := range s.Enum {
			all = append(all, fmt.Sprint(v))
		}
		return all
	case s.Type.Is("boolean"):
		return []string{"true", "false"}
	case s.Type.Is("integer"):
		return []string{"1", "-1", "x"}
	}
	return []string{"client_id,client_secret,secret,sealed,mac,signing_secret", "'"}
}

// sample makes a value that a schema describes.
func sample(s *openapi3.Schema, depth int) any {
	switch {
	case s.Example != nil:
		return s.Example
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Default != nil:
		return s.Default
	case depth > 6:
		return nil
	case len(s.OneOf) > 0:
		return sample(s.OneOf[0].Value, depth+1)
	case len(s.AnyOf) > 0:
		return sample(s.AnyOf[0].Value, depth+1)
	}
	object := map[string]any{}
	for _, part := range s.AllOf {
		if members, ok := sample(part.Value, depth+1).(map[string]any); ok {
			for name, v := range members {
				object[name] = v
			}
		}
	}
	switch {
	case len(s.AllOf) > 0 || s.Type.Is("object") || len(s.Properties) > 0:
		for _, name := range s.Required {
			if p := s.Properties[name]; p != nil {
				object[name] = sample(p.Value, depth+1)
			}
		}
		return object
	case s.Type.Is("array"):
		if s.MinItems == 0 || s.Items == nil {
			return []any{}
		}
		return []any{sample(s.Items.Value, depth+1)}
	case s.Type.Is("boolean"):
		return true
	case s.Type.Is("integer"), s.Type.Is("number"):
		return 1
	}
	return "https://sample.example/" + strings.Repeat("x", int(min(s.MinLength, 100)))
}
