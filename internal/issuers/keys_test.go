package issuers_test

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/issuers"
	"github.com/rosterhq/roster/internal/oauth"
)

// longEnough is beyond every wait after a failure and every refresh.
const longEnough = 66 * time.Minute

func (p *idp) mustAccept(set *issuers.Set, key jose.JSONWebKey) {
	p.t.Helper()
	if _, err := verify(p.t, set, p.token(key, p.claims(nil), nil)); err != nil {
		p.t.Errorf("a good token was refused: %v", err)
	}
}

func (p *idp) mustRefuse(set *issuers.Set, key jose.JSONWebKey, kind oauth.Kind) {
	p.t.Helper()
	if _, err := verify(p.t, set, p.token(key, p.claims(nil), nil)); err == nil || oauth.KindOf(err) != kind {
		p.t.Errorf("error %v, want one of kind %d", err, kind)
	}
}

// wantFetches checks how often both documents were fetched.
func (p *idp) wantFetches(n int64) {
	p.t.Helper()
	if d, k := p.discover.Load(), p.fetched.Load(); d != n || k != n {
		p.t.Errorf("%d fetches of the metadata and %d of the keys, want %d of each", d, k, n)
	}
}

func TestKeysAreFetchedOnceForManyTokens(t *testing.T) {
	t.Parallel()
	p := newIDP(t, newKey(t, jose.ES256, "one"))
	set := p.trust("")
	token := p.token(p.keys[0], p.claims(nil), nil)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := verify(t, set, token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	p.wantFetches(1)
}

func TestANewKeyIsFetchedWhenItsFirstTokenComes(t *testing.T) {
	t.Parallel()
	first, second, third := newKey(t, jose.ES256, "one"), newKey(t, jose.ES256, "two"), newKey(t, jose.RS256, "three")
	p := newIDP(t, first)
	set := p.trust("")
	p.mustAccept(set, first)
	p.publish(first, second)
	p.mustAccept(set, second)
	p.mustAccept(set, first)
	p.wantFetches(2)

	p.publish(third)
	p.mustRefuse(set, third, oauth.Unauthenticated) // a minute has not passed
	p.wantFetches(2)
	p.now.pass(time.Minute)
	p.mustAccept(set, third)
	p.mustRefuse(set, first, oauth.Unauthenticated) // withdrawn
	p.wantFetches(3)
}

func TestUnknownKeysLeadToOneFetchAMinute(t *testing.T) {
	t.Parallel()
	own := newKey(t, jose.ES256, "own")
	p := newIDP(t, own)
	set := p.trust("")
	p.mustAccept(set, own)
	stranger := newKey(t, jose.ES256, "")
	storm := func() {
		var all sync.WaitGroup
		for n := range 100 {
			stranger.KeyID = fmt.Sprint("made up ", n)
			token := p.token(stranger, p.claims(nil), nil)
			all.Go(func() {
				if _, err := verify(t, set, token); oauth.KindOf(err) != oauth.Unauthenticated {
					t.Errorf("error %v, want Unauthenticated", err)
				}
			})
		}
		all.Wait()
	}
	storm()
	p.wantFetches(2)
	for range 59 {
		p.now.pass(time.Second)
		stranger.KeyID = "made up"
		p.mustRefuse(set, stranger, oauth.Unauthenticated)
	}
	p.wantFetches(2)
	p.now.pass(time.Second)
	storm()
	p.wantFetches(3)
}

func TestBadSignaturesAndClaimsLeadToNoFetch(t *testing.T) {
	t.Parallel()
	own := newKey(t, jose.ES256, "own")
	p := newIDP(t, own)
	set := p.trust("")
	p.mustAccept(set, own)
	p.now.pass(10 * time.Minute)
	for range 20 {
		p.mustRefuse(set, newKey(t, jose.ES256, "own"), oauth.Unauthenticated)
	}
	stranger := newKey(t, jose.ES256, "unknown")
	for _, claims := range []map[string]any{{"aud": "other"}, {"exp": 1}, {"exp": nil}} {
		if _, err := verify(t, set, p.token(stranger, p.claims(claims), nil)); err == nil {
			t.Error("a bad token was accepted")
		}
	}
	p.wantFetches(1)
}

func TestOldKeysOutliveAnOutage(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]http.HandlerFunc{
		"an error":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"a redirect":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"no JSON":         func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>sorry</html>") },
		"an empty object": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
		"no keys":         func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) },
		"keys of no use": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[{"kty":"oct","k":"AAAA"},7]}`)
		},
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, `{"keys":[`)
		},
		"deep nesting": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":`+strings.Repeat("[", 1<<20-100))
		},
		"a gzip bomb": func(w http.ResponseWriter, r *http.Request) { bomb(w, r) },
		"too many keys of no use": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[{}`+strings.Repeat(",{}", 100)+`]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := newKey(t, jose.ES256, "own")
			p := newIDP(t, own)
			set := p.trust("")
			p.mustAccept(set, own)
			p.answer(broken)
			p.now.pass(longEnough)
			set.Refresh(t.Context())
			p.wantFetches(2)
			p.mustAccept(set, own)

			p.answer(nil) // and back again
			second := newKey(t, jose.ES256, "second")
			p.publish(second)
			p.now.pass(longEnough)
			set.Refresh(t.Context())
			p.mustAccept(set, second)
			p.wantFetches(3)
		})
	}
}

