package token_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/servertest"
)

func set(name string, value any) func(object) { return func(c object) { c[name] = value } }

func drop(name string) func(object) { return func(c object) { delete(c, name) } }

func TestTokenForAnAssertion(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	now := s.Clock.Now()
	// The first key expects RS256, the second PS256.
	id := newKeyedClient(t, s, credential(t, keys[0](), nil), credential(t, keys[1](), object{"alg": "PS256", "kid": "the-second-key"}))
	third := newKeyedClient(t, s, credential(t, keys[2](), object{"alg": "RS384", "expires_at": now.Add(time.Hour).Format(time.RFC3339Nano)}))
	with := func(edit ...func(object)) string {
		return sign(t, jose.RS256, keys[0](), nil, claims(s, id, edit...))
	}
	for name, test := range map[string]struct {
		assertion string
		more      []string
	}{
		"as SDKs send it":          {with(), nil},
		"with client_id":           {with(), []string{"client_id", id}},
		"typ JWT and nbf":          {sign(t, jose.RS256, keys[0](), object{"typ": "JWT"}, claims(s, id, set("nbf", now.Unix()))), nil},
		"issuer without slash":     {with(set("aud", s.URL)), nil},
		"token endpoint":           {with(set("aud", s.URL+"/oauth/token")), nil},
		"array of one audience":    {with(set("aud", []string{s.URL + "/"})), nil},
		"no iat":                   {with(drop("iat")), nil},
		"five minutes":             {with(set("exp", now.Add(5*time.Minute).Unix())), nil},
		"a clock 30 s fast":        {with(set("iat", now.Add(30*time.Second).Unix()), set("nbf", now.Add(30*time.Second).Unix())), nil},
		"second key, named":        {sign(t, jose.PS256, keys[1](), object{"kid": "the-second-key"}, claims(s, id)), nil},
		"second key, not named":    {sign(t, jose.PS256, keys[1](), nil, claims(s, id)), nil},
		"RS384":                    {sign(t, jose.RS384, keys[2](), nil, claims(s, third)), nil},
		"empty client_secret":      {with(), []string{"client_secret", ""}},
		"audience without a slash": {with(), []string{"audience", s.URL + "/api/v2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			token := askWith(s, test.assertion, test.more...).Want(200).Object()["access_token"].(string)
			_, got := open(t, token, jose.RS256, keySet(s))
			if sub := got["sub"].(string); sub != id+"@clients" && sub != third+"@clients" {
				t.Errorf("sub %q", sub)
			}
		})
	}
	params := request(s, "client_assertion", with(), "client_assertion_type", jwtBearer)
	s.Do("", "POST", "/oauth/token", asJSON(params)).Want(200)
}

func unsigned(t testing.TB, header, payload object) string {
	t.Helper()
	parts := make([]string, 2)
	for i, part := range []object{header, payload} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(text)
	}
	return strings.Join(parts, ".") + "."
}

func TestAssertionsAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	now := s.Clock.Now()
	id := newKeyedClient(t, s, credential(t, keys[0](), object{"kid": "the-first-key"}))
	other := newKeyedClient(t, s, credential(t, keys[1](), nil))
	expired := newKeyedClient(t, s, credential(t, keys[0](), object{"expires_at": now.Add(-time.Second).Format(time.RFC3339Nano)}))
	plain, _ := newClient(s, nil)
	requests, _ := newClient(s, object{"signed_request_object": object{"credentials": []any{credential(t, keys[0](), nil)}}})
	s.Do(s.Admin, "POST", "/api/v2/clients/"+plain+"/credentials", credential(t, keys[0](), nil)).Want(201)

	with := func(edit ...func(object)) string {
		return sign(t, jose.RS256, keys[0](), nil, claims(s, id, edit...))
	}
	of := func(client string) string { return sign(t, jose.RS256, keys[0](), nil, claims(s, client)) }
	header := func(name string, value any) string {
		return sign(t, jose.RS256, keys[0](), object{name: value}, claims(s, id))
	}
	publicJWK := object{}
	raw, err := json.Marshal(jose.JSONWebKey{Key: keys[1]().Public()})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &publicJWK); err != nil {
		t.Fatal(err)
	}
	good := with()
	signature := good[strings.LastIndexByte(good, '.'):]
	const noKey = "no active key of the client verifies the client assertion"
	for name, test := range map[string]struct {
		assertion string
		text      string // part of the description
	}{
		"expired":          {with(set("exp", now.Add(-time.Second).Unix()), set("iat", now.Add(-time.Minute).Unix())), "is expired"},
		"no exp":           {with(drop("exp")), "must have an expiry"},
		"exp in ten years": {with(set("exp", now.AddDate(10, 0, 0).Unix())), "within 5 minutes"},
		"six minutes":      {with(set("exp", now.Add(6*time.Minute).Unix())), "within 5 minutes"},
		"long lived":       {with(set("iat", now.Add(-4*time.Minute).Unix())), "must live for 5 minutes at most"},
		"future iat":       {with(set("iat", now.Add(time.Minute).Unix())), "must not be issued in the future"},
		"future nbf":       {with(set("nbf", now.Add(time.Minute).Unix())), "is not valid yet"},
		"exp a text":       {with(set("exp", "2030-01-01")), "number of seconds"},
		"no jti":           {with(drop("jti")), "must have jti"},
		"long jti":         {with(set("jti", strings.Repeat("j", 65))), "must have jti"},
		"another audience": {with(set("aud", "https://elsewhere.example/")), "audience"},
		"API as audience":  {with(set("aud", s.URL+"/api/v2/")), "audience"},
		"two audiences":    {with(set("aud", []string{s.URL + "/", "https://elsewhere.example/"})), "one audience"},
		"no audience":      {with(drop("aud")), "one audience"},
		"iss is not sub":   {with(set("sub", other)), "as iss and as sub"},
		"no sub":           {with(drop("sub")), "must have sub"},
		"another client's": {with(set("iss", other), set("sub", other)), noKey},
		"unknown client's": {with(set("iss", "nobody"), set("sub", "nobody")), noKey},

		"alg none":              {unsigned(t, object{"alg": "none"}, claims(s, id)), "must be signed by"},
		"alg none, signed":      {unsigned(t, object{"alg": "none"}, claims(s, id)) + signature[1:], "must be signed by"},
		"alg nOnE":              {unsigned(t, object{"alg": "nOnE"}, claims(s, id)), "must be signed by"},
		"unsigned":              {unsigned(t, object{"alg": "RS256"}, claims(s, id)), noKey},
		"signature of another":  {unsigned(t, object{"alg": "RS256"}, claims(s, id)) + signature[1:], noKey},
		"HS256 with public key": {sign(t, jose.HS256, []byte(publicPEM(t, keys[0]())), nil, claims(s, id)), "must be signed by"},
		"RS512":                 {sign(t, jose.RS512, keys[0](), nil, claims(s, id)), "must be signed by"},
		"alg of no key":         {sign(t, jose.PS256, keys[0](), nil, claims(s, id)), noKey},
		"wrong key":             {sign(t, jose.RS256, keys[1](), nil, claims(s, id)), noKey},
		"unknown kid":           {header("kid", "another-key"), noKey},
		"kid of wrong key":      {sign(t, jose.RS256, keys[1](), object{"kid": "the-first-key"}, claims(s, id)), noKey},
		"kid a path":            {header("kid", "../../../etc/passwd"), noKey},
		"unknown crit":          {header("crit", []string{"exp"}), "header member crit"},
		"jku":                   {header("jku", "https://elsewhere.example/jwks.json"), "header member jku"},
		"x5u":                   {header("x5u", "https://elsewhere.example/x.pem"), "header member x5u"},
		"key brought along":     {sign(t, jose.RS256, keys[1](), object{"jwk": publicJWK}, claims(s, id)), "header member jwk"},
		"access token":          {header("typ", "at+jwt"), "typ"},

		"expired key":         {of(expired), noKey},
		"key not attached":    {of(plain), noKey},
		"key of another slot": {of(requests), noKey},
		"key of another":      {of(other), noKey},

		"garbage":   {"garbage", "compact form"},
		"two parts": {"a.b", "compact form"},
		"encrypted": {"a.b.c.d.e", "compact form"},
		"too long":  {with(set("x", strings.Repeat("x", 2048))), "at most 2048 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			r := askWith(s, test.assertion)
			body := r.Want(401).Object()
			if body["error"] != "invalid_client" || !strings.Contains(body["error_description"].(string), test.text) {
				t.Errorf("%v, want invalid_client with %q", body, test.text)
			}
			if strings.Contains(s.Log.String(), test.assertion) {
				t.Error("the log holds the assertion")
			}
		})
	}
	s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(200)
	askWith(s, good).Want(200) // none of the above has used it up
	wantError(t, askWith(s, with(), "client_id", other), 401, "invalid_client", "The client assertion is of another client than client_id.")
}

// Refusals must not tell clients that exist from those that do not.
func TestAssertionsOfUnknownClientsAreRefusedInTheSameWords(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	now := s.Clock.Now()
	id := newKeyedClient(t, s, credential(t, keys[0](), nil))
	for name, edit := range map[string]func(object){
		"wrong signature": func(object) {}, "wrong audience": set("aud", "https://elsewhere.example/"), "expired": set("exp", now.Add(-time.Second).Unix()),
	} {
		known := askWith(s, sign(t, jose.RS256, keys[1](), nil, claims(s, id, edit))).Want(401)
		unknown := askWith(s, sign(t, jose.RS256, keys[1](), nil, claims(s, "nobody", edit))).Want(401)
		if string(known.Body) != string(unknown.Body) {
			t.Errorf("%s: %s and %s", name, known.Body, unknown.Body)
		}
	}
}

func TestAssertionsAreTakenOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	now := s.Clock.Now()
	id := newKeyedClient(t, s, credential(t, keys[0](), nil))
	other := newKeyedClient(t, s, credential(t, keys[1](), nil))
	const used = "The client assertion was used before."

	first := sign(t, jose.RS256, keys[0](), nil, claims(s, id, set("jti", "the jti")))
	askWith(s, first).Want(200)
	wantError(t, askWith(s, first), 401, "invalid_client", used)
	again := sign(t, jose.RS256, keys[0](), nil, claims(s, id, set("jti", "the jti"), set("exp", now.Add(3*time.Minute).Unix())))
	wantError(t, askWith(s, again), 401, "invalid_client", used)
	askWith(s, sign(t, jose.RS256, keys[1](), nil, claims(s, other, set("jti", "the jti")))).Want(200) // each client has its own

	forged := sign(t, jose.RS256, keys[1](), nil, claims(s, id, set("jti", "reserved")))
	askWith(s, forged).Want(401)
	askWith(s, sign(t, jose.RS256, keys[0](), nil, claims(s, id, set("jti", "reserved")))).Want(200) // forgeries use nothing up

	answers := make([]servertest.Response, 8)
	race := sign(t, jose.RS256, keys[0](), nil, claims(s, id))
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = askWith(s, race) })
	}
	all.Wait()
	accepted := 0
	for _, r := range answers {
		if r.Status == 200 {
			accepted++
		} else {
			wantError(t, r, 401, "invalid_client", used)
		}
	}
	if accepted != 1 {
		t.Errorf("%d of %d simultaneous uses were accepted", accepted, len(answers))
	}
}

func TestAssertionsAreRememberedUntilTheyExpire(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := newKeyedClient(t, s, credential(t, keys[0](), nil))
	assertion := sign(t, jose.RS256, keys[0](), nil, claims(s, id, set("exp", s.Clock.Now().Add(5*time.Minute).Unix())))
	askWith(s, assertion).Want(200)
	s.Clock.Pass(4 * time.Minute)
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, askWith(s, assertion), 401, "invalid_client", "The client assertion was used before.")
	s.Clock.Pass(10 * time.Minute)
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	var kept int
	if err := s.Pool.QueryRow(t.Context(), `SELECT count(*) FROM assertions_seen`).Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d kept: %v", kept, err)
	}
	if body := askWith(s, assertion).Want(401).Object(); !strings.Contains(body["error_description"].(string), "is expired") {
		t.Error(body)
	}
}

func TestCredentialsStopCountingWhenTheyExpire(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := newKeyedClient(t, s, credential(t, keys[0](), object{"expires_at": s.Clock.Now().Add(10 * time.Minute).Format(time.RFC3339Nano)}))
	send := func() servertest.Response {
		return askWith(s, sign(t, jose.RS256, keys[0](), nil, claims(s, id)))
	}
	send().Want(200)
	s.Clock.Pass(11 * time.Minute)
	send().Want(401)
	var pool []object
	s.Do(s.Admin, "GET", "/api/v2/clients/"+id+"/credentials", nil).Want(200).Decode(&pool)
	path := "/api/v2/clients/" + id + "/credentials/" + pool[0]["id"].(string)
	s.Do(s.Admin, "PATCH", path, object{"expires_at": nil}).Want(200)
	send().Want(200)
	s.Do(s.Admin, "PATCH", path, object{"expires_at": s.Clock.Now().Format(time.RFC3339Nano)}).Want(200) // revoked
	send().Want(401)
}

func TestOneWayOfAuthenticationAtATime(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	keyed := newKeyedClient(t, s, credential(t, keys[0](), nil))
	decoy := unsigned(t, object{"alg": "none"}, claims(s, id))
	signed := sign(t, jose.RS256, keys[0](), nil, claims(s, keyed))
	with := func(assertion string, pairs ...string) url.Values {
		return request(s, append([]string{"client_assertion", assertion, "client_assertion_type", jwtBearer}, pairs...)...)
	}
	for name, r := range map[string]servertest.Response{
		"secret and decoy":           ask(s, with(decoy, "client_id", id, "client_secret", secret)),
		"basic and decoy":            ask(s, with(decoy), "Authorization", basic(id, secret)),
		"secret and assertion":       ask(s, with(signed, "client_id", keyed, "client_secret", "x")),
		"basic and assertion":        ask(s, with(signed), "Authorization", basic(keyed, "x")),
		"empty basic and assertion":  ask(s, with(signed), "Authorization", basic(keyed, "")),
		"another's secret and basic": ask(s, request(s, "client_secret", secret), "Authorization", basic(id, secret)),
	} {
		t.Log(name)
		wantError(t, r, 400, "invalid_request", "Use one way of client authentication at a time.")
	}
	askWith(s, signed).Want(200) // still unused
}
