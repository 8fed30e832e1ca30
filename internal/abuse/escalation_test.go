package abuse

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/internal/servertest"
)

// managementGrant returns the id of the grant of a client on the management API.
func managementGrant(s *servertest.Server, clientID string) string {
	list := s.Do(s.Admin, "GET", "/api/v2/client-grants?client_id="+clientID, nil).Want(200)
	var grants []object
	list.Decode(&grants)
	return grants[0]["id"].(string)
}

// imported returns the outcome and the error of importing one record.
func imported(s *servertest.Server, token, format string, record object) string {
	one := s.Do(token, "POST", "/api/roster/v1/import", object{"format": format, "records": []object{record}}).Want(200).
		Object()["results"].([]any)[0].(object)
	text, _ := one["outcome"].(string)
	if failure, ok := one["error"].(object); ok {
		text += " " + failure["code"].(string) + " " + failure["message"].(string)
	}
	return text
}

// Whoever may change grants, credentials, secrets or methods becomes no more than
// it is by that: nobody gives what it lacks, and nobody comes to control a client
// that holds more than it does.
func TestNobodyGainsPermissionsByTheirOwn(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	management := s.Registry.ManagementAudience()
	api, err := s.Registry.ResourceServer(t.Context(), management)
	if err != nil {
		t.Fatal(err)
	}
	admin, adminSecret := newClient(s, nil)
	s.Do(s.Admin, "PATCH", "/api/v2/client-grants/"+managementGrant(s, admin), object{"allow_all_scopes": true}).Want(200)
	adminID := uuidOf(t, s, admin)
	s.Do(s.Admin, "PUT", "/api/clients/"+adminID, object{"client": object{"identity_provider": object{"id": newProvider(s)}}}).Want(200)
	own, ownSecret := newClient(s, nil)
	key := object{"credential_type": "public_key", "pem": publicPEM(t, keys[1]().Public())}
	clients := []string{"create:clients", "update:clients"}
	grants := []string{"create:client_grants", "update:client_grants"}
	with := func(lists ...[]string) (all []string) {
		for _, list := range lists {
			all = append(all, list...)
		}
		return all
	}
	tries := map[string]struct {
		scopes       []string
		method, path string
		body         any
		status       int
	}{
		"every scope for a grant":              {[]string{"update:client_grants"}, "PATCH", "/api/v2/client-grants/" + managementGrant(s, own), object{"allow_all_scopes": true}, 403},
		"one scope for a grant":                {[]string{"update:client_grants", "read:clients"}, "PATCH", "/api/v2/client-grants/" + managementGrant(s, own), object{"scope": []string{"read:clients", "read:client_keys"}}, 403},
		"a grant by default":                   {[]string{"create:client_grants"}, "POST", "/api/v2/client-grants", object{"default_for": "third_party_clients", "audience": management, "allow_all_scopes": true, "scope": []string{}}, 400},
		"a grant by default, by the API's id":  {[]string{"create:client_grants"}, "POST", "/api/v2/client-grants", object{"default_for": "third_party_clients", "audience": api.ID, "scope": []string{"create:client_grants"}}, 400},
		"a key for an administrator":           {[]string{"create:client_credentials", "update:client_credentials"}, "POST", clientPath(admin) + "/credentials", key, 403},
		"a secret for an administrator":        {[]string{"update:client_keys"}, "PATCH", clientPath(admin), object{"client_secret": "a-secret-of-the-attackers-own"}, 403},
		"a new secret of an administrator":     {[]string{"update:client_keys"}, "POST", clientPath(admin) + "/rotate-secret", nil, 403},
		"a new secret, side by side":           {[]string{"update:client_keys"}, "POST", "/api/roster/v1/clients/" + admin + "/secrets", nil, 403},
		"another method of an administrator":   {clients, "PATCH", clientPath(admin), object{"token_endpoint_auth_method": "client_secret_basic"}, 403},
		"no tokens for an administrator":       {clients, "PATCH", clientPath(admin), object{"grant_types": []string{}}, 403},
		"a secret in the Boruta dialect":       {[]string{"clients:manage:all"}, "PATCH", "/api/clients/" + adminID, object{"client": object{"secret": "a-secret-of-the-attackers-own"}}, 403},
		"the right secret in the dialect":      {[]string{"clients:manage:all"}, "PATCH", "/api/clients/" + adminID, object{"client": object{"secret": adminSecret}}, 403},
		"a key in the Boruta dialect":          {[]string{"clients:manage:all"}, "PUT", "/api/clients/" + adminID, object{"client": object{"token_endpoint_auth_methods": []string{"private_key_jwt"}, "jwt_public_key": key["pem"]}}, 403},
		"a dormant key in the Boruta dialect":  {[]string{"clients:manage:all"}, "PUT", "/api/clients/" + adminID, object{"client": object{"jwt_public_key": key["pem"]}}, 403},
		"methods in the Boruta dialect":        {[]string{"clients:manage:all"}, "PUT", "/api/clients/" + adminID, object{"client": object{"token_endpoint_auth_methods": []string{"client_secret_basic"}}}, 403},
		"an API by the management API's name":  {[]string{"create:resource_servers"}, "POST", "/api/v2/resource-servers", object{"name": "n", "identifier": management}, 400},
		"an API by the name without its slash": {[]string{"create:resource_servers"}, "POST", "/api/v2/resource-servers", object{"name": "n", "identifier": strings.TrimSuffix(management, "/")}, 400},
	}
	for _, audience := range []string{management, strings.TrimSuffix(management, "/"), api.ID} {
		fresh := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "fresh", "grant_types": []string{"client_credentials"}}).Want(201).Object()["client_id"]
		tries["a grant for a new client on "+audience] = struct {
			scopes       []string
			method, path string
			body         any
			status       int
		}{[]string{"create:client_grants", "create:clients"}, "POST", "/api/v2/client-grants", object{"client_id": fresh, "audience": audience, "scope": []string{"create:clients", "read:client_keys"}}, 403}
	}
	for name, c := range tries {
		r := s.Do(s.Token(c.scopes...), c.method, c.path, c.body)
		if r.Status != c.status {
			t.Errorf("%s: %d, want %d: %s", name, r.Status, c.status, r.Body)
		}
		lacks := rights.All.Without(rights.Of(c.scopes...)).Names()
		named := false
		for _, scope := range lacks {
			named = named || strings.Contains(string(r.Body), scope)
		}
		if r.Status == http.StatusForbidden && !named {
			t.Errorf("%s: the answer names no scope that is lacking: %s", name, r.Body)
		}
	}
	for name, c := range map[string]struct {
		scopes []string
		format string
		record object
	}{
		"a grant":                      {with(clients, grants), "auth0", object{"client_id": own, "audience": management, "allow_all_scopes": true, "scope": []string{}}},
		"a grant of an export":         {with(clients, grants), "roster", object{"kind": "client_grant", "system": true, "client_id": own, "scope": []string{"read:clients", "delete:clients"}}},
		"a grant by default":           {with(clients, grants), "roster", object{"kind": "client_grant", "system": true, "default_for": "third_party_clients", "scope": []string{"update:clients"}}},
		"a secret":                     {with(clients, []string{"update:client_keys"}), "auth0", object{"client_id": admin, "name": "a", "client_secret": "a-secret-of-the-attackers-own"}},
		"the secret that is right":     {with(clients, []string{"update:client_keys"}), "hydra", object{"client_id": admin, "client_name": "a", "client_secret": adminSecret}},
		"a key":                        {with(clients, []string{"create:client_credentials", "update:client_credentials"}), "auth0", object{"client_id": admin, "name": "a", "client_authentication_methods": object{"private_key_jwt": object{"credentials": []object{key}}}}},
		"a secret of Boruta's dialect": {[]string{"clients:manage:all"}, "boruta", object{"id": adminID, "secret": "a-secret-of-the-attackers-own"}},
		"a key of Boruta's dialect":    {[]string{"clients:manage:all"}, "boruta", object{"id": adminID, "jwt_public_key": key["pem"], "token_endpoint_auth_methods": []string{"private_key_jwt"}}},
	} {
		if got := imported(s, s.Token(c.scopes...), c.format, c.record); !strings.HasPrefix(got, "failed ") {
			t.Errorf("import of %s: %s", name, got)
		}
	}
	if !good(t, s, admin, adminSecret) || good(t, s, admin, "a-secret-of-the-attackers-own") {
		t.Error("the administrator has another secret")
	}
	for id, want := range map[string]rights.Set{own: rights.Of("read:clients"), admin: rights.All} {
		c, err := s.Registry.Client(t.Context(), oauth.ClientRef{ClientID: id})
		if err != nil || c.Granted != want {
			t.Errorf("%s holds %v: %v", id, c.Granted.Names(), err)
		}
	}
	// What a caller has, it may give, and a client that holds no more it may control.
	equal := s.Token("read:clients", "update:client_grants", "update:client_keys", "create:client_credentials", "update:client_credentials", "update:clients")
	s.Do(equal, "PATCH", "/api/v2/client-grants/"+managementGrant(s, own), object{"scope": []string{"read:clients", "update:clients"}}).Want(200)
	s.Do(equal, "POST", clientPath(own)+"/credentials", key).Want(201)
	if secret := s.Do(equal, "POST", clientPath(own)+"/rotate-secret", nil).Want(200).Object(); secret["client_secret"] == ownSecret || secret["client_secret"] == nil {
		t.Errorf("the secret is not rotated: %v", secret["client_secret"])
	}
}

