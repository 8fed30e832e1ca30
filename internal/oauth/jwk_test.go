package oauth_test

import (
	"encoding/json"
	"testing"

	"github.com/rosterhq/roster/internal/oauth"
)

func TestKeysTellWhetherTheyAreForSignatures(t *testing.T) {
	t.Parallel()
	for jwk, signs := range map[string]bool{
		`{"kty":"RSA"}`: true, `{"use":"sig"}`: true, `{"use":null,"key_ops":null,"alg":null}`: true, `{"key_ops":["verify"]}`: true,
		`{"key_ops":["verify","encrypt"]}`: true, `{"alg":"RS256"}`: true, `{"alg":"ES512"}`: true, `{"alg":"EdDSA"}`: true,
		`{"use":"enc"}`: false, `{"use":""}`: false, `{"use":"SIG"}`: false, `{"use":["sig"]}`: false, `{"key_ops":[]}`: false, `{"key_ops":["wrapKey"]}`: false,
		`{"key_ops":["sign"]}`: false, `{"key_ops":"verify"}`: false, `{"alg":"RSA-OAEP-256"}`: false, `{"alg":"ECDH-ES"}`: false, `{"alg":"none"}`: false,
		`{"alg":""}`: false, `{"use":"sig","alg":"RSA1_5"}`: false, `{"use":"enc","key_ops":["verify"]}`: false, `[]`: false, `"x"`: false, ``: false,
	} {
		if why := oauth.KeyUse(json.RawMessage(jwk)); (why == "") != signs {
			t.Errorf("%s: %q", jwk, why)
		}
	}
}
