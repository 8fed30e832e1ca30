package rights_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/rights"
)

func TestPermissionsAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	doc, err := auth0api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	scopes := doc.Components.SecuritySchemes["oauth2"].Value.Flows.ClientCredentials.Scopes
	if diff := cmp.Diff(slices.Sorted(maps.Keys(scopes)), rights.All.Names()); diff != "" {
		t.Errorf("permissions (-specification +known):\n%s", diff)
	}
}

func TestSetsOfPermissions(t *testing.T) {
	t.Parallel()
	read, both := rights.Of("read:clients"), rights.Of("update:clients", "read:clients", "read:orders", "")
	if got := both.Names(); !slices.Equal(got, []string{"read:clients", "update:clients"}) {
		t.Errorf("names %v", got)
	}
	if !both.Has(read) || read.Has(both) || !read.Has(0) || !rights.All.Has(both) {
		t.Error("Has does not tell a subset")
	}
	if !read.HasAny(both) || read.HasAny(both.Without(read)) || both.HasAny(0) {
		t.Error("HasAny does not tell what two sets share")
	}
	if rights.Of() != 0 || rights.Of("read:orders") != 0 || rights.Set(0).Names() != nil {
		t.Error("what is no permission is one")
	}
}
