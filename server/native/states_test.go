package native_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

// setState brings a client into a state.
func setState(s *servertest.Server, token, id, state, reason string) servertest.Response {
	return s.Do(token, "PUT", "/api/roster/v1/clients/"+id+"/state", map[string]any{"state": state, "reason": reason})
}

// asks asks for a token of the management API, as a form or with Basic.
func asks(s *servertest.Server, id, secret string, basic bool) servertest.Response {
	form := url.Values{"grant_type": {"client_credentials"}, "audience": {s.URL + "/api/v2/"}}
	header := []string{"Content-Type", "application/x-www-form-urlencoded"}
	if basic {
		r, _ := http.NewRequest("POST", s.URL, nil)
		r.SetBasicAuth(id, secret)
		header = append(header, "Authorization", r.Header.Get("Authorization"))
	} else {
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
	return s.Do("", "POST", "/oauth/token", form.Encode(), header...)
}

// granted registers a client with a grant of scopes on the management API.
func granted(t *testing.T, s *servertest.Server, scopes ...string) (id, secret string) {
	t.Helper()
	id, secret = client(t, s)
	s.Do(s.Admin, "POST", "/api/v2/client-grants", map[string]any{
		"client_id": id, "audience": s.URL + "/api/v2/", "scope": scopes,
	}).Want(http.StatusCreated)
	return id, secret
}

func tokenOf(s *servertest.Server, id, secret string) string {
	return asks(s, id, secret, false).Want(http.StatusOK).Object()["access_token"].(string)
}

func happened(s *servertest.Server, id string) (list []string) {
	var page struct{ Events []struct{ Action string } }
	s.Do(s.Admin, "GET", "/api/roster/v1/events?order=oldest&target="+id, nil).Want(http.StatusOK).Decode(&page)
	for _, e := range page.Events {
		list = append(list, e.Action)
	}
	return list
}

// A client that is not active looks like one that nobody has registered, byte
// for byte.
func TestClientsThatAreNotActiveLookUnknown(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, state := range []string{"disabled", "quarantined"} {
		id, secret := granted(t, s, "read:clients")
		token := tokenOf(s, id, secret)
		s.Do(token, "GET", "/api/v2/clients?take=1", nil).Want(http.StatusOK)
		setState(s, s.Admin, id, state, "").Want(http.StatusOK)
		for _, basic := range []bool{true, false} {
			unknown := asks(s, strings.Repeat("x", len(id)), secret, basic)
			for what, got := range map[string]servertest.Response{"right": asks(s, id, secret, basic), "wrong": asks(s, id, "wrong", basic)} {
				for _, r := range []servertest.Response{unknown, got} { // what no two answers have in common
					for _, own := range []string{"Date", "X-Request-Id", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
						r.Header.Del(own)
					}
				}
				if diff := cmp.Diff(unknown.Header, got.Header); diff != "" || got.Status != unknown.Status || string(got.Body) != string(unknown.Body) {
					t.Errorf("%s, %s secret: %d %s, of an unknown client %d %s\n%s", state, what, got.Status, got.Body, unknown.Status, unknown.Body, diff)
				}
			}
		}
		s.Do(token, "GET", "/api/v2/clients?take=1", nil).Want(http.StatusUnauthorized)
		if err := s.Registry.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var page struct {
			Events []struct{ Changes map[string]map[string]any }
		}
		s.Do(s.Admin, "GET", "/api/roster/v1/events?action=token.refused&target="+id, nil).Want(http.StatusOK).Decode(&page)
		if len(page.Events) != 1 || page.Events[0].Changes["reason"]["after"] != "client_"+state {
			t.Errorf("the audit trail says %v", page.Events)
		}
	}
}

func TestNothingButTheCallWakesAClient(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := granted(t, s, "read:clients")
	if got := s.Do(s.Admin, "GET", "/api/roster/v1/clients/"+id+"/state", nil).Want(http.StatusOK).Object(); got["state"] != "active" || got["changed_at"] != nil || got["reason"] != "" {
		t.Errorf("a new client is %v", got)
	}
	got := setState(s, s.Admin, id, "disabled", "ticket 4711").Want(http.StatusOK).Object()
	if got["state"] != "disabled" || got["reason"] != "ticket 4711" || got["client_id"] != id || got["changed_at"] == nil {
		t.Errorf("it became %v", got)
	}
	setState(s, s.Admin, id, "disabled", "ticket 4711").Want(http.StatusOK) // changes nothing

	s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(http.StatusOK)
	var all []map[string]any
	if s.Do(s.Admin, "GET", "/api/v2/clients?fields=client_id", nil).Want(http.StatusOK).Decode(&all); !slices.ContainsFunc(all, func(c map[string]any) bool { return c["client_id"] == id }) {
		t.Error("Auth0's list does not have it")
	}
	if text := s.Do(s.Admin, "GET", "/api/clients", nil).Want(http.StatusOK).Body; !strings.Contains(string(text), id) {
		t.Error("Boruta's list does not have it")
	}
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"name": "renamed"}).Want(http.StatusOK)
	_, secret := rotate(s, id, "")
	var export struct{ Records []json.RawMessage }
	s.Do(s.Admin, "GET", "/api/roster/v1/export?include_secrets=true&take=100", nil).Want(http.StatusOK).Decode(&export)
	imported := func(edit func(map[string]any)) map[string]any {
		t.Helper()
		var records []any
		for _, raw := range export.Records {
			var record map[string]any
			if err := json.Unmarshal(raw, &record); err != nil {
				t.Fatal(err)
			}
			if record["kind"] == "client" && record["client_id"] == id {
				edit(record)
				records = append(records, record)
			}
		}
		result := s.Do(s.Admin, "POST", "/api/roster/v1/import", map[string]any{"format": "roster", "records": records}).Want(http.StatusOK).Object()
		return result["results"].([]any)[0].(map[string]any)
	}
	imported(func(r map[string]any) {
		if r["state"] != "disabled" {
			t.Errorf("the export says %v", r["state"])
		}
		r["document"].(map[string]any)["client_name"] = "again"
		r["state"] = "active"
	})
	asks(s, id, secret, false).Want(http.StatusUnauthorized)

	s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil).Want(http.StatusNoContent)
	other := id + "-2"
	imported(func(r map[string]any) { r["client_id"], r["id"] = other, "" })
	asks(s, other, secret, false).Want(http.StatusUnauthorized)
	if got := imported(func(r map[string]any) { r["client_id"], r["state"] = other+"3", "asleep" }); got["outcome"] != "failed" {
		t.Errorf("a state that there is not is %v", got)
	}
	setState(s, s.Admin, other, "active", "").Want(http.StatusOK)
	if good(t, s.Registry, id, secret) || !good(t, s.Registry, other, secret) {
		t.Error("the client does not work when it is on again")
	}
	want := []string{"client.created", "client.disabled", "client.updated", "client.secret_rotated", "client_secret.read", "client_secret.read", "client.updated", "client.deleted"}
	got2 := slices.DeleteFunc(happened(s, id), func(a string) bool { return strings.HasSuffix(a, ".read") })
	want = slices.DeleteFunc(want, func(a string) bool { return strings.HasSuffix(a, ".read") })
	if diff := cmp.Diff(want, got2); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// Whoever wakes a client could do all that it may then: it needs as much.
