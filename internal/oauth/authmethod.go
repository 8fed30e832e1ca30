package oauth

import (
	"slices"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// Members of a document for clients that may authenticate in more than one
// way. The methods count as long as token_endpoint_auth_method (RFC 7591 §2)
// is what it was when they were set; a dialect that knows one method only
// overrides them by changing it.
const (
	MemberAuthMethods    = "boruta:token_endpoint_auth_methods"
	MemberAuthMethodThen = "boruta:token_endpoint_auth_method" // as AuthMethodNow returned it
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
	var own struct {
		Methods []string `json:"boruta:token_endpoint_auth_methods"`
		Then    *string  `json:"boruta:token_endpoint_auth_method"`
	}
	if err := c.Document.Decode(&own); err != nil || own.Then == nil || *own.Then != AuthMethodNow(c.Document) {
		return true
	}
	return slices.Contains(own.Methods, method)
}
