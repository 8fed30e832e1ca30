package jsondoc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// oracle is what Parse does, told by encoding/json: one pass for the complaints,
// one for the value, one for the members.
func oracle(text []byte) (t jsondoc.Text, err error) {
	if err := complaint(text); err != nil {
		return t, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&t.Value); err != nil {
		return t, err
	}
	t.Value = numbers(t.Value, &t)
	_ = json.Unmarshal(text, &t.Members) // another value: no members
	return t, nil
}

func numbers(v any, t *jsondoc.Text) any {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil || f == math.Trunc(f) && math.Abs(f) > 1<<53-1 {
			t.Oversize = true
		} else if f == math.Trunc(f) && strings.ContainsAny(v.String(), ".eE") {
			t.Disguised = true
		}
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i], t)
		}
	case map[string]any:
		for name := range v {
			v[name] = numbers(v[name], t)
		}
	}
	return v
}

const malformed = jsondoc.Malformed("The payload is not valid JSON.")

func complaint(text []byte) error {
	if !utf8.Valid(text) {
		return jsondoc.Malformed("The payload is not valid UTF-8.")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := complain(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return malformed
	}
	if halfCharacter(text) {
		return jsondoc.Malformed("The payload has half a UTF-16 surrogate pair in a text.")
	}
	return nil
}

func complain(dec *json.Decoder, depth int) error {
	token, err := dec.Token()
	if err != nil {
		return malformed
	}
	switch token := token.(type) {
	case string:
		return complainOfText(token)
	case json.Delim:
		if depth == jsondoc.MaxDepth {
			return jsondoc.Malformed(fmt.Sprintf("The payload is nested deeper than %d levels.", jsondoc.MaxDepth))
		}
		names := map[string]bool{}
		for dec.More() {
			if token == '{' {
				token, err := dec.Token()
				name, ok := token.(string)
				if err != nil || !ok {
					return malformed
				}
				if names[name] {
					return jsondoc.Malformed(fmt.Sprintf("The payload has the member %q twice in one object.", name))
				}
				names[name] = true
				if err := complainOfText(name); err != nil {
					return err
				}
			}
			if err := complain(dec, depth+1); err != nil {
				return err
			}
		}
		if _, err := dec.Token(); err != nil {
			return malformed
		}
	}
	return nil
}

func complainOfText(text string) error {
	if strings.ContainsRune(text, 0) {
		return jsondoc.Malformed("The payload has a NUL character in a text.")
	}
	return nil
}

// halfCharacter finds an escaped surrogate without its other half in valid JSON.
func halfCharacter(text []byte) bool {
	unit := func(text []byte) rune {
		if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
			return -1
		}
		unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
		if err != nil {
			return -1
		}
		return rune(unit)
	}
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return false
		}
		text = text[i:]
		switch u := unit(text); {
		case u < 0:
			text = text[2:]
			continue
		case utf16.IsSurrogate(u):
			if utf16.DecodeRune(u, unit(text[6:])) == utf8.RuneError {
				return true
			}
			text = text[6:]
		}
		text = text[6:]
	}
}
