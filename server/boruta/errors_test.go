package boruta_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// One row a status: code, and whether the body says more than code and message.
func TestErrorBodies(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(nil)
	noScope := a.Token("read:clients")
	for name, test := range map[string]struct {
		token, method, path string
		body                any
		status              int
		code                string
		errors              any
	}{
		"no token":       {"", "GET", path(c), nil, 401, "UNAUTHORIZED", unauthorized["errors"]},
		"bad token":      {"nonsense", "GET", path(c), nil, 401, "UNAUTHORIZED", unauthorized["errors"]},
		"no scope":       {noScope, "GET", path(c), nil, 403, "FORBIDDEN", forbidden["errors"]},
		"not found":      {a.Admin, "GET", "/api/clients/" + uuid.NewString(), nil, 404, "NOT_FOUND", nil},
		"no uuid":        {a.Admin, "GET", "/api/clients/x", nil, 400, "BAD_REQUEST", nil},
		"undashed uuid":  {a.Admin, "GET", "/api/clients/" + strings.ReplaceAll(id(c), "-", ""), nil, 400, "BAD_REQUEST", nil},
		"no envelope":    {a.Admin, "PATCH", path(c), object{"name": "x"}, 400, "BAD_REQUEST", nil},
		"text envelope":  {a.Admin, "PATCH", path(c), object{"client": "x"}, 400, "BAD_REQUEST", nil},
		"null envelope":  {a.Admin, "POST", "/api/clients", object{"client": nil}, 400, "BAD_REQUEST", nil},
		"no body":        {a.Admin, "POST", "/api/clients", nil, 400, "BAD_REQUEST", nil},
		"array":          {a.Admin, "POST", "/api/clients", "[1]", 400, "BAD_REQUEST", nil},
		"malformed JSON": {a.Admin, "POST", "/api/clients", "{", 400, "BAD_REQUEST", object{"resource": []any{"the requested with given parameters cannot be processed."}}},
		"NUL":            {a.Admin, "PATCH", path(c), `{"client":{"name":"\u0000"}}`, 400, "BAD_REQUEST", object{"resource": []any{"the requested with given parameters cannot be processed."}}},
		"member twice":   {a.Admin, "PATCH", path(c), `{"client":{"name":"a","name":"b"}}`, 400, "BAD_REQUEST", object{"resource": []any{"the requested with given parameters cannot be processed."}}},
		"unprocessable":  {a.Admin, "PATCH", path(c), object{"client": object{"pkce": 5}}, 422, "UNPROCESSABLE_ENTITY", object{"pkce": []any{"is invalid"}}},
		"too large":      {a.Admin, "POST", "/api/clients", `{"client":{"name":"` + strings.Repeat("n", 1<<20) + `"}}`, 413, "REQUEST_ENTITY_TOO_LARGE", nil},
		"unknown path":   {a.Admin, "GET", "/api/nothing", nil, 404, "NOT_FOUND", nil},
		"unknown method": {a.Admin, "PUT", "/api/clients", nil, 404, "NOT_FOUND", nil},
		"scope":          {a.Admin, "GET", "/api/scopes/" + uuid.NewString(), nil, 404, "NOT_FOUND", nil},
		"key pair":       {a.Admin, "POST", "/api/key-pairs/" + uuid.NewString() + "/rotate", nil, 404, "NOT_FOUND", nil},
		"provider":       {a.Admin, "DELETE", "/api/identity-providers/" + uuid.NewString(), nil, 404, "NOT_FOUND", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := a.Do(test.token, test.method, test.path, test.body).Want(test.status)
			body := r.Object()
			if body["code"] != test.code || body["message"] == "" || r.Header.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("answered %s with %s", r.Header.Get("Content-Type"), r.Body)
			}
			if diff := cmp.Diff(test.errors, body["errors"]); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			for _, leak := range []string{"pgx", "SQL", "oauth.", "Bearer", c["secret"].(string)} {
				if strings.Contains(string(r.Body), leak) {
					t.Errorf("the body tells of %s: %s", leak, r.Body)
				}
			}
		})
	}
}

