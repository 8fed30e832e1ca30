package uri

import (
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

type placeholderSet int

const (
	noPlaceholders placeholderSet = iota
	hostPlaceholders
	templatePlaceholders
)

// A placeholder becomes one of these while the URI is taken apart: control
// characters, which no URI holds by then.
const (
	organizationMark = "\x01" // {organization_name}: the whole left-most label
	metadataMark     = "\x02" // {….metadata.public_…}: a whole label, or several
	valueMark        = "\x03" // anything else: not in the host
	marks            = organizationMark + metadataMark + valueMark
)

// plain makes an ordinary URI of one with marks and wildcards.
var plain = strings.NewReplacer(organizationMark, "x", metadataMark, "x", valueMark, "x", "*", "x")

var (
	braces   = regexp.MustCompile(`\{[^{}]*\}`)
	metadata = regexp.MustCompile(`^\{(organization|custom_domain)\.metadata\.(public|PUBLIC)_[A-Za-z0-9_]+\}$`)
)

// markPlaceholders replaces each placeholder of the set by its mark.
func markPlaceholders(s string, set placeholderSet) (string, error) {
	if set == noPlaceholders {
		return s, nil // checkCharacters has refused braces
	}
	unknown := false
	s = braces.ReplaceAllStringFunc(s, func(name string) string {
		switch {
		case name == "{organization_name}":
			return organizationMark
		case set == hostPlaceholders && metadata.MatchString(name):
			return metadataMark
		case set == templatePlaceholders && (name == "{organization_id}" || name == "{connection_name}"):
			return valueMark
		}
		unknown = true
		return ""
	})
	switch {
	case strings.ContainsAny(s, "{}"):
		return "", errors.New("must not hold braces that enclose no placeholder")
	case unknown && set == templatePlaceholders:
		return "", errors.New("must hold no placeholders but {organization_name}, {organization_id} and {connection_name}")
	case unknown:
		return "", errors.New("must hold no placeholders but {organization_name}, {organization.metadata.public_…} and {custom_domain.metadata.public_…}")
	}
	return s, nil
}

func checkAuthority(scheme, authority string, r rules) error {
	host := authority
	if userinfo, rest, found := strings.Cut(authority, "@"); found {
		if !r.userinfo {
			return errors.New("must not hold a user name or password (@ before the host)")
		}
		if strings.ContainsAny(rest, "@") || strings.ContainsAny(userinfo, "[]"+marks) {
			return errors.New("must hold one @ at most before its path")
		}
		host = rest
	}
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return errors.New("must close the bracket of its IPv6 address")
		}
		if a, err := netip.ParseAddr(host[1:end]); err != nil || !a.Is6() || a.Zone() != "" {
			return errors.New("must hold an IPv6 address without zone between its brackets")
		}
		return checkPort(host[end+1:])
	}
	name, port := host, ""
	if i := strings.IndexByte(host, ':'); i >= 0 {
		name, port = host[:i], host[i:]
	}
	if err := checkPort(port); err != nil {
		return err
	}
	if name == "" {
		if slices.Contains(special, scheme) || authority != "" {
			return errors.New("must have a host")
		}
		return nil // myapp://
	}
	return checkHost(scheme, name, r)
}

// checkPort takes what follows the host: "" or a colon and a port.
func checkPort(s string) error {
	if s == "" {
		return nil
	}
	digits, found := strings.CutPrefix(s, ":")
	port, err := strconv.ParseUint(digits, 10, 16)
	if !found || err != nil || port == 0 || digits[0] == '0' {
		return errors.New("must have a port from 1 to 65535, or none and no colon")
	}
	return nil
}

func checkHost(scheme, name string, r rules) error {
	if len(plain.Replace(name)) > 253 {
		return errors.New("must have a host of at most 253 bytes")
	}
	labels := strings.Split(name, ".")
	templates := strings.Count(name, "*")
	for i, label := range labels {
		switch {
		case label == "":
			return errors.New("must have a host without empty labels or a trailing dot")
		case len(label) > 63:
			return errors.New("must have host labels of at most 63 bytes")
		case label == organizationMark && i > 0:
			return errors.New("must have {organization_name} as the left-most label of its host")
		case label == organizationMark || label == metadataMark:
			templates++
		case strings.ContainsAny(label, marks):
			return errors.New("must have a placeholder as a whole label of its host")
		case !isLabel(label):
			return errors.New("must have a host of ASCII letters, digits, hyphens and underscores")
		case slices.Contains(special, scheme) && !isPunycode(label):
			return errors.New("must have valid punycode in the xn-- labels of its host")
		}
	}
	last := labels[len(labels)-1]
	if slices.Contains(special, scheme) && isNumeric(last) {
		if a, err := netip.ParseAddr(name); err != nil || !a.Is4() {
			return errors.New("must not have a host that ends in a number, unless it is an IPv4 address in four decimal parts")
		}
	}
	if templates == 0 {
		return nil
	}
	if !slices.Contains(web, scheme) {
		return errors.New("must not hold wildcards or placeholders in its host unless it is http or https")
	}
	if strings.Contains(name, "*") {
		switch {
		case !r.wildcard:
			return errors.New("must not hold a wildcard in its host")
		case templates > 1 || !strings.Contains(labels[0], "*"):
			return errors.New("must hold no more than one wildcard or placeholder in its host, a wildcard in the left-most label")
		}
	}
	if (strings.Contains(name, "*") || labels[0] == organizationMark) && len(labels) < 3 && last != "localhost" && last != metadataMark {
		return errors.New("must have two labels at least after the wildcard or placeholder of its host")
	}
	return nil
}

func isLabel(s string) bool {
	for i := range len(s) {
		b := s[i]
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '*') {
			return false
		}
	}
	return true
}

var international = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true), idna.CheckHyphens(false), idna.StrictDomainName(false), idna.Transitional(false))

// isPunycode reports whether a label that claims to be punycode is: browsers
// open no other, net/url takes anything.
func isPunycode(label string) bool {
	if len(label) < 4 || !strings.EqualFold(label[:4], "xn--") {
		return true
	}
	decoded, err := international.ToUnicode(label)
	return err == nil && decoded != "" && !strings.EqualFold(decoded, label)
}

// isNumeric reports whether a browser takes a host with this last label for an
// IPv4 address (WHATWG URL Standard §3.5, "ends in a number").
func isNumeric(label string) bool {
	if strings.Trim(label, "0123456789") == "" {
		return true
	}
	hex, found := strings.CutPrefix(strings.ToLower(label), "0x")
	return found && strings.Trim(hex, "0123456789abcdef") == ""
}
