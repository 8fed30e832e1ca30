package jsondoc

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Malformed is an error about a payload: a sentence for the caller.
type Malformed string

func (m Malformed) Error() string { return string(m) }

const errMalformed = Malformed("The payload is not valid JSON.")

// MaxDepth is how deep Check lets objects and arrays nest.
const MaxDepth = 64

// maxInteger is the largest integer that every JSON reader understands alike
// (RFC 7493 §2.2).
const maxInteger = 1<<53 - 1

// Text is what Parse finds in a JSON text.
type Text struct {
	Value   any    // as encoding/json reads it into an any
	Members Object // the raw members of an object, parts of the text; nil for another value

	// Oversize reports whether there is a number that not every reader
	// understands; Disguised, whether an integer is spelled as a fraction or with
	// an exponent: 36000.0 is an integer by JSON Schema, but readers with integer
	// types refuse that spelling.
	Oversize, Disguised bool
}

// Parse reads text through once. Its errors are those of Check.
func Parse(text []byte) (Text, error) {
	s := scanner{text: text, build: true}
	var t Text
	value, err := s.all(&t.Members)
	if err != nil {
		return Text{}, err
	}
	t.Value, t.Oversize, t.Disguised = value, s.oversize, s.disguised
	return t, nil
}

// Check reports what keeps text from being one JSON value that every reader
// understands alike: malformed JSON, more than one value, a member name twice
// in an object, NUL characters, broken UTF-8, escapes of half a character
// (\ud800), nesting beyond MaxDepth. The error is a sentence for the caller and
// quotes member names only.
func Check(text []byte) error {
	s := scanner{text: text}
	_, err := s.all(nil)
	return err
}

// Members returns the raw members of the object in text, parts of it; nil for
// another value. It reads text through once. If wrapped is not "", it returns
// those of the object in that member instead. Its errors are those of Check.
func Members(text []byte, wrapped string) (Object, error) {
	s := scanner{text: text, wrapped: wrapped}
	var members Object
	_, err := s.all(&members)
	return members, err
}

// scanner reads a JSON text (RFC 8259) from its start to its end.
type scanner struct {
	text    []byte
	at      int
	build   bool   // make values
	wrapped string // the member whose members are wanted; "": the text's own

	half, oversize, disguised bool
}

// all reads the whole text. It puts the raw members that are wanted into
// members, unless that is nil.
func (s *scanner) all(members *Object) (any, error) {
	if !utf8.Valid(s.text) {
		return nil, Malformed("The payload is not valid UTF-8.")
	}
	value, err := s.value(0, members)
	if err != nil {
		return nil, err
	}
	if s.skip(); s.at < len(s.text) {
		return nil, errMalformed
	}
	if s.half {
		return nil, Malformed("The payload has half a UTF-16 surrogate pair in a text.")
	}
	return value, nil
}

// next returns the byte that comes next, 0 at the end.
func (s *scanner) next() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) skip() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\n' || s.text[s.at] == '\t' || s.text[s.at] == '\r') {
		s.at++
	}
}

func (s *scanner) literal(word string, value any) (any, error) {
	if !bytes.HasPrefix(s.text[s.at:], []byte(word)) {
		return nil, errMalformed
	}
	s.at += len(word)
	return value, nil
}

// value reads the value that comes next, which depth others are around.
func (s *scanner) value(depth int, members *Object) (any, error) {
	s.skip()
	switch c := s.next(); c {
	case '{', '[':
		if depth == MaxDepth {
			return nil, Malformed(fmt.Sprintf("The payload is nested deeper than %d levels.", MaxDepth))
		}
		s.at++
		if c == '{' {
			return s.object(depth, members)
		}
		return s.array(depth)
	case '"':
		return s.string(s.build)
	case 't':
		return s.literal("true", true)
	case 'f':
		return s.literal("false", false)
	case 'n':
		return s.literal("null", nil)
	}
	return s.number()
}

func (s *scanner) array(depth int) (any, error) {
	list := []any{}
	if s.skip(); s.next() == ']' {
		s.at++
		return list, nil
	}
	for {
		value, err := s.value(depth+1, nil)
		if err != nil {
			return nil, err
		}
		if s.build {
			list = append(list, value)
		}
		if last, err := s.more(']'); last || err != nil {
			return list, err
		}
	}
}

