package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// Pruned is a part of an object that did not fit a schema.
type Pruned struct {
	Path    []string
	Unknown bool // the schema has no such member
	Mismatch
}

// Prune takes out of object what does not fit a schema of the components: the
// smallest part each, until the rest fits. The error is the Mismatches of an
// object that no removal of a part can mend.
func (d *Description) Prune(schema string, object jsondoc.Object) (jsondoc.Object, []Pruned, error) {
	value, err := Decode(jsondoc.Must(object))
	if err != nil {
		return nil, nil, err
	}
	value, all, err := d.prune(d.schemas[schema].Value, value)
	if err != nil || len(all) == 0 {
		return object, nil, err
	}
	var rest jsondoc.Object
	return rest, all, json.Unmarshal(jsondoc.Must(value), &rest)
}

// PruneMember is Prune for the value of one member of an object; paths start
// below it. known is false if the schema has no such member.
func (d *Description) PruneMember(schema, member string, raw json.RawMessage) (rest json.RawMessage, pruned []Pruned, known bool, err error) {
	ref := d.schemas[schema].Value.Properties[member]
	if ref == nil {
		return nil, nil, false, nil
	}
	value, err := Decode(raw)
	if err != nil {
		return nil, nil, true, err
	}
	value, pruned, err = d.prune(ref.Value, value)
	if err != nil || len(pruned) == 0 {
		return raw, nil, true, err
	}
	return jsondoc.Must(value), pruned, true, nil
}

func (d *Description) prune(schema *openapi3.Schema, value any) (rest any, all []Pruned, err error) {
	for size := len(jsondoc.Must(value)) + 1; ; {
		mismatches, _ := errors.AsType[Mismatches](d.check(schema, value))
		if len(mismatches) == 0 {
			return value, all, nil
		}
		parts := prunable(mismatches)
		parts = slices.DeleteFunc(parts, func(p Pruned) bool { return len(p.Path) == 0 })
		now := len(jsondoc.Must(value))
		if len(parts) == 0 || now == size {
			return nil, nil, mismatches.Invalid()
		}
		size = now
		// From the back, so that the indexes of those to come stay right.
		slices.SortStableFunc(parts, func(a, b Pruned) int { return comparePaths(b.Path, a.Path) })
		parts = slices.CompactFunc(parts, func(a, b Pruned) bool { return slices.Equal(a.Path, b.Path) })
		for _, part := range parts {
			value = without(value, part.Path)
		}
		slices.Reverse(parts)
		all = append(all, parts...)
	}
}

// prunable are the parts that mismatches ask to be taken out.
func prunable(mismatches Mismatches) (parts []Pruned) {
	for _, m := range mismatches {
		below := func(step string) []string { return append(slices.Clone(m.Path), step) }
		switch list, _ := m.Value.([]any); {
		case m.Keyword == "properties":
			for _, name := range m.unknown() {
				parts = append(parts, Pruned{below(name), true, m})
			}
		case m.Keyword == "required" && len(m.Path) > 1: // the object that lacks the member
			parts = append(parts, Pruned{m.Path[:len(m.Path)-1], false, m})
		case m.Keyword == "required":
		case m.Keyword == "maxItems" && m.Schema != nil && m.Schema.MaxItems != nil:
			for i := int(*m.Schema.MaxItems); i < len(list); i++ {
				parts = append(parts, Pruned{below(strconv.Itoa(i)), false, m})
			}
		case m.Keyword == "uniqueItems":
			seen := map[string]bool{}
			for i, item := range list {
				text := string(jsondoc.Must(item))
				if seen[text] {
					parts = append(parts, Pruned{below(strconv.Itoa(i)), false, m})
				}
				seen[text] = true
			}
		case len(m.Path) > 0:
			parts = append(parts, Pruned{m.Path, false, m})
		}
	}
	return parts
}

// comparePaths orders paths by their steps, indexes as numbers.
func comparePaths(a, b []string) int {
	return slices.CompareFunc(a, b, func(a, b string) int {
		i, err := strconv.Atoi(a)
		j, err2 := strconv.Atoi(b)
		if err == nil && err2 == nil {
			return i - j
		}
		return bytes.Compare([]byte(a), []byte(b))
	})
}

// without returns value without what is at a path below it.
func without(value any, path []string) any {
	switch v := value.(type) {
	case map[string]any:
		if len(path) == 1 {
			delete(v, path[0])
		} else if below, ok := v[path[0]]; ok {
			v[path[0]] = without(below, path[1:])
		}
	case []any:
		i, err := strconv.Atoi(path[0])
		switch {
		case err != nil || i < 0 || i >= len(v):
		case len(path) == 1:
			return slices.Delete(v, i, i+1)
		default:
			v[i] = without(v[i], path[1:])
		}
	}
	return value
}

// unknown lists the members of an object that its schema does not name, of a
// mismatch with the keyword "properties".
func (m *Mismatch) unknown() []string {
	object, _ := m.Value.(map[string]any)
	var names []string
	for name := range object {
		if m.Schema == nil || m.Schema.Properties[name] == nil {
			names = append(names, name)
		}
	}
	return names
}
