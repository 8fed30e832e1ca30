package hydra

import (
	"encoding/json"
	"slices"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// shown are the members that clients show to those whom they deal with.
var shown = []string{"client_name", "policy_uri", "tos_uri", "client_uri", "logo_uri", "contacts", "jwks", "jwks_uri"}

// Class returns who may come to know a stored member of a client. known is false
// for one of other dialects alone.
func Class(member string) (class oauth.Class, known bool) {
	for name := range members {
		switch {
		case canonical(name) != member:
		case name == "metadata": // whatever it holds
			return oauth.ClassSecret, true
		case slices.Contains(shown, name):
			return oauth.ClassPublic, true
		default:
			return oauth.ClassInternal, true
		}
	}
	return oauth.ClassSecret, false
}

// ofKeys are the members of public keys, RFC 7517 §4, and ofKind those of a kty,
// RFC 7518 §6, RFC 8037 §2.
var (
	ofKeys = []string{"kty", "use", "key_ops", "alg", "kid", "x5u", "x5c", "x5t", "x5t#S256"}
	ofKind = map[string][]string{"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}
)

// Plain returns what of a stored member that is not secret is known, and whether
// that is all of it.
func Plain(member string, raw json.RawMessage) (part json.RawMessage, all bool) {
	if member != "jwks" {
		return raw, true
	}
	var set map[string][]jsondoc.Object
	if json.Unmarshal(raw, &set) != nil {
		return nil, false
	}
	all = len(set) == 1
	for _, key := range set["keys"] {
		kind := ofKind[jsondoc.String(key["kty"])]
		for name := range key {
			if !slices.Contains(ofKeys, name) && !slices.Contains(kind, name) {
				delete(key, name)
				all = false
			}
		}
	}
	if all {
		return raw, true
	}
	return jsondoc.Must(map[string]any{"keys": set["keys"]}), false
}
