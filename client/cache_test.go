package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosterhq/roster/client"
)

// registry answers the requests of a cache, in the time of a synctest bubble.
type registry struct {
	mu       sync.Mutex
	versions map[string]int // of clients
	log      []string       // clients that have changed, in order
	wake     chan struct{}
	cut      bool           // nobody is told of changes
	slow     time.Duration  // how long a client takes to be read
	stale    map[string]int // what an instance still shows of clients that have changed
	asked    map[string]int // requests by path
}

func newRegistry(ids ...string) *registry {
	r := &registry{versions: map[string]int{}, wake: make(chan struct{}), stale: map[string]int{}, asked: map[string]int{}}
	for _, id := range ids {
		r.versions[id] = 1
	}
	return r
}

func (r *registry) change(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions[id]++
	r.log = append(r.log, id)
	close(r.wake)
	r.wake = make(chan struct{})
}

func (r *registry) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *registry) count(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked["/api/v2/clients/"+id]
}

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.set(func() { r.asked[req.URL.Path]++ })
	w.Header().Set("Content-Type", "application/json")
	if req.URL.Path == "/api/roster/v1/changes" {
		r.tell(w, req)
		return
	}
	id := strings.TrimPrefix(req.URL.Path, "/api/v2/clients/")
	r.mu.Lock()
	version, slow := r.versions[id], r.slow
	if old, ok := r.stale[id]; ok {
		version = old
	}
	r.mu.Unlock()
	time.Sleep(slow)
	etag := `"` + strconv.Itoa(version) + `"`
	switch {
	case version == 0:
		w.WriteHeader(http.StatusNotFound)
		return
	case req.Header.Get("If-None-Match") == etag:
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("ETag", etag)
	fmt.Fprintf(w, `{"client_id":%q,"name":"v%d"}`, id, version)
}

func (r *registry) tell(w http.ResponseWriter, req *http.Request) {
	wait, _ := strconv.Atoi(req.URL.Query().Get("wait"))
	after, err := strconv.Atoi(req.URL.Query().Get("after"))
	r.mu.Lock()
	if r.cut {
		r.mu.Unlock()
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if err == nil && after == len(r.log) && wait > 0 {
		changed := r.wake
		r.mu.Unlock()
		select {
		case <-changed:
		case <-time.After(time.Duration(wait) * time.Second):
		case <-req.Context().Done():
		}
		r.mu.Lock()
	}
	defer r.mu.Unlock()
	if after > len(r.log) { // a cursor of another time
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer := map[string]any{"clients": []string{}, "all": err != nil, "next": strconv.Itoa(len(r.log))}
	if err == nil {
		answer["clients"] = r.log[after:]
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// newCache makes a cache in a bubble, which reads from r without a network.
func newCache(t *testing.T, r *registry, o *client.CacheOptions) *client.Cache {
	t.Helper()
	transport := roundTrip(func(req *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if err := req.Context().Err(); err != nil {
			return nil, err
		}
		return w.Result(), nil
	})
	api := newClient(t, "https://roster.example", client.Config{Token: "t", HTTPClient: &http.Client{Transport: transport}})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); synctest.Wait() })
	cache, err := client.NewCache(ctx, api, o)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return cache
}

func name(t *testing.T, c *client.Cache, id string) string {
	t.Helper()
	got, err := c.GetClient(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return got.Name
}

func TestCacheAsksOnceUntilAClientChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry("a", "b")
		c := newCache(t, r, nil)
		time.Sleep(2 * time.Second) // what is read just after the start is read again
		for range 1000 {
			name(t, c, "a")
			name(t, c, "b")
			time.Sleep(time.Second)
		}
		if a, b := r.count("a"), r.count("b"); a != 1 || b != 1 {
			t.Errorf("a was asked for %d times, b %d times", a, b)
		}
		r.change("a")
		synctest.Wait()
		if got := name(t, c, "a"); got != "v2" {
			t.Errorf("after a change it shows %s", got)
		}
		if name(t, c, "b"); r.count("b") != 1 {
			t.Error("b was asked for again")
		}
		r.set(func() { r.versions["a"] = -1 })
		r.change("a")
		synctest.Wait()
		if _, err := c.GetClient(t.Context(), "a"); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("after its end: %v", err)
		}
		if s := c.Stats(); s.Entries != 1 || s.Err != nil || s.Hits != 1998+1 || s.Age > 3*time.Second {
			t.Errorf("%+v", s)
		}
	})
}

