package issuers

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// FuzzConfig: what is configured names issuers over https or on this machine,
// asymmetric algorithms and known scopes, or is refused.
func FuzzConfig(f *testing.F) {
	known := []string{"read:clients", "update:clients"}
	for _, text := range []string{
		"", "https://a.example", "https://a.example/realms/x;aud=api://x;alg=RS256,ES256;claim=roles;prefix=p:;scopes=read:clients http://localhost:1", "http://127.0.0.1.evil.example", "https://a.example;alg=HS256", "https://a.example;alg=none",
		"https://a.example;scopes=admin", "https://u@a.example", "https://a.example?x", "https://a.example#x", "https://a|b.example", "https://a.example https://a.example", "https://[::1]:0", "http://[::ffff:127.0.0.1]", "https://a.example;aud=",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse(text, known)
		if err != nil {
			return
		}
		for _, c := range list {
			if !strings.HasPrefix(strings.ToLower(c.URL), "https://") && !strings.HasPrefix(strings.ToLower(c.URL), "http://") || strings.ContainsAny(c.URL, "|?#@ ") && !strings.Contains(c.URL[8:], "/") {
				t.Errorf("issuer %q", c.URL)
			}
			for _, alg := range c.Algorithms {
				if alg == "" || strings.HasPrefix(string(alg), "HS") || alg == "none" {
					t.Errorf("algorithm %q", alg)
				}
			}
			for _, scope := range c.Scopes {
				if !slices.Contains(known, scope) {
					t.Errorf("scope %q", scope)
				}
			}
		}
	})
}

// FuzzKey: a key of an issuer is public and strong enough, or of no use.
func FuzzKey(f *testing.F) {
	for _, jwk := range []string{
		`{}`, `{"kty":"oct","k":"AAAA"}`, `{"kty":"RSA","n":"AQAB","e":"AQAB"}`, `{"kty":"RSA","n":"AQAB","e":"AQ","d":"AQ"}`, `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"enc"}`, `null`, `[]`,
	} {
		f.Add([]byte(jwk))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v := verifierOf(text)
		if len(v.algorithms) == 0 {
			return
		}
		var jwk jose.JSONWebKey
		if err := json.Unmarshal(text, &jwk); err == nil && (!jwk.IsPublic() || jwk.Use != "" && jwk.Use != "sig") {
			t.Errorf("%s is taken", text)
		}
		for _, alg := range v.algorithms {
			if strings.HasPrefix(string(alg), "HS") || alg == "none" {
				t.Errorf("%s signs by %s", text, alg)
			}
		}
	})
}
