package oauth

import (
	"errors"
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
// a method of RFC 7591 §2, AuthMethodKeys, or "" for no word about it.
func AuthMethodNow(doc jsondoc.Object) string {
	if doc[SlotsOfAuthentication] != nil {
		return AuthMethodKeys
	}
	return jsondoc.String(doc["token_endpoint_auth_method"])
}

// MayUse reports whether the client may authenticate by a method such as
// client_secret_basic. Clients that were given a single method may send their
// secret in either way.
func (c *Client) MayUse(method string) bool {
	var methods []string
	var then *string
	err := errors.Join(c.Document.Read(MemberAuthMethods, &methods), c.Document.Read(MemberAuthMethodThen, &then))
	if err != nil || then == nil || *then != AuthMethodNow(c.Document) {
		return true
	}
	return slices.Contains(methods, method)
}

// AssertionKey returns the credential for the key in MemberAssertionKey; false
// if there is none, if the client may not use private_key_jwt, or if no
// assertions of its algorithm or key are accepted.
func (c *Client) AssertionKey(now time.Time) (Credential, bool) {
	text, alg := jsondoc.String(c.Document[MemberAssertionKey]), jsondoc.String(c.Document["token_endpoint_auth_signing_alg"])
	if text == "" || c.Document[MemberAuthMethods] == nil || !c.MayUse(SlotPrivateKeyJWT) {
		return Credential{}, false
	}
	cred, err := NewCredential("", c.ID, CredentialRequest{Type: TypePublicKey, PEM: &text, Alg: &alg}, now)
	return cred, err == nil
}
