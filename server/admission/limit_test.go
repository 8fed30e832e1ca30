package admission

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestAMeterForgetsThoseSeenLongestAgo(t *testing.T) {
	t.Parallel()
	m := newMeter[string](Limit{PerSecond: 1, Burst: 1}, 100)
	now := time.Unix(0, 0)
	for i := range 100_000 {
		m.take(fmt.Sprint(i), now)
	}
	if n := m.seen.Len(); n != 100 {
		t.Errorf("%d keys are remembered, want 100", n)
	}
	if _, ok := m.take("99999", now); ok {
		t.Error("the newest key is forgotten")
	}
}

func TestAMeterGivesNoMoreThanItsBurst(t *testing.T) {
	t.Parallel()
	m := newMeter[string](Limit{PerSecond: 1, Burst: 2}, 10)
	now := time.Unix(1000, 0)
	m.give("a", now)
	for i, want := range []bool{true, true, false} {
		if _, ok := m.take("a", now); ok != want {
			t.Errorf("take %d: %v", i, ok)
		}
	}
	if _, ok := m.take("a", now.Add(-time.Hour)); ok {
		t.Error("a clock that goes back gives")
	}
	if _, ok := m.take("a", now.Add(time.Second)); !ok {
		t.Error("time gives nothing")
	}
	for range 10 {
		m.owe("a", now.Add(time.Second))
	}
	if s, _ := m.look("a", now.Add(time.Second)); s.left != -2 {
		t.Errorf("a debt of %v", s.left)
	}
}

func TestGuessesTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	g := newGuesses(20, 50)
	now := func() time.Time { return time.Unix(0, 0) }
	for i := range 10_000 {
		to := targetOf(fmt.Sprint(i), source{})
		if wait, err := g.begin(context.Background(), to, now); err != nil || wait != 0 {
			t.Fatal(wait, err)
		}
		g.end(to, true, now())
	}
	if len(g.open) != 0 || g.failed.Len() != 50 {
		t.Errorf("%d open, %d failed", len(g.open), g.failed.Len())
	}
}

func TestAGuessWaitsNoLongerThanItsCaller(t *testing.T) {
	t.Parallel()
	g := newGuesses(1, 50)
	to, now := targetOf("a", source{}), func() time.Time { return time.Unix(0, 0) }
	if wait, err := g.begin(t.Context(), to, now); err != nil || wait != 0 {
		t.Fatal(wait, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.begin(ctx, to, now); err == nil {
		t.Error("two guesses are under way, of one that is left")
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	for address, same := range map[string]string{
		"::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::ffff", "fe80::1%eth0": "fe80::2", "": "nonsense",
	} {
		if sourceOf(address) != sourceOf(same) {
			t.Errorf("%q and %q are two sources", address, same)
		}
	}
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true, "192.0.2.1": false, "2001:db8::1": false, "": false,
	} {
		if sourceOf(address).loopback() != want {
			t.Errorf("%q is loopback: %v", address, !want)
		}
	}
}
