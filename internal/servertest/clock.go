package servertest

import (
	"sync"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/registry"
)

// Clock is the time of a service. It stands still until the test moves it, so
// that nothing expires because the machine is slow. It starts at the real time,
// to the microsecond: the database has a clock of its own, and keeps no more.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *Clock { return &Clock{now: time.Now().UTC().Truncate(time.Microsecond)} }

// Now returns the service's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// RealTime is for Options.Registry, where callers have clocks of their own.
func RealTime(c *registry.Config) { c.Now = time.Now }

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Patience bounds the waits for what must happen. It is long enough for a
// machine that is busy with other things; it tells nothing of how fast the
// service is.
const Patience = 5 * time.Minute

// Eventually tries until something is so.
func Eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	late := time.After(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %v: %s", Patience, what)
		}
	}
}
