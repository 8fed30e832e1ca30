package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// TestOutsideIssuersWorkAsDocumented runs every block of docs/outside-issuers.md,
// with an issuer of its own in place of login.example.
func TestOutsideIssuersWorkAsDocumented(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	mux := http.NewServeMux()
	issuer := httptest.NewServer(mux)
	defer issuer.Close()
	answer := func(path string, body any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(body) })
	}
	answer("/.well-known/openid-configuration", map[string]any{"issuer": issuer.URL, "jwks_uri": issuer.URL + "/keys"})
	answer("/keys", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})

	blocks := append(snippets(t, "outside-issuers.md", "# Tokens of outside issuers", "sh"), snippets(t, "outside-issuers.md", "## The variable", "sh")...)
	if len(blocks) != 3 {
		t.Fatalf("there are %d blocks", len(blocks))
	}
	env, _ := external(t)
	for _, variable := range []string{blocks[0], blocks[2]} {
		shellWith(t, variable+"\nexport ROSTER_TRUSTED_ISSUERS; roster config | grep login.example", env...)
	}

	succeed(t, env, "bootstrap", "--create-keyset")
	s := serve(t, append(env, "ROSTER_TRUSTED_ISSUERS="+issuer.URL))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": issuer.URL, "sub": "2f1c", "aud": s.URL + "/api/v2/", "exp": time.Now().Add(time.Hour).Unix(), "scope": "read:clients",
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	call := strings.NewReplacer("https://roster.example", s.URL, "curl ", "curl -sf ").Replace(blocks[1])
	shellWith(t, call, "TOKEN="+token)
	s.stop()
}
