package boruta

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// The tokens that say what is wrong with a member. Callers match on them.
const (
	tokenInvalid   = "is invalid"
	tokenBlank     = "can't be blank"
	tokenNil       = "can't be nil"
	tokenNull      = "must not be null"
	tokenTaken     = "has already been taken"
	tokenTooLong   = "should be at most 255 character(s)"
	tokenNullItem  = "empty values are not allowed"
	tokenBadEntry  = "has an invalid entry"
	tokenNoFormat  = "has invalid format"
	tokenNotThere  = "does not exist"
	tokenSpace     = "must not contain whitespace"
	tokenBadKey    = "private_key_type is invalid"
	tokenNoDID     = "Unsupported did:key JWK."
	tokenNoNewDID  = "Could not create did."
	tokenKeyType   = "unknown key pair type"
	tokenInUse     = "are still associated with this entry"
	tokenDefault   = "Cannot delete a default key pair."
	maxText        = 255
	ruleOfDialect  = "token" // Rule of violations whose Detail is a token and Member a wire name
	storedAsPrefix = "boruta:"
)

// refusal collects what is wrong with a request.
type refusal []oauth.Violation

func (r *refusal) add(member string, tokens ...string) {
	for _, token := range tokens {
		*r = append(*r, oauth.Violation{Member: member, Rule: ruleOfDialect, Detail: token})
	}
}

func (r refusal) has(member string) bool {
	return slices.ContainsFunc(r, func(v oauth.Violation) bool { return v.Member == member })
}

func (r refusal) err() error {
	if len(r) == 0 {
		return nil
	}
	return oauth.Invalidate(r...)
}

func refuse(member string, tokens ...string) error {
	var r refusal
	r.add(member, tokens...)
	return r.err()
}

// kind is the JSON type of an attribute.
type kind int

const (
	text    kind = iota
	flag         // boolean
	seconds      // integer
	texts        // array of strings; items may be null until they are checked
	object
)

// nulls says what null does to an attribute.
type nulls int

const (
	kept          nulls = iota // it is a value
	refused                    // can't be blank
	notNil                     // can't be nil
	initial                    // the initial value in a create, refused in a change
	initialOrKept              // the initial value in a create, a value in a change
)

// attribute is one member of a record that callers can set.
type attribute struct {
	wire  string
	class oauth.Class // who may come to know it; secret unless it says otherwise
	kind  kind
	blank json.RawMessage // what a blank text stands for; nil for null
	start json.RawMessage // the value of a new record; nil for blank
	null  nulls
	limit int // characters of a text; 0 for any number
	check func(value json.RawMessage) []string

	stored string // member of the document; "" for the dialect's prefix and wire
	hidden bool   // never shown
	master bool   // shown under the profile master alone
	mixed  bool   // an array whose order means nothing
	get    func(c *oauth.Client) json.RawMessage
	set    func(doc jsondoc.Object, value json.RawMessage)
}

var null = json.RawMessage("null")

// orNull makes the absence of a value visible.
func orNull(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return null
	}
	return raw
}

// initialValue is what a new record has.
func (a *attribute) initialValue() json.RawMessage {
	if a.start != nil {
		return a.start
	}
	return orNull(a.blank)
}

// cast checks what was sent against the attributes. before are the values now,
// all of them. change are the new values of those that differ: a value that
// equals the current one changes nothing, and is not checked. A create keeps the
// order that was sent.
func cast(attributes []attribute, sent, before jsondoc.Object, creating bool, broken *refusal) (change jsondoc.Object) {
	change = jsondoc.Object{}
	for i := range attributes {
		a := &attributes[i]
		raw, ok := sent[a.wire]
		if !ok {
			continue
		}
		value, ok := a.cast(raw)
		if !ok {
			broken.add(a.wire, tokenInvalid)
			continue
		}
		if value == nil && creating && (a.null == initial || a.null == initialOrKept) {
			value = a.initialValue()
		}
		value = orNull(value)
		if bytes.Equal(value, before[a.wire]) || a.mixed && !creating && sameItems(value, before[a.wire]) {
			continue
		}
		if jsondoc.IsNull(value) {
			switch a.null {
			case refused, initial:
				broken.add(a.wire, tokenBlank)
				continue
			case notNil:
				broken.add(a.wire, tokenNil)
				continue
			}
		} else if tokens := a.verdict(value); tokens != nil {
			broken.add(a.wire, tokens...)
			continue
		}
		change[a.wire] = value
	}
	return change
}

