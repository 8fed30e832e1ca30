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
	"github.com/rosterhq/roster/internal/registry"
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

// Kept says where a member is kept, and who speaks of it.
type Kept int

const (
	Sent   Kept = iota // in the document; callers send it
	Shown              // in the document; callers read it and never send it
	Unseen             // in the document, for the dialect alone
	Beside             // not in the document; callers send it, for code of the dialect's own
	Given              // not in the document; callers read it
)

// Member is all that a dialect's table says of one member.
type Member struct {
	Wire  string      // the dialect's name
	Key   string      // the registry's name; "" keeps the member unread, as the table's prefix and Wire
	Class oauth.Class // who may come to know it; secret unless it says otherwise
	Kept  Kept        // where, and whether callers send it
	Stays bool        // an imported record without the member leaves it as it is
	Merge Merge       // what an update does
	Read  []string    // scopes one of which is needed to see the member; nil for whoever may see the document
	Write []string    // scopes one of which is needed to change the member; nil for whoever may change the document

	// Set takes the place of Merge, and Get that of a look at Key, where one member
	// is not simply another. Set changes doc by the wire value, which may be null.
	// Get returns nil for an absent member. What Set refuses is Broken or
	// spec.Mismatches.
	Set func(doc jsondoc.Object, wire json.RawMessage) error
	Get func(doc jsondoc.Object) (json.RawMessage, error)

	// Check returns what is wrong with a document after a request has changed the
	// member, nil for nothing.
	Check func(doc jsondoc.Object) *Broken

	seeing rights.Set // Read
}

// Broken is a rule that a value breaks. Rule and Detail are those of an
// oauth.Violation.
type Broken struct {
	Below        string // the path from the member to the value, ".name" or "[0]"; "" for the member itself
	Rule, Detail string
}

func (b *Broken) Error() string { return b.Detail }

func (m *Member) violation(b *Broken) oauth.Violation {
	return oauth.Violation{Member: m.Key + b.Below, Rule: b.Rule, Detail: b.Detail}
}

// Table is a dialect's document, one Member per line.
type Table struct {
	prefix  string
	members []Member
	byWire  map[string]int
	byKey   map[string]int
	classes map[string]oauth.Class // by key, those included that are not in the document
	write   []string               // scopes for members without Write
}

// NewTable returns a table whose unread members are stored under prefix. write
// are the scopes one of which is needed to change members that do not name
// theirs.
func NewTable(prefix string, write []string, members ...Member) *Table {
	t := &Table{prefix: prefix, members: members, byWire: map[string]int{}, byKey: map[string]int{}, write: write, classes: map[string]oauth.Class{}}
	for i := range members {
		m := &members[i]
		if m.Key == "" {
			m.Key = prefix + m.Wire
		}
		m.seeing = rights.Of(m.Read...)
		t.byWire[m.Wire] = i
		t.classes[m.Key] = m.Class
		if _, twice := t.byKey[m.Key]; !twice && m.Kept <= Unseen {
			t.byKey[m.Key] = i
		}
	}
	return t
}

// Names lists the wire names of members that are kept so, in the table's order.
func (t *Table) Names(kept Kept) []string {
	var names []string
	for _, m := range t.members {
		if m.Kept == kept {
			names = append(names, m.Wire)
		}
	}
	return names
}

// ByWire returns the member of that name, nil for none.
func (t *Table) ByWire(name string) *Member {
	if i, ok := t.byWire[name]; ok {
		return &t.members[i]
	}
	return nil
}

// ByKey returns the member that is kept under a name of the registry's, nil for
// none.
func (t *Table) ByKey(key string) *Member {
	if i, ok := t.byKey[key]; ok {
		return &t.members[i]
	}
	return nil
}

// Apply changes doc by a request's members: a create starts from the dialect's
// defaults, an update from the stored document. Null removes a member. Members
// that callers cannot send are violations, and those next to the document are
// passed over.
func (t *Table) Apply(doc, wire jsondoc.Object) error { return t.apply(doc, wire, Sent) }

