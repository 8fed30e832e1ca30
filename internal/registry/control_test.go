package registry_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/internal/servertest"
)

const (
	formType     = "application/x-www-form-urlencoded"
	chosenSecret = "a-secret-that-the-caller-has-chosen"
)

// callersKey is the private key of whoever tries to become more than it is, and
// callersPEM its public half.
var callersKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func callersPEM() string {
	der, err := x509.MarshalPKIXPublicKey(callersKey().Public())
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// world is a service in which one caller tries to become more than it is.
type world struct {
	*servertest.Server
	t       testing.TB
	has     rights.Set
	token   string
	clients []named
	secrets []string // that the caller has chosen or was shown
}

// named is a client with what an attacker knows of it.
type named struct {
	clientID, id string
	grant        string // on the management API; "" for none
	credential   string // registered with it, whose key is the caller's; "" for none
}

// newWorld makes a caller that has some permissions, and a client for each set
// of permissions.
func newWorld(t testing.TB, s *servertest.Server, has rights.Set, granted ...rights.Set) *world {
	w := &world{Server: s, t: t, has: has, token: s.Token(has.Names()...), secrets: []string{chosenSecret}}
	for _, set := range granted {
		created := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "target", "grant_types": []string{"client_credentials"}}).Want(201).Object()
		one := w.know(created["client_id"].(string))
		if set != 0 {
			one.grant = s.Do(s.Admin, "POST", "/api/v2/client-grants", object{
				"client_id": one.clientID, "audience": s.Registry.ManagementAudience(), "scope": set.Names(),
			}).Want(201).Object()["id"].(string)
		}
	}
	return w
}

// know adds a client that exists.
func (w *world) know(clientID string) *named {
	c, err := w.Registry.Client(w.t.Context(), oauth.ClientRef{ClientID: clientID})
	if err != nil {
		w.t.Fatal(err)
	}
	w.clients = append(w.clients, named{clientID: clientID, id: c.ID})
	return &w.clients[len(w.clients)-1]
}

var shownSecret = regexp.MustCompile(`"(?:client_secret|secret)":"([^"]+)"`)

// do sends a request of the caller's, who keeps every secret that the answer
// shows.
func (w *world) do(method, path string, body any) servertest.Response {
	r := w.Do(w.token, method, path, body)
	if r.Status >= 500 {
		w.t.Errorf("%s %s: %d %s", method, path, r.Status, r.Body)
	}
	for _, found := range shownSecret.FindAllSubmatch(r.Body, -1) {
		if text := string(found[1]); !slices.Contains(w.secrets, text) {
			w.secrets = append(w.secrets, text)
		}
	}
	return r
}

// importing imports one record as the caller.
func (w *world) importing(format string, record object) {
	w.do("POST", "/api/roster/v1/import", object{"format": format, "records": []object{record}})
}

// gained returns what the caller can get a token for, as a client, and lacks.
func (w *world) gained(c named) (gained rights.Set) {
	try := func(params url.Values) {
		params.Set("grant_type", "client_credentials")
		params.Set("audience", w.Registry.ManagementAudience())
		r := w.Do("", "POST", "/oauth/token", params.Encode(), "Content-Type", formType)
		if r.Status == 200 {
			scope, _ := r.Object()["scope"].(string)
			gained |= rights.Of(strings.Fields(scope)...).Without(w.has)
		}
	}
	for _, secret := range w.secrets {
		try(url.Values{"client_id": {c.clientID}, "client_secret": {secret}})
	}
	try(url.Values{"client_assertion": {w.assertion(c.clientID)}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}})
	return gained
}

