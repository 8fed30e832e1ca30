package spec

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// Plain returns what of an object's member the schemas of that object describe,
// and whether that is all of it. What a nested object holds besides its
// properties is described by nobody.
func (d *Description) Plain(schemas []string, member string, raw json.RawMessage) (part json.RawMessage, all bool) {
	if !bytes.ContainsRune(raw, '{') {
		return raw, true
	}
	value, err := Decode(raw)
	if err != nil {
		return nil, false
	}
	var of []*openapi3.Schema
	for _, name := range schemas {
		if ref := d.schemas[name].Value.Properties[member]; ref != nil {
			of = append(of, alternatives(ref.Value)...)
		}
	}
	described, all := described(of, value)
	if all {
		return raw, true
	}
	return jsondoc.Must(described), false
}

// alternatives are s and all that it is put together from.
func alternatives(s *openapi3.Schema) []*openapi3.Schema {
	list := []*openapi3.Schema{s}
	for _, ref := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
		list = append(list, alternatives(ref.Value)...)
	}
	return list
}

// described returns the part of a value that one of schemas describes.
func described(schemas []*openapi3.Schema, value any) (part any, all bool) {
	all = true
	switch value := value.(type) {
	case map[string]any:
		known := make(map[string]any, len(value))
		for name, below := range value {
			if of := member(schemas, name); of != nil {
				one, whole := described(of, below)
				known[name], all = one, all && whole
			} else {
				all = false
			}
		}
		return known, all
	case []any:
		var of []*openapi3.Schema
		for _, s := range schemas {
			if s.Items != nil {
				of = append(of, alternatives(s.Items.Value)...)
			}
		}
		items := make([]any, len(value))
		for i, item := range value {
			one, whole := described(of, item)
			items[i], all = one, all && whole
		}
		return items, all
	}
	return value, true
}

// member returns what describes a property of an object, nil for nothing.
func member(schemas []*openapi3.Schema, name string) (of []*openapi3.Schema) {
	for _, s := range schemas {
		if ref := s.Properties[name]; ref != nil {
			of = append(of, alternatives(ref.Value)...)
		} else if extra := s.AdditionalProperties.Schema; extra != nil {
			of = append(of, alternatives(extra.Value)...)
		}
	}
	return of
}
