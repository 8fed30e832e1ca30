package auth0_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/servertest"
)

// What a member becomes by a change, besides a value: the change is refused,
// or the member is shown no more, or it stays as it was.
const (
	refused = "refused"
	gone    = ""
	stays   = "stays"
)

// part is a change that names one member of an object.
type part struct{ change, becomes string }

// objectRule says what a change makes of a member that is an object, JSON
// throughout. PEM stands for a public key, ID for a credential.
type objectRule struct {
	has   string // what it is before the change
	empty string // what {} makes of it
	null  string // what null makes of it
	named part   // one of its members is named
	none  part   // one of its members is named as null
}

// Every member that is an object has a line: what {}, null, a named member and
// a member named as null do to it. Recorded at Auth0 are {} of addons,
// client_metadata and oidc_logout; null of addons, client_authentication_methods,
// default_organization, fedcm_login, oidc_backchannel_logout, session_transfer,
// signed_request_object, token_quota, token_vault_privileged_access,
// token_encryption and proof_of_possession; named members of client_metadata,
// jwt_configuration, mobile, native_social_login, session_transfer and
// signed_request_object; null members of client_metadata and session_transfer.
// Its schemas refuse null, {} and null members where the word is "refused". The
// rest is Roster's choice, told in docs/divergences.md: a merge loses nothing.
var (
	objectsOfClients = map[string]objectRule{
		"addons": {
			`{"slack":{"team":"t"},"sentry":{"org_slug":"o","base_url":"b"}}`, `{}`, gone,
			part{`{"sentry":{"org_slug":"p"}}`, `{"slack":{"team":"t"},"sentry":{"org_slug":"p"}}`}, part{`{"slack":null}`, refused},
		},
		"anonymous_sessions": {`{"active":true}`, refused, gone, part{`{"active":false}`, `{"active":false}`}, part{`{"active":null}`, refused}},
		"b2b_integration_configuration": {
			`{"sso_profiles":["p"],"integration_type":"third_party"}`, `{}`, gone,
			part{`{"integration_type":"application"}`, `{"integration_type":"application"}`}, part{`{"integration_type":null}`, refused},
		},
		"client_authentication_methods": {
			`{"private_key_jwt":{"credentials":[{"credential_type":"public_key","pem":PEM}]}}`, refused, gone,
			part{`{"private_key_jwt":{"credentials":[]}}`, `{"private_key_jwt":{"credentials":[]}}`}, part{`{"private_key_jwt":null}`, refused},
		},
		"client_metadata": {
			`{"a":"1","b":"2"}`, `{}`, refused, part{`{"a":"3"}`, `{"a":"3","b":"2"}`}, part{`{"a":null}`, `{"b":"2"}`},
		},
		"default_organization": {
			`{"organization_id":"org_0123456789abcdef","flows":["client_credentials"]}`, refused, gone,
			part{`{"flows":[]}`, refused}, part{`{"organization_id":null,"flows":[]}`, refused},
		},
		"encryption_key": {
			`{"pub":"p","subject":"s"}`, `{}`, gone, part{`{"pub":"q"}`, `{"pub":"q"}`}, part{`{"pub":null}`, `{"pub":null}`},
		},
		"express_configuration": {
			express(`"d.example"`), refused, gone, part{`{"enable_client":false}`, refused}, part{express(`null`), refused},
		},
		"fedcm_login": {
			`{"google":{"is_enabled":true}}`, refused, gone, part{`{"google":{"is_enabled":false}}`, `{"google":{"is_enabled":false}}`}, part{`{"google":null}`, gone},
		},
		"identity_assertion_authorization_grant": {
			`{"active":true}`, refused, gone, part{`{"active":false}`, `{"active":false}`}, part{`{"active":null}`, refused},
		},
		"jwt_configuration": {
			`{"alg":"RS256","lifetime_in_seconds":7}`, stays, refused,
			part{`{"lifetime_in_seconds":8}`, `{"alg":"RS256","lifetime_in_seconds":8,"secret_encoded":false}`}, part{`{"alg":null}`, refused},
		},
		"mobile": {
			`{"android":{"app_package_name":"p"},"ios":{"team_id":"t","app_bundle_identifier":"b"}}`, stays, refused,
			part{`{"ios":{"team_id":"u"}}`, `{"android":{"app_package_name":"p"},"ios":{"team_id":"u"}}`}, part{`{"ios":null}`, refused},
		},
		"my_organization_configuration": {
			`{"allowed_strategies":["okta"],"connection_deletion_behavior":"allow"}`, refused, gone,
			part{`{"allowed_strategies":[]}`, refused}, part{`{"allowed_strategies":null,"connection_deletion_behavior":"allow"}`, refused},
		},
		"native_social_login": {
			`{"apple":{"enabled":true},"google":{"enabled":true}}`, refused, gone,
			part{`{"apple":{"enabled":false}}`, `{"apple":{"enabled":false},"google":{"enabled":true}}`}, part{`{"apple":null}`, `{"google":{"enabled":true}}`},
		},
		"oidc_backchannel_logout": {
			`{"backchannel_logout_urls":["https://a.example/"]}`, gone, gone,
			part{`{"backchannel_logout_urls":["https://b.example/"]}`, `{"backchannel_logout_urls":["https://b.example/"]}`}, part{`{"backchannel_logout_urls":null}`, refused},
		},
		"oidc_logout": {
			`{"backchannel_logout_urls":["https://a.example/"],"backchannel_logout_initiators":{"mode":"all"}}`, gone, refused,
			part{`{"backchannel_logout_urls":["https://b.example/"]}`, `{"backchannel_logout_urls":["https://b.example/"]}`}, part{`{"backchannel_logout_urls":null}`, refused},
		},
		"refresh_token": {
			`{"rotation_type":"rotating","expiration_type":"expiring","leeway":9}`, refused, gone,
			part{`{"leeway":1}`, refused}, part{`{"rotation_type":"rotating","expiration_type":null}`, refused},
		},
		"session_transfer": {
			`{"allow_refresh_token":true,"delegation":{"allow_delegated_access":true}}`, stays, gone,
			part{`{"allow_refresh_token":false}`, sessionTransfer(`"allow_refresh_token":false,"delegation":{"allow_delegated_access":true,"enforce_device_binding":"ip"}`)},
			part{`{"delegation":null}`, sessionTransfer(`"allow_refresh_token":true`)},
		},
		"signed_request_object": {
			`{"required":true,"credentials":[{"credential_type":"public_key","pem":PEM}]}`, stays, gone,
			part{`{"required":false}`, `{"required":false,"credentials":[{"id":ID}]}`}, part{`{"required":null}`, refused},
		},
		"token_exchange": {
			`{"allow_any_profile_of_type":["custom_authentication"]}`, `{}`, gone,
			part{`{"allow_any_profile_of_type":[]}`, `{"allow_any_profile_of_type":[]}`}, part{`{"allow_any_profile_of_type":null}`, refused},
		},
		"token_quota": {
			`{"client_credentials":{"enforce":true,"per_day":5}}`, refused, gone,
			part{`{"client_credentials":{"per_hour":1}}`, `{"client_credentials":{"per_hour":1}}`}, part{`{"client_credentials":null}`, refused},
		},
		"token_vault_privileged_access": {
			`{"credentials":[{"credential_type":"public_key","pem":PEM}],"ip_allowlist":["10.0.0.1"],"grants":[{"connection":"c","scopes":["s"]}]}`, refused, gone,
			part{`{"ip_allowlist":[]}`, refused}, part{`{"credentials":[],"ip_allowlist":[],"grants":null}`, refused},
		},
	}
	objectsOfAPIs = map[string]objectRule{
		"authorization_policy": {`{"policy_id":"p"}`, refused, gone, part{`{"policy_id":"q"}`, `{"policy_id":"q"}`}, part{`{"policy_id":null}`, refused}},
		"proof_of_possession": {
			`{"mechanism":"dpop","required":true}`, refused, gone, part{`{"required":false}`, refused}, part{`{"mechanism":null,"required":true}`, refused},
		},
		"subject_type_authorization": {
			`{"client":{"policy":"deny_all"},"user":{"policy":"deny_all"}}`, stays, refused,
			part{`{"client":{"policy":"require_client_grant"}}`, `{"client":{"policy":"require_client_grant"},"user":{"policy":"deny_all"}}`}, part{`{"client":null}`, refused},
		},
		"token_encryption": {
			`{"format":"compact-nested-jwe","encryption_key":{"alg":"RSA-OAEP-256","pem":PEM}}`, refused, gone,
			part{`{"format":"compact-nested-jwe"}`, refused}, part{`{"format":null}`, refused},
		},
	}
)

