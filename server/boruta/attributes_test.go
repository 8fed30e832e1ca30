package boruta

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/gen/borutaapi"
)

// The attributes and the published schemas name the same members.
func TestAttributesAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	doc, err := borutaapi.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	names := func(schema string) []string {
		return slices.Sorted(maps.Keys(doc.Components.Schemas[schema].Value.Properties))
	}
	beside := []string{"id", "secret", "identity_provider", "authorized_scopes"}
	clients := clientAttributes(Config{})
	all := func(list []attribute, keep func(attribute) bool, more ...string) []string {
		for _, a := range list {
			if keep(a) {
				more = append(more, a.wire)
			}
		}
		return slices.Sorted(slices.Values(more))
	}
	every := func(attribute) bool { return true }
	for schema, want := range map[string][]string{
		"BorutaClientAttributes":           all(clients, every, append(slices.Clone(beside), "jwk", "key_pair_id")...),
		"BorutaClient":                     all(clients, func(a attribute) bool { return !a.hidden }, append(slices.Clone(beside), "did", "public_key")...),
		"BorutaScopeAttributes":            all(scopeAttributes, every),
		"BorutaScope":                      all(scopeAttributes, every),
		"BorutaKeyPairAttributes":          all(keyPairAttributes, every),
		"BorutaIdentityProviderAttributes": all(providerAttributes, every, "id", "backend"), // which is ignored
		"BorutaIdentityProvider":           all(providerAttributes, every, "id", "backend"),
		"BorutaBackend":                    slices.Sorted(maps.Keys(backend)),
	} {
		if diff := cmp.Diff(want, names(schema)); diff != "" {
			t.Errorf("%s (-table +specification):\n%s", schema, diff)
		}
	}
	shown := all(clients, func(a attribute) bool { return !a.hidden && !a.master }, append(slices.Clone(beside), "did", "public_key")...)
	if diff := cmp.Diff(shown, slices.Sorted(slices.Values(doc.Components.Schemas["BorutaClient"].Value.Required))); diff != "" {
		t.Errorf("members that every answer has (-table +specification):\n%s", diff)
	}
	if len(shown) != 31 {
		t.Errorf("a client shows %d members", len(shown))
	}
}
