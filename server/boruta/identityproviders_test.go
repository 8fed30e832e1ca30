package boruta_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rosterhq/roster/server/boruta"
)

// defaultBackend is what Boruta shows of the backend that its migrations make.
// These are the members that its panel has setters for: it breaks on any other.
var defaultBackend = object{
	"id": boruta.BackendID, "name": "Default", "type": "Elixir.BorutaIdentity.Accounts.Internal",
	"is_default": true, "create_default_organization": false,
	"roles": []any{}, "metadata_fields": []any{}, "federated_servers": []any{},
	"verifiable_credentials": []any{}, "verifiable_presentations": []any{},
	"password_hashing_alg": "argon2", "password_hashing_opts": object{},
	"ldap_pool_size": 5.0, "ldap_host": nil, "ldap_user_rdn_attribute": nil, "ldap_base_dn": nil, "ldap_ou": nil,
	"ldap_master_dn": nil, "ldap_master_password": nil,
	"smtp_from": nil, "smtp_relay": nil, "smtp_username": nil, "smtp_password": nil,
	"smtp_ssl": nil, "smtp_tls": nil, "smtp_port": nil,
	"features": []any{
		"authenticable", "totpable", "webauthnable", "registrable", "user_editable", "confirmable", "reset_password",
		"consentable", "destroyable",
	},
}

