package docs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rosterhq/roster"
)

// pointer escapes a path as a step of a JSON pointer in the fragment of a URL.
var pointer = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")

func convert(t *testing.T) (before, after map[string]any, text []byte) {
	t.Helper()
	whole, err := parse(roster.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	old, err := toJSON(whole)
	if err != nil {
		t.Fatal(err)
	}
	if text, err = toJSON(to31(whole)); err != nil {
		t.Fatal(err)
	}
	for target, text := range map[*map[string]any][]byte{&before: old, &after: text} {
		if err := json.Unmarshal(text, target); err != nil {
			t.Fatal(err)
		}
	}
	return before, after, text
}

func TestNullIsATypeInOpenAPI31(t *testing.T) {
	t.Parallel()
	before, after, _ := convert(t)
	if after["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", after["openapi"])
	}
	nullable := 0
	var visit func(at string, old, now any)
	visit = func(at string, old, now any) {
		switch old := old.(type) {
		case map[string]any:
			now := now.(map[string]any)
			if _, is := now["nullable"].(bool); is {
				t.Errorf("%s is nullable", at)
			}
			if old["nullable"] == true {
				nullable++
				if types, _ := now["type"].([]any); len(types) != 2 || types[0] != old["type"] || types[1] != "null" {
					t.Errorf("%s has the type %v, was nullable and %v", at, now["type"], old["type"])
				}
			}
			for name, value := range old {
				if kept, ok := now[name]; ok {
					visit(at+"/"+name, value, kept)
				} else if name != "nullable" && name != "example" {
					t.Errorf("%s has lost %s", at, name)
				}
			}
		case []any:
			if _, was := now.([]any); !was || len(now.([]any)) != len(old) {
				t.Errorf("%s is %v, was %v", at, now, old)
				return
			}
			for i := range old {
				visit(fmt.Sprintf("%s/%d", at, i), old[i], now.([]any)[i])
			}
		}
	}
	visit("", before, after)
	if nullable < 100 {
		t.Errorf("looked at %d nullable schemas", nullable)
	}
}

// A validator of JSON Schema 2020-12, which OpenAPI 3.1 uses, must take every
// schema, and take the examples that the document has of it.
func TestSchemasOfOpenAPI31AreJSONSchemas(t *testing.T) {
	t.Parallel()
	_, after, text := convert(t)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	const at = "https://roster.example/openapi-3.1.json"
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource(at, after); err != nil {
		t.Fatal(err)
	}
	components := after["components"].(map[string]any)
	for name := range components["schemas"].(map[string]any) {
		if _, err := compiler.Compile(at + "#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	examples := components["examples"].(map[string]any)
	checked := 0
	for path, item := range after["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if !slices.Contains(methods, method) {
				continue
			}
			for status, r := range op.(map[string]any)["responses"].(map[string]any) {
				content, _ := r.(map[string]any)["content"].(map[string]any)
				body, _ := content["application/json"].(map[string]any)
				shown, _ := body["examples"].(map[string]any)
				for name, example := range shown {
					if ref, ok := example.(map[string]any)["$ref"].(string); ok {
						example = examples[ref[len("#/components/examples/"):]]
					}
					place := fmt.Sprintf("#/paths/%s/%s/responses/%s/content/application~1json/schema", pointer.Replace(path), method, status)
					schema, err := compiler.Compile(at + place)
					if err != nil {
						t.Fatalf("%s: %v", place, err)
					}
					if err := schema.Validate(example.(map[string]any)["value"]); err != nil {
						t.Errorf("the example %s of %s %s: %v", name, method, path, err)
					}
					checked++
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("%d examples were checked", checked)
	}
}
