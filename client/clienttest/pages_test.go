package clienttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/servertest"
)

// watched passes requests on, counts them, and fails those that broken names.
type watched struct {
	requests atomic.Int64
	broken   func(request int64, r *http.Request) bool
}

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	n := w.requests.Add(1)
	if w.broken != nil && w.broken(n, r) {
		return &http.Response{
			StatusCode: http.StatusBadGateway, Header: http.Header{"Content-Type": {"text/plain"}}, Request: r,
			Body: io.NopCloser(strings.NewReader("the proxy is out of order")),
		}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}

// listed is a service with clients c1 to c5 and others of Roster's own.
func listed(t *testing.T) (*servertest.Server, *client.Client, *watched) {
	t.Helper()
	s, w := servertest.New(t), &watched{}
	for n := range 5 {
		makeClient(t, s, fmt.Sprintf("c%d", n+1))
	}
	return s, newClient(t, s.URL, client.Config{Token: s.Admin, Attempts: 1, HTTPClient: &http.Client{Transport: w}}), w
}

func makeClient(t *testing.T, s *servertest.Server, name string) (id string) {
	t.Helper()
	return s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": name, "app_type": "spa"}).Want(201).Object()["client_id"].(string)
}

// pagesOf shows the clients of listed, n a page.
func pagesOf(n int) *client.ClientFilter {
	return &client.ClientFilter{AppTypes: []string{"spa"}, PageSize: n}
}

// collect ranges to the end, and tells how often an error came.
func collect[T any](seq iter.Seq2[T, error], name func(T) string) (names []string, errs []error) {
	for item, err := range seq {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		names = append(names, name(item))
	}
	return names, errs
}

func clientName(c client.OAuthClient) string { return c.Name }

func TestListGoesThroughAllPages(t *testing.T) {
	t.Parallel()
	_, api, w := listed(t)
	for size, requests := range map[int]int64{1: 5, 2: 3, 5: 1, 100: 1} {
		w.requests.Store(0)
		names, errs := collect(api.Clients(t.Context(), pagesOf(size)), clientName)
		if diff := cmp.Diff([]string{"c1", "c2", "c3", "c4", "c5"}, names); diff != "" || errs != nil {
			t.Errorf("pages of %d: %v (-want +got):\n%s", size, errs, diff)
		}
		if got := w.requests.Load(); got != requests {
			t.Errorf("pages of %d: %d requests, want %d", size, got, requests)
		}
	}
	all, errs := collect(api.Clients(t.Context(), nil), func(c client.OAuthClient) string { return c.ID })
	if len(all) < 6 || errs != nil { // the global client, too
		t.Errorf("without a filter: %v, %v", all, errs)
	}
	none, errs := collect(api.Clients(t.Context(), &client.ClientFilter{AppTypes: []string{"native"}}), clientName)
	if none != nil || errs != nil {
		t.Errorf("nothing to find: %v, %v", none, errs)
	}
}

func TestListMayBeRangedOverAgainAndKeepsItsFilter(t *testing.T) {
	t.Parallel()
	_, api, _ := listed(t)
	params := pagesOf(2)
	seq := api.Clients(t.Context(), params)
	params.AppTypes = []string{"native"} // comes too late to matter
	for range 2 {
		if names, errs := collect(seq, clientName); len(names) != 5 || errs != nil {
			t.Errorf("got %v, %v", names, errs)
		}
	}
}

func TestListAsksForNoPageBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	_, api, w := listed(t)
	seq := api.Clients(t.Context(), pagesOf(2))
	if n := w.requests.Load(); n != 0 {
		t.Errorf("%d requests before anything is asked for", n)
	}
	for take, requests := range map[int]int64{1: 1, 2: 1, 3: 2, 4: 2} {
		w.requests.Store(0)
		seen := 0
		for _, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen == take {
				break
			}
		}
		if n := w.requests.Load(); n != requests {
			t.Errorf("%d requests for the first %d of pages of 2, want %d", n, take, requests)
		}
	}
}

func TestListEndsAtTheFirstErrorAndYieldsItOnce(t *testing.T) {
	t.Parallel()
	s, api, w := listed(t)
	w.broken = func(_ int64, r *http.Request) bool { return r.URL.Query().Has("from") }
	names, errs := collect(api.Clients(t.Context(), pagesOf(2)), clientName)
	if !slices.Equal(names, []string{"c1", "c2"}) || len(errs) != 1 {
		t.Fatalf("got %v, %v", names, errs)
	}
	if e, ok := errors.AsType[*client.Error](errs[0]); !ok || e.StatusCode != http.StatusBadGateway {
		t.Errorf("the error is %v", errs[0])
	}

	mayNot := newClient(t, s.URL, client.Config{Token: s.Token("read:resource_servers")})
	if names, errs := collect(mayNot.Clients(t.Context(), nil), clientName); names != nil || len(errs) != 1 || !errors.Is(errs[0], client.ErrForbidden) {
		t.Errorf("without the scope: %v, %v", names, errs)
	}
}

