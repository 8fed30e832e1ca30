package oauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// Bounds on the RSA keys that clients are given. The upper one bounds what
// making a key costs.
const (
	MinKeyBits = 2048
	MaxKeyBits = 4096
)

// NewKey is a signing key that was just made.
type NewKey struct {
	PublicPEM string
	Private   Secret // PKCS #8 PEM
}

// NewRSAKey makes an RSA key of MinKeyBits to MaxKeyBits bits, with the
// exponent 65537.
func NewRSAKey(bits int) (NewKey, error) {
	if bits < MinKeyBits || bits > MaxKeyBits {
		return NewKey{}, fmt.Errorf("an RSA key of %d bits", bits)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return NewKey{}, err
	}
	return pack(key, key.Public())
}

// NewECKey makes a key on curve.
func NewECKey(curve elliptic.Curve) (NewKey, error) {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return NewKey{}, err
	}
	return pack(key, key.Public())
}

func pack(private crypto.PrivateKey, public crypto.PublicKey) (NewKey, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return NewKey{}, err
	}
	text, err := PublicKeyPEM(public)
	return NewKey{text, NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))}, err
}

// PublicKeyPEM writes a public key as Boruta does: RSA as PKCS #1 under RSA
// PUBLIC KEY, other keys as SPKI under PUBLIC KEY, followed by an empty line.
func PublicKeyPEM(key crypto.PublicKey) (string, error) {
	block := pem.Block{Type: "PUBLIC KEY"}
	if k, ok := key.(*rsa.PublicKey); ok {
		block.Type, block.Bytes = "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(k)
	} else {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return "", err
		}
		block.Bytes = der
	}
	return string(pem.EncodeToMemory(&block)) + "\n", nil
}

// ErrNoDID is what DIDKey returns for a key that it has no identifier for.
var ErrNoDID = errors.New("did:key is made of RSA and P-256 keys only")

// jwkCode is the multicodec of a public JWK in canonical JSON (jwk_jcs-pub).
const jwkCode = 0xeb51

// DIDKey returns the did:key identifier of a public key in PEM: the key's
// required JWK members in canonical JSON (RFC 8785), behind its multicodec as
// an unsigned varint, as base58btc multibase. The same key gives the same
// identifier.
func DIDKey(publicPEM string) (string, error) {
	block, _ := pem.Decode([]byte(publicPEM))
	if block == nil {
		return "", ErrNoDID
	}
	var key any
	var err error
	if block.Type == "RSA PUBLIC KEY" {
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	} else {
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return "", fmt.Errorf("reading a public key: %w", err)
	}
	jwk := map[string]string{} // encodes in the order of the names, without spaces
	text := base64.RawURLEncoding.EncodeToString
	switch k := key.(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", text(k.N.Bytes()), text(big.NewInt(int64(k.E)).Bytes())
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", ErrNoDID
		}
		point, err := k.Bytes() // 0x04 ‖ x ‖ y
		if err != nil {
			return "", err
		}
		size := len(point) / 2
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", text(point[1:1+size]), text(point[1+size:])
	default:
		return "", ErrNoDID
	}
	canonical, err := json.Marshal(jwk)
	if err != nil {
		return "", err
	}
	return "did:key:z" + base58(append(binary.AppendUvarint(nil, jwkCode), canonical...)), nil
}

// base58 encodes with the alphabet of Bitcoin.
func base58(data []byte) string {
	var text []byte
	n, mod := new(big.Int).SetBytes(data), new(big.Int)
	for radix := big.NewInt(58); n.Sign() > 0; {
		n.DivMod(n, radix, mod)
		text = append(text, Base58[mod.Int64()])
	}
	for i := 0; i < len(data) && data[i] == 0; i++ {
		text = append(text, Base58[0])
	}
	for i, j := 0, len(text)-1; i < j; i, j = i+1, j-1 {
		text[i], text[j] = text[j], text[i]
	}
	return string(text)
}

// PublicHalf returns the public key of a private one, PKCS #8 PEM, as
// PublicKeyPEM writes it.
func PublicHalf(privatePEM string) (string, error) {
	block, rest := pem.Decode([]byte(privatePEM))
	if block == nil || block.Type != "PRIVATE KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return "", errors.New("no PKCS #8 private key in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", errors.New("no PKCS #8 private key in PEM")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return "", errors.New("no key to sign with")
	}
	return PublicKeyPEM(signer.Public())
}
