package token_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
)

const inactive = `{"active":false}`

// party is a client with a secret, and a token that it has got.
type party struct{ id, secret, token string }

func newParty(s *servertest.Server, audience string, members object) party {
	id, secret := newClient(s, members)
	p := party{id: id, secret: secret}
	if audience != "" {
		p.token = p.fetch(s, audience)
	}
	return p
}

func (p party) fetch(s *servertest.Server, audience string) string {
	return ask(s, request(s, "client_id", p.id, "client_secret", p.secret, "audience", audience)).Want(200).Object()["access_token"].(string)
}

// send asks one of the two endpoints about a token, by client_secret_basic.
func (p party) send(s *servertest.Server, path, token string, header ...string) servertest.Response {
	return s.Do("", "POST", path, url.Values{"token": {token}}.Encode(),
		append([]string{"Content-Type", form, "Authorization", basic(p.id, p.secret)}, header...)...)
}

// wantActive fails the test unless a token's owner is told that it is good, or
// exactly that it is not.
func (p party) wantActive(t testing.TB, s *servertest.Server, token string, want bool) {
	t.Helper()
	r := p.send(s, "/oauth/introspect", token).Want(200)
	if got := r.Object()["active"]; got != want || !want && string(r.Body) != inactive {
		t.Errorf("the answer is %s, want active %v", r.Body, want)
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", r.Header.Get("Cache-Control"))
	}
}

// world is a service with an API, who calls it, who it is, and a stranger.
type apiWorld struct {
	*servertest.Server
	api                      string
	caller, owner, peer, odd party
}

func newAPIWorld(t testing.TB, edit ...func(object)) apiWorld {
	t.Helper()
	w := apiWorld{Server: servertest.New(t), api: "https://invoices.example/"}
	api := object{"identifier": w.api, "scopes": []any{object{"value": "read:invoices"}, object{"value": "write:invoices"}}, "token_lifetime": 600}
	for _, f := range edit {
		f(api)
	}
	w.Do(w.Admin, "POST", "/api/v2/resource-servers", api).Want(201)
	w.caller, w.peer, w.odd = newParty(w.Server, "", nil), newParty(w.Server, "", nil), newParty(w.Server, "", nil)
	allow(w.Server, w.caller.id, w.api, "read:invoices")
	allow(w.Server, w.peer.id, w.api)
	created := w.Do(w.Admin, "POST", "/api/v2/clients", object{
		"name": "invoices", "app_type": "resource_server", "resource_server_identifier": w.api,
	}).Want(201).Object()
	w.owner = party{id: created["client_id"].(string), secret: created["client_secret"].(string)}
	w.caller.token = w.caller.fetch(w.Server, w.api)
	return w
}

func TestIntrospectionTellsWhomItConcerns(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	management := w.caller.fetch(w.Server, audience(w.Server))
	reader := w.Token("read:tokens")
	_, claims := open(t, w.caller.token, jose.RS256, keySet(w.Server))
	want := object{
		"active": true, "iss": w.URL + "/", "sub": w.caller.id + "@clients", "aud": w.api, "client_id": w.caller.id,
		"scope": "read:invoices", "token_type": "Bearer", "iat": claims["iat"], "nbf": claims["iat"], "exp": claims["exp"], "jti": claims["jti"],
	}
	byToken := func(bearer, token string) servertest.Response {
		return w.Do(bearer, "POST", "/oauth/introspect", url.Values{"token": {token}, "token_type_hint": {"refresh_token"}}.Encode(), "Content-Type", form)
	}
	for who, r := range map[string]servertest.Response{
		"the token's client":     w.caller.send(w.Server, "/oauth/introspect", w.caller.token),
		"the API's client":       w.owner.send(w.Server, "/oauth/introspect", w.caller.token),
		"another with a grant":   w.peer.send(w.Server, "/oauth/introspect", w.caller.token),
		"a token of read:tokens": byToken(reader, w.caller.token),
		"an operator":            byToken(w.Admin, w.caller.token),
	} {
		if diff := cmp.Diff(want, r.Want(200).Object()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", who, diff)
		}
	}
	strange := w.odd.send(w.Server, "/oauth/introspect", "x.y.z").Want(200)
	for what, r := range map[string]servertest.Response{
		"a stranger":                    w.odd.send(w.Server, "/oauth/introspect", w.caller.token),
		"a management token of another": w.peer.send(w.Server, "/oauth/introspect", management), // who has a grant there, too
		"an operator's token":           w.caller.send(w.Server, "/oauth/introspect", w.Admin),
	} {
		if string(r.Want(200).Body) != inactive || string(strange.Body) != inactive || len(r.Header) != len(strange.Header) {
			t.Errorf("%s: %s, of what is unknown %s", what, r.Body, strange.Body)
		}
	}
	w.caller.wantActive(t, w.Server, management, true)
	if got := byToken(reader, w.Admin).Want(200).Object(); got["active"] != true || got["sub"] != "test" {
		t.Errorf("an operator's token: %v", got)
	}
}