// Each request is wrong in every way that comes after the one it is refused for.
func TestOrderOfRefusals(t *testing.T) {
	t.Parallel()
	a := start(t)
	const protected = "6a2f41a3-c54c-fce8-32d2-0324e1c32e20"
	a.create(object{"id": protected})
	c := a.create(nil)
	noScope, manages := a.Token("read:clients"), a.Token(manager)
	html := []string{"Accept", "text/html"}
	bad := `{"client":{"redirect_uris":["bad"],"identity_provider":{"id":"bad"}}}`
	for name, test := range map[string]struct {
		token, method, path, body string
		header                    []string
		status                    int
	}{
		"1 malformed JSON":         {"", "PATCH", "/api/clients/x", "{", html, 400},
		"2 Accept":                 {"", "PATCH", "/api/clients/x", "{}", html, 406},
		"2 Accept of XML":          {"", "PATCH", "/api/clients/x", "{}", []string{"Accept", "application/xml"}, 406},
		"3 no token":               {"", "PATCH", "/api/clients/x", "{}", nil, 401},
		"4 no scope":               {noScope, "PATCH", "/api/clients/x", "{}", nil, 403},
		"5 no envelope":            {manages, "PATCH", "/api/clients/" + uuid.NewString(), "{}", nil, 400},
		"6 not found":              {manages, "PATCH", "/api/clients/" + uuid.NewString(), bad, nil, 404},
		"6 no uuid":                {manages, "PATCH", "/api/clients/x", bad, nil, 400},
		"6 protected":              {manages, "PATCH", "/api/clients/" + protected, bad, nil, 403},
		"6 delete of protected":    {manages, "DELETE", "/api/clients/" + protected, "", nil, 403},
		"7 members":                {manages, "PATCH", path(c), bad, nil, 422},
		"Accept of anything":       {manages, "GET", path(c), "", []string{"Accept", "*/*"}, 200},
		"Accept of JSON and more":  {manages, "GET", path(c), "", []string{"Accept", "text/html, application/json;q=0.5"}, 200},
		"Accept of the panel":      {manages, "GET", path(c), "", []string{"Accept", "application/json, text/plain, */*"}, 200},
		"body of another type":     {manages, "PATCH", path(c), bad, []string{"Content-Type", "text/plain"}, 400},
		"body of a JSON-like type": {manages, "PATCH", path(c), bad, []string{"Content-Type", "application/vnd.x+json"}, 422},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var body any
			if test.body != "" {
				body = test.body
			}
			a.Do(test.token, test.method, test.path, body, test.header...).Want(test.status)
		})
	}
}

func TestTolerances(t *testing.T) {
	t.Parallel()
	a := start(t)
	r := a.Do(a.Admin, "POST", "/api/clients/", object{"client": a.quick(object{"name": "slash", "unknown": 1}), "other": 2}).Want(http.StatusCreated)
	c := r.Object()["data"].(object)
	for _, at := range []string{path(c), path(c) + "/", "/api/clients/" + strings.ToUpper(id(c))} {
		got := a.Do(a.Admin, "GET", at, nil).Want(http.StatusOK).Object()["data"]
		if diff := cmp.Diff(any(c), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", at, diff)
		}
	}
	a.Do(a.Admin, "PATCH", path(c)+"/", object{"client": object{"name": "changed"}}).Want(http.StatusOK)
	a.Do(a.Admin, "POST", path(c)+"/regenerate_did/", nil).Want(http.StatusOK)
	a.Do(a.Admin, "POST", path(c)+"/regenerate_key_pair/", "not json at all", "Content-Type", "text/plain").Want(http.StatusOK)
	for _, collection := range []string{"clients", "scopes", "key-pairs", "identity-providers"} {
		a.Do(a.Admin, "GET", "/api/"+collection+"/", nil).Want(http.StatusOK)
	}
	head := a.Do(a.Admin, "HEAD", path(c), nil).Want(http.StatusOK)
	if len(head.Body) > 0 || head.Header.Get("ETag") == "" {
		t.Errorf("HEAD answers %q with %v", head.Body, head.Header)
	}
	a.Do("", "HEAD", path(c), nil).Want(http.StatusUnauthorized)
	a.Do(a.Admin, "GET", path(c)+"//", nil).Want(http.StatusNotFound)
}

func TestValidatorsGuardChanges(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(object{"authorized_scopes": []object{{"name": "shown"}}})
	read := func() string { return a.Do(a.Admin, "GET", path(c), nil).Want(http.StatusOK).Header.Get("ETag") }
	tag := read()
	a.Do(a.Admin, "GET", path(c), nil, "If-None-Match", tag).Want(http.StatusNotModified)
	s := a.Do(a.Admin, "GET", "/api/scopes", nil).Want(http.StatusOK).Object()["data"].([]any)[0].(object)
	a.Do(a.Admin, "PATCH", "/api/scopes/"+id(s), object{"scope": object{"public": true}}).Want(http.StatusOK)
	a.Do(a.Admin, "GET", path(c), nil, "If-None-Match", tag).Want(http.StatusOK) // it shows the scope
	a.Do(a.Admin, "PATCH", path(c), object{"client": object{"name": "x"}}, "If-Match", read()).Want(http.StatusOK)
	for _, stale := range []string{tag, `"x"`, `"v0-"`, `W/"v1-1"`} {
		a.Do(a.Admin, "PATCH", path(c), object{"client": object{"name": "y"}}, "If-Match", stale).Want(http.StatusPreconditionFailed)
		a.Do(a.Admin, "DELETE", path(c), nil, "If-Match", stale).Want(http.StatusPreconditionFailed)
	}
	a.Do(a.Admin, "DELETE", path(c), nil, "If-Match", read()).Want(http.StatusNoContent)
}
