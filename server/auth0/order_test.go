package auth0_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

// Answers show the same members in the same bytes, in the specification's
// order, whatever was sent and however it was merged.
func TestTheSameClientGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const fields = "?fields=name,callbacks,jwt_configuration,refresh_token,session_transfer,mobile,client_metadata,addons,oidc_logout"
	const want = `{"name":"é \u0026 b","callbacks":["https://a.example/"],` +
		`"jwt_configuration":{"alg":"RS256","lifetime_in_seconds":60,"secret_encoded":false,"scopes":{"a":{"x":1,"y":2},"b":1.5}},` +
		`"refresh_token":{"rotation_type":"rotating","expiration_type":"expiring","leeway":0,"token_lifetime":2592000,"infinite_token_lifetime":false,` +
		`"idle_token_lifetime":1296000,"infinite_idle_token_lifetime":false,"policies":[{"audience":"u","scope":["s"]}]},` +
		`"oidc_logout":{"backchannel_logout_urls":["https://a.example/"],"backchannel_logout_initiators":{"mode":"custom","selected_initiators":["rp-logout"]}},` +
		`"session_transfer":{"can_create_session_transfer_token":false,"allowed_authentication_methods":[],"enforce_device_binding":"ip","allow_refresh_token":false,` +
		`"enforce_online_refresh_tokens":true,"enforce_cascade_revocation":true,"delegation":{"allow_delegated_access":true,"enforce_device_binding":"ip"}},` +
		`"mobile":{"android":{"app_package_name":"p","sha256_cert_fingerprints":["AA"]},"ios":{"team_id":"t","app_bundle_identifier":"b"}},` +
		`"client_metadata":{"A":"1","a":"2","b":"\\\u2028"},` +
		`"addons":{"slack":{"team":"t"},"samlp":{"audience":"x","binding":"b","logout":{"callback":"c","slo_enabled":true},"zz":[{"c":1,"d":2}]}}}` + "\n"
	for how, bodies := range map[string][]string{
		"in order": {`{"name":"é & b","callbacks":["https://a.example/"],"jwt_configuration":{"alg":"RS256","lifetime_in_seconds":60,"secret_encoded":false,"scopes":{"a":{"x":1,"y":2},"b":1.5}},` +
			`"refresh_token":{"rotation_type":"rotating","expiration_type":"expiring","policies":[{"audience":"u","scope":["s"]}]},` +
			`"oidc_logout":{"backchannel_logout_urls":["https://a.example/"],"backchannel_logout_initiators":{"mode":"custom","selected_initiators":["rp-logout"]}},` +
			`"session_transfer":{"delegation":{"allow_delegated_access":true}},` +
			`"mobile":{"android":{"app_package_name":"p","sha256_cert_fingerprints":["AA"]},"ios":{"team_id":"t","app_bundle_identifier":"b"}},` +
			`"client_metadata":{"A":"1","a":"2","b":"\\\u2028"},` +
			`"addons":{"slack":{"team":"t"},"samlp":{"audience":"x","logout":{"callback":"c","slo_enabled":true},"binding":"b","zz":[{"c":1,"d":2}]}}}`},
		"out of order, spelled otherwise": {`{ "addons" : {"samlp":{"zz":[ {"d":2.0,"c":1} ],"binding":"\u0062","logout":{"slo_enabled":true,"callback":"c"},"audience":"x"},"slack":{"team":"t"}},` + "\n" +
			`"client_metadata":{"b":"\u005c\u2028","a":"2","A":"1"},"mobile":{"ios":{"app_bundle_identifier":"b","team_id":"t"},"android":{"sha256_cert_fingerprints":[ "AA" ],"app_package_name":"p"}},` +
			`"session_transfer":{"delegation":{"allow_delegated_access":true}},"refresh_token":{"policies":[{"scope":["s"],"audience":"u"}],"expiration_type":"expiring","rotation_type":"rotating"},` +
			`"oidc_logout":{"backchannel_logout_initiators":{"selected_initiators":["rp-logout"],"mode":"custom"},"backchannel_logout_urls":["https:\/\/a.example\/"]},` +
			`"jwt_configuration":{"scopes":{"b":15e-1,"a":{"y":2,"x":1.0}},"secret_encoded":false,"lifetime_in_seconds":6e1,"alg":"RS256"},"callbacks":["https:\/\/a.example\/"],"name":"\u00e9 \u0026 b"}`},
		"merged": {`{"name":"x"}`, `{"jwt_configuration":{"scopes":{"b":1.5,"a":{"y":2,"x":1}}},"mobile":{"ios":{"app_bundle_identifier":"b","team_id":"t"}},"client_metadata":{"b":"\\\u2028"},"addons":{"slack":{"team":"t"}}}`,
			`{"jwt_configuration":{"lifetime_in_seconds":60,"alg":"RS256"},"client_metadata":{"a":"2","A":"0"},"session_transfer":{"delegation":{"enforce_device_binding":"ip","allow_delegated_access":true}}}`,
			`{"name":"é & b","addons":{"samlp":{"zz":[{"d":2,"c":1}],"audience":"x","logout":{"slo_enabled":true,"callback":"c"},"binding":"b"}},"client_metadata":{"A":"1"},"callbacks":["https://a.example/"],` +
				`"mobile":{"android":{"sha256_cert_fingerprints":["AA"],"app_package_name":"p"}},"refresh_token":{"policies":[{"scope":["s"],"audience":"u"}],"expiration_type":"expiring","rotation_type":"rotating"},` +
				`"oidc_backchannel_logout":{"backchannel_logout_initiators":{"selected_initiators":["rp-logout"],"mode":"custom"},"backchannel_logout_urls":["https://a.example/"]}}`},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			answer := s.Do(s.Admin, "POST", "/api/v2/clients", bodies[0]).Want(http.StatusCreated)
			path := clientPath(answer.Object()["client_id"].(string))
			for _, body := range bodies[1:] {
				answer = s.Do(s.Admin, "PATCH", path, body).Want(http.StatusOK)
			}
			if diff := cmp.Diff(want, string(s.Do(s.Admin, "GET", path+fields, nil).Want(http.StatusOK).Body)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var members map[string]json.RawMessage
			if err := json.Unmarshal([]byte(want), &members); err != nil {
				t.Fatal(err)
			}
			for name, value := range members {
				if !strings.Contains(string(answer.Body), `"`+name+`":`+string(value)) {
					t.Errorf("the answer to the last change shows %s otherwise: %v", name, answer.Object()[name])
				}
			}
		})
	}
}
