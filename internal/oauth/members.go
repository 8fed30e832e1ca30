package oauth

// The members of a client's document that rules below the dialects read or
// write, and those that two dialects share, although one dialect has named
// them: what follows the prefix is that dialect's name. No other code outside a
// dialect knows a member by its prefix. The stored names stay what they are,
// since the schema's generated columns read them too.
const (
	// MemberGlobal is true for the client that stands for all applications.
	// Prepare makes it and DeleteClient keeps it, dialects without such a client
	// hide it, and lists select by it (column is_global).
	MemberGlobal = "auth0:global"

	// MemberClientAliases are further names that belong to one client alone: the
	// table client_aliases is kept in step with them.
	MemberClientAliases = "auth0:client_aliases"

	// MemberFirstParty tells which default grants a client has, unless it is
	// false those of first parties. Lists select by it (column is_first_party).
	MemberFirstParty = "auth0:is_first_party"

	// MemberSecurityMode is "strict" for third parties that nobody has vouched for:
	// they get no grant on the management API.
	MemberSecurityMode = "auth0:third_party_security_mode"

	// MemberAppType is what kind of application a client is. Lists select by it
	// (column app_type), and Administrator sets it.
	MemberAppType = "auth0:app_type"

	// MemberExternalClientID is what lists find a client by that is registered
	// elsewhere (column external_client_id).
	MemberExternalClientID = "auth0:external_client_id"

	// MemberIPHeaderTrusted lets a client say from which address a user calls:
	// CheckTrust asks that the client proves itself.
	MemberIPHeaderTrusted = "auth0:is_token_endpoint_ip_header_trusted"

	// MemberClientSecret names a client's secret in errors. It is in no document.
	MemberClientSecret = "client_secret"

	// MemberAPI names the API that a client is created to stand for: CreateClient
	// links the two.
	MemberAPI = "auth0:resource_server_identifier"

	// MemberAddons and MemberEncryptionKey may hold keys of other systems: they
	// are stored sealed, and events do not show them.
	MemberAddons        = "auth0:addons"
	MemberEncryptionKey = "auth0:encryption_key"

	// MemberLoginPage and MemberFormTemplate are HTML, which is measured apart from
	// the rest of a document: CheckSize.
	MemberLoginPage    = "auth0:custom_login_page"
	MemberFormTemplate = "auth0:form_template"

	// MemberAllowedOrigins are the origins that a browser may call from. Auth0's
	// dialect shows them, and the import of Hydra's clients writes them.
	MemberAllowedOrigins = "auth0:allowed_origins"

	// MemberAuthMethods are the ways in which a client may authenticate if it has
	// more than one. They count as long as token_endpoint_auth_method (RFC 7591
	// §2) is what it was when they were set, which MemberAuthMethodThen keeps as
	// AuthMethodNow returned it: a dialect that knows one method only overrides
	// them by changing it. RegisteredMethods reads them.
	MemberAuthMethods    = "boruta:token_endpoint_auth_methods"
	MemberAuthMethodThen = "boruta:token_endpoint_auth_method"

	// MemberAssertionKey is the one key, PEM, by which a client without
	// registered credentials may sign assertions; see AssertionKey.
	MemberAssertionKey = "boruta:jwt_public_key"

	// MemberAccessTokenTTL, in seconds, and MemberClientLifespan, a duration of
	// Go's, bound the life of tokens that a client gets for itself; an enforced
	// MemberTokenQuota asks for a limit that Roster does not know. TokenLifetime
	// and Enforceable read them.
	MemberAccessTokenTTL = "boruta:access_token_ttl"
	MemberClientLifespan = "hydra:client_credentials_grant_access_token_lifespan"
	MemberTokenQuota     = "auth0:token_quota"

	// MemberMetadata is whatever Boruta's callers keep with a client, an object
	// of any depth. Auth0's dialect shows it in part, and the import of Hydra's
	// clients writes it.
	MemberMetadata = "boruta:metadata"

	// MemberBackend is what 1.0.0 took of an identity provider's backend, with its
	// passwords. It is the provider's, not a client's, and is kept sealed.
	MemberBackend = "backend"

	// MemberPublicKey is the public half of a key that belongs to the client
	// alone. It is the registry's own and has no prefix.
	MemberPublicKey = "public_key"
)

// HadSecrets are the members of clients and identity providers that 1.0.0 took
// with whatever they held, and put into events in clear. What is secret now is
// what no table of members calls anything else.
var HadSecrets = []string{
	MemberBackend, MemberAddons, MemberEncryptionKey, MemberMetadata, "boruta:key_pair_type",
	"auth0:jwt_configuration", "auth0:mobile", "auth0:oidc_logout", SlotTokenVault, "authorization_details", "subject_type_authorization",
}

// TakesPublicKeys are the members of clients and resource servers that hold
// public keys or certificates, however deep, and never a private key.
var TakesPublicKeys = []string{MemberEncryptionKey, MemberAssertionKey, MemberPublicKey, "jwks", MemberTokenEncryption}

// MemberTokenEncryption is how the tokens of a resource server are encrypted.
const MemberTokenEncryption = "token_encryption"
