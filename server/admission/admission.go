// Package admission decides who is let in before any work is done for them:
// every request is charged to the address it comes from until its caller is
// known, then to the caller.
package admission

import (
	"cmp"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/shares"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
)

// Limits bound what one caller, or one address, may ask for.
type Limits struct {
	Caller  Limit // requests of one client with a valid token, and tokens issued to it
	Address Limit // requests from one address whose caller is not known
	Guesses int   // failures in a minute to authenticate as one client from one address; 0 for any number

	// Loopback is how many times as much clients and addresses may ask for from
	// the machine that Roster runs on; 0 for once.
	Loopback int
}

// Defaults are the limits of a deployment that does not set its own.
var Defaults = Limits{Caller: Limit{200, 1000}, Address: Limit{50, 200}, Guesses: 20, Loopback: 10}

// How many addresses, callers and targets are remembered, which bounds the memory
// for them to some 20 MB.
const (
	maxSources = 1 << 15
	maxCallers = 1 << 13
	maxTargets = 1 << 14
)

// Config is what a Gate needs.
type Config struct {
	Registry *registry.Registry
	Limits   Limits
	Now      func() time.Time // for the limits
	Log      *slog.Logger
	Fail     func(*gin.Context, error) // answers in the words of the path's dialect
	Refused  func(reason string)       // counts refusals; nil for nobody

	MaxInFlight int                        // requests under way at once; 0 for 1000
	BodyRule    func(path string) BodyRule // nil: the same for all
	Waits       func(*gin.Context) bool    // reports whether a request is a long poll; nil: none is
}

// Gate is where requests are let in.
type Gate struct {
	Config
	sources, loopback meters
	forwarding        forwarding
	guesses           *guesses

	places, polls, bodies, bodyBytes *pool
	working                          *shares.Pool
}

// meters are those of the callers that are far away or near.
type meters struct {
	address *meter[source]
	caller  *meter[string]
}

// New returns a Gate.
func New(config Config) *Gate {
	g := &Gate{Config: config, guesses: newGuesses(config.Limits.Guesses, maxTargets)}
	g.forwarding.peers = newLRU[string, *peer](maxPeers)
	of := func(n int) meters {
		return meters{
			newMeter[source](config.Limits.Address.times(n), maxSources), newMeter[string](config.Limits.Caller.times(n), maxCallers),
		}
	}
	g.places, g.polls = newPlaces(cmp.Or(config.MaxInFlight, defaultPlaces)), &pool{most: maxPolls, client: pollsOfClient}
	g.working = shares.New(maxWork, workOfClient)
	g.bodies, g.bodyBytes = newBodies(), newBodyBytes()
	g.sources, g.loopback = of(1), of(max(1, config.Limits.Loopback))
	return g
}

// Reasons of refusals, as Config.Refused gets them.
const (
	byAddress = "address"
	byCaller  = "caller"
	byGuesses = "guesses"
	byPlaces  = "places"
	byBodies  = "bodies"
	byPolls   = "polls"
)

var errTooMany = &problem.Error{Status: http.StatusTooManyRequests, Text: "Too many requests: wait as long as Retry-After says."}

// visit is what is known of a request that was let in.
type visit struct {
	meters meters
	from   source
	paid   bool // by its address, which gets it back once the caller is known
}

const visitKey = "admission.visit"

func visitOf(c *gin.Context) *visit {
	v, _ := c.Get(visitKey)
	known, _ := v.(*visit)
	return known
}

// Free reports whether a request is always answered: whether Roster lives, and
// whether it can do its work.
func Free(c *gin.Context) bool { return c.FullPath() == "/healthz" || c.FullPath() == "/readyz" }

// Admit charges a request to its address, then to its caller.
//
// A token is looked at even where the address has nothing left, because all who
// come through a proxy that is not trusted have one address: a valid token costs
// little to verify, and what does not verify is refused for the address.
func (g *Gate) Admit(c *gin.Context) {
	if Free(c) {
		return
	}
	g.forwarding.note(c, g.Log)
	v := &visit{from: sourceOf(c.ClientIP()), meters: g.sources}
	if v.from.loopback() {
		v.meters = g.loopback
	}
	c.Set(visitKey, v)
	now := g.Now()
	var s standing
	s, v.paid = v.meters.address.take(v.from, now)
	if dialect.Authenticate(c, g.Registry) == nil {
		g.admitCaller(c, v, now)
		return
	}
	s.report(c.Writer.Header())
	if !v.paid {
		leave(c)
		g.refuse(c, byAddress, s.wait())
	}
}

func (g *Gate) admitCaller(c *gin.Context, v *visit, now time.Time) {
	g.refund(v, now)
	s, ok := v.meters.caller.take(callerKey(dialect.Caller(c)), now)
	s.report(c.Writer.Header())
	if !ok {
		leave(c)
		g.refuse(c, byCaller, s.wait())
	}
}

// refund gives back what the address paid for a request whose caller is known.
func (g *Gate) refund(v *visit, now time.Time) {
	if v.paid {
		v.meters.address.give(v.from, now)
		v.paid = false
	}
}

// callerKey is the client that calls, and who vouches for it, whatever its token
// looks like.
func callerKey(caller *oauth.Caller) string {
	return caller.Issuer + keySeparator + cmp.Or(caller.ClientID, caller.Subject)
}

// keySeparator is in no issuer.
const keySeparator = "\x1f"

// refuse answers 429.
func (g *Gate) refuse(c *gin.Context, reason string, wait time.Duration) {
	g.count(reason)
	c.Header("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
	g.Fail(c, errTooMany)
}

func (g *Gate) count(reason string) {
	if g.Refused != nil {
		g.Refused(reason)
	}
}

// Prove runs prove, which finds out whether the caller is the client that it
// names, and returns its error. If the address has failed too often to be that
// client, or the client has had too many tokens, it answers the request itself
// and reports refused.
//
// A client that proves itself pays for its address, as with a token.
func (g *Gate) Prove(c *gin.Context, clientID string, prove func() error) (refused bool, err error) {
	v := visitOf(c)
	if v == nil || clientID == "" {
		return false, prove()
	}
	key := keySeparator + clientID // of a client that Roster itself knows
	if s, ok := v.meters.caller.look(key, g.Now()); !ok {
		s.report(c.Writer.Header())
		g.refuse(c, byCaller, s.wait())
		return true, nil
	}
	t := targetOf(clientID, v.from)
	wait, err := g.guesses.begin(c, t, g.Now)
	if err != nil {
		return false, err // the caller is gone
	}
	if wait > 0 {
		g.refuse(c, byGuesses, wait)
		return true, nil
	}
	failed := true // in a panic, too
	defer func() { g.guesses.end(t, failed, g.Now()) }()
	err = prove()
	failed = oauth.KindOf(err) == oauth.Unauthenticated
	if err == nil || oauth.KindOf(err) == oauth.Forbidden { // the latter is said to those who have proved themselves
		g.refund(v, g.Now())
		v.meters.caller.owe(key, g.Now()).report(c.Writer.Header())
	}
	return false, err
}
