package abuse

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/admission"
)

// The addresses from which the attacks come, and the others.
const (
	attacker = "198.51.100.1"
	honest   = "192.0.2.10"
)

// attacked starts a service that answers a number of requests at once, and
// believes its callers where they come from. Its clock stands still, so that what
// the attack has used up of a limit does not come back.
func attacked(t *testing.T, places int) *servertest.Server {
	t.Helper()
	limits := admission.Defaults
	s := servertest.NewWith(t, servertest.Options{Unchecked: true, Limits: &limits, Server: func(c *server.Config) {
		c.TrustedProxies, c.MaxInFlight = []string{"127.0.0.0/8"}, places
	}})
	t.Cleanup(s.Registry.Close) // ends long polls
	return s
}

// others measures what somebody at another address waits for answers.
type others struct {
	t          *testing.T
	s          *servertest.Server
	id, secret string
	token      string
	median     time.Duration // without the attack
}

// patience is what an honest caller waits in any case: the machine may be busy.
const patience = 5 * time.Second

func newOthers(t *testing.T, s *servertest.Server) *others {
	t.Helper()
	o := &others{t: t, s: s}
	o.id, o.secret = newClient(s, nil)
	o.token = s.Token("read:clients")
	o.median = slices.Max(o.round(10, 0)) // of medians
	return o
}

// round has each kind of request answered n times, and returns the medians. A
// bound of 0 is none.
func (o *others) round(n int, bound time.Duration) []time.Duration {
	o.t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {o.id}, "client_secret": {o.secret}, "audience": {o.s.Registry.ManagementAudience()},
	}.Encode()
	kinds := []func() servertest.Response{
		func() servertest.Response {
			return o.s.Do("", "GET", "/.well-known/jwks.json", nil, "X-Forwarded-For", honest)
		},
		func() servertest.Response {
			return o.s.Do(o.token, "GET", "/api/v2/clients?per_page=1", nil, "X-Forwarded-For", honest)
		},
		func() servertest.Response {
			return o.s.Do("", "POST", "/oauth/token", form, "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", honest)
		},
	}
	var medians []time.Duration
	for i, ask := range kinds {
		var took []time.Duration
		for range n {
			began := time.Now()
			if r := ask(); r.Status != http.StatusOK {
				o.t.Errorf("request of kind %d: %d %s", i, r.Status, r.Body)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		if longest := took[n-1]; bound > 0 && longest > bound {
			o.t.Errorf("request of kind %d took %v, longer than %v", i, longest, bound)
		}
		medians = append(medians, took[n/2])
	}
	return medians
}

// unharmed fails the test unless the others are answered as before.
func (o *others) unharmed() {
	o.t.Helper()
	o.round(20, max(10*o.median, patience))
}

// dribble sends the head of a request whose body never ends, and tells answered
// when the service has done with it.
func dribble(t *testing.T, s *servertest.Server, answered func(status string), header ...string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "%s\r\nHost: a\r\nX-Forwarded-For: %s\r\n%s\r\n\r\ng", header[0], attacker, strings.Join(header[1:], "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		line, _ := bufio.NewReader(conn).ReadString('\n')
		answered(line)
	}()
}

// Bodies that come in byte by byte keep no place that others wait for.
func TestBodiesThatDribbleInHarmNobodyElse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head  string
		known bool
	}{
		"at the token endpoint":    {"POST /oauth/token HTTP/1.1", false},
		"before a token is asked":  {"POST /api/clients HTTP/1.1", false},
		"where a token is needed":  {"POST /api/v2/clients HTTP/1.1", false},
		"of a caller with a token": {"POST /api/v2/clients HTTP/1.1", true},
	} {
		for _, length := range []string{"Content-Length: 60000", "Transfer-Encoding: chunked"} {
			t.Run(name+", "+length, func(t *testing.T) {
				t.Parallel()
				s := attacked(t, 40)
				o := newOthers(t, s)
				var mu sync.Mutex
				done := 0
				const sockets = 200
				headers := []string{c.head, length, "Content-Type: application/json"}
				if c.known {
					headers = append(headers, "Authorization: Bearer "+s.Token("create:clients"))
				}
				for range sockets {
					dribble(t, s, func(string) { mu.Lock(); defer mu.Unlock(); done++ }, headers...)
				}
				ended := func(n int) func() bool {
					return func() bool { mu.Lock(); defer mu.Unlock(); return done >= n }
				}
				servertest.Eventually(t, "the requests over the bound are refused", ended(sockets/2))
				o.unharmed()
				if !c.known { // who is known has as long as a request may take
					servertest.Eventually(t, "the bodies are given up", ended(sockets))
					o.unharmed()
				}
			})
		}
	}
}

// One token that waits for events over and over keeps nobody else from waiting.
func TestLongPollsOfOneTokenHarmNobodyElse(t *testing.T) {
	t.Parallel()
	s := attacked(t, 40)
	o := newOthers(t, s)
	token := s.Token("read:logs")
	answers := make(chan int, 100)
	var polls sync.WaitGroup
	var over atomic.Bool
	t.Cleanup(func() {
		over.Store(true)
		s.Registry.Close() // ends those that wait
		polls.Wait()
	})
	for range cap(answers) {
		polls.Go(func() {
			for { // what happened just before the end of the feed was asked for may still reach it
				r := s.Do(token, "GET", "/api/roster/v1/events/feed?after=latest&wait=20", nil, "X-Forwarded-For", attacker)
				if over.Load() || r.Status != http.StatusOK || len(r.Object()["events"].([]any)) == 0 {
					answers <- r.Status
					return
				}
			}
		})
	}
	for i := range cap(answers) - 16 {
		if status := <-answers; status != http.StatusTooManyRequests {
			t.Fatalf("poll %d over the bound is answered %d", i, status)
		}
	}
	o.unharmed()
	s.Do(token, "GET", "/api/roster/v1/events", nil, "X-Forwarded-For", attacker).Want(http.StatusOK)
}

// Guessing secrets slows down whoever guesses, and nobody else.
func TestGuessesHarmNobodyElse(t *testing.T) {
	t.Parallel()
	s := attacked(t, 40)
	o := newOthers(t, s)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {o.id}, "client_secret": {"guess"}}.Encode()
	stop := make(chan struct{})
	var guessing sync.WaitGroup
	for range 8 {
		guessing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.Do("", "POST", "/oauth/token", form, "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", attacker)
					s.Do("a.b."+oauth.RandomText(oauth.Alphanumeric, 5), "GET", "/api/v2/clients", nil, "X-Forwarded-For", attacker)
				}
			}
		})
	}
	servertest.Eventually(t, "the attacker is refused", func() bool {
		return s.Do("", "GET", "/.well-known/jwks.json", nil, "X-Forwarded-For", attacker).Status == http.StatusTooManyRequests
	})
	o.unharmed()
	close(stop)
	guessing.Wait()
}
