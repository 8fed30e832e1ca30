package boruta_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server/boruta"
)

func TestLibrarySuiteCreate(t *testing.T) {
	t.Parallel()
	a := startWith(t, boruta.Config{Master: true})
	for name, members := range map[string]object{
		"BL-09 grants":            {"supported_grant_types": []string{"client_credentials"}},
		"BL-10 secret":            {"secret": strings.Repeat("0123456789abcdef", 8)},
		"BL-11 public identifier": {"public_client_id": "public_client_id", "check_public_client_id": true, "confidential": true},
		"BL-12 lifetimes":         {"access_token_ttl": 1, "authorization_code_ttl": 1, "refresh_token_ttl": 1, "id_token_ttl": 1},
		"BL-14 authorities":       {"trusted_authorities": "<pem certificate>"},
		"BL-14 no authorities":    {"trusted_authorities": ""},
		"BL-16 hosts":             {"trusted_hosts": []string{"a.test", "b.test"}},
		"BL-16 no hosts":          {"trusted_hosts": []string{}},
		"switches": {
			"public_refresh_token": true, "public_revoke": true, "authorize_scope": true, "enforce_dpop": true, "enforce_tx_code": true, "pkce": true,
			"response_mode": "post", "token_endpoint_jwt_auth_alg": "RS384", "token_endpoint_auth_methods": []string{"client_secret_jwt"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := a.create(members)
			read := a.read(id(c)) // BL-01
			for member, value := range members {
				for _, got := range []object{c, read} {
					if diff := cmp.Diff(jsonOf(t, value), got[member]); diff != "" {
						t.Errorf("%s (-want +got):\n%s", member, diff)
					}
				}
			}
		})
	}
}

func TestLibrarySuiteBL13WriteOnlyMembersAreStored(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(object{
		"metadata": object{"metadata": true}, "logo_uri": "https://a.test/logo", "jwks_uri": "https://a.test/jwks", "id_token_kid": "k", "authorized_resources": []string{"urn:a:b"}, "agent_token_ttl": 7,
		"trusted_hosts": []string{"hidden.test"},
	})
	var text string
	if err := a.Pool.QueryRow(t.Context(), `SELECT document FROM clients WHERE id = $1`, id(c)).Scan(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"boruta:metadata":{"metadata":true}`, `"logo_uri":"https://a.test/logo"`, `"jwks_uri":"https://a.test/jwks"`, `"boruta:id_token_kid":"k"`,
		`"boruta:authorized_resources":["urn:a:b"]`, `"boruta:agent_token_ttl":7`, `"boruta:trusted_hosts":["hidden.test"]`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the document lacks %s: %s", want, text)
		}
	}
	for _, member := range []string{"metadata", "logo_uri"} { // kept by a change that does not name them
		a.send("PATCH", path(c), object{"name": "x"}, http.StatusOK)
		var kept bool
		if err := a.Pool.QueryRow(t.Context(), `SELECT document::text LIKE '%' || $2 || '%' FROM clients WHERE id = $1`, id(c), member).Scan(&kept); err != nil || !kept {
			t.Errorf("%s is gone: %v", member, err)
		}
	}
}

// BL-20, BL-21, BL-32, and that private halves are kept sealed.
func TestKeyPairsBelongTogether(t *testing.T) {
	t.Parallel()
	a := start(t)
	together := func(c object) {
		t.Helper()
		var sealed []byte
		if err := a.Pool.QueryRow(t.Context(), `SELECT sealed FROM client_keys WHERE client = $1`, id(c)).Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(sealed), "PRIVATE") {
			t.Error("the private key is stored in clear")
		}
		text, err := a.Keys.Open(sealed, seal.Location{Table: "client_keys", Row: id(c), Column: "sealed"})
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		public, _ := pem.Decode([]byte(c["public_key"].(string)))
		switch key := private.(type) {
		case *rsa.PrivateKey:
			if got, err := x509.ParsePKCS1PublicKey(public.Bytes); err != nil || !key.PublicKey.Equal(got) {
				t.Errorf("the halves differ: %v", err)
			}
		case *ecdsa.PrivateKey:
			if got, err := x509.ParsePKIXPublicKey(public.Bytes); err != nil || !key.PublicKey.Equal(got) {
				t.Errorf("the halves differ: %v", err)
			}
		}
	}
	ec, rs := a.create(nil), a.create(object{"key_pair_type": rsaType})
	together(ec)
	together(rs)
	a.send("PATCH", path(ec), object{"key_pair_type": rsaType}, http.StatusOK) // BL-30
	got := a.Do(a.Admin, "POST", path(ec)+"/regenerate_key_pair", nil).Want(http.StatusOK).Object()["data"].(object)
	if !strings.HasPrefix(got["public_key"].(string), "-----BEGIN RSA PUBLIC KEY-----") {
		t.Errorf("the new key is %q", got["public_key"])
	}
	together(got)
}

func TestRegenerateKeyPairNeedsATypeThatCanBeMade(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(nil)
	for token, kind := range map[string]object{
		"private_key_type is invalid": {"type": "rsa", "modulus_size": "2048", "exponent_size": "abc"},
		"Could not create did.":       {"type": "universal"},
	} {
		a.send("PATCH", path(c), object{"key_pair_type": kind}, http.StatusOK)
		var body struct{ Errors map[string][]string }
		a.Do(a.Admin, "POST", path(c)+"/regenerate_key_pair", nil).Want(http.StatusUnprocessableEntity).Decode(&body)
		if diff := cmp.Diff(map[string][]string{"private_key": {token}}, body.Errors); diff != "" {
			t.Error(diff)
		}
	}
}

// BL-31 and when the identifier changes.
func TestDIDFollowsTheKeyWhenAsked(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(nil)
	regenerate := func(what string) object {
		t.Helper()
		return a.panel(a.Do(a.Admin, "POST", path(c)+"/regenerate_"+what, nil).Want(http.StatusOK).Object()["data"].(object))
	}
	first := regenerate("did")["did"].(string)
	if !strings.HasPrefix(first, "did:key:z") || strings.Contains(first, "#") || len(first) != 186 {
		t.Errorf("did is %q", first)
	}
	if again := regenerate("did")["did"]; again != first {
		t.Errorf("the same key gives %v", again)
	}
	if got := regenerate("key_pair")["did"]; got != first {
		t.Errorf("a new key changed the did to %v", got)
	}
	if got := regenerate("did")["did"]; got == first {
		t.Error("the did is still that of the old key")
	}
	other := a.create(object{"key_pair_type": object{"type": "ec", "curve": "P-384"}})
	var body struct{ Errors map[string][]string }
	a.Do(a.Admin, "POST", path(other)+"/regenerate_did", nil).Want(http.StatusUnprocessableEntity).Decode(&body)
	if diff := cmp.Diff(invalid("did", "Unsupported did:key JWK."), body.Errors); diff != "" {
		t.Error(diff)
	}
}

func TestLibrarySuiteBL29Update(t *testing.T) {
	t.Parallel()
	a := startWith(t, boruta.Config{Master: true})
	s, c := a.newScope(object{"name": "s"}), a.create(nil)
	change := object{
		"authorized_scopes": []object{{"id": id(s)}}, "public_client_id": "p", "check_public_client_id": true,
		"trusted_authorities": "pem", "trusted_hosts": []string{"h.test"},
	}
	got := a.send("PUT", path(c), change, http.StatusOK)
	change["authorized_scopes"] = []object{{"id": id(s), "name": "s", "public": false}}
	for member, value := range change {
		if diff := cmp.Diff(jsonOf(t, value), got[member]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", member, diff)
		}
	}
}

func TestBlankSecretKeepsTheSecret(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(nil)
	for _, blank := range []any{nil, "", "  "} {
		if got := a.send("PATCH", path(c), object{"secret": blank}, http.StatusOK)["secret"]; got != c["secret"] {
			t.Errorf("%q changed the secret", blank)
		}
		if got := a.create(object{"secret": blank})["secret"].(string); len(got) != 86 {
			t.Errorf("%q makes the secret %q", blank, got)
		}
	}
	if got := a.send("PATCH", path(c), object{"secret": "s"}, http.StatusOK)["secret"]; got != "s" {
		t.Errorf("secret is %v", got)
	}
	var rotations int
	a.send("PATCH", path(c), object{"secret": "s"}, http.StatusOK) // no change
	if err := a.Pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE action = 'client.secret_rotated' AND target = $1`, id(c)).Scan(&rotations); err != nil || rotations != 1 {
		t.Errorf("%d rotations, %v", rotations, err)
	}
	var clear int
	if err := a.Pool.QueryRow(t.Context(), `SELECT count(*) FROM client_secrets WHERE position($1::bytea in sealed) > 0`, []byte(c["secret"].(string))).Scan(&clear); err != nil || clear != 0 {
		t.Errorf("%d secrets are stored in clear, %v", clear, err)
	}
}

