package auth0

import (
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

// Who may read a member (reference: the API's read scopes).
var (
	readClient      = []string{"read:clients", "read:client_keys"}
	readCredentials = []string{"read:client_keys", "read:client_credentials"}
	readKeys        = []string{"read:client_keys"}
)

// Who may change a member; update:clients changes the rest.
var (
	writeClients     = []string{"update:clients"}
	writeKeys        = []string{"update:client_keys"}
	writeCredentials = []string{"update:client_credentials"}
	writeVault       = []string{"update:client_token_vault_privileged_access"}

	writeRequestObject = []string{"update:clients", "update:client_credentials"}
)

// Shorthands for the tables.
const public, internal = oauth.ClassPublic, oauth.ClassInternal

// Takes returns the permissions of which a change of a client's stored member
// takes one, as this dialect sees it: none for a member of another alone.
func Takes(member string) rights.Set {
	scopes, known := fields.Scopes(member)
	if !known {
		if prefix, _, found := strings.Cut(member, ":"); member == oauth.MemberPublicKey || found && prefix == "boruta" {
			return 0
		}
		scopes = writeClients
	}
	return rights.Of(scopes...)
}

// Fixed returns what is wrong with a change of members that stay:
// third_party_security_mode, and whose client a strict third-party one is.
func Fixed(before, after jsondoc.Object) (broken []oauth.Violation) {
	stays := func(member, why string) {
		if string(before[member]) != string(after[member]) {
			broken = append(broken, oauth.Violation{Member: member, Rule: "readOnly", Detail: why})
		}
	}
	stays(oauth.MemberSecurityMode, "cannot be changed")
	if isStrict(before) {
		stays(oauth.MemberFirstParty, "of a strict third-party client cannot be changed")
	}
	return broken
}

// fields is the dialect's client document.
var fields = dialect.NewTable("auth0:", writeClients, slices.Concat(sent, shown, beside)...)

// sent are the members that callers set.
var sent = []dialect.Member{
	{Wire: "name", Class: public, Key: "client_name"},
	{Wire: "description", Class: public},
	{Wire: "app_type", Class: public, Check: limited(strictAppType)},
	{Wire: "logo_uri", Class: public, Key: "logo_uri", Read: readClient},
	{Wire: "callbacks", Class: internal, Key: "redirect_uris", Read: readClient},
	{Wire: "allowed_logout_urls", Class: internal, Key: "post_logout_redirect_uris", Read: readClient},
	{Wire: "grant_types", Class: internal, Key: "grant_types", Read: readClient, Check: limited(strictGrantTypes)},
	{Wire: "token_endpoint_auth_method", Class: internal, Key: "token_endpoint_auth_method", Read: readClient, Get: getAuthMethod},
	{Wire: "initiate_login_uri", Class: internal, Key: "initiate_login_uri", Read: readClient, Set: setInitiateLoginURI},
	{Wire: "require_pushed_authorization_requests", Class: internal, Key: "require_pushed_authorization_requests", Read: readClient},
	{Wire: "require_proof_of_possession", Class: internal, Key: "dpop_bound_access_tokens", Read: readClient},
	{Wire: "jwt_configuration", Class: internal, Read: readClient, Set: setJWTConfiguration, Get: getJWTConfiguration, Check: limited(lifetime, strictAlg)},

	{Wire: "client_authentication_methods", Class: internal, Key: oauth.SlotsOfAuthentication, Read: readCredentials, Write: writeCredentials, Stays: true, Check: limited(strictMethods)},
	{Wire: "signed_request_object", Class: internal, Key: oauth.SlotSignedRequest, Merge: dialect.Members, Read: readClient, Write: writeRequestObject, Stays: true},
	{Wire: "token_vault_privileged_access", Class: internal, Key: oauth.SlotTokenVault, Read: readClient, Write: writeVault, Set: setTokenVault, Stays: true},

	{Wire: "is_first_party", Class: internal, Read: readClient},
	{Wire: "is_token_endpoint_ip_header_trusted", Class: internal, Read: readClient},
	{Wire: "oidc_conformant", Class: internal, Read: readClient},
	{Wire: "sso", Class: internal, Read: readClient},
	{Wire: "sso_disabled", Class: internal, Read: readClient},
	{Wire: "cross_origin_authentication", Class: internal, Read: readClient},
	{Wire: "cross_origin_auth", Class: internal, Key: "auth0:cross_origin_authentication", Read: readClient},
	{Wire: "cross_origin_loc", Class: internal, Read: readClient},
	{Wire: "custom_login_page_on", Class: internal, Read: readClient},
	{Wire: "custom_login_page", Class: internal, Read: readClient},
	{Wire: "custom_login_page_preview", Class: internal, Read: readClient},
	{Wire: "form_template", Class: internal, Read: readClient},
	{Wire: "allowed_origins", Class: internal, Read: readClient},
	{Wire: "web_origins", Class: internal, Read: readClient},
	{Wire: "client_aliases", Class: internal, Read: readClient},
	{Wire: "allowed_clients", Class: internal, Read: readClient},
	{Wire: "addons", Merge: dialect.Entries, Read: readClient},
	{Wire: "client_metadata", Class: internal, Read: readClient, Set: setClientMetadata, Get: getClientMetadata},
	{Wire: "mobile", Class: internal, Merge: dialect.Members, Read: readClient},
	{Wire: "native_social_login", Class: internal, Read: readClient, Set: setProviders("auth0:native_social_login", dialect.Members)},
	{Wire: "fedcm_login", Class: internal, Read: readClient, Set: setProviders("auth0:fedcm_login", dialect.Replace)},
	{Wire: "encryption_key", Read: readKeys, Write: writeKeys, Stays: true},
	{Wire: "refresh_token", Class: internal, Read: readClient, Set: setRefreshToken, Check: limited(rotating, strictRefresh)},
	{Wire: "session_transfer", Class: internal, Read: readClient, Set: setSessionTransfer},
	{Wire: "oidc_logout", Class: internal, Read: readClient, Set: setOIDCLogout, Check: limited(oneLogoutURL)},
	{Wire: "oidc_backchannel_logout", Class: internal, Key: "auth0:oidc_logout", Read: readClient, Set: setBackchannelLogout, Get: getBackchannelLogout, Check: limited(oneLogoutURL)},
	{Wire: "default_organization", Class: internal, Read: readClient},
	{Wire: "organization_usage", Class: internal, Read: readClient},
	{Wire: "organization_require_behavior", Class: internal, Read: readClient},
	{Wire: "organization_discovery_methods", Class: internal, Read: readClient},
	{Wire: "compliance_level", Class: internal, Read: readClient},
	{Wire: "skip_non_verifiable_callback_uri_confirmation_prompt", Class: internal, Read: readClient},
	{Wire: "token_exchange", Class: internal, Read: readClient},
	{Wire: "par_request_expiry", Class: internal, Read: readClient},
	{Wire: "token_quota", Class: internal, Read: readClient},
	{Wire: "resource_server_identifier", Class: internal, Read: readClient},
	{Wire: "third_party_security_mode", Class: internal, Read: readClient},
	{Wire: "redirection_policy", Class: internal, Read: readClient},
	{Wire: "express_configuration", Class: internal, Read: readClient},
	{Wire: "my_organization_configuration", Class: internal, Read: readClient},
	{Wire: "b2b_integration_configuration", Class: internal, Read: readClient},
	{Wire: "async_approval_notification_channels", Class: internal, Read: readClient},
	{Wire: "identity_assertion_authorization_grant", Class: internal, Read: readClient},
	{Wire: "anonymous_sessions", Class: internal, Read: readClient},
	{Wire: "resource_servers", Class: internal, Read: readClient},
}

// shown are members that callers read but never send.
var shown = []dialect.Member{
	{Wire: "owners", Class: internal, Kept: dialect.Shown, Read: readClient},
	{Wire: "external_client_id", Class: internal, Kept: dialect.Shown, Read: readClient},
	{Wire: "external_metadata_type", Class: internal, Kept: dialect.Shown, Read: readClient},
	{Wire: "external_metadata_created_by", Class: internal, Kept: dialect.Shown, Read: readClient},
	{Wire: "jwks_uri", Class: public, Kept: dialect.Shown, Key: "jwks_uri", Read: readClient},
	{Wire: "config_route", Class: internal, Kept: dialect.Shown, Read: readClient},
	{Wire: "api_type", Class: internal, Kept: dialect.Shown, Read: readClient},
	{Wire: "custom_login_page_off", Class: internal, Kept: dialect.Shown, Read: readClient},
	{Wire: "custom_login_page_codeview", Class: internal, Kept: dialect.Shown, Read: readClient},
	{Wire: signedResponseAlg, Class: internal, Key: signedResponseAlg, Kept: dialect.Unseen, Stays: true}, // jwt_configuration.alg
}

// beside are members that are not in a client's document.
var beside = []dialect.Member{
	{Wire: "client_id", Class: public, Kept: dialect.Given},
	{Wire: "client_secret", Kept: dialect.Beside, Read: readKeys, Write: writeKeys},
	{Wire: "signing_keys", Class: internal, Kept: dialect.Given, Read: readCredentials},
	{Wire: "tenant", Class: internal, Kept: dialect.Given, Read: readClient},
	{Wire: "global", Class: internal, Kept: dialect.Given, Read: readClient},
	{Wire: "callback_url_template", Class: internal, Kept: dialect.Given, Read: readClient},
	{Wire: "encrypted", Class: internal, Kept: dialect.Given},
}

// getAuthMethod shows a method that the dialect has a word for.
func getAuthMethod(doc jsondoc.Object) (json.RawMessage, error) {
	raw := doc["token_endpoint_auth_method"]
	switch jsondoc.String(raw) {
	case "none", oauth.SecretBasic, oauth.SecretPost:
		return raw, nil
	}
	return nil, nil
}

func setInitiateLoginURI(doc jsondoc.Object, wire json.RawMessage) error {
	if jsondoc.String(wire) == "" { // "" and null remove it
		delete(doc, "initiate_login_uri")
		return nil
	}
	doc["initiate_login_uri"] = wire
	return nil
}

// signedResponseAlg is where jwt_configuration.alg is kept.
const signedResponseAlg = "id_token_signed_response_alg"

// setJWTConfiguration merges the member; its alg is the registry's
// id_token_signed_response_alg.
func setJWTConfiguration(doc jsondoc.Object, wire json.RawMessage) error {
	patch := jsondoc.Object{}
	if err := json.Unmarshal(wire, &patch); err != nil {
		return err
	}
	if alg, ok := patch["alg"]; ok {
		delete(patch, "alg")
		doc[signedResponseAlg] = alg
	}
	merged, err := jsondoc.MergeKeys(doc["auth0:jwt_configuration"], jsondoc.Must(patch))
	doc["auth0:jwt_configuration"] = merged
	return err
}

func getJWTConfiguration(doc jsondoc.Object) (json.RawMessage, error) {
	stored, alg := doc["auth0:jwt_configuration"], doc[signedResponseAlg]
	if !slices.Contains([]string{"HS256", "RS256", "RS512", "PS256"}, jsondoc.String(alg)) {
		return stored, nil // an algorithm the dialect has no name for
	}
	return jsondoc.MergeKeys(stored, jsondoc.Must(jsondoc.Object{"alg": alg}))
}

// setClientMetadata merges by key; {} clears every key, null removes one.
func setClientMetadata(doc jsondoc.Object, wire json.RawMessage) error {
	patch := jsondoc.Object{}
	if err := json.Unmarshal(wire, &patch); err != nil {
		return err
	}
	for key := range patch {
		if err := checkMetadataKey(key); err != nil {
			return err
		}
	}
	old, err := getClientMetadata(doc)
	if err != nil {
		return err
	}
	if len(patch) == 0 {
		old = nil
	}
	merged, err := jsondoc.MergeKeys(old, wire)
	if err != nil {
		return err
	}
	var all map[string]any
	if err := json.Unmarshal(merged, &all); err != nil {
		return err
	}
	if len(all) > maxMetadata { // the schema sees a change, not what it comes to
		return spec.Mismatches{{
			In: "body", Path: []string{"client_metadata"}, Keyword: "maxProperties", Value: all,
			Schema: &openapi3.Schema{MaxProps: new(uint64(maxMetadata))},
		}}
	}
	doc["auth0:client_metadata"] = merged
	return nil
}

// getClientMetadata shows what was set here. Until then it shows of another
// dialect's metadata what fits, the first keys by name.
func getClientMetadata(doc jsondoc.Object) (json.RawMessage, error) {
	own, other := doc["auth0:client_metadata"], doc[oauth.MemberMetadata]
	if own != nil || other == nil {
		return own, nil
	}
	var members jsondoc.Object
	if err := json.Unmarshal(other, &members); err != nil {
		return nil, err
	}
	fitting := jsondoc.Object{}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		text := jsondoc.String(members[key])
		if text != "" && len([]rune(text)) <= 255 && checkMetadataKey(key) == nil && len(fitting) < maxMetadata {
			fitting[key] = members[key]
		}
	}
	if len(fitting) == 0 {
		return nil, nil
	}
	return json.Marshal(fitting)
}

