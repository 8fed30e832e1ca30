package auth0_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

var update = flag.Bool("update", false, "rewrite testdata from what the service answers")

// step is a request. {client} in the path stands for the client that the first
// step made.
type step struct {
	request string // method and path
	body    string // JSON; "" for none
}

// exchange is a recorded step.
type exchange struct {
	Request  string `json:"request"`
	Body     any    `json:"body,omitempty"`
	Status   int    `json:"status"`
	Response any    `json:"response,omitempty"`
}

// volatile values are masked by their shape, so that a wrong shape shows.
var volatile = []struct {
	shape *regexp.Regexp
	mask  string
}{
	{regexp.MustCompile(`^[A-Za-z0-9]{32}$`), "<32 letters and digits>"},
	{regexp.MustCompile(`^tpc_[A-Za-z0-9]{22}$`), "<tpc_ and 22 letters and digits>"},
	{regexp.MustCompile(`^[A-Za-z0-9_-]{64}$`), "<64 letters, digits, - and _>"},
	{regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`), "<SHA-256>"},
	{regexp.MustCompile(`(?s)^-----BEGIN PUBLIC KEY-----`), "<public key>"},
	{regexp.MustCompile(`^cred_[A-Za-z0-9]{22}$`), "<cred_ and 22 letters and digits>"},
	{regexp.MustCompile(`^cgr_[A-Za-z0-9]{16}$`), "<cgr_ and 16 letters and digits>"},
	{regexp.MustCompile(`^[0-9a-f]{24}$`), "<24 hexadecimal digits>"},
	{regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`), "<time>"},
	{regexp.MustCompile(`(?s)^-----BEGIN CERTIFICATE-----\r\n.*-----END CERTIFICATE-----\r\n$`), "<certificate>"},
	{regexp.MustCompile(`(?s)^-----BEGIN RSA PRIVATE KEY-----\r\n.*-----END RSA PRIVATE KEY-----\r\n$`), "<private key>"},
	{regexp.MustCompile(`(?s)^-----BEGIN PKCS7-----\r\n.*-----END PKCS7-----\r\n$`), "<PKCS #7>"},
}