func TestEveryChangeIsInTheAuditTrail(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(object{"authorized_scopes": []object{{"name": "made:on:the:fly"}}})
	pair := a.newKeyPair(true)
	a.send("PATCH", path(c), object{"name": "x", "key_pair_id": id(pair)}, http.StatusOK)
	a.Do(a.Admin, "POST", "/api/key-pairs/"+id(pair)+"/rotate", nil).Want(http.StatusOK)
	s := a.newScope(object{"name": "s"})
	a.Do(a.Admin, "PATCH", "/api/scopes/"+id(s), object{"scope": object{"public": true}}).Want(http.StatusOK)
	a.Do(a.Admin, "DELETE", "/api/scopes/"+id(s), nil).Want(http.StatusNoContent)
	a.Do(a.Admin, "DELETE", path(c), nil).Want(http.StatusNoContent)
	for action, changed := range map[string]string{
		"identity_provider.created": "name", "client.created": "authorized_scopes", "scope.created": "name", "key_pair.created": "public_key",
		"client.updated": "key_pair", "key_pair.rotated": "public_key", "scope.updated": "public", "scope.deleted": "name", "client.deleted": "client_name",
	} {
		var found int
		if err := a.Pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE action = $1 AND changes ->> $2 IS NOT NULL`, action, changed).Scan(&found); err != nil || found == 0 {
			t.Errorf("no event %s tells of %s, %v", action, changed, err)
		}
	}
	var leaks int
	if err := a.Pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE changes::text LIKE '%' || $1 || '%' OR changes::text LIKE '%PRIVATE KEY%'`, c["secret"]).Scan(&leaks); err != nil || leaks != 0 {
		t.Errorf("%d events hold a secret, %v", leaks, err)
	}
}

func TestHashedSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) { c.HashedSecrets = true }})
	a := &api{Server: s, t: t, keys: panelKeys}
	a.provider = a.newProvider("staff")
	c := a.create(nil)
	if got, _ := c["secret"].(string); len(got) != 86 {
		t.Errorf("the create shows the secret %q", got)
	}
	read := a.read(id(c))
	if read["secret"] != nil {
		t.Errorf("secret is %v", read["secret"])
	}
	a.send("PUT", path(c), read, http.StatusOK)
	a.grant(id(c))
	if got := a.token(url.Values{"client_id": {id(c)}, "client_secret": {c["secret"].(string)}}); got != http.StatusOK {
		t.Errorf("status %d after the client was sent back", got)
	}
}