func TestTokensThatAreNotGoodAreInactive(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	reader := w.Token("read:tokens")
	parts := strings.Split(w.caller.token, ".")
	edited := func(edit func(object)) string {
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		var c object
		if err := json.Unmarshal(payload, &c); err != nil {
			t.Fatal(err)
		}
		edit(c)
		text, _ := json.Marshal(c) // it was JSON
		return parts[0] + "." + base64.RawURLEncoding.EncodeToString(text) + "." + parts[2]
	}
	signed := w.caller.send(w.Server, "/oauth/introspect", w.caller.token, "Accept", "application/token-introspection+jwt").Want(200)
	_, payload := open(t, w.caller.token, jose.RS256, keySet(w.Server))
	secret := strings.Repeat("s", 32)
	for name, token := range map[string]string{
		"garbage": "garbage", "dots": "..", "NUL in JSON": edited(func(c object) { c["aud"] = "a\x00b" }), "an array": `[]`,
		"another scope": edited(func(c object) { c["scope"] = "write:invoices" }), "another issuer": edited(func(c object) { c["iss"] = "https://x/" }),
		"alg none":           base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + ".",
		"a stranger's key":   sign(t, jose.RS256, keys[0](), object{"typ": "at+jwt", "kid": keySet(w.Server).Keys[0].KeyID}, payload),
		"HS256 for RS256":    sign(t, jose.HS256, []byte(secret), object{"typ": "at+jwt"}, payload),
		"an assertion":       sign(t, jose.RS256, keys[0](), nil, claims(w.Server, w.caller.id)),
		"an introspection":   string(signed.Body),
		"16 KiB":             strings.Repeat("a", 17<<10),
		"a token and a byte": w.caller.token + "A",
	} {
		r := w.Do(reader, "POST", "/oauth/introspect", url.Values{"token": {token}}.Encode(), "Content-Type", form).Want(200)
		if string(r.Body) != inactive {
			t.Errorf("%s: %s", name, r.Body)
		}
		w.caller.send(w.Server, "/oauth/revoke", token).Want(200)
	}
	w.Do(string(signed.Body), "GET", "/api/v2/clients", nil).Want(401)
	w.caller.wantActive(t, w.Server, w.caller.token, true)

	path := "/api/roster/v1/clients/" + w.caller.id
	grants := []object{}
	w.Do(w.Admin, "GET", "/api/v2/client-grants?audience="+url.QueryEscape(w.api)+"&client_id="+w.caller.id, nil).Want(200).Decode(&grants)
	for _, end := range []struct {
		name string
		by   func() servertest.Response
		back func() servertest.Response
	}{
		{"ended tokens", func() servertest.Response {
			return w.Do(w.Admin, "POST", path+"/end-tokens", object{"audience": w.api})
		}, nil},
		{"a disabled client", func() servertest.Response {
			return w.Do(w.Admin, "PUT", path+"/state", object{"state": "disabled"})
		}, func() servertest.Response { return w.Do(w.Admin, "PUT", path+"/state", object{"state": "active"}) }},
		{"a narrowed grant", func() servertest.Response {
			return w.Do(w.Admin, "PATCH", "/api/v2/client-grants/"+grants[0]["id"].(string), object{"scope": []string{}})
		}, func() servertest.Response {
			return w.Do(w.Admin, "PATCH", "/api/v2/client-grants/"+grants[0]["id"].(string), object{"scope": []string{"read:invoices"}})
		}},
		{"expiry", func() servertest.Response { w.Clock.Pass(600 * time.Second); return servertest.Response{} }, nil},
		{"a deleted client", func() servertest.Response { return w.Do(w.Admin, "DELETE", "/api/v2/clients/"+w.caller.id, nil) }, nil},
	} {
		token := w.caller.fetch(w.Server, w.api)
		w.owner.wantActive(t, w.Server, token, true)
		if r := end.by(); r.Status > 299 {
			t.Fatalf("%s: %d %s", end.name, r.Status, r.Body)
		}
		w.owner.wantActive(t, w.Server, token, false)
		if end.back != nil {
			end.back().Want(200)
			w.owner.wantActive(t, w.Server, token, false)
		}
	}
}

