package roster_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rosterhq/roster"
)

// documents are the schemas of what is kept of clients, APIs, grants and identity
// providers, as callers send it.
var documents = []string{
	"CreateClientRequestContent", "CreateResourceServerRequestContent", "CreateClientGrantRequestContent",
	"BorutaClientAttributes", "BorutaIdentityProviderAttributes",
}

// verdicts say what becomes of each member of them, and of what is nested in one
// and speaks of security by its name: a test shows how Roster obeys it or refuses
// to issue a weaker token; or others obey it, which docs/divergences.md says; or it
// keeps nobody out of anything.
var verdicts = map[string]string{
	"TestClientsAuthenticateByTheirMethodsAlone":   `token_endpoint_auth_method token_endpoint_auth_methods client_authentication_methods token_endpoint_jwt_auth_alg jwt_public_key`,
	"TestJWKBecomesThePublicKey":                   `jwk`,
	"TestTokenForASecret":                          `client_secret secret`,
	"TestClientsWithoutLeaveGetNoToken":            `grant_types supported_grant_types subject_type_authorization policy subject_type audience client_id`,
	"TestScopesAreNarrowedToWhatIsAskedAndGranted": `scope scopes`,
	"TestGrantsOfAllScopesAndOfClasses":            `allow_all_scopes default_for is_first_party`,
	"TestThirdPartiesGetNoGrantOnTheManagementAPI": `third_party_security_mode`,
	"TestTheShortestLifetimeHolds":                 `access_token_ttl token_lifetime`,
	"TestNoWeakerTokenThanIsAskedFor":              `require_proof_of_possession enforce_dpop proof_of_possession required required_for token_encryption token_quota enforce`,
	"TestTokensOfASharedSecret":                    `signing_alg signing_secret`,
	"TestIntrospectionTellsWhomItConcerns":         `resource_server_identifier`,
	"others": `
	addons allowed_clients allowed_logout_urls allowed_origins anonymous_sessions
	async_approval_notification_channels b2b_integration_configuration callbacks compliance_level cross_origin_auth
	cross_origin_authentication cross_origin_loc default_organization encryption_key express_configuration
	fedcm_login identity_assertion_authorization_grant initiate_login_uri ip_allowlist jwt_configuration mobile
	my_organization_configuration native_social_login oidc_backchannel_logout oidc_conformant oidc_logout
	organization_discovery_methods organization_require_behavior organization_usage par_request_expiry
	redirection_policy refresh_token require_pushed_authorization_requests session_transfer signed_request_object
	skip_non_verifiable_callback_uri_confirmation_prompt sso sso_disabled token_exchange
	token_vault_privileged_access web_origins is_token_endpoint_ip_header_trusted allow_offline_access
	allow_online_access allow_online_access_with_ephemeral_sessions authorization_details authorization_policy
	consent_policy enforce_policies skip_consent_for_verifiable_first_party_clients
	token_lifetime_for_anonymous_access_tokens token_lifetime_for_web allow_any_organization
	authorization_details_types agent_token_ttl authorization_code_ttl authorization_request_ttl authorize_scope
	authorized_resources authorized_scopes check_public_client_id confidential enforce_tx_code id_token_kid
	id_token_signature_alg id_token_ttl identity_provider jwks_uri pkce public_client_id public_refresh_token
	public_revoke redirect_uris refresh_token_ttl response_mode signatures_adapter trusted_authorities trusted_hosts
	userinfo_signed_response_alg backend check_password choose_session confirmable consentable enforce_totp
	enforce_webauthn registrable totpable user_editable webauthnable`,
	"plain": `
	app_type client_aliases client_metadata custom_login_page custom_login_page_on custom_login_page_preview
	description form_template logo_uri name resource_servers identifier token_dialect id key_pair_id key_pair_type
	metadata backend_id`,
}

// speaksOfSecurity finds nested members that need a verdict of their own where the
// member that they are in is not for others as a whole.
var speaksOfSecurity = regexp.MustCompile(`allow|enforce|require|trust|(^|_)ip_|deny|disable|verif|lifetime|ttl|polic|rotat|bind`)

// TestEveryMemberThatSpeaksOfSecurityHasAVerdict fails for a member that nobody has
// decided about: what Roster takes, it obeys, or it says who does.
func TestEveryMemberThatSpeaksOfSecurityHasAVerdict(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(roster.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	divergences, err := os.ReadFile("docs/divergences.md")
	if err != nil {
		t.Fatal(err)
	}
	exist, is := declaredTests(t), map[string]string{}
	for what, members := range verdicts {
		if what != "others" && what != "plain" && !exist[what] {
			t.Errorf("there is no %s", what)
		}
		for _, member := range strings.Fields(members) {
			if is[member] != "" {
				t.Errorf("%s has two verdicts", member)
			}
			if is[member] = what; what == "others" && !strings.Contains(string(divergences), "`"+member+"`") {
				t.Errorf("docs/divergences.md does not say that %s is for others to obey", member)
			}
		}
	}
	known := map[string]bool{}
	for _, name := range documents {
		members := doc.Components.Schemas[name].Value.Properties
		for _, member := range slices.Sorted(maps.Keys(members)) {
			known[member] = true
			if is[member] == "" {
				t.Errorf("%s of %s has no verdict", member, name)
			}
			for nested := range nestedIn(members[member].Value, 8) {
				known[nested] = true
				if is[nested] == "" && is[member] != "others" && speaksOfSecurity.MatchString(nested) {
					t.Errorf("%s in %s of %s has no verdict", nested, member, name)
				}
			}
		}
	}
	for member := range is {
		if !known[member] {
			t.Errorf("there is no member %s", member)
		}
	}
}

// nestedIn returns the names of what is in a schema, to a depth.
func nestedIn(s *openapi3.Schema, depth int) map[string]bool {
	names := map[string]bool{}
	if s == nil || depth == 0 {
		return names
	}
	parts := slices.Concat(s.AllOf, s.OneOf, s.AnyOf)
	if s.Items != nil {
		parts = append(parts, s.Items)
	}
	for name, p := range s.Properties {
		names[name] = true
		parts = append(parts, p)
	}
	for _, p := range parts {
		maps.Copy(names, nestedIn(p.Value, depth-1))
	}
	return names
}
