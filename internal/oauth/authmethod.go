package oauth

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// Authentication methods that use the secret (RFC 7591 §2).
const (
	SecretBasic = "client_secret_basic"
	SecretPost  = "client_secret_post"
)

// AuthMethodKeys stands for the methods of a client that proves itself by
// registered credentials.
const AuthMethodKeys = "credentials"

// AuthMethodNow returns how a document says that its client authenticates:
// a method of RFC 7591 §2, AuthMethodKeys, or "" if the request does not mention it.
func AuthMethodNow(doc jsondoc.Object) string {
	if doc[SlotsOfAuthentication] != nil {
		return AuthMethodKeys
	}
	return jsondoc.String(doc["token_endpoint_auth_method"])
}

// AuthMethods are the methods that the token endpoint knows, and all that
// EffectiveMethods ever returns.
var AuthMethods = []string{SecretBasic, SecretPost, SlotPrivateKeyJWT}

// RegisteredMethods returns the methods that a document registers, whether the
// client can prove itself by them or not. own reports whether they are the list
// of MemberAuthMethods, word for word. A document that says nothing registers
// both ways of sending the secret.
func RegisteredMethods(doc jsondoc.Object) (methods []string, own bool) {
	var listed []string
	var then *string
	readable := errors.Join(doc.Read(MemberAuthMethods, &listed), doc.Read(MemberAuthMethodThen, &then)) == nil
	now := AuthMethodNow(doc)
	if readable && doc[MemberAuthMethods] != nil && then != nil && *then == now {
		return append([]string{}, listed...), true
	}
	switch now {
	case "":
		return []string{SecretBasic, SecretPost}, false
	case "none":
		return []string{}, false
	case AuthMethodKeys:
		var slots jsondoc.Object
		if json.Unmarshal(doc[SlotsOfAuthentication], &slots) != nil {
			return []string{}, false
		}
		return slices.Sorted(maps.Keys(slots)), false
	case SecretBasic, SecretPost: // in place of those that send the secret in the list
		rest := slices.DeleteFunc(listed, func(m string) bool { return m == SecretBasic || m == SecretPost })
		return append([]string{now}, rest...), false
	}
	return []string{now}, false
}

// EffectiveMethods returns those of AuthMethods by which a client can prove
// itself: the document registers the method, and there is a key for it where it
// needs one. credentials are the live keys for assertions. Clients that were
// given a single method may send their secret in either way.
func EffectiveMethods(doc jsondoc.Object, credentials []Credential) []string {
	registered, own := RegisteredMethods(doc)
	either := !own && (slices.Contains(registered, SecretBasic) || slices.Contains(registered, SecretPost))
	return slices.DeleteFunc(slices.Clone(AuthMethods), func(m string) bool {
		if m == SlotPrivateKeyJWT {
			return len(credentials) == 0 || !slices.Contains(registered, m)
		}
		return !either && !slices.Contains(registered, m)
	})
}

// AssertionKey returns the credential for the key in MemberAssertionKey; false
// if there is none, if credentials are registered in its place, if no list names
// private_key_jwt, or if no assertions of its algorithm or key are accepted.
func (c *Client) AssertionKey(now time.Time) (Credential, bool) {
	text, alg := jsondoc.String(c.Document[MemberAssertionKey]), jsondoc.String(c.Document["token_endpoint_auth_signing_alg"])
	var listed []string
	err := c.Document.Read(MemberAuthMethods, &listed)
	if text == "" || err != nil || c.Document[SlotsOfAuthentication] != nil || !slices.Contains(listed, SlotPrivateKeyJWT) {
		return Credential{}, false
	}
	cred, err := NewCredential("", c.ID, CredentialRequest{Type: TypePublicKey, PEM: &text, Alg: &alg}, now)
	return cred, err == nil
}