func (w *world) assertion(clientID string) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: callersKey()}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	now := w.Registry.Now()
	text, err := jwt.Signed(signer).Claims(object{
		"iss": clientID, "sub": clientID, "aud": w.Registry.Issuer(), "jti": uuid.NewString(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}).Serialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// attempt is one thing that the caller tries.
type attempt struct {
	Way    int // of ways
	Target int
	Scopes rights.Set
	All    bool
}

// ways are what a caller can try with a client, by what it would gain by.
var ways = []struct {
	name string
	try  func(w *world, c *named, a attempt)
}{
	{"a grant", func(w *world, c *named, a attempt) {
		r := w.do("POST", "/api/v2/client-grants", object{"client_id": c.clientID, "audience": w.Registry.ManagementAudience(), "scope": a.Scopes.Names(), "allow_all_scopes": a.All})
		if r.Status == 201 {
			c.grant = r.Object()["id"].(string)
		}
	}},
	{"a wider grant", func(w *world, c *named, a attempt) {
		w.do("PATCH", "/api/v2/client-grants/"+c.grant, object{"scope": append([]string{}, a.Scopes.Names()...), "allow_all_scopes": a.All})
	}},
	{"a grant by default", func(w *world, _ *named, _ attempt) {
		w.do("POST", "/api/v2/client-grants", object{"default_for": "third_party_clients", "audience": w.Registry.ManagementAudience(), "scope": []string{}, "allow_all_scopes": true})
	}},
	{"an imported grant", func(w *world, c *named, a attempt) {
		w.importing("roster", object{"kind": "client_grant", "system": true, "client_id": c.clientID, "scope": append([]string{}, a.Scopes.Names()...), "allow_all_scopes": a.All})
	}},
	{"a secret", func(w *world, c *named, _ attempt) {
		w.do("PATCH", "/api/v2/clients/"+c.clientID, object{"client_secret": chosenSecret})
	}},
	{"a rotation", func(w *world, c *named, a attempt) {
		if a.All {
			w.do("POST", "/api/roster/v1/clients/"+c.clientID+"/secrets", nil)
		} else {
			w.do("POST", "/api/v2/clients/"+c.clientID+"/rotate-secret", nil)
		}
	}},
	{"a secret that is shown", func(w *world, c *named, a attempt) {
		paths := []string{"/api/v2/clients/" + c.clientID, "/api/v2/clients?take=100", "/api/clients/" + c.id, "/api/roster/v1/export?include_secrets=true"}
		w.do("GET", paths[int(a.Scopes)%len(paths)], nil)
	}},
	{"an imported secret", func(w *world, c *named, a attempt) {
		if a.All {
			w.importing("boruta", object{"id": c.id, "secret": chosenSecret})
		} else {
			w.importing("hydra", object{"client_id": c.clientID, "client_secret": chosenSecret, "grant_types": []string{"client_credentials"}, "token_endpoint_auth_method": "client_secret_post"})
		}
	}},
	{"a registered key", func(w *world, c *named, _ attempt) {
		r := w.do("POST", "/api/v2/clients/"+c.clientID+"/credentials", object{"credential_type": "public_key", "pem": callersPEM()})
		if r.Status == 201 {
			c.credential = r.Object()["id"].(string)
		}
	}},
	{"an attached key", func(w *world, c *named, a attempt) {
		methods := object{"private_key_jwt": object{"credentials": []object{{"id": c.credential}}}}
		if a.All {
			w.importing("roster", object{"kind": "client", "client_id": c.clientID, "document": object{"client_name": "target", "grant_types": []string{"client_credentials"}, "client_authentication_methods": methods}})
		} else {
			w.do("PATCH", "/api/v2/clients/"+c.clientID, object{"client_authentication_methods": methods, "token_endpoint_auth_method": nil})
		}
	}},
	{"an imported key", func(w *world, c *named, _ attempt) {
		w.importing("auth0", object{"client_id": c.clientID, "name": "target", "grant_types": []string{"client_credentials"}, "client_authentication_methods": object{
			"private_key_jwt": object{"credentials": []object{{"credential_type": "public_key", "pem": callersPEM()}}},
		}})
	}},
	{"no key any more", func(w *world, c *named, _ attempt) {
		w.do("PATCH", "/api/v2/clients/"+c.clientID, object{"client_authentication_methods": nil, "token_endpoint_auth_method": "client_secret_post"})
	}},
	{"a secret of Boruta's", func(w *world, c *named, _ attempt) {
		w.do("PATCH", "/api/clients/"+c.id, object{"client": object{"secret": chosenSecret}})
	}},
	{"a key of Boruta's", func(w *world, c *named, _ attempt) {
		w.do("PUT", "/api/clients/"+c.id, object{"client": object{
			"token_endpoint_auth_methods": []string{"private_key_jwt"}, "token_endpoint_jwt_auth_alg": "RS256", "jwt_public_key": callersPEM(),
		}})
	}},
	{"another method", func(w *world, c *named, a attempt) {
		methods := []string{"client_secret_post", "client_secret_basic", "none"}
		w.do("PATCH", "/api/v2/clients/"+c.clientID, object{
			"token_endpoint_auth_method": methods[int(a.Scopes)%len(methods)], "grant_types": []string{"client_credentials"}, "is_first_party": a.All,
		})
	}},
	{"a new client", func(w *world, _ *named, _ attempt) {
		if r := w.do("POST", "/api/v2/clients", object{"name": "own", "is_first_party": false, "grant_types": []string{"client_credentials"}}); r.Status == 201 {
			w.know(r.Object()["client_id"].(string))
		}
	}},
	{"an imported client", func(w *world, _ *named, _ attempt) {
		id := uuid.NewString()
		r := w.do("POST", "/api/roster/v1/import", object{"format": "roster", "records": []object{{
			"kind": "client", "client_id": id, "document": object{"grant_types": []string{"client_credentials"}}, "secrets": []object{{"secret": chosenSecret}},
		}}})
		if strings.Contains(string(r.Body), `"created"`) {
			w.know(id)
		}
	}},
}

var (
	someRights = rapid.Custom(func(t *rapid.T) rights.Set {
		return rights.Set(rapid.Uint64().Draw(t, "permissions")) & rights.All
	})
	someAttempts = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) attempt {
		return attempt{
			Way: rapid.IntRange(0, len(ways)-1).Draw(t, "way"), Target: rapid.IntRange(0, 9).Draw(t, "target"),
			Scopes: someRights.Draw(t, "scopes"), All: rapid.Bool().Draw(t, "all"),
		}
	}), 6, 14)
)

