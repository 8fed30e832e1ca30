package boruta_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

var (
	unauthorized = object{
		"code": "UNAUTHORIZED", "message": "You are unauthorized to access this resource.",
		"errors": object{"resource": []any{"you are unauthorized to access this resource."}},
	}
	forbidden = object{
		"code": "FORBIDDEN", "message": "You are forbidden to access this resource.",
		"errors": object{"resource": []any{"you are forbidden to access this resource."}},
	}
	writeProtected = object{
		"code": "FORBIDDEN", "message": "The resource is write protected.", "errors": object{"resource": []any{"is write protected."}},
	}
)

// exact fails unless the answer is want.
func (a *api) exact(token, method, path string, body any, status int, want object) {
	a.t.Helper()
	if diff := cmp.Diff(want, a.Do(token, method, path, body).Want(status).Object()); diff != "" {
		a.t.Errorf("%s %s (-want +got):\n%s", method, path, diff)
	}
}

func (a *api) newScope(scope object) object {
	a.t.Helper()
	return a.Do(a.Admin, "POST", "/api/scopes", object{"scope": scope}).Want(http.StatusCreated).Object()["data"].(object)
}

func (a *api) refusedScope(method, path string, scope object) map[string][]string {
	a.t.Helper()
	var body struct{ Errors map[string][]string }
	a.Do(a.Admin, method, path, object{"scope": scope}).Want(http.StatusUnprocessableEntity).Decode(&body)
	return body.Errors
}

func TestScopeSuite(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, right := range []string{"scopes:manage:all", "users:manage:all", "clients:manage:all", "identity-providers:manage:all"} { // BS-03 to BS-06
		a.exact(a.Token(right), "GET", "/api/scopes", nil, http.StatusOK, object{"data": []any{}})
	}
	a.exact(a.Token("roles:manage:all"), "GET", "/api/scopes", nil, http.StatusForbidden, forbidden)
	wrong := a.Token("read:clients")
	for _, request := range [][2]string{{"GET", ""}, {"POST", ""}, {"PATCH", "/id"}, {"DELETE", "/id"}} { // BS-01, BS-02
		a.exact("", request[0], "/api/scopes"+request[1], nil, http.StatusUnauthorized, unauthorized)
		a.exact(wrong, request[0], "/api/scopes"+request[1], nil, http.StatusForbidden, forbidden)
	}
	named := object{"scope": object{"name": "some:name", "public": true}}
	a.exact(a.Token("users:manage:all"), "POST", "/api/scopes", named, http.StatusForbidden, forbidden) // BS-07
	r := a.Do(a.Token("scopes:manage:all"), "POST", "/api/scopes", named).Want(http.StatusCreated)      // BS-08
	s := r.Object()["data"].(object)
	at := "/api/scopes/" + id(s)
	if diff := cmp.Diff(object{"id": id(s), "name": "some:name", "label": nil, "public": true}, s); diff != "" || r.Header.Get("Location") != at {
		t.Errorf("location %s\n%s", r.Header.Get("Location"), diff)
	}
	if errs := a.refusedScope("POST", "/api/scopes", object{"name": nil, "public": nil}); len(errs) != 2 { // BS-09
		t.Errorf("errors are %v", errs)
	}
	updated := object{"id": id(s), "name": "some:updated:name", "label": nil, "public": false}
	a.exact(a.Admin, "PUT", at, object{"scope": object{"name": "some:updated:name", "public": false}}, http.StatusOK, object{"data": updated}) // BS-10
	if errs := a.refusedScope("PUT", at, object{"name": nil, "public": nil}); len(errs) != 2 {                                                 // BS-12
		t.Errorf("errors are %v", errs)
	}
	a.exact(a.Admin, "GET", at, nil, http.StatusOK, object{"data": updated})
	a.Do(a.Admin, "DELETE", at, nil).Want(http.StatusNoContent) // BS-14
	a.Do(a.Admin, "GET", at, nil).Want(http.StatusNotFound)
	for _, name := range []string{"users:manage:all", "clients:manage:all", "identity-providers:manage:all", "scopes:manage:all", "roles:manage:all", "upstreams:manage:all"} { // BS-11, BS-13
		at := "/api/scopes/" + id(a.newScope(object{"name": name}))
		a.exact(a.Admin, "PUT", at, object{"scope": object{"name": "other"}}, http.StatusForbidden, writeProtected)
		a.exact(a.Admin, "DELETE", at, nil, http.StatusForbidden, writeProtected)
	}
	for _, name := range []string{"configuration:manage:all", "logs:read:all"} {
		a.Do(a.Admin, "DELETE", "/api/scopes/"+id(a.newScope(object{"name": name})), nil).Want(http.StatusNoContent)
	}
}

