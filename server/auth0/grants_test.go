package auth0_test

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

const apiIdentifier = "https://api.example/"

// newAPI registers an API with three scopes.
func newAPI(s *servertest.Server, identifier string) object {
	return s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{
		"identifier": identifier, "name": "api", "scopes": []object{{"value": "a"}, {"value": "b", "description": "B"}, {"value": "c"}},
	}).Want(http.StatusCreated).Object()
}

var grantID = regexp.MustCompile(`^cgr_[A-Za-z0-9]{16}$`)

func TestGrantsShowWhatTheyWereGiven(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	newAPI(s, apiIdentifier)
	for name, test := range map[string]struct{ body, want object }{
		"defaults":   {object{}, object{"scope": []any{}}},
		"scopes":     {object{"scope": []string{"a", "b"}}, object{"scope": []any{"a", "b"}}},
		"later ones": {object{"scope": []string{"z", "a"}}, object{"scope": []any{"z", "a"}}},
		"all scopes": {object{"allow_all_scopes": true, "scope": []string{"a"}}, object{"allow_all_scopes": true}},
		"for users":  {object{"subject_type": "user", "scope": []string{"a"}}, object{"subject_type": "user", "scope": []any{"a"}}},
		"organizations": {
			object{"organization_usage": "allow", "allow_any_organization": true, "authorization_details_types": []string{"payment"}, "scope": []string{}},
			object{"organization_usage": "allow", "allow_any_organization": true, "authorization_details_types": []any{"payment"}, "scope": []any{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := object{"client_id": newClient(s, nil), "audience": apiIdentifier, "subject_type": "client"}
			body := object{"client_id": want["client_id"], "audience": apiIdentifier}
			for member, value := range test.body {
				body[member] = value
			}
			for member, value := range test.want {
				want[member] = value
			}
			created := s.Do(s.Admin, "POST", "/api/v2/client-grants", body).Want(http.StatusCreated).Object()
			id, _ := created["id"].(string)
			if !grantID.MatchString(id) {
				t.Errorf("the id is %q", id)
			}
			want["id"] = id
			if diff := cmp.Diff(want, created); diff != "" {
				t.Errorf("grant (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(created, s.Do(s.Admin, "GET", "/api/v2/client-grants/"+id, nil).Want(http.StatusOK).Object()); diff != "" {
				t.Errorf("as read (-created +read):\n%s", diff)
			}
		})
	}
	byDefault := s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"default_for": "third_party_clients", "audience": apiIdentifier, "scope": []string{"a"}}).Want(http.StatusCreated).Object()
	if byDefault["client_id"] != nil || byDefault["default_for"] != "third_party_clients" {
		t.Errorf("a default grant is %v", byDefault)
	}
}

func TestGrantChanges(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	newAPI(s, apiIdentifier)
	grant := s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": newClient(s, nil), "audience": apiIdentifier, "scope": []string{"a"}}).Want(http.StatusCreated).Object()
	path := "/api/v2/client-grants/" + grant["id"].(string)
	for _, step := range []struct {
		change string
		want   object // members that differ from the grant as made
	}{
		{`{"scope":["a","b"]}`, object{"scope": []any{"a", "b"}}},
		{`{"organization_usage":"require","allow_any_organization":true}`, object{"scope": []any{"a", "b"}, "organization_usage": "require", "allow_any_organization": true}},
		{`{"organization_usage":null,"allow_any_organization":null}`, object{"scope": []any{"a", "b"}}},
		{`{"allow_all_scopes":true}`, object{"allow_all_scopes": true, "scope": nil}},
		{`{"allow_all_scopes":false,"scope":[]}`, object{"allow_all_scopes": false, "scope": []any{}}},
		{`{"allow_all_scopes":null,"scope":["c"]}`, object{"scope": []any{"c"}}},
		{`{"scope":null}`, object{"scope": []any{}}},
		{`{"authorization_details_types":["x"]}`, object{"scope": []any{}, "authorization_details_types": []any{"x"}}},
		{`{"scope":["a","later"]}`, object{"scope": []any{"a", "later"}, "authorization_details_types": []any{"x"}}},
	} {
		want := object{}
		for _, members := range []object{grant, step.want} {
			for name, value := range members {
				want[name] = value
				if value == nil {
					delete(want, name)
				}
			}
		}
		if diff := cmp.Diff(want, s.Do(s.Admin, "PATCH", path, step.change).Want(http.StatusOK).Object()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.change, diff)
		}
		if diff := cmp.Diff(want, s.Do(s.Admin, "GET", path, nil).Want(http.StatusOK).Object()); diff != "" {
			t.Errorf("%s, as read (-want +got):\n%s", step.change, diff)
		}
	}
	s.Do(s.Admin, "DELETE", path, nil).Want(http.StatusNoContent)
	s.Do(s.Admin, "DELETE", path, nil).Want(http.StatusNoContent)
	wantFailure(t, s.Do(s.Admin, "PATCH", path, `{"scope":[]}`), http.StatusNotFound, "inexistent_client_grant", "The grant does not exist.")
}

func TestGrantsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	newAPI(s, apiIdentifier)
	client := newClient(s, nil)
	express := newClient(s, object{"app_type": "express_configuration"})
	id := s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": client, "audience": apiIdentifier, "scope": []string{"a"}}).Want(http.StatusCreated).Object()["id"].(string)
	management := s.URL + "/api/v2/"
	managing := s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": client, "audience": management, "scope": []string{}}).Want(http.StatusCreated).Object()["id"].(string)
	const subset = "Payload validation error: scope must be a subset of resource server scopes"
	for name, test := range map[string]struct {
		body          object // of a POST; nil for a PATCH with change
		change        string
		status        int
		code, message string
	}{
		"a second one":           {object{"client_id": client, "audience": apiIdentifier, "scope": []string{}}, "", 409, "conflict", "A grant for this client and audience exists already."},
		"no client":              {object{"client_id": "nobody", "audience": apiIdentifier}, "", 404, "inexistent_client", "The client does not exist"},
		"no API":                 {object{"client_id": client, "audience": "https://nowhere.example"}, "", 404, "inexistent_resource_server", "The resource server does not exist"},
		"nobody":                 {object{"audience": apiIdentifier}, "", 400, "invalid_body", "Exactly one of client_id and default_for must be set."},
		"a client and a default": {object{"client_id": client, "default_for": "third_party_clients", "audience": apiIdentifier}, "", 400, "invalid_body", "Exactly one of client_id and default_for must be set."},
		"a kind without grants":  {object{"client_id": express, "audience": apiIdentifier}, "", 400, "validation_error", "Client of type express_configuration cannot be used"},
		"no management scope":    {object{"client_id": newClient(s, nil), "audience": management, "scope": []string{"read:clients", "z"}}, "", 400, "invalid_body", subset},
		"another client":         {nil, `{"client_id":"x","audience":"y"}`, 400, "invalid_body", "Payload validation error: 'Additional properties not allowed: audience,client_id'."},
		"nothing changed":        {nil, `{}`, 400, "invalid_body", "Payload validation error: 'Too few properties defined (0), minimum 1'."},
		"empty audience":         {object{"client_id": client, "audience": ""}, "", 400, "invalid_body", "Payload validation error: 'String is too short (0 chars), minimum 1' on property audience (The identifier of the resource server)."},
		"null where it stays":    {nil, `{"authorization_details_types":null}`, 400, "invalid_body", "Payload validation error: 'Expected type array but found type null' on property authorization_details_types (The types of authorization details (RFC 9396) the client may ask for)."},
	} {
		t.Run(name, func(t *testing.T) {
			if test.body != nil {
				wantFailure(t, s.Do(s.Admin, "POST", "/api/v2/client-grants", test.body), test.status, test.code, test.message)
			} else {
				wantFailure(t, s.Do(s.Admin, "PATCH", "/api/v2/client-grants/"+id, test.change), test.status, test.code, test.message)
			}
		})
	}
	wantFailure(t, s.Do(s.Admin, "PATCH", "/api/v2/client-grants/"+managing, `{"scope":["read:clients","z"]}`), 400, "invalid_body", subset)
}

