package native_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
)

// works reports whether a token is accepted.
func works(s *servertest.Server, token string) bool {
	return s.Do(token, "GET", "/api/v2/clients?take=1", nil).Status == http.StatusOK
}

// Every way of taking something away ends the tokens that were issued before,
// and none that are issued after, though the clock stands still: both are of the
// same second. Giving back what was taken away revives nothing.
func TestTokensEndWithWhatTheyCameFrom(t *testing.T) {
	t.Parallel()
	grants := func(s *servertest.Server, id string) string {
		var list []map[string]any
		s.Do(s.Admin, "GET", "/api/v2/client-grants?client_id="+id, nil).Want(http.StatusOK).Decode(&list)
		return list[0]["id"].(string)
	}
	grant := func(s *servertest.Server, id string, scopes ...string) {
		s.Do(s.Admin, "POST", "/api/v2/client-grants", map[string]any{"client_id": id, "audience": s.URL + "/api/v2/", "scope": scopes}).Want(http.StatusCreated)
	}
	for name, end := range map[string]func(s *servertest.Server, id string){
		"a removed grant, given back": func(s *servertest.Server, id string) {
			s.Do(s.Admin, "DELETE", "/api/v2/client-grants/"+grants(s, id), nil).Want(http.StatusNoContent)
			grant(s, id, "read:clients", "update:clients")
		},
		"a narrowed grant, widened again": func(s *servertest.Server, id string) {
			path := "/api/v2/client-grants/" + grants(s, id)
			s.Do(s.Admin, "PATCH", path, map[string]any{"scope": []string{"read:clients"}}).Want(http.StatusOK)
			s.Do(s.Admin, "PATCH", path, map[string]any{"scope": []string{"update:clients", "read:clients"}}).Want(http.StatusOK)
		},
		"disabling, and enabling": func(s *servertest.Server, id string) {
			setState(s, s.Admin, id, "disabled", "").Want(http.StatusOK)
			setState(s, s.Admin, id, "active", "").Want(http.StatusOK)
		},
		"the call": func(s *servertest.Server, id string) {
			s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+id+"/end-tokens", map[string]any{}).Want(http.StatusNoContent)
		},
		"the call without a body": func(s *servertest.Server, id string) {
			s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+id+"/end-tokens", nil).Want(http.StatusNoContent)
		},
		"the call for this API": func(s *servertest.Server, id string) {
			s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+id+"/end-tokens", map[string]any{"audience": s.URL + "/api/v2"}).Want(http.StatusNoContent)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			id, secret := granted(t, s, "read:clients", "update:clients")
			before := tokenOf(s, id, secret)
			if !works(s, before) {
				t.Fatal("the token is refused to begin with")
			}
			end(s, id)
			after := tokenOf(s, id, secret)
			if works(s, before) || !works(s, after) {
				t.Errorf("the token from before works: %v, that from after: %v", works(s, before), works(s, after))
			}
			end(s, id)
			if works(s, before) || works(s, after) || !works(s, tokenOf(s, id, secret)) {
				t.Error("the second time it is not so")
			}
		})
	}
}

func TestWhatTakesNothingAwayEndsNoToken(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := granted(t, s, "read:clients")
	token := tokenOf(s, id, secret)
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://other.example/", "scopes": []map[string]string{{"value": "a"}}}).Want(http.StatusCreated)
	var list []map[string]any
	s.Do(s.Admin, "GET", "/api/v2/client-grants?client_id="+id, nil).Want(http.StatusOK).Decode(&list)
	s.Do(s.Admin, "PATCH", "/api/v2/client-grants/"+list[0]["id"].(string), map[string]any{"scope": []string{"update:clients", "read:clients"}}).Want(http.StatusOK)
	other := s.Do(s.Admin, "POST", "/api/v2/client-grants", map[string]any{"client_id": id, "audience": "https://other.example/", "scope": []string{"a"}}).Want(http.StatusCreated).Object()
	s.Do(s.Admin, "DELETE", "/api/v2/client-grants/"+other["id"].(string), nil).Want(http.StatusNoContent)
	s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+id+"/end-tokens", map[string]any{"audience": "https://other.example/"}).Want(http.StatusNoContent)
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"name": "other"}).Want(http.StatusOK)
	rotate(s, id, "?grace_seconds=60")
	if !works(s, token) {
		t.Error("the token was ended")
	}
	s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+id+"/end-tokens", map[string]any{"audience": "https://nowhere.example/"}).Want(http.StatusNotFound)
	s.Do(s.Token("read:clients"), "POST", "/api/roster/v1/clients/"+id+"/end-tokens", map[string]any{}).Want(http.StatusForbidden)
}

