package registry

import (
	"context"
	"sync"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// feedPoll is how often the end of the feed is looked up while somebody waits
// for it to move.
const feedPoll = 250 * time.Millisecond

// errFeedTrimmed says that events after a place in the feed were removed before
// they were read.
var errFeedTrimmed = &oauth.Error{Kind: oauth.NotFound, Reason: oauth.FeedTrimmed, Detail: "Events after this cursor have been removed because of their age. Start again without one."}

// FeedPage is a part of the feed.
type FeedPage struct {
	Events []postgres.PlacedEvent
	Next   postgres.FeedPlace // where the next part starts
	More   bool               // it has events already
}

// EventFeed returns at most limit events, or as many as are read at a time, that follow a place in the feed, nil
// for its beginning. Where there are none yet, it waits for some for as long as
// wait says, or until the registry closes. The feed shows an event once every
// transaction older than the event's own has ended.
func (r *Registry) EventFeed(ctx context.Context, after *postgres.FeedPlace, limit int, wait time.Duration) (FeedPage, error) {
	_, trimmed, err := r.store.FeedEnd(ctx)
	if err != nil {
		return FeedPage{}, err
	}
	var start postgres.FeedPlace
	empty := FeedPage{Next: trimmed}
	if after != nil {
		if start = *after; trimmed.After(start) {
			return FeedPage{}, errFeedTrimmed
		}
		empty.Next = start
	}
	if wait > 0 {
		defer r.feed.join(r.store)()
	}
	patience := time.NewTimer(wait)
	defer patience.Stop()
	for {
		moved := r.feed.moved()
		events, more, err := r.store.EventFeed(ctx, start, limit+1)
		if n := min(limit, len(events)); err != nil || n > 0 {
			page := FeedPage{Events: events[:n], More: more || n < len(events)}
			if n > 0 {
				page.Next = events[n-1].Place
			}
			return page, err
		}
		if wait <= 0 {
			return empty, nil
		}
		select {
		case <-moved:
		case <-r.closing:
			return empty, nil
		case <-patience.C:
			return empty, nil
		case <-ctx.Done(): // nobody reads the answer
			return empty, nil
		}
	}
}

// EventFeedEnd returns the place after the feed's last event.
func (r *Registry) EventFeedEnd(ctx context.Context) (postgres.FeedPlace, error) {
	end, _, err := r.store.FeedEnd(ctx)
	return end, err
}

// Close ends what waits for events. The registry still works, but waits no more.
func (r *Registry) Close() { r.closeOnce.Do(func() { close(r.closing) }) }

// feedWatch tells all who wait for the feed that it has moved, at the cost of
// one query in feedPoll however many they are, and of none when nobody waits.
type feedWatch struct {
	mu      sync.Mutex
	waiting int
	polling bool
	signal  chan struct{} // closed and replaced when the feed moves
}

// join begins a wait, which the function it returns ends.
func (w *feedWatch) join(store *postgres.Store) (leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting++
	if !w.polling {
		w.polling = true
		go w.poll(store)
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waiting--
	}
}

// moved returns a channel that is closed once the feed has moved from here.
func (w *feedWatch) moved() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.signal == nil {
		w.signal = make(chan struct{})
	}
	return w.signal
}

// poll looks at the end of the feed until nobody waits any more.
func (w *feedWatch) poll(store *postgres.Store) {
	tick := time.NewTicker(feedPoll)
	defer tick.Stop()
	var last postgres.FeedPlace
	for range tick.C {
		ctx, cancel := context.WithTimeout(context.Background(), 10*feedPoll)
		end, _, err := store.FeedEnd(ctx)
		cancel()
		w.mu.Lock()
		if (err != nil || end != last) && w.signal != nil { // whoever waits finds out what is wrong
			last = end
			close(w.signal)
			w.signal = nil
		}
		if w.polling = w.waiting > 0; !w.polling {
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
	}
}