// apply takes members up to the last way to keep them.
func (t *Table) apply(doc, wire jsondoc.Object, last Kept) error {
	var broken []oauth.Violation
	for _, name := range slices.Sorted(maps.Keys(wire)) {
		m := t.ByWire(name)
		if m != nil && m.Kept == Beside {
			continue
		}
		if m == nil || m.Kept > last {
			broken = append(broken, oauth.Violation{Member: name, Rule: "additionalProperties", Detail: "cannot be set"})
			continue
		}
		if err := m.apply(doc, wire[name]); err != nil {
			if b, ok := errors.AsType[*Broken](err); ok {
				broken = append(broken, m.violation(b))
			} else if _, ok := errors.AsType[spec.Mismatches](err); ok {
				return err
			} else {
				broken = append(broken, oauth.Violation{Member: m.Key, Rule: "format", Detail: "is malformed"})
			}
		}
	}
	if len(broken) > 0 {
		return oauth.Invalidate(broken...)
	}
	return nil
}

func (m *Member) apply(doc jsondoc.Object, wire json.RawMessage) error {
	switch {
	case m.Set != nil:
		return m.Set(doc, wire)
	case jsondoc.IsNull(wire):
		delete(doc, m.Key)
	case m.Merge != Replace:
		merged, err := m.Merge.merge(doc[m.Key], wire)
		if err != nil {
			return err
		}
		doc[m.Key] = merged
	default:
		doc[m.Key] = wire
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

// Check holds doc to the rules of the members that a request has changed. Other
// members may be older than their rules, or of another dialect.
func (t *Table) Check(doc, wire jsondoc.Object) error {
	for i := range t.members {
		m := &t.members[i]
		if m.Check == nil || wire[m.Wire] == nil {
			continue
		}
		if b := m.Check(doc); b != nil {
			return oauth.Invalidate(m.violation(b))
		}
	}
	return nil
}

// View returns the members of a stored document that the dialect has and that a
// caller with those rights sees.
func (t *Table) View(doc jsondoc.Object, access rights.Set) (jsondoc.Object, error) {
	wire := make(jsondoc.Object, len(t.members))
	for i := range t.members {
		m := &t.members[i]
		if m.Kept > Shown || len(m.Read) > 0 && !access.HasAny(m.seeing) {
			continue
		}
		raw := doc[m.Key]
		if m.Get != nil {
			var err error
			if raw, err = m.Get(doc); err != nil {
				return nil, err
			}
		}
		if raw != nil {
			wire[m.Wire] = raw
		}
	}
	return wire, nil
}

// Pick returns the members of an imported record that are not given by the
// registry, and notes of those that the table does not know.
func (t *Table) Pick(record jsondoc.Object) (wire jsondoc.Object, notes []registry.Note) {
	wire = jsondoc.Object{}
	for _, name := range slices.Sorted(maps.Keys(record)) {
		switch m := t.ByWire(name); {
		case m == nil || m.Kept == Unseen:
			notes = append(notes, registry.LeftOut(name))
		case m.Kept != Given:
			wire[name] = record[name]
		}
	}
	return wire, notes
}

// Take makes doc hold what an imported record says, and nothing else but the
// members that stay and those that the dialect does not have.
func (t *Table) Take(doc, wire jsondoc.Object) error {
	fresh := jsondoc.Object{}
	if err := t.apply(fresh, wire, Shown); err != nil {
		return err
	}
	for _, m := range t.members {
		if !m.Stays && m.Kept <= Unseen {
			delete(doc, m.Key)
		}
	}
	maps.Copy(doc, fresh)
	return nil
}

// Scopes returns those one of which is needed to change a stored member. known is
// false for one that the dialect does not have.
func (t *Table) Scopes(key string) (scopes []string, known bool) {
	m := t.ByKey(key)
	if m == nil {
		return nil, false
	}
	if m.Write != nil {
		return m.Write, true
	}
	return t.write, true
}

// Class returns who may come to know what is stored under a name of the
// registry's. known is false for a name that the table does not have.
func (t *Table) Class(key string) (class oauth.Class, known bool) {
	class, known = t.classes[key]
	return class, known
}

// Readable returns the scopes one of which is needed to see a member; nil for a
// member that everybody sees or that the table does not name.
func (t *Table) Readable(name string) []string {
	if m := t.ByWire(name); m != nil {
		return m.Read
	}
	return nil
}

// WireName returns the dialect's name for a stored member, or a path below it.
func (t *Table) WireName(member string) string {
	key, below := member, ""
	if i := strings.IndexAny(member, ".["); i >= 0 {
		key, below = member[:i], member[i:]
	}
	if m := t.ByKey(key); m != nil {
		return m.Wire + below
	}
	return strings.TrimPrefix(member, t.prefix)
}
