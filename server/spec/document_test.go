package spec_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"

	"github.com/rosterhq/roster"
)

// The tests of this file hold openapi.yaml to what its readers need. Whether
// the examples are true is tested where a service can be asked.

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

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(roster.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// each calls f for every operation in a subtest.
func each(t *testing.T, f func(t *testing.T, doc *openapi3.T, item *openapi3.PathItem, op *openapi3.Operation)) {
	t.Helper()
	doc := load(t)
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		for _, op := range item.Operations() {
			t.Run(op.OperationID, func(t *testing.T) { f(t, doc, item, op) })
		}
	}
}

func TestEveryOperationIsExplained(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, doc *openapi3.T, item *openapi3.PathItem, op *openapi3.Operation) {
		if op.Summary == "" || len(op.Summary) > 80 || strings.HasSuffix(op.Summary, ".") {
			t.Errorf("summary %q", op.Summary)
		}
		if strings.TrimSpace(op.Description) == "" || strings.TrimSuffix(strings.TrimSpace(op.Description), ".") == op.Summary {
			t.Errorf("description %q", op.Description)
		}
		if op.Security == nil {
			t.Error("does not say which scopes it needs")
		} else {
			for _, alternative := range *op.Security {
				for _, scope := range alternative["oauth2"] {
					if doc.Components.SecuritySchemes["oauth2"].Value.Flows.ClientCredentials.Scopes[scope] == "" {
						t.Errorf("the scope %s is not described", scope)
					}
				}
			}
		}
		for _, p := range append(slices.Clone(item.Parameters), op.Parameters...) {
			if p.Value.Description == "" {
				t.Errorf("parameter %s has no description", p.Value.Name)
			}
		}
	})
}

func needsToken(op *openapi3.Operation) bool {
	return slices.ContainsFunc(*op.Security, func(alternative openapi3.SecurityRequirement) bool {
		return alternative["oauth2"] != nil
	})
}

// Everything that a request can be refused with is told where the reader looks
// for it.
func TestEveryOperationNamesItsErrors(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *openapi3.T, _ *openapi3.PathItem, op *openapi3.Operation) {
		want := []string{"429", "default"}
		if needsToken(op) {
			want = append(want, "400", "401", "403")
		}
		if op.RequestBody != nil {
			want = append(want, "400", "413")
			if op.Tags[0] != "boruta" { // which takes a body of another type for none
				want = append(want, "415")
			}
		}
		if op.Tags[0] == "boruta" {
			want = append(want, "406")
		}
		for _, p := range op.Parameters {
			switch p.Value.Name {
			case "If-Match":
				want = append(want, "412")
			case "Idempotency-Key":
				want = append(want, "409", "422")
			case "If-None-Match":
				want = append(want, "304")
			}
		}
		for _, status := range want {
			if op.Responses.Value(status) == nil {
				t.Errorf("has no answer %s", status)
			}
		}
	})
}

func TestEveryChangeByPostTakesAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *openapi3.T, item *openapi3.PathItem, op *openapi3.Operation) {
		asks := op.Tags[0] == "oauth" // and so may be repeated
		if op == item.Post && needsToken(op) && !asks && op.Parameters.GetByInAndName("header", "Idempotency-Key") == nil {
			t.Error("does not take one")
		}
	})
}

