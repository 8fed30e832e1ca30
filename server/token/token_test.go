package token_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/rosterhq/roster/internal/servertest"
)

func asJSON(params url.Values) string {
	object := map[string]string{}
	for name := range params {
		object[name] = params.Get(name)
	}
	text, _ := json.Marshal(object) // texts always have a form
	return string(text)
}

func TestTokenForASecret(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, method := range []string{"", "client_secret_basic", "client_secret_post"} { // none restricts how a secret is sent
		members := object{}
		if method != "" {
			members["token_endpoint_auth_method"] = method
		}
		id, secret := newClient(s, members)
		post := request(s, "client_id", id, "client_secret", secret)
		for name, send := range map[string]func(*servertest.Server) servertest.Response{
			"basic": func(s *servertest.Server) servertest.Response {
				return ask(s, request(s), "Authorization", basic(id, secret))
			},
			"basic in lower case": func(s *servertest.Server) servertest.Response {
				return ask(s, request(s), "Authorization", "b"+basic(id, secret)[1:])
			},
			"basic and client_id": func(s *servertest.Server) servertest.Response {
				return ask(s, request(s, "client_id", id), "Authorization", basic(id, secret))
			},
			"post": func(s *servertest.Server) servertest.Response { return ask(s, post) },
			"post, media type with charset": func(s *servertest.Server) servertest.Response {
				return ask(s, post, "Content-Type", form+"; charset=UTF-8")
			},
			"JSON": func(s *servertest.Server) servertest.Response { return s.Do("", "POST", "/oauth/token", asJSON(post)) },
			"JSON, and more": func(s *servertest.Server) servertest.Response {
				return s.Do("", "POST", "/oauth/token", strings.Replace(asJSON(post), "{", `{"organization":null,"flags":[1],`, 1))
			},
			"audience without slash": func(s *servertest.Server) servertest.Response {
				return ask(s, request(s, "client_id", id, "client_secret", secret, "audience", s.URL+"/api/v2"))
			},
		} {
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				s := s.In(t)
				r := send(s).Want(200)
				if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("Pragma") != "no-cache" {
					t.Errorf("caching: %v", r.Header)
				}
				body := r.Object()
				token := body["access_token"].(string)
				delete(body, "access_token")
				if diff := cmp.Diff(object{"token_type": "Bearer", "expires_in": 86400.0, "scope": "read:clients read:client_keys"}, body); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				set := keySet(s)
				header, got := open(t, token, jose.RS256, set)
				if header.KeyID != set.Keys[0].KeyID || header.ExtraHeaders["typ"] != "at+jwt" {
					t.Errorf("header %+v", header)
				}
				if got["exp"].(float64)-got["iat"].(float64) != 86400 || len(got["jti"].(string)) < 20 {
					t.Errorf("claims %v", got)
				}
				for _, name := range []string{"iat", "exp", "jti"} {
					delete(got, name)
				}
				want := object{
					"iss": s.URL + "/", "sub": id + "@clients", "aud": audience(s), "scope": "read:clients read:client_keys",
					"client_id": id, "azp": id, "gty": "client-credentials",
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("claims (-want +got):\n%s", diff)
				}
				s.Do(token, "GET", "/api/v2/clients/"+id, nil).Want(200)
				s.Do(token, "DELETE", "/api/v2/clients/"+id, nil).Want(403)
			})
		}
	}
}

const strangeSecret = `a:b%41+c d&e=f;é"/?#\世`

func TestSecretsOfAnyCharacters(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for name, secret := range map[string]string{
		"marks": strangeSecret, "128 bytes": strings.Repeat("0123456789abcdef", 8), "one": "x", "percent": "100%", "blanks": " a ", "colon": ":", "plus": "a+b",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			id, shown := newClient(s, object{"client_secret": secret})
			if shown != secret {
				t.Fatalf("the secret is shown as %q", shown)
			}
			send := func(secret string) map[string]servertest.Response {
				post := request(s, "client_id", id, "client_secret", secret)
				return map[string]servertest.Response{
					"basic": ask(s, request(s), "Authorization", basic(id, secret)), "post": ask(s, post), "JSON": s.Do("", "POST", "/oauth/token", asJSON(post)),
				}
			}
			for way, r := range send(secret) {
				if r.Status != 200 {
					t.Errorf("%s: %d %s", way, r.Status, r.Body)
				}
			}
			for _, wrong := range []string{secret[:len(secret)-1], secret + "x", strings.ToUpper(secret) + " ", secret[:min(72, len(secret)-1)]} {
				for way, r := range send(wrong) {
					if r.Status != 401 {
						t.Errorf("%s with %q: %d %s", way, wrong, r.Status, r.Body)
					}
				}
			}
		})
	}
}

