package spec

import (
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// brackets splits a form name: name[member], name[].
var brackets = regexp.MustCompile(`^([^\[\]]+)((?:\[[^\[\]]*\])*)$`)

// formToJSON turns a form into the JSON object that schema describes:
// name[member]=v for objects, name[]=v or a repeated name for arrays, numbers
// and booleans by the schema's type.
func formToJSON(form []byte, schema *openapi3.Schema) ([]byte, error) {
	values, err := url.ParseQuery(string(form))
	if err != nil {
		return nil, jsondoc.Malformed("The payload is not a valid form.")
	}
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		texts := values[name]
		parts := brackets.FindStringSubmatch(name)
		if parts == nil {
			return nil, jsondoc.Malformed("The payload has a malformed form name.")
		}
		var path []string
		for _, step := range strings.Split(parts[2], "[") {
			if step != "" {
				path = append(path, strings.TrimSuffix(step, "]"))
			}
		}
		s := property(schema, parts[1])
		at, key := object, parts[1]
		for _, step := range path {
			if step == "" {
				break
			}
			next, ok := at[key].(map[string]any)
			if !ok {
				if at[key] != nil {
					return nil, jsondoc.Malformed("The payload gives a form name two values.")
				}
				next = map[string]any{}
				at[key] = next
			}
			at, key, s = next, step, property(s, step)
		}
		if at[key] != nil {
			return nil, jsondoc.Malformed("The payload gives a form name two values.")
		}
		if s != nil && s.Type.Is("array") || len(texts) > 1 || slices.Contains(path, "") {
			list := make([]any, len(texts))
			for i, text := range texts {
				var items *openapi3.Schema
				if s != nil && s.Items != nil {
					items = s.Items.Value
				}
				list[i] = scalar(text, items)
			}
			at[key] = list
			continue
		}
		at[key] = scalar(texts[0], s)
	}
	return json.Marshal(object)
}

func property(s *openapi3.Schema, name string) *openapi3.Schema {
	if s == nil {
		return nil
	}
	if p := s.Properties[name]; p != nil {
		return p.Value
	}
	for _, part := range s.AllOf {
		if p := property(part.Value, name); p != nil {
			return p
		}
	}
	return nil
}

// scalar reads text as the schema's type; what does not fit stays text, for the
// schema to refuse.
func scalar(text string, s *openapi3.Schema) any {
	if s != nil && (s.Type.Is("boolean") || s.Type.Is("integer") || s.Type.Is("number")) {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err == nil {
			return v
		}
	}
	return text
}
