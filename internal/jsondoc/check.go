package jsondoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Malformed is an error about a payload: a sentence for the caller.
type Malformed string

func (m Malformed) Error() string { return string(m) }

// MaxDepth is how deep Check lets objects and arrays nest.
const MaxDepth = 64

// Check reports what keeps text from being one JSON value that every reader
// understands alike: malformed JSON, more than one value, a member name twice
// in an object, NUL characters, broken UTF-8, escapes of half a character
// (\ud800), nesting beyond MaxDepth. The error is a sentence for the caller and
// quotes member names only.
func Check(text []byte) error {
	if !utf8.Valid(text) {
		return Malformed("The payload is not valid UTF-8.")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := checkValue(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errMalformed
	}
	if halfCharacter(text) {
		return Malformed("The payload has half a UTF-16 surrogate pair in a text.")
	}
	return nil
}

// halfCharacter finds an escaped surrogate without its other half in valid JSON.
// encoding/json reads it as U+FFFD, PostgreSQL not at all.
func halfCharacter(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return false
		}
		text = text[i:]
		unit := escaped(text)
		switch {
		case unit < 0:
			text = text[2:]
			continue
		case utf16.IsSurrogate(unit):
			if utf16.DecodeRune(unit, escaped(text[6:])) == utf8.RuneError {
				return true
			}
			text = text[6:]
		}
		text = text[6:]
	}
}

// escaped returns the UTF-16 unit that the escape at the start of text stands
// for, -1 where there is no such escape.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

const errMalformed = Malformed("The payload is not valid JSON.")

func checkValue(dec *json.Decoder, depth int) error {
	token, err := dec.Token()
	if err != nil {
		return errMalformed
	}
	switch token := token.(type) {
	case string:
		return checkText(token)
	case json.Delim:
		if depth == MaxDepth {
			return Malformed(fmt.Sprintf("The payload is nested deeper than %d levels.", MaxDepth))
		}
		names := map[string]bool{}
		for dec.More() {
			if token == '{' {
				if err := checkName(dec, names); err != nil {
					return err
				}
			}
			if err := checkValue(dec, depth+1); err != nil {
				return err
			}
		}
		if _, err := dec.Token(); err != nil {
			return errMalformed
		}
	}
	return nil
}

func checkName(dec *json.Decoder, names map[string]bool) error {
	token, err := dec.Token()
	if err != nil {
		return errMalformed
	}
	name, ok := token.(string)
	if !ok {
		return errMalformed
	}
	if names[name] {
		return Malformed(fmt.Sprintf("The payload has the member %q twice in one object.", name))
	}
	names[name] = true
	return checkText(name)
}

func checkText(text string) error {
	for _, r := range text {
		if r == 0 {
			return Malformed("The payload has a NUL character in a text.")
		}
	}
	return nil
}