// endless writes more than any limit, and fails the test if it is read.
func endless(t testing.TB, w http.ResponseWriter, r *http.Request) {
	const buffered = 32 << 20 // what may be on its way
	chunk := make([]byte, 64<<10)
	for sent := 0; r.Context().Err() == nil; sent += len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
		if sent > 1<<20+buffered {
			t.Errorf("%d bytes were taken", sent)
			return
		}
	}
}

// bomb answers 4 GiB of blanks, compressed.
func bomb(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Accept-Encoding") != "gzip" {
		w.WriteHeader(http.StatusNotAcceptable)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	chunk := make([]byte, 1<<20)
	for range 4 << 10 {
		if _, err := z.Write(chunk); err != nil || r.Context().Err() != nil {
			return
		}
	}
	_ = z.Close()
}

func TestALargeAnswerIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	own := newKey(t, jose.ES256, "own")
	p := newIDP(t, own)
	set := p.trust("")
	p.mustAccept(set, own)
	p.answer(func(w http.ResponseWriter, r *http.Request) { endless(t, w, r) })
	p.now.pass(longEnough)
	set.Refresh(t.Context())
	p.wantFetches(2)
	p.mustAccept(set, own)
}

func TestTooManyKeysAreRefused(t *testing.T) {
	t.Parallel()
	for n, kind := range map[int]oauth.Kind{100: oauth.Unauthenticated, 101: oauth.Unavailable} {
		own := newKey(t, jose.ES256, "own")
		p := newIDP(t, slices.Repeat([]jose.JSONWebKey{own}, n)...)
		p.mustRefuse(p.trust(""), newKey(t, jose.ES256, "other"), kind)
	}
}

func TestASlowAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	own := newKey(t, jose.ES256, "own")
	p := newIDP(t, own)
	set := p.trust("")
	p.mustAccept(set, own)
	p.answer(func(w http.ResponseWriter, r *http.Request) { // a byte, then nothing
		_, _ = io.WriteString(w, "{")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	p.now.pass(longEnough)
	set.FetchWithin(time.Second)
	set.Refresh(t.Context())
	p.mustAccept(set, own)
}

func TestACallerThatLeavesDoesNotWaitForTheFetch(t *testing.T) {
	t.Parallel()
	own := newKey(t, jose.ES256, "own")
	p := newIDP(t, own)
	set := p.trust("")
	asked, release := make(chan struct{}), make(chan struct{})
	p.answer(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{own.Public()}})
	})
	token := p.token(own, p.claims(nil), nil)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := set.Of(token).Verify(ctx, token)
		left <- err
	}()
	<-asked
	leave()
	if err := <-left; oauth.KindOf(err) != oauth.Unavailable {
		t.Errorf("error %v, want Unavailable", err)
	}
	close(release)
	p.mustAccept(set, own) // the same fetch, finished
	p.wantFetches(1)
}

func TestWithoutKeysTokensAreRefusedForNow(t *testing.T) {
	t.Parallel()
	own := newKey(t, jose.ES256, "own")
	p := newIDP(t, own)
	set := p.trust("")
	p.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	for range 20 {
		p.mustRefuse(set, own, oauth.Unavailable)
	}
	p.wantFetches(1)
	p.answer(nil)
	p.now.pass(time.Second)
	p.mustAccept(set, own)
	p.wantFetches(2)
}

func TestFailuresAreFarAndFarTherApart(t *testing.T) {
	t.Parallel()
	p := newIDP(t, newKey(t, jose.ES256, "own"))
	set := p.trust("")
	p.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	tries := func(within, step time.Duration) int64 {
		before := p.discover.Load()
		for spent := time.Duration(0); spent < within; spent += step {
			set.Refresh(t.Context())
			p.now.pass(step)
		}
		return p.discover.Load() - before
	}
	if n := tries(10*time.Minute, time.Second); n < 8 || n > 14 { // 1+2+4+…+256 s, each less a quarter at most
		t.Errorf("%d tries in the first ten minutes, want about 10", n)
	}
	if n := tries(time.Hour, time.Second); n < 12 || n > 17 {
		t.Errorf("%d tries an hour later on, want one in 4 to 5 minutes", n)
	}
}

