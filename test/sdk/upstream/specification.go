package main

import (
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is a schema of openapi.yaml; nil for none.
type node map[string]any

type specification struct {
	schemas map[string]node
	paths   map[string]map[string]any
	params  map[string]node
}

func readSpecification(path string) (*specification, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Paths      map[string]map[string]any
		Components struct {
			Schemas    map[string]node
			Parameters map[string]node
		}
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &specification{doc.Components.Schemas, doc.Paths, doc.Components.Parameters}, nil
}

// named returns a schema, or one whose properties are the query parameters of an
// operation.
func (s *specification) named(name string) (node, error) {
	path, ok := strings.CutPrefix(name, "GET ")
	if !ok {
		if s.schemas[name] == nil {
			return nil, fmt.Errorf("openapi.yaml has no schema %s", name)
		}
		return s.resolved(s.schemas[name]), nil
	}
	get, ok := s.paths[path]["get"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("openapi.yaml has no %s", name)
	}
	properties := node{}
	list, _ := get["parameters"].([]any)
	for _, one := range list {
		p, _ := one.(map[string]any)
		if ref, ok := p["$ref"].(string); ok {
			p = s.params[ref[strings.LastIndexByte(ref, '/')+1:]]
		}
		if p["in"] == "query" {
			properties[p["name"].(string)] = p["schema"]
		}
	}
	return node{"properties": map[string]any(properties)}, nil
}

// resolved follows references.
func (s *specification) resolved(n node) node {
	for n != nil {
		if ref, ok := n["$ref"].(string); ok {
			n = s.schemas[ref[strings.LastIndexByte(ref, '/')+1:]]
			continue
		}
		if all, ok := n["allOf"].([]any); ok {
			n = asNode(all[0])
			continue
		}
		return n
	}
	return nil
}

func asNode(v any) node {
	switch v := v.(type) {
	case node:
		return v
	case map[string]any:
		return v
	}
	return nil
}

func (s *specification) property(n node, name string) node {
	return s.resolved(asNode(asNode(n["properties"])[name]))
}

func (s *specification) items(n node) node { return s.resolved(asNode(n["items"])) }

// each returns what of makes of schemas, without those that have none.
func (s *specification) each(schemas []node, of func(*specification, node) node) (found []node) {
	for _, n := range schemas {
		if one := of(s, n); one != nil {
			found = append(found, one)
		}
	}
	return found
}
