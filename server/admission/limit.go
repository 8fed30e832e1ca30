package admission

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Limit bounds how often something happens: PerSecond on average, Burst at
// once. The zero Limit bounds nothing.
type Limit struct {
	PerSecond float64
	Burst     int
}

// times returns the limit for those who may do n times as much.
func (l Limit) times(n int) Limit { return Limit{l.PerSecond * float64(n), l.Burst * n} }

// meter counts what each key takes of a limit. Keys that were seen longest ago
// are forgotten first, which gives them their whole burst back.
type meter[K comparable] struct {
	limit Limit

	mu   sync.Mutex
	seen *simplelru.LRU[K, *bucket]
}

// bucket is what a key had left at a moment; less than nothing after a debt.
type bucket struct {
	left float64
	at   time.Time
}

func newMeter[K comparable](limit Limit, size int) *meter[K] {
	return &meter[K]{limit: limit, seen: newLRU[K, *bucket](size)}
}

func newLRU[K comparable, V any](size int) *simplelru.LRU[K, V] {
	l, err := simplelru.NewLRU[K, V](size, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return l
}

// standing is where a key stands, for the headers that say so.
type standing struct {
	limit Limit
	left  float64
	at    time.Time
}

// take takes one of what k has left, and reports whether there was one.
func (m *meter[K]) take(k K, now time.Time) (standing, bool) {
	return m.change(k, now, func(left float64) (float64, bool) { return left - 1, left >= 1 })
}

// look reports whether k has one left.
func (m *meter[K]) look(k K, now time.Time) (standing, bool) {
	return m.change(k, now, func(left float64) (float64, bool) { return left, left >= 1 })
}

// owe takes one from k, which may end up with less than nothing.
func (m *meter[K]) owe(k K, now time.Time) standing {
	s, _ := m.change(k, now, func(left float64) (float64, bool) {
		return max(left-1, -float64(m.limit.Burst)), true
	})
	return s
}

// give gives one back to k.
func (m *meter[K]) give(k K, now time.Time) {
	m.change(k, now, func(left float64) (float64, bool) { return min(left+1, float64(m.limit.Burst)), true })
}

// change sets what k has left, if edit reports true. Without a limit it does
// nothing and reports true.
func (m *meter[K]) change(k K, now time.Time, edit func(left float64) (float64, bool)) (standing, bool) {
	if m.limit.PerSecond <= 0 {
		return standing{}, true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.seen.Get(k)
	if !ok {
		b = &bucket{float64(m.limit.Burst), now}
		m.seen.Add(k, b)
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.left, b.at = min(b.left+passed.Seconds()*m.limit.PerSecond, float64(m.limit.Burst)), now
	}
	left, may := edit(b.left)
	if may {
		b.left = left
	}
	return standing{m.limit, b.left, now}, may
}

// report sets the headers that say how much is left, and when (UTC, seconds of
// the epoch) all of it will be there again.
func (s standing) report(h http.Header) {
	if s.limit.PerSecond <= 0 {
		return
	}
	full := s.at.Add(seconds((float64(s.limit.Burst) - s.left) / s.limit.PerSecond))
	h.Set("X-RateLimit-Limit", strconv.Itoa(s.limit.Burst))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(int(max(0, s.left))))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(int64(math.Ceil(float64(full.UnixMilli())/1000)), 10))
}

// wait is how long it takes until one is there again.
func (s standing) wait() time.Duration { return seconds((1 - s.left) / s.limit.PerSecond) }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
