package spec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// Invalid words mismatches of a body as broken rules. No text repeats a value.
func (m Mismatches) Invalid() error {
	var broken []oauth.Violation
	for i := range m {
		one := &m[i]
		if one.Keyword != "properties" {
			broken = append(broken, oauth.Violation{Member: Place(one.Path), Rule: one.Keyword, Detail: one.Predicate()})
			continue
		}
		for _, name := range one.unknown() {
			broken = append(broken, oauth.Violation{
				Member: Place(append(one.Path[:len(one.Path):len(one.Path)], name)), Rule: one.Keyword, Detail: "is not known",
			})
		}
	}
	return oauth.Invalidate(broken...)
}

// Place writes a path as people do: "redirect_uris[0]". The empty one is that
// of the whole record.
func Place(path []string) string {
	if len(path) == 0 {
		return "record"
	}
	text := path[0]
	for _, step := range path[1:] {
		if _, err := strconv.Atoi(step); err == nil {
			text += "[" + step + "]"
		} else {
			text += "." + step
		}
	}
	return text
}

// Predicate is the Detail of an oauth.Violation.
func (m *Mismatch) Predicate() string {
	s := m.Schema
	if s == nil {
		s = &openapi3.Schema{}
	}
	switch m.Keyword {
	case "required":
		return "is required"
	case "nullable":
		return "must not be null"
	case "type":
		return "must be of type " + strings.Join(s.Type.Slice(), " or ")
	case "enum":
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = string(jsondoc.Must(v))
		}
		return "must be one of " + strings.Join(values, ", ")
	case "format":
		if strings.HasPrefix(m.Cause, "must ") || strings.HasPrefix(m.Cause, "does not ") {
			return m.Cause
		}
		return "must have the format " + s.Format
	case "pattern":
		return "must match " + s.Pattern
	case "minLength":
		return fmt.Sprintf("must have at least %d characters", s.MinLength)
	case "maxLength":
		return fmt.Sprintf("must have at most %d characters", *s.MaxLength)
	case "minItems":
		return fmt.Sprintf("must have at least %d items", s.MinItems)
	case "maxItems":
		return fmt.Sprintf("must have at most %d items", *s.MaxItems)
	case "uniqueItems":
		return "must not have an item twice"
	case "minProperties":
		return fmt.Sprintf("must have at least %d members", s.MinProps)
	case "maxProperties":
		return fmt.Sprintf("must have at most %d members", *s.MaxProps)
	case "minimum":
		return "must be at least " + strconv.FormatFloat(*s.Min, 'f', -1, 64)
	case "maximum":
		return "must be at most " + strconv.FormatFloat(*s.Max, 'f', -1, 64)
	}
	return "has none of the forms that the specification gives it"
}

// causeOf is what the check of a string format says, "" if err is not of one.
func causeOf(err *openapi3.SchemaError) string {
	if err.SchemaField != "format" || errors.Unwrap(err.Origin) == nil {
		return ""
	}
	return errors.Unwrap(err.Origin).Error()
}
