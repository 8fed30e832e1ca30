package clienttest_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/dialect"
)

// second starts one more instance of a service, which remembers clients like the
// first.
func second(t *testing.T, s *servertest.Server) string {
	t.Helper()
	two := *s.In(t)
	two.Registry = registry.New(postgres.New(s.Serving), s.Keys, s.Registry.Config)
	if err := two.Registry.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	handler, err := server.New(two.Registry, server.Config{
		Log: slog.New(slog.DiscardHandler), Ready: func(context.Context) error { return nil },
		Views: dialect.NewViews(two.Registry.Changes, two.Registry.Now, 1<<20),
	})
	if err != nil {
		t.Fatal(err)
	}
	two.Follow()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return srv.URL
}

// acks are when a writer knew that its changes were made; the n-th is of n.
type acks struct {
	mu    sync.Mutex
	times []time.Time
}

func (a *acks) add() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times = append(a.times, time.Now())
}

// by is the last change that was made at a moment.
func (a *acks) by(at time.Time) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n < len(a.times) && !a.times[n].After(at) {
		n++
	}
	return n
}

// TestCacheIsNeverOlderThanItSays changes a client over two instances, by two
// writers, while the cache reads over both, and for a while hears of no change.
func TestCacheIsNeverOlderThanItSays(t *testing.T) {
	t.Parallel()
	const maxStale = 3 * time.Second
	s := servertest.NewWith(t, servertest.Options{Registry: servertest.RealTime, Follow: true})
	hosts := []string{strings.TrimPrefix(s.URL, "http://"), strings.TrimPrefix(second(t, s), "http://")}
	var requests atomic.Int64
	var cut atomic.Bool
	over := func(req *http.Request) (*http.Response, error) {
		if cut.Load() && req.URL.Path == "/api/roster/v1/changes" {
			return nil, io.ErrUnexpectedEOF
		}
		req = req.Clone(req.Context())
		req.URL.Host = hosts[requests.Add(1)%2]
		return http.DefaultTransport.RoundTrip(req)
	}
	api := newClient(t, s.URL, client.Config{Token: s.Admin, HTTPClient: &http.Client{Transport: roundTrip(over)}, Backoff: time.Millisecond})
	ctx := t.Context()
	cache, err := client.NewCache(ctx, api, &client.CacheOptions{MaxStale: maxStale})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := create(t, api, client.ClientInput{Name: "billing"})
	made := map[string]*acks{"one": {}, "two": {}}

	// shown returns what the cache shows of a writer, which is not too old.
	shown := func(writer string) int {
		began := time.Now()
		c, err := cache.GetClient(ctx, id)
		if err != nil {
			t.Error(err)
			return 0
		}
		n, _ := strconv.Atoi(c.Metadata[writer])
		if least := made[writer].by(began.Add(-maxStale)); n < least {
			t.Errorf("it shows change %d of writer %s, %d was made more than %v before", n, writer, least, maxStale)
		}
		return n
	}
	write := func(times int) {
		var writers sync.WaitGroup
		for writer, acks := range made {
			writers.Go(func() {
				for range times {
					n := len(acks.times) + 1
					if _, err := api.UpdateClient(ctx, id, client.ClientInput{Metadata: map[string]string{writer: strconv.Itoa(n)}}, nil); err != nil {
						t.Error(err)
						return
					}
					acks.add()
					servertest.Eventually(t, "the cache shows a change", func() bool { return shown(writer) == n || t.Failed() })
				}
			})
		}
		writers.Wait()
	}
	write(3)
	servertest.Eventually(t, "the cache answers from memory", func() bool { shown("one"); return cache.Stats().Hits > 0 })
	cut.Store(true)
	servertest.Eventually(t, "the cache notices that it is told nothing", func() bool { return cache.Stats().Err != nil })
	write(1)
	cut.Store(false)
	write(2)

	if _, err := api.SetState(ctx, id, client.StateDisabled, "test"); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "the cache shows the state", func() bool {
		state, err := cache.GetState(ctx, id)
		return err == nil && state.State == client.StateDisabled
	})
	if err := api.DeleteClient(ctx, id, nil); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "the client is gone", func() bool {
		_, err := cache.GetClient(ctx, id)
		return errors.Is(err, client.ErrNotFound)
	})
	servertest.Eventually(t, "the cache is told again what changes", func() bool { return cache.Stats().Err == nil })
	if s := cache.Stats(); s.Asked == 0 {
		t.Errorf("%+v", s)
	}
}