func (a *attribute) verdict(value json.RawMessage) []string {
	if a.limit > 0 && utf8.RuneCountInString(jsondoc.String(value)) > a.limit {
		return []string{tokenTooLong}
	}
	if a.check == nil {
		return nil
	}
	return a.check(value)
}

// cast reads a value as the attribute's type; nil is null. Two values are equal
// if they are cast to the same bytes.
func (a *attribute) cast(raw json.RawMessage) (value json.RawMessage, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil, false
	}
	if v == nil {
		return nil, true
	}
	s, isText := v.(string)
	if isText && strings.TrimSpace(s) == "" {
		return a.blank, true
	}
	switch a.kind {
	case text:
		return jsondoc.Must(v), isText
	case flag:
		switch v {
		case true, "true", "1":
			return json.RawMessage("true"), true
		case false, "false", "0":
			return json.RawMessage("false"), true
		}
	case seconds:
		if n, isNumber := v.(json.Number); isNumber {
			s, isText = n.String(), true
		}
		n, err := strconv.ParseInt(s, 10, 64)
		return jsondoc.Must(n), isText && err == nil
	case texts:
		list, isList := v.([]any)
		return castItems(list), isList && castItems(list) != nil
	case object:
		_, isObject := v.(map[string]any)
		return jsondoc.Must(v), isObject
	}
	return nil, false
}

// castItems drops blank texts; nil if an item is neither text nor null.
func castItems(list []any) json.RawMessage {
	items := make([]*string, 0, len(list))
	for _, v := range list {
		switch v := v.(type) {
		case nil:
			items = append(items, nil)
		case string:
			if strings.TrimSpace(v) != "" {
				items = append(items, &v)
			}
		default:
			return nil
		}
	}
	return jsondoc.Must(items)
}

// items reads what castItems made; nulls are nil.
func items(value json.RawMessage) []*string {
	var list []*string
	_ = json.Unmarshal(value, &list) // null: stays nil
	return list
}

// plain reads an array without its nulls.
func plain(value json.RawMessage) []string {
	list := []string{}
	for _, item := range items(value) {
		if item != nil {
			list = append(list, *item)
		}
	}
	return list
}

// sameItems reports whether two arrays have the same items in any order.
func sameItems(a, b json.RawMessage) bool {
	if jsondoc.IsNull(a) || jsondoc.IsNull(b) || slices.Contains(items(a), nil) {
		return false
	}
	x, y := plain(a), plain(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// within returns a check for a whole number of seconds from 1 to most.
func within(most int64) func(json.RawMessage) []string {
	return func(value json.RawMessage) []string {
		var n int64
		if json.Unmarshal(value, &n) != nil || n < 1 || n > most {
			return []string{tokenInvalid}
		}
		return nil
	}
}

// oneOf returns a check for a text among allowed.
func oneOf(allowed ...string) func(json.RawMessage) []string {
	return func(value json.RawMessage) []string {
		if !slices.Contains(allowed, jsondoc.String(value)) {
			return []string{tokenInvalid}
		}
		return nil
	}
}

// eachOf returns a check for an array whose items are all among allowed.
func eachOf(token string, allowed ...string) func(json.RawMessage) []string {
	return func(value json.RawMessage) []string {
		for _, item := range items(value) {
			if item == nil || !slices.Contains(allowed, *item) {
				return []string{token}
			}
		}
		return nil
	}
}

// after are the values once change has happened.
func after(before, change jsondoc.Object) jsondoc.Object {
	all := maps.Clone(before)
	maps.Copy(all, change)
	return all
}