func express(domain string) string {
	return `{"initiate_login_uri_template":"https://a.example/{organization_name}","user_attribute_profile_id":"uap_0123456789abcdefghijkl",` +
		`"connection_profile_id":"cop_0123456789abcdefghijkl","enable_client":true,"enable_organization":true,"okta_oin_client_id":"abc","admin_login_domain":` + domain + `}`
}

func sessionTransfer(members string) string {
	return `{"can_create_session_transfer_token":false,"enforce_cascade_revocation":true,"allowed_authentication_methods":[],"enforce_device_binding":"ip","enforce_online_refresh_tokens":true,` + members + `}`
}

func TestEveryObjectHasARuleForItsChanges(t *testing.T) {
	t.Parallel()
	doc, err := auth0api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	for schema, lines := range map[string]map[string]objectRule{"UpdateClientRequestContent": objectsOfClients, "UpdateResourceServerRequestContent": objectsOfAPIs, "UpdateClientGrantRequestContent": nil} {
		var objects []string
		for name, ref := range doc.Components.Schemas[schema].Value.Properties {
			if ref.Value.Type.Is("object") {
				objects = append(objects, name)
			}
		}
		slices.Sort(objects)
		if diff := cmp.Diff(objects, slices.Sorted(maps.Keys(lines))); diff != "" {
			t.Errorf("%s: objects without a line, and lines without an object (-specification +table):\n%s", schema, diff)
		}
	}
}

