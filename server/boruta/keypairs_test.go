package boruta_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func (a *api) newKeyPair(isDefault bool) object {
	a.t.Helper()
	a.Clock.Pass(time.Second) // they are listed by their age
	return a.Do(a.Admin, "POST", "/api/key-pairs", object{"key_pair": object{"is_default": isDefault}}).Want(http.StatusCreated).Object()["data"].(object)
}

func TestKeyPairSuite(t *testing.T) {
	t.Parallel()
	a := start(t)
	wrong := a.Token("scopes:manage:all")
	for _, request := range [][2]string{{"GET", ""}, {"POST", ""}, {"POST", "/id/rotate"}, {"DELETE", "/id"}} { // BK-01, BK-02
		a.exact("", request[0], "/api/key-pairs"+request[1], nil, http.StatusUnauthorized, unauthorized)
		a.exact(wrong, request[0], "/api/key-pairs"+request[1], nil, http.StatusForbidden, forbidden)
	}
	a.exact(a.Token(manager), "GET", "/api/key-pairs", nil, http.StatusOK, object{"data": []any{}}) // BK-03
}

func TestKeyPairsReplaceEachOtherAsDefault(t *testing.T) {
	t.Parallel()
	a := start(t)
	first, second := a.newKeyPair(true), a.newKeyPair(true)
	if second["is_default"] != true {
		t.Errorf("got %v", second)
	}
	first["is_default"] = false
	a.exact(a.Admin, "GET", "/api/key-pairs/", nil, http.StatusOK, object{"data": []any{first, second}})
	var body struct{ Errors map[string][]string }
	a.Do(a.Admin, "DELETE", "/api/key-pairs/"+id(second), nil).Want(http.StatusUnprocessableEntity).Decode(&body)
	if diff := cmp.Diff(map[string][]string{"is_default": {"Cannot delete a default key pair."}}, body.Errors); diff != "" {
		t.Error(diff)
	}
	a.Do(a.Admin, "PUT", "/api/key-pairs/"+id(first), object{"key_pair": object{"is_default": true}}).Want(http.StatusOK)
	a.Do(a.Admin, "DELETE", "/api/key-pairs/"+id(second), nil).Want(http.StatusNoContent)
	first["is_default"] = true
	a.exact(a.Admin, "GET", "/api/key-pairs", nil, http.StatusOK, object{"data": []any{first}})
	a.Do(a.Admin, "GET", "/api/key-pairs/"+id(second), nil).Want(http.StatusNotFound)
	a.Do(a.Admin, "PATCH", "/api/key-pairs/"+id(first), object{"key_pair": object{"is_default": "perhaps"}}).Want(http.StatusUnprocessableEntity)
}

func TestClientsShareKeyPairs(t *testing.T) {
	t.Parallel()
	a := start(t)
	pair := a.newKeyPair(false)
	c := a.create(object{"key_pair_id": id(pair)})
	if c["public_key"] != pair["public_key"] {
		t.Fatal("the client does not show the pair's key")
	}
	own := a.create(nil)
	if got := a.send("PATCH", path(own), object{"key_pair_id": id(pair)}, http.StatusOK); got["public_key"] != pair["public_key"] {
		t.Error("the change did not take the pair")
	}
	rotated := a.Do(a.Admin, "POST", "/api/key-pairs/"+id(pair)+"/rotate", nil).Want(http.StatusOK).Object()["data"].(object)
	if rotated["public_key"] == pair["public_key"] || a.read(id(c))["public_key"] != rotated["public_key"] {
		t.Error("rotating the pair did not reach its client")
	}
	a.Do(a.Admin, "DELETE", "/api/key-pairs/"+id(pair), nil).Want(http.StatusNoContent)
	if a.read(id(c))["public_key"] != rotated["public_key"] {
		t.Error("deleting the pair changed its client")
	}
	a.Do(a.Admin, "PATCH", path(own), object{"client": object{"key_pair_id": id(pair)}}).Want(http.StatusNotFound)
	for _, client := range []object{c, own} {
		a.Do(a.Admin, "POST", path(client)+"/regenerate_key_pair", nil).Want(http.StatusOK)
	}
	if a.read(id(c))["public_key"] == rotated["public_key"] {
		t.Error("the client kept the shared key")
	}
	if err := a.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := a.Pool.QueryRow(t.Context(), `SELECT count(*) FROM key_pairs`).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d key pairs are kept that nobody uses, %v", rows, err)
	}
}

func TestKeyPairIDsThatNameNothing(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(nil)
	for name, test := range map[string]struct {
		id     any
		status int
	}{
		"unknown": {uuid.NewString(), http.StatusNotFound},
		"no uuid": {"pair", http.StatusBadRequest},
		"blank":   {"", http.StatusBadRequest},
		"number":  {5, http.StatusBadRequest},
		"null":    {nil, http.StatusOK},
	} {
		a.Do(a.Admin, "PATCH", path(c), object{"client": object{"key_pair_id": test.id, "name": name}}).Want(test.status)
		if got := a.read(id(c))["name"]; (got == name) != (test.status == http.StatusOK) {
			t.Errorf("%s: the name is %v", name, got)
		}
	}
}