func TestWakingTakesWhatTheClientIsGranted(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	mighty, _ := granted(t, s, "read:clients", "delete:clients")
	small, smallSecret := granted(t, s, "update:clients", "read:clients")
	token := tokenOf(s, small, smallSecret)
	setState(s, token, mighty, "disabled", "").Want(http.StatusOK)
	r := setState(s, token, mighty, "active", "").Want(http.StatusForbidden)
	if !strings.Contains(string(r.Body), "delete:clients") || strings.Contains(string(r.Body), "read:clients") {
		t.Errorf("it is told %s", r.Body)
	}
	setState(s, s.Token("update:clients", "read:clients", "delete:clients"), mighty, "active", "").Want(http.StatusOK)
	setState(s, s.Token("read:clients"), mighty, "disabled", "").Want(http.StatusForbidden)
	s.Do(s.Token("update:clients"), "GET", "/api/roster/v1/clients/"+mighty+"/state", nil).Want(http.StatusForbidden)
	setState(s, s.Admin, "nobody", "disabled", "").Want(http.StatusNotFound)
	setState(s, s.Admin, mighty, "asleep", "").Want(http.StatusBadRequest)
	var all []map[string]any
	s.Do(s.Admin, "GET", "/api/v2/clients?fields=client_id&is_global=true", nil).Want(http.StatusOK).Decode(&all)
	setState(s, s.Admin, all[0]["client_id"].(string), "disabled", "").Want(http.StatusBadRequest)
}

func TestClientsAreListedByState(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	want := map[string][]string{}
	for i := range 9 {
		o := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": fmt.Sprint("n", i)}).Want(http.StatusCreated).Object()
		id := o["client_id"].(string)
		state := []string{"active", "disabled", "quarantined"}[i%3]
		setState(s, s.Admin, id, state, "")
		want[state] = append(want[state], fmt.Sprint("n", i))
		want[""] = append(want[""], fmt.Sprint("n", i))
	}
	want["active"], want[""] = append(want["active"], "All Applications"), append(want[""], "All Applications")
	for state, names := range want {
		var got []string
		for cursor, pages := "", 0; ; pages++ {
			var page struct {
				Clients []struct{ Name, State string }
				Next    string
			}
			query := url.Values{"limit": {"2"}}
			if state != "" {
				query.Set("state", state)
			}
			if cursor != "" {
				query.Set("after", cursor)
			}
			s.Do(s.Admin, "GET", "/api/roster/v1/clients?"+query.Encode(), nil).Want(http.StatusOK).Decode(&page)
			for _, c := range page.Clients {
				if got = append(got, c.Name); state != "" && c.State != state {
					t.Errorf("%s is listed as %s", c.Name, c.State)
				}
			}
			if cursor = page.Next; cursor == "" || pages > 20 {
				break
			}
		}
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("state %q (-want +got):\n%s", state, diff)
		}
	}
	counts, err := s.Registry.CountStates(t.Context())
	if err != nil || counts["disabled"] != 3 || counts["quarantined"] != 3 || counts["active"] != 4 {
		t.Errorf("counted %v, %v", counts, err)
	}
	s.Do(s.Admin, "GET", "/api/roster/v1/clients?after=x", nil).Want(http.StatusBadRequest)
	s.Do(s.Token("create:clients"), "GET", "/api/roster/v1/clients", nil).Want(http.StatusForbidden)
}
