package clienttest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/client/clienttest"
)

// provision is what the program does: it registers a client and lets it read
// clients.
func provision(ctx context.Context, api *client.Client, audience string) (id string, err error) {
	billing, err := api.CreateClient(ctx, client.ClientInput{Name: "billing", GrantTypes: []string{"client_credentials"}}, nil)
	if err != nil {
		return "", err
	}
	_, err = api.CreateGrant(ctx, client.GrantInput{ClientID: billing.ID, Audience: audience, Scopes: []string{"read:clients"}}, nil)
	return billing.ID, err
}

// testProvision is the program's test, in a file of its own TestProvision(t
// *testing.T).
func testProvision(t testing.TB) {
	roster := clienttest.NewServer(t)
	api := roster.Client("create:clients", "read:clients", "create:client_grants", "read:client_grants") // what the program has
	id, err := provision(t.Context(), api, roster.URL+"/api/v2/")
	if err != nil {
		t.Fatal(err)
	}
	for grant, err := range api.Grants(t.Context(), &client.GrantFilter{ClientID: id}) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("it may", grant.Scopes)
	}
}

// The test of a program that registers clients.
func Example() {
	run(testProvision)
	// Output: it may [read:clients]
}
