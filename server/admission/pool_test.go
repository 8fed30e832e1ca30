package admission

import "testing"

func TestStrangersLeavePlacesToThoseWhoAreKnown(t *testing.T) {
	t.Parallel()
	p := newPlaces(100)
	taken := 0
	for i := range 100 {
		from := source{}
		from.network = sourceOf([]string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.8", "192.0.2.9", "2001:db8::1"}[i%10]).network
		if p.take(owner{from: from}, 1) {
			taken++
		}
	}
	if taken != 75 {
		t.Errorf("strangers have %d of 100 places, want 75", taken)
	}
	for range 25 {
		if !p.take(owner{client: "a"}, 1) {
			t.Fatal("a known client finds no place")
		}
	}
	if p.take(owner{client: "b"}, 1) {
		t.Error("there are more places than there are")
	}
	p.give(owner{client: "a"}, 1)
	if !p.take(owner{client: "b"}, 1) {
		t.Error("a place that was left is not taken")
	}
}

func TestOneSourceHasATenthOfThePlaces(t *testing.T) {
	t.Parallel()
	p := newPlaces(100)
	from := owner{from: sourceOf("2001:db8::1")}
	for i := range 20 {
		if p.take(from, 1) != (i < 10) {
			t.Errorf("take %d", i)
		}
	}
	for range 10 {
		p.give(from, 1)
	}
	if len(p.of) != 0 || p.taken != 0 || p.strange != 0 {
		t.Errorf("%+v is not empty", p)
	}
}