// run tries everything and returns the way by which the caller became more than
// it is, "" for none. What a try is about counts after it, and everything in the
// end.
func (w *world) run(attempts []attempt) (way string, gained rights.Set) {
	for _, a := range attempts {
		at := a.Target % len(w.clients)
		ways[a.Way].try(w, &w.clients[at], a)
		if gained := w.gained(w.clients[at]); gained != 0 {
			return ways[a.Way].name, gained
		}
	}
	for _, c := range w.clients {
		gained |= w.gained(c)
	}
	if gained != 0 {
		return "all of it together", gained
	}
	return "", 0
}

// try makes a world for a caller and runs attempts in it.
func try(t testing.TB, s *servertest.Server, has, granted rights.Set, attempts []attempt) (way string, gained rights.Set) {
	return newWorld(t, s, has, rights.All, granted, 0).run(attempts)
}

// Fewer tries than rapid's hundred unless -rapid.checks says otherwise: each takes
// some requests.
func init() { _ = flag.Set("rapid.checks", "50") }

// After whatever a caller does, through whatever door, no client that it can
// authenticate as holds a permission of the management API that the caller lacks.
func TestNoCallerComesToControlMoreThanItHas(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Unchecked: true})
	rapid.Check(t, func(rt *rapid.T) {
		has := someRights.Draw(rt, "caller")
		if way, gained := try(t, s, has, someRights.Draw(rt, "granted"), someAttempts.Draw(rt, "attempts")); way != "" {
			rt.Fatalf("a caller with %v gained %v by %s", has.Names(), gained.Names(), way)
		}
	})
}

// The test before this one is worth something: without the rules, sequences of the
// same kind find each way to become more. It changes what all registries do, so
// it is not parallel.
func TestWithoutTheRulesEachWayIsFound(t *testing.T) {
	s := servertest.NewWith(t, servertest.Options{Unchecked: true})
	registry.Lawless(true)
	defer registry.Lawless(false)
	almost := rights.All.Without(rights.Of("users:manage:all")) // so that no operation is refused by itself
	const most = 60                                             // sequences, of which a few are enough
	for name, before := range map[string][]string{              // what it takes to get there
		"a wider grant": {"a secret", "a grant"}, "a grant": {"a secret"}, "an imported grant": {"a secret"}, "a secret": nil, "a rotation": nil,
		"a secret that is shown": nil, "an imported secret": nil, "an attached key": {"a registered key"}, "an imported key": nil,
		"a secret of Boruta's": nil, "a key of Boruta's": nil,
	} {
		for seed := 0; ; seed++ {
			if seed == most {
				t.Errorf("%d sequences do not find %s", most, name)
				break
			}
			attempts := someAttempts.Example(seed)[:len(before)+1]
			for i := range attempts {
				attempts[i].Way, attempts[i].Target = number(append(before, name)[i]), seed
			}
			if way, _ := try(t, s, almost, someRights.Example(seed), attempts); way == name {
				break
			}
		}
	}
}

func number(way string) int {
	for i := range ways {
		if ways[i].name == way {
			return i
		}
	}
	panic(way)
}
