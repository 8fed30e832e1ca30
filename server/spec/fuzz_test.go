package spec

import (
	"encoding/json"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// Whatever a form holds, it is refused or becomes one sound JSON object.
func FuzzFormToJSON(f *testing.F) {
	for _, seed := range []string{"name=x", "a[b][c]=1&a[b][d]=2", "list[]=1&list[]=2", "a=1&a[b]=2", "a[]=1&a[b]=2", "[]=1", "a]=1", "a[b=1", "n=1e400", "=x", "%00=1", "a[][b]=1", "sso=true&sso=false"} {
		f.Add(seed)
	}
	text, flag, number := openapi3.NewStringSchema(), openapi3.NewBoolSchema(), openapi3.NewIntegerSchema()
	list := openapi3.NewArraySchema().WithItems(text)
	object := openapi3.NewObjectSchema().WithProperties(map[string]*openapi3.Schema{"b": list, "c": number})
	schema := openapi3.NewObjectSchema().WithProperties(map[string]*openapi3.Schema{"name": text, "sso": flag, "n": number, "list": list, "a": object})
	f.Fuzz(func(t *testing.T, form string) {
		body, err := formToJSON([]byte(form), schema)
		if err != nil {
			return
		}
		before := string(body)
		text, err := parse(body)
		if err != nil {
			return // refused after all
		}
		if body, err = respell(body, text, false); err != nil {
			t.Fatal(err)
		}
		if text.Members == nil {
			t.Fatalf("%q became %s", form, before)
		}
		if !json.Valid(body) {
			t.Fatalf("%q became %s", form, body)
		}
	})
}

func TestDecodeRespellsIntegers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a":1}`:                         `{"a":1}`,
		`{"a": 1 , "b":[ 1.5 ]}`:          `{"a": 1 , "b":[ 1.5 ]}`,
		`{"a":1.0}`:                       `{"a":1}`,
		`{"a":[{"b":36e3}],"c":"1.0"}`:    `{"a":[{"b":36000}],"c":"1.0"}`,
		`{"a":-0.0}`:                      `{"a":-0}`,
		`{"a":9007199254740991}`:          `{"a":9007199254740991}`,
		`{"a":9007199254740991.0}`:        `{"a":9007199254740991}`,
		`{"a":9007199254740992}`:          "",
		`{"a":1e400}`:                     "",
		`{"a":"\u003c\u0061>","b":[ 2 ]}`: `{"a":"\u003ca\u003e","b":[2]}`,
		`{"a":123456789012345678901.5}`:   "",
	} {
		body := []byte(text)
		read, err := parse(body)
		if err == nil {
			_, err = respell(body, read, true)
			var members jsondoc.Object
			_ = json.Unmarshal([]byte(want), &members)
			if diff := cmp.Diff(members, read.Members); diff != "" {
				t.Errorf("%s: members %s", text, diff)
			}
		}
		if err == nil {
			body, err = respell(body, read, false)
		}
		if err != nil {
			body = nil
		}
		if string(body) != want {
			t.Errorf("%s became %s (%v), want %s", text, body, err, want)
		}
	}
}
