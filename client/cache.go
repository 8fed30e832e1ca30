package client

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// What is in force where CacheOptions is silent.
const (
	DefaultMaxStale = 5 * time.Second // CacheOptions.MaxStale
	DefaultMaxBytes = 64 << 20        // CacheOptions.MaxBytes
)

// settling is how long after a change instances of the service may still answer
// from memory as things were. It is part of what the service promises.
const settling = time.Second

// CacheOptions say what a Cache may keep. Nil will do.
type CacheOptions struct {
	// MaxStale bounds how far out of date an answer may be: 3 seconds or more.
	// Default: DefaultMaxStale. The Timeout of the Config and that of its
	// HTTPClient must be well above a second.
	MaxStale time.Duration
	// MaxBytes bounds the memory of what is kept, by estimate. What was used
	// longest ago goes first. Default: DefaultMaxBytes.
	MaxBytes int
}

// Cache reads clients and their states, and keeps them in memory until they
// change.
//
// When a call begins, no answer that it gives is more than CacheOptions.MaxStale
// out of date, whoever changed the client and through whichever instance. Most
// changes show in a fraction of a second: the cache asks the service, in the
// background, which clients have changed (GET /api/roster/v1/changes, which takes
// the scope read:clients). If those requests fail, what is kept is used until it
// is MaxStale old; then the service is asked again, with If-None-Match where the
// cache has an ETag. If that fails too, the call fails. When the answers come
// again, nothing is forgotten but what has changed meanwhile.
//
// For a second after a change, the client is read from the service each time.
// Calls that miss the same client at the same time share one request. Errors are
// not kept: a client that does not exist is asked for each time.
//
// A Cache may be used by many goroutines at once.
type Cache struct {
	api      *Client
	maxStale time.Duration
	maxBytes int

	mu      sync.Mutex
	entries map[entryKey]*list.Element // of *entry
	order   *list.List                 // what was used last is in front
	loads   map[entryKey]*load
	changes changes
	stats   CacheStats
}

// CacheStats tell how a Cache fares.
type CacheStats struct {
	// Entries is how many clients and states are kept, Bytes what they take.
	Entries, Bytes int
	// Hits counts answers from memory, Asked requests for the rest, and Unchanged
	// those of them that the service answered with 304.
	Hits, Asked, Unchanged uint64
	// Age is how long ago the cache knew of all that had changed; 0: it never did.
	Age time.Duration
	// Err is why the service does not tell what changes; nil if it does.
	Err error
}

type entryKey struct{ kind, id string }

// entry is something that is kept.
type entry struct {
	key   entryKey
	value any // *OAuthClient or *State, which nobody changes
	etag  ETag
	size  int
	read  time.Time // it was true then
	epoch int       // of changes: all changes since read are known; 0: they are not
}

// load is a request under way.
type load struct {
	done    chan struct{} // closed when the rest is set
	value   any
	err     error
	began   time.Time
	outdone bool // there was a change since it began
}

// NewCache returns a cache of what api reads. It asks what changes until ctx
// ends; a cache whose context has ended still answers, as one that is not told.
func NewCache(ctx context.Context, api *Client, o *CacheOptions) (*Cache, error) {
	own := copied(o)
	if own.MaxStale == 0 {
		own.MaxStale = DefaultMaxStale
	}
	if own.MaxBytes == 0 {
		own.MaxBytes = DefaultMaxBytes
	}
	if own.MaxStale < 3*time.Second || own.MaxBytes < 0 {
		return nil, errors.New("client: MaxStale of a cache is 3 seconds at least, MaxBytes is not negative")
	}
	c := &Cache{
		api: api, maxStale: own.MaxStale, maxBytes: own.MaxBytes,
		entries: map[entryKey]*list.Element{}, order: list.New(), loads: map[entryKey]*load{},
		changes: changes{recent: map[string]time.Time{}, epoch: 1},
	}
	go c.follow(ctx)
	return c, nil
}

// GetClient returns a client, without its secret. All callers get the same one:
// do not change it. [ErrNotFound]: there is none.
func (c *Cache) GetClient(ctx context.Context, clientID string) (*OAuthClient, error) {
	got, err := c.get(ctx, entryKey{"client", clientID}, func(ctx context.Context, etag ETag) (any, ETag, int, error) {
		r := Request{Path: Path(clientsPath, clientID), Query: withoutSecrets(false), Header: etag.ifNoneMatch()}
		v := &OAuthClient{}
		return c.read(ctx, r, v, func(etag ETag) { v.ETag = etag })
	})
	if err != nil {
		return nil, err
	}
	return got.(*OAuthClient), nil
}

