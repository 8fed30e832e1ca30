package auth0_test

import (
	"net/http"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

// Values that Auth0's schema takes and the service refuses, as its documents and
// quoted answers say, and what is next to them.
func TestLimitsThatNoSchemaStates(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	key := object{"credentials": []object{{"credential_type": "public_key", "pem": publicKeyPEM(t, &credentialKeys[0]().PublicKey)}}}
	subject := object{"credentials": []object{{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"}}}
	refresh := func(rotation, expiration string, members object) object {
		whole := object{"rotation_type": rotation, "expiration_type": expiration}
		for name, value := range members {
			whole[name] = value
		}
		return whole
	}
	urls := func(list ...string) object { return object{"backchannel_logout_urls": append([]string{}, list...)} }
	const (
		lifetime    = "jwt_configuration must have a lifetime_in_seconds of 0 to 157788000"
		rotates     = "refresh_token must have the expiration_type expiring where tokens rotate"
		oneURL      = "oidc_logout must have at most one address in backchannel_logout_urls"
		strictGrant = "grant_types must be authorization_code, refresh_token or client_credentials for a strict third-party client"
		strictType  = "app_type must be regular_web, spa, native or non_interactive for a strict third-party client"
		strictAlg   = "jwt_configuration must have the alg RS256 for a strict third-party client"
		strictKeys  = "client_authentication_methods must be private_key_jwt for a strict third-party client"
		strictToken = "refresh_token must expire for a strict third-party client, also without use"
	)
	for name, test := range map[string]struct {
		body    object
		message string // "" for a body that is taken
		strict  string // the same of a strict third-party client
	}{
		"a word that is no grant type":  {object{"grant_types": []string{"implicit", "passwordless_otp", "client_credential"}}, "Invalid grant types: passwordless_otp,client_credential", "Invalid grant types: passwordless_otp,client_credential"},
		"a grant type of an extension":  {object{"grant_types": []string{"urn:example:new"}}, "", strictGrant},
		"grant types of every kind":     {object{"grant_types": []string{"authorization_code", "implicit", "refresh_token", "client_credentials", "password", "http://auth0.com/oauth/grant-type/mfa-otp"}}, "", strictGrant},
		"grant types for third parties": {object{"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"}}, "", ""},
		"a negative lifetime":           {object{"jwt_configuration": object{"lifetime_in_seconds": -1}}, lifetime, lifetime},
		"no lifetime":                   {object{"jwt_configuration": object{"lifetime_in_seconds": 0}}, "", ""},
		"five years":                    {object{"jwt_configuration": object{"lifetime_in_seconds": 157788000}}, "", ""},
		"ages":                          {object{"jwt_configuration": object{"lifetime_in_seconds": 99999999999}}, lifetime, lifetime},
		"rotating for ever":             {object{"refresh_token": refresh("rotating", "non-expiring", nil)}, rotates, rotates},
		"rotating":                      {object{"refresh_token": refresh("rotating", "expiring", nil)}, "", ""},
		"never expiring":                {object{"refresh_token": refresh("non-rotating", "non-expiring", nil)}, "", strictToken},
		"idle for ever":                 {object{"refresh_token": refresh("non-rotating", "expiring", object{"infinite_idle_token_lifetime": true})}, "", strictToken},
		"two logout addresses":          {object{"oidc_logout": urls("https://a.example/", "https://b.example/")}, oneURL, oneURL},
		"two by the older name":         {object{"oidc_backchannel_logout": urls("https://a.example/", "https://b.example/")}, oneURL, oneURL},
		"one logout address":            {object{"oidc_logout": urls("https://a.example/")}, "", ""},
		"no logout address":             {object{"oidc_logout": urls()}, "", ""},
		"another kind of application":   {object{"app_type": "sso_integration"}, "", strictType},
		"an application":                {object{"app_type": "spa"}, "", ""},
		"another algorithm":             {object{"jwt_configuration": object{"alg": "HS256"}}, "", strictAlg},
		"keys":                          {object{"client_authentication_methods": object{"private_key_jwt": key}}, "", ""},
		"mutual TLS":                    {object{"client_authentication_methods": object{"tls_client_auth": subject}}, "", strictKeys},
	} {
		for kind, want := range map[string]string{"": test.message, " of a strict third party": test.strict} {
			t.Run(name+kind, func(t *testing.T) {
				t.Parallel()
				s := s.In(t)
				client := object{"name": "x"}
				if kind != "" {
					client["is_first_party"], client["third_party_security_mode"] = false, "strict"
				}
				id := newClient(s, client)
				answers := map[string]servertest.Response{}
				if test.body["client_authentication_methods"] == nil { // whose changes take credentials that are there
					answers["PATCH"] = s.Do(s.Admin, "PATCH", clientPath(id), test.body)
				}
				for member, value := range test.body {
					client[member] = value
				}
				answers["POST"] = s.Do(s.Admin, "POST", "/api/v2/clients", client)
				for method, r := range answers {
					if want == "" {
						r.Want(map[string]int{"PATCH": http.StatusOK, "POST": http.StatusCreated}[method])
					} else {
						wantFailure(t, r, http.StatusBadRequest, "invalid_body", want)
					}
				}
			})
		}
	}
}

// A grant type that another dialect gave a client stays when it is sent back.
func TestGrantTypesOfOtherDialectsMayStay(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	record := object{"client_id": "hydra-1", "client_name": "h", "grant_types": []string{"authorization_code", "custom_word"}}
	s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": "hydra", "records": []object{record}}).Want(http.StatusOK)
	shown := s.Do(s.Admin, "GET", clientPath("hydra-1"), nil).Want(http.StatusOK).Object()["grant_types"]
	s.Do(s.Admin, "PATCH", clientPath("hydra-1"), object{"grant_types": shown, "name": "i"}).Want(http.StatusOK)
	wantFailure(t, s.Do(s.Admin, "PATCH", clientPath("hydra-1"), object{"grant_types": []string{"custom_word", "other_word"}}), http.StatusBadRequest, "invalid_body", "Invalid grant types: other_word")
}

// A blank ends a scope in a token: what was granted as one would be two others.
func TestScopesHaveNoBlanks(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	api := newAPI(s, apiIdentifier)
	const ofAPI, ofGrant = "scopes must not have a value with blanks, which separate values in a token", "scope must not have a value with blanks, which separate values in a token"
	values := func(list ...string) object {
		scopes := []object{}
		for _, one := range list {
			scopes = append(scopes, object{"value": one})
		}
		return object{"scopes": scopes}
	}
	path := "/api/v2/resource-servers/" + api["id"].(string)
	for _, blank := range []string{"a b", " a", "a\t", "a\u00a0b"} {
		wantFailure(t, s.Do(s.Admin, "PATCH", path, values("a", blank)), http.StatusBadRequest, "invalid_body", ofAPI)
		wantFailure(t, s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": newClient(s, nil), "audience": apiIdentifier, "scope": []string{blank}}), http.StatusBadRequest, "invalid_body", ofGrant)
	}
	body := values("a b")
	body["identifier"] = "urn:other"
	wantFailure(t, s.Do(s.Admin, "POST", "/api/v2/resource-servers", body), http.StatusBadRequest, "invalid_body", ofAPI)
	grant := s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": newClient(s, nil), "audience": apiIdentifier, "scope": []string{"a"}}).Want(http.StatusCreated).Object()["id"].(string)
	wantFailure(t, s.Do(s.Admin, "PATCH", "/api/v2/client-grants/"+grant, object{"scope": []string{"a b"}}), http.StatusBadRequest, "invalid_body", ofGrant)

	record := values("old one", "a")
	record["identifier"] = "urn:imported"
	s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": "auth0", "records": []object{record}}).Want(http.StatusOK)
	s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/urn:imported", values("old one", "b")).Want(http.StatusOK) // there already
}

func TestThirdPartiesGetNoGrantOnTheManagementAPI(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	newAPI(s, apiIdentifier)
	const refusal = "Third-party applications cannot be granted access to system APIs."
	strict := newClient(s, object{"is_first_party": false, "third_party_security_mode": "strict"})
	management := s.URL + "/api/v2/"
	for _, audience := range []string{management, s.URL + "/api/v2"} {
		wantFailure(t, s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": strict, "audience": audience, "scope": []string{}}), http.StatusBadRequest, "validation_error", refusal)
		wantFailure(t, s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"default_for": "third_party_clients", "audience": audience, "scope": []string{}}), http.StatusBadRequest, "validation_error", refusal)
	}
	s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": strict, "audience": apiIdentifier, "scope": []string{"a"}}).Want(http.StatusCreated)
	s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": newClient(s, object{"is_first_party": false}), "audience": management, "scope": []string{}}).Want(http.StatusCreated)
}
