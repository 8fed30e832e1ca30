package auth0_test

import (
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

func TestClosedObjectsRefuseStrangers(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const pem = "-----BEGIN PUBLIC KEY-----\\nx\\n-----END PUBLIC KEY-----"
	for name, body := range map[string]string{
		"public key":      `{"name":"x","client_authentication_methods":{"private_key_jwt":{"credentials":[{"credential_type":"public_key","pem":"` + pem + `","expire_at":"2027-01-01T00:00:00Z"}]}}}`,
		"certificate":     `{"name":"x","client_authentication_methods":{"self_signed_tls_client_auth":{"credentials":[{"credential_type":"x509_cert","pem":"` + pem + `","zzz":1}]}}}`,
		"subject":         `{"name":"x","client_authentication_methods":{"tls_client_auth":{"credentials":[{"credential_type":"cert_subject_dn","subject_dn":"CN=x","zzz":1}]}}}`,
		"request object":  `{"name":"x","signed_request_object":{"credentials":[{"credential_type":"public_key","pem":"` + pem + `","zzz":1}]}}`,
		"policies":        `{"name":"x","refresh_token":{"rotation_type":"rotating","expiration_type":"expiring","policies":[{"audience":"a","scope":["s"],"zzz":1}]}}`,
		"assertion grant": `{"name":"x","identity_assertion_authorization_grant":{"active":true,"zzz":1}}`,
		"scope":           `{"identifier":"https://a","scopes":[{"value":"a","zzz":1}]}`,
		"encryption":      `{"identifier":"https://a","token_encryption":{"format":"compact-nested-jwe","zzz":1,"encryption_key":{"alg":"RSA-OAEP-256","pem":"x"}}}`,
		"encryption key":  `{"identifier":"https://a","token_encryption":{"format":"compact-nested-jwe","encryption_key":{"alg":"RSA-OAEP-256","pem":"x","zzz":1}}}`,
		"possession":      `{"identifier":"https://a","proof_of_possession":{"mechanism":"mtls","required":true,"zzz":1}}`,
		"subjects":        `{"identifier":"https://a","subject_type_authorization":{"clients":{"policy":"deny_all"}}}`,
		"policy":          `{"identifier":"https://a","authorization_policy":{"policy_id":"x","zzz":1}}`,
		"policy's id":     `{"identifier":"https://a","authorization_policy":{}}`,
		"kid":             `{"identifier":"https://a","token_encryption":{"format":"compact-nested-jwe","encryption_key":{"alg":"RSA-OAEP-256","pem":"x","kid":""}}}`,
	} {
		path := "/api/v2/clients"
		if strings.Contains(body, "identifier") {
			path = "/api/v2/resource-servers"
		}
		if r := s.Do(s.Admin, "POST", path, body); r.Status != 400 || name != "policy's id" && name != "kid" && !strings.Contains(string(r.Body), "Additional properties not allowed") && !strings.Contains(string(r.Body), "Data does not match") {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
}

// Strangers that earlier releases took are not shown, and hinder no other change.
func TestStoredStrangersAreNotShown(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := s.Do(s.Admin, "POST", "/api/v2/resource-servers", `{"identifier":"https://a","scopes":[{"value":"a"}]}`).Want(201).Object()["id"].(string)
	if _, err := s.Pool.Exec(t.Context(), `UPDATE resource_servers SET document = (document::jsonb || '{
		"scopes":[{"zzz":1,"value":"a"},{"value":"b","yyy":{}}],"authorization_policy":{"zzz":1},
		"token_encryption":{"zzz":1,"format":"compact-nested-jwe","encryption_key":{"alg":"RSA-OAEP-256","pem":"garbage","zzz":1}},
		"proof_of_possession":{"mechanism":"mtls","required":true,"zzz":1}}')::json WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}
	const path = "/api/v2/resource-servers"
	for _, r := range []servertest.Response{
		s.Do(s.Admin, "GET", path+"/"+id, nil).Want(200), s.Do(s.Admin, "PATCH", path+"/"+id, `{"name":"n"}`).Want(200), s.Do(s.Admin, "GET", path, nil).Want(200),
	} {
		if text := string(r.Body); strings.Contains(text, "zzz") || strings.Contains(text, "yyy") || strings.Contains(text, "garbage") || !strings.Contains(text, `{"value":"a"},{"value":"b"}`) {
			t.Errorf("%s", text)
		}
	}
}

func TestNothingButAPolicyUndoesDenyAll(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := s.Do(s.Admin, "POST", "/api/v2/resource-servers", `{"identifier":"https://a","subject_type_authorization":{"client":{"policy":"deny_all"}}}`).Want(201).Object()["id"].(string)
	policy := func() any {
		api := s.Do(s.Admin, "GET", "/api/v2/resource-servers/"+id, nil).Want(200).Object()
		return api["subject_type_authorization"].(map[string]any)["client"].(map[string]any)["policy"]
	}
	for _, body := range []string{`{"client":{}}`, `{"client":{"polic":"require_client_grant"}}`, `{"user":{"policy":"allow_all"}}`, `{}`, `{"client":{"policy":""}}`, `{"client":null}`, `null`} {
		s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/"+id, `{"subject_type_authorization":`+body+`}`)
		if got := policy(); got != "deny_all" {
			t.Fatalf("%s makes it %v", body, got)
		}
	}
	for _, record := range []string{`{"identifier":"https://a","name":"x"}`, `{"identifier":"https://a","subject_type_authorization":{"client":{}}}`, `{"identifier":"https://a","subject_type_authorization":{}}`} {
		s.Do(s.Admin, "POST", "/api/roster/v1/import", `{"format":"auth0","records":[`+record+`]}`).Want(200)
		if got := policy(); got != "deny_all" {
			t.Fatalf("%s makes it %v", record, got)
		}
	}
	s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/"+id, `{"subject_type_authorization":{"client":{"policy":"require_client_grant"}}}`).Want(200)
	if got := policy(); got != "require_client_grant" {
		t.Errorf("it stays %v", got)
	}
}

func TestAddressesAreBelievedOfClientsThatProveThemselves(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, members := range []string{`"token_endpoint_auth_method":"none",`, ``} {
		r := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x",`+members+`"is_token_endpoint_ip_header_trusted":true}`).Want(400)
		if !strings.Contains(string(r.Body), "The flag is_token_endpoint_ip_header_trusted can only be set true on clients that require authentication") {
			t.Errorf("%s", r.Body)
		}
	}
	plain := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x"}`).Want(201).Object()["client_id"].(string)
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+plain, `{"is_token_endpoint_ip_header_trusted":true}`).Want(400)
	id := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x","token_endpoint_auth_method":"client_secret_post","grant_types":["password"],"is_token_endpoint_ip_header_trusted":true}`).Want(201).Object()["client_id"].(string)
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, `{"token_endpoint_auth_method":"none"}`).Want(400)
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, `{"token_endpoint_auth_method":"none","is_token_endpoint_ip_header_trusted":false}`).Want(200)
	s.Do(s.Admin, "POST", "/api/roster/v1/import", `{"format":"auth0","records":[{"client_id":"i","name":"x","token_endpoint_auth_method":"none","is_token_endpoint_ip_header_trusted":true}]}`).Want(200)
	if imported := s.Do(s.Admin, "GET", "/api/v2/clients/i", nil).Want(200).Object(); imported["is_token_endpoint_ip_header_trusted"] == true {
		t.Error("an import makes a public client's word count")
	}
}