func TestListEndsWithItsContext(t *testing.T) {
	t.Parallel()
	_, api, w := listed(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var names []string
	var errs []error
	for c, err := range api.Clients(ctx, pagesOf(2)) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		names = append(names, c.Name)
		cancel()
	}
	if len(names) != 2 || len(errs) != 1 || !errors.Is(errs[0], context.Canceled) || w.requests.Load() > 2 {
		t.Errorf("after %d requests: %v, %v", w.requests.Load(), names, errs)
	}
}

func TestListSeesChangesOnPagesToCome(t *testing.T) {
	t.Parallel()
	s, api, _ := listed(t)
	ids := map[string]string{}
	for c, err := range api.Clients(t.Context(), pagesOf(100)) {
		if err != nil {
			t.Fatal(err)
		}
		ids[c.Name] = c.ID
	}
	var names []string
	for c, err := range api.Clients(t.Context(), pagesOf(2)) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, c.Name)
		if c.Name == "c2" { // the last of a page, whose cursor names it
			for _, gone := range []string{"c1", "c2", "c4"} {
				s.Do(s.Admin, "DELETE", "/api/v2/clients/"+ids[gone], nil).Want(204)
			}
			makeClient(t, s, "c6")
		}
	}
	if diff := cmp.Diff([]string{"c1", "c2", "c3", "c5", "c6"}, names); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
}

func TestOtherListsGoThroughAllPages(t *testing.T) {
	t.Parallel()
	s, api, w := listed(t)
	ctx := t.Context()
	subject := makeClient(t, s, "holder")
	var wantAPIs, wantKeys []string
	for n := range 4 {
		identifier := fmt.Sprintf("https://api%d.example/", n)
		wantAPIs = append(wantAPIs, identifier)
		s.Do(s.Admin, "POST", "/api/v2/resource-servers", map[string]any{"identifier": identifier}).Want(201)
		s.Do(s.Admin, "POST", "/api/v2/client-grants", map[string]any{"client_id": subject, "audience": identifier, "scope": []string{}}).Want(201)
		if n < 3 {
			key := fmt.Sprintf("key %d", n)
			wantKeys = append(wantKeys, key)
			s.Do(s.Admin, "POST", "/api/v2/clients/"+subject+"/credentials", map[string]any{"credential_type": "public_key", "name": key, "pem": publicPEM(t)}).Want(201)
		}
	}
	for name, c := range map[string]struct {
		list     func() ([]string, []error)
		want     []string
		requests int64
	}{
		"grants": {func() ([]string, []error) {
			return collect(api.Grants(ctx, &client.GrantFilter{ClientID: subject, PageSize: 3}), func(g client.Grant) string { return g.Audience })
		}, wantAPIs, 2},
		"APIs, the management API first": {func() ([]string, []error) {
			all, errs := collect(api.APIs(ctx), func(a client.API) string { return a.Identifier })
			return all[1:], errs
		}, wantAPIs, 1},
		"credentials": {func() ([]string, []error) {
			return collect(api.Credentials(ctx, subject), func(c client.Credential) string { return c.Name })
		}, wantKeys, 1},
		"events": {func() ([]string, []error) {
			return collect(api.Events(ctx, &client.EventFilter{Action: "resource_server.created", Actor: "test", OldestFirst: true, PageSize: 2}),
				func(e client.Event) string { return e.Target })
		}, wantAPIs, 2},
	} {
		w.requests.Store(0)
		got, errs := c.list()
		if diff := cmp.Diff(c.want, got); diff != "" || errs != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, errs, diff)
		}
		if n := w.requests.Load(); n != c.requests {
			t.Errorf("%s: %d requests, want %d", name, n, c.requests)
		}
	}
	if _, errs := collect(api.Credentials(ctx, "nobody"), func(client.Credential) string { return "" }); len(errs) != 1 || !errors.Is(errs[0], client.ErrNotFound) {
		t.Errorf("credentials of nobody: %v", errs)
	}
}

func TestEventFeedGoesOnWhereItWasLeft(t *testing.T) {
	t.Parallel()
	s, api, _ := listed(t)
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	// follow reads names of new clients until the wanted one.
	follow := func(o *client.FeedOptions, last string) (names []string, next string) {
		for part, err := range api.EventFeed(ctx, o) {
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range part.Events {
				var name struct{ After string }
				if e.Action == "client.created" && json.Unmarshal(e.Changes["client_name"], &name) == nil && name.After != "" {
					names = append(names, name.After)
				}
			}
			if next = part.Next; slices.Contains(names, last) {
				break
			}
		}
		return names, next
	}
	_, next := follow(&client.FeedOptions{PageSize: 2}, "c5")
	done := make(chan []string)
	go func() {
		names, _ := follow(&client.FeedOptions{After: next}, "c7")
		done <- names
	}()
	makeClient(t, s, "c6")
	makeClient(t, s, "c7")
	if diff := cmp.Diff([]string{"c6", "c7"}, <-done); diff != "" {
		t.Errorf("clients made since (-want +got):\n%s", diff)
	}
}