func TestObjectsChangeByTheirRules(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	text := strings.NewReplacer("PEM", quote(publicKeyPEM(t, &credentialKeys[0]().PublicKey)), "ID", `"<cred_ and 22 letters and digits>"`)
	value := func(t *testing.T, text string) (v any) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return v
	}
	test := func(name string, line objectRule, create func() string) {
		for change, becomes := range map[string]string{`{}`: line.empty, `null`: line.null, line.named.change: line.named.becomes, line.none.change: line.none.becomes} {
			t.Run(name+"="+change, func(t *testing.T) {
				t.Parallel()
				s := s.In(t)
				path := create()
				shown := func() any { return mask(s.Do(s.Admin, "GET", path, nil).Want(http.StatusOK).Object()[name]) }
				before, sent := shown(), object{name: value(t, text.Replace(change))}
				if name == "client_authentication_methods" && change == "null" { // goes with a method alone
					sent["token_endpoint_auth_method"] = "client_secret_post"
				}
				r, want := s.Do(s.Admin, "PATCH", path, sent), before
				switch becomes {
				case refused:
					r.Want(http.StatusBadRequest)
				case gone:
					want = nil
				case stays:
				default:
					want = value(t, text.Replace(becomes))
				}
				if becomes != refused {
					if diff := cmp.Diff(want, mask(r.Want(http.StatusOK).Object()[name])); diff != "" {
						t.Errorf("the answer (-want +got):\n%s", diff)
					}
				}
				if diff := cmp.Diff(want, shown()); diff != "" {
					t.Errorf("as read (-want +got):\n%s", diff)
				}
			})
		}
	}
	for name, line := range objectsOfClients {
		has := value(t, text.Replace(line.has))
		test(name, line, func() string { return clientPath(newClient(s, object{"name": "a", name: has})) })
	}
	var made atomic.Int64
	for name, line := range objectsOfAPIs {
		has := value(t, text.Replace(line.has))
		test(name, line, func() string {
			body := object{"identifier": fmt.Sprintf("urn:%s:%d", name, made.Add(1)), name: has}
			return "/api/v2/resource-servers/" + s.Do(s.Admin, "POST", "/api/v2/resource-servers", body).Want(http.StatusCreated).Object()["id"].(string)
		})
	}
}