func TestGoOAuth2ClientGetsTokens(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, object{"client_secret": strangeSecret, "token_endpoint_auth_method": "client_secret_post"})
	for name, style := range map[string]oauth2.AuthStyle{"auto": oauth2.AuthStyleAutoDetect, "header": oauth2.AuthStyleInHeader, "params": oauth2.AuthStyleInParams} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := clientcredentials.Config{
				ClientID: id, ClientSecret: secret, TokenURL: s.URL + "/oauth/token", AuthStyle: style,
				Scopes: []string{"read:clients"}, EndpointParams: url.Values{"audience": {audience(s)}},
			}
			token, err := config.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if token.TokenType != "Bearer" || token.Extra("scope") != "read:clients" || time.Until(token.Expiry) < 23*time.Hour {
				t.Errorf("token %v until %v", token.Type(), token.Expiry)
			}
			s.In(t).Do(token.AccessToken, "GET", "/api/v2/clients", nil).Want(200)

			config.ClientSecret = "wrong"
			_, err = config.Token(context.WithoutCancel(t.Context()))
			refused, ok := errors.AsType[*oauth2.RetrieveError](err)
			if !ok || refused.Response.StatusCode != 401 || refused.ErrorCode != "access_denied" {
				t.Errorf("with a wrong secret: %v", err)
			}
		})
	}
}

// What a caller learns must not tell which clients exist.
func TestClientsAreNotToldApart(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	keyed := newKeyedClient(t, s, credential(t, keys[0](), nil))
	_, secretOfKeyed, _ := strings.Cut("never shown", " ")
	public, publicSecret := newClient(s, object{"grant_types": []string{"authorization_code"}, "token_endpoint_auth_method": "none"})
	if publicSecret == "" {
		t.Fatal("a public client has a secret upstream")
	}
	for name, params := range map[string]url.Values{
		"unknown":            request(s, "client_id", "nobody", "client_secret", secret),
		"wrong secret":       request(s, "client_id", id, "client_secret", secret+"x"),
		"no secret":          request(s, "client_id", id),
		"unknown, no secret": request(s, "client_id", "nobody"),
		"empty secret":       {"grant_type": {"client_credentials"}, "audience": {audience(s)}, "client_id": {id}, "client_secret": {""}},
		"keyed":              request(s, "client_id", keyed, "client_secret", secretOfKeyed),
		"public, wrong":      request(s, "client_id", public, "client_secret", "x"),
		"another's secret":   request(s, "client_id", id, "client_secret", publicSecret),
		"no grant either":    request(s, "client_id", "nobody", "client_secret", secret, "audience", "https://nowhere"),
		"long id":            request(s, "client_id", strings.Repeat("x", 5000), "client_secret", secret),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			r := ask(s, params)
			wantError(t, r, 401, "access_denied", "Unauthorized")
			if got := r.Header.Get("WWW-Authenticate"); got != "" {
				t.Errorf("WWW-Authenticate %q", got)
			}
			who, what := params.Get("client_id"), params.Get("client_secret")
			params := request(s)
			r = ask(s, params, "Authorization", basic(who, what))
			wantError(t, r, 401, "access_denied", "Unauthorized")
			if got := r.Header.Get("WWW-Authenticate"); got != `Basic realm="roster"` { // RFC 6749 §5.2
				t.Errorf("WWW-Authenticate %q", got)
			}
		})
	}
}

func TestKeyedClientsCannotUseTheirSecret(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	ask(s, request(s, "client_id", id, "client_secret", secret)).Want(200)
	key := s.Do(s.Admin, "POST", "/api/v2/clients/"+id+"/credentials", credential(t, keys[0](), nil)).Want(201).Object()["id"]
	ask(s, request(s, "client_id", id, "client_secret", secret)).Want(200) // registered is not attached
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, object{
		"client_authentication_methods": object{"private_key_jwt": object{"credentials": []any{object{"id": key}}}}, "token_endpoint_auth_method": nil,
	}).Want(200)
	wantError(t, ask(s, request(s, "client_id", id, "client_secret", secret)), 401, "access_denied", "Unauthorized")
	wantError(t, ask(s, request(s), "Authorization", basic(id, secret)), 401, "access_denied", "Unauthorized")
	askWith(s, sign(t, jose.RS256, keys[0](), nil, claims(s, id))).Want(200)
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, object{"client_authentication_methods": nil, "token_endpoint_auth_method": "client_secret_post"}).Want(200)
	ask(s, request(s, "client_id", id, "client_secret", secret)).Want(200)
	askWith(s, sign(t, jose.RS256, keys[0](), nil, claims(s, id))).Want(401)
}

