package auth0_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

// failure is what the dialect's error body says.
func failure(status int, code, message string) map[string]any {
	body := map[string]any{"statusCode": float64(status), "error": http.StatusText(status), "message": message}
	if code != "" {
		body["errorCode"] = code
	}
	return body
}

func wantFailure(t *testing.T, r servertest.Response, status int, code, message string) {
	t.Helper()
	if r.Status != status {
		t.Fatalf("status %d, want %d: %s", r.Status, status, r.Body)
	}
	if diff := cmp.Diff(failure(status, code, message), r.Object()); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if got := r.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
}

// Each rule that a body can break has the words of the reference's validator
// and the place that breaks it.
func TestBodyErrorsNameRuleAndPlace(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x"}`).Want(http.StatusCreated).Object()["client_id"].(string)
	const (
		payload   = "Payload validation error: "
		longText  = "How the client authenticates at the token endpoint with its secret: not at all, in the body, or with HTTP Basic"
		callbacks = "Where users may be sent back to after they signed in (`redirect_uris`): URLs or addresses with a scheme of their own, without a fragment"
	)
	long := strings.Repeat("ü", 141)
	for name, test := range map[string]struct{ method, body, reason, property string }{
		"type":                        {"PATCH", `{"sso":"yes"}`, "Expected type boolean but found type string", "sso (Whether it takes part in single sign-on)"},
		"type of an array":            {"PATCH", `{"callbacks":"x"}`, "Expected type array but found type string", "callbacks (" + callbacks + ")"},
		"type of an item":             {"PATCH", `{"callbacks":["https://x.example",1]}`, "Expected type string but found type integer", "callbacks[1]"},
		"type before enum":            {"PATCH", `{"app_type":{}}`, "Expected type string but found type object", "app_type (What kind of application the client is)"},
		"null where it is not taken":  {"PATCH", `{"name":null}`, "Expected type string but found type null", "name (What people call the client)"},
		"null for an enum":            {"PATCH", `{"jwt_configuration":{"alg":null}}`, "Expected type string but found type null", "jwt_configuration.alg (What signs the tokens: HS256 a shared secret, the others the issuer's key)"},
		"fraction for an integer":     {"PATCH", `{"par_request_expiry":60.5}`, "Expected type integer,null but found type number", "par_request_expiry (How long a pushed authorization request lives, in seconds)"},
		"fraction below an object":    {"PATCH", `{"jwt_configuration":{"lifetime_in_seconds":1.5}}`, "Expected type integer but found type number", "jwt_configuration.lifetime_in_seconds (How long a token lives, in seconds: 0 to 157788000)"},
		"enum":                        {"PATCH", `{"app_type":"toaster"}`, "No enum match for: toaster", "app_type (What kind of application the client is)"},
		"enum behind a reference":     {"PATCH", `{"token_endpoint_auth_method":"magic"}`, "No enum match for: magic", "token_endpoint_auth_method (" + longText + ")"},
		"enum of an item":             {"PATCH", `{"organization_discovery_methods":["email","post"]}`, "No enum match for: post", "organization_discovery_methods[1] (By the domain of the user's e-mail address, or by the organization's name)"},
		"format":                      {"PATCH", `{"callbacks":["javascript:alert(1)"]}`, "Object didn't pass validation for format callback-url: javascript:alert(1)", "callbacks[0]. It must not use a scheme that runs or embeds content, such as javascript or data"},
		"format, a fragment":          {"PATCH", `{"callbacks":["http://localhost:4200/#/callback"]}`, "Object didn't pass validation for format callback-url: http://localhost:4200/#/callback", "callbacks[0]. It must not hold a fragment (#)"},
		"format of a member":          {"PATCH", `{"initiate_login_uri":"http://localhost:3000"}`, "Object didn't pass validation for format absolute-https-uri-with-placeholders-or-empty: http://localhost:3000", "initiate_login_uri (Where a login can be started from outside). It must start with https://"},
		"format behind allOf":         {"PATCH", `{"oidc_backchannel_logout":{"backchannel_logout_urls":["http://x.example"]}}`, "Object didn't pass validation for format absolute-https-uri-with-placeholders-or-empty: http://x.example", "oidc_backchannel_logout.backchannel_logout_urls[0]. It must start with https://"},
		"format behind allOf, create": {"POST", `{"name":"x","oidc_backchannel_logout":{"backchannel_logout_urls":["http://x.example"]}}`, "Object didn't pass validation for format absolute-https-uri-with-placeholders-or-empty: http://x.example", "oidc_backchannel_logout.backchannel_logout_urls[0]. It must start with https://"},
		"pattern":                     {"PATCH", `{"name":"<b>"}`, "String does not match pattern ^[^<>]+$: <b>", "name (What people call the client)"},
		"minLength":                   {"POST", `{"name":"x","custom_login_page":""}`, "String is too short (0 chars), minimum 1", "custom_login_page (HTML of its login page)"},
		"maxLength":                   {"PATCH", `{"description":"` + long + `"}`, "String is too long (141 chars), maximum 140", "description (What the client is for)"},
		"minItems":                    {"PATCH", `{"async_approval_notification_channels":[]}`, "Array is too short (0), minimum 1", "async_approval_notification_channels (How users are asked to approve something in the background, best first)"},
		"maxItems":                    {"PATCH", `{"signed_request_object":{"credentials":[{"id":"cred_1111111111111111111111"},{"id":"cred_2222222222222222222222"},{"id":"cred_3333333333333333333333"}]}}`, "Array is too long (3), maximum 2", "signed_request_object.credentials (The credentials)"},
		"minimum":                     {"PATCH", `{"par_request_expiry":9}`, "Value 9 is less than minimum 10", "par_request_expiry (How long a pushed authorization request lives, in seconds)"},
		"maximum":                     {"PATCH", `{"par_request_expiry":601}`, "Value 601 is greater than maximum 600", "par_request_expiry (How long a pushed authorization request lives, in seconds)"},
		"maximum of many digits":      {"PATCH", `{"token_quota":{"client_credentials":{"per_day":2147483648}}}`, "Value 2147483648 is greater than maximum 2147483647", "token_quota.client_credentials.per_day (How many tokens a day)"},
		"minProperties":               {"PATCH", `{"client_authentication_methods":{}}`, "Too few properties defined (0), minimum 1", "client_authentication_methods (The credentials the client authenticates with from now on: exactly one method, at most two credentials of the client's pool)"},
		"maxProperties":               {"PATCH", `{"client_authentication_methods":{"private_key_jwt":{"credentials":[]},"tls_client_auth":{"credentials":[]}}}`, "Too many properties defined (2), maximum 1", "client_authentication_methods (The credentials the client authenticates with from now on: exactly one method, at most two credentials of the client's pool)"},
		"maxProperties of a create":   {"POST", `{"name":"x","client_metadata":{` + keys(11) + `}}`, "Too many properties defined (11), maximum 10", "client_metadata (Strings of your own by key)"},
		"required":                    {"POST", `{}`, "Missing required property: name", ""},
		"required, first of two":      {"PATCH", `{"default_organization":{}}`, "Missing required property: organization_id", "default_organization (The organization that is meant when a request names none)"},
		"required below":              {"PATCH", `{"addons":{"rms":{}}}`, "Missing required property: url", "addons.rms (Active Directory Rights Management)"},
		"additionalProperties":        {"PATCH", `{"tenant":"x","global":true,"name":"y"}`, "Additional properties not allowed: global,tenant", ""},
		"additionalProperties below":  {"PATCH", `{"resource_servers":[{"identifier":"a","scopes":[],"name":"b"}]}`, "Additional properties not allowed: name", "resource_servers[0] (A resource server and scopes of it)"},
		"oneOf":                       {"PATCH", `{"addons":{"sharepoint":{"external_url":5}}}`, "Data does not match any schemas from 'oneOf'", "addons.sharepoint.external_url (The address or addresses from outside)"},
		"no member":                   {"PATCH", `{}`, "Too few properties defined (0), minimum 1", ""},
		"an array for the body":       {"PATCH", `[]`, "Expected type object but found type array", ""},
		"a text for the body":         {"POST", `"name"`, "Expected type object but found type string", ""},
		"null for the body":           {"POST", `null`, "Expected type object but found type null", ""},
		"metadata value":              {"PATCH", `{"client_metadata":{"a":5}}`, "Expected type string,null but found type integer", "client_metadata.a"},
		"metadata value too long":     {"PATCH", `{"client_metadata":{"a":"` + strings.Repeat("x", 256) + `"}}`, "String is too long (256 chars), maximum 255", "client_metadata.a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := "/api/v2/clients"
			if test.method == "PATCH" {
				path += "/" + id
			}
			message := payload + "'" + test.reason + "'"
			if test.property != "" {
				message += " on property " + test.property
			}
			wantFailure(t, s.Do(s.Admin, test.method, path, test.body), http.StatusBadRequest, "invalid_body", message+".")
		})
	}
}

