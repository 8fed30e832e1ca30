package spec

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/rosterhq/roster"
	"github.com/rosterhq/roster/internal/jsondoc"
)

// Order is the order in which an answer shows members: that of the properties
// in openapi.yaml, then those that it does not name by their names, nested ones
// too. The same members give the same bytes, whatever was sent. A nil Order
// knows no property.
type Order struct {
	rank    map[string]int // of the properties, from 1
	members map[string]*Order
	others  *Order // of the values of members that have no rank
	items   *Order
	closed  bool // members without a rank are left out: earlier releases took them
	open    bool // an alternative is not closed
}

// OrderOf returns the order of a schema of the components, which must exist.
func OrderOf(schema string) *Order {
	all, err := orders()
	if err != nil {
		panic(err) // the document is part of the program
	}
	o, ok := all[schema]
	if !ok {
		panic("openapi.yaml has no schema " + schema)
	}
	return o
}

var orders = sync.OnceValues(func() (map[string]*Order, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(roster.OpenAPI, &doc); err != nil {
		return nil, fmt.Errorf("reading openapi.yaml: %w", err)
	}
	c := compiler{schemas: map[string]*yaml.Node{}, orders: map[string]*Order{}}
	each(child(child(doc.Content[0], "components"), "schemas"), func(name string, n *yaml.Node) { c.schemas[name] = n })
	for name := range c.schemas {
		c.named(name)
	}
	return c.orders, nil
})

// each calls f for every member of a mapping, in its order.
func each(n *yaml.Node, f func(name string, value *yaml.Node)) {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		f(n.Content[i].Value, n.Content[i+1])
	}
}

func child(n *yaml.Node, name string) (found *yaml.Node) {
	each(n, func(member string, value *yaml.Node) {
		if member == name {
			found = value
		}
	})
	return found
}

// compiler makes the orders of schemas, each once, so that they may refer to
// themselves.
type compiler struct {
	schemas map[string]*yaml.Node
	orders  map[string]*Order
}

func (c *compiler) named(schema string) *Order {
	o, ok := c.orders[schema]
	if !ok {
		o = &Order{}
		c.orders[schema] = o
		c.add(o, c.schemas[schema])
	}
	return o
}

func (c *compiler) of(n *yaml.Node) *Order {
	if n == nil {
		return nil
	}
	if ref := child(n, "$ref"); ref != nil {
		return c.named(strings.TrimPrefix(ref.Value, "#/components/schemas/"))
	}
	o := &Order{}
	c.add(o, n)
	return o
}

// add gives o what a schema says. Of alternatives it takes all.
func (c *compiler) add(o *Order, n *yaml.Node) {
	if ref := child(n, "$ref"); ref != nil {
		n = c.schemas[strings.TrimPrefix(ref.Value, "#/components/schemas/")]
	}
	for _, list := range []string{"allOf", "oneOf", "anyOf"} {
		if alternatives := child(n, list); alternatives != nil {
			for _, one := range alternatives.Content {
				was := o.closed
				o.closed = false
				c.add(o, one)
				o.open, o.closed = o.open || !o.closed, o.closed || was
			}
		}
	}
	each(child(n, "properties"), func(name string, value *yaml.Node) {
		if o.rank == nil {
			o.rank, o.members = map[string]int{}, map[string]*Order{}
		}
		if o.rank[name] == 0 {
			o.rank[name] = len(o.rank) + 1
			o.members[name] = c.of(value)
		}
	})
	if items := child(n, "items"); items != nil {
		o.items = c.of(items)
	}
	if others := child(n, "additionalProperties"); others != nil && others.Kind == yaml.MappingNode {
		o.others = c.of(others)
	} else if others != nil && others.Value == "false" {
		o.closed = true
	}
}

// leavesOut reports whether a member of that rank is not among a closed object's.
func (o *Order) leavesOut(rank int) bool {
	return o != nil && o.closed && !o.open && rank == math.MaxInt
}

func (o *Order) place(name []byte) (rank int, of *Order) {
	if o == nil {
		return math.MaxInt, nil
	}
	if rank, ok := o.rank[string(name)]; ok {
		return rank, o.members[string(name)]
	}
	return math.MaxInt, o.others
}

// Append adds doc to text as JSON, its members in this order at every depth.
func (o *Order) Append(text []byte, doc jsondoc.Object) []byte {
	return o.document(text, doc, (*Order).AppendValue)
}

// AppendOrdered is Append for members whose values are in order already.
func (o *Order) AppendOrdered(text []byte, doc jsondoc.Object) []byte {
	return o.document(text, doc, func(_ *Order, text, raw []byte) []byte { return append(text, raw...) })
}