// GetState returns the state of a client. All callers get the same one: do not
// change it.
func (c *Cache) GetState(ctx context.Context, clientID string) (*State, error) {
	got, err := c.get(ctx, entryKey{"state", clientID}, func(ctx context.Context, _ ETag) (any, ETag, int, error) {
		return c.read(ctx, Request{Path: Path(nativePath, clientID, "state")}, &State{}, func(ETag) {})
	})
	if err != nil {
		return nil, err
	}
	return got.(*State), nil
}

// Stats tells how the cache fares.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Entries, s.Err = len(c.entries), c.changes.err
	if !c.changes.known.IsZero() {
		s.Age = time.Since(c.changes.known)
	}
	return s
}

func (e ETag) ifNoneMatch() http.Header {
	if e == "" {
		return nil
	}
	return http.Header{"If-None-Match": {string(e)}}
}

// read makes a request for something that is kept, and tells its size; the value
// is nil if the service has answered that it is as it was.
func (c *Cache) read(ctx context.Context, r Request, v any, name func(ETag)) (any, ETag, int, error) {
	resp, err := c.api.Do(ctx, r, nil)
	if err != nil {
		return nil, "", 0, err
	}
	if resp.StatusCode == http.StatusNotModified {
		return nil, "", 0, nil
	}
	n, err := decode(resp, r, v)
	if err != nil {
		return nil, "", 0, err
	}
	etag := ETag(resp.Header.Get("ETag"))
	name(etag)
	return v, etag, n, nil
}

// get returns what is kept under key, or asks for it with ask, which returns no
// value where it is what etag names.
func (c *Cache) get(ctx context.Context, key entryKey, ask func(context.Context, ETag) (any, ETag, int, error)) (any, error) {
	c.mu.Lock()
	if e, ok := c.entries[key]; ok {
		if kept := e.Value.(*entry); time.Since(c.trueAt(kept)) <= c.maxStale {
			c.order.MoveToFront(e)
			c.stats.Hits++
			c.mu.Unlock()
			return kept.value, nil
		}
	}
	l, shared := c.loads[key]
	if !shared || l.outdone || time.Since(l.began) > c.maxStale-settling {
		l = &load{done: make(chan struct{}), began: time.Now()}
		c.loads[key] = l
		c.stats.Asked++
		go c.load(context.WithoutCancel(ctx), key, l, ask)
	}
	c.mu.Unlock()
	select {
	case <-l.done:
		return l.value, l.err
	case <-ctx.Done():
		return nil, fmt.Errorf("roster: %w", context.Cause(ctx))
	}
}

// trueAt returns when an entry was certainly as it is kept.
func (c *Cache) trueAt(e *entry) time.Time {
	if e.epoch == c.changes.epoch && c.changes.known.After(e.read) {
		return c.changes.known
	}
	return e.read
}

// load asks for what is kept under key. Others may wait for it too, so it
// outlives the call that began it.
func (c *Cache) load(ctx context.Context, key entryKey, l *load, ask func(context.Context, ETag) (any, ETag, int, error)) {
	defer close(l.done)
	c.mu.Lock()
	next := &entry{key: key, read: l.began.Add(-settling), epoch: c.changes.epoch}
	unsettled := c.changes.told(key.id, next.read)
	if !c.changes.all.Before(next.read) {
		next.epoch = 0
	}
	var old *entry
	var etag ETag
	if e, ok := c.entries[key]; ok {
		old = e.Value.(*entry)
		etag = old.etag
	}
	c.mu.Unlock()
	value, newTag, size, err := ask(ctx, etag)

	c.mu.Lock()
	defer c.mu.Unlock()
	superseded := c.loads[key] != l
	if !superseded {
		delete(c.loads, key)
	}
	switch {
	case err != nil:
		l.err = err
		if errors.Is(err, ErrNotFound) {
			c.drop(key)
		}
		return
	case value == nil && old == nil:
		l.err = errors.New("roster: the service answers that nothing has changed since nothing was read")
		return
	case value == nil:
		c.stats.Unchanged++
		next.value, next.etag, next.size = old.value, old.etag, old.size
	default:
		next.value, next.etag, next.size = value, newTag, 4*size+entryOverhead
	}
	l.value = next.value
	if superseded {
		return
	}
	if unsettled || l.outdone { // it may be as before the change: it is kept for its ETag
		next.read, next.epoch = time.Time{}, 0
	}
	c.keep(next)
}