func TestUnknownKeysDoNotCutAFailuresWaitShort(t *testing.T) {
	t.Parallel()
	own := newKey(t, jose.ES256, "own")
	p := newIDP(t, own)
	set := p.trust("")
	p.mustAccept(set, own)
	p.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	for range 9 { // the next try is 192 s away at least
		p.now.pass(longEnough)
		set.Refresh(t.Context())
	}
	p.wantFetches(10)
	p.now.pass(2 * time.Minute)
	p.mustRefuse(set, newKey(t, jose.ES256, "unknown"), oauth.Unauthenticated)
	p.wantFetches(10)
}

func TestKeysThatCannotBeRefreshedAreDroppedAfterADay(t *testing.T) {
	t.Parallel()
	own := newKey(t, jose.ES256, "own")
	p := newIDP(t, own)
	set := p.trust("")
	p.mustAccept(set, own)
	p.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	p.now.pass(24 * time.Hour)
	set.Refresh(t.Context())
	p.mustAccept(set, own)
	p.now.pass(time.Second)
	p.mustRefuse(set, own, oauth.Unavailable)
}

func TestRefreshFetchesOnceAnHour(t *testing.T) {
	t.Parallel()
	own, next := newKey(t, jose.ES256, "own"), newKey(t, jose.ES256, "own")
	p := newIDP(t, own)
	set := p.trust("")
	for range 40 {
		set.Refresh(t.Context())
		p.now.pass(time.Minute)
	}
	p.wantFetches(1)
	p.publish(next) // under the same kid
	for range 21 {
		set.Refresh(t.Context())
		p.now.pass(time.Minute)
	}
	p.wantFetches(2)
	p.mustAccept(set, next)
	(*issuers.Set)(nil).Refresh(t.Context())
}

func TestMetadataIsChecked(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]func(p *idp) map[string]any{
		"another issuer": func(p *idp) map[string]any { return map[string]any{"issuer": p.URL + "/", "jwks_uri": p.URL + "/keys"} },
		"no issuer":      func(p *idp) map[string]any { return map[string]any{"jwks_uri": p.URL + "/keys"} },
		"no jwks_uri":    func(p *idp) map[string]any { return map[string]any{"issuer": p.URL} },
		"a file":         func(p *idp) map[string]any { return map[string]any{"issuer": p.URL, "jwks_uri": "file:///etc/passwd"} },
		"http off the machine": func(p *idp) map[string]any {
			return map[string]any{"issuer": p.URL, "jwks_uri": "http://192.0.2.1/keys"}
		},
		"user information": func(p *idp) map[string]any {
			return map[string]any{"issuer": p.URL, "jwks_uri": strings.Replace(p.URL, "//", "//user:pass@", 1) + "/keys"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := newKey(t, jose.ES256, "own")
			p := newIDP(t, own)
			p.metadata = func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, metadata(p)) }
			p.mustRefuse(p.trust(""), own, oauth.Unavailable)
			if n := p.fetched.Load(); n != 0 {
				t.Errorf("%d fetches of the keys, want none", n)
			}
		})
	}
}

func TestKeysOfNoUseAreLeftOut(t *testing.T) {
	t.Parallel()
	own := newKey(t, jose.RS256, "own")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	encryption := newKey(t, jose.RS256, "encryption")
	encryption.Use = "enc"
	private := newKey(t, jose.ES256, "private")
	weak := jose.JSONWebKey{Key: small, KeyID: "weak", Algorithm: "RS256", Use: "sig"}
	p := newIDP(t, own)
	p.answer(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"keys": []any{weak.Public(), encryption.Public(), private, "text", map[string]any{"kty": "new"}, own.Public()}})
	})
	set := p.trust("")
	p.mustAccept(set, own)
	for _, key := range []jose.JSONWebKey{weak, encryption, private} {
		p.mustRefuse(set, key, oauth.Unauthenticated)
	}
}

func TestAKidIsNeededWhereSeveralKeysFit(t *testing.T) {
	t.Parallel()
	first, second, other := newKey(t, jose.ES256, "one"), newKey(t, jose.ES256, "two"), newKey(t, jose.EdDSA, "three")
	p := newIDP(t, first, second, other)
	set := p.trust("")
	p.mustAccept(set, second)
	p.mustAccept(set, jose.JSONWebKey{Key: other.Key, Algorithm: other.Algorithm}) // the only one of its algorithm
	p.mustRefuse(set, jose.JSONWebKey{Key: first.Key, Algorithm: first.Algorithm}, oauth.Unauthenticated)
}