func (o *Order) document(text []byte, doc jsondoc.Object, value func(*Order, []byte, []byte) []byte) []byte {
	type member struct {
		rank int
		name string
		of   *Order
	}
	list := make([]member, 0, len(doc))
	for name := range doc {
		rank, of := o.place([]byte(name))
		if o.leavesOut(rank) {
			continue
		}
		list = append(list, member{rank, name, of})
	}
	slices.SortFunc(list, func(a, b member) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		return strings.Compare(a.name, b.name)
	})
	text = append(text, '{')
	for i, m := range list {
		if i > 0 {
			text = append(text, ',')
		}
		text = jsondoc.AppendName(text, m.name)
		text = append(text, ':')
		text = value(m.of, text, doc[m.name])
	}
	return append(text, '}')
}

// AppendValue adds raw, which must be one valid JSON value, to text with the
// members of its objects in this order and without spaces.
func (o *Order) AppendValue(text, raw []byte) []byte {
	text, _ = o.value(text, blank(raw))
	return text
}

// List returns the order of an array whose elements have the order o.
func (o *Order) List() *Order { return &Order{items: o} }

// Items returns the order of an array's elements.
func (o *Order) Items() *Order {
	if o == nil {
		return nil
	}
	return o.items
}

// value adds the JSON value that raw starts with and returns what follows it.
func (o *Order) value(text, raw []byte) (out, rest []byte) {
	switch raw[0] {
	case '{':
		return o.object(text, raw)
	case '[':
		return o.elements(text, raw)
	case '"':
		n := stringEnd(raw)
		return append(text, raw[:n]...), raw[n:]
	}
	n := bytes.IndexAny(raw, ",]} \t\r\n")
	if n < 0 {
		n = len(raw)
	}
	return append(text, raw[:n]...), raw[n:]
}

func (o *Order) elements(text, raw []byte) (out, rest []byte) {
	items := o.Items()
	text = append(text, '[')
	for raw = blank(raw[1:]); raw[0] != ']'; {
		text, raw = items.value(text, raw)
		if raw = blank(raw); raw[0] == ',' {
			text, raw = append(text, ','), blank(raw[1:])
		}
	}
	return append(text, ']'), raw[1:]
}

// written is a member of an object that has been added to a text.
type written struct {
	rank     int
	name     []byte // as it is written
	from, to int    // where it is in the text
}

func (a written) compare(b written) int {
	if a.rank != b.rank {
		return a.rank - b.rank
	}
	return bytes.Compare(a.name, b.name)
}

// object adds an object's members as they come, and moves them only if they
// are out of order.
func (o *Order) object(text, raw []byte) (out, rest []byte) {
	var room [16]written
	list, sorted := room[:0], true
	text = append(text, '{')
	start := len(text)
	for raw = blank(raw[1:]); raw[0] != '}'; {
		n := stringEnd(raw)
		m := written{name: raw[1 : n-1], from: len(text)}
		var of *Order
		m.rank, of = o.place(m.name)
		if len(list) > 0 {
			text = append(text, ',')
			m.from++
		}
		text = append(append(text, raw[:n]...), ':')
		text, raw = of.value(text, blank(blank(raw[n:])[1:]))
		if m.to = len(text); o.leavesOut(m.rank) {
			text = text[:max(m.from-1, start)]
		} else {
			sorted = sorted && (len(list) == 0 || list[len(list)-1].compare(m) < 0)
			list = append(list, m)
		}
		if raw = blank(raw); raw[0] == ',' {
			raw = blank(raw[1:])
		}
	}
	if !sorted {
		was := slices.Clone(text[start:])
		slices.SortFunc(list, written.compare)
		text = text[:start]
		for i, m := range list {
			if i > 0 {
				text = append(text, ',')
			}
			text = append(text, was[m.from-start:m.to-start]...)
		}
	}
	return append(text, '}'), raw[1:]
}

// blank returns raw without the spaces at its start.
func blank(raw []byte) []byte {
	for len(raw) > 0 && (raw[0] == ' ' || raw[0] == '\n' || raw[0] == '\t' || raw[0] == '\r') {
		raw = raw[1:]
	}
	return raw
}

// stringEnd returns the length of the string that raw starts with.
func stringEnd(raw []byte) int {
	for n := 1; ; n++ {
		n += bytes.IndexByte(raw[n:], '"')
		escapes := 0
		for raw[n-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return n + 1
		}
	}
}
