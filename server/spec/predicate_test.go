package spec_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/spec"
)

const shapes = `{"openapi":"3.0.3","info":{"title":"t","version":"1"},"paths":{},"components":{"schemas":{"S":{
	"type":"object","additionalProperties":false,"required":["must"],"properties":{
		"must":{"type":"string"},"type":{"type":"string"},"null":{"type":"string"},"enum":{"type":"string","enum":["a","b"]},
		"own":{"type":"string","format":"own"},"date":{"type":"string","format":"date-time"},"pattern":{"type":"string","pattern":"^x$"},
		"short":{"type":"string","minLength":2},"long":{"type":"string","maxLength":2},
		"few":{"type":"array","items":{"type":"string"},"minItems":2},"many":{"type":"array","items":{"type":"string"},"maxItems":1},
		"twice":{"type":"array","items":{"type":"string"},"uniqueItems":true},"items":{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}}},
		"low":{"type":"integer","minimum":2},"high":{"type":"number","maximum":2.5},
		"thin":{"type":"object","minProperties":1},"fat":{"type":"object","maxProperties":1},
		"forms":{"oneOf":[{"type":"string"},{"type":"integer"}]},"inner":{"type":"object","additionalProperties":false}
	}}}}}`

func TestMismatchesReadAsSentencesAboutTheirMember(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(shapes))
	if err != nil {
		t.Fatal(err)
	}
	api := spec.Load(doc, map[string]func(string) error{"own": func(string) error { return errors.New("must be ours") }})
	for body, want := range map[string]string{
		`{}`:                              "must is required",
		`{"must":"","type":1}`:            "type must be of type string",
		`{"must":"","null":null}`:         "null must not be null",
		`{"must":"","enum":"secret"}`:     `enum must be one of "a", "b"`,
		`{"must":"","own":"secret"}`:      "own must be ours",
		`{"must":"","date":"secret"}`:     "date must have the format date-time",
		`{"must":"","pattern":"secret"}`:  "pattern must match ^x$",
		`{"must":"","short":"s"}`:         "short must have at least 2 characters",
		`{"must":"","long":"secret"}`:     "long must have at most 2 characters",
		`{"must":"","few":["secret"]}`:    "few must have at least 2 items",
		`{"must":"","many":["a","b"]}`:    "many must have at most 1 items",
		`{"must":"","twice":["a","a"]}`:   "twice must not have an item twice",
		`{"must":"","items":[{"a":1}]}`:   "items[0].a must be of type string",
		`{"must":"","low":1}`:             "low must be at least 2",
		`{"must":"","high":3}`:            "high must be at most 2.5",
		`{"must":"","thin":{}}`:           "thin must have at least 1 members",
		`{"must":"","fat":{"a":1,"b":2}}`: "fat must have at most 1 members",
		`{"must":"","forms":[]}`:          "forms has none of the forms that the specification gives it",
		`{"must":"","new":1}`:             "new is not known",
		`{"must":"","inner":{"new":1}}`:   "inner.new is not known",
		`[]`:                              "record must be of type object",
	} {
		value, err := spec.Decode([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		mismatches, _ := errors.AsType[spec.Mismatches](api.CheckValue("S", value))
		refused, ok := errors.AsType[*oauth.Error](mismatches.Invalid())
		if !ok {
			t.Fatalf("%s passes", body)
		}
		var got []string
		for _, v := range refused.Violations {
			got = append(got, v.Sentence(v.Member))
		}
		if diff := cmp.Diff([]string{want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
		if strings.Contains(strings.Join(got, ""), "secret") {
			t.Errorf("%s: the value is repeated: %s", body, got)
		}
	}
}
