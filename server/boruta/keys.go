package boruta

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// curves are the elliptic curves of key_pair_type. P-512, which does not exist
// but which Boruta's panel offers, is taken for P-521.
var curves = map[string]elliptic.Curve{
	"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521(), "P-512": elliptic.P521(),
}

// adapters are the signatures_adapter values that go with a type of key.
var adapters = map[string]string{"rsa": internalSignatures, "ec": internalSignatures, "universal": universalSignatures}

const exponent = "65537"

// keyType reads key_pair_type. Sizes are texts; what is not is nil.
type keyType struct {
	name                  string // "" unless it is one of adapters
	modulus, power, curve *string
	complaints            []string // of its shape
}

func readKeyType(raw json.RawMessage) keyType {
	var members map[string]any
	_ = json.Unmarshal(raw, &members) // an object: cast has seen to it
	var k keyType
	name, _ := members["type"].(string)
	switch _, known := adapters[name]; {
	case members["type"] == nil:
		k.complaints = append(k.complaints, "type is missing at #")
	case !known:
		k.complaints = append(k.complaints, "the value is not one of rsa, ec, universal at #/type")
	default:
		k.name = name
	}
	take := func(member string) *string {
		s, ok := members[member].(string)
		if !ok {
			if _, sent := members[member]; sent {
				k.complaints = append(k.complaints, "a string is expected at #/"+member)
			}
			return nil
		}
		return &s
	}
	switch k.name {
	case "rsa":
		k.modulus, k.power = take("modulus_size"), take("exponent_size")
	case "ec":
		if k.curve = take("curve"); k.curve != nil && curves[*k.curve] == nil {
			k.complaints = append(k.complaints, "the value does not match the pattern P-256, P-384 or P-521 at #/curve")
		}
	}
	return k
}

// verdict returns the tokens of key_pair_type, nil if it is fine.
func (k keyType) verdict() []string {
	if k.complaints != nil {
		return []string{"validation failed: " + strings.Join(k.complaints, " ")}
	}
	if k.name != "rsa" {
		return nil
	}
	if k.modulus == nil {
		return []string{"rsa modulus_size is required"}
	}
	switch bits, err := strconv.Atoi(*k.modulus); {
	case err != nil || bits < oauth.MinKeyBits:
		return []string{fmt.Sprintf("rsa modulus_size must be at least %d", oauth.MinKeyBits)}
	case bits > oauth.MaxKeyBits:
		return []string{fmt.Sprintf("rsa modulus_size must be at most %d", oauth.MaxKeyBits)}
	}
	return nil
}

// obstacle is the token of private_key that says why no key of the type can be
// made, "" if one can.
func (k keyType) obstacle() string {
	switch {
	case k.name == "universal":
		return tokenNoNewDID
	case k.name == "rsa" && k.verdict() == nil && k.power != nil && *k.power == exponent,
		k.name == "ec" && k.curve != nil && curves[*k.curve] != nil:
		return ""
	}
	return tokenBadKey
}

// make makes a key of the type.
func (h *handler) make(ctx context.Context, k keyType) (*oauth.NewKey, error) {
	if token := k.obstacle(); token != "" {
		return nil, refuse("private_key", token)
	}
	if k.name == "ec" {
		key, err := oauth.NewECKey(curves[*k.curve])
		return &key, err
	}
	bits, err := strconv.Atoi(*k.modulus)
	if err != nil {
		return nil, err
	}
	key, err := h.registry.NewRSAKey(ctx, bits)
	return &key, err
}

// checkKeys holds the members that depend on the type of the key pair to it:
// the type itself, the adapter and the algorithms, each only if it changes.
// The key of a new client is about to be made, so its type must allow that.
func checkKeys(before, change jsondoc.Object, creating bool, broken *refusal) {
	k := readKeyType(after(before, change)["key_pair_type"])
	if change["key_pair_type"] != nil {
		broken.add("key_pair_type", k.verdict()...)
		if k.name == "" {
			broken.add("signatures_adapter", tokenKeyType)
		}
		// A wrong curve has been complained about already.
		if token := k.obstacle(); creating && token != "" && (k.curve == nil || k.name != "ec") {
			broken.add("private_key", token)
		}
	}
	if adapter := change["signatures_adapter"]; adapter != nil {
		switch {
		case creating && k.obstacle() == "": // follows from the key
			delete(change, "signatures_adapter")
		case k.name != "" && jsondoc.String(adapter) != adapters[k.name]:
			broken.add("signatures_adapter", tokenInvalid)
		}
	}
	for _, member := range []string{"id_token_signature_alg", "userinfo_signed_response_alg"} {
		alg := change[member]
		if alg == nil || jsondoc.IsNull(alg) {
			continue
		}
		if !slices.Contains(signingAlgs, jsondoc.String(alg)) {
			broken.add(member, tokenInvalid)
		}
		if k.name != "" && !fits(jsondoc.String(alg), k.name) {
			broken.add(member, tokenInvalid)
		}
	}
}

// fits reports whether keys of the type sign by alg.
func fits(alg, keyType string) bool {
	if !slices.Contains(signingAlgs, alg) {
		return false
	}
	switch keyType {
	case "rsa":
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "HS")
	case "ec":
		return strings.HasPrefix(alg, "ES") || strings.HasPrefix(alg, "HS")
	}
	return alg == "EdDSA"
}

// publicKeyOf returns the PEM of a public JWK (RFC 7517) that verifies
// signatures, or why there is none.
func publicKeyOf(jwk json.RawMessage) (text, why string) {
	if why := oauth.KeyUse(jwk); why != "" {
		return "", why
	}
	var key jose.JSONWebKey
	if json.Unmarshal(jwk, &key) != nil || !key.IsPublic() || !key.Valid() {
		return "", "is no public key"
	}
	switch key.Key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		if text, err := oauth.PublicKeyPEM(crypto.PublicKey(key.Key)); err == nil {
			return text, ""
		}
	}
	return "", "is of a kind that cannot be used"
}