func TestRotatedSecretsAndDeletedClientsAreDead(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, old := newClient(s, nil)
	now := s.Do(s.Admin, "POST", "/api/v2/clients/"+id+"/rotate-secret", nil).Want(200).Object()["client_secret"].(string)
	wantError(t, ask(s, request(s, "client_id", id, "client_secret", old)), 401, "access_denied", "Unauthorized")
	ask(s, request(s, "client_id", id, "client_secret", now)).Want(200)
	s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil).Want(204)
	wantError(t, ask(s, request(s, "client_id", id, "client_secret", now)), 401, "access_denied", "Unauthorized")
}

// Generic OAuth helpers, the reference page's among them, send no audience.
func TestMissingAudienceMeansTheOnlyOneIfItIsTheManagementAPI(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	body := request(s, "client_id", id, "client_secret", secret, "audience", "").Encode()
	if got := ask(s, request(s, "client_id", id, "client_secret", secret, "audience", "")).Want(200).Object()["scope"]; got != "read:clients read:client_keys" {
		t.Errorf("the token has the scope %v", got)
	}

	invoices := s.URL + "/invoices"
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": invoices}).Want(201)
	s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": id, "audience": invoices, "scope": []string{}}).Want(201)
	const missing = "Missing required parameter: audience. Send the identifier of an API that the client has a grant on."
	wantError(t, s.Do("", "POST", "/oauth/token", body, "Content-Type", form), 400, "invalid_request", missing)

	other := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "m", "grant_types": []string{"client_credentials"}}).Want(201).Object()
	none := request(s, "client_id", other["client_id"].(string), "client_secret", other["client_secret"].(string), "audience", "")
	wantError(t, ask(s, none), 400, "invalid_request", missing)
	s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": other["client_id"], "audience": invoices, "scope": []string{}}).Want(201)
	wantError(t, ask(s, none), 400, "invalid_request", missing)
}

func TestTokenRequestsAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	good := request(s, "client_id", id, "client_secret", secret)
	edit := func(pairs ...string) string {
		params := request(s, append([]string{"client_id", id, "client_secret", secret}, pairs...)...)
		return params.Encode()
	}
	const twoWays = "Use one way of client authentication at a time."
	assertion := url.Values{"client_assertion": {"x.y.z"}, "client_assertion_type": {jwtBearer}}.Encode()
	for name, test := range map[string]struct {
		body   string
		header []string
		status int
		code   string
		text   string
	}{
		"no grant type":        {edit("grant_type", ""), nil, 400, "invalid_request", "Missing required parameter: grant_type"},
		"unknown grant type":   {edit("grant_type", "password"), nil, 400, "unsupported_grant_type", "Unsupported grant type"},
		"no client":            {edit("client_id", ""), nil, 400, "invalid_request", "Missing required parameter: client_id"},
		"nothing":              {"", nil, 400, "invalid_request", "Missing required parameter: grant_type"},
		"repeated":             {good.Encode() + "&audience=x", nil, 400, "invalid_request", "A parameter is repeated."},
		"the same repeated":    {good.Encode() + "&client_id=" + id, nil, 400, "invalid_request", "A parameter is repeated."},
		"bad form":             {good.Encode() + "&x=%zz", nil, 400, "invalid_request", "The request is not a valid form."},
		"semicolons":           {strings.ReplaceAll(good.Encode(), "&", ";"), nil, 400, "invalid_request", "The request is not a valid form."},
		"NUL":                  {edit("client_id", "a\x00b"), nil, 400, "invalid_request", "A parameter has a NUL character."},
		"no media type":        {good.Encode(), []string{"Content-Type", ""}, 415, "invalid_request", "The request must be sent as application/x-www-form-urlencoded or application/json."},
		"wrong media type":     {good.Encode(), []string{"Content-Type", "text/plain"}, 415, "invalid_request", "The request must be sent as application/x-www-form-urlencoded or application/json."},
		"form as JSON":         {good.Encode(), []string{"Content-Type", "application/json"}, 400, "invalid_request", "The payload is not valid JSON."},
		"JSON array":           {"[]", []string{"Content-Type", "application/json"}, 400, "invalid_request", "The request must be a JSON object."},
		"JSON null":            {"null", []string{"Content-Type", "application/json"}, 400, "invalid_request", "Missing required parameter: grant_type"},
		"JSON member twice":    {`{"client_id":"a","client_id":"b"}`, []string{"Content-Type", "application/json"}, 400, "invalid_request", `The payload has the member "client_id" twice in one object.`},
		"JSON number":          {`{"grant_type":"client_credentials","client_id":1}`, []string{"Content-Type", "application/json"}, 400, "invalid_request", "client_id must be a string."},
		"too large":            {good.Encode() + "&x=" + strings.Repeat("x", 1<<20), nil, 413, "invalid_request", "The payload exceeds the limit of 65536 bytes."},
		"basic and post":       {edit(), []string{"Authorization", basic(id, secret)}, 400, "invalid_request", twoWays},
		"basic of another":     {edit("client_secret", ""), []string{"Authorization", basic("another", secret)}, 400, "invalid_request", "client_id differs from the one in the Authorization header."},
		"secret and assertion": {edit() + "&" + assertion, nil, 400, "invalid_request", twoWays},
		"basic and assertion":  {edit("client_id", "", "client_secret", "") + "&" + assertion, []string{"Authorization", basic(id, secret)}, 400, "invalid_request", twoWays},
		"basic without secret and assertion": {
			edit("client_id", "", "client_secret", "") + "&" + assertion, []string{"Authorization", basic(id, "")}, 400, "invalid_request", twoWays,
		},
		"assertion without type":    {edit("client_secret", "", "client_assertion", "x"), nil, 400, "invalid_request", "client_assertion_type must be " + jwtBearer},
		"assertion of other type":   {edit("client_secret", "", "client_assertion", "x", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), nil, 400, "invalid_request", "client_assertion_type must be " + jwtBearer},
		"type without assertion":    {edit("client_secret", "", "client_assertion_type", jwtBearer), nil, 400, "invalid_request", "Missing required parameter: client_assertion"},
		"secret, type no assertion": {edit("client_assertion_type", jwtBearer), nil, 400, "invalid_request", "Missing required parameter: client_assertion"},
		"bearer":                    {edit(), []string{"Authorization", "Bearer x"}, 401, "invalid_client", "The Authorization header must be one of the Basic scheme."},
		"empty header":              {edit(), []string{"Authorization", ""}, 401, "invalid_client", "The Authorization header must be one of the Basic scheme."},
		"basic, not base64":         {edit("client_secret", ""), []string{"Authorization", "Basic %%%"}, 401, "invalid_client", "The Authorization header must be one of the Basic scheme."},
		"basic, no colon":           {edit("client_secret", ""), []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("abc"))}, 401, "invalid_client", "The Authorization header must be one of the Basic scheme."},
		"basic, not form-encoded":   {edit("client_secret", ""), []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":100%"))}, 401, "invalid_client", "The Basic credentials must be form-encoded before base64."},
		"basic, NUL":                {edit("client_id", "", "client_secret", ""), []string{"Authorization", basic(id+"\x00", secret)}, 401, "invalid_client", "The Basic credentials must be form-encoded before base64."},
		"unknown audience":          {edit("audience", "https://nowhere.example"), nil, 403, "access_denied", "Service not found: https://nowhere.example"},
		"scope beyond the grant":    {edit("scope", "read:clients delete:clients"), nil, 403, "access_denied", "Client has not been granted scopes: delete:clients"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			header := append([]string{"Content-Type", form}, test.header...)
			wantError(t, s.Do("", "POST", "/oauth/token", test.body, header...), test.status, test.code, test.text)
		})
	}
}

