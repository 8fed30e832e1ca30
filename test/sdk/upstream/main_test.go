package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

func TestWhatAnSDKHasMoreIsFound(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "openapi.yaml")
	if err := os.WriteFile(file, []byte(`
paths:
  /things:
    get: {parameters: [{in: query, name: page, schema: {type: integer}}, {in: header, name: X, schema: {type: string}}]}
components:
  schemas:
    ThingRequestContent:
      properties:
        name: {type: string}
        kind: {$ref: '#/components/schemas/Kind'}
        parts: {type: array, items: {allOf: [{$ref: '#/components/schemas/Part'}]}}
    Kind: {type: string, enum: [a]}
    Part: {properties: {id: {type: string}}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	ours, err := readSpecification(file)
	if err != nil {
		t.Fatal(err)
	}
	theirs := parse(`
export interface Thing {
    /** A name. */
    name?: (string | null) | undefined;
    kind?: Management.KindEnum | undefined;
    parts?: Management.Parts | undefined;
    more?: string;
    [key: string]: any;
}
export declare const KindEnum: {
    readonly A: "a";
    readonly B: "b";
};
export type KindEnum = (typeof KindEnum)[keyof typeof KindEnum];
export type Parts = Management.Part[];
export interface Part {
    id: string;
    "size"?: number | undefined;
}
export interface Query {
    page?: number | null;
    take?: number | null;
}
`)
	c := comparison{theirs, ours, map[string]bool{}}
	for name, schema := range map[string]string{"Thing": "ThingRequestContent", "Query": "GET /things"} {
		properties, err := ours.named(schema)
		if err != nil {
			t.Fatal(err)
		}
		c.members(schema, theirs.interfaces[name], properties)
	}
	want := []string{
		"GET /things.take", "ThingRequestContent.kind b", "ThingRequestContent.more", "ThingRequestContent.name null",
		"ThingRequestContent.parts.size",
	}
	if got := slices.Sorted(maps.Keys(c.found)); !reflect.DeepEqual(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if err := report(c.found, map[string]bool{"GET /things.take": true}); err == nil {
		t.Error("new members are no failure")
	}
	if err := report(nil, map[string]bool{"GET /things.take": true}); err == nil {
		t.Error("a known difference that is gone is no failure")
	}
}