// A tool that rotates its own secret goes on with the token it has; what was
// issued next to it ends.
func TestTheTokenThatRotatesItsOwnSecretIsSpared(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := granted(t, s, "read:clients", "update:client_keys")
	mine, stolen := tokenOf(s, id, secret), tokenOf(s, id, secret)
	for range 2 {
		o := s.Do(mine, "POST", "/api/roster/v1/clients/"+id+"/secrets?grace_seconds=0", nil).Want(http.StatusCreated).Object()
		secret = o["client_secret"].(string)
		if !works(s, mine) || works(s, stolen) {
			t.Fatalf("its own token works: %v, the stolen one: %v", works(s, mine), works(s, stolen))
		}
	}
	fresh := tokenOf(s, id, secret)
	s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+id+"/secrets?grace_seconds=0", nil).Want(http.StatusCreated)
	if works(s, mine) || works(s, fresh) {
		t.Error("a rotation by somebody else spares a token")
	}
	s.Clock.Pass(48 * time.Hour)
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := s.Pool.QueryRow(t.Context(), "SELECT count(*) FROM spared_tokens").Scan(&left); err != nil || left > 0 {
		t.Errorf("%d spared tokens are kept after they expired, %v", left, err)
	}
}

// What older releases do, or an operator with SQL, ends tokens as well. Those of
// releases without a generation are told by their time.
func TestTokensEndWhoeverTakesTheGrantAway(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := granted(t, s, "read:clients", "update:clients")
	for what, sql := range map[string]string{
		"narrowed":    `UPDATE client_grants SET document = '{"scope": ["read:clients"]}'`,
		"third party": `UPDATE clients SET document = (document::jsonb || '{"auth0:is_first_party": false}')::json WHERE client_id = '` + id + `'`,
	} {
		token := tokenOf(s, id, secret)
		if _, err := s.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		if works(s, token) {
			t.Errorf("%s: the token works", what)
		}
	}
	at := time.Unix(1_800_000_000, 0)
	ends := oauth.TokenEnds{Generation: 3, NotBefore: at.Add(300 * time.Millisecond), Spared: map[string]int64{"now": 3, "once": 2}}
	for what, one := range map[string]struct {
		t    oauth.IssuedToken
		dead bool
	}{
		"current":                               {oauth.IssuedToken{Generation: new(int64(3)), IssuedAt: at.Add(-time.Hour)}, false},
		"older":                                 {oauth.IssuedToken{Generation: new(int64(2)), IssuedAt: at.Add(time.Hour)}, true},
		"spared":                                {oauth.IssuedToken{ID: "now", Generation: new(int64(2))}, false},
		"spared once":                           {oauth.IssuedToken{ID: "once", Generation: new(int64(1))}, true},
		"without generation, same second":       {oauth.IssuedToken{IssuedAt: at}, true},
		"without generation, known to be newer": {oauth.IssuedToken{IssuedAt: at.Add(301 * time.Millisecond)}, false},
		"without generation, known to be older": {oauth.IssuedToken{IssuedAt: at.Add(299 * time.Millisecond)}, true},
		"without generation, second after":      {oauth.IssuedToken{IssuedAt: at.Add(time.Second)}, false},
		"without generation, spared":            {oauth.IssuedToken{ID: "now", IssuedAt: at}, false},
	} {
		if ends.Dead(one.t) != one.dead {
			t.Errorf("%s: dead %v, want %v", what, !one.dead, one.dead)
		}
	}
	if (oauth.TokenEnds{}).Dead(oauth.IssuedToken{IssuedAt: at}) {
		t.Error("where nothing was ended a token is dead")
	}
	if strings.Contains(s.Log.String(), `"level":"ERROR"`) {
		t.Error(s.Log.String())
	}
}
