package boruta_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestAuthorizedScopes(t *testing.T) {
	t.Parallel()
	a := start(t)
	known := a.newScope(object{"name": "known", "public": true})
	shown := func(name string, public bool) object { return object{"name": name, "public": public} }
	for name, test := range map[string]struct {
		sent any
		want []object
	}{
		"by id":                 {[]object{{"id": id(known)}}, []object{shown("known", true)}}, // BL-17
		"by id in upper case":   {[]object{{"id": strings.ToUpper(id(known))}}, []object{shown("known", true)}},
		"id wins over name":     {[]object{{"id": id(known), "name": "other"}}, []object{shown("known", true)}},
		"unknown id":            {[]object{{"id": uuid.NewString(), "name": "known"}}, []object{}},
		"id of no uuid":         {[]object{{"id": "x", "name": "known"}}, []object{}},
		"by name":               {[]object{{"name": "known"}}, []object{shown("known", true)}},
		"new name":              {[]object{{"name": "new:scope", "public": true, "label": "x"}}, []object{shown("new:scope", false)}}, // BL-18
		"whitespace in name":    {[]object{{"name": "invalid scope"}}, []object{}},                                                    // BL-19
		"nothing in the object": {[]object{{}, {"name": ""}}, []object{}},
		"twice":                 {[]object{{"id": id(known)}, {"name": "known"}, {"name": "twice:new"}, {"name": "twice:new"}}, []object{shown("known", true), shown("twice:new", false)}},
		"order":                 {[]object{{"name": "z"}, {"name": "known"}, {"name": "a"}}, []object{shown("z", false), shown("known", true), shown("a", false)}},
		"null":                  {nil, []object{}},
		"empty":                 {[]object{}, []object{}},
		"object":                {object{}, []object{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := a.create(object{"authorized_scopes": test.sent})
			list := c["authorized_scopes"].([]any)
			for _, s := range list {
				delete(s.(object), "id")
			}
			if diff := cmp.Diff(jsonOf(t, test.want), jsonOf(t, list)); diff != "" {
				t.Error(diff)
			}
		})
	}
	c := a.create(object{"authorized_scopes": []object{{"name": "known"}}})
	for _, item := range []any{"known", 5, nil} {
		a.Do(a.Admin, "PATCH", path(c), object{"client": object{"authorized_scopes": []any{item}}}).Want(http.StatusBadRequest)
	}
	for _, sent := range []any{"known", 5, []object{{"name": strings.Repeat("n", 256)}}} {
		if diff := cmp.Diff(invalid("authorized_scopes", "is invalid"), a.refused("PATCH", path(c), object{"authorized_scopes": sent})); diff != "" {
			t.Error(diff)
		}
	}
	a.refused("PATCH", path(c), object{"pkce": 5})
	if got := a.read(id(c))["authorized_scopes"].([]any); len(got) != 1 {
		t.Errorf("a refused change left %v", got)
	}
	if got := a.send("PATCH", path(c), object{"name": "renamed"}, http.StatusOK)["authorized_scopes"].([]any); len(got) != 0 {
		t.Errorf("a change without authorized_scopes left %v", got)
	}
}

func TestIdentityProviderOfAClient(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(nil)
	kept := map[string][]string(nil)
	for name, test := range map[string]struct {
		sent           any
		create, change map[string][]string
	}{
		"null":       {nil, invalid("identity_provider_id", "can't be blank"), kept},
		"empty":      {object{}, invalid("identity_provider_id", "can't be blank"), kept},
		"name only":  {object{"name": "staff"}, invalid("identity_provider_id", "can't be blank"), kept},
		"null id":    {object{"id": nil}, invalid("identity_provider_id", "can't be blank"), invalid("identity_provider_id", "can't be blank")},
		"blank id":   {object{"id": ""}, invalid("identity_provider_id", "can't be blank"), invalid("identity_provider_id", "can't be blank")},
		"unknown id": {object{"id": uuid.NewString()}, invalid("identity_provider_id", "does not exist"), invalid("identity_provider_id", "does not exist")},
		"no uuid":    {object{"id": "bad_uuid"}, invalid("identity_provider_id", "has invalid format"), invalid("identity_provider_id", "has invalid format")},
		"number":     {object{"id": 5}, invalid("identity_provider_id", "is invalid"), invalid("identity_provider_id", "is invalid")},
		"text":       {"staff", invalid("identity_provider_id", "is invalid"), kept},
	} {
		if diff := cmp.Diff(test.create, a.refused("POST", "/api/clients", a.quick(object{"identity_provider": test.sent}))); diff != "" {
			t.Errorf("%s, create (-want +got):\n%s", name, diff)
		}
		doc := object{"identity_provider": test.sent, "name": name}
		if test.change != nil {
			if diff := cmp.Diff(test.change, a.refused("PATCH", path(c), doc)); diff != "" {
				t.Errorf("%s, change (-want +got):\n%s", name, diff)
			}
			if a.read(id(c))["name"] == name {
				t.Errorf("%s: half of the change happened", name)
			}
		} else if got := a.send("PATCH", path(c), doc, http.StatusOK); !cmp.Equal(got["identity_provider"], any(object{"id": a.provider, "name": "staff"})) {
			t.Errorf("%s: got %v", name, got["identity_provider"])
		}
	}
	absent := a.quick(nil)
	delete(absent, "identity_provider")
	if diff := cmp.Diff(invalid("identity_provider_id", "can't be blank"), a.refused("POST", "/api/clients", absent)); diff != "" {
		t.Error(diff)
	}
	both := a.refused("POST", "/api/clients", a.quick(object{"identity_provider": object{"id": "bad"}, "redirect_uris": []string{"bad"}}))
	if diff := cmp.Diff(invalid("redirect_uris", "`bad` is invalid"), both); diff != "" {
		t.Errorf("the client's own errors hide the provider's (-want +got):\n%s", diff)
	}
}
