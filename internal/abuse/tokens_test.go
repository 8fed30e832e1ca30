package abuse

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server/admission"
)

// Deleting a client ends its secret and its keys, on every instance at once, and
// its identifier does not come back.
func TestDeletingAClientEndsItsProofsForGood(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	replica := beside(t, s, nil)
	id, secret := newClient(s, nil)
	keyed := newKeyedClient(t, s, 0)
	signed := func() string { return sign(t, jose.RS256, keys[0](), nil, claims(s, keyed)) }
	provider := newProvider(s)
	own := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, nil)).Want(201).Object()["data"].(object)["id"].(string)
	for _, at := range []*servertest.Server{s, replica} {
		if !good(t, at, id, secret) {
			t.Fatal("the secret is not good to begin with")
		}
		present(at, signed()).Want(200)
	}
	s.Do(s.Admin, "DELETE", clientPath(id), nil).Want(204)
	s.Do(s.Admin, "DELETE", clientPath(keyed), nil).Want(204)
	s.Do(s.Admin, "DELETE", "/api/clients/"+own, nil).Want(204)
	for name, at := range map[string]*servertest.Server{"instance": s, "replica": replica} {
		if good(t, at, id, secret) {
			t.Errorf("%s: the secret of a deleted client is good", name)
		}
		present(at, signed()).Want(401)
		for _, gone := range []string{id, keyed} {
			at.Do(s.Admin, "PATCH", clientPath(gone), object{"name": "back"}).Want(404)
			at.Do(s.Admin, "POST", clientPath(gone)+"/rotate-secret", nil).Want(404)
			at.Do(s.Admin, "GET", "/api/roster/v1/clients/"+gone+"/secrets", nil).Want(404)
		}
		at.Do(s.Admin, "PUT", "/api/clients/"+own, boruta(provider, nil)).Want(404)
	}
	var left int
	if err := s.Pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM client_secrets s WHERE NOT EXISTS (SELECT FROM clients c WHERE c.id = s.client))
		+ (SELECT count(*) FROM credentials) + (SELECT count(*) FROM client_grants)`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows of deleted clients are left, %v", left, err)
	}
}

// No Authorization header makes the service fail, wherever it is read.
func TestNoAuthorizationHeaderMakesTheServiceFail(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for name, header := range map[string][]string{
		"empty": {""}, "Bearer": {"Bearer"}, "Bearer and a blank": {"Bearer "}, "Basic": {"Basic"}, "Basic and a blank": {"Basic "},
		"not base64": {"Basic %%%"}, "no colon": {"Basic YWJj"}, "colon alone": {"Basic Og=="}, "NUL": {"Basic " + base64.StdEncoding.EncodeToString([]byte("a\x00:b"))},
		"percent": {"Basic " + base64.StdEncoding.EncodeToString([]byte("%zz:%"))}, "not UTF-8": {"Bearer \xff\xfe"}, "Basic of bytes": {"Basic " + base64.StdEncoding.EncodeToString([]byte{0xff, ':', 0xfe})},
		"dots": {"Bearer ..."}, "nothing signed": {"Bearer e30.e30."}, "null payload": {"Bearer e30.bnVsbA.e30"}, "JSON serialisation": {`Bearer {"payload":"","signatures":[]}`},
		"two": {"Bearer " + s.Admin, "Bearer x"}, "secret by the wrong scheme": {"Basic " + s.Admin}, "unknown scheme": {"Negotiate x"}, "half a megabyte": {"Bearer " + strings.Repeat("a.", 256<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"/api/v2/clients", "/api/clients", "/api/roster/v1/events", "/oauth/token"} {
				method, body := "GET", ""
				if path == "/oauth/token" {
					method, body = "POST", "grant_type=client_credentials&client_id=a"
				}
				req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header["Authorization"] = header
				req.Header.Set("Content-Type", form)
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != 400 && resp.StatusCode != 401 {
					t.Errorf("%s answers %d", path, resp.StatusCode)
				}
			}
		})
	}
	s.Do(s.Admin, "GET", "/api/v2/clients", nil, "Authorization", "bearer "+s.Admin).Want(200)
}

// Assertions that prove nothing are refused at the token endpoint, and no key
// that one brings along or points at is used or fetched.
func TestAssertionsThatProveNothingAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	trap := newTrap(t)
	id, other := newKeyedClient(t, s, 0), newKeyedClient(t, s, 1)
	at := func(d time.Duration) int64 { return s.Clock.Now().Add(d).Unix() }
	with := func(edit ...func(object)) string {
		return sign(t, jose.RS256, keys[0](), nil, claims(s, id, edit...))
	}
	header := func(name string, value any) string {
		return sign(t, jose.RS256, keys[1](), object{name: value}, claims(s, id))
	}
	spki, err := x509.MarshalPKIXPublicKey(keys[0]().Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: keys[1]().Public()})
	if err != nil {
		t.Fatal(err)
	}
	good := with()
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	for name, assertion := range map[string]string{
		"expired":                  with(set("exp", at(-time.Minute)), set("iat", at(-2*time.Minute))),
		"no exp":                   with(drop("exp")),
		"exp in ten years":         with(set("exp", at(10*365*24*time.Hour))),
		"iat in the future":        with(set("iat", at(time.Hour)), set("exp", at(2*time.Hour))),
		"nbf in the future":        with(set("nbf", at(time.Minute))),
		"another audience":         with(set("aud", "https://elsewhere.example/")),
		"an array of two":          with(set("aud", []string{s.Registry.Issuer(), "https://elsewhere.example/"})),
		"no audience":              with(drop("aud")),
		"iss is not sub":           with(set("iss", other)),
		"sub of another":           with(set("iss", other), set("sub", other)),
		"no jti":                   with(drop("jti")),
		"alg none":                 none + "." + parts[1] + ".",
		"alg none with signature":  none + "." + parts[1] + "." + parts[2],
		"signature cut off":        parts[0] + "." + parts[1] + ".",
		"HS256 with the key's PEM": sign(t, jose.HS256, []byte(publicPEM(t, keys[0]().Public())), nil, claims(s, id)),
		"HS256 with the key's DER": sign(t, jose.HS256, spki, nil, claims(s, id)),
		"crit":                     sign(t, jose.RS256, keys[0](), object{"crit": []string{"x"}, "x": true}, claims(s, id)),
		"jwk":                      header("jwk", json.RawMessage(jwk)),
		"jku":                      header("jku", trap.URL),
		"x5u":                      header("x5u", trap.URL),
		"kid a URL":                header("kid", trap.URL),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if body := present(s.In(t), assertion).Want(401).Object(); body["error"] != "invalid_client" {
				t.Errorf("got %v", body)
			}
		})
	}
	present(s, good).Want(200)
	trap.wantUntouched(t)
}

// An assertion is good once, whichever instances it is presented to, at the same
// time or after a restart.
func TestAnAssertionIsValidOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := newKeyedClient(t, s, 0)
	instances := []*servertest.Server{s, beside(t, s, nil)}
	for range 5 {
		assertion := sign(t, jose.RS256, keys[0](), nil, claims(s, id))
		var taken atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				switch r := present(instances[i%2], assertion); r.Status {
				case 200:
					taken.Add(1)
				case 401:
				default:
					t.Errorf("status %d: %s", r.Status, r.Body)
				}
			})
		}
		all.Wait()
		if n := taken.Load(); n != 1 {
			t.Errorf("an assertion was taken %d times", n)
		}
		restarted := beside(t, s, nil)
		present(restarted, assertion).Want(401)
		if err := restarted.Registry.ForgetExpired(t.Context()); err != nil {
			t.Fatal(err)
		}
		present(restarted, assertion).Want(401)
	}
}

// Two proofs at once are refused, good as each may be, and so is a way that the
// client is not registered for.
func TestTwoProofsAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	keyed := newKeyedClient(t, s, 0)
	signed := sign(t, jose.RS256, keys[0](), nil, claims(s, keyed))
	unsigned := func(client string) string {
		text, err := json.Marshal(claims(s, client))
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(text) + "."
	}
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
	}
	assertion := func(text string) []string {
		return []string{"client_assertion", text, "client_assertion_type", jwtBearer}
	}
	post := []string{"client_id", id, "client_secret", secret}
	for name, test := range map[string]struct {
		params        []string
		authorization string
		status        int
	}{
		"post and a decoy assertion":   {append(assertion(unsigned(id)), post...), "", 400},
		"post and a good assertion":    {append(assertion(signed), post...), "", 400},
		"basic and a decoy assertion":  {assertion(unsigned(id)), basic(id, secret), 400},
		"basic and a good assertion":   {assertion(signed), basic(keyed, ""), 400},
		"basic and post":               {post, basic(id, secret), 400},
		"basic of one, post of other":  {[]string{"client_id", keyed, "client_secret", "x"}, basic(id, secret), 400},
		"post and type alone":          {append([]string{"client_assertion_type", jwtBearer}, post...), "", 400},
		"assertion of a secret client": {assertion(sign(t, jose.RS256, keys[0](), nil, claims(s, id))), "", 401},
		"secret of a keyed client":     {[]string{"client_id", keyed, "client_secret", secret}, "", 401},
		"no secret, keyed client":      {[]string{"client_id", keyed}, "", 401},
		"empty secret, keyed client":   {nil, basic(keyed, ""), 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := []string{"Content-Type", form}
			if test.authorization != "" {
				header = append(header, "Authorization", test.authorization)
			}
			s.In(t).Do("", "POST", "/oauth/token", request(s, test.params...).Encode(), header...).Want(test.status)
		})
	}
	// Boruta's clients list the ways they may use; the others are closed.
	provider := newProvider(s)
	for method, opens := range map[string]map[string]bool{
		"client_secret_post": {"post": true, "basic": false}, "client_secret_basic": {"post": false, "basic": true},
	} {
		c := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, object{
			"confidential": true, "token_endpoint_auth_methods": []string{method}, "supported_grant_types": []string{"client_credentials"},
		})).Want(201).Object()["data"].(object)
		id, secret := c["id"].(string), c["secret"].(string)
		allow(s, id, "read:clients")
		got := map[string]bool{
			"post":  ask(s, "client_id", id, "client_secret", secret).Status == 200,
			"basic": s.Do("", "POST", "/oauth/token", request(s).Encode(), "Content-Type", form, "Authorization", basic(id, secret)).Status == 200,
		}
		if diff := cmp.Diff(opens, got); diff != "" {
			t.Errorf("a client of %s (-want +got):\n%s", method, diff)
		}
	}
}

// Whatever is wrong with a client's proof, the answer is the same. How long it
// takes is for BenchmarkClientAuthentication to show.
func TestEveryWrongProofGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	deleted, dead := newClient(s, nil)
	s.Do(s.Admin, "DELETE", clientPath(deleted), nil).Want(204)
	public := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "p", "app_type": "spa", "token_endpoint_auth_method": "none"}).Want(201).Object()["client_id"].(string)
	keyed := newKeyedClient(t, s, 0)
	type answer struct {
		Status int
		Body   string
		Header http.Header
	}
	get := func(pairs ...string) answer {
		r := ask(s, pairs...)
		for _, own := range []string{"X-Request-Id", "Date", "Content-Length", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
			r.Header.Del(own)
		}
		return answer{r.Status, string(r.Body), r.Header}
	}
	want := get("client_id", "nobody", "client_secret", secret)
	if want.Status != 401 {
		t.Fatalf("an unknown client: %+v", want)
	}
	for name, pairs := range map[string][]string{
		"wrong secret":              {"client_id", id, "client_secret", strings.Repeat("x", len(secret))},
		"wrong secret, short":       {"client_id", id, "client_secret", "x"},
		"another client's":          {"client_id", id, "client_secret", dead},
		"no secret":                 {"client_id", id},
		"deleted client":            {"client_id", deleted, "client_secret", dead},
		"public client":             {"client_id", public},
		"public client's any":       {"client_id", public, "client_secret", "x"},
		"client with a key":         {"client_id", keyed, "client_secret", "x"},
		"unknown client, no secret": {"client_id", "nobody"},
		"uuid of nobody":            {"client_id", "00000000-0000-0000-0000-000000000000", "client_secret", "x"},
		"very long identifier":      {"client_id", strings.Repeat("x", 10000), "client_secret", "x"},
	} {
		if diff := cmp.Diff(want, get(pairs...)); diff != "" {
			t.Errorf("%s (-unknown client +got):\n%s", name, diff)
		}
	}
	unknown, wrong := present(s, sign(t, jose.RS256, keys[1](), nil, claims(s, "nobody"))), present(s, sign(t, jose.RS256, keys[1](), nil, claims(s, keyed)))
	if unknown.Status != 401 || string(unknown.Body) != string(wrong.Body) {
		t.Errorf("assertions: of nobody %d %s, by a wrong key %d %s", unknown.Status, unknown.Body, wrong.Status, wrong.Body)
	}
}

// Secrets count to their last byte, and any characters do.
func TestSecretsCountToTheirLastByte(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Limits: &admission.Limits{}}) // it fails often
	id, _ := newClient(s, nil)
	for _, secret := range []string{
		strings.Repeat("0123456789abcdef", 8), ":%+ é", "a:b:c", "100%", "a+b c", "%3A", "日本語\u2028", `"\`, " blanks around ", strings.Repeat("é", 64), "&client_id=x",
	} {
		s.Do(s.Admin, "PATCH", clientPath(id), object{"client_secret": secret}).Want(200)
		if got := read(s, id)["client_secret"]; got != secret {
			t.Errorf("%q reads %q", secret, got)
		}
		ask(s, "client_id", id, "client_secret", secret).Want(200)
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
		s.Do("", "POST", "/oauth/token", request(s).Encode(), "Content-Type", form, "Authorization", basic).Want(200)
		near := map[string]string{"one byte more": secret + "x", "a blank more": secret + " ", "one byte less": secret[:len(secret)-1], "NUL behind": secret + "\x00"}
		if len(secret) > 72 {
			near["72 bytes"] = secret[:72]
		}
		for name, other := range near {
			if r := ask(s, "client_id", id, "client_secret", other); r.Status != 401 && r.Status != 400 {
				t.Errorf("%s of %q: %d", name, secret, r.Status)
			}
		}
	}
}