func TestEveryBodyHasNamedExamplesOfItsShape(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, what string, content openapi3.Content, as openapi3.SchemaValidationOption) {
		t.Helper()
		for mediaType, c := range content {
			if len(c.Examples) == 0 || c.Example != nil {
				t.Errorf("%s as %s has no named examples", what, mediaType)
			}
			for name, e := range c.Examples {
				if e.Value.Summary == "" {
					t.Errorf("the example %s of %s has no summary", name, what)
				}
				if err := c.Schema.Value.VisitJSON(decoded(t, e.Value.Value), as, openapi3.MultiErrors()); err != nil {
					t.Errorf("the example %s of %s: %v", name, what, err)
				}
			}
		}
	}
	each(t, func(t *testing.T, _ *openapi3.T, _ *openapi3.PathItem, op *openapi3.Operation) {
		if op.RequestBody != nil {
			check(t, "the request", op.RequestBody.Value.Content, openapi3.VisitAsRequest())
		}
		for status, r := range op.Responses.Map() {
			if r.Value.Description == nil || *r.Value.Description == "" {
				t.Errorf("%s has no description", status)
			}
			if status[0] != '2' && status != "304" && len(r.Value.Content) == 0 {
				t.Errorf("%s has no body", status)
			}
			check(t, status, r.Value.Content, openapi3.VisitAsResponse())
			for name, h := range r.Value.Headers {
				if h.Value.Description == "" {
					t.Errorf("the header %s of %s has no description", name, status)
				}
			}
		}
	})
}

// decoded makes v what decoding JSON gives.
func decoded(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var d any
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// duration finds the members that hold one; unit is what their description has
// to name.
var (
	duration = regexp.MustCompile(`lifetime|ttl|seconds|expiration$|expiry$|leeway|expires_in`)
	unit     = regexp.MustCompile(`second|minute|hour|day`)
)

func TestEveryMemberIsExplained(t *testing.T) {
	t.Parallel()
	var visit func(at string, ref *openapi3.SchemaRef)
	visit = func(at string, ref *openapi3.SchemaRef) {
		if ref == nil || ref.Ref != "" {
			return // explained where it is
		}
		s := ref.Value
		for name, p := range s.Properties {
			place := at + "." + name
			if p.Value.Description == "" {
				t.Errorf("%s has no description", place)
			}
			if p.Value.Type.Is("integer") && duration.MatchString(name) && !unit.MatchString(p.Value.Description) {
				t.Errorf("%s does not say in which unit it is", place)
			}
			visit(place, p)
		}
		visit(at+"[]", s.Items)
		visit(at+".*", s.AdditionalProperties.Schema)
		for i, part := range slices.Concat(s.AllOf, s.OneOf, s.AnyOf) {
			visit(fmt.Sprintf("%s/%d", at, i), part)
		}
		if s.Nullable && s.Enum != nil && !slices.Contains(s.Enum, nil) {
			t.Errorf("%s may be null, but that is none of its values", at)
		}
	}
	for name, ref := range load(t).Components.Schemas {
		if ref.Value.Description == "" {
			t.Errorf("%s has no description", name)
		}
		visit(name, ref)
	}
}

// pemBlock finds PEM in a document that was rendered as JSON.
var pemBlock = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]+-----[^-"]+-----END [A-Z0-9 ]+-----`)

func TestKeysAndCertificatesInExamplesCanBeRead(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(load(t))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, quoted := range pemBlock.FindAllString(string(text), -1) {
		var raw string
		if err := json.Unmarshal([]byte(`"`+quoted+`"`), &raw); err != nil {
			t.Fatal(err)
		}
		block, rest := pem.Decode([]byte(raw + "\n"))
		if block == nil || len(strings.TrimSpace(string(rest))) > 0 {
			t.Errorf("no PEM: %.60s", raw)
			continue
		}
		seen[block.Type]++
		switch block.Type {
		case "CERTIFICATE":
			_, err = x509.ParseCertificate(block.Bytes)
		case "PUBLIC KEY":
			_, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			_, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case "PKCS7":
		default:
			t.Errorf("a %s is nothing to publish", block.Type)
		}
		if err != nil {
			t.Errorf("%s: %v", block.Type, err)
		}
	}
	for _, kind := range []string{"CERTIFICATE", "PUBLIC KEY", "RSA PUBLIC KEY", "PKCS7"} {
		if seen[kind] == 0 {
			t.Errorf("no %s was looked at", kind)
		}
	}
}
