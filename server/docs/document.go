package docs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parse reads a YAML document, which must have no aliases.
func parse(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	return doc.Content[0], nil
}

func clone(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = clone(child)
	}
	return &c
}

// toJSON renders a node with its members in their order.
func toJSON(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	if err := writeJSON(&b, n); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeJSON(b *bytes.Buffer, n *yaml.Node) error {
	open, end := byte('['), byte(']')
	switch n.Kind {
	case yaml.MappingNode:
		open, end = '{', '}'
	case yaml.SequenceNode:
	default:
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
		if n.Tag == "!!timestamp" { // JSON has none
			v = n.Value
		}
		text, err := json.Marshal(v)
		b.Write(text)
		return err
	}
	b.WriteByte(open)
	for i, child := range n.Content {
		key := n.Kind == yaml.MappingNode && i%2 == 0
		switch {
		case i > 0 && n.Kind == yaml.MappingNode && i%2 == 1:
			b.WriteByte(':')
		case i > 0:
			b.WriteByte(',')
		}
		if key {
			text, err := json.Marshal(child.Value)
			if err != nil {
				return err
			}
			b.Write(text)
			continue
		}
		if err := writeJSON(b, child); err != nil {
			return err
		}
	}
	b.WriteByte(end)
	return nil
}

// member returns the value of a mapping's member, nil for none.
func member(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// keep removes the members of a mapping that wanted does not want.
func keep(n *yaml.Node, wanted func(name string, value *yaml.Node) bool) {
	var kept []*yaml.Node
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if wanted(n.Content[i].Value, n.Content[i+1]) {
			kept = append(kept, n.Content[i], n.Content[i+1])
		}
	}
	if n != nil {
		n.Content = kept
	}
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// everyones is the tag that each part has: a caller of any dialect needs a token.
const everyones = "oauth"

// tags lists the names of a specification's tags, each of which has a document of its own.
func tags(whole *yaml.Node) []string {
	var names []string
	for _, tag := range member(whole, "tags").Content {
		names = append(names, member(tag, "name").Value)
	}
	return names
}

// only returns the part of a specification that the callers of a tag's
// operations need.
func only(whole *yaml.Node, tag string) *yaml.Node {
	part := clone(whole)
	wanted := []string{tag, everyones}
	keep(member(part, "paths"), func(_ string, item *yaml.Node) bool {
		some := false
		keep(item, func(name string, op *yaml.Node) bool {
			if !slices.Contains(methods, name) {
				return true
			}
			list := member(op, "tags")
			is := list != nil && len(list.Content) > 0 && slices.Contains(wanted, list.Content[0].Value)
			some = some || is
			return is
		})
		return some
	})
	list := member(part, "tags")
	list.Content = slices.DeleteFunc(list.Content, func(tag *yaml.Node) bool {
		return !slices.Contains(wanted, member(tag, "name").Value)
	})
	prune(part)
	return part
}

func toYAML(n *yaml.Node) ([]byte, error) {
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	err := enc.Encode(n)
	return text.Bytes(), err
}

// prune removes the components that nothing refers to any more.
func prune(doc *yaml.Node) {
	components := member(doc, "components")
	used := map[string]bool{}
	var visit func(*yaml.Node)
	visit = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && strings.HasPrefix(n.Value, "#/components/") && !used[n.Value] {
			used[n.Value] = true
			kind, name, _ := strings.Cut(strings.TrimPrefix(n.Value, "#/components/"), "/")
			if target := member(member(components, kind), name); target != nil {
				visit(target)
			}
		}
		for _, child := range n.Content {
			visit(child)
		}
	}
	for i := 0; i+1 < len(doc.Content); i += 2 {
		if doc.Content[i+1] != components {
			visit(doc.Content[i+1])
		}
	}
	keep(components, func(kind string, group *yaml.Node) bool {
		if kind == "securitySchemes" {
			return true
		}
		keep(group, func(name string, _ *yaml.Node) bool { return used["#/components/"+kind+"/"+name] })
		return len(group.Content) > 0
	})
}