// entryOverhead is what an entry takes, about, besides four times its text.
const entryOverhead = 1 << 10

func (c *Cache) keep(e *entry) {
	c.drop(e.key)
	if e.size > c.maxBytes {
		return
	}
	c.entries[e.key] = c.order.PushFront(e)
	for c.stats.Bytes += e.size; c.stats.Bytes > c.maxBytes; {
		c.drop(c.order.Back().Value.(*entry).key)
	}
}

func (c *Cache) drop(key entryKey) {
	if e, ok := c.entries[key]; ok {
		c.stats.Bytes -= c.order.Remove(e).(*entry).size
		delete(c.entries, key)
	}
}

// changes is what a cache knows of them.
type changes struct {
	known  time.Time            // when the last request was made whose answer told of all
	epoch  int                  // rises where anything may have changed
	all    time.Time            // when it last did
	recent map[string]time.Time // when a change of a client was last told
	err    error
}

// told reports whether a change of a client was told at a moment or later.
func (c *changes) told(id string, at time.Time) bool {
	told, ok := c.recent[id]
	return ok && !told.Before(at)
}

// askPause is how long after one request for changes the next is sent at the
// soonest: while clients change all the time, each is answered at once.
const askPause = 200 * time.Millisecond

const changesPath = "/api/roster/v1/changes"

// follow asks what changes until ctx ends.
func (c *Cache) follow(ctx context.Context) {
	// An answer tells what was true when its request was sent, and serves until
	// the next one comes: that is twice the wait, and some more for the way.
	wait := min(max(1, int(c.maxStale/(3*time.Second))), 20, max(1, int(c.api.doer.timeout/time.Second)-1))
	query := url.Values{"wait": {"0"}}
	pause := c.api.doer.policy.backoff
	for ctx.Err() == nil {
		soonest := time.Now().Add(askPause)
		next, err := c.ask(ctx, query, time.Duration(wait)*time.Second+max(c.maxStale, 10*time.Second))
		switch {
		case err == nil:
			query.Set("after", next)
			query.Set("wait", strconv.Itoa(wait))
			pause = 0
		case errors.Is(err, ErrBadRequest): // the cursor, of a service that has another keyset now
			query.Del("after")
		case errors.Is(err, ErrTooManyRequests): // too many wait
			query.Set("wait", "0")
			pause = max(pause, c.maxStale/3)
		}
		timer := time.NewTimer(max(pause, time.Until(soonest)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		pause = min(max(2*pause, c.api.doer.policy.backoff), c.maxStale)
	}
}

// ask makes one request for changes, and forgets what has changed.
func (c *Cache) ask(ctx context.Context, query url.Values, patience time.Duration) (next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sent := time.Now()
	part, err := one[struct {
		Clients []string
		All     bool
		Next    string
	}](c.api, ctx, Request{Path: changesPath, Query: query})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes.err = err; err != nil {
		return "", err
	}
	now := time.Now()
	c.changes.forget(now)
	if part.All || len(c.changes.recent)+len(part.Clients) > mostRecent {
		c.changes.epoch++
		c.changes.all = now
		clear(c.changes.recent)
	}
	for _, id := range part.Clients {
		c.changes.recent[id] = now
		for _, kind := range []string{"client", "state"} {
			key := entryKey{kind, id}
			if e, ok := c.entries[key]; ok {
				kept := e.Value.(*entry)
				kept.epoch, kept.read = 0, time.Time{}
			}
			if l, ok := c.loads[key]; ok {
				l.outdone = true
			}
		}
	}
	c.changes.known = sent
	return part.Next, nil
}

// mostRecent bounds how many changes are remembered.
const mostRecent = 10_000

// forget forgets changes of which every instance of the service knows by now.
func (c *changes) forget(now time.Time) {
	for id, at := range c.recent {
		if now.Sub(at) > 2*settling {
			delete(c.recent, id)
		}
	}
}