// maxMetadata is how many keys client_metadata can have.
const maxMetadata = 10

const metadataKeyMarks = `:,-+=_*?"/\()<>@ ` + "\t"

func checkMetadataKey(key string) error {
	if key == "" || len([]rune(key)) > 255 {
		return &dialect.Broken{Rule: "propertyNames", Detail: "keys have 1 to 255 characters"}
	}
	for _, r := range key {
		if !strings.ContainsRune(oauth.Alphanumeric+metadataKeyMarks, r) {
			return &dialect.Broken{Rule: "propertyNames", Detail: "keys may contain letters, digits, spaces, tabs and " + strings.TrimSpace(metadataKeyMarks)}
		}
	}
	return nil
}

// setProviders takes sign-in providers, where null removes one; without any
// the member goes.
func setProviders(canonical string, merge dialect.Merge) func(jsondoc.Object, json.RawMessage) error {
	return func(doc jsondoc.Object, wire json.RawMessage) error {
		var old json.RawMessage
		if merge == dialect.Members {
			old = doc[canonical]
		}
		merged, err := jsondoc.MergeKeys(old, wire)
		if err != nil {
			return err
		}
		if jsondoc.IsNull(wire) || string(merged) == "{}" {
			delete(doc, canonical)
			return nil
		}
		doc[canonical] = merged
		return nil
	}
}

