package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/admission"
)

const formType = "application/x-www-form-urlencoded"

// limited starts a service that lets a client, and an address, make three
// requests at once, and two a second.
func limited(t *testing.T, proxies ...string) *servertest.Server {
	three := admission.Limit{PerSecond: 2, Burst: 3}
	return servertest.NewWith(t, servertest.Options{
		Limits: &admission.Limits{Caller: three, Address: three, Guesses: 20},
		Server: func(c *server.Config) { c.TrustedProxies = proxies },
	})
}

func TestEachClientHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	s := limited(t)
	started := s.Clock.Now()
	other := s.Token("read:clients")
	for i := range 3 {
		r := s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
		if got := r.Header.Get("X-RateLimit-Remaining"); got != strconv.Itoa(2-i) {
			t.Errorf("after request %d X-RateLimit-Remaining is %q", i+1, got)
		}
		if got := r.Header.Get("X-RateLimit-Limit"); got != "3" {
			t.Errorf("X-RateLimit-Limit is %q", got)
		}
	}
	r := s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusTooManyRequests)
	if got := r.Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After is %q", got)
	}
	if o := r.Object(); o["errorCode"] != "too_many_requests" || o["message"] != "Global limit has been reached" {
		t.Errorf("body %v", o)
	}
	reset, err := strconv.ParseInt(r.Header.Get("X-RateLimit-Reset"), 10, 64)
	if full := started.Add(1500 * time.Millisecond).Unix(); err != nil || reset != full && reset != full+1 {
		t.Errorf("X-RateLimit-Reset is %q", r.Header.Get("X-RateLimit-Reset"))
	}
	s.Do(other, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
	s.Clock.Pass(500 * time.Millisecond)
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusTooManyRequests)
}

// statuses sends n requests at once and returns how often each status came back.
func statuses(n int, send func(i int) servertest.Response) map[int]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := map[int]int{}
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			r := send(i)
			mu.Lock()
			defer mu.Unlock()
			counts[r.Status]++
		})
	}
	close(start)
	wg.Wait()
	return counts
}

// spelled returns the i-th way to write the Authorization header of a token. The
// last character of a signature of 256 bytes has four bits that mean nothing.
func spelled(token string, i int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	token = token[:len(token)-1] + string(alphabet[last&^15|i%16])
	scheme := []string{"Bearer", "bearer", "BEARER", "bEaReR"}[i/16%4]
	return scheme + strings.Repeat(" ", 1+i) + token
}

func TestAClientHasOneLimitHoweverItsTokenIsWritten(t *testing.T) {
	t.Parallel()
	s := limited(t)
	counts := statuses(60, func(i int) servertest.Response {
		return s.Do("", "GET", "/api/v2/clients", nil, "Authorization", spelled(s.Admin, i))
	})
	if counts[http.StatusOK] > 3 || counts[http.StatusOK]+counts[http.StatusUnauthorized]+counts[http.StatusTooManyRequests] != 60 ||
		counts[http.StatusUnauthorized] > 3 {
		t.Errorf("%v", counts)
	}
}

// A caller is a client of the service with a secret.
type caller struct{ id, secret string }

