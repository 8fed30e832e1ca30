package spec

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// maxInteger is the largest integer that every JSON reader understands alike
// (RFC 7493 §2.2).
const maxInteger = 1<<53 - 1

// decode reads body, and writes it anew where it has a spelling of its own: an
// integer as a fraction or with an exponent (36000.0 is an integer by JSON
// Schema, but readers with integer types refuse it), characters escaped that
// need not be, or the other way round. The same document gives the same bytes.
func decode(body *[]byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(*body))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, jsondoc.Malformed("The payload is not valid JSON.")
	}
	respelled := false
	value, err := plainNumbers(value, &respelled)
	if err != nil || !respelled && !bytes.ContainsAny(*body, "\\<>&\u2028\u2029") {
		return value, err
	}
	*body, err = json.Marshal(value)
	return value, err
}

// plainNumbers returns v with its numbers as float64, and notes in respelled
// whether any was an integer in disguise.
func plainNumbers(v any, respelled *bool) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil || f == math.Trunc(f) && math.Abs(f) > maxInteger {
			return nil, jsondoc.Malformed("The payload has a number that is too large.")
		}
		if f == math.Trunc(f) && strings.ContainsAny(v.String(), ".eE") {
			*respelled = true
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = plainNumbers(v[i], respelled); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = plainNumbers(v[name], respelled); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