// setOIDCLogout replaces the member; {} and null remove it.
func setOIDCLogout(doc jsondoc.Object, wire json.RawMessage) error {
	var members jsondoc.Object
	if err := json.Unmarshal(wire, &members); err != nil {
		return err
	}
	if len(members) == 0 {
		delete(doc, "auth0:oidc_logout")
		return nil
	}
	doc["auth0:oidc_logout"] = wire
	return nil
}

// setBackchannelLogout takes the member by its older name. What it does not name
// stays: that name shows the addresses alone, so a caller who sends back what
// was read must not lose the rest.
func setBackchannelLogout(doc jsondoc.Object, wire json.RawMessage) error {
	if jsondoc.IsNull(wire) || doc["auth0:oidc_logout"] == nil {
		return setOIDCLogout(doc, wire)
	}
	var members jsondoc.Object
	if err := json.Unmarshal(wire, &members); err != nil || len(members) == 0 {
		return errors.Join(err, setOIDCLogout(doc, wire))
	}
	merged, err := jsondoc.MergeKeys(doc["auth0:oidc_logout"], wire)
	doc["auth0:oidc_logout"] = merged
	return err
}

func getBackchannelLogout(doc jsondoc.Object) (json.RawMessage, error) {
	raw := doc["auth0:oidc_logout"]
	if raw == nil {
		return nil, nil
	}
	var members jsondoc.Object
	if err := json.Unmarshal(raw, &members); err != nil || members["backchannel_logout_urls"] == nil {
		return nil, err
	}
	return json.Marshal(jsondoc.Object{"backchannel_logout_urls": members["backchannel_logout_urls"]})
}

