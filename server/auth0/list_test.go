package auth0_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

// names are what a list shows, whatever its shape.
func names(t *testing.T, r servertest.Response, key string) []string {
	t.Helper()
	if r.Status != http.StatusOK {
		t.Fatalf("status %d: %s", r.Status, r.Body)
	}
	var list []map[string]any
	if r.Body[0] == '[' {
		r.Decode(&list)
	} else {
		for _, one := range r.Object()["clients"].([]any) {
			list = append(list, one.(map[string]any))
		}
	}
	got := []string{}
	for _, one := range list {
		name, _ := one[key].(string)
		got = append(got, name)
	}
	return got
}

func TestListsPageInCreationOrder(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("c%d", i)
		body := object{"name": name, "app_type": []string{"spa", "native", "non_interactive"}[i%3], "is_first_party": i%2 == 0}
		s.Do(s.Admin, "POST", "/api/v2/clients", body).Want(http.StatusCreated)
		want = append(want, name)
	}
	want = append(want, "All Applications")
	get := func(query string) servertest.Response { return s.Do(s.Admin, "GET", "/api/v2/clients?"+query, nil) }

	for query, page := range map[string][]string{
		"":                     want,
		"unknown=1&strategy=x": want,
		"is_global=false":      want[:7],
		"is_global=true":       want[7:],
		"per_page=3":           want[:3],
		"per_page=3&page=2":    want[6:],
		"per_page=3&page=3":    {},
		"page=99999999":        {},
		"page=999999999999":    {},
		"per_page=0":           {},
		"take=3":               want[:3],
		"take=3&per_page=5&page=1&include_totals=true": want[:3],
		"from=":               want,
		"app_type=spa":        {"c0", "c3", "c6"},
		"app_type=spa,native": {"c0", "c1", "c3", "c4", "c6"},
		"app_type=native,spa,native,&per_page=2&page=1": {"c3", "c4"},
		"app_type=toaster": {},
		"app_type=spa,native&is_first_party=true&take=2":    {"c0", "c4"},
		"is_first_party=false":                              {"c1", "c3", "c5"},
		"is_first_party=true&app_type=spa":                  {"c0", "c6"},
		"external_client_id=https://x.example/":             {},
		"take=5&q=client_grant.organization_id:org_1":       {},
		"take=5&q=client_grant.allow_any_organization:true": {},
	} {
		if diff := cmp.Diff(page, names(t, get(query), "name")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for query, want := range map[string]object{
		"include_totals=true&per_page=3&page=1":          {"total": 8.0, "start": 3.0, "limit": 3.0},
		"include_totals=true":                            {"total": 8.0, "start": 0.0, "limit": 50.0},
		"include_totals=true&per_page=0":                 {"total": 8.0, "start": 0.0, "limit": 0.0},
		"include_totals=true&per_page=100&page=4":        {"total": 8.0, "start": 400.0, "limit": 100.0},
		"include_totals=true&is_global=false":            {"total": 7.0, "start": 0.0, "limit": 50.0},
		"include_totals=true&app_type=spa,native":        {"total": 5.0, "start": 0.0, "limit": 50.0},
		"include_totals=true&app_type=spa&per_page=2":    {"total": 3.0, "start": 0.0, "limit": 2.0},
		"include_totals=true&take=3&is_first_party=true": {},
	} {
		got := get(query).Object()
		delete(got, "clients")
		delete(got, "next")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	if r := get("per_page=3"); r.Body[0] != '[' {
		t.Errorf("without totals a list is a bare array, not %s", r.Body)
	}
}

func TestCheckpointsWalkTheWholeList(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("c%d", i)
		s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": name, "app_type": []string{"spa", "native"}[i%2]}).Want(http.StatusCreated)
		want = append(want, name)
	}
	walk := func(query string) (all []string) {
		for from, pages := "", 0; ; pages++ {
			r := s.Do(s.Admin, "GET", "/api/v2/clients?"+query+"&from="+from, nil)
			all = append(all, names(t, r, "name")...)
			if pages == 0 { // what comes later goes to the end; what goes is not missed
				s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"late","app_type":"spa"}`).Want(http.StatusCreated)
			}
			next, ok := r.Object()["next"].(string)
			if !ok {
				return all
			}
			from = next
		}
	}
	if diff := cmp.Diff(append(slices.Clone(want), "late", "All Applications"), walk("take=2")); diff != "" {
		t.Errorf("all clients (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(append(slices.Clone(want), "late", "late"), walk("take=1&app_type=spa,native")); diff != "" {
		t.Errorf("two kinds (-want +got):\n%s", diff)
	}
	exact := s.Do(s.Admin, "GET", "/api/v2/clients?take=7&app_type=spa", nil).Want(http.StatusOK).Object() // four and three late ones
	if exact["next"] != nil {
		t.Errorf("a page that is just full says there is more: %v", exact["next"])
	}
}

func TestCursorsAreOursAloneAndExpire(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x"}`).Want(http.StatusCreated)
	cursor := s.Do(s.Admin, "GET", "/api/v2/clients?take=1", nil).Want(http.StatusOK).Object()["next"].(string)
	if cursor != url.QueryEscape(cursor) {
		t.Errorf("the cursor %s must be escaped in a URL", cursor)
	}
	const invalid = "The cursor in from is not valid or has expired; start again without it."
	for i := range cursor {
		other := byte('A')
		if cursor[i] == 'A' {
			other = 'B'
		}
		forged := cursor[:i] + string(other) + cursor[i+1:]
		if r := s.Do(s.Admin, "GET", "/api/v2/clients?from="+forged, nil); r.Status == http.StatusOK {
			// The last digit of base64 has bits that mean nothing.
			if i < len(cursor)-1 {
				t.Fatalf("a cursor forged at %d of %d is taken", i, len(cursor))
			}
		} else {
			wantFailure(t, r, http.StatusBadRequest, "invalid_query_string", invalid)
		}
	}
	wantFailure(t, s.Do(s.Admin, "GET", "/api/v2/client-grants?from="+cursor, nil), http.StatusBadRequest, "invalid_query_string", invalid)
	s.Clock.Pass(24*time.Hour - time.Second)
	token, err := s.Registry.MintManagementToken(t.Context(), "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	again := token.AccessToken.Reveal()
	s.Do(again, "GET", "/api/v2/clients?from="+cursor, nil).Want(http.StatusOK)
	s.Clock.Pass(2 * time.Second)
	wantFailure(t, s.Do(again, "GET", "/api/v2/clients?from="+cursor, nil), http.StatusBadRequest, "invalid_query_string", invalid)
}

func TestFieldsCutAnswersDown(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	created := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x"}`).Want(http.StatusCreated).Object()
	path := clientPath(created["client_id"].(string))
	for query, want := range map[string]object{
		"fields=client_id,app_type&include_fields=true": {"client_id": created["client_id"]},
		"fields=name":                {"name": "x"},
		"fields=name,no_such_member": {"name": "x"},
		"fields=no_such_member":      {},
		"fields=%20name%20,%20":      {"name": "x"},
	} {
		if diff := cmp.Diff(want, s.Do(s.Admin, "GET", path+"?"+query, nil).Object()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	whole := s.Do(s.Admin, "GET", path, nil).Object()
	if diff := cmp.Diff(whole, s.Do(s.Admin, "GET", path+"?fields=&include_fields=true", nil).Object()); diff != "" {
		t.Errorf("empty fields (-whole +got):\n%s", diff)
	}
	delete(whole, "signing_keys")
	delete(whole, "client_secret")
	if diff := cmp.Diff(whole, s.Do(s.Admin, "GET", path+"?fields=signing_keys,client_secret&include_fields=false", nil).Object()); diff != "" {
		t.Errorf("hidden fields (-want +got):\n%s", diff)
	}
	var list []object
	s.Do(s.Admin, "GET", "/api/v2/clients?is_global=false&fields=client_id&include_fields=true", nil).Decode(&list)
	if diff := cmp.Diff([]object{{"client_id": created["client_id"], "tenant": "roster"}}, list); diff != "" {
		t.Errorf("a list shows the tenant all the same (-want +got):\n%s", diff)
	}
}

func TestGlobalClientTakesChangesButStays(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	var list []object
	s.Do(s.Admin, "GET", "/api/v2/clients?is_global=true", nil).Want(http.StatusOK).Decode(&list)
	path := clientPath(list[0]["client_id"].(string))
	s.Do(s.Admin, "PATCH", path, `{"custom_login_page":"<html></html>","custom_login_page_on":false}`).Want(http.StatusOK)
	got := s.Do(s.Admin, "GET", path, nil).Want(http.StatusOK).Object()
	if got["custom_login_page"] != "<html></html>" || got["custom_login_page_on"] != false || got["global"] != true {
		t.Errorf("after the change: %v", got)
	}
	s.Do(s.Admin, "DELETE", path, nil).Want(http.StatusBadRequest)
	s.Do(s.Admin, "GET", path, nil).Want(http.StatusOK)
}