// more reads what follows a value in an array or object that end ends.
func (s *scanner) more(end byte) (last bool, err error) {
	s.skip()
	c := s.next()
	if c != end && c != ',' {
		return false, errMalformed
	}
	s.at++
	return c == end, nil
}

func (s *scanner) object(depth int, members *Object) (any, error) {
	object := map[string]any{}
	wanted := members != nil && (s.wrapped == "") == (depth == 0)
	if wanted {
		*members = Object{}
	}
	if s.skip(); s.next() == '}' {
		s.at++
		return object, nil
	}
	for {
		if s.skip(); s.next() != '"' {
			return nil, errMalformed
		}
		name, err := s.string(true)
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, Malformed(fmt.Sprintf("The payload has the member %q twice in one object.", name))
		}
		if s.skip(); s.next() != ':' {
			return nil, errMalformed
		}
		s.at++
		s.skip()
		start := s.at
		var inside *Object
		if depth == 0 && !wanted && name == s.wrapped {
			inside = members
		}
		if object[name], err = s.value(depth+1, inside); err != nil {
			return nil, err
		}
		if wanted {
			(*members)[name] = s.text[start:s.at:s.at]
		}
		if last, err := s.more('}'); last || err != nil {
			return object, err
		}
	}
}

// string reads a string; the text is "" unless it is wanted.
func (s *scanner) string(wanted bool) (string, error) {
	s.at++
	for start := s.at; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			if !wanted {
				return "", nil
			}
			return string(s.text[start : s.at-1]), nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return "", errMalformed
		}
	}
	return "", errMalformed
}

// escaped reads the rest of a string that began at start, from its first escape
// on. As encoding/json does, it reads half a UTF-16 surrogate pair as U+FFFD;
// PostgreSQL does not read it at all.
func (s *scanner) escaped(start int) (string, error) {
	text, nul := append([]byte(nil), s.text[start:s.at]...), false
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c < ' ':
			return "", errMalformed
		case c == '"' && nul:
			return "", Malformed("The payload has a NUL character in a text.")
		case c == '"':
			return string(text), nil
		case c != '\\':
			text = append(text, c)
		case s.next() == 'u':
			r, ok := s.unit(s.at - 1)
			if !ok {
				return "", errMalformed
			}
			s.at += len("uXXXX")
			if utf16.IsSurrogate(r) {
				low, _ := s.unit(s.at)
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					s.half = true
				} else {
					s.at += len(`\uXXXX`)
				}
			}
			nul = nul || r == 0
			text = utf8.AppendRune(text, r)
		default:
			i := strings.IndexByte(`"\/bfnrt`, s.next())
			if i < 0 {
				return "", errMalformed
			}
			s.at++
			text = append(text, "\"\\/\b\f\n\r\t"[i])
		}
	}
	return "", errMalformed
}

// unit returns the UTF-16 unit of the escape \uXXXX at a place; false where
// there is no such escape.
func (s *scanner) unit(at int) (rune, bool) {
	if len(s.text) < at+6 || s.text[at] != '\\' || s.text[at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s.text[at+2 : at+6] {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 || c < '0' {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	return r, true
}

func (s *scanner) number() (any, error) {
	start := s.at
	if s.next() == '-' {
		s.at++
	}
	if s.next() == '0' {
		s.at++
	} else if !s.digits() {
		return nil, errMalformed
	}
	whole := s.at
	if s.next() == '.' {
		if s.at++; !s.digits() {
			return nil, errMalformed
		}
	}
	if s.next()|0x20 == 'e' {
		if s.at++; s.next() == '+' || s.next() == '-' {
			s.at++
		}
		if !s.digits() {
			return nil, errMalformed
		}
	}
	if !s.build {
		return nil, nil
	}
	number, err := strconv.ParseFloat(string(s.text[start:s.at]), 64)
	if integer := number == math.Trunc(number); err != nil || integer && math.Abs(number) > maxInteger {
		s.oversize = true
	} else if integer && whole < s.at {
		s.disguised = true
	}
	return number, nil
}

// digits reads the digits that come next; false if there are none.
func (s *scanner) digits() bool {
	start := s.at
	for c := s.next(); '0' <= c && c <= '9'; c = s.next() {
		s.at++
	}
	return s.at > start
}