// A default grant on the management API that a release before has stored gives
// nothing.
func TestDefaultGrantsOnTheManagementAPIGiveNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	created := s.Do(s.Admin, "POST", "/api/v2/clients", object{
		"name": "third", "is_first_party": false, "third_party_security_mode": "permissive", "grant_types": []string{"client_credentials"},
	}).Want(201).Object()
	if _, err := s.Pool.Exec(t.Context(), `INSERT INTO client_grants (id, audience, subject_type, default_for, document, created_at, updated_at)
		VALUES ('cgr_0123456789abcdef', $1, 'client', 'third_party_clients', '{"scope":[],"allow_all_scopes":true}', now(), now())`, s.Registry.ManagementAudience()); err != nil {
		t.Fatal(err)
	}
	ask(s, "client_id", created["client_id"].(string), "client_secret", created["client_secret"].(string)).Want(403)
}

// An import takes the rights of what it takes away, too, and cannot change what
// no change can.
func TestMovingBetweenKeyAndSecretTakesTheRightOfCredentials(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const change, credentials = "update:clients", "update:client_credentials"
	for name, c := range map[string]struct {
		methods []string
		steps   []string // methods that the Auth0 dialect sets
		allowed bool     // with update:clients alone
	}{
		"key to secret":               {[]string{"private_key_jwt"}, []string{"client_secret_post"}, false},
		"key to secret by no method":  {[]string{"private_key_jwt"}, []string{"none", "client_secret_basic"}, false},
		"assertion by secret to post": {[]string{"client_secret_jwt"}, []string{"client_secret_post"}, false},
		"one way of secrets to other": {[]string{"client_secret_post"}, []string{"client_secret_basic"}, true},
		"either to secret":            {[]string{"client_secret_post", "private_key_jwt"}, []string{"client_secret_basic"}, true},
		"key to none":                 {[]string{"private_key_jwt"}, []string{"none"}, true},
	} {
		made := s.Do(s.Admin, "POST", "/api/clients", object{"client": object{
			"name": "n", "redirect_uris": []string{"https://app.example/cb"}, "identity_provider": object{"id": newProvider(s)},
			"supported_grant_types": []string{"authorization_code"}, "confidential": true, "token_endpoint_auth_methods": c.methods,
		}}).Want(201).Object()["data"].(object)["id"].(string)
		last := len(c.steps) - 1
		for _, step := range c.steps[:last] {
			s.Do(s.Token(change), "PATCH", clientPath(made), object{"token_endpoint_auth_method": step}).Want(200)
		}
		body, want := object{"token_endpoint_auth_method": c.steps[last]}, 403
		if c.allowed {
			want = 200
		}
		if r := s.Do(s.Token(change), "PATCH", clientPath(made), body); r.Status != want {
			t.Errorf("%s with update:clients: %d, want %d: %s", name, r.Status, want, r.Body)
		}
		if r := s.Do(s.Token(change, credentials), "PATCH", clientPath(made), body); r.Status != 200 {
			t.Errorf("%s with update:client_credentials: %d: %s", name, r.Status, r.Body)
		}
		s.Do(s.Admin, "PATCH", "/api/clients/"+made, object{"client": object{"token_endpoint_auth_methods": c.methods}}).Want(200)
	}
}

