package dialect

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/changefeed"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/postgrestest"
)

// provenViews returns Views whose reader of changes runs until the test ends.
func provenViews(t *testing.T, now func() time.Time, limit int) *Views {
	t.Helper()
	feed := changefeed.New(time.Now)
	v := NewViews(feed, now, limit)
	go feed.Run(t.Context(), postgres.New(postgrestest.New(t)), slog.New(slog.DiscardHandler))
	for late := time.After(5 * time.Minute); !feed.Proven(); {
		select {
		case <-late:
			t.Fatal("the reader of changes proves nothing")
		case <-time.After(time.Millisecond):
		}
	}
	return v
}

func (v *Views) rendered(t *testing.T, key ViewKey, view View) (again bool) {
	t.Helper()
	got, err := v.Of(key, func() (View, error) { again = true; return view, nil })
	if err != nil || got.Client != view.Client || string(got.Body) != string(view.Body) {
		t.Fatalf("%+v: %+v, %v", key, got, err)
	}
	return again
}

func TestViewsAreForgottenWhenTheyEnd(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := provenViews(t, func() time.Time { return now }, 1<<20)
	lasting, ending := View{Client: "a", Body: []byte("a")}, View{Client: "b", Body: []byte("b"), Until: now.Add(time.Second)}
	render := func() (int, int) {
		t.Helper()
		count := map[bool]int{true: 1}
		return count[v.rendered(t, ViewKey{Client: "a"}, lasting)], count[v.rendered(t, ViewKey{Client: "b"}, ending)]
	}
	for i, want := range [][2]int{{1, 1}, {0, 0}, {0, 1}} {
		if a, b := render(); a != want[0] || b != want[1] {
			t.Errorf("pass %d: rendered %d and %d times, want %v", i, a, b, want)
		}
		if i == 1 {
			now = ending.Until
		}
	}
	v.feed.Tell(postgres.Change{Kind: "client", Target: "b", Client: "b"})
	if v.rendered(t, ViewKey{Client: "a"}, lasting) {
		t.Error("a change of one client ends the view of another")
	}
	v.feed.Tell(postgres.Change{Kind: "scope", Target: "a"})
	if !v.rendered(t, ViewKey{Client: "a"}, lasting) {
		t.Error("a view outlives a change of what it may show")
	}
}

// What was read before a change is not remembered after it.
func TestViewsThatWereOvertakenAreNotRemembered(t *testing.T) {
	t.Parallel()
	v := provenViews(t, time.Now, 1<<20)
	key := ViewKey{Client: "a"}
	_, err := v.Of(key, func() (View, error) {
		v.feed.Tell(postgres.Change{Kind: "client", Target: "a", Client: "a"})
		return View{Client: "a", Body: []byte("old")}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !v.rendered(t, key, View{Client: "a", Body: []byte("new")}) {
		t.Error("the old view is remembered")
	}
}

func TestViewsKeepWithinTheirBound(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	v := provenViews(t, time.Now, limit)
	for n := range 1000 {
		id := fmt.Sprint(n)
		v.rendered(t, ViewKey{Client: id}, View{Client: id, Body: make([]byte, n)})
		if v.bytes > limit || len(v.byKey) != v.order.Len() || len(v.byClient) != v.order.Len() {
			t.Fatalf("%d bytes of %d, %d keys of %d clients for %d views", v.bytes, limit, len(v.byKey), len(v.byClient), v.order.Len())
		}
	}
	if v.order.Len() == 0 {
		t.Error("nothing is remembered")
	}
	sum := 0
	for e := v.order.Front(); e != nil; e = e.Next() {
		sum += e.Value.(*remembered).size
	}
	if sum != v.bytes {
		t.Errorf("%d bytes are counted as %d", sum, v.bytes)
	}
	v.rendered(t, ViewKey{Client: "large"}, View{Client: "large", Body: make([]byte, limit)})
	if len(v.byClient["large"]) > 0 {
		t.Error("one view takes all the memory")
	}
	v.feed.Tell(postgres.Change{})
	if v.bytes != 0 || v.order.Len() != 0 {
		t.Error("something outlives a change of anything")
	}
}
