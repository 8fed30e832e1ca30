package abuse

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/servertest"
)

// privateForms are ways to write a private key down.
func privateForms(t *testing.T) map[string]string {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(keys[0]())
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(keys[0]())
	text := pemBlock("PRIVATE KEY", pkcs8)
	jwk, err := json.Marshal(jose.JSONWebKey{Key: keys[0]()})
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"PKCS #8":                 text,
		"PKCS #1":                 pemBlock("RSA PRIVATE KEY", pkcs1),
		"another label":           pemBlock("PUBLIC KEY", pkcs8),
		"a certificate's label":   pemBlock("CERTIFICATE", pkcs1),
		"after another block":     publicPEM(t, keys[0]().Public()) + text,
		"unlabelled, hidden last": publicPEM(t, keys[0]().Public()) + pemBlock("X", pkcs8),
		"escaped line ends":       strings.ReplaceAll(pemBlock("PUBLIC KEY", pkcs8), "\n", `\n`),
		"a JSON string":           string(quoted),
		"a JWK":                   string(jwk),
		"a set of JWKs":           `{"keys":[` + string(jwk) + `]}`,
		"a JWK in JSON":           `{"key":` + string(jwk) + `}`,
		"base64":                  base64.StdEncoding.EncodeToString(pkcs8),
		"base64url":               base64.RawURLEncoding.EncodeToString(pkcs1),
		"base64 of PEM":           base64.StdEncoding.EncodeToString([]byte(text)),
		"hex":                     hex.EncodeToString(pkcs8),
	}
}

// A private key where a public one belongs is refused at every door, however it is spelled.
func TestNoDoorTakesAPrivateKeyForAPublicOne(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := newClient(s, nil)
	for form, key := range privateForms(t) {
		encryption := object{"format": "compact-nested-jwe", "encryption_key": object{"alg": "RSA-OAEP-256", "pem": key}}
		for door, r := range map[string]servertest.Response{
			"API":               s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": "https://" + strings.ReplaceAll(form, " ", "-"), "token_encryption": encryption}),
			"pub":               s.Do(s.Admin, "PATCH", clientPath(id), object{"encryption_key": object{"pub": key}}),
			"cert":              s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "x", "encryption_key": object{"cert": key}}),
			"credential":        s.Do(s.Admin, "POST", clientPath(id)+"/credentials", object{"credential_type": "public_key", "pem": key}),
			"Boruta's client":   s.Do(s.Admin, "POST", "/api/clients", object{"client": object{"name": "x", "identity_provider": object{"id": newProvider(s)}, "jwt_public_key": key}}),
			"certificate in it": s.Do(s.Admin, "PATCH", clientPath(id), object{"encryption_key": object{"subject": key}}),
		} {
			if r.Status != 400 && r.Status != 422 {
				t.Errorf("%s in %s: %d %s", form, door, r.Status, r.Body)
			}
		}
		for _, record := range []object{
			{"format": "auth0", "record": object{"client_id": "imported", "name": "x", "encryption_key": object{"pub": key}}},
			{"format": "roster", "record": object{"kind": "client", "client_id": "imported", "document": object{"auth0:encryption_key": object{"pub": key}}}},
			{"format": "roster", "record": object{"kind": "client", "client_id": "imported", "document": object{"boruta:jwt_public_key": key}}},
			{"format": "roster", "record": object{"kind": "client", "client_id": "imported", "document": object{"public_key": key}}},
			{"format": "auth0", "record": object{"identifier": "https://imported", "name": "x", "token_encryption": encryption}},
			{"format": "hydra", "record": object{"client_id": "imported", "jwks": json.RawMessage(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`)}},
		} {
			importOne(s, record["format"].(string), record["record"].(object))
		}
	}
	var stored string
	if err := s.Pool.QueryRow(t.Context(), `SELECT coalesce(string_agg(t, ''), '') FROM (
		SELECT document::text t FROM clients UNION ALL SELECT document::text FROM resource_servers UNION ALL SELECT changes::text FROM events) x`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	for form, key := range privateForms(t) {
		inJSON, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(stored, string(inJSON)) {
			t.Errorf("%s is stored", form)
		}
	}
}

// What 1.0.0 took is removed and told of, and is in no event.
func TestReplacingWhatEarlierReleasesTook(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := newClient(s, nil)
	der := x509.MarshalPKCS1PrivateKey(keys[1]())
	key := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}))
	api := s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": "https://api"}).Want(201).Object()["id"].(string)
	encryption := object{"format": "compact-nested-jwe", "encryption_key": object{"alg": "RSA-OAEP-256", "pem": key}}
	for _, sql := range []struct {
		text    string
		members object
		row     string
	}{
		{"UPDATE clients SET document = (document::jsonb || $1)::json WHERE client_id = $2", object{"boruta:jwt_public_key": key, "auth0:encryption_key": object{"pub": key, "subject": "CN=x"}}, id},
		{"UPDATE resource_servers SET document = (document::jsonb || $1)::json WHERE id = $2", object{"token_encryption": encryption}, api},
	} {
		if _, err := s.Pool.Exec(t.Context(), sql.text, sql.members, sql.row); err != nil {
			t.Fatal(err)
		}
	}
	s.Do(s.Admin, "PATCH", clientPath(id), object{"description": "changes otherwise"}).Want(200)
	s.Do(s.Admin, "PATCH", "/api/v2/resource-servers/"+api, object{"name": "changes otherwise"}).Want(200)
	var told []string
	if err := s.Registry.RemovePrivateKeys(t.Context(), func(kind, target, member string) {
		told = append(told, fmt.Sprintf("%s %s", kind, member))
	}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(told, ", "); got != "client auth0:encryption_key, client boruta:jwt_public_key, resource_server token_encryption" {
		t.Errorf("told of %s", got)
	}
	shown := s.Do(s.Admin, "GET", "/api/v2/resource-servers/"+api, nil).Want(200).Object()
	if shown["token_encryption"] == nil {
		t.Error("the API's tokens are no longer to be encrypted")
	}
	if e := s.Do(s.Admin, "GET", "/api/roster/v1/events?per_page=100", nil); strings.Contains(string(e.Body), "PRIVATE KEY") {
		t.Error("an event holds a private key")
	}
	var left int
	if err := s.Pool.QueryRow(t.Context(), `SELECT count(*) FROM (SELECT document::text t FROM clients UNION ALL SELECT document::text FROM resource_servers) x WHERE t LIKE '%PRIVATE KEY%'`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d documents hold a private key, %v", left, err)
	}
}
