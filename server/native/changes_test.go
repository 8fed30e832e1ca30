package native_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

type changes struct {
	Clients []string
	All     bool
	Next    string
}

// changed tells what has changed since a place; "" is none.
func changed(s *servertest.Server, after string, wait int) (c changes) {
	query := url.Values{"wait": {strconv.Itoa(wait)}}
	if after != "" {
		query.Set("after", after)
	}
	s.Do(s.Admin, "GET", "/api/roster/v1/changes?"+query.Encode(), nil).Want(http.StatusOK).Decode(&c)
	return c
}

func TestChangesNameEachClientThatIsNotAsItWas(t *testing.T) {
	t.Parallel()
	one := servertest.New(t)
	two := another(t, one)
	id, _ := client(t, one)
	start := changed(one, "", 20)
	if !start.All || len(start.Clients) != 0 {
		t.Errorf("the first answer is %+v", start)
	}
	// A transaction that is left open holds nothing back.
	tx, err := one.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), "SELECT pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	path := "/api/v2/clients/" + id
	place := start.Next
	for _, step := range []struct {
		what         string
		on           *servertest.Server
		method, path string
		body         any
		changes      bool
	}{
		{"a change", one, "PATCH", path, map[string]any{"name": "renamed"}, true},
		{"a change by another instance", two, "PATCH", path, map[string]any{"name": "again"}, true},
		{"a change of nothing", one, "PATCH", path, map[string]any{"name": "again"}, false},
		{"a secret that is shown", one, "GET", path, nil, false},
		{"a change of another thing", one, "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://invoices.example/"}, false},
		{"a state", two, "PUT", "/api/roster/v1/clients/" + id + "/state", map[string]any{"state": "disabled"}, true},
		{"a deletion", one, "DELETE", path, nil, true},
	} {
		if r := step.on.Do(step.on.Admin, step.method, step.path, step.body); r.Status/100 != 2 {
			t.Fatalf("%s: %d %s", step.what, r.Status, r.Body)
		}
		got := changed(one, place, 0)
		if want := step.changes; slices.Contains(got.Clients, id) != want || got.All || len(got.Clients) > 1 {
			t.Errorf("after %s: %+v", step.what, got)
		}
		place = got.Next
	}
	if got := changed(two, start.Next, 20); !slices.Equal(got.Clients, []string{id}) {
		t.Errorf("all of it: %+v", got)
	}
}

func TestChangesWakeWhoWaits(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	place, got := changed(s, "", 0).Next, make(chan changes)
	go func() { got <- changed(s, place, 20) }()
	id, _ := client(t, s)
	if c := <-got; !slices.Equal(c.Clients, []string{id}) {
		t.Errorf("woken with %+v", c)
	}
	s.Registry.Close()
	if c := changed(s, changed(s, "", 0).Next, 20); len(c.Clients) != 0 || c.All || c.Next == "" {
		t.Errorf("after the end: %+v", c)
	}
}

func TestOthersCursorsAreNoPlaceAmongChanges(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, after := range []string{"x", read(s, "latest", 1, 0).Next} {
		s.Do(s.Admin, "GET", "/api/roster/v1/changes?after="+url.QueryEscape(after), nil).Want(http.StatusBadRequest)
	}
	s.Do(s.Token("read:logs"), "GET", "/api/roster/v1/changes", nil).Want(http.StatusForbidden)
	s.Do(s.Token("read:clients"), "GET", "/api/roster/v1/changes", nil).Want(http.StatusOK)
}
