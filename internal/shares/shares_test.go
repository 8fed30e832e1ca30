package shares

import (
	"context"
	"testing"
)

func TestNobodyHasMoreThanAShare(t *testing.T) {
	t.Parallel()
	p := New(3, 2)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	take := func(ctx context.Context, who string, n int64) func() {
		give, err := p.Take(ctx, who, n)
		if err != nil {
			return nil
		}
		return give
	}
	first, second := take(t.Context(), "a", 1), take(t.Context(), "a", 1)
	if first == nil || second == nil {
		t.Fatal("a share cannot be taken")
	}
	if take(ended, "a", 1) != nil {
		t.Error("one has more than a share")
	}
	other := take(t.Context(), "b", 1)
	if other == nil {
		t.Fatal("another's share is taken")
	}
	if take(ended, "b", 1) != nil {
		t.Error("there is more than all")
	}
	waited := make(chan func())
	go func() { waited <- take(t.Context(), "a", 2) }()
	first()
	second()
	other()
	give := <-waited
	if give == nil {
		t.Fatal("who waits gets nothing")
	}
	give()
	if len(p.of) != 0 {
		t.Errorf("%d are remembered", len(p.of))
	}
}
