package spec

import (
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// CheckValue holds a decoded JSON value against a schema of the components, as
// CheckBody does a body. The error is Mismatches.
func (d *Description) CheckValue(schema string, value any) error {
	return d.check(d.schemas[schema].Value, value)
}

// CheckMember is CheckValue for one member of an object. known is false if the
// schema does not name it.
func (d *Description) CheckMember(schema, member string, value any) (known bool, err error) {
	ref := d.schemas[schema].Value.Properties[member]
	if ref == nil {
		return false, nil
	}
	return true, d.check(ref.Value, value)
}

func (d *Description) check(schema *openapi3.Schema, value any) error {
	err := schema.VisitJSON(value, openapi3.VisitAsRequest(), openapi3.MultiErrors(), openapi3.EnableFormatValidation(),
		openapi3.DisableSchemaErrorDetails(), d.formats)
	return list(collect(err, Mismatch{In: "body"}))
}

// Unknown lists the members of an object that its schema does not name, of a
// mismatch with the keyword "properties".
func (m *Mismatch) Unknown() []string {
	object, _ := m.Value.(map[string]any)
	var names []string
	for name := range object {
		if m.Schema == nil || m.Schema.Properties[name] == nil {
			names = append(names, name)
		}
	}
	return names
}

// Without returns object without the member at a path below it.
func Without(object jsondoc.Object, path []string) (jsondoc.Object, error) {
	if len(path) < 2 {
		delete(object, path[0])
		return object, nil
	}
	value, err := Decode(object[path[0]])
	if err != nil {
		return nil, err
	}
	at := value
	for _, step := range path[1 : len(path)-1] {
		switch v := at.(type) {
		case map[string]any:
			at = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return object, nil
			}
			at = v[i]
		}
	}
	if v, ok := at.(map[string]any); ok {
		delete(v, path[len(path)-1])
	}
	object[path[0]] = jsondoc.Must(value)
	return object, nil
}
