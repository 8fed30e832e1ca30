package boruta

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/uri"
)

// Lifetimes are the longest lifetimes, in seconds, that clients can be given;
// they are also the defaults. Zero members stand for what Boruta's release
// configures.
type Lifetimes struct {
	AccessToken          int64 // 86400
	AgentToken           int64 // 2592000
	AuthorizationCode    int64 // 600
	AuthorizationRequest int64 // 300
	RefreshToken         int64 // 2592000
	IDToken              int64 // 86400
}

func (l Lifetimes) complete() Lifetimes {
	for _, one := range []struct {
		at        *int64
		otherwise int64
	}{
		{&l.AccessToken, 86400},
		{&l.AgentToken, 2592000},
		{&l.AuthorizationCode, 600},
		{&l.AuthorizationRequest, 300},
		{&l.RefreshToken, 2592000},
		{&l.IDToken, 86400},
	} {
		if *one.at == 0 {
			*one.at = one.otherwise
		}
	}
	return l
}

// signingAlgs are the algorithms that sign ID tokens and userinfo answers.
var signingAlgs = []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "HS256", "HS384", "HS512", "EdDSA"}

const internalSignatures, universalSignatures = "Elixir.Boruta.Internal.Signatures", "Elixir.Boruta.Universal.Signatures"

var (
	no      = json.RawMessage("false")
	yes     = json.RawMessage("true")
	empty   = json.RawMessage("[]")
	rsa2048 = json.RawMessage(`{"exponent_size":"65537","modulus_size":"2048","type":"rsa"}`)
)

// clientAttributes lists what callers can set of a client and the registry
// keeps in its document. Whatever is kept besides it has handlers of its own.
func clientAttributes(config Config) []attribute {
	most := config.Lifetimes.complete()
	lifetime := func(wire string, most int64) attribute {
		return attribute{wire: wire, class: internal, kind: seconds, start: jsondoc.Must(most), null: initial, check: within(most)}
	}
	request := lifetime("authorization_request_ttl", most.AuthorizationRequest)
	request.null = initialOrKept
	agent := lifetime("agent_token_ttl", most.AgentToken)
	agent.hidden = true
	methods := attribute{
		wire: "token_endpoint_auth_methods", class: internal, kind: texts, blank: jsondoc.Must([]string{secretBasic, secretPost}), null: refused,
		check: eachOf(tokenBadEntry, secretBasic, secretPost, "client_secret_jwt", privateKeyJWT),
		get:   func(c *oauth.Client) json.RawMessage { return jsondoc.Must(readAuthentication(c.Document).methods) }, set: derived, mixed: true,
	}
	return []attribute{
		{wire: "public_client_id", class: public, limit: maxText, get: publicClientID},
		{wire: "check_public_client_id", class: internal, kind: flag, blank: no, null: refused},
		{wire: "name", class: public, stored: "client_name", limit: maxText},
		{wire: "confidential", class: internal, kind: flag, blank: no, null: refused, set: derived, get: func(c *oauth.Client) json.RawMessage {
			return jsondoc.Must(readAuthentication(c.Document).confidential)
		}},
		{wire: "redirect_uris", class: internal, stored: "redirect_uris", kind: texts, blank: empty, null: refused, check: checkRedirects},
		{wire: "authorized_resources", class: internal, kind: texts, blank: empty, null: refused, hidden: true, check: checkURIs(uri.Resource)},
		{wire: "public_refresh_token", class: internal, kind: flag, blank: no, null: refused},
		{wire: "public_revoke", class: internal, kind: flag, blank: no, null: refused},
		{wire: "authorize_scope", class: internal, kind: flag, blank: no},
		{wire: "enforce_dpop", class: internal, stored: "dpop_bound_access_tokens", kind: flag, blank: no, set: setNullable("dpop_bound_access_tokens", "enforce_dpop"), get: getNullable("dpop_bound_access_tokens", "enforce_dpop")},
		{wire: "enforce_tx_code", class: internal, kind: flag, blank: no, null: refused},
		lifetime("access_token_ttl", most.AccessToken),
		agent,
		lifetime("authorization_code_ttl", most.AuthorizationCode),
		request,
		lifetime("refresh_token_ttl", most.RefreshToken),
		lifetime("id_token_ttl", most.IDToken),
		{wire: "pkce", class: internal, kind: flag, blank: no},
		{wire: "key_pair_type", class: internal, kind: object, blank: rsa2048, null: refused},
		{wire: "signatures_adapter", class: internal, blank: jsondoc.Must(internalSignatures), null: refused},
		{wire: "supported_grant_types", class: internal, kind: texts, blank: jsondoc.Must(config.grantTypes()), check: checkGrantTypes, mixed: true, get: readGrantTypes, set: writeGrantTypes},
		{wire: "id_token_signature_alg", class: internal, stored: "id_token_signed_response_alg", blank: jsondoc.Must("RS512"), get: readAlg("id_token_signed_response_alg")},
		{wire: "userinfo_signed_response_alg", class: internal, stored: "userinfo_signed_response_alg", get: readAlg("userinfo_signed_response_alg")},
		{wire: "token_endpoint_jwt_auth_alg", class: internal, stored: "token_endpoint_auth_signing_alg", blank: jsondoc.Must("HS256"), null: refused, check: oneOf("RS256", "RS384", "RS512", "HS256", "HS384", "HS512")},
		methods,
		{wire: "jwt_public_key", class: public, check: checkPublicKey},
		{wire: "jwks_uri", class: public, stored: "jwks_uri", limit: maxText, hidden: true, check: checkAddress},
		{wire: "id_token_kid", class: internal, limit: maxText, hidden: true},
		{wire: "logo_uri", class: public, stored: "logo_uri", limit: maxText, hidden: true, check: checkAddress},
		{wire: "metadata", kind: object, blank: json.RawMessage("{}"), null: refused, hidden: true},
		{wire: "response_mode", class: internal, blank: jsondoc.Must("direct_post"), check: oneOf("post", "direct_post")},
		{wire: "trusted_authorities", class: internal, blank: jsondoc.Must(""), null: notNil, master: true},
		{wire: "trusted_hosts", class: internal, kind: texts, blank: empty, null: notNil, master: true},
	}
}

