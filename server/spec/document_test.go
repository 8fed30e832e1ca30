package spec_test

import (
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rosterhq/roster"
)

// Many programs that read OpenAPI documents know no aliases, or copy what they
// stand for under names of their own.
func TestDocumentHasNoAliases(t *testing.T) {
	t.Parallel()
	var doc yaml.Node
	if err := yaml.Unmarshal(roster.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	var visit func(*yaml.Node)
	visit = func(n *yaml.Node) {
		if n.Anchor != "" || n.Kind == yaml.AliasNode {
			t.Errorf("line %d: %s&*%s", n.Line, n.Value, n.Anchor)
		}
		for _, child := range n.Content {
			visit(child)
		}
	}
	visit(&doc)
}
