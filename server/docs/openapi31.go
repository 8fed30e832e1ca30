package docs

import "go.yaml.in/yaml/v3"

// to31 returns an OpenAPI 3.0 document as OpenAPI 3.1, which has no nullable:
// null is a type there. It knows the keywords that openapi.yaml uses.
func to31(whole *yaml.Node) *yaml.Node {
	doc := clone(whole)
	member(doc, "openapi").SetString("3.1.0")
	described(doc)
	return doc
}

// described converts the schemas below something that is not a schema.
func described(n *yaml.Node) {
	if n.Kind == yaml.SequenceNode {
		for _, child := range n.Content {
			described(child)
		}
		return
	}
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		switch name, value := n.Content[i].Value, n.Content[i+1]; name {
		case "example", "examples": // hold data, not schemas
		case "schema":
			schema31(value)
		case "schemas":
			for j := 1; j < len(value.Content); j += 2 {
				schema31(value.Content[j])
			}
		default:
			described(value)
		}
	}
}

// schema31 converts a schema and those inside it.
func schema31(n *yaml.Node) {
	if n.Kind != yaml.MappingNode { // additionalProperties: false
		return
	}
	nullable := false
	keep(n, func(name string, value *yaml.Node) bool {
		if name == "nullable" {
			nullable = value.Value == "true"
		}
		return name != "nullable"
	})
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch key.Value {
		case "type":
			if nullable {
				null := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "null", Style: yaml.DoubleQuotedStyle}
				n.Content[i+1] = &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{value, null}}
			}
		case "example":
			key.Value = "examples"
			n.Content[i+1] = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{value}}
		case "properties":
			for j := 1; j < len(value.Content); j += 2 {
				schema31(value.Content[j])
			}
		case "items", "additionalProperties", "not":
			schema31(value)
		case "allOf", "anyOf", "oneOf":
			for _, part := range value.Content {
				schema31(part)
			}
		}
	}
}