// An import that takes members away needs the rights that changing them needs.
func TestImportTakesTheRightsOfWhatItTakesAway(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	narrow := s.Token("create:clients", "update:clients")
	key := object{"credential_type": "public_key", "pem": publicPEM(t, keys[0]().Public())}
	keyed := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "keyed", "grant_types": []string{"client_credentials"},
		"client_authentication_methods": object{"private_key_jwt": object{"credentials": []object{key}}}}).Want(201).Object()["client_id"].(string)
	plain, _ := newClient(s, nil)
	registered := s.Do(s.Admin, "POST", clientPath(plain)+"/credentials", key).Want(201).Object()["id"].(string)
	c := s.Do(s.Admin, "POST", "/api/clients", boruta(newProvider(s), object{"pkce": true, "token_endpoint_auth_methods": []string{"private_key_jwt"}, "supported_grant_types": []string{"client_credentials"}})).Want(201).Object()["data"].(object)
	ofBoruta := c["id"].(string)
	for name, one := range map[string]struct {
		format string
		record object
	}{
		"attaches a key":              {"roster", object{"kind": "client", "client_id": plain, "document": object{"client_name": "machine", "client_authentication_methods": object{"private_key_jwt": object{"credentials": []object{{"id": registered}}}}}}},
		"detaches a key":              {"roster", object{"kind": "client", "client_id": keyed, "document": object{"client_name": "keyed", "token_endpoint_auth_method": "client_secret_post"}}},
		"detaches a key, in auth0":    {"auth0", object{"client_id": keyed, "name": "keyed", "token_endpoint_auth_method": "client_secret_post"}},
		"detaches a key, in hydra":    {"hydra", object{"client_id": keyed, "client_name": "keyed", "token_endpoint_auth_method": "client_secret_post"}},
		"drops what Boruta's has":     {"roster", object{"kind": "client", "client_id": ofBoruta, "document": object{"grant_types": []string{"client_credentials"}}}},
		"turns one of Boruta's off":   {"roster", object{"kind": "client", "client_id": ofBoruta, "document": object{"boruta:pkce": false, "boruta:token_endpoint_auth_methods": []string{"private_key_jwt"}}}},
		"drops the request's objects": {"roster", object{"kind": "client", "client_id": ofBoruta, "document": object{}}},
	} {
		before := read(s, one.record["client_id"].(string))
		if got := imported(s, narrow, one.format, one.record); !strings.HasPrefix(got, "failed forbidden ") {
			t.Errorf("%s: %s", name, got)
		}
		if after := read(s, one.record["client_id"].(string)); after["token_endpoint_auth_method"] != before["token_endpoint_auth_method"] {
			t.Errorf("%s: the client has another method", name)
		}
	}
	strict := s.Do(s.Admin, "POST", "/api/v2/clients", object{
		"name": "strict", "app_type": "regular_web", "is_first_party": false, "third_party_security_mode": "strict", "grant_types": []string{"authorization_code"}, "callbacks": []string{"https://a.example/cb"},
	}).Want(201).Object()["client_id"].(string)
	for _, format := range []string{"auth0", "roster"} {
		for _, token := range []string{narrow, s.Admin} {
			record := object{"client_id": strict, "name": "strict", "is_first_party": true}
			if format == "roster" {
				record = object{"kind": "client", "client_id": strict, "document": object{"client_name": "strict", "auth0:is_first_party": true}}
			}
			imported(s, token, format, record)
			if now := read(s, strict); now["is_first_party"] != false || now["third_party_security_mode"] != "strict" {
				t.Errorf("%s: a strict third party became %v, %v", format, now["is_first_party"], now["third_party_security_mode"])
			}
		}
	}
}

