package token_test

import (
	"crypto/rsa"
	"encoding/json"
	"maps"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/servertest"
)

// jwk is a public key (RFC 7517) with further members.
func jwk(t *testing.T, key *rsa.PrivateKey, more object) object {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKey{Key: key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	var members object
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	maps.Copy(members, more)
	return members
}

// TestKeysForEncryptionAuthenticateNobody imports clients whose keys are not all
// for signatures.
func TestKeysForEncryptionAuthenticateNobody(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const uuid = "6d0b3a2e-2a33-4b5a-8f5c-0d1b8f9f5d11"
	for format, record := range map[string]object{
		"hydra": {"client_id": "orders-worker", "grant_types": []string{"client_credentials"}, "token_endpoint_auth_method": "private_key_jwt",
			"jwks": object{"keys": []object{
				jwk(t, keys[0](), object{"use": "enc", "alg": "RSA-OAEP-256", "kid": "for-encryption-1"}),
				jwk(t, keys[1](), object{"key_ops": []string{"wrapKey"}, "kid": "for-encryption-2"}),
				jwk(t, keys[2](), object{"use": "sig", "alg": "RS256", "kid": "for-signatures"}),
			}}},
		"boruta": {"id": uuid, "supported_grant_types": []string{"client_credentials"}, "token_endpoint_auth_methods": []string{"private_key_jwt"},
			"token_endpoint_jwt_auth_alg": "RS256", "jwk": jwk(t, keys[0](), object{"use": "enc"})},
	} {
		s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": format, "records": []object{record}}).Want(200)
	}
	allow(s, "orders-worker", audience(s), "read:clients")
	allow(s, uuid, audience(s), "read:clients")
	for i, status := range []int{401, 401, 200} {
		askWith(s, sign(t, jose.RS256, keys[i](), nil, claims(s, "orders-worker"))).Want(status)
	}
	askWith(s, sign(t, jose.RS256, keys[0](), nil, claims(s, uuid))).Want(401)
	signing := object{"id": uuid, "jwk": jwk(t, keys[1](), object{"use": "sig"})}
	s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": "boruta", "records": []object{signing}}).Want(200)
	askWith(s, sign(t, jose.RS256, keys[1](), nil, claims(s, uuid))).Want(200)
}