func TestGrantListsFilterAndPage(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	newAPI(s, apiIdentifier)
	newAPI(s, "https://other.example/")
	var ids, clients []string
	for i := range 4 {
		clients = append(clients, newClient(s, nil))
		audience := []string{apiIdentifier, "https://other.example/"}[i%2]
		g := s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": clients[i], "audience": audience, "allow_any_organization": i == 3}).Want(http.StatusCreated).Object()
		ids = append(ids, g["id"].(string))
	}
	for _, body := range []object{
		{"client_id": clients[0], "audience": apiIdentifier, "subject_type": "user"},
		{"default_for": "third_party_clients", "audience": apiIdentifier},
	} {
		ids = append(ids, s.Do(s.Admin, "POST", "/api/v2/client-grants", body).Want(http.StatusCreated).Object()["id"].(string))
	}
	pick := func(indexes ...int) []string {
		picked := []string{}
		for _, i := range indexes {
			picked = append(picked, ids[i])
		}
		return picked
	}
	for query, want := range map[string][]string{
		"":                                ids,
		"audience=" + apiIdentifier:       pick(0, 2, 4, 5),
		"client_id=" + clients[0]:         pick(0, 4),
		"client_id=nobody":                {},
		"subject_type=user":               pick(4),
		"default_for=third_party_clients": pick(5),
		"allow_any_organization=true":     pick(3),
		"per_page=2&page=1":               pick(2, 3),
		"per_page=2&page=9":               {},
		"audience=" + apiIdentifier + "&subject_type=client&per_page=1&page=1": pick(2),
	} {
		var list []object
		s.Do(s.Admin, "GET", "/api/v2/client-grants?"+query, nil).Want(http.StatusOK).Decode(&list)
		got := []string{}
		for _, one := range list {
			got = append(got, one["id"].(string))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	totals := s.Do(s.Admin, "GET", "/api/v2/client-grants?include_totals=true&per_page=2&page=1&audience="+apiIdentifier, nil).Want(http.StatusOK).Object()
	delete(totals, "client_grants")
	if diff := cmp.Diff(object{"total": 4.0, "start": 2.0, "limit": 2.0}, totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	// Both ways of paging at once, as Terraform asks.
	walked := []string{}
	for from := ""; ; {
		page := s.Do(s.Admin, "GET", "/api/v2/client-grants?include_totals=true&per_page=50&take=2"+from, nil).Want(http.StatusOK).Object()
		for _, one := range page["client_grants"].([]any) {
			walked = append(walked, one.(object)["id"].(string))
		}
		next, more := page["next"].(string)
		if page["total"] != nil {
			t.Error("a checkpoint page has a total")
		}
		if !more {
			break
		}
		from = "&from=" + next
	}
	if diff := cmp.Diff(ids, walked); diff != "" {
		t.Errorf("checkpoint pages (-want +got):\n%s", diff)
	}
	first := "/api/v2/client-grants/" + ids[0] + "/organizations"
	if got := string(s.Do(s.Admin, "GET", first, nil).Want(http.StatusOK).Body); got != "[]\n" {
		t.Errorf("organizations are %s", got)
	}
	if diff := cmp.Diff(object{"organizations": []any{}}, s.Do(s.Admin, "GET", first+"?take=5", nil).Want(http.StatusOK).Object()); diff != "" {
		t.Errorf("organizations (-want +got):\n%s", diff)
	}
	s.Do(s.Admin, "GET", "/api/v2/client-grants/nothing/organizations", nil).Want(http.StatusNotFound)
}

func TestGrantsGoWithTheirClientOrAPI(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	var paths []string
	for i := range 2 {
		api := fmt.Sprintf("https://api%d.example/", i)
		newAPI(s, api)
		client := newClient(s, nil)
		id := s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": client, "audience": api}).Want(http.StatusCreated).Object()["id"].(string)
		paths = append(paths, "/api/v2/client-grants/"+id)
		if i == 0 {
			s.Do(s.Admin, "DELETE", "/api/v2/clients/"+client, nil).Want(http.StatusNoContent)
		} else {
			s.Do(s.Admin, "DELETE", "/api/v2/resource-servers/https:%2F%2Fapi1.example%2F", nil).Want(http.StatusNoContent)
		}
	}
	for _, path := range paths {
		s.Do(s.Admin, "GET", path, nil).Want(http.StatusNotFound)
	}
}