// An answer that was kept shows a secret again only to whoever may see it still.
func TestKeptAnswersShowNoSecretThatIsNotForTheCallerAnyMore(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	token := s.Token("create:clients", "update:client_keys", "clients:manage:all")
	send := func(key, path string, body any) servertest.Response {
		return s.Do(token, "POST", path, body, "Idempotency-Key", key)
	}
	body := object{"name": "n", "grant_types": []string{"client_credentials"}}
	id := send("create", "/api/v2/clients", body).Want(201).Object()["client_id"].(string)
	rotations := map[string]string{"rotate": clientPath(id) + "/rotate-secret", "side by side": "/api/roster/v1/clients/" + id + "/secrets"}
	for key, path := range rotations {
		if r := send(key, path, nil); r.Status/100 != 2 {
			t.Fatalf("%s: %d %s", key, r.Status, r.Body)
		}
	}
	if r := send("create", "/api/v2/clients", body).Want(201); r.Header.Get("Idempotency-Replayed") == "" {
		t.Error("the answer is not repeated")
	}
	allow(s, id, "read:logs")
	for key, path := range rotations {
		send(key, path, nil).Want(403)
	}
	send("create", "/api/v2/clients", body).Want(403)
}

// No request leaves the registry without a client that can manage it, whatever way
// it takes, and an operator at the database may.
func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	admin := func() (string, string) {
		id := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "admin", "grant_types": []string{"client_credentials"}}).Want(201).Object()["client_id"].(string)
		allow(s, id, "update:clients", "update:client_grants")
		return id, uuidOf(t, s, id)
	}
	id, uuid := admin()
	s.Do(s.Admin, "PUT", "/api/clients/"+uuid, object{"client": object{"identity_provider": object{"id": newProvider(s)}}}).Want(200)
	grant := "/api/v2/client-grants/" + managementGrant(s, id)
	ways := []struct {
		method, path string
		body         any
	}{
		{"DELETE", clientPath(id), nil},
		{"DELETE", "/api/clients/" + uuid, nil},
		{"PATCH", clientPath(id), object{"grant_types": []string{"authorization_code"}}},
		{"PATCH", "/api/clients/" + uuid, object{"client": object{"token_endpoint_auth_methods": []string{"private_key_jwt"}}}},
		{"PATCH", grant, object{"scope": []string{"update:clients"}}},
		{"DELETE", grant, nil},
		{"PUT", "/api/roster/v1/clients/" + id + "/state", object{"state": "disabled"}},
	}
	for _, way := range ways {
		s.Do(s.Admin, way.method, way.path, way.body).Want(409)
	}
	s.Do(s.Admin, "POST", clientPath(id)+"/rotate-secret", nil).Want(200)
	other, _ := admin()
	s.Do(s.Admin, "DELETE", grant, nil).Want(204)
	s.Do(s.Admin, "DELETE", clientPath(id), nil).Want(204)
	s.Do(s.Admin, "DELETE", clientPath(other), nil).Want(409)
	if err := s.Registry.DeleteClient(t.Context(), oauth.ClientRef{ClientID: other}, func(*oauth.Client) error { return nil }); err != nil {
		t.Error(err)
	}
}
