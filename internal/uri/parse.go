package uri

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// forbiddenSchemes run or embed what follows them in the page or
// application that follows the URI, or reach into the user's machine.
var forbiddenSchemes = []string{
	"about", "blob", "data", "feed", "file", "filesystem", "intent", "jar",
	"javascript", "livescript", "mhtml", "mocha", "vbscript", "view-source",
}

// special are the schemes to which the WHATWG URL Standard §3.1 gives a host
// whatever stands after the colon: https:/evil.example and https:evil.example
// are https://evil.example to a browser.
var special = []string{"ftp", "http", "https", "ws", "wss"}

// check applies the grammar that all formats share and what r adds.
func check(s string, r rules) error {
	if s == "" {
		return errors.New("must not be empty")
	}
	if len(s) > MaxLength {
		return fmt.Errorf("must not have more than %d bytes", MaxLength)
	}
	if err := checkCharacters(s, r); err != nil {
		return err
	}
	if err := checkEscapes(s); err != nil {
		return err
	}
	s, err := markPlaceholders(s, r.placeholders)
	if err != nil {
		return err
	}

	scheme, rest, err := cutScheme(s)
	if err != nil {
		return err
	}
	if slices.Contains(forbiddenSchemes, scheme) {
		return errors.New("must not use a scheme that runs or embeds content, such as javascript or data")
	}
	if r.schemes != nil && !slices.Contains(r.schemes, scheme) {
		return fmt.Errorf("must start with %s", strings.Join(r.schemes, ":// or ")+"://")
	}

	rest, fragment, hasFragment := strings.Cut(rest, "#")
	switch {
	case hasFragment && !r.fragment:
		return errors.New("must not hold a fragment (#)")
	case hasFragment && (fragment == "" || strings.Contains(fragment, "#")):
		return errors.New("must hold one # at most, followed by a fragment")
	}
	hierarchy, query, _ := strings.Cut(rest, "?")
	authority, path, hasAuthority := cutAuthority(hierarchy)
	switch {
	case !hasAuthority && (r.needAuthority || slices.Contains(special, scheme)):
		return errors.New("must have // after its scheme")
	case !hasAuthority && !r.opaque && !strings.HasPrefix(path, "/"):
		return errors.New("must have a / after its scheme")
	case !hasAuthority && path == "":
		return errors.New("must have something after its scheme")
	case hasAuthority:
		if err := checkAuthority(scheme, authority, r); err != nil {
			return err
		}
	}
	if !r.placeholderAny && strings.ContainsAny(path+query+fragment, marks) {
		return errors.New("must not hold placeholders outside its host")
	}
	if hasDotSegment(path) {
		return errors.New("must not hold . or .. as a segment of its path")
	}
	return crossCheck(s, scheme, authority)
}

// checkCharacters allows the characters of RFC 3986, braces if the format has
// placeholders, and inner spaces if it has those.
func checkCharacters(s string, r rules) error {
	for i := range len(s) {
		switch b := s[i]; {
		case b >= 0x80:
			return errors.New("must be ASCII: write an international host in punycode and percent-encode the rest")
		case b == ' ' && r.space && i > 0 && i < len(s)-1:
		case b <= ' ' || b == 0x7f:
			return errors.New("must not hold spaces or control characters")
		case b == '\\':
			return errors.New(`must not hold a backslash`)
		case strings.IndexByte("\"<>^`|", b) >= 0:
			return errors.New("must not hold any of \" < > ^ ` | unless percent-encoded")
		case (b == '{' || b == '}') && r.placeholders == noPlaceholders:
			return errors.New("must not hold placeholders or braces")
		}
	}
	return nil
}

func checkEscapes(s string) error {
	for i := range len(s) {
		if s[i] != '%' {
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			return errors.New("must not hold a % that two hexadecimal digits do not follow")
		}
		if s[i+1] < '2' || strings.EqualFold(s[i+1:i+3], "7f") {
			return errors.New("must not hold percent-encoded control characters")
		}
	}
	return nil
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

// cutScheme splits off the scheme (RFC 3986 §3.1), in lower case.
func cutScheme(s string) (scheme, rest string, err error) {
	scheme, rest, found := strings.Cut(s, ":")
	scheme = strings.ToLower(scheme)
	valid := found && scheme != "" && scheme[0] >= 'a' && scheme[0] <= 'z'
	for i := range len(scheme) {
		b := scheme[i]
		valid = valid && (b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '+' || b == '-' || b == '.')
	}
	if !valid {
		return "", "", errors.New("must be absolute: start with a scheme such as https://")
	}
	return scheme, rest, nil
}

func cutAuthority(s string) (authority, path string, found bool) {
	s, found = strings.CutPrefix(s, "//")
	if !found {
		return "", s, false
	}
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", true
}

// unescapePath turns what a lenient server takes for a separator or a dot into
// one.
var unescapePath = strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", "/", "%5C", "/")

func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(unescapePath.Replace(path), "/") {
		segment, _, _ = strings.Cut(segment, ";")
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// crossCheck refuses what net/url reads differently. Placeholders and
// wildcards stand as letters, because net/url knows neither.
func crossCheck(s, scheme, authority string) error {
	s, authority = plain.Replace(s), plain.Replace(authority)
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("must be a URI as of RFC 3986")
	}
	host := authority[strings.LastIndexByte(authority, '@')+1:]
	if u.Scheme != scheme || u.Host != host {
		return errors.New("must mean the same to every URI parser")
	}
	return nil
}
