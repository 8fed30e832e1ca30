package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
)

// The key of RFC 7517 §A.1 and its published identifier.
func TestDIDKeyOfTheExampleKey(t *testing.T) {
	t.Parallel()
	decode := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	point := append([]byte{4}, decode("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4")...)
	point = append(point, decode("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM")...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	text, err := PublicKeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DIDKey(text)
	if err != nil {
		t.Fatal(err)
	}
	want := "did:key:z2dmzD81cgPx8Vki7JbuuMmFYrWPgYoytykUZ3eyqht1j9Kbpeg3mYxvgF8UxoyX9dknsQJGitBcaBSeP1eLn2Gj2VQ78Fx565Mphyk52rAZK1iNbPHLaYtG9aAvnwNoHjNgC4Tkr8X1QShmGkmCtGrD9GpYULfUMTivZsCkPLeDWnjXwA"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDIDKeyOfAnRSAKeyIsDeterministic(t *testing.T) {
	t.Parallel()
	key, err := NewRSAKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	first, err := DIDKey(key.PublicPEM)
	if err != nil {
		t.Fatal(err)
	}
	second, err := DIDKey(key.PublicPEM)
	if err != nil || first != second || !strings.HasPrefix(first, "did:key:z") || len(first) < 500 {
		t.Errorf("%q, %q, %v", first, second, err)
	}
}

func TestDIDKeyRefusesOtherCurves(t *testing.T) {
	t.Parallel()
	key, err := NewECKey(elliptic.P384())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DIDKey(key.PublicPEM); !errors.Is(err, ErrNoDID) {
		t.Errorf("error is %v", err)
	}
}

func TestNewKeysBelongTogether(t *testing.T) {
	t.Parallel()
	rsaKey, err := NewRSAKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := NewECKey(elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	for label, key := range map[string]NewKey{"RSA PUBLIC KEY": rsaKey, "PUBLIC KEY": ecKey} {
		if !strings.HasPrefix(key.PublicPEM, "-----BEGIN "+label) || !strings.HasSuffix(key.PublicPEM, "-----\n\n") {
			t.Errorf("public key is\n%q", key.PublicPEM)
		}
		block, _ := pem.Decode([]byte(key.Private.Reveal()))
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte("proof"))
		public, _ := pem.Decode([]byte(key.PublicPEM))
		switch k := private.(type) {
		case *rsa.PrivateKey:
			want, err := x509.ParsePKCS1PublicKey(public.Bytes)
			if err != nil || !k.PublicKey.Equal(want) {
				t.Errorf("RSA halves differ: %v", err)
			}
		case *ecdsa.PrivateKey:
			sig, err := ecdsa.SignASN1(nil, k, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			want, err := x509.ParsePKIXPublicKey(public.Bytes)
			if err != nil || !ecdsa.VerifyASN1(want.(*ecdsa.PublicKey), digest[:], sig) {
				t.Errorf("EC halves differ: %v", err)
			}
		}
	}
}

func TestRSAKeySizesAreBounded(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{1024, 2047, 4097, 1 << 20} {
		if _, err := NewRSAKey(bits); err == nil {
			t.Errorf("%d bits were accepted", bits)
		}
	}
}
