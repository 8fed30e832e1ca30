package dialect

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rosterhq/roster/internal/changefeed"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/rights"
)

// viewLife is how long a view is kept: what changed without an event, by an
// operator's own SQL, is found then.
const viewLife = time.Minute

// viewOverhead is about what a view takes besides its texts, in bytes.
const viewOverhead = 512

// ViewKey is all that decides what a caller sees of a client as it is now.
type ViewKey struct {
	Dialect string
	Client  string // as the dialect names it
	Access  rights.Set
	Fields  string // which members are asked for
}

// View is a rendered client. Others share it: nothing of it may be changed.
type View struct {
	Client  string // OAuth identifier
	Version int64
	Body    []byte
	ETag    string
	Shows   []oauth.Disclosure // what it shows, each time that it is sent
	Until   time.Time          // when it changes by itself; zero for never
}

// Views remembers rendered clients. What is remembered is shown only while the
// feed of changes has proven itself: no answer is older than its bound. The nil
// *Views remembers nothing.
type Views struct {
	feed  *changefeed.Feed
	now   func() time.Time
	limit int

	hits, misses, bypassed atomic.Uint64

	mu       sync.Mutex
	bytes    int
	order    *list.List // of *remembered, the last used first
	byKey    map[ViewKey]*list.Element
	byClient map[string]map[ViewKey]*list.Element // by OAuth identifier
}

type remembered struct {
	key  ViewKey
	view View
	ends time.Time
	size int
}

// NewViews returns Views of at most limit bytes that forget what feed reports as changed;
// nil for none.
func NewViews(feed *changefeed.Feed, now func() time.Time, limit int) *Views {
	if limit <= 0 {
		return nil
	}
	v := &Views{feed: feed, now: now, limit: limit, order: list.New()}
	v.clear()
	feed.Subscribe(v.forget)
	return v
}

// Of returns the view of key: the one that is remembered, or the one that render
// makes.
func (v *Views) Of(key ViewKey, render func() (View, error)) (View, error) {
	if v == nil {
		return render()
	}
	if !v.feed.Proven() {
		v.bypassed.Add(1)
		return render()
	}
	if view, ok := v.get(key); ok {
		v.hits.Add(1)
		return view, nil
	}
	v.misses.Add(1)
	mark := v.feed.Mark() // before the database is asked
	view, err := render()
	if err == nil {
		v.put(key, view, mark)
	}
	return view, err
}

func (v *Views) get(key ViewKey) (View, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e, ok := v.byKey[key]
	if !ok {
		return View{}, false
	}
	r := e.Value.(*remembered)
	if !v.now().Before(r.ends) {
		v.remove(e)
		return View{}, false
	}
	v.order.MoveToFront(e)
	return r.view, true
}

// put remembers a view that was read after mark, unless its client has changed
// since. The feed's subscriber waits for the same lock: a change that is told
// later removes the view before anybody acts on having been told.
func (v *Views) put(key ViewKey, view View, mark changefeed.Mark) {
	r := &remembered{key: key, view: view, ends: v.now().Add(viewLife)}
	if !view.Until.IsZero() && view.Until.Before(r.ends) {
		r.ends = view.Until
	}
	r.size = viewOverhead + 2*(len(key.Dialect)+len(key.Client)+len(key.Fields)+len(view.Client)) + cap(view.Body) + len(view.ETag)
	if r.size > v.limit/8 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.feed.Since(mark, func(c postgres.Change) bool { return about(c) == "" || about(c) == view.Client }) {
		return
	}
	if old, ok := v.byKey[key]; ok {
		v.remove(old)
	}
	e := v.order.PushFront(r)
	v.byKey[key] = e
	if v.byClient[view.Client] == nil {
		v.byClient[view.Client] = map[ViewKey]*list.Element{}
	}
	v.byClient[view.Client][key] = e
	for v.bytes += r.size; v.bytes > v.limit; {
		v.remove(v.order.Back())
	}
}

// about returns the client whose views alone a change ends, "" for one that may
// end any.
func about(c postgres.Change) string {
	if c.Client == oauth.SeveralTargets {
		return ""
	}
	return c.Client
}

func (v *Views) forget(changes []postgres.Change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range changes {
		client := about(c)
		if client == "" {
			v.clear()
			return
		}
		for _, e := range v.byClient[client] {
			v.remove(e)
		}
	}
}

func (v *Views) clear() {
	v.bytes, v.byKey, v.byClient = 0, map[ViewKey]*list.Element{}, map[string]map[ViewKey]*list.Element{}
	v.order.Init()
}

func (v *Views) remove(e *list.Element) {
	r := v.order.Remove(e).(*remembered)
	v.bytes -= r.size
	delete(v.byKey, r.key)
	if delete(v.byClient[r.view.Client], r.key); len(v.byClient[r.view.Client]) == 0 {
		delete(v.byClient, r.view.Client)
	}
}

// Collectors tell how much the views spare the database.
func (v *Views) Collectors() []prometheus.Collector {
	if v == nil {
		return nil
	}
	counter := func(outcome string, n *atomic.Uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "roster_views_total", Help: "Clients that were asked for, by where they came from: memory (hit), or the database because they " +
				"were not in memory (miss) or because the reader of changes had not proven itself (bypass).",
			ConstLabels: prometheus.Labels{"outcome": outcome},
		}, func() float64 { return float64(n.Load()) })
	}
	return []prometheus.Collector{
		counter("hit", &v.hits), counter("miss", &v.misses), counter("bypass", &v.bypassed),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "roster_views_bytes", Help: "Memory that rendered clients take."}, func() float64 {
			v.mu.Lock()
			defer v.mu.Unlock()
			return float64(v.bytes)
		}),
	}
}