func mask(v any) any {
	switch v := v.(type) {
	case string:
		for _, one := range volatile {
			if one.shape.MatchString(v) {
				return one.mask
			}
		}
	case []any:
		for i := range v {
			v[i] = mask(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = mask(v[name])
		}
	}
	return v
}

// record sends the steps and compares what comes back with testdata/NAME.json.
func record(t *testing.T, s *servertest.Server, name string, steps ...step) {
	t.Helper()
	var got []exchange
	client := ""
	for _, one := range steps {
		method, path, _ := strings.Cut(one.request, " ")
		e := exchange{Request: one.request}
		var body any
		if one.body != "" {
			body = one.body
			if err := json.Unmarshal([]byte(one.body), &e.Body); err != nil {
				t.Fatal(err)
			}
			e.Body = mask(e.Body)
		}
		r := s.Do(s.Admin, method, strings.ReplaceAll(path, "{client}", client), body)
		e.Status = r.Status
		if len(r.Body) > 0 {
			r.Decode(&e.Response)
		}
		if object, ok := e.Response.(map[string]any); ok && client == "" && r.Status == http.StatusCreated {
			client, _ = object["client_id"].(string)
		}
		e.Response = mask(e.Response)
		got = append(got, e)
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(got); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", strings.NewReplacer(" ", "-", "/", "-").Replace(name)+".json")
	if *update {
		if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// create is the first step of most exchanges.
func create(body string) step { return step{"POST /api/v2/clients", body} }

// change is a PATCH of the client that was made first.
func change(body string) step { return step{"PATCH /api/v2/clients/{client}", body} }

// read shows members of that client.
func read(fields string) step { return step{"GET /api/v2/clients/{client}?fields=" + fields, ""} }

// What a client becomes depends on how it authenticates, on whose it is and on
// two kinds of application.
func TestCreateFillsInDefaults(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", `{"identifier":"https://api.example/","name":"api"}`).Want(http.StatusCreated)
	key := publicKeyPEM(t, &credentialKeys[0]().PublicKey)
	for name, steps := range map[string][]step{
		"create name only": {create(`{"name":"x"}`)},
		"create app_type changes nothing else": {
			create(`{"name":"x","app_type":"native"}`), create(`{"name":"x","app_type":"spa"}`), create(`{"name":"x","app_type":"regular_web"}`),
			create(`{"name":"x","app_type":"non_interactive"}`), create(`{"name":"x","app_type":"sso_integration","addons":{"sso_integration":{"name":"n"}}}`),
		},
		"create client_secret_post":          {create(`{"name":"x","app_type":"regular_web","token_endpoint_auth_method":"client_secret_post"}`)},
		"create client_secret_basic":         {create(`{"name":"x","app_type":"non_interactive","token_endpoint_auth_method":"client_secret_basic"}`)},
		"create without authentication":      {create(`{"name":"x","app_type":"spa","token_endpoint_auth_method":"none"}`)},
		"create with jwt_configuration":      {create(`{"name":"x","jwt_configuration":{"alg":"RS256"}}`), create(`{"name":"x","jwt_configuration":{"lifetime_in_seconds":60,"scopes":{"foo":"bar"}}}`), create(`{"name":"x","jwt_configuration":{}}`)},
		"create third party permissive":      {create(`{"name":"x","is_first_party":false,"token_endpoint_auth_method":"none"}`)},
		"create third party strict":          {create(`{"name":"x","is_first_party":false,"third_party_security_mode":"strict","token_endpoint_auth_method":"client_secret_post"}`)},
		"create third party strict public":   {create(`{"name":"x","is_first_party":false,"third_party_security_mode":"strict","token_endpoint_auth_method":"none"}`)},
		"create for a resource server":       {create(`{"name":"x","app_type":"resource_server","resource_server_identifier":"https://api.example/"}`), {"GET /api/v2/resource-servers/https:%2F%2Fapi.example%2F", ""}},
		"create express configuration":       {create(`{"name":"x","app_type":"express_configuration"}`), {"GET /api/v2/clients/{client}", ""}, create(`{"name":"x","app_type":"express_configuration","organization_usage":"allow","callbacks":[]}`), create(`{"name":"x","app_type":"express_configuration","token_endpoint_auth_method":"client_secret_post"}`)},
		"create with newer members":          {create(`{"name":"x","anonymous_sessions":{"active":true},"b2b_integration_configuration":{"sso_profiles":["sso"],"integration_type":"third_party"},"my_organization_configuration":{"allowed_strategies":["okta"],"connection_deletion_behavior":"allow","third_party_client_access":{"default_value":"block","allowed_values":["allow","block"]}}}`), change(`{"b2b_integration_configuration":{"integration_type":"custom_auth_server"},"anonymous_sessions":null}`), change(`{"b2b_integration_configuration":null,"my_organization_configuration":{"allowed_strategies":[],"connection_deletion_behavior":"allow"}}`)},
		"create completes refresh_token":     {create(`{"name":"x","refresh_token":{"rotation_type":"non-rotating","expiration_type":"non-expiring"}}`), create(`{"name":"x","refresh_token":{"rotation_type":"rotating","expiration_type":"expiring","leeway":5,"policies":[{"audience":"https://api.example/","scope":["a"]}]}}`)},
		"create completes session_transfer":  {create(`{"name":"x","session_transfer":{"delegation":{"allow_delegated_access":true}}}`), create(`{"name":"x","session_transfer":{"can_create_session_transfer_token":true,"allowed_authentication_methods":["cookie","query"]}}`)},
		"create shows both names of aliases": {create(`{"name":"x","oidc_logout":{"backchannel_logout_urls":["https://x.example/out"],"backchannel_logout_initiators":{"mode":"all"}},"cross_origin_auth":true}`), create(`{"name":"x","oidc_backchannel_logout":{"backchannel_logout_urls":["https://x.example/out"]}}`)},
		"create with own secret":             {create(`{"name":"x","client_secret":"my own secret"}`)},
		"create keeps what defaults do not":  {create(`{"name":"x","grant_types":[],"oidc_conformant":true,"custom_login_page_on":false,"initiate_login_uri":"","description":"","callbacks":[],"client_metadata":{}}`)},
		"create with keys":                   {create(`{"name":"x","jwt_configuration":{"alg":"RS256"},"client_authentication_methods":{"private_key_jwt":{"credentials":[{"credential_type":"public_key","name":"k","pem":` + quote(key) + `}]}}}`), {"GET /api/v2/clients/{client}", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record(t, s, name, steps...)
		})
	}
}

// The same client differs between the operations that show it.
func TestEachOperationShowsAClientItsWay(t *testing.T) {
	t.Parallel()
	record(t, servertest.New(t), "operations", create(`{"name":"x"}`), step{"GET /api/v2/clients/{client}", ""}, change(`{"name":"y"}`),
		step{"POST /api/v2/clients/{client}/rotate-secret", ""}, step{"GET /api/v2/clients?include_totals=true", ""})
}

func quote(text string) string {
	raw, _ := json.Marshal(text)
	return string(raw)
}

// How a change treats each member (what it does to arrays of credentials is
// tested with the credentials).
func TestPatchMergesMemberByMember(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const org = "org_0123456789abcdef"
	for name, steps := range map[string][]step{
		"patch replaces scalars": {
			create(`{"name":"a","description":"b","sso":true,"is_first_party":true,"app_type":"spa","token_endpoint_auth_method":"client_secret_post"}`),
			change(`{"name":"c","description":"","sso":false,"app_type":"native","oidc_conformant":true,"sso_disabled":true,"custom_login_page_on":false,"is_token_endpoint_ip_header_trusted":true,"require_pushed_authorization_requests":true,"require_proof_of_possession":true,"redirection_policy":"allow_always"}`),
			read("name,description,sso,app_type,oidc_conformant,grant_types,refresh_token"),
		},
		"patch replaces arrays": {
			create(`{"name":"a","callbacks":["https://a.example/1","https://a.example/2"],"grant_types":["implicit"],"client_aliases":["alias-a"],"allowed_clients":["x"],"web_origins":["https://a.example"],"allowed_origins":["https://a.example"],"allowed_logout_urls":["https://a.example/bye"]}`),
			change(`{"callbacks":["https://a.example/3"],"grant_types":[],"client_aliases":[],"allowed_clients":["y","z"],"web_origins":[],"allowed_origins":["https://b.example"],"allowed_logout_urls":["https://b.example/bye"]}`),
			read("callbacks,grant_types,client_aliases,allowed_clients,web_origins,allowed_origins,allowed_logout_urls"),
		},
		"patch replaces objects": {
			create(`{"name":"a","default_organization":{"organization_id":"` + org + `","flows":["client_credentials"]},"token_quota":{"client_credentials":{"enforce":true,"per_day":5}},"my_organization_configuration":{"allowed_strategies":["okta"],"connection_deletion_behavior":"allow"},"oidc_logout":{"backchannel_logout_urls":["https://a.example/out"],"backchannel_logout_initiators":{"mode":"custom","selected_initiators":["rp-logout"]}},"fedcm_login":{"google":{"is_enabled":true}},"refresh_token":{"rotation_type":"rotating","expiration_type":"expiring","leeway":9},"token_exchange":{"allow_any_profile_of_type":["custom_authentication"]}}`),
			change(`{"token_quota":{"client_credentials":{"per_hour":1}},"my_organization_configuration":{"allowed_strategies":["adfs"],"connection_deletion_behavior":"allow_if_empty"},"oidc_logout":{"backchannel_logout_urls":["https://b.example/out"]},"fedcm_login":{"google":{"is_enabled":false}},"refresh_token":{"rotation_type":"non-rotating","expiration_type":"non-expiring"},"token_exchange":{}}`),
			read("default_organization,token_quota,my_organization_configuration,oidc_logout,oidc_backchannel_logout,fedcm_login,refresh_token,token_exchange"),
		},
		"patch merges jwt_configuration": {create(`{"name":"a"}`), change(`{"jwt_configuration":{"alg":"RS256"}}`), change(`{"jwt_configuration":{"scopes":{"a":"b"}}}`), change(`{"jwt_configuration":{"scopes":{"c":"d"},"lifetime_in_seconds":7}}`), read("jwt_configuration")},
		"patch merges mobile": {
			create(`{"name":"a","mobile":{"android":{"app_package_name":"p","sha256_cert_fingerprints":["AA"]}}}`),
			change(`{"mobile":{"ios":{"team_id":"t"}}}`), change(`{"mobile":{"android":{"app_package_name":"q"}}}`), read("mobile"),
		},
		"patch merges native_social_login": {
			create(`{"name":"a","native_social_login":{"apple":{"enabled":true},"facebook":{"enabled":true}}}`),
			change(`{"native_social_login":{"google":{"enabled":true},"apple":{"enabled":false}}}`), change(`{"native_social_login":{"apple":null}}`), read("native_social_login"),
			change(`{"native_social_login":{"google":null,"facebook":null}}`), read("native_social_login"),
		},
		"patch merges session_transfer": {
			create(`{"name":"a"}`), change(`{"session_transfer":{"can_create_session_transfer_token":true,"delegation":{"allow_delegated_access":true}}}`),
			change(`{"session_transfer":{"enforce_device_binding":"asn"}}`), change(`{"session_transfer":{"delegation":null}}`), read("session_transfer"), change(`{"session_transfer":null}`), read("session_transfer"),
		},
		"patch merges addons": {
			create(`{"name":"a","addons":{"sentry":{"org_slug":"o","base_url":"u"},"slack":{"team":"t"},"samlp":{"logout":{"callback":"https://x.example"},"binding":"b"}}}`),
			change(`{"addons":{"sentry":{},"wsfed":{},"slack":{"team":"u"}}}`), read("addons"), change(`{"addons":{}}`), read("addons"),
			change(`{"addons":{"wsfed":{}}}`), change(`{"addons":null}`), read("addons"),
		},
		"patch merges signed_request_object": {create(`{"name":"a","signed_request_object":{"required":true}}`), change(`{"signed_request_object":{"credentials":[]}}`), change(`{"signed_request_object":{"required":false}}`), change(`{"signed_request_object":null}`), read("signed_request_object")},
		"patch merges client_metadata by key": {
			create(`{"name":"a","client_metadata":{"a":"1","b":"2","c":"3"}}`), change(`{"client_metadata":{"a":null,"b":"two","d":"4"}}`), read("client_metadata"),
			change(`{"client_metadata":{"b":null,"c":null,"d":null}}`), read("client_metadata"), change(`{"client_metadata":{"e":"5"}}`), change(`{"client_metadata":{}}`), read("client_metadata"),
		},
		"patch null removes": {
			create(`{"name":"a","addons":{"wsfed":{}},"session_transfer":{},"default_organization":{"organization_id":"` + org + `","flows":[]},"token_quota":{"client_credentials":{"enforce":true}},"skip_non_verifiable_callback_uri_confirmation_prompt":true,"organization_discovery_methods":["email"],"organization_usage":"require","organization_require_behavior":"pre_login_prompt","async_approval_notification_channels":["email"],"fedcm_login":{"google":{"is_enabled":true}},"identity_assertion_authorization_grant":{"active":true},"signed_request_object":{"required":true},"oidc_logout":{"backchannel_logout_urls":["https://a.example/out"]},"cross_origin_loc":"https://a.example","encryption_key":{"pub":"p"},"token_exchange":{},"native_social_login":{"apple":{"enabled":true}},"par_request_expiry":60,"compliance_level":"none","my_organization_configuration":{"allowed_strategies":["okta"],"connection_deletion_behavior":"allow"},"token_vault_privileged_access":{"credentials":[],"ip_allowlist":["10.0.0.1"],"grants":[{"connection":"c","scopes":["s"]}]}}`),
			change(`{"addons":null,"session_transfer":null,"default_organization":null,"token_quota":null,"skip_non_verifiable_callback_uri_confirmation_prompt":null,"organization_discovery_methods":null,"organization_usage":null,"organization_require_behavior":null,"async_approval_notification_channels":null,"fedcm_login":null,"identity_assertion_authorization_grant":null,"signed_request_object":null,"oidc_backchannel_logout":null,"cross_origin_loc":null,"encryption_key":null,"token_exchange":null,"native_social_login":null,"par_request_expiry":null,"compliance_level":null,"my_organization_configuration":null,"token_vault_privileged_access":null,"refresh_token":null,"express_configuration":null}`),
			{"GET /api/v2/clients/{client}", ""},
		},
		"patch oidc_logout by either name": {
			create(`{"name":"a","oidc_logout":{"backchannel_logout_urls":["https://a.example/out"],"backchannel_logout_initiators":{"mode":"all"}}}`),
			change(`{"oidc_backchannel_logout":{"backchannel_logout_urls":["https://b.example/out"]}}`), read("oidc_logout,oidc_backchannel_logout"),
			change(`{"oidc_logout":{"backchannel_logout_urls":["https://c.example/out"]},"oidc_backchannel_logout":{"backchannel_logout_urls":["https://d.example/out"]}}`), read("oidc_logout,oidc_backchannel_logout"),
			change(`{"oidc_logout":{}}`), read("oidc_logout,oidc_backchannel_logout"),
		},
		"patch empty strings": {
			create(`{"name":"a","initiate_login_uri":"https://a.example/login","logo_uri":"https://a.example/logo","description":"d","custom_login_page":"p","form_template":"f","custom_login_page_preview":"v"}`),
			change(`{"initiate_login_uri":"","logo_uri":"","description":"","custom_login_page":"","form_template":"","custom_login_page_preview":""}`),
			read("initiate_login_uri,logo_uri,description,custom_login_page,form_template,custom_login_page_preview"),
		},
		"patch recomputes no defaults": {create(`{"name":"a","token_endpoint_auth_method":"client_secret_post"}`), change(`{"grant_types":["authorization_code"],"token_endpoint_auth_method":"none","app_type":"spa"}`), read("grant_types,refresh_token,token_endpoint_auth_method,app_type")},
		"patch keeps the security mode": {
			create(`{"name":"a","is_first_party":false,"third_party_security_mode":"strict"}`), change(`{"third_party_security_mode":"strict"}`), change(`{"third_party_security_mode":"permissive"}`), change(`{"is_first_party":true}`), change(`{"is_first_party":false}`),
		},
		"patch cannot give a first party client a security mode": {create(`{"name":"a"}`), change(`{"third_party_security_mode":"permissive"}`), read("third_party_security_mode")},
		"patch of a secret": {create(`{"name":"a"}`), change(`{"client_secret":"chosen"}`), read("client_secret"), {"POST /api/v2/clients/{client}/rotate-secret", ""}},
		"patch rejects what cannot be set": {
			create(`{"name":"a"}`), change(`{"signing_keys":[]}`), change(`{"tenant":"t"}`), change(`{"global":true}`), change(`{"callback_url_template":true}`), change(`{"external_client_id":"https://x.example/"}`), change(`{"external_metadata_type":"cimd"}`),
			change(`{"jwks_uri":"https://x.example/"}`), change(`{"resource_server_identifier":"x"}`), change(`{"client_id":"x"}`), change(`{"owners":[]}`), change(`{"encrypted":true}`), change(`{"config_route":1,"api_type":1,"custom_login_page_off":1,"custom_login_page_codeview":1}`),
		},
		"patch must leave a way to authenticate": {
			create(`{"name":"a","token_endpoint_auth_method":"client_secret_post"}`), change(`{"token_endpoint_auth_method":null}`), change(`{"token_endpoint_auth_method":null,"client_authentication_methods":null}`),
			change(`{"token_endpoint_auth_method":"none"}`), change(`{"client_authentication_methods":{"private_key_jwt":{"credentials":[]}}}`), read("token_endpoint_auth_method"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record(t, s, name, steps...)
		})
	}
}
