package oauth

import (
	"encoding/json"
	"slices"
	"strings"
)

// signatures are the signature algorithms of RFC 7518 §3.1, RFC 8037 §3.1 and
// RFC 8812 §3.2.
var signatures = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "Ed448", "HS256", "HS384", "HS512",
}

// KeyUse says of a JSON Web Key why it is not for verifying signatures, to
// complete a sentence about it: by its use, its key_ops or its alg (RFC 7517
// §4.2 to §4.4). "" is for a key that is, as far as it tells.
func KeyUse(jwk json.RawMessage) string {
	var key struct {
		Use        *string  `json:"use"`
		Operations []string `json:"key_ops"`
		Alg        *string  `json:"alg"`
	}
	switch err := json.Unmarshal(jwk, &key); {
	case err != nil:
		return "is no JSON Web Key"
	case key.Use != nil && *key.Use != "sig":
		return "is not for signatures: its use is not sig"
	case key.Operations != nil && !slices.Contains(key.Operations, "verify"):
		return "is not for signatures: its key_ops do not hold verify"
	case key.Alg != nil && !slices.ContainsFunc(signatures, func(alg string) bool { return strings.EqualFold(alg, *key.Alg) }):
		return "is not for signatures: its alg is not a signature algorithm"
	}
	return ""
}
