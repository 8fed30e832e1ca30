package oauth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/oauth"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const text = "s3cr3t-text"
	s := oauth.NewSecret(text)
	holder := struct{ S oauth.Secret }{s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, s, holder, &holder, struct{ hidden oauth.Secret }{s})
	}
	if err := json.NewEncoder(&out).Encode([]any{s, holder, &s}); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "s", s, "h", holder)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "s", s, "h", holder)
	if strings.Contains(out.String(), text) || strings.Contains(out.String(), fmt.Sprintf("%x", text)) {
		t.Errorf("the secret was printed: %s", out.String())
	}
	if s.Reveal() != text {
		t.Errorf("Reveal() = %q", s.Reveal())
	}
}

func TestRandomTextIsUniform(t *testing.T) {
	t.Parallel()
	const n = 200_000
	for name, alphabet := range map[string]string{"alphanumeric": oauth.Alphanumeric, "hex": oauth.Hexadecimal, "base58": oauth.Base58} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counts := map[rune]int{}
			for _, r := range oauth.RandomText(alphabet, n) {
				counts[r]++
			}
			if len(counts) != len(alphabet) {
				t.Fatalf("%d of %d characters appear", len(counts), len(alphabet))
			}
			mean := float64(n) / float64(len(alphabet))
			for r, c := range counts { // more than 8 standard deviations off: one run in 10^14
				if d := float64(c) - mean; d*d > 64*mean {
					t.Errorf("%q appears %d times, expected about %.0f", r, c, mean)
				}
			}
		})
	}
}
