package clienttest_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rosterhq/roster"
	"github.com/rosterhq/roster/client"
)

var specification = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(roster.OpenAPI) })

func schema(t *testing.T, name string) *openapi3.Schema {
	t.Helper()
	doc, err := specification()
	if err != nil {
		t.Fatal(err)
	}
	ref := doc.Components.Schemas[name]
	if ref == nil {
		t.Fatalf("openapi.yaml has no schema %s", name)
	}
	return ref.Value
}

// parts are a schema and those that it is made of.
func parts(s *openapi3.Schema) []*openapi3.Schema {
	list := []*openapi3.Schema{s}
	for _, refs := range []openapi3.SchemaRefs{s.AllOf, s.OneOf, s.AnyOf} {
		for _, ref := range refs {
			list = append(list, parts(ref.Value)...)
		}
	}
	return list
}

// sample is a value that says something in each member.
func sample(s *openapi3.Schema, depth int) any {
	object := map[string]any{}
	for _, p := range parts(s) {
		switch {
		case p.Type.Is("array"):
			return []any{sample(p.Items.Value, depth)}
		case p.Type.Is("boolean"):
			return true
		case p.Type.Is("integer"), p.Type.Is("number"):
			return 1
		case p.Type.Is("string") && p.Format == "date-time":
			return "2026-11-22T09:23:51.505Z"
		case p.Type.Is("string"):
			return "x"
		}
		if depth > 5 {
			continue
		}
		for name, ref := range p.Properties {
			object[name] = sample(ref.Value, depth+1)
		}
		if p.AdditionalProperties.Schema != nil {
			object["x"] = sample(p.AdditionalProperties.Schema.Value, depth+1)
		}
	}
	return object
}

// TestWhatIsReadHasTheMembersOfTheSpecification decodes an answer with every
// member that openapi.yaml knows: a field that stays zero is set by no answer.
func TestWhatIsReadHasTheMembersOfTheSpecification(t *testing.T) {
	t.Parallel()
	for name, into := range map[string]any{
		"GetClientResponseContent":           &client.OAuthClient{},
		"GetClientCredentialResponseContent": &client.Credential{},
		"GetClientGrantResponseContent":      &client.Grant{},
		"GetResourceServerResponseContent":   &client.API{},
		"RosterClientState":                  &client.State{},
		"RosterListedClient":                 &client.FoundClient{},
		"RosterClientSecret":                 &client.Secret{},
		"RosterEvent":                        &client.Event{},
		"RosterEventFeed":                    &client.EventPart{},
		"RosterImportResult":                 &client.ImportResult{},
	} {
		text, err := json.Marshal(sample(schema(t, name), 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		v := reflect.ValueOf(into).Elem()
		for i := range v.NumField() {
			if f := v.Type().Field(i); v.Field(i).IsZero() && f.Type != reflect.TypeFor[client.ETag]() {
				t.Errorf("%s of %s is set by nothing in %s", f.Name, v.Type(), name)
			}
		}
	}
}

// TestWhatIsSentHasTheMembersOfTheSpecification encodes requests with every field.
func TestWhatIsSentHasTheMembersOfTheSpecification(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]any{
		"CreateClientRequestContent":         &client.ClientInput{},
		"UpdateClientRequestContent":         &client.ClientInput{},
		"CreateClientGrantRequestContent":    &client.GrantInput{},
		"CreateResourceServerRequestContent": &client.APIInput{},
	} {
		v := reflect.ValueOf(in).Elem()
		fields := 0
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Members" {
				v.Field(i).Set(said(v.Field(i).Type()))
				fields++
			}
		}
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(text, &members); err != nil || len(members) != fields {
			t.Errorf("%s: of %d fields %s is sent, %v", name, fields, text, err)
		}
		var known []string
		for _, p := range parts(schema(t, name)) {
			for member := range p.Properties {
				known = append(known, member)
			}
		}
		for member := range members {
			if !slices.Contains(known, member) {
				t.Errorf("%s has no member %s", name, member)
			}
		}
	}
}

// said is a value that is sent.
func said(t reflect.Type) reflect.Value {
	switch t.Kind() {
	case reflect.Pointer:
		return reflect.New(t.Elem())
	case reflect.Slice:
		return reflect.MakeSlice(t, 1, 1)
	case reflect.Map:
		return reflect.MakeMap(t)
	case reflect.String:
		return reflect.ValueOf("x").Convert(t)
	}
	return reflect.ValueOf(time.Minute).Convert(t)
}
