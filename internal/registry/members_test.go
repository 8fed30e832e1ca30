package registry_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/servertest"
)

type object = map[string]any

// holder registers a client with an add-on that holds key and returns its
// client_id.
func holder(s *servertest.Server, key string) string {
	return s.Do(s.Admin, "POST", "/api/v2/clients", object{
		"name": "holder", "addons": object{"layer": object{"providerId": "p", "keyId": "k", "privateKey": key}}, "encryption_key": object{"pub": "p-" + key},
	}).Want(http.StatusCreated).Object()["client_id"].(string)
}

func keyShown(s *servertest.Server, id string) string {
	addons, _ := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(http.StatusOK).Object()["addons"].(object)
	layer, _ := addons["layer"].(object)
	key, _ := layer["privateKey"].(string)
	return key
}

// row is what is stored of a client, and which of the members that are kept
// sealed are unsealed all the same.
type row struct {
	Sealed   bool
	Unsealed []string
	Version  int
}

func stored(t *testing.T, s *servertest.Server, id string) row {
	t.Helper()
	var r row
	err := s.Pool.QueryRow(t.Context(), `SELECT sealed IS NOT NULL, version,
		ARRAY(SELECT member FROM unnest('{auth0:addons,auth0:encryption_key}'::text[]) member WHERE document -> member IS NOT NULL) FROM clients WHERE client_id = $1`, id).
		Scan(&r.Sealed, &r.Version, &r.Unsealed)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// unseal stores the client as a release from before members were sealed does.
func unseal(t *testing.T, s *servertest.Server, id, key string) {
	t.Helper()
	tag, err := s.Pool.Exec(t.Context(), `UPDATE clients SET document = (document::jsonb || jsonb_build_object('auth0:addons',
		jsonb_build_object('layer', jsonb_build_object('providerId', 'p', 'keyId', 'k', 'privateKey', $2::text))))::json WHERE client_id = $1`, id, key)
	if err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%v, %v", tag, err)
	}
}

func TestMembersAreSealedFromEveryWriteOn(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	path := func(id string) string { return "/api/v2/clients/" + id }
	id := holder(s, "first key")
	if diff := cmp.Diff(row{Sealed: true, Unsealed: []string{}, Version: 1}, stored(t, s, id)); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	s.Do(s.Admin, "PATCH", path(id), object{"addons": object{"slack": object{"team": "t"}}}).Want(http.StatusOK)
	s.Do(s.Admin, "PATCH", path(id), object{"name": "renamed"}).Want(http.StatusOK)
	s.Do(s.Admin, "POST", path(id)+"/rotate-secret", nil).Want(http.StatusOK)
	if got := keyShown(s, id); got != "first key" {
		t.Errorf("after changes of other members the key is %q", got)
	}
	var list []object
	s.Do(s.Admin, "GET", "/api/v2/clients?fields=addons,encryption_key&is_global=false", nil).Want(http.StatusOK).Decode(&list)
	found := false
	for _, c := range list {
		if addons, ok := c["addons"].(object); ok {
			found = true
			if diff := cmp.Diff([]any{object{"team": "t"}, object{"pub": "p-first key"}}, []any{addons["slack"], c["encryption_key"]}); diff != "" {
				t.Errorf("in a list (-want +got):\n%s", diff)
			}
		}
	}
	if !found {
		t.Error("a list shows no add-ons")
	}
	if diff := cmp.Diff(row{Sealed: true, Unsealed: []string{}, Version: 4}, stored(t, s, id)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	s.Do(s.Admin, "PATCH", path(id), object{"addons": nil, "encryption_key": nil}).Want(http.StatusOK)
	if got := stored(t, s, id); got.Sealed {
		t.Error("something is sealed of a client that has nothing to seal")
	}
	if r := s.Do(s.Admin, "GET", path(id), nil).Want(http.StatusOK).Object(); r["addons"] != nil || r["encryption_key"] != nil {
		t.Errorf("removed members are shown: %v, %v", r["addons"], r["encryption_key"])
	}
}

func TestUnsealedMembersAreReadAndThenSealed(t *testing.T) {
	t.Parallel()
	s, path := filed(t)
	var ids []string
	for i := range 3 {
		r := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "older"}).Want(http.StatusCreated).Object()
		ids = append(ids, r["client_id"].(string))
		unseal(t, s, ids[i], fmt.Sprint("older key ", i))
	}
	both := holder(s, "outdated key")
	unseal(t, s, both, "newer key")
	want := map[string]string{ids[0]: "older key 0", ids[1]: "older key 1", ids[2]: "older key 2", both: "newer key"}
	check := func(when string) {
		t.Helper()
		for id, key := range want {
			if got := keyShown(s, id); got != key {
				t.Errorf("%s: %s shows the key %q, want %q", when, id, got, key)
			}
		}
	}
	check("unsealed")
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+ids[0], object{"name": "changed"}).Want(http.StatusOK)
	if diff := cmp.Diff(row{Sealed: true, Unsealed: []string{}, Version: 2}, stored(t, s, ids[0])); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	wantStale(t, s.Registry, registry.Stale{Sealed: 3})

	renewed := map[string]int{}
	err := s.Registry.Reseal(t.Context(), func(column string, n int) { renewed[column] = n }, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"clients.document": 3}, renewed); diff != "" {
		t.Errorf("resealed (-want +got):\n%s", diff)
	}
	for _, id := range append(ids[1:], both) {
		if diff := cmp.Diff(row{Sealed: true, Unsealed: []string{}, Version: 1}, stored(t, s, id)); diff != "" {
			t.Errorf("resealed (-want +got):\n%s", diff)
		}
	}
	check("resealed")
	rotated(t, s, path)
	wantStale(t, s.Registry, registry.Stale{Sealed: stale(t, s, "sealed"), MACs: stale(t, s, "mac")})
}

