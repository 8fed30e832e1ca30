// Package uri holds every rule on the URIs that callers register: where
// browsers are sent, which origins may call, where metadata is read.
//
// Each function takes one value as the caller sent it and returns nil or an
// error whose text completes a sentence about the value ("must not hold a
// fragment"). The text never repeats the value, which may hold a password.
// Values are stored as they came, byte for byte; nothing here normalises.
//
// Accepted by none, whatever the format:
//   - more than MaxLength bytes; bytes outside printable ASCII (international
//     host names come in punycode, the rest percent-encoded); any of
//     "<>\^`| and braces that are not a placeholder;
//   - percent signs that start no escape, and escaped control characters;
//   - schemes that run or embed content (javascript, data, vbscript, blob,
//     file, …) in any case;
//   - dot segments in the path, also as %2e, with ";" after them or between
//     escaped slashes, since parsers disagree on what they leave;
//   - ports that are empty, 0, over 65535 or zero-padded;
//   - host names with an empty label, a trailing dot or an escape, and those
//     that browsers read as an IPv4 address although they are not written as
//     one (2130706433, 127.1, 0x7f.1);
//   - http and https (also ws, wss and ftp) without "//" and a host, and
//     whatever else net/url and the WHATWG URL Standard read differently.
//
// Upper-case hosts, underscores and queries of any shape are fine: they mean
// the same to every parser, or are compared byte for byte.
//
// Matching a loopback redirect on any port (RFC 8252 §7.3) is left to the
// authorization server that reads the registry; nothing here does it.
package uri

// MaxLength is the longest accepted URI in bytes. Browsers and proxies take
// that much reliably; Auth0 documents no limit and Boruta fails at 256.
const MaxLength = 2048

// rules says what a format allows beyond the grammar that all share.
type rules struct {
	schemes        []string // the only ones, lower case; nil: all but forbiddenSchemes
	needAuthority  bool     // "//" must follow the scheme
	opaque         bool     // "urn:a:b": no slash needed after the scheme
	userinfo       bool
	space          bool // U+0020 inside the path or query
	fragment       bool
	wildcard       bool // one * in the left-most label of an http or https host
	placeholders   placeholderSet
	placeholderAny bool // placeholders also after the host
}

var (
	web       = []string{"http", "https"}
	httpsOnly = []string{"https"}
)

// CallbackURL checks Auth0's format callback-url, a redirect URI: http, https
// or an application's own scheme (com.example.app://callback,
// com.example.app:/cb, myapp://), never with a fragment, not even an empty one
// (RFC 6749 §3.1.2).
//
// An http or https host may hold one * in its left-most label, also with text
// around it (https://*.example.com, https://pr-*-web.example.com), if two more
// labels or "localhost" follow. A * after the host stands for itself. Instead
// of the wildcard, {organization_name} may be the whole left-most label, and
// {organization.metadata.public_…} or {custom_domain.metadata.public_…} any
// label or the whole host.
//
// Refused although RFC 3986 allows it: userinfo, and schemes without a slash
// after the colon (urn:ietf:wg:oauth:2.0:oob), the shape of every scheme that
// runs its content.
func CallbackURL(s string) error {
	return check(s, rules{wildcard: true, placeholders: hostPlaceholders})
}

// URLWithPlaceholders checks Auth0's format url-with-placeholders, that of
// allowed_origins, web_origins and allowed_logout_urls. The rules are those of
// CallbackURL, but a fragment is fine: applications that route by fragment
// come back from a logout to https://app.example.com/#/bye.
func URLWithPlaceholders(s string) error {
	return check(s, rules{wildcard: true, placeholders: hostPlaceholders, fragment: true})
}

// AbsoluteURIOrEmpty checks Auth0's format absolute-uri-or-empty, that of
// logo_uri: "", or http or https with a host.
func AbsoluteURIOrEmpty(s string) error {
	if s == "" {
		return nil
	}
	return URL(s)
}

// AbsoluteHTTPSURIOrEmpty checks Auth0's format absolute-https-uri-or-empty,
// that of jwks_uri: "", or https with a host and without fragment. Whether the
// host may be called is decided when it is, not here.
func AbsoluteHTTPSURIOrEmpty(s string) error {
	if s == "" {
		return nil
	}
	return check(s, rules{schemes: httpsOnly})
}

// AbsoluteHTTPSURIWithPlaceholdersOrEmpty checks the format Auth0 calls
// absolute-https-uri-with-placeholders-or-empty, that of initiate_login_uri and
// of back-channel logout URLs: as AbsoluteHTTPSURIOrEmpty, with the
// placeholders of CallbackURL in the host and anywhere after it.
func AbsoluteHTTPSURIWithPlaceholdersOrEmpty(s string) error {
	if s == "" {
		return nil
	}
	return check(s, rules{schemes: httpsOnly, placeholders: hostPlaceholders, placeholderAny: true})
}

// URL checks Auth0's format url, that of cross_origin_loc and of addresses in
// addons: http or https with a host. null is for the caller to allow.
func URL(s string) error {
	return check(s, rules{schemes: web, fragment: true})
}

// LoginTemplateURL checks Auth0's format ec-initiate-login-uri-template-url,
// that of express_configuration.initiate_login_uri_template: https without
// fragment, where {organization_name}, {organization_id} and {connection_name}
// may stand after the host, and {organization_name} as its left-most label.
func LoginTemplateURL(s string) error {
	return check(s, rules{schemes: httpsOnly, placeholders: templatePlaceholders, placeholderAny: true})
}

// RedirectWithAuthority checks a redirect URI by Boruta's rule: a scheme, an
// authority ("//", which may be empty: openid4vp://), no fragment. It takes
// spaces inside path and query, and one userinfo, because Boruta does. * and **
// after the host are Boruta's wildcards for a path; a * in the host obeys
// CallbackURL's rule.
//
// Boruta also takes, and this refuses: schemes that run content
// (javascript://x), http and https without host (https://), ports over 65535,
// and what else the package refuses everywhere.
func RedirectWithAuthority(s string) error {
	return check(s, rules{needAuthority: true, userinfo: true, space: true, wildcard: true})
}

// Resource checks a resource indicator (RFC 8707 §2), Boruta's
// authorized_resources: an absolute URI without fragment, of any scheme that is
// not refused everywhere, also without slashes (urn:example:api).
func Resource(s string) error {
	return check(s, rules{opaque: true})
}
