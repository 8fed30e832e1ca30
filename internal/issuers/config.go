// Package issuers accepts access tokens of outside OpenID Connect issuers that
// the operator trusts. It fetches their keys, and nothing that a token names.
package issuers

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Config is one trusted issuer.
type Config struct {
	URL        string                    // its iss, byte for byte
	Audience   string                    // what aud must hold; "" for Roster's own management audience
	Algorithms []jose.SignatureAlgorithm // of signatures that are accepted
	Claim      string                    // holds the scopes; "" for the first there is of scope, scp and permissions
	Prefix     string                    // scopes without it do not count, and it is cut off the others
	Scopes     []string                  // management scopes that the issuer may grant
}

// supported are the algorithms that may be configured, the default ones first.
// None is symmetric: a public key must never be good for making a signature.
var supported = []jose.SignatureAlgorithm{
	jose.RS256, jose.PS256, jose.ES256, jose.EdDSA,
	jose.RS384, jose.RS512, jose.PS384, jose.PS512, jose.ES384, jose.ES512,
}

const defaults = 4 // of supported

// Parse reads issuers, separated by white space: a URL each, options after it.
//
//	https://login.example/realms/ops;aud=api://roster;alg=RS256,ES256;claim=roles;prefix=roster:;scopes=read:clients
//
// known are the scopes of the management API. The error names every mistake.
func Parse(text string, known []string) ([]Config, error) {
	var list []Config
	var mistakes []error
	seen := map[string]bool{}
	for entry := range strings.FieldsSeq(text) {
		c, err := parseOne(entry, known)
		if err == nil && seen[c.URL] {
			err = errors.New("is there twice")
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%q: %w", c.URL, err))
		}
		seen[c.URL] = true
		list = append(list, c)
	}
	return list, errors.Join(mistakes...)
}

func parseOne(entry string, known []string) (Config, error) {
	parts := strings.Split(entry, ";")
	c := Config{URL: parts[0], Algorithms: supported[:defaults], Scopes: known}
	u, err := checkURL(c.URL, true)
	if err != nil {
		return c, err
	}
	if u.RawQuery != "" || u.ForceQuery || strings.Contains(c.URL, "|") {
		return c, errors.New("an issuer has no query and no |")
	}
	seen := map[string]bool{}
	for _, option := range parts[1:] {
		name, value, _ := strings.Cut(option, "=")
		if value == "" || seen[name] {
			return c, fmt.Errorf("%q is not name=value, each name once", option)
		}
		seen[name] = true
		switch name {
		case "aud":
			c.Audience = value
		case "claim":
			c.Claim = value
		case "prefix":
			c.Prefix = value
		case "alg":
			c.Algorithms = nil
			for alg := range strings.SplitSeq(value, ",") {
				if !slices.Contains(supported, jose.SignatureAlgorithm(alg)) {
					return c, fmt.Errorf("alg: %q is not one of %v", alg, supported)
				}
				c.Algorithms = append(c.Algorithms, jose.SignatureAlgorithm(alg))
			}
		case "scopes":
			c.Scopes = strings.Split(value, ",")
			for _, scope := range c.Scopes {
				if !slices.Contains(known, scope) {
					return c, fmt.Errorf("scopes: %q is not a scope of the management API", scope)
				}
			}
		default:
			return c, fmt.Errorf("%q is not one of aud, alg, claim, prefix and scopes", name)
		}
	}
	return c, nil
}

// checkURL takes apart a URL that keys may be fetched from: https, or http to
// this machine where loopback allows it.
func checkURL(text string, loopback bool) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil || strings.Contains(text, "#") ||
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("is not a URL of the form https://host[:port][/path]")
	}
	if u.Scheme != "https" && !(loopback && isLoopback(u)) {
		return nil, errors.New("must be an https URL (http only for an issuer on this machine)")
	}
	return u, nil
}

// isLoopback reports whether u is plain http that stays on this machine.
func isLoopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && addr.Unmap().IsLoopback())
}
