package spec_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/rosterhq/roster"
)

// sectionOrder is the order of banners in every section of openapi.yaml.
var sectionOrder = []string{"shared", "auth0", "roster", "boruta", "oauth", "ops"}

var bannerLine = regexp.MustCompile(`^ +# ── ([a-z0-9]+)(: .+)? ─+$`)

// members calls f for each member of a mapping.
func members(n *yaml.Node, f func(key, value *yaml.Node)) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		f(n.Content[i], n.Content[i+1])
	}
}

func at(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		var found *yaml.Node
		members(n, func(key, value *yaml.Node) {
			if key.Value == name {
				found = value
			}
		})
		if found == nil {
			return &yaml.Node{}
		}
		n = found
	}
	return n
}

// users returns the tags of the operations that reach a component, by reference.
func users(doc *yaml.Node) map[string]map[string]bool {
	used := map[string]map[string]bool{}
	var visit func(n *yaml.Node, tag string)
	visit = func(n *yaml.Node, tag string) {
		if ref := n.Value; strings.HasPrefix(ref, "#/components/") {
			if used[ref] == nil {
				used[ref] = map[string]bool{}
			}
			if !used[ref][tag] {
				used[ref][tag] = true
				visit(at(doc, strings.Split(ref, "/")[1:]...), tag)
			}
		}
		for _, child := range n.Content {
			visit(child, tag)
		}
	}
	members(at(doc, "paths"), func(_, item *yaml.Node) {
		members(item, func(_, op *yaml.Node) {
			if tags := at(op, "tags"); len(tags.Content) > 0 {
				visit(op, tags.Content[0].Value)
				visit(at(item, "parameters"), tags.Content[0].Value)
			}
		})
	})
	return used
}

// One order in every section lets a reader find what belongs to a dialect, and
// tells a writer where to put it.
func TestSectionsHaveOneOrder(t *testing.T) {
	t.Parallel()
	var doc yaml.Node
	if err := yaml.Unmarshal(roster.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	root := doc.Content[0]
	lines := strings.Split(string(roster.OpenAPI), "\n")
	used := users(root)

	belongs := func(section string, key, value *yaml.Node) string {
		tags := used["#/components/"+section+"/"+key.Value]
		if section == "paths" {
			tags = map[string]bool{}
			members(value, func(_, op *yaml.Node) {
				if list := at(op, "tags"); len(list.Content) > 0 {
					tags[list.Content[0].Value] = true
				}
			})
		}
		switch names := slices.Collect(maps.Keys(tags)); len(names) {
		case 0:
			t.Errorf("line %d: no operation uses %s of %s", key.Line, key.Value, section)
			return ""
		case 1:
			return names[0]
		}
		return "shared"
	}
	check := func(section string, begin int, entries *yaml.Node) {
		below, seen, line := "", map[string]bool{}, begin
		members(entries, func(key, value *yaml.Node) {
			for ; line < key.Line; line++ {
				m := bannerLine.FindStringSubmatch(lines[line-1])
				if m == nil {
					continue
				}
				if slices.Index(sectionOrder, m[1]) < slices.Index(sectionOrder, below) || seen[m[1]+m[2]] {
					t.Errorf("line %d: the banner %s%s is out of order", line, m[1], m[2])
				}
				if width := utf8.RuneCountInString(lines[line-1]); width != 80 {
					t.Errorf("line %d: the banner is %d columns wide, want 80", line, width)
				}
				below, seen[m[1]+m[2]] = m[1], true
			}
			if want := belongs(section, key, value); want != "" && below != want {
				t.Errorf("line %d: %s of %s stands under %q, it belongs under %q", key.Line, key.Value, section, below, want)
			}
		})
	}

	contents, _, _ := strings.Cut(string(roster.OpenAPI), "\ninfo:")
	named := func(section string) {
		if !regexp.MustCompile(`(?m)^#.*\b` + section + `\b`).MatchString(contents) {
			t.Errorf("the contents on top do not name %s", section)
		}
	}
	members(root, func(key, value *yaml.Node) {
		switch key.Value {
		case "openapi":
			return
		case "tags":
			var names []string
			for _, tag := range value.Content {
				names = append(names, at(tag, "name").Value)
			}
			if !slices.Equal(names, sectionOrder[1:]) {
				t.Errorf("the tags are %q, the order of sections is %q", names, sectionOrder)
			}
		case "paths":
			check("paths", key.Line, value)
		case "components":
			members(value, func(key, value *yaml.Node) {
				named(key.Value)
				if key.Value != "securitySchemes" {
					check(key.Value, key.Line, value)
				}
			})
		}
		named(key.Value)
	})
}
