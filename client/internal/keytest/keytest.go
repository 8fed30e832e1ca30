// Package keytest makes keys for the tests of the client.
package keytest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// Shared is the key that serves all tests of a package: making one takes a good
// part of a second.
var Shared = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// Key returns Shared's.
func Key(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := Shared()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Module signs like an HSM: it has no other method than those of crypto.Signer,
// and takes no salt that differs from the hash in length.
type Module struct {
	Key   *rsa.PrivateKey
	Calls *atomic.Int64
	Err   error // of Sign, instead of a signature
}

// Public returns the public key.
func (m Module) Public() crypto.PublicKey { return m.Key.Public() }

// Sign counts the call.
func (m Module) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	m.Calls.Add(1)
	if pss, ok := opts.(*rsa.PSSOptions); ok && pss.SaltLength != rsa.PSSSaltLengthEqualsHash {
		return nil, errors.New("wrong salt")
	}
	if m.Err != nil {
		return nil, m.Err
	}
	return m.Key.Sign(random, digest, opts)
}

// WritePEM writes blocks to a file and returns its path.
func WritePEM(t testing.TB, blocks ...*pem.Block) string {
	t.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// PKCS8 encodes a private key.
func PKCS8(t testing.TB, key crypto.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