// keys are n members of an object.
func keys(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"k%d":"v"`, i))
	}
	return strings.Join(all, ",")
}

func TestParameterErrorsNameRuleAndPlace(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const perPage, perPageMin = "per_page (How many a page holds)", "per_page (How many a page holds)"
	for name, test := range map[string]struct{ path, code, message string }{
		"maximum":             {"/clients?per_page=101", "invalid_query_string", "Query validation error: 'Value 101 is greater than maximum 100' on property " + perPage + "."},
		"minimum":             {"/client-grants?per_page=0", "invalid_query_string", "Query validation error: 'Value 0 is less than minimum 1' on property " + perPageMin + "."},
		"not a number":        {"/clients?per_page=x", "invalid_query_string", "Query validation error: 'Expected type integer but found type string' on property " + perPage + "."},
		"empty number":        {"/clients?per_page=", "invalid_query_string", "Query validation error: 'Expected type integer but found type string' on property " + perPage + "."},
		"number of 20 digits": {"/clients?page=99999999999999999999", "invalid_query_string", "Query validation error: 'Expected type integer but found type string' on property page (Which page to show, counted from zero)."},
		"not a boolean":       {"/clients?is_global=maybe", "invalid_query_string", "Query validation error: 'Expected type boolean but found type string' on property is_global (`true` shows only the global client, `false` hides it)."},
		"enum":                {"/client-grants?subject_type=robot", "invalid_query_string", "Query validation error: 'No enum match for: robot' on property subject_type (Shows the grants of this kind)."},
		"too long":            {"/clients?external_client_id=" + strings.Repeat("x", 121), "invalid_query_string", "Query validation error: 'String is too long (121 chars), maximum 120' on property external_client_id (Shows the client that was registered under this metadata document's address)."},
		"NUL in the query":    {"/clients?app_type=%00", "invalid_query_string", "Query validation error: 'Text may not contain NUL characters or malformed UTF-8' on property app_type."},
		"NUL in the path":     {"/clients/a%00", "invalid_uri", "Path validation error: 'Text may not contain NUL characters or malformed UTF-8' on property client_id."},
		"broken UTF-8":        {"/resource-servers/%ff", "invalid_uri", "Path validation error: 'Text may not contain NUL characters or malformed UTF-8' on property id."},
		"a parameter twice":   {"/clients?page=1&page=2", "invalid_query_string", "The request's parameters could not be read."},
		"foreign cursor":      {"/clients?from=abc", "invalid_query_string", "The cursor in from is not valid or has expired; start again without it."},
		"q without take":      {"/clients?q=client_grant.allow_any_organization:true", "invalid_query_string", "q needs checkpoint paging: send take"},
		"q with a filter":     {"/clients?take=5&is_global=false&q=client_grant.allow_any_organization:true", "invalid_query_string", "q cannot be combined with other filters"},
		"q of another field":  {"/clients?take=5&q=name:x", "invalid_query_string", "q takes client_grant.organization_id:{id} or client_grant.allow_any_organization:true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFailure(t, s.Do(s.Admin, "GET", "/api/v2"+test.path, nil), http.StatusBadRequest, test.code, test.message)
		})
	}
}

func TestRulesBeyondTheSchemaHaveTheirOwnWords(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x","client_metadata":{`+keys(10)+`}}`).Want(http.StatusCreated).Object()["client_id"].(string)
	s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"y","client_aliases":["taken"]}`).Want(http.StatusCreated)
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		code, message      string
	}{
		"secret grant without a secret":     {"POST", "/clients", `{"name":"x","grant_types":["client_credentials"],"token_endpoint_auth_method":"none"}`, 400, "invalid_body", `Application must not have Token Endpoint Authentication Method set to "none" when client_credentials grant type is enabled`},
		"own identifier":                    {"POST", "/clients", `{"name":"x","client_id":"mine"}`, 400, "invalid_body", "This operation must be authorized by Auth0"},
		"metadata grows too large":          {"PATCH", "/clients/" + id, `{"client_metadata":{"one-more":"x"}}`, 400, "invalid_body", "Payload validation error: 'Too many properties defined (11), maximum 10' on property client_metadata."},
		"metadata key":                      {"PATCH", "/clients/" + id, `{"client_metadata":{"ключ":"x"}}`, 400, "invalid_body", "client_metadata keys may contain letters, digits, spaces, tabs and :,-+=_*?\"/\\()<>@"},
		"metadata key too long":             {"PATCH", "/clients/" + id, `{"client_metadata":{"` + strings.Repeat("k", 256) + `":"x"}}`, 400, "invalid_body", "client_metadata keys have 1 to 255 characters"},
		"alias of another client":           {"PATCH", "/clients/" + id, `{"client_aliases":["taken"]}`, 409, "conflict", "Another client exists with the same alias."},
		"alias of another, create":          {"POST", "/clients", `{"name":"x","client_aliases":["a","taken"]}`, 409, "conflict", "Another client exists with the same alias."},
		"API that does not exist":           {"POST", "/clients", `{"name":"x","app_type":"resource_server","resource_server_identifier":"https://nowhere.example"}`, 404, "inexistent_resource_server", "The resource server does not exist"},
		"landing client":                    {"POST", "/clients", `{"name":"x","my_organization_configuration":{"allowed_strategies":[],"connection_deletion_behavior":"allow","invitation_landing_client_id":"nobody"}}`, 404, "inexistent_client", "The client does not exist"},
		"landing client of a PATCH":         {"PATCH", "/clients/" + id, `{"my_organization_configuration":{"allowed_strategies":[],"connection_deletion_behavior":"allow","invitation_landing_client_id":"nobody"}}`, 404, "inexistent_client", "The client does not exist"},
		"unknown credential":                {"PATCH", "/clients/" + id, `{"signed_request_object":{"credentials":[{"id":"cred_1111111111111111111111"}]}}`, 400, "invalid_body", "signed_request_object names the credential cred_1111111111111111111111, which the client does not have"},
		"token vault, one connection twice": {"PATCH", "/clients/" + id, `{"token_vault_privileged_access":{"credentials":[],"ip_allowlist":[],"grants":[{"connection":"c","scopes":[]},{"connection":"c","scopes":[]}]}}`, 400, "invalid_body", "token_vault_privileged_access.grants can name a connection only once"},
		"unknown client":                    {"GET", "/clients/this-client-does-not-exist", "", 404, "inexistent_client", "The client does not exist"},
		"unknown client, PATCH":             {"PATCH", "/clients/a%2Fb", `{"name":"y"}`, 404, "inexistent_client", "The client does not exist"},
		"unknown client, rotation":          {"POST", "/clients/nobody/rotate-secret", "", 404, "inexistent_client", "The client does not exist"},
		"unknown client, connections":       {"GET", "/clients/nobody/connections", "", 404, "inexistent_client", "The client does not exist"},
		"unknown grant":                     {"GET", "/client-grants/cgr_0000000000000000", "", 404, "inexistent_client_grant", "The grant does not exist."},
		"unknown API":                       {"GET", "/resource-servers/nowhere", "", 404, "inexistent_resource_server", "The resource server does not exist"},
		"unknown path":                      {"GET", "/users", "", 404, "", "There is nothing at this path."},
		"unknown method":                    {"PUT", "/clients/" + id, "", 405, "", "The path does not take this method."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var body any
			if test.body != "" {
				body = test.body
			}
			wantFailure(t, s.Do(s.Admin, test.method, "/api/v2"+test.path, body), test.status, test.code, test.message)
		})
	}
	global := s.Do(s.Admin, "GET", "/api/v2/clients?is_global=true", nil).Want(http.StatusOK)
	var list []map[string]any
	global.Decode(&list)
	wantFailure(t, s.Do(s.Admin, "DELETE", "/api/v2/clients/"+list[0]["client_id"].(string), nil), http.StatusBadRequest, "invalid_body", "The global client cannot be deleted.")
}

func TestBodiesThatAreNoBodiesAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	for name, test := range map[string]struct {
		body, contentType string
		status            int
		code, message     string
	}{
		"nothing":                   {"", "application/json", 400, "invalid_body", "The payload is not valid JSON."},
		"half an object":            {`{"name":`, "application/json", 400, "invalid_body", "The payload is not valid JSON."},
		"two objects":               {`{"name":"x"}{"name":"y"}`, "application/json", 400, "invalid_body", "The payload is not valid JSON."},
		"a member twice":            {`{"name":"x","name":"y"}`, "application/json", 400, "invalid_body", `The payload has the member "name" twice in one object.`},
		"a member twice below":      {`{"name":"x","client_metadata":{"a":"1","\u0061":"2"}}`, "application/json", 400, "invalid_body", `The payload has the member "a" twice in one object.`},
		"NUL":                       {`{"name":"x\u0000"}`, "application/json", 400, "invalid_body", "The payload has a NUL character in a text."},
		"NUL in a name":             {`{"name":"x","client_metadata":{"a\u0000":"1"}}`, "application/json", 400, "invalid_body", "The payload has a NUL character in a text."},
		"broken UTF-8":              {"{\"name\":\"\xff\"}", "application/json", 400, "invalid_body", "The payload is not valid UTF-8."},
		"deep nesting":              {`{"name":"x","addons":{"samlp":` + deep + `}}`, "application/json", 400, "invalid_body", "The payload is nested deeper than 64 levels."},
		"a number beyond 2^53":      {`{"name":"x","jwt_configuration":{"lifetime_in_seconds":1e30}}`, "application/json", 400, "invalid_body", "The payload has a number that is too large."},
		"plain text":                {`{"name":"x"}`, "text/plain", 415, "", "The payload must be sent as application/json."},
		"no type":                   {`{"name":"x"}`, "", 415, "", "The payload must be sent as application/json."},
		"XML":                       {`<name>x</name>`, "application/xml", 415, "", "The payload must be sent as application/json."},
		"too large":                 {`{"name":"` + strings.Repeat("x", 1<<20) + `"}`, "application/json", 413, "", "The payload exceeds the limit of 1048576 bytes."},
		"form with one name twice":  {"name=x&client_metadata=1&client_metadata[a]=b", "application/x-www-form-urlencoded", 400, "invalid_body", "The payload gives a form name two values."},
		"form with a broken name":   {"name]=x", "application/x-www-form-urlencoded", 400, "invalid_body", "The payload has a malformed form name."},
		"form with a broken escape": {"name=%zz", "application/x-www-form-urlencoded", 400, "invalid_body", "The payload is not a valid form."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFailure(t, s.Do(s.Admin, "POST", "/api/v2/clients", test.body, "Content-Type", test.contentType), test.status, test.code, test.message)
		})
	}
}

func TestFormsAndOddSpellingsOfJSONAreTaken(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for name, test := range map[string]struct {
		body, contentType string
		want              map[string]any
	}{
		"form": {
			"name=a+b&sso=true&callbacks[]=https://x.example/1&callbacks[]=https://x.example/2&client_metadata[team]=core&jwt_configuration[lifetime_in_seconds]=60&grant_types=implicit",
			"application/x-www-form-urlencoded; charset=utf-8",
			map[string]any{
				"name": "a b", "sso": true, "callbacks": []any{"https://x.example/1", "https://x.example/2"}, "grant_types": []any{"implicit"},
				"client_metadata": map[string]any{"team": "core"}, "jwt_configuration": map[string]any{"lifetime_in_seconds": 60.0, "secret_encoded": false},
			},
		},
		"JSON with another charset parameter": {`{"name":"é"}`, `application/json; charset="UTF-8"`, map[string]any{"name": "é"}},
		"upper-case media type":               {`{"name":"x"}`, `Application/JSON`, map[string]any{"name": "x"}},
		"integer spelled as a fraction":       {`{"name":"x","jwt_configuration":{"lifetime_in_seconds":36000.0},"par_request_expiry":6e1}`, "application/json", map[string]any{"par_request_expiry": 60.0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.Do(s.Admin, "POST", "/api/v2/clients", test.body, "Content-Type", test.contentType)
			if r.Status != http.StatusCreated {
				t.Fatalf("status %d: %s", r.Status, r.Body)
			}
			got := r.Object()
			for member := range got {
				if _, ok := test.want[member]; !ok {
					delete(got, member)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("client (-want +got):\n%s", diff)
			}
			if bytes.Contains(r.Body, []byte("36000.0")) || bytes.Contains(r.Body, []byte("6e1")) {
				t.Errorf("integer types cannot read %s", r.Body)
			}
		})
	}
}

func TestWithoutGoodTokenThereIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Do("", "GET", "/api/v2/clients?per_page=x", nil)
	wantFailure(t, r, http.StatusUnauthorized, "", "Missing authentication")
	if got := r.Header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	last := s.Admin[len(s.Admin)-5:]
	tampered := strings.TrimSuffix(s.Admin, last) + strings.Map(func(r rune) rune { return 'A' + (r-'A'+1)%26 }, "ABCDE")
	r = s.Do(tampered, "GET", "/api/v2/clients", nil).Want(http.StatusUnauthorized)
	body := r.Object()
	message, _ := body["message"].(string)
	if diff := cmp.Diff(map[string]any{"statusCode": 401.0, "error": "Unauthorized", "message": message, "attributes": map[string]any{"error": message}}, body); diff != "" || message == "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if got, want := r.Header.Get("WWW-Authenticate"), fmt.Sprintf("Bearer error=%q", message); got != want {
		t.Errorf("WWW-Authenticate is %q, want %q", got, want)
	}
	wantFailure(t, s.Do("x", "GET", "/api/v2/clients", nil), http.StatusBadRequest, "Bearer", "Bad HTTP authentication header format")
	wantFailure(t, s.Do("", "GET", "/api/v2/clients", nil, "Authorization", "Basic eDp5"), http.StatusBadRequest, "Bearer", "Bad HTTP authentication header format")

	// The token comes before the parameters, the scope too.
	token := s.Token("read:client_grants")
	wantFailure(t, s.Do(token, "GET", "/api/v2/clients?per_page=x", nil), http.StatusForbidden, "insufficient_scope",
		"Insufficient scope, expected any of: read:clients,read:client_keys,read:client_credentials,read:client_summary")
	wantFailure(t, s.Do(token, "POST", "/api/v2/clients", "not json"), http.StatusForbidden, "insufficient_scope", "Insufficient scope, expected any of: create:clients")
}
