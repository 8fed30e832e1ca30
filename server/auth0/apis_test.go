package auth0_test

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

// plainAPI is what an API is without being told.
func plainAPI(identifier string, members object) object {
	api := object{
		"identifier": identifier, "allow_offline_access": false, "skip_consent_for_verifiable_first_party_clients": false,
		"subject_type_authorization": object{"client": object{"policy": "require_client_grant"}, "user": object{"policy": "allow_all"}},
		"token_lifetime":             86400.0, "token_lifetime_for_web": 7200.0, "signing_alg": "RS256",
	}
	maps.Copy(api, members)
	maps.DeleteFunc(api, func(_ string, v any) bool { return v == nil })
	return api
}

func TestAPIsFillInDefaults(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id24 := regexp.MustCompile(`^[0-9a-f]{24}$`)
	for identifier, test := range map[string]struct{ body, want object }{
		"https://plain.example/": {object{}, object{}},
		"urn:named":              {object{"name": "n", "scopes": []object{{"value": "a", "description": "A"}}}, object{"name": "n", "scopes": []any{object{"value": "a", "description": "A"}}}},
		"https://own.example": {
			object{"signing_alg": "HS256", "signing_secret": "0123456789abcdef", "token_lifetime": 0, "enforce_policies": true, "token_dialect": "rfc9068_profile_authz"},
			object{"signing_alg": "HS256", "signing_secret": "0123456789abcdef", "token_lifetime": 0.0, "enforce_policies": true, "token_dialect": "rfc9068_profile_authz"},
		},
		"hidden secret": {object{"signing_secret": "0123456789abcdef"}, object{}},
		"policies": {
			object{"subject_type_authorization": object{"user": object{"policy": "deny_all"}}, "consent_policy": "transactional-authorization-with-mfa", "proof_of_possession": object{"mechanism": "dpop", "required": true, "required_for": "all_clients"}},
			object{"subject_type_authorization": object{"client": object{"policy": "require_client_grant"}, "user": object{"policy": "deny_all"}}, "consent_policy": "transactional-authorization-with-mfa", "proof_of_possession": object{"mechanism": "dpop", "required": true, "required_for": "all_clients"}},
		},
		strings.Repeat("i", 600): {object{"allow_online_access": true, "allow_offline_access": true, "token_lifetime_for_web": 60}, object{"allow_online_access": true, "allow_offline_access": true, "token_lifetime_for_web": 60.0}},
	} {
		body := maps.Clone(test.body)
		body["identifier"] = identifier
		created := s.Do(s.Admin, "POST", "/api/v2/resource-servers", body).Want(http.StatusCreated).Object()
		id, _ := created["id"].(string)
		if !id24.MatchString(id) {
			t.Errorf("%s: the id is %q", identifier, id)
		}
		want := plainAPI(identifier, test.want)
		want["id"] = id
		if diff := cmp.Diff(want, created); diff != "" {
			t.Errorf("%s (-want +got):\n%s", identifier, diff)
		}
		// By id, by identifier escaped once, and twice.
		for _, name := range []string{id, url.PathEscape(identifier), url.PathEscape(url.PathEscape(identifier))} {
			if diff := cmp.Diff(created, s.Do(s.Admin, "GET", "/api/v2/resource-servers/"+name, nil).Want(http.StatusOK).Object()); diff != "" {
				t.Errorf("%s read as %s (-created +read):\n%s", identifier, name, diff)
			}
		}
	}
	generated := s.Do(s.Admin, "POST", "/api/v2/resource-servers", `{"identifier":"hs","signing_alg":"HS256"}`).Want(http.StatusCreated).Object()
	if secret, _ := generated["signing_secret"].(string); len(secret) < 32 {
		t.Errorf("an API that signs with HS256 got the secret %q", secret)
	}
}

