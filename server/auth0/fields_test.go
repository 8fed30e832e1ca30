package auth0

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/server/dialect"
)

// members are a client's, one a line: name, JSON type, who may read it (any:
// whoever may read clients; clients: readClient; credentials: readCredentials;
// keys: readKeys), and what may be done: c a create may set it, p a PATCH may, n
// a PATCH may set it to null.
const members = `
name                                   string  any         cp
description                            string  any         cp
app_type                               string  any         cp
client_id                              string  any
tenant                                 string  clients
global                                 boolean clients
logo_uri                               string  clients     cp
callbacks                              array   clients     cp
allowed_logout_urls                    array   clients     cp
allowed_origins                        array   clients     cp
web_origins                            array   clients     cp
client_aliases                         array   clients     cp
allowed_clients                        array   clients     cp
initiate_login_uri                     string  clients     cp
grant_types                            array   clients     cp
token_endpoint_auth_method             string  clients     cpn
client_authentication_methods          object  credentials cpn
client_secret                          string  keys        cp
encryption_key                         object  keys        cpn
signing_keys                           array   credentials
is_token_endpoint_ip_header_trusted    boolean clients     cp
is_first_party                         boolean clients     cp
third_party_security_mode              string  clients     cp
redirection_policy                     string  clients     cp
oidc_conformant                        boolean clients     cp
jwt_configuration                      object  clients     cp
sso                                    boolean clients     cp
sso_disabled                           boolean clients     cp
cross_origin_authentication            boolean clients     cp
cross_origin_auth                      boolean clients     cp
cross_origin_loc                       string  clients     cpn
custom_login_page_on                   boolean clients     cp
custom_login_page                      string  clients     cp
custom_login_page_preview              string  clients     cp
form_template                          string  clients     cp
addons                                 object  clients     cpn
client_metadata                        object  clients     cp
mobile                                 object  clients     cp
native_social_login                    object  clients     cpn
fedcm_login                            object  clients     cpn
refresh_token                          object  clients     cpn
session_transfer                       object  clients     cpn
oidc_logout                            object  clients     cp
oidc_backchannel_logout                object  clients     cpn
default_organization                   object  clients     cpn
organization_usage                     string  clients     cpn
organization_require_behavior          string  clients     cpn
organization_discovery_methods         array   clients     cpn
require_pushed_authorization_requests  boolean clients     cp
require_proof_of_possession            boolean clients     cp
signed_request_object                  object  clients     cpn
token_vault_privileged_access          object  clients     cpn
compliance_level                       string  clients     cpn
skip_non_verifiable_callback_uri_confirmation_prompt boolean clients cpn
token_exchange                         object  clients     cpn
par_request_expiry                     integer clients     cpn
token_quota                            object  clients     cpn
resource_server_identifier             string  clients     c
resource_servers                       array   clients     cp
express_configuration                  object  clients     cpn
my_organization_configuration          object  clients     cpn
b2b_integration_configuration          object  clients     cpn
async_approval_notification_channels   array   clients     cpn
identity_assertion_authorization_grant object  clients     cpn
anonymous_sessions                     object  clients     cpn
external_client_id                     string  clients
external_metadata_type                 string  clients
external_metadata_created_by           string  clients
jwks_uri                               string  clients
callback_url_template                  boolean clients
encrypted                              boolean created
owners                                 array   clients
config_route                           string  clients
api_type                               string  clients
custom_login_page_off                  boolean clients
custom_login_page_codeview             string  clients
`

var readers = map[string][]string{"any": nil, "clients": readClient, "credentials": readCredentials, "keys": readKeys, "created": nil}

// Table, specification and the list above name the same members, the same
// types and the same readers.
func TestFieldsAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	doc, err := auth0api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*openapi3.Schema{}
	for _, name := range []string{"CreateClientRequestContent", "UpdateClientRequestContent", "GetClientResponseContent"} {
		schemas[name] = doc.Components.Schemas[name].Value
	}
	create, patch, shows := schemas["CreateClientRequestContent"], schemas["UpdateClientRequestContent"], schemas["GetClientResponseContent"]

	named := map[string]bool{}
	for line := range strings.Lines(strings.TrimSpace(members)) {
		row := strings.Fields(line)
		name, kind, reader, may := row[0], row[1], row[2], ""
		if len(row) > 3 {
			may = row[3]
		}
		named[name] = true
		for schema, listed := range map[*openapi3.Schema]bool{create: strings.Contains(may, "c"), patch: strings.Contains(may, "p"), shows: true} {
			ref := schema.Properties[name]
			if (ref != nil) != listed {
				t.Errorf("%s: in a schema %v, want %v", name, ref != nil, listed)
			} else if ref != nil && kind != "any" && !ref.Value.Type.Is(kind) {
				t.Errorf("%s is of type %v, want %s", name, ref.Value.Type, kind)
			}
		}
		if ref := patch.Properties[name]; ref != nil && ref.Value.Nullable != strings.Contains(may, "n") {
			t.Errorf("%s: a PATCH may set it to null: %v", name, ref.Value.Nullable)
		}
		member := fields.ByWire(name)
		if member == nil {
			t.Errorf("%s is in no table", name)
			continue
		}
		read, written := member.Read, member.Kept == dialect.Sent
		if diff := cmp.Diff(readers[reader], read); diff != "" {
			t.Errorf("%s is read with other scopes (-want +got):\n%s", name, diff)
		}
		if settable := written || name == "client_secret"; settable != (may != "") {
			t.Errorf("%s can be set: %v", name, settable)
		}
	}
	for _, name := range slices.Concat(fields.Names(dialect.Sent), fields.Names(dialect.Shown), fields.Names(dialect.Beside), fields.Names(dialect.Given), slices.Collect(maps.Keys(create.Properties)), slices.Collect(maps.Keys(patch.Properties)), slices.Collect(maps.Keys(shows.Properties))) {
		if !named[name] {
			t.Errorf("%s is not in the list", name)
		}
	}
}

// The documents of grants and APIs, too.
func TestGrantAndAPIFieldsAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	doc, err := auth0api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		table *dialect.Table
		kept  []dialect.Kept
		not   []string
	}{
		"CreateClientGrantRequestContent":    {grantFields, []dialect.Kept{dialect.Sent, dialect.Beside}, nil},
		"UpdateClientGrantRequestContent":    {grantFields, []dialect.Kept{dialect.Sent}, nil},
		"ClientGrantResponseContent":         {grantFields, []dialect.Kept{dialect.Sent, dialect.Beside, dialect.Given}, nil},
		"CreateResourceServerRequestContent": {apiFields, []dialect.Kept{dialect.Sent, dialect.Beside}, nil},
		"UpdateResourceServerRequestContent": {apiFields, []dialect.Kept{dialect.Sent, dialect.Beside}, []string{"identifier"}},
		"ResourceServer":                     {apiFields, []dialect.Kept{dialect.Sent, dialect.Beside, dialect.Given}, nil},
	} {
		var want []string
		for _, kept := range test.kept {
			want = append(want, test.table.Names(kept)...)
		}
		want = slices.Sorted(slices.Values(slices.DeleteFunc(want, func(name string) bool { return slices.Contains(test.not, name) })))
		got := slices.Sorted(maps.Keys(doc.Components.Schemas[name].Value.Properties))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-table +specification):\n%s", name, diff)
		}
	}
}