func TestScopeRules(t *testing.T) {
	t.Parallel()
	a := start(t)
	s := a.newScope(object{"name": "taken"})
	if s["public"] != false { // BL-36
		t.Errorf("public is %v", s["public"])
	}
	at := "/api/scopes/" + id(s)
	for name, test := range map[string]struct {
		scope object
		want  map[string][]string
	}{
		"blank name":           {object{"name": ""}, map[string][]string{"name": {"can't be blank"}}},
		"null name":            {object{"name": nil}, map[string][]string{"name": {"can't be blank"}}},
		"whitespace":           {object{"name": "name with whitespace"}, map[string][]string{"name": {"must not contain whitespace"}}},
		"other whitespace":     {object{"name": "a\u00a0b"}, map[string][]string{"name": {"must not contain whitespace"}}},
		"number for a name":    {object{"name": 5}, map[string][]string{"name": {"is invalid"}}},
		"long name":            {object{"name": strings.Repeat("n", 256)}, map[string][]string{"name": {"should be at most 255 character(s)"}}},
		"long label":           {object{"name": "l", "label": strings.Repeat("n", 256)}, map[string][]string{"label": {"should be at most 255 character(s)"}}},
		"number for a label":   {object{"name": "l", "label": 5}, map[string][]string{"label": {"is invalid"}}},
		"null public":          {object{"name": "l", "public": nil}, map[string][]string{"public": {"must not be null"}}},
		"number for a boolean": {object{"name": "l", "public": 1}, map[string][]string{"public": {"is invalid"}}},
		"no uuid":              {object{"name": "l", "id": "x"}, map[string][]string{"id": {"is invalid"}}},
		"everything at once":   {object{"name": 5, "label": 5, "public": 5, "id": 5}, map[string][]string{"name": {"is invalid"}, "label": {"is invalid"}, "public": {"is invalid"}, "id": {"is invalid"}}},
	} {
		for _, request := range [][2]string{{"POST", "/api/scopes"}, {"PATCH", at}} { // BL-35
			if diff := cmp.Diff(test.want, a.refusedScope(request[0], request[1], test.scope)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, request[0], diff)
			}
		}
	}
	if diff := cmp.Diff(map[string][]string{"name": {"can't be blank"}}, a.refusedScope("POST", "/api/scopes", object{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][]string{"name": {"has already been taken"}}, a.refusedScope("POST", "/api/scopes", object{"name": "taken"})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][]string{"id": {"has already been taken"}}, a.refusedScope("POST", "/api/scopes", object{"name": "other", "id": id(s)})); diff != "" {
		t.Error(diff)
	}
	a.exact(a.Admin, "GET", at, nil, http.StatusOK, object{"data": s})
	a.exact(a.Admin, "PATCH", at, object{"scope": object{"label": "Taken"}}, http.StatusOK, object{"data": object{"id": id(s), "name": "taken", "label": "Taken", "public": false}})
}

func TestScopeMovesWithItsClients(t *testing.T) {
	t.Parallel()
	a := start(t)
	s, moved := a.newScope(object{"name": "moving", "public": "true"}), uuid.NewString()
	c := a.create(object{"authorized_scopes": []object{{"name": "moving"}}})
	a.Do(a.Admin, "PATCH", "/api/scopes/"+id(s), object{"scope": object{"id": strings.ToUpper(moved)}}).Want(http.StatusOK)
	a.Do(a.Admin, "GET", "/api/scopes/"+id(s), nil).Want(http.StatusNotFound)
	if diff := cmp.Diff(any([]any{object{"id": moved, "name": "moving", "public": true}}), a.read(id(c))["authorized_scopes"]); diff != "" {
		t.Error(diff)
	}
	a.Do(a.Admin, "DELETE", "/api/scopes/"+moved, nil).Want(http.StatusNoContent)
	if diff := cmp.Diff(any([]any{}), a.read(id(c))["authorized_scopes"]); diff != "" {
		t.Error(diff)
	}
}