func newCaller(t *testing.T, s *servertest.Server) caller {
	t.Helper()
	c := caller{"caller-" + oauth.RandomText(oauth.Alphanumeric, 20), oauth.RandomText(oauth.URLSafe, 64)}
	_, err := s.Registry.CreateClient(t.Context(), oauth.Draft{NewSecret: oauth.NewSecret(c.secret), Client: &oauth.Client{
		ClientID: c.id, Document: map[string]json.RawMessage{"client_name": json.RawMessage(`"a"`), "grant_types": json.RawMessage(`["client_credentials"]`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Registry.CreateClientGrant(t.Context(), oauth.ClientGrant{
		ClientID: c.id, Audience: s.Registry.ManagementAudience(), SubjectType: "client",
		Document: map[string]json.RawMessage{"scope": json.RawMessage(`["read:clients"]`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ask asks for a token as c, with a secret that may be another one.
func (c caller) ask(s *servertest.Server, secret string, header ...string) servertest.Response {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {c.id}, "client_secret": {secret}, "audience": {s.Registry.ManagementAudience()},
	}
	return s.Do("", "POST", "/oauth/token", form.Encode(), append(header, "Content-Type", formType)...)
}

func TestManyTokensOfOneClientShareItsLimit(t *testing.T) {
	t.Parallel()
	s := limited(t)
	c := newCaller(t, s)
	var issued []string
	for range 4 {
		one, err := s.Registry.IssueToken(t.Context(), tokens.Request{
			ClientID: c.id, Secret: oauth.NewSecret(c.secret), Audience: s.Registry.ManagementAudience(),
		})
		if err != nil {
			t.Fatal(err)
		}
		issued = append(issued, one.AccessToken.Reveal())
	}
	for _, token := range issued[:3] {
		s.Do(token, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
	}
	s.Do(issued[3], "GET", "/api/v2/clients", nil).Want(http.StatusTooManyRequests)
	r := c.ask(s, c.secret).Want(http.StatusTooManyRequests)
	if o := r.Object(); o["error"] != "too_many_requests" || r.Header.Get("Retry-After") != "1" {
		t.Errorf("%v %s", r.Header, r.Body)
	}
	s.Clock.Pass(time.Second)
	c.ask(s, c.secret).Want(http.StatusOK)
}

func TestMadeUpTokensCountForTheAddress(t *testing.T) {
	t.Parallel()
	s := limited(t)
	counts := statuses(60, func(i int) servertest.Response {
		paths := []string{"/.well-known/jwks.json", "/api/v2/clients", "/nowhere", "/docs"}
		return s.Do("", "GET", paths[i%4], nil, "Authorization", fmt.Sprintf("Bearer x%d", i))
	})
	if counts[http.StatusTooManyRequests] != 57 {
		t.Errorf("%v, want 57 times 429", counts)
	}
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK) // from the same address
	r := s.Do("", "POST", "/oauth/token", "grant_type=x", "Content-Type", formType).Want(http.StatusTooManyRequests)
	if r.Object()["error"] != "too_many_requests" {
		t.Errorf("body %s", r.Body)
	}
	s.Do("", "GET", "/healthz", nil).Want(http.StatusOK)
}

func TestValidTokensCostTheirAddressNothing(t *testing.T) {
	t.Parallel()
	s := limited(t)
	for range 4 {
		s.Do(s.Token("read:clients"), "GET", "/api/v2/clients", nil).Want(http.StatusOK)
	}
	c := newCaller(t, s)
	c.ask(s, c.secret).Want(http.StatusOK)
	for range 3 {
		s.Do("", "GET", "/api/v2/clients", nil).Want(http.StatusUnauthorized)
	}
	s.Do("", "GET", "/api/v2/clients", nil).Want(http.StatusTooManyRequests)
}

func TestAddressesOfOneHostShareItsLimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		address func(i int) string
		passed  int
	}{
		"one IPv6 network":            {func(i int) string { return fmt.Sprintf("2001:db8:1:2::%x", i+1) }, 3},
		"one IPv6 network, far apart": {func(i int) string { return fmt.Sprintf("2001:db8:1:2:%x::1", 0xf000+i) }, 3},
		"other IPv6 networks":         {func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i) }, 40},
		"IPv4 written in both ways":   {func(i int) string { return []string{"192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"}[i%3] }, 3},
		"other IPv4 addresses":        {func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := limited(t, "127.0.0.0/8")
			counts := statuses(40, func(i int) servertest.Response {
				return s.Do("", "GET", "/.well-known/jwks.json", nil, "X-Forwarded-For", c.address(i))
			})
			if counts[http.StatusOK] != c.passed {
				t.Errorf("%v, want %d answered", counts, c.passed)
			}
		})
	}
}

// guessing starts a service whose only limit is that of failures to authenticate.
func guessing(t *testing.T) *servertest.Server {
	return servertest.NewWith(t, servertest.Options{
		Limits: &admission.Limits{Guesses: 20}, Server: func(c *server.Config) { c.TrustedProxies = []string{"127.0.0.0/8"} },
	})
}

// guesses are the ways to try a wrong proof for a client.
func guesses(c caller, s *servertest.Server) map[string]func(i int, address string) servertest.Response {
	audience := url.QueryEscape(s.Registry.ManagementAudience())
	post := func(body, address string, header ...string) servertest.Response {
		return s.Do("", "POST", "/oauth/token", body, append(header, "Content-Type", formType, "X-Forwarded-For", address)...)
	}
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return map[string]func(i int, address string) servertest.Response{
		"in the form": func(i int, address string) servertest.Response {
			return c.ask(s, fmt.Sprintf("guess %d", i), "X-Forwarded-For", address)
		},
		"in JSON": func(i int, address string) servertest.Response {
			return s.Do("", "POST", "/oauth/token", map[string]any{
				"grant_type": "client_credentials", "client_id": c.id, "client_secret": fmt.Sprint(i), "audience": s.Registry.ManagementAudience(),
			}, "X-Forwarded-For", address)
		},
		"by Basic": func(i int, address string) servertest.Response {
			userinfo := base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("%s:guess%d", c.id, i)))
			scheme := []string{"Basic ", "basic ", "bAsIc "}[i%3]
			return post("grant_type=client_credentials&audience="+audience, address, "Authorization", scheme+userinfo)
		},
		"by an assertion": func(i int, address string) servertest.Response {
			now := s.Clock.Now().Unix()
			token := part(object{"alg": "RS256", "kid": "x"}) + "." + part(object{
				"iss": c.id, "sub": c.id, "aud": s.Registry.Issuer(), "jti": fmt.Sprint(i), "iat": now, "exp": now + 60,
			}) + "." + strings.Repeat("A", 342)
			return post("grant_type=client_credentials&audience="+audience+"&client_assertion="+token+
				"&client_assertion_type="+url.QueryEscape("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), address)
		},
	}
}

func TestGuessesAreRefusedAfterTwentyFailures(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"in the form", "in JSON", "by Basic", "by an assertion"} {
		for way, many := range map[string]func(n int, send func(int) servertest.Response) map[int]int{
			"at once": statuses,
			"in turn": func(n int, send func(int) servertest.Response) map[int]int {
				counts := map[int]int{}
				for i := range n {
					counts[send(i).Status]++
				}
				return counts
			},
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				s := guessing(t)
				c := newCaller(t, s)
				guess := guesses(c, s)[name]
				counts := many(100, func(i int) servertest.Response { return guess(i, "192.0.2.1") })
				if counts[http.StatusUnauthorized] != 20 || counts[http.StatusTooManyRequests] != 80 {
					t.Errorf("%v, want 20 times 401 and 80 times 429", counts)
				}
				r := c.ask(s, c.secret, "X-Forwarded-For", "192.0.2.1").Want(http.StatusTooManyRequests)
				if got := r.Header.Get("Retry-After"); got != "60" {
					t.Errorf("Retry-After is %q", got)
				}
				c.ask(s, c.secret, "X-Forwarded-For", "192.0.2.2").Want(http.StatusOK) // nobody locks the client out
				newCaller(t, s).ask(s, "wrong", "X-Forwarded-For", "192.0.2.1").Want(http.StatusUnauthorized)
				s.Clock.Pass(time.Minute)
				c.ask(s, c.secret, "X-Forwarded-For", "192.0.2.1").Want(http.StatusOK)
			})
		}
	}
}

func TestGuessesInAllWaysAndFromOneNetworkAreOneCount(t *testing.T) {
	t.Parallel()
	s := guessing(t)
	c := newCaller(t, s)
	ways := guesses(c, s)
	names := []string{"in the form", "in JSON", "by Basic", "by an assertion"}
	counts := statuses(100, func(i int) servertest.Response {
		return ways[names[i%4]](i, fmt.Sprintf("2001:db8::%x", i+1))
	})
	if counts[http.StatusUnauthorized] != 20 || counts[http.StatusTooManyRequests] != 80 {
		t.Errorf("%v, want 20 times 401 and 80 times 429", counts)
	}
}

func TestAClientMayAskForManyTokensAtOnce(t *testing.T) {
	t.Parallel()
	s := guessing(t)
	c := newCaller(t, s)
	if counts := statuses(60, func(int) servertest.Response { return c.ask(s, c.secret) }); counts[http.StatusOK] != 60 {
		t.Errorf("%v, want 60 tokens", counts)
	}
	for range 20 { // success takes nothing off the count of failures, nor adds to it
		c.ask(s, "wrong").Want(http.StatusUnauthorized)
		if r := c.ask(s, c.secret); !slices.Contains([]int{http.StatusOK, http.StatusTooManyRequests}, r.Status) {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	c.ask(s, c.secret).Want(http.StatusTooManyRequests)
}

func TestAnUntrustedProxyIsNamedOnceInTheLog(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	warnings := func() int { return strings.Count(s.Log.String(), "ROSTER_TRUSTED_PROXIES") }
	for range 60 {
		s.Do("", "GET", "/.well-known/jwks.json", nil)
	}
	for range 40 {
		s.Do("", "GET", "/.well-known/jwks.json", nil, "X-Forwarded-For", "192.0.2.1")
	}
	if n := warnings(); n != 0 {
		t.Errorf("%d warnings where few requests have the header", n)
	}
	for range 300 {
		s.Do(s.Admin, "GET", "/.well-known/jwks.json", nil, "X-Forwarded-For", "192.0.2.1")
	}
	if n := warnings(); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}

func TestNoLimitSaysNothing(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Limits: &admission.Limits{}})
	if r := s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK); r.Header.Get("X-RateLimit-Limit") != "" {
		t.Error("a limit is reported where there is none")
	}
}

func TestLimitsAreOnByDefault(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
	if got := r.Header.Get("X-RateLimit-Limit"); got != "10000" {
		t.Errorf("a client on loopback has the limit %q", got)
	}
	if got := s.Do("", "GET", "/.well-known/jwks.json", nil).Header.Get("X-RateLimit-Limit"); got != "2000" {
		t.Errorf("the loopback address has the limit %q", got)
	}
}

func TestLargeAnswersAreCompressedWhenAsked(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	created := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "a"}).Want(http.StatusCreated)
	path := "/api/v2/clients/" + created.Object()["client_id"].(string)
	r := s.Do(s.Admin, "GET", path, nil, "Accept-Encoding", "gzip").Want(http.StatusOK)
	if r.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("not compressed: %v", r.Header)
	}
	tag := r.Header.Get("ETag")
	s.Do(s.Admin, "GET", path, nil, "If-None-Match", tag).Want(http.StatusNotModified)
	s.Do(s.Admin, "PATCH", path, map[string]any{"name": "b"}, "If-Match", tag).Want(http.StatusOK)
	s.Do(s.Admin, "PATCH", path, map[string]any{"name": "c"}, "If-Match", tag).Want(http.StatusPreconditionFailed)
}
