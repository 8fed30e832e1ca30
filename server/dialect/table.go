// Package dialect is what the API dialects share: the table that maps a
// dialect's document to the registry's and back, and the steps that a request
// takes before its handler.
package dialect

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/server/spec"
)

// Merge says what an update does with a member that is an object.
type Merge int

const (
	Replace Merge = iota // the value takes the place of the old one
	Members              // members named by the update change, null ones go, the rest stays
	Entries              // as Members, but an empty object removes them all
)

// Field maps one member of a dialect's document.
type Field struct {
	Wire      string   // the dialect's name
	Canonical string   // the registry's name; "" keeps the member unread, as the table's prefix and Wire
	Merge     Merge    // what an update does
	Read      []string // scopes of which one is needed to see the member; nil for whoever may see the document
	Write     []string // scopes of which one is needed to change the member; nil for whoever may change the document

	// Set takes the place of Merge, and Get that of a look at Canonical, where one
	// member is not simply another. Set changes doc by the wire value, which may
	// be null. Get returns nil for an absent member. What Set refuses is Broken or
	// spec.Mismatches.
	Set func(doc jsondoc.Object, wire json.RawMessage) error
	Get func(doc jsondoc.Object) (json.RawMessage, error)
}

// Broken is a rule that a value breaks. Rule and Detail are those of an
// oauth.Violation.
type Broken struct {
	Below        string // the path from the member to the value, ".name" or "[0]"; "" for the member itself
	Rule, Detail string
}

func (b *Broken) Error() string { return b.Detail }

// Table is a dialect's document, one Field a member.
type Table struct {
	prefix string
	fields []Field
	byWire map[string]int
}

// NewTable returns a table whose unread members are stored under prefix.
func NewTable(prefix string, fields ...Field) *Table {
	t := &Table{prefix: prefix, fields: fields, byWire: map[string]int{}}
	for i := range fields {
		if fields[i].Canonical == "" {
			fields[i].Canonical = prefix + fields[i].Wire
		}
		t.byWire[fields[i].Wire] = i
	}
	return t
}

// Names lists the wire names in the table's order.
func (t *Table) Names() []string {
	names := make([]string, len(t.fields))
	for i, f := range t.fields {
		names[i] = f.Wire
	}
	return names
}

// Apply changes doc by a request's members: a create starts from the dialect's
// defaults, an update from the stored document. Null removes a member. Members
// that the table does not name are violations.
func (t *Table) Apply(doc, wire jsondoc.Object) error {
	var broken []oauth.Violation
	for _, name := range slices.Sorted(maps.Keys(wire)) {
		i, ok := t.byWire[name]
		if !ok {
			broken = append(broken, oauth.Violation{Member: name, Rule: "additionalProperties", Detail: "cannot be set"})
			continue
		}
		if err := t.fields[i].apply(doc, wire[name]); err != nil {
			if v, ok := errors.AsType[*Broken](err); ok {
				broken = append(broken, oauth.Violation{Member: t.fields[i].Canonical + v.Below, Rule: v.Rule, Detail: v.Detail})
			} else if _, ok := errors.AsType[spec.Mismatches](err); ok {
				return err
			} else {
				broken = append(broken, oauth.Violation{Member: t.fields[i].Canonical, Rule: "format", Detail: "is malformed"})
			}
		}
	}
	if len(broken) > 0 {
		return oauth.Invalidate(broken...)
	}
	return nil
}

func (f *Field) apply(doc jsondoc.Object, wire json.RawMessage) error {
	switch {
	case f.Set != nil:
		return f.Set(doc, wire)
	case jsondoc.IsNull(wire):
		delete(doc, f.Canonical)
	case f.Merge != Replace:
		merged, err := f.Merge.merge(doc[f.Canonical], wire)
		if err != nil {
			return err
		}
		doc[f.Canonical] = merged
	default:
		doc[f.Canonical] = wire
	}
	return nil
}

// merge returns what the object old becomes by the object wire.
func (m Merge) merge(old, wire json.RawMessage) (json.RawMessage, error) {
	merged, err := jsondoc.MergeKeys(old, wire)
	if err == nil && m == Entries {
		var named jsondoc.Object
		if err = json.Unmarshal(wire, &named); len(named) == 0 {
			merged = wire
		}
	}
	return merged, err
}

// View returns the members of a stored document that the dialect has and that a
// caller with those rights sees.
func (t *Table) View(doc jsondoc.Object, access rights.Set) (jsondoc.Object, error) {
	wire := make(jsondoc.Object, len(t.fields))
	for i := range t.fields {
		f := &t.fields[i]
		if !Sees(access, f.Read) {
			continue
		}
		raw := doc[f.Canonical]
		if f.Get != nil {
			var err error
			if raw, err = f.Get(doc); err != nil {
				return nil, err
			}
		}
		if raw != nil {
			wire[f.Wire] = raw
		}
	}
	return wire, nil
}

// Sees reports whether a caller with those rights has one of scopes; none asks
// for nothing.
func Sees(access rights.Set, scopes []string) bool {
	return len(scopes) == 0 || access.HasAny(rights.Of(scopes...))
}

// Unwritable returns the first of members, in their order, that needs a scope
// the caller lacks, and the scopes of which one would do.
func (t *Table) Unwritable(members jsondoc.Object, otherwise []string, caller *oauth.Caller) (name string, scopes []string) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		scopes := otherwise
		if i, ok := t.byWire[name]; ok && t.fields[i].Write != nil {
			scopes = t.fields[i].Write
		}
		if !caller.HasAny(scopes...) {
			return name, scopes
		}
	}
	return "", nil
}

// Readable returns the scopes of which one is needed to see a member; nil for a
// member that everybody sees or that the table does not name.
func (t *Table) Readable(name string) []string {
	if i, ok := t.byWire[name]; ok {
		return t.fields[i].Read
	}
	return nil
}

// WireName returns the dialect's name for a stored member, or a path below it.
func (t *Table) WireName(member string) string {
	name, below := member, ""
	if i := strings.IndexAny(member, ".["); i >= 0 {
		name, below = member[:i], member[i:]
	}
	if f, ok := t.ByCanonical(name); ok {
		return f.Wire + below
	}
	return strings.TrimPrefix(member, t.prefix)
}
