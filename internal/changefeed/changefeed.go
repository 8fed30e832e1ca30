// Package changefeed tells every instance what any of them has changed, within
// [Bound] from its commit, so that an instance may remember what it has read.
//
// What is remembered may be used while [Feed.Proven] reports true, and must be
// forgotten when a subscriber is told so. Otherwise the database is asked:
//
//	feed.Subscribe(func(list []postgres.Change) { cache.forget(list) })
//
//	if answer, ok := cache.get(key); ok && feed.Proven() {
//		return answer
//	}
//	mark := feed.Mark() // before the database is asked
//	answer := ask()
//	cache.put(key, answer)
//	if feed.Since(mark, about(key)) { // after it is stored
//		cache.remove(key)
//	}
package changefeed

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rosterhq/roster/internal/postgres"
)

const (
	// Bound is how long after its commit a change may go unseen.
	Bound = time.Second

	// interval is how often the database is asked for changes.
	interval = 250 * time.Millisecond

	// most is how many changes are told one by one, and remembered for Since. Of
	// more at a time, it is only told that anything may have changed.
	most = 4096

	// forgetAfter is how long the reader may have failed for it to ask what has
	// changed meanwhile: after a longer time, anything may have.
	forgetAfter = 10 * time.Second
)

// Feed tells subscribers of changes. Nothing that changes the database waits for
// it. Without Run it is never proven.
type Feed struct {
	now    func() time.Time // with a monotonic clock, outside tests
	began  time.Time
	proven atomic.Int64 // when the last reading began that all were told of, 1 + time since began; 0: never

	telling     sync.Mutex // taken before mu
	mu          sync.Mutex
	subscribers []func([]postgres.Change)
	last        [most]postgres.Change // a ring; the change of number n is at n % most
	told        uint64                // how many changes were told
}

// New returns a feed that reads nothing yet. now is time.Now outside tests.
func New(now func() time.Time) *Feed { return &Feed{now: now, began: now()} }

// Subscribe has fn called with what has changed, one call at a time and in order
// for what the reader has found. It must be quick: nothing is proven until it
// has returned; it may call Mark and Since. The zero Change among them says that anything may have changed.
// The same change may be told twice.
func (f *Feed) Subscribe(fn func([]postgres.Change)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscribers = append(f.subscribers, fn)
}

// Tell tells subscribers of changes that this instance knows of before the
// reader does, since it made them.
func (f *Feed) Tell(list ...postgres.Change) {
	f.telling.Lock()
	defer f.telling.Unlock()
	f.mu.Lock()
	for _, c := range list {
		f.last[f.told%most] = c
		f.told++
	}
	subscribers := f.subscribers
	f.mu.Unlock()
	for _, fn := range subscribers {
		fn(list)
	}
}

// Proven reports whether subscribers were told of every change that was
// committed longer than Bound ago.
func (f *Feed) Proven() bool { return f.Age() <= Bound }

// Age returns how long ago the last reading began that all were told of.
func (f *Feed) Age() time.Duration {
	age := f.now().Sub(f.began)
	if at := f.proven.Load(); at > 0 {
		return age - time.Duration(at-1)
	}
	return age + Bound + 1 // never
}

// Mark is a place among what was told.
type Mark uint64

// Mark returns the place before what is told next.
func (f *Feed) Mark() Mark {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Mark(f.told)
}

// Since reports whether a change that about says yes to was told after a mark, or
// may have been: if in doubt, it is true.
func (f *Feed) Since(mark Mark, about func(postgres.Change) bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.told-uint64(mark) > most {
		return true
	}
	for n := uint64(mark); n < f.told; n++ {
		if c := f.last[n%most]; c == (postgres.Change{}) || about(c) {
			return true
		}
	}
	return false
}

// Run reads changes from store until ctx ends. store should have a connection to
// itself, so that what other connections are busy with delays nothing.
func (f *Feed) Run(ctx context.Context, store *postgres.Store, log *slog.Logger) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var place postgres.ChangePlace
	failing := false
	for ctx.Err() == nil {
		err := f.read(ctx, store, &place)
		if (err != nil) != failing && ctx.Err() == nil {
			if failing = err != nil; failing {
				log.Warn("reading changes fails: every answer asks the database", "err", err)
			} else {
				log.Info("reading changes works")
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// read tells subscribers what has changed since place, and moves it on.
func (f *Feed) read(ctx context.Context, store *postgres.Store, place *postgres.ChangePlace) error {
	ctx, cancel := context.WithTimeout(ctx, Bound)
	defer cancel()
	if f.Age() > forgetAfter {
		*place = postgres.ChangePlace{}
	}
	began := f.now().Sub(f.began)
	list, next, err := store.Changes(ctx, *place, most)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		f.Tell(list...)
	}
	*place = next
	f.proven.Store(1 + int64(began))
	return nil
}
