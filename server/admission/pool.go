package admission

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
)

// owner is who has something of a pool: a client whose token is valid, or a
// source whose callers are not known.
type owner struct {
	client string // "" for a source
	from   source
}

// pool is an amount that requests under way share. What strangers cannot take is
// kept for callers that are known.
type pool struct {
	most      int // in all
	strangers int // of it for all whose caller is not known
	each      int // for one source
	client    int // for one client

	mu             sync.Mutex
	taken, strange int
	of             map[owner]int
}

// take takes n for o, and reports whether there was as much.
func (p *pool) take(o owner, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.each
	if o.client != "" {
		own = p.client
	}
	if p.taken+n > p.most || p.of[o]+n > own || o.client == "" && p.strange+n > p.strangers {
		return false
	}
	p.add(o, n)
	return true
}

// give gives n back.
func (p *pool) give(o owner, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(o, -n)
}

func (p *pool) add(o owner, n int) {
	if p.of == nil {
		p.of = map[owner]int{}
	}
	p.taken += n
	if o.client == "" {
		p.strange += n
	}
	if p.of[o] += n; p.of[o] == 0 {
		delete(p.of, o)
	}
}

// defaultPlaces is how many requests may be under way at once.
const defaultPlaces = 1000

// newPlaces shares n places: a quarter is kept for callers that are known, an
// address has a tenth, a client a quarter.
func newPlaces(n int) *pool {
	return &pool{most: n, strangers: max(1, n*3/4), each: max(1, n/10), client: max(1, n/4)}
}

// Long polls that wait take no place: they cost next to nothing.
const (
	maxPolls      = 1000
	pollsOfClient = 16
)

var errBusy = &problem.Error{Status: http.StatusServiceUnavailable, Text: "Too many requests are under way: try again."}

// Place holds one of the places while a request is worked on, whose body has
// been read by then. A long poll has none, but a client may have few at a time.
func (g *Gate) Place(c *gin.Context) {
	if Free(c) {
		return
	}
	from, o := g.places, ownerOf(c)
	if g.Waits != nil && o.client != "" && g.Waits(c) {
		from = g.polls
	}
	switch {
	case from.take(o, 1):
		defer from.give(o, 1)
		if from == g.places && o.client != "" {
			g.work(c, o.client)
			return
		}
		c.Next()
	case from == g.polls:
		g.refuse(c, byPolls, 0)
	default:
		g.busy(c, byPlaces)
	}
}

// Work is what requests of known callers take of memory while they are answered,
// in units of less than 3 MB: a record of the largest size, or a quarter of the part
// of a list that is held at a time.
const (
	maxWork      = 128
	workOfClient = 32
	workOfList   = 4
	workPatience = 10 * time.Second
)

// work has a request wait until there is memory to answer it, for workPatience at
// most: then the answer is 503.
func (g *Gate) work(c *gin.Context, client string) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), workPatience)
	defer cancel()
	n := int64(1)
	if path := c.FullPath(); c.Request.Method == http.MethodGet && !strings.HasPrefix(path[strings.LastIndex(path, "/")+1:], ":") {
		n = workOfList
	}
	give, err := g.working.Take(ctx, client, n)
	if err != nil {
		g.busy(c, byPlaces)
		return
	}
	defer give()
	c.Next()
}

// busy answers 503.
func (g *Gate) busy(c *gin.Context, reason string) {
	g.count(reason)
	g.Fail(c, errBusy)
}

func ownerOf(c *gin.Context) owner {
	if caller := dialect.Caller(c); caller != nil {
		return owner{client: callerKey(caller)}
	}
	if v := visitOf(c); v != nil {
		return owner{from: v.from}
	}
	return owner{}
}
