package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// salvage returns a record without what the API would refuse the whole of it
// for: texts with NUL characters or broken UTF-8, members that are there twice,
// integers that not every reader takes alike. Each remark tells of one. ok is
// false if that does not mend it.
func salvage(raw []byte) (clean json.RawMessage, lost []remark, ok bool) {
	if wrong(raw) == "" {
		return raw, nil, true
	}
	if !json.Valid(raw) {
		return nil, nil, false
	}
	clean = pruned(raw, "", func(at, why string) {
		lost = append(lost, remark{Code: "dropped", Member: at, Message: at + " was left out: it " + why + "."})
	})
	return clean, lost, clean != nil && wrong(clean) == ""
}

// wrong says why a value is refused, to complete a sentence; "" if it is not.
func wrong(raw []byte) string {
	text, err := jsondoc.Parse(raw)
	switch {
	case err != nil:
		return strings.TrimSuffix(strings.TrimPrefix(err.Error(), "The payload "), ".")
	case text.Oversize:
		return "has a number that not every program reads alike"
	}
	return ""
}

// pruned returns a value without its smallest parts that are wrong, nil if it is
// wrong as a whole.
func pruned(raw json.RawMessage, at string, lost func(at, why string)) json.RawMessage {
	why := wrong(raw)
	if why == "" {
		return raw
	}
	raw = bytes.TrimSpace(raw)
	var out bytes.Buffer
	add := func(name []byte, value json.RawMessage) {
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(name)
		out.Write(value)
	}
	switch {
	case bytes.HasPrefix(raw, []byte("{")):
		out.WriteByte('{')
		names, values, valid := membersOf(raw)
		for i, name := range names {
			below := strings.TrimPrefix(at+"."+cmp.Or(name, `""`), ".")
			switch key, _ := json.Marshal(name); {
			case slices.Index(names, name) < i: // told at the first one
			case ambiguous(name, names, values):
				lost(below, "is there twice, and either may be meant")
			case wrong(key) != "" || strings.ContainsRune(name, utf8.RuneError) && !utf8.Valid(raw):
				lost(below, "has a name that cannot be used")
			default:
				if value := pruned(values[i], below, lost); value != nil {
					add(append(key, ':'), value)
				}
			}
		}
		if out.WriteByte('}'); valid && wrong(out.Bytes()) == "" {
			return out.Bytes()
		}
	case bytes.HasPrefix(raw, []byte("[")):
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) == nil {
			out.WriteByte('[')
			for i, item := range items {
				if value := pruned(item, at+"["+strconv.Itoa(i)+"]", lost); value != nil {
					add(nil, value)
				}
			}
			if out.WriteByte(']'); wrong(out.Bytes()) == "" {
				return out.Bytes()
			}
		}
	}
	if at != "" {
		lost(at, why)
	}
	return nil
}

// ambiguous reports whether a member is there more than once, with values that
// differ.
func ambiguous(name string, names []string, values []json.RawMessage) bool {
	first := values[slices.Index(names, name)]
	for i := range names {
		if names[i] == name && !bytes.Equal(values[i], first) {
			return true
		}
	}
	return false
}

// membersOf returns the members of an object in their order, those that are there
// twice included.
func membersOf(raw []byte) (names []string, values []json.RawMessage, valid bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, nil, false
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, nil, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, nil, false
		}
		text, _ := name.(string)
		names, values = append(names, text), append(values, value)
	}
	_, err := dec.Token()
	return names, values, err == nil
}
