package oauth

import (
	"strings"
	"unicode"
)

// CheckNewClientID refuses identifiers that no client can get: those by which
// paths, subjects of tokens and lines of the audit trail mean something else, or
// would seem to in another letter case. postgres.ReservedNames finds the same.
func CheckNewClientID(id string) error {
	refused := func(detail string) error {
		return Invalidate(Violation{Member: "client_id", Rule: "pattern", Detail: detail})
	}
	switch lower := strings.ToLower(id); {
	case id == "." || id == "..": // RFC 3986 §5.2.4
		return refused("must not be . or .., which no path can name")
	case lower == "system" || lower == "anonymous":
		return refused("must not be system or anonymous, which the audit trail calls others")
	case strings.HasPrefix(lower, "operator:") || strings.HasPrefix(lower, "registration:"):
		return refused("must not begin with operator: or registration:, as the names of others do")
	case strings.HasSuffix(lower, "@clients"):
		return refused("must not end with @clients, as the subjects of tokens do")
	case strings.ContainsRune(id, '|') || Visible(id) != id:
		return refused("must not hold |, blanks or control characters")
	}
	return nil
}

// invisible are letters and marks that show nothing although they are neither
// blanks nor of the category of formats.
const invisible = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"

// Visible returns text without blanks, control characters and whatever else
// shows nothing.
func Visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.In(r, unicode.C, unicode.Variation_Selector) || strings.ContainsRune(invisible, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, text)
}

// Alike returns the form that two identifiers of APIs share if people, and those
// who compare URIs (RFC 3986 §6.2.2.1), take them for one: what is visible of it,
// with scheme and host in lower case.
func Alike(identifier string) string {
	text := Visible(identifier)
	scheme, rest, found := strings.Cut(text, ":")
	if !found {
		return text
	}
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		end := strings.IndexAny(authority, "/?#")
		if end < 0 {
			end = len(authority)
		}
		rest = "//" + strings.ToLower(authority[:end]) + authority[end:]
	}
	return strings.ToLower(scheme) + ":" + rest
}
