package boruta

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// grantTypes are those of Boruta, in the order of its error text.
var grantTypes = []string{
	"client_credentials", "password", "authorization_code", "agent_code", "refresh_token", "implicit",
	"revoke", "introspect", "id_token", "vp_token", "preauthorized_code", "agent_credentials",
}

// sharedGrantTypes are those that other dialects know, with the registry's
// names. The rest is kept for this dialect alone.
var sharedGrantTypes = map[string]string{
	"client_credentials": oauth.GrantClientCredentials,
	"password":           "password",
	"authorization_code": "authorization_code",
	"refresh_token":      "refresh_token",
	"implicit":           "implicit",
	"preauthorized_code": "urn:ietf:params:oauth:grant-type:pre-authorized_code",
}

const ownGrantTypes = storedAsPrefix + "supported_grant_types"

func checkGrantTypes(value json.RawMessage) []string {
	list := plain(value)
	if eachOf(tokenInvalid, grantTypes...)(value) != nil || hasDuplicates(list) {
		return []string{"must be part of " + strings.Join(grantTypes, ", ")}
	}
	return nil
}

func hasDuplicates(list []string) bool {
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) != len(list)
}

// readGrantTypes shows what the registry says of the grant types that other
// dialects know, and what was last written here of the others, in the order
// that it was written in.
func readGrantTypes(c *oauth.Client) json.RawMessage {
	own, written := c.Document[ownGrantTypes], plain(c.Document[ownGrantTypes])
	known := plain(c.Document["grant_types"])
	list := []string{}
	for _, name := range written {
		if canonical, shared := sharedGrantTypes[name]; !shared || slices.Contains(known, canonical) {
			list = append(list, name)
		}
	}
	for _, canonical := range known {
		for name, c := range sharedGrantTypes {
			if c == canonical && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	if len(list) == 0 && own != nil && jsondoc.IsNull(own) {
		return null
	}
	return jsondoc.Must(list)
}

// writeGrantTypes keeps the registry's grant types that this dialect has no
// word for.
func writeGrantTypes(doc jsondoc.Object, value json.RawMessage) {
	var wanted []string
	for _, name := range plain(value) {
		if canonical, shared := sharedGrantTypes[name]; shared {
			wanted = append(wanted, canonical)
		}
	}
	list := []string{}
	for _, canonical := range plain(doc["grant_types"]) {
		if !isShared(canonical) || slices.Contains(wanted, canonical) {
			list = append(list, canonical)
		}
	}
	for _, canonical := range wanted {
		if !slices.Contains(list, canonical) {
			list = append(list, canonical)
		}
	}
	doc["grant_types"], doc[ownGrantTypes] = jsondoc.Must(list), value
}

func isShared(canonical string) bool {
	for _, c := range sharedGrantTypes {
		if c == canonical {
			return true
		}
	}
	return false
}

const secretBasic, secretPost, privateKeyJWT = oauth.SecretBasic, oauth.SecretPost, oauth.SlotPrivateKeyJWT

// authentication is how a client proves itself, in this dialect's terms.
type authentication struct {
	methods      []string
	confidential bool
}

// authenticationOf reads it from the values of a client.
func authenticationOf(values jsondoc.Object) authentication {
	return authentication{plain(values["token_endpoint_auth_methods"]), string(values["confidential"]) == "true"}
}

// method derives the one method that other dialects know: none for a client
// none of whose grants needs the secret, else the first that takes a secret,
// else "".
func (a authentication) method(grants []string) string {
	switch {
	case !a.confidential && !slices.Contains(grants, oauth.GrantClientCredentials):
		return "none"
	case slices.Contains(a.methods, secretBasic):
		return secretBasic
	case slices.Contains(a.methods, secretPost):
		return secretPost
	}
	return ""
}

const (
	ownMethods      = oauth.MemberAuthMethods
	ownConfidential = storedAsPrefix + "confidential"
	methodThen      = oauth.MemberAuthMethodThen
)

// readAuthentication returns what was written here, as long as the registry's
// method is the one that was derived from it. When another dialect has changed
// that, it says what is left. A client without a method shows those of before.
func readAuthentication(doc jsondoc.Object) authentication {
	methods, own := oauth.RegisteredMethods(doc)
	before := authentication{[]string{secretBasic, secretPost}, true}
	if doc[ownMethods] != nil {
		before = authentication{plain(doc[ownMethods]), string(doc[ownConfidential]) == "true"}
	}
	switch now := oauth.AuthMethodNow(doc); now {
	case oauth.AuthMethodKeys:
		if !own {
			methods = slices.DeleteFunc(methods, func(m string) bool { return m != privateKeyJWT })
		}
		return authentication{methods, !own || before.confidential}
	case "none":
		return authentication{before.methods, own && before.confidential}
	default:
		return authentication{methods, before.confidential || !own && (now == "" || jsondoc.String(doc[methodThen]) == "none")}
	}
}

// writeAuthentication keeps a and the method derived from it. A client that
// proves itself by registered keys stays so.
func writeAuthentication(doc jsondoc.Object, a authentication) {
	if doc[oauth.SlotsOfAuthentication] == nil {
		if method := a.method(plain(doc["grant_types"])); method == "" {
			delete(doc, "token_endpoint_auth_method")
		} else {
			doc["token_endpoint_auth_method"] = jsondoc.Must(method)
		}
	}
	doc[ownMethods], doc[ownConfidential] = jsondoc.Must(a.methods), jsondoc.Must(a.confidential)
	doc[methodThen] = jsondoc.Must(oauth.AuthMethodNow(doc))
}
