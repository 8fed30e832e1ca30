package registry

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// mostChanges is how many changes are told one by one.
const mostChanges = 1000

// ClientChanges tells which clients have changed since a place.
type ClientChanges struct {
	Clients []string // OAuth identifiers, each once
	All     bool     // anything may have changed
	Next    postgres.ChangePlace
}

// ClientChanges returns which clients have changed since a place, all that was
// committed before the call among them. Where there are none yet, it waits for
// some for as long as wait says, or until the registry closes.
func (r *Registry) ClientChanges(ctx context.Context, since postgres.ChangePlace, wait time.Duration) (ClientChanges, error) {
	patience := time.NewTimer(wait)
	defer patience.Stop()
	for last := wait <= 0; ; {
		changed := r.changed.next()
		list, next, err := r.store.Changes(ctx, since, mostChanges)
		if err != nil {
			return ClientChanges{}, err
		}
		page := ClientChanges{Next: next}
		for _, c := range list {
			page.add(c)
		}
		if last || page.All || len(page.Clients) > 0 {
			return page, nil
		}
		since = next
		select {
		case <-changed:
		case <-r.closing:
			last = true
		case <-patience.C:
			last = true
		case <-ctx.Done():
			return page, nil // nobody reads the answer
		}
	}
}

func (p *ClientChanges) add(c postgres.Change) {
	switch {
	case c == (postgres.Change{}), c.Client == oauth.SeveralTargets, c.Kind == "credential" && c.Client == "":
		p.All = true
	case c.Kind != "client" && c.Kind != "credential":
	case !slices.Contains(p.Clients, c.Client):
		p.Clients = append(p.Clients, c.Client)
	}
}

// signal wakes all who wait for something.
type signal struct {
	mu sync.Mutex
	ch chan struct{} // closed and replaced by wake; nil: nobody waits
}

// next returns a channel that is closed when wake is called next.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
