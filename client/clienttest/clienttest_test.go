package clienttest_test

import (
	"errors"
	"testing"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/client/clienttest"
	"github.com/rosterhq/roster/internal/servertest"
)

// run is what go test does for a test, for the example.
func run(test func(testing.TB)) {
	t, end := servertest.ForExample()
	defer end()
	test(t)
}

func TestEachTestHasARosterOfItsOwn(t *testing.T) {
	t.Parallel()
	one, other := clienttest.New(t), clienttest.New(t)
	id, secret := create(t, one, client.ClientInput{Name: "billing"})
	if secret == "" {
		t.Fatal("there is no secret")
	}
	if _, err := one.GetClient(t.Context(), id, nil); err != nil {
		t.Error(err)
	}
	if _, err := other.GetClient(t.Context(), id, nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("the other one answers %v", err)
	}
}

func TestScopesBindTheClientThatAskedForThem(t *testing.T) {
	t.Parallel()
	s := clienttest.NewServer(t)
	all, reader := s.Client(), s.Client("read:clients")
	id, _ := create(t, all, client.ClientInput{Name: "billing"})
	got, err := reader.GetClient(t.Context(), id, nil)
	if err != nil || got.Name != "billing" {
		t.Errorf("reading with read:clients: %v", err)
	}
	if _, err := reader.CreateClient(t.Context(), client.ClientInput{Name: "no"}, nil); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("creating with read:clients: %v", err)
	}
	if _, err := clienttest.New(t, "read:clients").GetGrant(t.Context(), "x"); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("reading a grant with read:clients: %v", err)
	}
}

func TestAdministratorsCredentialsWorkElsewhere(t *testing.T) {
	t.Parallel()
	s := clienttest.NewServer(t)
	api, err := client.New(s.URL+"/", client.Config{ClientID: s.AdminID, ClientSecret: s.AdminSecret})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.GetClient(t.Context(), s.AdminID, nil); err != nil {
		t.Error(err)
	}
}