func TestParametersInTheQueryAreNotRead(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	query := "?" + request(s, "client_id", id, "client_secret", secret).Encode()
	wantError(t, s.Do("", "POST", "/oauth/token"+query, "", "Content-Type", form), 400, "invalid_request", "Missing required parameter: grant_type")
	r := s.Do("", "POST", "/oauth/token"+query+"&audience=x", request(s, "client_id", id, "client_secret", secret).Encode(), "Content-Type", form)
	r.Want(200)
	if strings.Contains(s.Log.String(), secret) {
		t.Error("the log holds the secret")
	}
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
		if r := s.Do("", method, "/oauth/token", nil).Want(405); r.Object()["error"] == nil {
			t.Errorf("%s: %s", method, r.Body)
		}
	}
	for _, path := range []string{"/oauth/authorize", "/oauth/token/"} {
		if r := s.Do("", "POST", path, "").Want(404); r.Object()["error"] == nil {
			t.Errorf("%s: %s", path, r.Body)
		}
	}
}

func TestScopesAreNarrowedToWhatIsAskedAndGranted(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const api = "https://api.example"
	created := s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": api, "scopes": []any{object{"value": "a"}, object{"value": "b"}, object{"value": "c"}}}).Want(201).Object()
	id, secret := newClient(s, nil)
	allow(s, id, api, "b", "a")
	for asked, want := range map[string]string{"": "b a", "a": "a", "a b": "b a", " b  b ": "b"} {
		body := ask(s, request(s, "client_id", id, "client_secret", secret, "audience", api, "scope", asked)).Want(200).Object()
		if body["scope"] != want {
			t.Errorf("asked for %q, got %q, want %q", asked, body["scope"], want)
		}
	}
	wantError(t, ask(s, request(s, "client_id", id, "client_secret", secret, "audience", api, "scope", "a c")), 403, "access_denied", "Client has not been granted scopes: c")

	s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/"+created["id"].(string), object{"scopes": []any{object{"value": "a"}}}).Want(200)
	if body := ask(s, request(s, "client_id", id, "client_secret", secret, "audience", api)).Want(200).Object(); body["scope"] != "a" {
		t.Errorf("after the API has dropped b the scope is %q", body["scope"])
	}
}

// Tools make the grant and the API's scopes in any order.
func TestAGrantMayComeBeforeTheScopesOfItsAPI(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const api = "https://orders.example.com/"
	path := "/api/v2/resource-servers/" + s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": api}).Want(201).Object()["id"].(string)
	id, secret := newClient(s, nil)
	allow(s, id, api, "read:orders", "write:orders", "read:orders") // named twice, carried once
	for _, step := range []struct {
		has  []any
		want any
	}{
		{nil, nil},
		{[]any{object{"value": "write:orders"}, object{"value": "other"}}, "write:orders"},
		{[]any{object{"value": "read:orders"}, object{"value": "write:orders"}}, "read:orders write:orders"},
	} {
		if step.has != nil {
			s.Do(s.Admin, "PATCH", path, object{"scopes": step.has}).Want(200)
		}
		body := ask(s, request(s, "client_id", id, "client_secret", secret, "audience", api)).Want(200).Object()
		if body["scope"] != step.want {
			t.Errorf("the API has %v: the scope is %v, want %v", step.has, body["scope"], step.want)
		}
	}
	wantError(t, ask(s, request(s, "client_id", id, "client_secret", secret, "audience", api, "scope", "other")), 403, "access_denied", "Client has not been granted scopes: other")
}

func TestClientsWithoutLeaveGetNoToken(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const api = "https://api.example/"
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": api, "scopes": []any{object{"value": "a"}}}).Want(201)
	closed := "https://closed.example"
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": closed, "subject_type_authorization": object{"client": object{"policy": "deny_all"}}}).Want(201)
	id, secret := newClient(s, nil)
	allow(s, id, closed)
	users, usersSecret := newClient(s, nil)
	s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": users, "audience": api, "scope": []any{}, "subject_type": "user"}).Want(201)
	web, webSecret := newClient(s, object{"grant_types": []string{"authorization_code"}})

	denied := func(audience string) string {
		return fmt.Sprintf(`Client is not authorized to access "%s". You need to create a "client-grant" associated to this API.`, audience)
	}
	wantError(t, ask(s, request(s, "client_id", id, "client_secret", secret, "audience", api)), 403, "access_denied", denied(api))
	wantError(t, ask(s, request(s, "client_id", id, "client_secret", secret, "audience", closed)), 403, "access_denied", denied(closed))
	wantError(t, ask(s, request(s, "client_id", users, "client_secret", usersSecret, "audience", api)), 403, "access_denied", denied(api))
	wantError(t, ask(s, request(s, "client_id", web, "client_secret", webSecret)), 403, "unauthorized_client", "Grant type 'client_credentials' not allowed for the client.")
}
