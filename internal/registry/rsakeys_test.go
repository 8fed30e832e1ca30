package registry

import (
	"context"
	"errors"
	"testing"

	"github.com/rosterhq/roster/internal/oauth"
)

func TestAKeyIsNotMadeForNobody(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	as := func(ctx context.Context, client string) context.Context {
		return oauth.WithOrigin(ctx, oauth.Origin{Caller: &oauth.Caller{ClientID: client}})
	}
	give, err := rsaKeys.Take(t.Context(), "busy", 1)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.NewRSAKey(as(gone, "busy"), oauth.MaxKeyBits); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that makes a key makes another: %v", err)
	}
	if _, err := r.NewRSAKey(as(t.Context(), "other"), oauth.MinKeyBits); err != nil {
		t.Errorf("another client waits: %v", err)
	}
	give()
}
