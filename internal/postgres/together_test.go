package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/migrations"
)

// Writers that wait together share a transaction. What the database refuses of
// one, and who leaves, keeps nothing of the others from being stored.
func TestWhatWaitsIsStoredTogether(t *testing.T) {
	t.Parallel()
	s := notes(t)
	transactions := func() int {
		t.Helper()
		n, err := one(t.Context(), s, "count", pgx.RowTo[int], "SELECT count(DISTINCT xmin::text) FROM notes")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// together has a writer for each note wait until all do, and returns what each
	// is told.
	together := func(ctx func(note string) context.Context, meanwhile func(), notes ...string) map[string]error {
		t.Helper()
		type told struct {
			note string
			err  error
		}
		tells, results := make(chan told), map[string]error{}
		s.together.storing = true // by the test
		for _, note := range notes {
			go func() {
				tells <- told{note, s.WriteTogether(ctx(note), func(tx *Tx) error { tx.note(note); return nil })}
			}()
		}
		eventually(t, "all wait", func() bool {
			s.together.mu.Lock()
			defer s.together.mu.Unlock()
			return len(s.together.waiting) == len(notes)
		})
		meanwhile()
		s.storeWaiting()
		for range notes {
			r := <-tells
			results[r.note] = r.err
		}
		return results
	}
	stay := func(string) context.Context { return t.Context() }
	nothing := func() {}

	for note, err := range together(stay, nothing, "a", "b", "c") {
		if err != nil {
			t.Errorf("%s: %v", note, err)
		}
	}
	wantNotes(t, s, "a", "b", "c")
	if n := transactions(); n != 1 {
		t.Errorf("%d transactions for three writers", n)
	}

	for note, err := range together(stay, nothing, "d", "a", "e") {
		if (err != nil) != (note == "a") {
			t.Errorf("beside one that is refused, %s: %v", note, err)
		}
	}
	wantNotes(t, s, "a", "b", "c", "d", "e")

	leaving, leave := context.WithCancel(t.Context())
	who := func(note string) context.Context {
		if note == "f" || note == "h" {
			return leaving
		}
		return t.Context()
	}
	for note, err := range together(who, leave, "f", "g", "h", "i") {
		if errors.Is(err, context.Canceled) != (who(note) == leaving) {
			t.Errorf("beside those that leave, %s: %v", note, err)
		}
	}
	wantNotes(t, s, "a", "b", "c", "d", "e", "g", "i")

	if err := s.Span(t.Context(), func(ctx context.Context, _ *Tx) (bool, error) {
		return false, s.WriteTogether(ctx, func(tx *Tx) error { tx.note("j"); return nil })
	}); err != nil {
		t.Error(err)
	}
	wantNotes(t, s, "a", "b", "c", "d", "e", "g", "i") // a span that is not committed takes its own with it
}

// What an event costs that is stored alone, and along with those of other callers.
func BenchmarkEvents(b *testing.B) {
	server := startServer(b, map[string]string{"fsync": "on"})
	pool := openWith(b, Options{Address: func() (string, error) { return server.URL, nil }})
	if err := migrations.Up(b.Context(), pool); err != nil {
		b.Fatal(err)
	}
	s := New(pool)
	ways := map[string]func(context.Context, func(*Tx) error) error{"alone": s.Write, "together": s.WriteTogether}
	for _, callers := range []int{1, 8, 32, 64} {
		for _, name := range []string{"alone", "together"} {
			b.Run(fmt.Sprintf("%d callers/%s", callers, name), func(b *testing.B) {
				b.SetParallelism(callers)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := ways[name](b.Context(), func(tx *Tx) error {
							tx.InsertEvent(oauth.Event{OccurredAt: time.Now(), Actor: "a", Action: "client_secret.read", TargetType: "client", Target: "t"})
							return nil
						}); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}
