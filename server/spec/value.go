package spec

import (
	"github.com/getkin/kin-openapi/openapi3"
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
