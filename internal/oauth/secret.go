package oauth

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// Secret is a text that must not be shown. Every way of printing it, JSON and
// slog included, gives "[redacted]"; Reveal is the only way to the text. The
// zero Secret means that there is no secret.
type Secret struct {
	text *string // a pointer, because fmt prints unexported fields without asking their methods
}

// NewSecret wraps a text; "" gives the zero Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the text, for sealing it, checking it or answering a caller
// who may read it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Len returns how many characters the text has.
func (s Secret) Len() int { return utf8.RuneCountInString(s.Reveal()) }

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.text == nil }

const redacted = "[redacted]"

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }

// Alphabets of generated identifiers and secrets.
const (
	Alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	URLSafe      = Alphanumeric + "_-"
	Base58       = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	Hexadecimal  = "0123456789abcdef"
)

// RandomText returns n characters drawn uniformly from alphabet, which has at
// most 256 of one byte each, by the operating system's generator.
func RandomText(alphabet string, n int) string {
	limit := 256 - 256%len(alphabet) // bytes from here on would favour the alphabet's start
	var text strings.Builder
	buf := make([]byte, n+n/2)
	for text.Len() < n {
		rand.Read(buf)
		for _, b := range buf {
			if int(b) < limit && text.Len() < n {
				text.WriteByte(alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return text.String()
}