// canonical is the document's member for an attribute.
func (a *attribute) canonical() string {
	if a.stored != "" {
		return a.stored
	}
	return storedAsPrefix + a.wire
}

// read returns the values of all attributes of a client.
func read(attributes []attribute, c *oauth.Client) jsondoc.Object {
	values := make(jsondoc.Object, len(attributes))
	for i := range attributes {
		a := &attributes[i]
		raw := c.Document[a.canonical()]
		if a.get != nil {
			raw = a.get(c)
		}
		if raw == nil && strings.HasPrefix(a.canonical(), storedAsPrefix) {
			raw = a.initialValue()
		}
		if raw == nil && a.kind == texts {
			raw = empty
		}
		if raw == nil && a.wire == "token_endpoint_jwt_auth_alg" {
			raw = a.blank
		}
		values[a.wire] = orNull(raw)
	}
	return values
}

// initialValues are those of a client that is made.
func initialValues(attributes []attribute) jsondoc.Object {
	values := make(jsondoc.Object, len(attributes))
	for i := range attributes {
		values[attributes[i].wire] = attributes[i].initialValue()
	}
	return values
}

// write stores changed values in a document.
func write(attributes []attribute, doc, change jsondoc.Object) {
	for i := range attributes {
		a := &attributes[i]
		value, ok := change[a.wire]
		switch {
		case !ok:
		case a.set != nil:
			a.set(doc, value)
		case a.stored != "" && jsondoc.IsNull(value):
			delete(doc, a.stored) // others know no null
		default:
			doc[a.canonical()] = value
		}
	}
}

// publicClientID is what was set, or else the identifier that another dialect
// gave the client.
func publicClientID(c *oauth.Client) json.RawMessage {
	if raw := c.Document[storedAsPrefix+"public_client_id"]; raw != nil || c.ClientID == c.ID {
		return orNull(raw)
	}
	return jsondoc.Must(c.ClientID)
}

// getNullable and setNullable keep a boolean that is null here and absent for
// other dialects.
func getNullable(stored, wire string) func(*oauth.Client) json.RawMessage {
	return func(c *oauth.Client) json.RawMessage {
		if raw := c.Document[stored]; raw != nil {
			return raw
		}
		if raw := c.Document[storedAsPrefix+wire]; raw != nil {
			return raw
		}
		return no
	}
}

func setNullable(stored, wire string) func(jsondoc.Object, json.RawMessage) {
	return func(doc jsondoc.Object, value json.RawMessage) {
		delete(doc, stored)
		delete(doc, storedAsPrefix+wire)
		if jsondoc.IsNull(value) {
			doc[storedAsPrefix+wire] = null
		} else {
			doc[stored] = value
		}
	}
}

// readAlg shows an algorithm that the dialect has a word for.
func readAlg(stored string) func(*oauth.Client) json.RawMessage {
	return func(c *oauth.Client) json.RawMessage {
		if raw := c.Document[stored]; slices.Contains(signingAlgs, jsondoc.String(raw)) {
			return raw
		}
		return null
	}
}

// derived is the set of an attribute that is stored together with others.
func derived(jsondoc.Object, json.RawMessage) {}

func checkRedirects(value json.RawMessage) []string {
	tokens := checkURIs(uri.RedirectWithAuthority)(value)
	for _, one := range plain(value) {
		if len(one) > maxText && tokens == nil {
			return []string{tokenTooLong}
		}
	}
	return tokens
}

func checkURIs(check func(string) error) func(json.RawMessage) []string {
	return func(value json.RawMessage) []string {
		var tokens []string
		for _, item := range items(value) {
			switch {
			case item == nil:
				tokens = append(tokens, tokenNullItem)
			case check(*item) != nil:
				tokens = append(tokens, "`"+*item+"` "+tokenInvalid)
			}
		}
		return tokens
	}
}

// checkAddress refuses what other dialects, which show the address, would not
// take: it may end up in a browser.
func checkAddress(value json.RawMessage) []string {
	if uri.AbsoluteURIOrEmpty(jsondoc.String(value)) != nil {
		return []string{tokenInvalid}
	}
	return nil
}

// checkPublicKey lets any text pass but a private key, which must not be kept.
func checkPublicKey(value json.RawMessage) []string {
	if oauth.HidesPrivateKey(jsondoc.String(value)) {
		return []string{tokenInvalid}
	}
	return nil
}