// stale counts the values in columns of that name, and the mark of the keyset.
func stale(t *testing.T, s *servertest.Server, column string) (n int) {
	t.Helper()
	for _, c := range postgres.SealedColumns {
		if (c.Source == "") != (column == "sealed") {
			continue
		}
		var some int
		if err := s.Pool.QueryRow(t.Context(), "SELECT count("+c.Column+") FROM "+c.Table).Scan(&some); err != nil {
			t.Fatal(err)
		}
		n += some
	}
	if column == "sealed" {
		n++
	}
	return n
}

func TestMovedAndAlteredMembersDoNotOpen(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	one, two, altered, untouched := holder(s, "key of one"), holder(s, "key of two"), holder(s, "altered key"), holder(s, "untouched key")
	for name, change := range map[string]struct {
		sql  string
		args []any
		rows int64
	}{
		"moved": {`UPDATE clients c SET sealed = other.sealed FROM clients other
			WHERE c.client_id = ANY($1) AND other.client_id = ANY($1) AND c.id <> other.id`, []any{[]string{one, two}}, 2},
		"altered": {`UPDATE clients SET sealed = set_byte(sealed, 30, 255 - get_byte(sealed, 30)) WHERE client_id = $1`, []any{altered}, 1},
	} {
		if tag, err := s.Pool.Exec(t.Context(), change.sql, change.args...); err != nil || tag.RowsAffected() != change.rows {
			t.Fatalf("%s: %v, %v", name, tag, err)
		}
	}
	for _, id := range []string{one, two, altered} {
		path := "/api/v2/clients/" + id
		for _, r := range []servertest.Response{
			s.Do(s.Admin, "GET", path, nil), s.Do(s.Admin, "GET", "/api/v2/clients", nil), s.Do(s.Admin, "PATCH", path, object{"name": "x"}),
		} {
			r.Want(http.StatusInternalServerError)
			for _, inside := range []string{"seal", "opening", "clients\"", "key of"} {
				if strings.Contains(string(r.Body), inside) {
					t.Errorf("the answer tells of the inside: %s", r.Body)
				}
			}
		}
		if _, err := s.Registry.Client(t.Context(), oauth.ClientRef{ClientID: id}); err == nil || !strings.Contains(err.Error(), `opening "clients"/"`) {
			t.Errorf("the error, which is logged, does not say which value did not open: %v", err)
		}
	}
	if got := keyShown(s, untouched); got != "untouched key" {
		t.Errorf("another client shows the key %q", got)
	}
	failures := 0
	if err := s.Registry.Reseal(t.Context(), func(string, int) {}, func(error) { failures++ }); err != nil || failures != 0 {
		t.Errorf("nothing was stale, but %d values failed, %v", failures, err)
	}
	unseal(t, s, altered, "newer key")
	if err := s.Registry.Reseal(t.Context(), func(string, int) {}, func(error) { failures++ }); err != nil || failures != 1 {
		t.Errorf("%d values failed, %v; want the altered one", failures, err)
	}
	for _, id := range []string{one, two, altered} { // the way out
		s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil).Want(http.StatusNoContent)
	}
	if strings.Contains(s.Log.String(), "key of one") {
		t.Error("a key is in the log")
	}
}

func TestOnlyClientsWithSuchMembersAreOpened(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	plain := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "plain"}).Want(http.StatusCreated).Object()["client_id"].(string)
	with := holder(s, "key")
	other, err := seal.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := registry.New(postgres.New(s.Serving), other, s.Registry.Config)
	if _, err := r.Client(t.Context(), oauth.ClientRef{ClientID: plain}); err != nil {
		t.Errorf("reading what holds nothing sealed takes the keyset: %v", err)
	}
	if _, err := r.Client(t.Context(), oauth.ClientRef{ClientID: with}); err == nil {
		t.Error("another keyset opens a client's add-ons")
	}
}