// complete adds the members of defaults that object lacks.
func complete(object json.RawMessage, defaults jsondoc.Object) (json.RawMessage, error) {
	members := jsondoc.Object{}
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, err
	}
	whole := maps.Clone(defaults)
	maps.Copy(whole, members)
	return json.Marshal(whole)
}

// setRefreshToken replaces the member and completes it by its expiration type.
func setRefreshToken(doc jsondoc.Object, wire json.RawMessage) error {
	if jsondoc.IsNull(wire) {
		delete(doc, "auth0:refresh_token")
		return nil
	}
	var given struct {
		ExpirationType string `json:"expiration_type"`
	}
	if err := json.Unmarshal(wire, &given); err != nil {
		return err
	}
	infinite := jsondoc.Must(given.ExpirationType != "expiring")
	wire, err := jsondoc.MergeKeys(nil, wire) // without nulls
	if err != nil {
		return err
	}
	whole, err := complete(wire, jsondoc.Object{
		"leeway": json.RawMessage(`0`), "token_lifetime": json.RawMessage(`2592000`), "idle_token_lifetime": json.RawMessage(`1296000`),
		"infinite_token_lifetime": infinite, "infinite_idle_token_lifetime": infinite,
	})
	doc["auth0:refresh_token"] = whole
	return err
}