// What ends a client's rights ends its way to new tokens at once, on every
// instance, and within tokens.RevocationBound those for the management API that
// are out already. Nothing revives them. Tokens for other APIs are good until
// they expire where the API validates them by itself.
func TestLostRightsEndOnEveryInstance(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	replica := beside(t, s, nil)
	both := map[string]*servertest.Server{"instance": s, "replica": replica}
	id, secret := newClient(s, nil)
	token := ask(s, "client_id", id, "client_secret", secret).Want(200).Object()["access_token"].(string)
	answers := func(when string, want int) {
		t.Helper()
		for name, at := range both {
			if r := at.Do(token, "GET", "/api/v2/clients", nil); r.Status != want {
				t.Errorf("%s, %s: a token is answered %d, want %d", when, name, r.Status, want)
			}
		}
	}
	answers("at first", 200)

	rotated := replica.Do(s.Admin, "POST", clientPath(id)+"/rotate-secret", nil).Want(200).Object()["client_secret"].(string)
	for name, at := range both {
		if good(t, at, id, secret) || !good(t, at, id, rotated) {
			t.Errorf("%s: after a rotation the old secret is good, or the new one is not", name)
		}
	}
	fresh := func() {
		t.Helper()
		token = ask(s, "client_id", id, "client_secret", rotated).Want(200).Object()["access_token"].(string)
	}
	answers("after a rotation", 401)
	fresh()
	answers("after a rotation, with the new secret", 200)

	var grants []object
	s.Do(s.Admin, "GET", "/api/v2/client-grants?client_id="+id, nil).Want(200).Decode(&grants)
	grant := "/api/v2/client-grants/" + grants[0]["id"].(string)
	s.Do(s.Admin, "PATCH", grant, object{"scope": []string{}}).Want(200)
	for name, at := range both {
		if scope := ask(at, "client_id", id, "client_secret", rotated).Want(200).Object()["scope"]; scope != nil {
			t.Errorf("%s grants a scope that was taken away: %v", name, scope)
		}
	}
	answers("without its scope", 401)
	s.Do(s.Admin, "PATCH", grant, object{"scope": []string{"read:clients"}}).Want(200)
	answers("with its scope again", 401)
	fresh()
	answers("with its scope again, issued since", 200)
	replica.Do(s.Admin, "DELETE", grant, nil).Want(204)
	for _, at := range both {
		ask(at, "client_id", id, "client_secret", rotated).Want(403)
	}
	answers("without its grant", 401)
	allow(s, id, "read:clients")
	answers("with a grant again", 401)
	fresh()
	answers("with a grant again, issued since", 200)
	s.Do(s.Admin, "DELETE", clientPath(id), nil).Want(204)
	for _, at := range both {
		ask(at, "client_id", id, "client_secret", rotated).Want(401)
	}
	answers("without its client", 401)

	// The way to end everybody's tokens: a new signing key, now.
	other := s.Token("read:clients")
	s.Do(other, "GET", "/api/v2/clients", nil).Want(200)
	if _, _, err := replica.Registry.RotateTokenKey(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	s.Clock.Pass(time.Minute + time.Second)
	for name, at := range both {
		if _, err := at.Registry.VerifyToken(t.Context(), other); oauth.KindOf(err) != oauth.Unauthenticated {
			t.Errorf("%s: a token of a key that is gone: %v", name, err)
		}
	}
}