func TestBackendIsThereToBeNamed(t *testing.T) {
	t.Parallel()
	a := start(t)
	const list, one = "/api/backends", "/api/backends/" + boruta.BackendID
	for _, path := range []string{list, list + "/"} {
		got := a.Do(a.Admin, "GET", path, nil).Want(http.StatusOK).Object()
		if diff := cmp.Diff(object{"data": []any{defaultBackend}}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	for _, path := range []string{one, one + "/", "/api/backends/1C1F2A34-8B7E-4F50-A7D5-3C5D0B6A9E01"} {
		got := a.Do(a.Admin, "GET", path, nil).Want(http.StatusOK).Object()
		if diff := cmp.Diff(object{"data": defaultBackend}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	a.Do(a.Admin, "HEAD", list, nil).Want(http.StatusOK)
	a.Do(a.Admin, "GET", "/api/backends/"+uuid.NewString(), nil).Want(http.StatusNotFound)
	a.Do(a.Admin, "GET", "/api/backends/default", nil).Want(http.StatusBadRequest)
	for _, path := range []string{list, one} {
		a.exact("", "GET", path, nil, http.StatusUnauthorized, unauthorized)
		a.exact(a.Token(manager), "GET", path, nil, http.StatusForbidden, forbidden)
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			a.Do(a.Admin, method, path, object{"backend": object{"name": "mine"}}).Want(http.StatusNotFound)
		}
	}
}

func TestPanelMakesAProviderAndAClientInAnEmptyRegistry(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.Do(a.Admin, "DELETE", "/api/identity-providers/"+a.provider, nil).Want(http.StatusNoContent)
	backends := a.Do(a.Admin, "GET", "/api/backends/", nil).Want(http.StatusOK).Object()["data"].([]any)
	made := a.Do(a.Admin, "POST", "/api/identity-providers/", object{"identity_provider": object{
		"name": "people", "backend_id": backends[0].(object)["id"],
	}}).Want(http.StatusCreated).Object()["data"].(object)
	want := object{
		"id": made["id"], "name": "people", "backend": defaultBackend, "backend_id": boruta.BackendID,
		"check_password": true, "choose_session": true, // the others are off
		"totpable": false, "enforce_totp": false, "webauthnable": false, "enforce_webauthn": false,
		"registrable": false, "user_editable": false, "consentable": false, "confirmable": false,
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("provider (-want +got):\n%s", diff)
	}
	client := a.send("POST", "/api/clients/", a.quick(object{"identity_provider": made}), http.StatusCreated)
	if diff := cmp.Diff(any(object{"id": made["id"], "name": "people"}), client["identity_provider"]); diff != "" {
		t.Errorf("provider of the client (-want +got):\n%s", diff)
	}
}

// A backend that a provider shows to the panel is the one that there is,
// whatever was sent: an odd one leaves the panel's lists empty.
func TestBackendOfAProviderIsNotTheCallers(t *testing.T) {
	t.Parallel()
	a := start(t)
	for name, odd := range map[string]any{
		"object": object{"id": "ldap", "note": "x", "roles": nil, "smtp_password": "s3cret"}, "text": "x", "null": nil, "list": []any{},
	} {
		got := a.provide("POST", "", object{"name": name, "backend_id": boruta.BackendID, "backend": odd}, http.StatusCreated)
		at := "/" + got["data"].(object)["id"].(string)
		for _, answer := range []object{
			got, a.provide("PATCH", at, object{"backend": odd}, http.StatusOK), a.provide("PUT", at, got["data"], http.StatusOK),
			a.Do(a.Admin, "GET", "/api/identity-providers"+at, nil).Want(http.StatusOK).Object(),
		} {
			if diff := cmp.Diff(any(defaultBackend), answer["data"].(object)["backend"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// Release 1.0.0 took any backend and any text for its identifier.
func TestProvidersOfReleaseOneShowTheBackendAndKeepTheirOwn(t *testing.T) {
	t.Parallel()
	a := start(t)
	const stored = `{"backend": {"id": "ldap", "note": "x"}, "backend_id": "ldap", "check_password": false, "choose_session": false,
		"totpable": true, "enforce_totp": false, "webauthnable": false, "enforce_webauthn": false, "registrable": false,
		"user_editable": false, "consentable": false, "confirmable": false}`
	if _, err := a.Pool.Exec(t.Context(), `UPDATE identity_providers SET document = $1 WHERE id = $2`, stored, a.provider); err != nil {
		t.Fatal(err)
	}
	at := "/" + a.provider
	shown := a.Do(a.Admin, "GET", "/api/identity-providers"+at, nil).Want(http.StatusOK).Object()["data"].(object)
	want := object{
		"id": a.provider, "name": "staff", "backend": defaultBackend, "backend_id": boruta.BackendID,
		"check_password": false, "choose_session": false, "totpable": true, "enforce_totp": false, "webauthnable": false,
		"enforce_webauthn": false, "registrable": false, "user_editable": false, "consentable": false, "confirmable": false,
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("provider (-want +got):\n%s", diff)
	}
	a.provide("PUT", at, shown, http.StatusOK)
	a.provide("PATCH", at, object{"registrable": true}, http.StatusOK)
	var same bool
	if err := a.Pool.QueryRow(t.Context(), `SELECT document::jsonb = $1::jsonb || '{"registrable": true}' FROM identity_providers WHERE id = $2`,
		stored, a.provider).Scan(&same); err != nil || !same {
		t.Errorf("what was stored is the same but for the change: %t, %v", same, err)
	}
}

// provide sends a provider and returns the answer.
func (a *api) provide(method, at string, provider any, status int) object {
	a.t.Helper()
	return a.Do(a.Admin, method, "/api/identity-providers"+at, object{"identity_provider": provider}).Want(status).Object()
}

func TestIdentityProviderSuite(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.create(nil)
	var body struct{ Errors map[string][]string }
	a.Do(a.Admin, "DELETE", "/api/identity-providers/"+a.provider, nil).Want(http.StatusUnprocessableEntity).Decode(&body) // BI-02
	if len(body.Errors["client_identity_providers"]) != 1 {
		t.Errorf("errors are %v", body.Errors)
	}
	unused := a.newProvider("unused") // BI-03
	a.Do(a.Admin, "DELETE", "/api/identity-providers/"+unused, nil).Want(http.StatusNoContent)
	a.Do(a.Admin, "GET", "/api/identity-providers/"+unused, nil).Want(http.StatusNotFound)
	a.exact(a.Token(manager), "GET", "/api/identity-providers", nil, http.StatusForbidden, forbidden)
}

func TestIdentityProviderRules(t *testing.T) {
	t.Parallel()
	a := start(t)
	named := func(members object) object {
		all := object{"name": "n", "backend_id": boruta.BackendID}
		maps.Copy(all, members)
		return all
	}
	for name, test := range map[string]struct {
		provider object
		want     object
	}{
		"nothing":             {object{}, object{"name": []any{"can't be blank"}, "backend_id": []any{"can't be blank"}}},
		"types":               {named(object{"name": 1, "totpable": "yes"}), object{"name": []any{"is invalid"}, "totpable": []any{"is invalid"}}},
		"taken name":          {named(object{"name": "staff"}), object{"name": []any{"has already been taken"}}},
		"taken id":            {named(object{"id": a.provider}), object{"id": []any{"has already been taken"}}},
		"a backend's name":    {named(object{"backend_id": "ldap"}), object{"backend_id": []any{"is invalid"}}},
		"a backend's number":  {named(object{"backend_id": 1}), object{"backend_id": []any{"is invalid"}}},
		"a backend not there": {named(object{"backend_id": uuid.NewString()}), object{"backend_id": []any{"does not exist"}}},
		"and something else":  {object{"backend_id": uuid.NewString()}, object{"name": []any{"can't be blank"}}},
	} {
		got := a.provide("POST", "", test.provider, http.StatusUnprocessableEntity)["errors"]
		if diff := cmp.Diff(any(test.want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if test.provider["backend_id"] == boruta.BackendID || name == "nothing" || name == "and something else" {
			continue
		}
		got = a.provide("PATCH", "/"+a.provider, object{"backend_id": test.provider["backend_id"]}, http.StatusUnprocessableEntity)["errors"]
		if diff := cmp.Diff(any(test.want), got); diff != "" {
			t.Errorf("%s in a change (-want +got):\n%s", name, diff)
		}
	}
	before := a.Do(a.Admin, "GET", "/api/identity-providers/"+a.provider, nil).Want(http.StatusOK).Object()["data"].(object)
	before["registrable"], before["name"] = true, "everybody"
	got := a.provide("PATCH", "/"+a.provider, object{"registrable": "1", "name": "everybody"}, http.StatusOK)["data"]
	if diff := cmp.Diff(any(before), got); diff != "" {
		t.Error(diff)
	}
	list := a.Do(a.Admin, "GET", "/api/identity-providers", nil).Want(http.StatusOK).Object()["data"].([]any)
	if !slices.EqualFunc(list, []any{before}, func(x, y any) bool { return cmp.Equal(x, y) }) {
		t.Errorf("the list is %v", list)
	}
	a.provide("PUT", "/"+a.provider, object{"name": nil}, http.StatusUnprocessableEntity)
}
