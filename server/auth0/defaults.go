package auth0

import (
	"encoding/json"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// The refresh token settings that clients start with.
var (
	refreshDefault = refreshToken("non-rotating", "non-expiring", 2592000, true, 1296000, true)
	refreshSecret  = refreshToken("non-rotating", "non-expiring", 31557600, true, 2592000, true)
	refreshPublic3 = refreshToken("rotating", "expiring", 2592000, false, 1296000, false)
	refreshStrict3 = refreshToken("non-rotating", "expiring", 31557600, true, 2592000, false)
)

func refreshToken(rotation, expiration string, life int, infinite bool, idle int, infiniteIdle bool) json.RawMessage {
	return jsondoc.Must(map[string]any{
		"rotation_type": rotation, "expiration_type": expiration, "leeway": 0, "token_lifetime": life,
		"infinite_token_lifetime": infinite, "idle_token_lifetime": idle, "infinite_idle_token_lifetime": infiniteIdle,
	})
}

// defaults returns the document that a create starts from. What it depends on
// is the authentication method, whether the client is a third party's, and two
// special kinds of application; the other kinds change nothing.
func defaults(req jsondoc.Object) jsondoc.Object {
	var (
		method     = jsondoc.String(req["token_endpoint_auth_method"])
		kind       = jsondoc.String(req["app_type"])
		thirdParty = string(req["is_first_party"]) == "false"
		strict     = thirdParty && jsondoc.String(req["third_party_security_mode"]) == "strict"
	)
	doc := jsondoc.Object{
		"grant_types":          json.RawMessage(`["authorization_code","implicit","refresh_token","client_credentials"]`),
		"auth0:is_first_party": json.RawMessage(`true`),
		"auth0:is_token_endpoint_ip_header_trusted": json.RawMessage(`false`),
		"auth0:oidc_conformant":                     jsondoc.Must(thirdParty),
		"auth0:sso_disabled":                        json.RawMessage(`false`),
		"auth0:cross_origin_authentication":         json.RawMessage(`false`),
		"auth0:custom_login_page_on":                json.RawMessage(`true`),
		"auth0:jwt_configuration":                   json.RawMessage(`{"secret_encoded":false,"lifetime_in_seconds":36000}`),
		"auth0:refresh_token":                       refreshDefault,
	}
	if method == "none" {
		doc["grant_types"] = json.RawMessage(`["authorization_code","implicit","refresh_token"]`)
	}
	if (method == "client_secret_post" || method == "client_secret_basic") && !thirdParty {
		doc["auth0:refresh_token"] = refreshSecret
	}
	if thirdParty {
		doc["auth0:third_party_security_mode"] = json.RawMessage(`"permissive"`)
		doc["auth0:refresh_token"] = refreshPublic3
	}
	if strict {
		delete(doc, "auth0:third_party_security_mode") // as the request says
		doc["grant_types"] = json.RawMessage(`["authorization_code"]`)
		if method != "none" {
			doc["auth0:refresh_token"] = refreshStrict3
		}
		doc["auth0:jwt_configuration"] = json.RawMessage(`{"lifetime_in_seconds":3600,"secret_encoded":false}`)
		doc[signedResponseAlg] = json.RawMessage(`"RS256"`)
		doc["auth0:redirection_policy"] = json.RawMessage(`"open_redirect_protection"`)
	}
	switch kind {
	case "resource_server":
		doc["grant_types"] = json.RawMessage(`[]`)
	case "express_configuration":
		doc["grant_types"] = json.RawMessage(`["authorization_code","client_credentials"]`)
		doc["redirect_uris"] = json.RawMessage(`["https://system-admin.okta.com/admin/app/generic/oauth20redirect"]`)
		doc["auth0:organization_usage"] = json.RawMessage(`"require"`)
		doc["auth0:organization_require_behavior"] = json.RawMessage(`"pre_login_prompt"`)
		if method == "" { // keys from the start, in place of a secret
			doc[oauth.SlotsOfAuthentication] = json.RawMessage(`{"private_key_jwt":{"credentials":[]}}`)
		}
	}
	if kind == "resource_server" || kind == "express_configuration" {
		doc["auth0:oidc_conformant"] = json.RawMessage(`true`)
		doc["auth0:jwt_configuration"] = json.RawMessage(`{"secret_encoded":false}`)
		doc[signedResponseAlg] = json.RawMessage(`"RS256"`)
	}
	if req["jwt_configuration"] != nil { // what is given is completed by this alone
		doc["auth0:jwt_configuration"] = json.RawMessage(`{"secret_encoded":false}`)
		delete(doc, signedResponseAlg)
	}
	return doc
}

// newClientID returns an identifier of the shape that clients of this kind
// have.
func newClientID(doc jsondoc.Object) string {
	if jsondoc.String(doc["auth0:third_party_security_mode"]) == "strict" {
		return "tpc_" + oauth.RandomText(oauth.Alphanumeric, 22)
	}
	return oauth.RandomText(oauth.Alphanumeric, 32)
}

func newSecret() oauth.Secret { return oauth.NewSecret(oauth.RandomText(oauth.URLSafe, 64)) }
