package postgres

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
)

const (
	// maxTogether is how many callers' writes are stored in one transaction.
	maxTogether = 64

	// togetherTime bounds that transaction, which the end of one request does not
	// stop.
	togetherTime = 10 * time.Second
)

// together are writes that wait for a transaction. While one is under way, the
// next collects all that come: none pays for a commit alone where others wait.
type together struct {
	mu      sync.Mutex
	waiting []*waiting
	storing bool
}

type waiting struct {
	ctx    context.Context // of the caller
	writes []statement
	stored chan error // takes one without waiting
}

// WriteTogether is Write for what needs no transaction of its own, such as an
// event: it is stored along with what other callers write so. It returns when
// fn's writes are durable, or with the error that kept them from being stored.
// If ctx ends meanwhile they may be stored or not; nobody else's are lost.
func (s *Store) WriteTogether(ctx context.Context, fn func(*Tx) error) error {
	if spanning(ctx) != nil {
		return s.Write(ctx, fn)
	}
	t := s.begin()
	defer t.end(ctx)
	if err := fn(t); err != nil {
		return translate(err)
	}
	if t.conn != nil || len(t.writes) == 0 { // it has asked something, or there is nothing to do
		return t.commit(ctx)
	}
	one := &waiting{ctx, t.writes, make(chan error, 1)}
	if s.together.add(one) {
		go s.storeWaiting()
	}
	select {
	case err := <-one.stored:
		return err
	case <-ctx.Done():
		return translate(ctx.Err())
	}
}

// add has one wait, and reports whether nobody is storing what waits.
func (g *together) add(one *waiting) (idle bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, one)
	idle = !g.storing
	g.storing = true
	return idle
}

// take returns what is to be stored next; none ends the storing.
func (g *together) take() []*waiting {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxTogether)
	list := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	g.storing = n > 0
	return list
}

// storeWaiting stores what waits until nothing does.
func (s *Store) storeWaiting() {
	for list := s.together.take(); len(list) > 0; list = s.together.take() {
		list = slices.DeleteFunc(list, func(one *waiting) bool {
			err := one.ctx.Err()
			if err != nil { // nobody waits for it any more
				one.stored <- translate(err)
			}
			return err != nil
		})
		if len(list) == 0 {
			continue
		}
		err := s.storeTogether(list)
		alone := len(list) > 1 && Refused(err) && oauth.KindOf(err) != oauth.Unavailable // it is the fault of one
		for _, one := range list {
			if alone {
				err = s.storeTogether([]*waiting{one})
			}
			one.stored <- err
		}
	}
}

// storeTogether makes the writes of list one transaction.
func (s *Store) storeTogether(list []*waiting) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(list[0].ctx), togetherTime)
	defer cancel()
	t := s.begin()
	for _, one := range list {
		t.writes = append(t.writes, one.writes...)
	}
	return t.commit(ctx)
}
