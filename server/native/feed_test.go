package native_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
)

// another starts one more instance of the service over the same database.
func another(t *testing.T, s *servertest.Server) *servertest.Server {
	t.Helper()
	two := *s.In(t)
	two.Registry = registry.New(postgres.New(s.Serving), s.Keys, s.Registry.Config)
	if err := two.Registry.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	handler, err := server.New(two.Registry, server.Config{Log: discard, Ready: func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	two.URL = srv.URL
	return &two
}

type part struct {
	Events []event `json:"events"`
	Next   string  `json:"next"`
	More   bool    `json:"more"`
}

// read reads a part of the feed; after "" starts from its beginning.
func read(s *servertest.Server, after string, limit, wait int) part {
	query := url.Values{"limit": {strconv.Itoa(limit)}, "wait": {strconv.Itoa(wait)}}
	if after != "" {
		query.Set("after", after)
	}
	var p part
	s.Do(s.Admin, "GET", "/api/roster/v1/events/feed?"+query.Encode(), nil).Want(http.StatusOK).Decode(&p)
	return p
}

// stored are the ids of all events.
func stored(t *testing.T, s *servertest.Server) []string {
	t.Helper()
	rows, err := s.Pool.Query(t.Context(), "SELECT id::text FROM events")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// drain reads the feed until it has shown as many events as are stored.
func drain(t *testing.T, s *servertest.Server, after string, seen []string) []string {
	t.Helper()
	want := len(stored(t, s))
	servertest.Eventually(t, "the feed shows all events", func() bool { // others' transactions on the same server hold it back
		if len(seen) < want {
			p := read(s, after, 500, 1)
			after = p.Next
			for _, e := range p.Events {
				seen = append(seen, e.ID)
			}
		}
		return len(seen) >= want
	})
	return seen
}

// await reads the n events that follow a place, once they are there.
func await(t *testing.T, s *servertest.Server, after string, n int) part {
	t.Helper()
	var p part
	servertest.Eventually(t, fmt.Sprintf("the feed shows %d events", n), func() bool {
		p = read(s, after, n, 20)
		return len(p.Events) == n
	})
	return p
}

// isCursor tells the member that is sealed again each time.
func isCursor(p cmp.Path) bool { return p.String() == "Next" }

func TestFeedShowsEveryEventOnce(t *testing.T) {
	t.Parallel()
	one := servertest.New(t)
	two := another(t, one)
	var writers sync.WaitGroup
	for i := range 6 {
		s := []*servertest.Server{one, two}[i%2]
		writers.Go(func() {
			for j := range 25 {
				id, _ := client(t, s)
				switch j % 3 {
				case 0:
					rotate(s, id, "?grace_seconds=60")
				case 1:
					s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil)
				case 2:
					s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	var seen []string
	after := ""
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		s := one
		switch rand.IntN(3) {
		case 0:
			s = two
		case 1:
			s = another(t, one) // restarted
		}
		p := read(s, after, 1+rand.IntN(20), rand.IntN(2))
		if rand.IntN(4) == 0 {
			continue // the answer was lost: ask again from the same place
		}
		after = p.Next
		for _, e := range p.Events {
			seen = append(seen, e.ID)
		}
	}
	seen = drain(t, two, after, seen)
	slices.Sort(seen)
	if diff := cmp.Diff(stored(t, one), seen); diff != "" {
		t.Errorf("stored, and shown by the feed: %s", diff)
	}
	if len(seen) < 300 {
		t.Errorf("only %d events", len(seen))
	}
}

func TestFeedWaitsForLongTransactions(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	ctx := t.Context()
	seen := drain(t, s, "", nil)
	place := read(s, "latest", 1, 0).Next
	tx, err := s.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const insert = `INSERT INTO events (occurred_at, actor, action, target_type, target) VALUES (now(), 'test', $1, '', '')`
	if _, err := tx.Exec(ctx, insert, "long"); err != nil {
		t.Fatal(err)
	}
	client(t, s) // begins later, ends earlier
	if p := read(s, place, 100, 0); len(p.Events) > 0 {
		t.Errorf("shown while an older transaction runs: %v", actions(p.Events))
	}
	if _, err := tx.Exec(ctx, insert, "long too"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	all := drain(t, s, place, seen)
	first := await(t, s, place, 2)
	if diff := cmp.Diff([]string{"long", "long too"}, actions(first.Events)); diff != "" {
		t.Error(diff)
	}
	slices.Sort(all)
	if diff := cmp.Diff(stored(t, s), all); diff != "" {
		t.Error(diff)
	}
}

func TestFeedWakesWhoWaits(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	drain(t, s, "", nil)
	place := read(s, "latest", 1, 0).Next
	if p := read(s, place, 10, 0); len(p.Events) != 0 || p.More || p.Next == "" {
		t.Errorf("at the end: %+v", p)
	}
	end := feedEnd(t, s)
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() {
			if page := waitForEvents(t, s, end); len(page.Events) == 0 || page.Events[0].Target == "" {
				t.Errorf("woken with %+v", page)
			}
		})
	}
	client(t, s)
	waiting.Wait()
}

func feedEnd(t *testing.T, s *servertest.Server) postgres.FeedPlace {
	t.Helper()
	end, err := s.Registry.EventFeedEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// waitForEvents waits for what follows a place, longer than the test has time.
func waitForEvents(t *testing.T, s *servertest.Server, after postgres.FeedPlace) registry.FeedPage {
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	page, err := s.Registry.EventFeed(ctx, &after, 10, time.Hour)
	if err != nil || ctx.Err() != nil {
		t.Errorf("it waited until %v, %v", ctx.Err(), err)
	}
	return page
}

func TestClosingEndsWaits(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	drain(t, s, "", nil)
	got, end := make(chan registry.FeedPage), feedEnd(t, s)
	go func() { got <- waitForEvents(t, s, end) }()
	s.Registry.Close()
	s.Registry.Close()
	if page := <-got; len(page.Events) != 0 {
		t.Errorf("it ends with %+v", page)
	}
}

func TestFeedGoesOnAfterARestoreElsewhere(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client(t, s)
	drain(t, s, "", nil)
	// What a dump of a server that had counted further leaves behind.
	for _, sql := range []string{
		"ALTER TABLE events DISABLE TRIGGER events_stay",
		"UPDATE events SET transaction = (transaction::text::bigint + 1000000000)::text::xid8",
		"ALTER TABLE events ENABLE TRIGGER events_stay",
	} {
		if _, err := s.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	restored := another(t, s)
	if before := drain(t, restored, "", nil); len(before) != len(stored(t, s)) {
		t.Fatalf("of %d restored events the feed shows %d", len(stored(t, s)), len(before))
	}
	place := read(restored, "latest", 1, 0).Next
	id, _ := client(t, restored)
	fresh := await(t, restored, place, 2) // the create and what its answer shows
	if fresh.Events[0].Target != id {
		t.Errorf("after the old end: %v", actions(fresh.Events))
	}
	if diff := cmp.Diff(fresh, await(t, another(t, s), place, 2), cmp.FilterPath(isCursor, cmp.Ignore())); diff != "" { // another start changes nothing
		t.Error(diff)
	}
}

func TestRetentionRemovesOldEvents(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: func(r *registry.Config) { r.EventRetention = 24 * time.Hour }})
	ctx := t.Context()
	client(t, s)
	early := await(t, s, "", 1)
	if err := s.Registry.ForgetExpired(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(stored(t, s)); n < 3 {
		t.Fatalf("only %d events are left of the last day", n)
	}
	drain(t, s, "", nil) // so that the end is the last event
	end := read(s, "latest", 1, 0).Next
	for _, sql := range []string{ // the function that trims goes by the database's clock
		"ALTER TABLE events DISABLE TRIGGER events_stay",
		"UPDATE events SET occurred_at = occurred_at - interval '25 hours'",
		"ALTER TABLE events ENABLE TRIGGER events_stay",
	} {
		if _, err := s.Pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Registry.ForgetExpired(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(stored(t, s)); n != 0 {
		t.Errorf("%d events are left", n)
	}
	renew(t, s)
	s.Do(s.Admin, "GET", "/api/roster/v1/events/feed?after="+url.QueryEscape(early.Next), nil).Want(http.StatusGone)
	s.Do(s.Admin, "GET", "/api/roster/v1/events/feed?after="+url.QueryEscape(end), nil).Want(http.StatusOK)
	fresh := read(s, "", 10, 0)
	read(s, fresh.Next, 10, 0)  // even the place in an empty feed can be gone on from
	if len(stored(t, s)) != 1 { // the token's
		t.Error("the trail does not go on")
	}
	config := s.Registry.Config
	config.EventRetention = 0
	s.Clock.Pass(1000 * 24 * time.Hour)
	if err := registry.New(postgres.New(s.Serving), s.Keys, config).ForgetExpired(ctx); err != nil {
		t.Fatal(err)
	}
	if len(stored(t, s)) != 1 {
		t.Error("an event was removed although they are kept for ever")
	}
}

func TestRetentionTrimsMoreThanOneBatch(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: func(r *registry.Config) { r.EventRetention = 24 * time.Hour }})
	_, err := s.Pool.Exec(t.Context(), `INSERT INTO events (occurred_at, actor, action, target_type, target)
		SELECT now() - interval '26 hours', 'test', 'old', '', '' FROM generate_series(1, 2500)`)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 { // instances do it side by side
		wg.Go(func() {
			if err := s.Registry.ForgetExpired(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(events(s, "?action=old")); n != 0 {
		t.Errorf("%d old events are left", n)
	}
}
