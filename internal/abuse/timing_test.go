package abuse

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
)

// TestClientsThatAreOffOrGoneLookUnknown asks for tokens by each way of proving
// who one is, with the right proof, of clients that are disabled, quarantined or
// deleted: nobody learns that there is or was one.
func TestClientsThatAreOffOrGoneLookUnknown(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	ways := map[string]struct {
		make func() (id, secret string)
		ask  func(id, secret string) servertest.Response
	}{
		"client_secret_post": {func() (string, string) { return newClient(s, nil) },
			func(id, secret string) servertest.Response { return ask(s, "client_id", id, "client_secret", secret) }},
		"client_secret_basic": {func() (string, string) {
			return newClient(s, object{"token_endpoint_auth_method": "client_secret_basic"})
		},
			func(id, secret string) servertest.Response {
				basic := base64.StdEncoding.EncodeToString([]byte(id + ":" + secret))
				return s.Do("", "POST", "/oauth/token", request(s).Encode(), "Content-Type", form, "Authorization", "Basic "+basic)
			}},
		"private_key_jwt": {func() (string, string) { return newKeyedClient(t, s, 0), "" },
			func(id, _ string) servertest.Response {
				return present(s, sign(t, jose.RS256, keys[0](), nil, claims(s, id)))
			}},
	}
	for way, one := range ways {
		unknown := one.ask(strings.Repeat("x", 32), strings.Repeat("y", 64))
		for what, end := range map[string]func(id string){
			"disabled": func(id string) {
				s.Do(s.Admin, "PUT", "/api/roster/v1/clients/"+id+"/state", object{"state": "disabled"}).Want(200)
			},
			"quarantined": func(id string) {
				s.Do(s.Admin, "PUT", "/api/roster/v1/clients/"+id+"/state", object{"state": "quarantined"}).Want(200)
			},
			"deleted": func(id string) { s.Do(s.Admin, "DELETE", clientPath(id), nil).Want(204) },
		} {
			id, secret := one.make()
			one.ask(id, secret).Want(200)
			end(id)
			got := one.ask(id, secret)
			for _, r := range []servertest.Response{unknown, got} { // what no two answers have in common
				for _, own := range []string{"Date", "X-Request-Id", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
					r.Header.Del(own)
				}
			}
			diff := cmp.Diff(unknown.Header, got.Header)
			if got.Status != 401 || got.Status != unknown.Status || string(got.Body) != string(unknown.Body) || diff != "" {
				t.Errorf("%s, %s: %d %s, of an unknown client %d %s\n%s", way, what, got.Status, got.Body, unknown.Status, unknown.Body, diff)
			}
		}
	}
}

// BenchmarkClientAuthentication shows how long it takes to find out whether a
// client is who it says (TestEveryWrongProofGetsTheSameAnswer), so that nobody learns from that which clients
// exist or how they authenticate:
//
//	go test -run '^$' -bench ClientAuthentication -benchtime 2000x ./internal/abuse
//
// The cases take turns, so that what else the machine does falls on all alike.
// Compare the medians (p50): unknown client, wrong secret and the rest should
// differ by no more than two runs of one case do, a few per cent. A right secret
// goes on from there, to a refused audience here, which is why it takes longer;
// whoever has that knows anyway. The tails (p90) are the database's and the
// machine's.
//
// It is no test with a limit: on a busy machine any limit that catches a real
// difference would fail now and then for none.
func BenchmarkClientAuthentication(b *testing.B) {
	s := servertest.New(b)
	id, secret := newClient(s, nil)
	two, older := newClient(s, nil)
	s.Do(s.Admin, "POST", clientPath(two)+"/rotate-secret?grace_seconds=3600", nil).Want(200)
	off, offSecret := newClient(s, nil)
	s.Do(s.Admin, "PUT", "/api/roster/v1/clients/"+off+"/state", map[string]any{"state": "disabled"}).Want(200)
	gone, goneSecret := newClient(s, nil)
	s.Do(s.Admin, "DELETE", clientPath(gone), nil).Want(204)
	keyed := newKeyedClient(b, s, 0)
	random := make([]byte, len(secret))
	if _, err := rand.Read(random); err != nil {
		b.Fatal(err)
	}
	wrong := base64.RawURLEncoding.EncodeToString(random)[:len(secret)]
	cases := []struct{ name, id, secret string }{
		{"unknown client", "nobody", wrong},
		{"wrong secret", id, wrong},
		{"wrong secret, first half right", id, secret[:len(secret)/2] + wrong[len(secret)/2:]},
		{"wrong secret of two", two, wrong},
		{"client with a key alone", keyed, wrong},
		{"disabled client", off, wrong},
		{"disabled client, right secret", off, offSecret},
		{"deleted client, right secret", gone, goneSecret},
		{"right secret", id, secret},
		{"right secret, superseded", two, older},
	}
	took := make([][]time.Duration, len(cases))
	for i := 0; b.Loop(); i++ {
		for n := range cases {
			n = (n + i) % len(cases) // nobody is always the first
			req := tokens.Request{ClientID: cases[n].id, Secret: oauth.NewSecret(cases[n].secret), Method: oauth.SecretPost, Audience: "https://nowhere.example"}
			began := time.Now()
			_, err := s.Registry.IssueToken(b.Context(), req)
			took[n] = append(took[n], time.Since(began))
			if want := n >= len(cases)-2; (oauth.KindOf(err) == oauth.Forbidden) != want {
				b.Fatalf("%s: %v", cases[n].name, err)
			}
		}
	}
	for n, c := range cases {
		slices.Sort(took[n])
		at := func(percent int) float64 {
			return float64(took[n][len(took[n])*percent/100]) / float64(time.Microsecond)
		}
		b.Logf("%-32s p10 %7.1f µs  p50 %7.1f µs  p90 %7.1f µs", c.name, at(10), at(50), at(90))
	}
}
