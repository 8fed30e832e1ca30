package tokens_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
)

// A token that was verified once is refused when its text is another, its client
// is gone, it has expired or its key is deleted.
func TestVerifiedTokensAreNotTrustedForEver(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Follow()
	token := s.Token("read:clients")
	first, err := s.Registry.VerifyToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Registry.VerifyToken(t.Context(), token)
	if err != nil || *again != *first || again == first {
		t.Fatalf("the second time it is %+v, want a copy of %+v: %v", again, first, err)
	}
	dot := strings.LastIndex(token, ".")
	for _, other := range []string{token[:dot+1] + strings.Repeat("A", len(token)-dot-1), token + "A", token[1:], token[:dot]} {
		if _, err := s.Registry.VerifyToken(t.Context(), other); err == nil {
			t.Errorf("%s passes for it", other)
		}
	}
	for _, end := range []struct {
		how  string
		do   func(client string)
		want error
	}{
		{"its client is gone", func(client string) { s.Do(s.Admin, "DELETE", "/api/v2/clients/"+client, nil).Want(204) }, tokens.ErrInvalidToken},
		{"it has expired", func(string) { s.Clock.Pass(25 * time.Hour) }, tokens.ErrExpiredToken},
		{"its key is deleted", func(string) {
			if _, _, err := s.Registry.RotateTokenKey(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			s.Clock.Pass(time.Minute)
		}, tokens.ErrSignature},
	} {
		token := s.Token("read:clients")
		caller, err := s.Registry.VerifyToken(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		end.do(caller.ClientID)
		if _, err := s.Registry.VerifyToken(t.Context(), token); !errors.Is(err, end.want) {
			t.Errorf("when %s: %v, want %v", end.how, err, end.want)
		}
	}
}

func BenchmarkVerifyToken(b *testing.B) {
	s := servertest.NewWith(b, servertest.Options{Registry: servertest.RealTime, Unchecked: true})
	s.Follow()
	token := s.Token("read:clients", "read:client_summary", "read:client_credentials")
	for b.Loop() {
		if _, err := s.Registry.VerifyToken(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
