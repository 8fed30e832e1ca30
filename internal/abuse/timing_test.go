package abuse

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
)

// BenchmarkClientAuthentication shows how long it takes to find out whether a
// client is who it says (T17), so that nobody learns from that which clients
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