var sessionTransfer = jsondoc.Object{
	"can_create_session_transfer_token": json.RawMessage(`false`), "enforce_cascade_revocation": json.RawMessage(`true`),
	"allowed_authentication_methods": json.RawMessage(`[]`), "enforce_device_binding": json.RawMessage(`"ip"`),
	"allow_refresh_token": json.RawMessage(`false`), "enforce_online_refresh_tokens": json.RawMessage(`true`),
}

var sessionDelegation = jsondoc.Object{"allow_delegated_access": json.RawMessage(`false`), "enforce_device_binding": json.RawMessage(`"ip"`)}

// setSessionTransfer merges the member by sub-member and completes it.
func setSessionTransfer(doc jsondoc.Object, wire json.RawMessage) error {
	if jsondoc.IsNull(wire) {
		delete(doc, "auth0:session_transfer")
		return nil
	}
	merged, err := jsondoc.MergeKeys(doc["auth0:session_transfer"], wire)
	if err != nil {
		return err
	}
	if merged, err = complete(merged, sessionTransfer); err != nil {
		return err
	}
	var members jsondoc.Object
	if err := json.Unmarshal(merged, &members); err != nil {
		return err
	}
	if delegation := members["delegation"]; delegation != nil {
		if members["delegation"], err = complete(delegation, sessionDelegation); err != nil {
			return err
		}
	}
	doc["auth0:session_transfer"], err = json.Marshal(members)
	return err
}

// setTokenVault replaces the member, which must come whole.
func setTokenVault(doc jsondoc.Object, wire json.RawMessage) error {
	if jsondoc.IsNull(wire) {
		delete(doc, oauth.SlotTokenVault)
		return nil
	}
	var given struct {
		IPAllowlist []string `json:"ip_allowlist"`
		Grants      []struct {
			Connection string   `json:"connection"`
			Scopes     []string `json:"scopes"`
		} `json:"grants"`
	}
	var members jsondoc.Object
	if err := errors.Join(json.Unmarshal(wire, &members), json.Unmarshal(wire, &given)); err != nil {
		return err
	}
	for _, name := range []string{"credentials", "ip_allowlist", "grants"} {
		if members[name] == nil {
			return &dialect.Broken{Rule: "required", Detail: "needs credentials, ip_allowlist and grants"}
		}
	}
	for _, entry := range given.IPAllowlist {
		_, notAddress := netip.ParseAddr(entry)
		_, notRange := netip.ParsePrefix(entry)
		if notAddress != nil && notRange != nil {
			return &dialect.Broken{Below: ".ip_allowlist", Rule: "format", Detail: "can have only IP addresses and CIDR ranges"}
		}
	}
	seen, scopes := map[string]bool{}, 0
	for _, g := range given.Grants {
		if seen[g.Connection] {
			return &dialect.Broken{Below: ".grants", Rule: "uniqueItems", Detail: "can name a connection only once"}
		}
		seen[g.Connection] = true
		scopes += len(g.Scopes)
	}
	if scopes > 20 {
		return &dialect.Broken{Below: ".grants", Rule: "maxItems", Detail: "can have at most 20 scopes in total"}
	}
	doc[oauth.SlotTokenVault] = wire
	return nil
}

// checkNewTokenVault refuses empty lists, which only a change may set.
func checkNewTokenVault(doc jsondoc.Object) error {
	if doc[oauth.SlotTokenVault] == nil {
		return nil
	}
	var vault map[string][]json.RawMessage
	if err := json.Unmarshal(doc[oauth.SlotTokenVault], &vault); err != nil {
		return err
	}
	for _, name := range []string{"ip_allowlist", "grants"} {
		if len(vault[name]) == 0 {
			return oauth.Invalidate(oauth.Violation{
				Member: oauth.SlotTokenVault + "." + name, Rule: "minItems", Detail: "cannot be empty when a client is created",
			})
		}
	}
	return nil
}
