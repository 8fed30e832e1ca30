package auth0

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/dialect"
)

// limit is what Auth0 refuses although its schema takes it: its documents and its
// answers say so.
type limit struct {
	strict bool // only of strict third-party clients
	breaks func(doc jsondoc.Object) bool
	broken dialect.Broken
}

// limited returns the Check of a member with limits.
func limited(limits ...limit) func(jsondoc.Object) *dialect.Broken {
	return func(doc jsondoc.Object) *dialect.Broken {
		strict := isStrict(doc)
		for _, l := range limits {
			if (strict || !l.strict) && l.breaks(doc) {
				return &l.broken
			}
		}
		return nil
	}
}

// isStrict reports whether a client is a strict third-party client.
func isStrict(doc jsondoc.Object) bool {
	return jsondoc.String(doc["auth0:third_party_security_mode"]) == "strict"
}

var (
	lifetime = limit{false, badLifetime, dialect.Broken{
		Rule: "maximum", Detail: "must have a lifetime_in_seconds of 0 to 157788000",
	}}
	rotating = limit{false, func(doc jsondoc.Object) bool {
		r := refreshTokens(doc)
		return r.Rotation == "rotating" && r.Expiration == "non-expiring"
	}, dialect.Broken{Rule: "not", Detail: "must have the expiration_type expiring where tokens rotate"}}
	oneLogoutURL = limit{false, func(doc jsondoc.Object) bool {
		var logout struct {
			URLs []string `json:"backchannel_logout_urls"`
		}
		_ = json.Unmarshal(doc["auth0:oidc_logout"], &logout) // none: none too many
		return len(logout.URLs) > 1
	}, dialect.Broken{Rule: "maxItems", Detail: "must have at most one address in backchannel_logout_urls"}}

	strictGrantTypes = limit{true, beyond("grant_types", "authorization_code", "refresh_token", "client_credentials"), dialect.Broken{
		Rule: "enum", Detail: "must be authorization_code, refresh_token or client_credentials for a strict third-party client",
	}}
	strictAppType = limit{true, beyond(oauth.MemberAppType, "regular_web", "spa", "native", "non_interactive"), dialect.Broken{
		Rule: "enum", Detail: "must be regular_web, spa, native or non_interactive for a strict third-party client",
	}}
	strictAlg = limit{true, beyond(signedResponseAlg, "RS256"), dialect.Broken{
		Rule: "enum", Detail: "must have the alg RS256 for a strict third-party client",
	}}
	strictMethods = limit{true, beyond(oauth.SlotsOfAuthentication, oauth.SlotPrivateKeyJWT), dialect.Broken{
		Rule: "enum", Detail: "must be private_key_jwt for a strict third-party client",
	}}
	strictRefresh = limit{true, func(doc jsondoc.Object) bool {
		r := refreshTokens(doc)
		return r.Expiration == "non-expiring" || r.InfiniteIdle
	}, dialect.Broken{Rule: "not", Detail: "must expire for a strict third-party client, also without use"}}
)

// checkLimits holds a client to limits. wire is what a request says of it, doc
// what it becomes, had the grant types that it has now.
func checkLimits(doc, wire jsondoc.Object, had json.RawMessage) error {
	if wire["grant_types"] != nil {
		if err := checkGrantTypes(doc["grant_types"], had); err != nil {
			return err
		}
	}
	for _, name := range []string{"is_token_endpoint_ip_header_trusted", "token_endpoint_auth_method", "client_authentication_methods"} {
		if wire[name] != nil && trustsUnproved(doc) {
			return broken(oauth.MemberIPHeaderTrusted, "not", "must not be true for a client that need not authenticate")
		}
	}
	return fields.Check(doc, wire)
}

// trustsUnproved reports whether a client's word about addresses counts although
// nothing says how it proves itself.
func trustsUnproved(doc jsondoc.Object) bool {
	method := jsondoc.String(doc["token_endpoint_auth_method"])
	return string(doc[oauth.MemberIPHeaderTrusted]) == "true" && doc[oauth.SlotsOfAuthentication] == nil &&
		method != oauth.SecretPost && method != oauth.SecretBasic
}

// maxLifetime is the most seconds that Auth0 takes for any lifetime: five years.
const maxLifetime = 157788000

func badLifetime(doc jsondoc.Object) bool {
	var jwt struct {
		Lifetime float64 `json:"lifetime_in_seconds"`
	}
	_ = json.Unmarshal(doc["auth0:jwt_configuration"], &jwt) // absent: 0
	return jwt.Lifetime < 0 || jwt.Lifetime > maxLifetime
}

type refreshTokenTerms struct {
	Rotation     string `json:"rotation_type"`
	Expiration   string `json:"expiration_type"`
	InfiniteIdle bool   `json:"infinite_idle_token_lifetime"`
}

func refreshTokens(doc jsondoc.Object) (t refreshTokenTerms) {
	_ = json.Unmarshal(doc["auth0:refresh_token"], &t) // absent: no terms
	return t
}

// beyond returns a function that reports whether a member of a document is a
// text, or holds a text or a name, that is not in allowed.
func beyond(member string, allowed ...string) func(jsondoc.Object) bool {
	return func(doc jsondoc.Object) bool {
		var value any
		_ = json.Unmarshal(doc[member], &value) // absent: nil
		var names []string
		switch value := value.(type) {
		case string:
			names = []string{value}
		case []any:
			for _, one := range value {
				name, _ := one.(string)
				names = append(names, name)
			}
		case map[string]any:
			names = slices.Collect(maps.Keys(value))
		}
		return slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(allowed, name) })
	}
}

// newBlankScope reports whether one of scopes that was not there before could not
// be told from others in a token, where blanks separate them (RFC 6749 §3.3).
func newBlankScope(scopes, before []string) bool {
	return slices.ContainsFunc(scopes, func(scope string) bool {
		return strings.ContainsFunc(scope, unicode.IsSpace) && !slices.Contains(before, scope)
	})
}

// wordGrantTypes are the grant types that are not URIs, as those of
// extensions are (RFC 6749 §4.5).
var wordGrantTypes = []string{"authorization_code", "implicit", "refresh_token", "client_credentials", "password"}

// checkGrantTypes refuses words that are not grant types. Those that a client has
// already, from another dialect, may stay.
func checkGrantTypes(raw, had json.RawMessage) error {
	var names, old, unknown []string
	_, _ = json.Unmarshal(raw, &names), json.Unmarshal(had, &old) // absent: none
	for _, name := range names {
		if !strings.Contains(name, ":") && !slices.Contains(wordGrantTypes, name) && !slices.Contains(old, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return &oauth.Error{Kind: oauth.Invalid, Reason: oauth.BrokenRule, Detail: "Invalid grant types: " + strings.Join(unknown, ",")}
}
