package server

import (
	"math/rand/v2"
	"testing"

	"github.com/rosterhq/roster/server/dialect"
)

func TestPathsBelongToTheDialectWithTheLongestPrefix(t *testing.T) {
	t.Parallel()
	list := []dialect.Dialect{
		{Name: "boruta", Prefix: "/api/"}, {Name: "auth0", Prefix: "/api/v2/"}, {Name: "roster", Prefix: "/api/roster/"},
		{Name: "oauth", Prefix: "/oauth/"}, {Name: "register", Prefix: "/oauth/register"}, {Name: "hydra"},
	}
	for range 50 {
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		known := sorted(list...)
		for path, want := range map[string]string{
			"/api/clients": "boruta", "/api/v2": "boruta", "/api/v2/clients": "auth0", "/api/roster/v1/events": "roster",
			"/oauth/token": "oauth", "/oauth/register": "register", "/oauth/register/a": "register",
			"/": "", "/healthz": "", "/api": "",
		} {
			got := ""
			if d := known.of(path); d != nil {
				got = d.Name
			}
			if got != want {
				t.Fatalf("%s belongs to %q, want %q, of %v", path, got, want, known)
			}
		}
	}
}