func TestAnIntrospectionMayBeSigned(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	reader := w.Token("read:tokens")
	plain := w.owner.send(w.Server, "/oauth/introspect", w.caller.token).Want(200).Object()
	for accept, signed := range map[string]bool{
		"application/token-introspection+jwt": true, "application/json, application/token-introspection+jwt;q=0.5": true,
		"application/token-introspection+jwt;q=0": false, "*/*": false, "application/json": false, "application/jwt": false, ";": false,
	} {
		r := w.owner.send(w.Server, "/oauth/introspect", w.caller.token, "Accept", accept).Want(200)
		if got := r.Header.Get("Content-Type") == "application/token-introspection+jwt"; got != signed {
			t.Errorf("Accept %q is answered with %s", accept, r.Header.Get("Content-Type"))
		}
	}
	verify := func(r servertest.Response, caller string, want object) {
		t.Helper()
		header, got := open(t, string(r.Want(200).Body), jose.RS256, keySet(w.Server))
		if header.ExtraHeaders["typ"] != "token-introspection+jwt" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("typ %v, Cache-Control %q", header.ExtraHeaders["typ"], r.Header.Get("Cache-Control"))
		}
		if diff := cmp.Diff(object{"iss": w.URL + "/", "aud": caller, "iat": float64(w.Clock.Now().Unix()), "token_introspection": want}, got); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	}
	asJWT := []string{"Accept", "application/token-introspection+jwt"}
	verify(w.owner.send(w.Server, "/oauth/introspect", w.caller.token, asJWT...), w.owner.id, plain)
	verify(w.odd.send(w.Server, "/oauth/introspect", w.caller.token, asJWT...), w.odd.id, object{"active": false})
	_, claims := open(t, reader, jose.RS256, keySet(w.Server))
	verify(w.Do(reader, "POST", "/oauth/introspect", url.Values{"token": {w.caller.token}}.Encode(), append(asJWT, "Content-Type", form)...),
		claims["client_id"].(string), plain)
}

// An API's secret says whose its tokens are, and nothing about anybody else's.
func TestTokensOfASharedSecret(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 40)
	w := newAPIWorld(t, func(api object) { api["signing_alg"], api["signing_secret"] = "HS256", secret })
	w.owner.wantActive(t, w.Server, w.caller.token, true)
	victim := w.caller.fetch(w.Server, audience(w.Server))
	_, stolen := open(t, victim, jose.RS256, keySet(w.Server))
	_, own := open(t, w.caller.token, jose.HS256, []byte(secret))
	forge := func(edit func(object)) string {
		c := object{}
		for name, value := range own {
			c[name] = value
		}
		edit(c)
		return sign(t, jose.HS256, []byte(secret), object{"typ": "at+jwt"}, c)
	}
	for name, token := range map[string]string{
		"another's jti":          forge(func(c object) { c["client_id"], c["jti"] = w.peer.id, stolen["jti"] }),
		"the management API":     forge(func(c object) { c["client_id"], c["aud"] = w.peer.id, audience(w.Server) }),
		"an operator":            forge(func(c object) { c["client_id"], c["gty"], c["scope"] = w.peer.id, "operator", "all" }),
		"for ever":               forge(func(c object) { c["client_id"], c["exp"] = w.peer.id, 99999999999 }),
		"a jti of 8 KiB":         forge(func(c object) { c["client_id"], c["jti"] = w.peer.id, strings.Repeat("x", 8<<10) }),
		"an audience with a NUL": forge(func(c object) { c["aud"] = "a\x00" }),
	} {
		w.peer.send(w.Server, "/oauth/revoke", token).Want(200)
		if name != "another's jti" { // which is no worse than any other of the API's secret
			w.peer.wantActive(t, w.Server, token, false)
		}
	}
	w.caller.wantActive(t, w.Server, victim, true)
	w.Do(victim, "GET", "/api/v2/clients", nil).Want(200)
	w.caller.send(w.Server, "/oauth/revoke", w.caller.token).Want(200)
	w.owner.wantActive(t, w.Server, w.caller.token, false)
}