// TestCacheOutlivesItsFeed: without it, clients are asked for each MaxStale, and
// when it is back, what happened meanwhile is told.
func TestCacheOutlivesItsFeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry("a", "b")
		c := newCache(t, r, &client.CacheOptions{MaxStale: 10 * time.Second})
		time.Sleep(2 * time.Second)
		name(t, c, "a")
		name(t, c, "b")
		r.set(func() { r.cut = true })
		time.Sleep(time.Minute)
		r.change("a")
		if got := name(t, c, "a"); got != "v2" {
			t.Errorf("with the feed cut it shows %s", got)
		}
		before := r.count("a")
		for range 100 {
			name(t, c, "a")
			time.Sleep(time.Second)
		}
		if n := r.count("a") - before; n < 9 || n > 15 {
			t.Errorf("in 100 seconds it was asked for %d times", n)
		}
		if s := c.Stats(); s.Err == nil || s.Age < time.Minute || s.Unchanged < 9 {
			t.Errorf("%+v", s)
		}
		r.set(func() { r.cut = false })
		time.Sleep(time.Minute)
		before = r.count("b")
		if name(t, c, "b"); r.count("b") != before {
			t.Error("what has not changed was asked for again")
		}
		r.change("b")
		synctest.Wait()
		if got := name(t, c, "b"); got != "v2" {
			t.Errorf("with the feed mended it shows %s", got)
		}
		time.Sleep(2 * time.Second)
		name(t, c, "b")
		r.set(func() { r.versions["b"], r.log = 3, nil }) // the service comes from a backup, and its cursors mean nothing
		time.Sleep(30 * time.Second)
		if got := name(t, c, "b"); got != "v3" {
			t.Errorf("after a restore it shows %s", got)
		}
	})
}

// TestCacheDoesNotKeepWhatAnInstanceRemembers: for a second, an instance may show
// a client as it was before a change.
func TestCacheDoesNotKeepWhatAnInstanceRemembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry("a")
		c := newCache(t, r, nil)
		time.Sleep(2 * time.Second)
		name(t, c, "a")
		r.set(func() { r.stale["a"] = 1 })
		r.change("a")
		time.Sleep(900 * time.Millisecond)
		name(t, c, "a")
		r.set(func() { delete(r.stale, "a") })
		time.Sleep(100 * time.Millisecond)
		if got := name(t, c, "a"); got != "v2" {
			t.Errorf("it keeps %s", got)
		}
		time.Sleep(time.Second)
		name(t, c, "a")
		before := r.count("a")
		for range 60 {
			time.Sleep(time.Second)
			name(t, c, "a")
		}
		if n := r.count("a") - before; n != 0 {
			t.Errorf("long after the change it was asked for %d times", n)
		}
	})
}

func TestCacheSharesRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry("a")
		r.slow = time.Second
		c := newCache(t, r, nil)
		time.Sleep(2 * time.Second)
		var calls sync.WaitGroup
		var old atomic.Int64
		ask := func(want string) {
			calls.Go(func() {
				if got := name(t, c, "a"); got != want {
					old.Add(1)
				}
			})
		}
		for range 100 {
			ask("v1")
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.GetClient(impatient, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller in a hurry: %v", err)
		}
		r.change("a") // after the service has read it
		synctest.Wait()
		for range 100 {
			ask("v2")
		}
		calls.Wait()
		if n := r.count("a"); n != 2 || old.Load() != 0 {
			t.Errorf("200 calls made %d requests, and %d got what was not expected", n, old.Load())
		}
		if got := name(t, c, "a"); got != "v2" {
			t.Errorf("it keeps %s", got)
		}
		time.Sleep(time.Minute)
		r.set(func() { r.versions["b"] = 1 })
		calls.Go(func() { name(t, c, "b") })
		synctest.Wait()
		r.change("b") // and nobody asks until the answer is there
		calls.Wait()
		if got := name(t, c, "b"); got != "v2" {
			t.Errorf("it keeps %s", got)
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		for i := range 100 {
			r.versions[strconv.Itoa(i)] = 1
		}
		const most = 20_000
		c := newCache(t, r, &client.CacheOptions{MaxBytes: most})
		time.Sleep(2 * time.Second)
		name(t, c, "0")
		for i := range 100 {
			name(t, c, strconv.Itoa(i))
			name(t, c, "0") // is used all the time
			if s := c.Stats(); s.Bytes > most || s.Entries > 20 || s.Entries < min(i+1, 10) {
				t.Fatalf("after %d clients: %+v", i+1, s)
			}
		}
		if name(t, c, "1"); r.count("1") != 2 || r.count("0") != 1 {
			t.Errorf("what was used long ago was asked for %d times, what is in use %d times", r.count("1"), r.count("0"))
		}
	})
}

func BenchmarkCacheHit(b *testing.B) {
	r := newRegistry("a")
	srv := httptest.NewServer(r)
	defer srv.Close()
	api, err := client.New(srv.URL, client.Config{Token: "t"})
	if err != nil {
		b.Fatal(err)
	}
	cache, err := client.NewCache(b.Context(), api, nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := cache.GetClient(b.Context(), "a"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := cache.GetClient(b.Context(), "a"); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer() // or closing the server counts
	b.ReportMetric(float64(r.count("a")), "requests")
}