// An identifier that looks escaped is found under its own name first.
func TestAPIIdentifiersMayLookEscaped(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, identifier := range []string{"a%2Fb", "a/b"} {
		newAPI(s, identifier)
	}
	for name, want := range map[string]string{"a%2Fb": "a/b", "a%252Fb": "a%2Fb"} {
		if got := s.Do(s.Admin, "GET", "/api/v2/resource-servers/"+name, nil).Want(http.StatusOK).Object()["identifier"]; got != want {
			t.Errorf("%s finds %v, want %s", name, got, want)
		}
	}
}

func TestAPIChanges(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	api := s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{
		"identifier": apiIdentifier, "authorization_details": []object{{"type": "t"}}, "proof_of_possession": object{"mechanism": "mtls", "required": true},
		"token_encryption": object{"format": "compact-nested-jwe", "encryption_key": object{"alg": "RSA-OAEP-256", "pem": publicKeyPEM(t, &credentialKeys[0]().PublicKey)}},
		"consent_policy":   "transactional-authorization-with-mfa", "authorization_policy": object{"policy_id": "p"},
	}).Want(http.StatusCreated).Object()
	for _, step := range []struct {
		change string
		want   object
	}{
		{`{}`, object{}},
		{`{"authorization_details":null}`, object{"authorization_details": nil}},
		{`{"token_encryption":null}`, object{"token_encryption": nil}},
		{`{"proof_of_possession":null}`, object{"proof_of_possession": nil}},
		{`{"consent_policy":null,"authorization_policy":null}`, object{"consent_policy": nil, "authorization_policy": nil}},
		{`{"name":"n","token_lifetime":60,"allow_offline_access":true}`, object{"name": "n", "token_lifetime": 60.0, "allow_offline_access": true}},
		{`{"scopes":[{"value":"a"},{"value":"b"}]}`, object{"scopes": []any{object{"value": "a"}, object{"value": "b"}}}},
		{`{"scopes":[]}`, object{"scopes": []any{}}},
		{`{"subject_type_authorization":{"client":{"policy":"deny_all"}}}`, object{"subject_type_authorization": object{"client": object{"policy": "deny_all"}, "user": object{"policy": "allow_all"}}}},
		{`{"subject_type_authorization":{"anonymous_user":{"policy":"deny_all"}},"token_lifetime_for_anonymous_access_tokens":60}`, object{
			"subject_type_authorization":                 object{"client": object{"policy": "deny_all"}, "user": object{"policy": "allow_all"}, "anonymous_user": object{"policy": "deny_all"}},
			"token_lifetime_for_anonymous_access_tokens": 60.0,
		}},
		{`{"token_lifetime_for_anonymous_access_tokens":null}`, object{"token_lifetime_for_anonymous_access_tokens": nil}},
		{`{"signing_alg":"HS256","signing_secret":"sixteen letters!"}`, object{"signing_alg": "HS256", "signing_secret": "sixteen letters!"}},
		{`{"signing_alg":"PS256"}`, object{"signing_alg": "PS256", "signing_secret": nil}},
		{`{"signing_alg":"HS256"}`, object{"signing_alg": "HS256", "signing_secret": "sixteen letters!"}},
	} {
		maps.Copy(api, step.want)
		maps.DeleteFunc(api, func(_ string, v any) bool { return v == nil })
		if diff := cmp.Diff(api, s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/https:%2F%2Fapi.example%2F", step.change).Want(http.StatusOK).Object()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.change, diff)
		}
	}
	for range 2 {
		s.Do(s.Admin, "DELETE", "/api/v2/resource-servers/"+api["id"].(string), nil).Want(http.StatusNoContent)
	}
	wantFailure(t, s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/"+api["id"].(string), `{"name":"x"}`), http.StatusNotFound, "inexistent_resource_server", "The resource server does not exist")
}