func TestARevokedTokenIsDeadEverywhere(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	management, other := w.caller.fetch(w.Server, audience(w.Server)), w.caller.fetch(w.Server, audience(w.Server))
	doors := map[string]int{"/api/v2/clients": 200, "/api/clients": 403, "/api/roster/v1/clients": 200, "/api/roster/v1/events": 403}
	for door, status := range doors {
		w.Do(management, "GET", door, nil).Want(status)
	}
	if r := w.peer.send(w.Server, "/oauth/revoke", management).Want(200); len(r.Body) != 0 || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the answer is %q, Cache-Control %q", r.Body, r.Header.Get("Cache-Control"))
	}
	w.caller.wantActive(t, w.Server, management, true) // since it is no token of the peer's
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { w.caller.send(w.Server, "/oauth/revoke", management).Want(200) })
	}
	all.Wait()
	for door := range doors {
		w.Do(management, "GET", door, nil).Want(401)
	}
	if r := w.Do(management, "POST", "/oauth/introspect", url.Values{"token": {other}}.Encode(), "Content-Type", form); r.Status != 401 ||
		!strings.Contains(r.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("introspection with it: %d %s", r.Status, r.Header.Get("WWW-Authenticate"))
	}
	w.caller.wantActive(t, w.Server, management, false)
	w.caller.wantActive(t, w.Server, other, true)
	w.Do(other, "GET", "/api/v2/clients", nil).Want(200)

	_, claims := open(t, management, jose.RS256, keySet(w.Server))
	events := w.Do(w.Admin, "GET", "/api/roster/v1/events?action=token.revoked", nil).Want(200).Object()["events"].([]any)
	if len(events) != 1 {
		t.Fatalf("%d events of 8 revocations", len(events))
	}
	e := events[0].(object)
	if e["target"] != claims["jti"] || e["actor"] != w.caller.id+"@clients" || e["actor_client"] != w.caller.id {
		t.Errorf("event %v", e)
	}
	kept := func() (n int) {
		if err := w.Registry.ForgetExpired(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Pool.QueryRow(t.Context(), `SELECT count(*) FROM revoked_tokens`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := kept(); n != 1 {
		t.Errorf("%d revoked tokens are kept", n)
	}
	w.Clock.Pass(26 * time.Hour)
	if n := kept(); n != 0 {
		t.Errorf("%d revoked tokens are kept after they have expired", n)
	}
}

// What comes before a token is looked at is as at the token endpoint.
func TestWhoAsksAboutATokenMustAuthenticate(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	p := w.caller
	keyed := newKeyedClient(t, w.Server, credential(t, keys[0](), nil))
	const wrong = "The client_id or the client_secret is wrong."
	good := url.Values{"token": {p.token}, "client_id": {p.id}, "client_secret": {p.secret}}.Encode()
	type refusal struct {
		body   string
		header []string
		status int
		code   string
		text   string
	}
	cases := map[string]refusal{
		"nobody":         {"token=" + p.token, nil, 401, "invalid_client", "The client must authenticate."},
		"wrong secret":   {strings.Replace(good, "secret=", "secret=x", 1), nil, 401, "invalid_client", wrong},
		"unknown":        {strings.Replace(good, p.id, "nobody", 1), nil, 401, "invalid_client", wrong},
		"no secret":      {"token=a&client_id=" + p.id, nil, 401, "invalid_client", wrong},
		"keyed, secret":  {"token=a&client_secret=b&client_id=" + keyed, nil, 401, "invalid_client", wrong},
		"wrong basic":    {"token=a", []string{"Authorization", basic(p.id, "x")}, 401, "invalid_client", wrong},
		"two ways":       {good, []string{"Authorization", basic(p.id, p.secret)}, 400, "invalid_request", "Use one way of client authentication at a time."},
		"repeated":       {good + "&token=" + p.token, nil, 400, "invalid_request", "A parameter is repeated."},
		"no token":       {"client_id=" + p.id + "&client_secret=" + url.QueryEscape(p.secret), nil, 400, "invalid_request", "Missing required parameter: token"},
		"empty token":    {"token=&client_id=" + p.id, nil, 400, "invalid_request", "Missing required parameter: token"},
		"NUL":            {good + "&x=%00", nil, 400, "invalid_request", "A parameter has a NUL character."},
		"JSON":           {`{"token":"a"}`, []string{"Content-Type", "application/json"}, 415, "invalid_request", "The request must be sent as application/x-www-form-urlencoded."},
		"no type":        {good, []string{"Content-Type", ""}, 415, "invalid_request", "The request must be sent as application/x-www-form-urlencoded."},
		"too large":      {good + "&x=" + strings.Repeat("x", 64<<10), nil, 413, "invalid_request", "The payload exceeds the limit of 65536 bytes."},
		"bad assertion":  {"token=a&client_assertion=b&client_assertion_type=" + url.QueryEscape(jwtBearer), nil, 401, "invalid_client", "the client assertion must be a JWS in compact form"},
		"unknown scheme": {"token=a", []string{"Authorization", "Token x"}, 401, "invalid_client", "The Authorization header must be one of the Basic scheme."},
	}
	for name, c := range cases {
		for _, path := range []string{"/oauth/introspect", "/oauth/revoke"} {
			r := w.Do("", "POST", path, c.body, append([]string{"Content-Type", form}, c.header...)...)
			wantError(t, r, c.status, c.code, c.text)
			if challenged := r.Header.Get("WWW-Authenticate") != ""; challenged != (c.status == 401) {
				t.Errorf("%s %s: WWW-Authenticate %q", path, name, r.Header.Get("WWW-Authenticate"))
			}
		}
	}
	for _, path := range []string{"/oauth/introspect", "/oauth/revoke"} {
		r := w.Do("", "POST", path+"?token="+p.token, good, "Content-Type", form)
		wantError(t, r, 400, "invalid_request", "Parameters must be in the body: what is in a URL ends up in logs.")
		w.Do("", "GET", path+"?token="+p.token, nil).Want(405)
		asserted := func() string {
			return url.Values{"token": {"a"}, "client_assertion": {sign(t, jose.RS256, keys[0](), nil, claims(w.Server, keyed))}, "client_assertion_type": {jwtBearer}}.Encode()
		}
		body := asserted()
		w.Do("", "POST", path, body, "Content-Type", form).Want(200)
		w.Do("", "POST", path, body, "Content-Type", form).Want(401) // an assertion is good once
		w.Do("", "POST", path, asserted(), "Content-Type", form).Want(200)
	}
	r := w.Do(p.fetch(w.Server, audience(w.Server)), "POST", "/oauth/introspect", "token=a", "Content-Type", form)
	wantError(t, r, 403, "insufficient_scope", "The token needs the scope read:tokens.")
	wantError(t, w.Do(w.Admin, "POST", "/oauth/introspect", good, "Content-Type", form), 400, "invalid_request", "Use one way of client authentication at a time.")
	wantError(t, w.Do(w.Admin, "POST", "/oauth/introspect", "token=a", "Content-Type", form, "Authorization", "Bearer x.y.z"), 401, "invalid_token", "Invalid token")
	w.Do(w.Admin, "POST", "/oauth/revoke", "token="+p.token, "Content-Type", form).Want(401) // it is no client authentication
	w.caller.wantActive(t, w.Server, p.token, true)
	if log := w.Log.String(); strings.Contains(log, p.token) || strings.Contains(log, p.secret) {
		t.Error("the log holds a token or a secret")
	}
}

func TestGuessesAreCountedAcrossTheEndpoints(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := newParty(s, "", nil)
	wrong := party{id: p.id, secret: "x"}
	limited := 0
	for n := range 21 {
		path := []string{"/oauth/introspect", "/oauth/revoke"}[n%2]
		if wrong.send(s, path, "a").Status == http.StatusTooManyRequests {
			limited = n
		}
	}
	if limited != 20 {
		t.Errorf("guess %d is the last that is limited, want only the 21st", limited)
	}
	p.send(s, "/oauth/introspect", "a").Want(http.StatusTooManyRequests)
	ask(s, request(s, "client_id", p.id, "client_secret", p.secret)).Want(http.StatusTooManyRequests)
}

func TestMetadataNamesWhereTokensAreAskedAbout(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) { c.PublicURL = "https://roster.example" }})
	methods, algorithms := []any{"client_secret_basic", "client_secret_post", "private_key_jwt"}, []any{"RS256", "RS384", "PS256"}
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		got := s.Do("", "GET", path, nil).Want(200).Object()
		for name, want := range map[string]any{
			"introspection_endpoint": "https://roster.example/oauth/introspect", "revocation_endpoint": "https://roster.example/oauth/revoke",
			"introspection_endpoint_auth_methods_supported": methods, "revocation_endpoint_auth_methods_supported": methods,
			"introspection_endpoint_auth_signing_alg_values_supported": algorithms, "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
			"introspection_signing_alg_values_supported": []any{"RS256"},
		} {
			if diff := cmp.Diff(want, got[name]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}
