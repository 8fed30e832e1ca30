package admission

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// guessWindow is the time in which an address may fail to authenticate as one
// client as often as Limits.Guesses says.
const guessWindow = time.Minute

// target is a client that somebody at an address tries to be. The client's
// identifier is whatever was sent, of any length.
type target struct {
	client [16]byte
	from   source
}

func targetOf(clientID string, from source) target {
	sum := sha256.Sum256([]byte(clientID))
	return target{[16]byte(sum[:]), from}
}

// guesses counts failures to authenticate. Those of one address do not keep a
// client out that calls from another.
type guesses struct {
	most int // 0 for any number

	mu     sync.Mutex
	failed *simplelru.LRU[target, []time.Time] // within the window, oldest first
	open   map[target]*attempts
}

// attempts are those whose outcome is not known yet. They count as failures
// until they succeed.
type attempts struct {
	n     int
	ended chan struct{} // closed when one of them ends
}

func newGuesses(most, size int) *guesses {
	return &guesses{most: most, failed: newLRU[target, []time.Time](size), open: map[target]*attempts{}}
}

// begin lets an attempt start, or returns after how long to try again. Where the
// attempts under way could use up what is left it waits for one of them to end.
func (g *guesses) begin(ctx context.Context, t target, now func() time.Time) (wait time.Duration, err error) {
	for g.most > 0 {
		g.mu.Lock()
		failed, at := g.recent(t, now()), now()
		if len(failed) >= g.most {
			g.mu.Unlock()
			return failed[len(failed)-g.most].Add(guessWindow).Sub(at), nil
		}
		under := g.open[t]
		if under == nil {
			under = &attempts{ended: make(chan struct{})}
			g.open[t] = under
		}
		if len(failed)+under.n < g.most {
			under.n++
			g.mu.Unlock()
			return 0, nil
		}
		ended := under.ended
		g.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return 0, nil
}

// end ends an attempt that begin let start.
func (g *guesses) end(t target, failed bool, now time.Time) {
	if g.most <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if failed {
		g.failed.Add(t, append(g.recent(t, now), now))
	}
	under := g.open[t]
	under.n--
	close(under.ended)
	under.ended = make(chan struct{})
	if under.n == 0 {
		delete(g.open, t)
	}
}

// recent returns the failures that still count, and forgets the others.
func (g *guesses) recent(t target, now time.Time) []time.Time {
	failed, ok := g.failed.Get(t)
	if !ok {
		return nil
	}
	old := 0
	for old < len(failed) && now.Sub(failed[old]) >= guessWindow {
		old++
	}
	if failed = failed[old:]; len(failed) == 0 {
		g.failed.Remove(t)
		return nil
	}
	g.failed.Add(t, failed)
	return failed
}
