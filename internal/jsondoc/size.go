package jsondoc

import (
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// Size returns how many bytes a valid JSON text takes without blanks and with no
// character escaped that needs none (RFC 8785 §3.2), whatever way it is spelled.
func Size(raw json.RawMessage) int {
	n, inside := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			inside = !inside
			n++
		case !inside:
			if c > ' ' {
				n++
			}
		case c != '\\':
			n++
		default:
			took, skip := escape(raw, i)
			n += took
			i += skip - 1
		}
	}
	return n
}

// escape returns how many bytes the escape at a place of a text needs, and how
// many it has.
func escape(raw []byte, at int) (needs, has int) {
	s := scanner{text: raw}
	r, ok := s.unit(at)
	if !ok {
		if raw[at+1] == '/' {
			return 1, 2
		}
		return 2, 2
	}
	has = len(`\uXXXX`)
	if utf16.IsSurrogate(r) {
		low, _ := s.unit(at + has)
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return has, has
		}
		has *= 2
	}
	switch r {
	case '"', '\\', '\b', '\f', '\n', '\r', '\t':
		return 2, has
	}
	if r < ' ' {
		return has, has
	}
	return utf8.RuneLen(r), has
}

// Size returns how many bytes o takes as Size of a text counts them.
func (o Object) Size() int {
	n := 1 + max(1, len(o)) // braces and commas
	for name, raw := range o {
		n += Size(AppendName(nil, name)) + 1 + Size(raw)
	}
	return n
}
