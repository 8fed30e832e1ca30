package changefeed

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/postgrestest"
)

const patience = 5 * time.Minute

func client(id string) postgres.Change {
	return postgres.Change{Action: "client.updated", Kind: "client", Target: id, Client: id}
}

func about(id string) func(postgres.Change) bool {
	return func(c postgres.Change) bool { return c.Client == id }
}

func TestSinceKnowsWhatWasTold(t *testing.T) {
	t.Parallel()
	f := New(time.Now)
	f.Tell(client("a"))
	mark := f.Mark()
	if f.Since(mark, about("a")) {
		t.Error("what was told before counts")
	}
	f.Tell(client("b"))
	if f.Since(mark, about("a")) || !f.Since(mark, about("b")) {
		t.Error("a change is taken for that of another, or is missed")
	}
	for range most {
		f.Tell(client("c"))
	}
	if !f.Since(mark, about("a")) {
		t.Error("it is sure of more than it remembers")
	}
	mark = f.Mark()
	f.Tell(postgres.Change{})
	if !f.Since(mark, about("a")) {
		t.Error("anything does not include something")
	}
}

func TestWhatWasReadLongAgoProvesNothing(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := New(func() time.Time { return now })
	store := postgres.New(postgrestest.New(t))
	if f.Proven() {
		t.Error("proven without a reading")
	}
	var place postgres.ChangePlace
	var told []postgres.Change
	f.Subscribe(func(list []postgres.Change) {
		told = append(told, list...)
		if f.Proven() {
			t.Error("proven before all were told")
		}
	})
	pass := func(d time.Duration, want ...postgres.Change) {
		t.Helper()
		now, told = now.Add(d), nil
		if f.Proven() && d > Bound {
			t.Errorf("proven %v after the last reading", d)
		}
		if err := f.read(t.Context(), store, &place); err != nil {
			t.Fatal(err)
		}
		if !f.Proven() || !slices.Equal(told, want) {
			t.Errorf("after a reading: proven %v, told %v, want %v", f.Proven(), told, want)
		}
	}
	pass(0, postgres.Change{})
	pass(Bound + 1)
	record(t, store, "a")
	pass(forgetAfter, client("a"))
	record(t, store, "b")
	pass(forgetAfter+Bound+1, postgres.Change{}) // too much may have happened
	now = now.Add(Bound)
	if !f.Proven() {
		t.Error("not proven at the bound")
	}
}

// record commits an event about a client.
func record(t *testing.T, store *postgres.Store, id string) {
	t.Helper()
	err := store.Write(t.Context(), func(tx *postgres.Tx) error {
		tx.InsertEvent(oauth.Event{OccurredAt: time.Now(), Actor: "system", Action: "client.updated", TargetType: "client", Target: id})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// instance is a feed and the clients that it was told of.
type instance struct {
	*Feed
	mu    sync.Mutex
	heard map[string]bool
	any   int           // how often anything may have changed
	age   time.Duration // the longest that was seen
}

func (i *instance) told(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.heard[id]
}

// TestNothingProvenIsMissedWhateverIsCut has two instances follow one database
// while changes are committed and the connections of both are cut at random. At
// no moment may an instance that has proven itself lack what was committed
// longer than Bound before.
func TestNothingProvenIsMissedWhateverIsCut(t *testing.T) {
	t.Parallel()
	own := postgrestest.NewURL(t)
	store := postgres.New(postgrestest.Open(t, own))
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()

	var mu sync.Mutex
	committed := map[string]time.Time{} // an upper bound of when
	instances := make([]*instance, 2)
	for n := range instances {
		reader, err := postgres.Open(ctx, postgres.Options{
			Address: func() (string, error) { return postgrestest.Runtime(t, own), nil }, Connections: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(reader.Close)
		one := &instance{Feed: New(time.Now), heard: map[string]bool{}}
		one.Subscribe(func(list []postgres.Change) {
			mu.Lock() // what anything stands for: all that was committed
			defer mu.Unlock()
			one.mu.Lock()
			defer one.mu.Unlock()
			for _, c := range list {
				one.heard[c.Target] = true
				if c == (postgres.Change{}) {
					one.any++
				}
			}
		})
		instances[n] = one
		running.Go(func() { one.Run(ctx, postgres.New(reader), slog.New(slog.DiscardHandler)) })
		running.Go(func() {
			for ctx.Err() == nil {
				now, proven := time.Now(), one.Proven()
				one.age = max(one.age, one.Age())
				mu.Lock()
				for id, at := range committed {
					if proven && now.Sub(at) > Bound && !one.told(id) {
						t.Errorf("instance %d was not told of %s, which was committed %v ago", n, id, now.Sub(at))
						delete(committed, id)
					}
				}
				mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		})
	}
	for n, one := range instances {
		wait(t, fmt.Sprintf("instance %d works", n), one.Proven)
	}
	cutter, err := pgx.Connect(ctx, postgrestest.Superuser(t, own))
	if err != nil {
		t.Fatal(err)
	}
	defer cutter.Close(context.WithoutCancel(ctx))
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	var times []time.Duration
	for i := range 40 {
		if random.IntN(2) == 0 {
			if _, err := cutter.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND query LIKE '%pg_current_snapshot%' AND pid <> pg_backend_pid() AND random() < 0.7`); err != nil {
				t.Fatal(err)
			}
		}
		id := fmt.Sprint("client ", i)
		record(t, store, id)
		at := time.Now()
		mu.Lock()
		committed[id] = at
		mu.Unlock()
		if random.IntN(3) == 0 { // the next one comes at once, else when all know
			continue
		}
		for n, one := range instances {
			wait(t, fmt.Sprintf("instance %d is told of %s", n, id), func() bool { return one.told(id) })
		}
		times = append(times, time.Since(at))
	}
	stop()
	running.Wait()
	slices.Sort(times)
	t.Logf("from commit until both were told: median %v, longest %v", times[len(times)/2], times[len(times)-1])
	for n, one := range instances {
		if one.any != 1 && one.age < forgetAfter {
			t.Errorf("instance %d was told %d times that anything may have changed: a cut loses the place", n, one.any)
		}
	}
}

func wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
