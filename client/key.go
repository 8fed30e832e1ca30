package client

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
)

// assertionLifetime is short, as an assertion is used at once, and long enough
// for clocks that differ by two minutes. There is no iat, which the service
// would refuse if the clock is ahead.
const assertionLifetime = 2 * time.Minute

// assertions signs the JWTs by which a client authenticates (RFC 7523 §3, OIDC
// Core §9).
type assertions struct {
	signer           jose.Signer
	client, audience string
}

// next returns an assertion that was never sent: the service takes each once.
func (a *assertions) next() (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": a.client, "sub": a.client, "aud": a.audience, "jti": rand.Text(), "exp": time.Now().Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	jws, err := a.signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("signing the client assertion: %w", err)
	}
	return jws.CompactSerialize()
}

// key returns what signs with Key or KeyFile.
func (c Config) key() (jose.Signer, error) {
	key := c.Key
	if c.KeyFile != "" {
		var err error
		if key, err = readKey(c.KeyFile); err != nil {
			return nil, fmt.Errorf("KeyFile %s: %w", c.KeyFile, err)
		}
	}
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok || public.N.BitLen() < 2048 {
		return nil, errors.New("the key must be an RSA key of 2048 bits or more: Roster verifies RS256, RS384 and PS256")
	}
	alg := jose.SignatureAlgorithm(cmp.Or(c.Algorithm, string(jose.RS256)))
	if !slices.Contains([]jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.PS256}, alg) {
		return nil, errors.New("the field Algorithm must be RS256, RS384 or PS256")
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if c.KeyID != "" {
		options.WithHeader("kid", c.KeyID)
	}
	return jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: cryptosigner.Opaque(saltOfHash{key})}, options)
}

// saltOfHash makes the salt of a PSS signature as long as the hash, which RFC
// 7518 §3.5 and many an HSM demand; go-jose asks for the longest there can be.
type saltOfHash struct{ crypto.Signer }

func (s saltOfHash) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if pss, ok := opts.(*rsa.PSSOptions); ok {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: pss.Hash}
	}
	return s.Signer.Sign(random, digest, opts)
}

// readKey reads the first private key of a PEM file. Errors tell nothing of
// what the file holds.
func readKey(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.Unwrap(err) // the path is said already
	}
	for {
		var block *pem.Block
		block, text = pem.Decode(bytes.TrimSpace(text))
		switch {
		case block == nil:
			return nil, errors.New("no private key in PEM was found")
		case !strings.HasSuffix(block.Type, "PRIVATE KEY"):
			continue // a certificate or public key next to it
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, errors.New("the key is encrypted: decrypt it, or give a crypto.Signer as Key")
		}
		if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return key, nil
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if signer, ok := key.(crypto.Signer); err == nil && ok {
			return signer, nil
		}
		return nil, errors.New("the private key is no RSA key in PKCS #8 or PKCS #1")
	}
}