func TestAPIScopesTakenAwayLeaveTheGrants(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	newAPI(s, apiIdentifier)
	grant := s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": newClient(s, nil), "audience": apiIdentifier, "scope": []string{"c", "a", "b"}}).Want(http.StatusCreated).Object()["id"].(string)
	untouched := s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": newClient(s, nil), "audience": apiIdentifier, "scope": []string{"a"}}).Want(http.StatusCreated).Object()["id"].(string)
	s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/https:%2F%2Fapi.example%2F", `{"scopes":[{"value":"a"},{"value":"c"},{"value":"new"}]}`).Want(http.StatusOK)
	for id, want := range map[string][]any{grant: {"c", "a"}, untouched: {"a"}} {
		if diff := cmp.Diff(want, s.Do(s.Admin, "GET", "/api/v2/client-grants/"+id, nil).Want(http.StatusOK).Object()["scope"]); diff != "" {
			t.Errorf("scope of the grant (-want +got):\n%s", diff)
		}
		s.Do(s.Admin, "PATCH", "/api/v2/client-grants/"+id, `{"organization_usage":"deny"}`).Want(http.StatusOK)
	}
	var changed, same int
	for id, n := range map[string]*int{grant: &changed, untouched: &same} {
		if err := s.Pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE target = $1 AND action = 'client_grant.updated'`, id).Scan(n); err != nil {
			t.Fatal(err)
		}
	}
	if changed != 2 || same != 1 {
		t.Errorf("the trail has %d and %d changes of the grants", changed, same)
	}
}

func TestSystemAPIStaysAsItIs(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	identifier := s.Registry.ManagementAudience()
	path := "/api/v2/resource-servers/" + url.QueryEscape(identifier)
	system := s.Do(s.Admin, "GET", path, nil).Want(http.StatusOK).Object()
	scopes := []string{}
	for _, scope := range system["scopes"].([]any) {
		scopes = append(scopes, scope.(object)["value"].(string))
	}
	if diff := cmp.Diff(everyScope(t), scopes); diff != "" {
		t.Errorf("scopes of the system API (-want +got):\n%s", diff)
	}
	want := plainAPI(identifier, object{"name": "Auth0 Management API", "is_system": true, "scopes": system["scopes"], "id": system["id"]})
	if diff := cmp.Diff(want, system); diff != "" {
		t.Errorf("system API (-want +got):\n%s", diff)
	}
	wantFailure(t, s.Do(s.Admin, "PATCH", path, `{"name":"x"}`), http.StatusBadRequest, "invalid_body", "The system API cannot be changed.")
	wantFailure(t, s.Do(s.Admin, "DELETE", path, nil), http.StatusBadRequest, "invalid_body", "The system API cannot be changed.")
	for _, spelling := range []string{identifier, strings.TrimSuffix(identifier, "/")} {
		wantFailure(t, s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": spelling}), http.StatusBadRequest, "invalid_body", "The identifier is reserved for the system API.")
	}
	if diff := cmp.Diff(system, s.Do(s.Admin, "GET", path, nil).Want(http.StatusOK).Object()); diff != "" {
		t.Errorf("the system API changed:\n%s", diff)
	}
}

func TestAPIsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	newAPI(s, apiIdentifier)
	for name, test := range map[string]struct {
		method, body  string
		status        int
		code, message string
	}{
		"a second one":      {"POST", `{"identifier":"` + apiIdentifier + `"}`, 409, "conflict", "A resource server with the same identifier exists already."},
		"no identifier":     {"POST", `{"name":"x"}`, 400, "invalid_body", "Payload validation error: 'Missing required property: identifier'."},
		"identifier length": {"POST", `{"identifier":"` + strings.Repeat("i", 601) + `"}`, 400, "invalid_body", "Payload validation error: 'String is too long (601 chars), maximum 600' on property identifier (The audience of its tokens, usually a URL)."},
		"short secret":      {"POST", `{"identifier":"x","signing_secret":"short"}`, 400, "invalid_body", "Payload validation error: 'String is too short (5 chars), minimum 16' on property signing_secret (What HS256 signs with, 16 characters or more)."},
		"long lifetime":     {"PATCH", `{"token_lifetime":2592001}`, 400, "invalid_body", "Payload validation error: 'Value 2592001 is greater than maximum 2592000' on property token_lifetime (How long a token lives, in seconds)."},
		"scope twice":       {"PATCH", `{"scopes":[{"value":"a"},{"value":"a"}]}`, 400, "invalid_body", "scopes names the value a twice"},
		"empty scope":       {"PATCH", `{"scopes":[{"value":"a"},{"value":""}]}`, 400, "invalid_body", "Payload validation error: 'String is too short (0 chars), minimum 1' on property scopes[1].value (The scope as tokens carry it)."},
		"identifier again":  {"PATCH", `{"identifier":"https://y.example"}`, 400, "invalid_body", "Payload validation error: 'Additional properties not allowed: identifier'."},
		"system by itself":  {"PATCH", `{"is_system":true,"id":"x"}`, 400, "invalid_body", "Payload validation error: 'Additional properties not allowed: id,is_system'."},
		"name in HTML":      {"PATCH", `{"name":"<b>"}`, 400, "invalid_body", "Payload validation error: 'String does not match pattern ^[^<>]+$: <b>' on property name (What people call it)."},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/api/v2/resource-servers"
			if test.method == "PATCH" {
				path += "/https:%2F%2Fapi.example%2F"
			}
			wantFailure(t, s.Do(s.Admin, test.method, path, test.body), test.status, test.code, test.message)
		})
	}
}

func TestAPIListsFilterAndPage(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	all := []string{s.Registry.ManagementAudience(), "a", "https://b.example/", "c"}
	for _, identifier := range all[1:] {
		newAPI(s, identifier)
	}
	for query, want := range map[string][]string{
		"":                  all,
		"per_page=2&page=1": all[2:],
		"per_page=2&page=2": {},
		"identifiers=c":     {"c"},
		"identifiers=c&identifiers=https://b.example/&identifiers=nothing": {"https://b.example/", "c"},
		"include_fields=true&unknown=1":                                    all,
	} {
		var list []object
		s.Do(s.Admin, "GET", "/api/v2/resource-servers?"+query, nil).Want(http.StatusOK).Decode(&list)
		got := []string{}
		for _, one := range list {
			got = append(got, one["identifier"].(string))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	totals := s.Do(s.Admin, "GET", "/api/v2/resource-servers?include_totals=true&per_page=2&page=1", nil).Want(http.StatusOK).Object()
	delete(totals, "resource_servers")
	if diff := cmp.Diff(object{"total": 4.0, "start": 2.0, "limit": 2.0}, totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestClientStandsForOneAPI(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	newAPI(s, apiIdentifier)
	body := object{"name": "x", "app_type": "resource_server", "resource_server_identifier": apiIdentifier}
	client := s.Do(s.Admin, "POST", "/api/v2/clients", body).Want(http.StatusCreated).Object()["client_id"]
	shown := func() any {
		return s.Do(s.Admin, "GET", "/api/v2/resource-servers/https:%2F%2Fapi.example%2F", nil).Want(http.StatusOK).Object()["client_id"]
	}
	if got := shown(); got != client {
		t.Errorf("the API shows the client %v", got)
	}
	wantFailure(t, s.Do(s.Admin, "POST", "/api/v2/clients", body), http.StatusConflict, "conflict", "The resource server has a client already.")
	s.Do(s.Admin, "DELETE", "/api/v2/clients/"+client.(string), nil).Want(http.StatusNoContent)
	if got := shown(); got != nil {
		t.Errorf("the API still shows %v", got)
	}
	s.Do(s.Admin, "POST", "/api/v2/clients", body).Want(http.StatusCreated)
	if !slices.Contains(names(t, s.Do(s.Admin, "GET", "/api/v2/clients", nil), "resource_server_identifier"), apiIdentifier) {
		t.Error("the client does not show the API")
	}
}
