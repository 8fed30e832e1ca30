package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
)

// Keys cost 0.1 s and more each: one of a kind for the whole test binary.
var (
	signingKey = newKey(2048)
	otherKey   = newKey(2048)
	weakKey    = newKey(1024)
)

func newKey(bits int) func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return key
	})
}

var (
	today    = time.Date(2026, 11, 22, 9, 23, 51, 505165907, time.UTC)
	notAfter = time.Date(2033, 5, 13, 9, 33, 13, 0, time.UTC)
)

// newCertificate returns the DER of a self-signed certificate until notAfter.
// edit may be nil.
func newCertificate(t testing.TB, key crypto.Signer, edit func(*x509.Certificate)) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x7f), NotBefore: notAfter.AddDate(-10, 0, 0), NotAfter: notAfter,
		RawSubject: subject(t, pkix.RelativeDistinguishedNameSET{attribute("2.5.4.3", "client")}),
	}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func attribute(oid string, value any) pkix.AttributeTypeAndValue {
	var id asn1.ObjectIdentifier
	for part := range strings.SplitSeq(oid, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			panic(err)
		}
		id = append(id, n)
	}
	return pkix.AttributeTypeAndValue{Type: id, Value: value}
}

func subject(t testing.TB, names ...pkix.RelativeDistinguishedNameSET) []byte {
	t.Helper()
	der, err := asn1.Marshal(pkix.RDNSequence(names))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func encodePEM(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

func spki(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func spkiPEM(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	return encodePEM("PUBLIC KEY", spki(t, key))
}

// violations returns the broken rules that err names, which must be Invalid.
func violations(t testing.TB, err error) []oauth.Violation {
	t.Helper()
	failure, ok := errors.AsType[*oauth.Error](err)
	if !ok || failure.Kind != oauth.Invalid || failure.Reason != oauth.BrokenRule {
		t.Fatalf("got error %v, want Invalid", err)
	}
	return failure.Violations
}

// thumbprint is RFC 7638 for an RSA key, written from the RFC.
func thumbprint(key *rsa.PublicKey) string {
	e := big.NewInt(int64(key.E)).Bytes()
	sum := sha256.Sum256(fmt.Appendf(nil, `{"e":"%s","kty":"RSA","n":"%s"}`, base64.RawURLEncoding.EncodeToString(e), base64.RawURLEncoding.EncodeToString(key.N.Bytes())))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestNewCredentialByType(t *testing.T) {
	t.Parallel()
	key := &signingKey().PublicKey
	cert := newCertificate(t, signingKey(), nil)
	certPEM := encodePEM("CERTIFICATE", cert)
	weakCert := newCertificate(t, weakKey(), nil)
	sum, weakSum := sha256.Sum256(cert), sha256.Sum256(weakCert)
	print := thumbprint(key)
	jwk := func(key *rsa.PublicKey) json.RawMessage {
		return fmt.Appendf(nil, `{"kty":"RSA","n":"%s","e":"AQAB"}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	}
	later := time.Date(2033, 1, 2, 3, 4, 5, 999999999, time.FixedZone("", 2*3600))
	cases := map[string]struct {
		request oauth.CredentialRequest
		want    oauth.Credential
	}{
		"bare key with defaults": {
			oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: new(spkiPEM(t, key)), ParseExpiryFromCert: new(true)},
			oauth.Credential{KeyID: print, Alg: "RS256", JWK: jwk(key), KeyThumbprint: print},
		},
		"PKCS 1 key with everything": {
			oauth.CredentialRequest{
				Type: oauth.TypePublicKey, Name: new("k1"), PEM: new(encodePEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(key))),
				Alg: new("PS256"), KeyID: new("my-key_2026"), ParseExpiryFromCert: new(false), ExpiresAt: &later,
			},
			oauth.Credential{Name: "k1", KeyID: "my-key_2026", Alg: "PS256", JWK: jwk(key), KeyThumbprint: print, ExpiresAt: new(time.Date(2033, 1, 2, 1, 4, 5, 999e6, time.UTC))},
		},
		"key in a certificate": {
			oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: &certPEM},
			oauth.Credential{KeyID: print, Alg: "RS256", JWK: jwk(key), KeyThumbprint: print, Certificate: cert},
		},
		"key with the expiry of its certificate": {
			oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: &certPEM, ParseExpiryFromCert: new(true), Alg: new("RS384")},
			oauth.Credential{KeyID: print, Alg: "RS384", JWK: jwk(key), KeyThumbprint: print, Certificate: cert, ExpiresAt: &notAfter},
		},
		"own expiry before that of the certificate": {
			oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: &certPEM, ParseExpiryFromCert: new(true), ExpiresAt: &today},
			oauth.Credential{KeyID: print, Alg: "RS256", JWK: jwk(key), KeyThumbprint: print, Certificate: cert, ExpiresAt: new(today.Truncate(time.Millisecond))},
		},
		"certificate": {
			oauth.CredentialRequest{Type: oauth.TypeX509Cert, PEM: &certPEM, Name: new("")},
			oauth.Credential{JWK: jwk(key), KeyThumbprint: print, Certificate: cert, ThumbprintSHA256: base64.RawURLEncoding.EncodeToString(sum[:]), ExpiresAt: &notAfter},
		},
		"certificate of 1024 bits": {
			oauth.CredentialRequest{Type: oauth.TypeX509Cert, PEM: new(encodePEM("CERTIFICATE", weakCert))},
			oauth.Credential{
				JWK: jwk(&weakKey().PublicKey), KeyThumbprint: thumbprint(&weakKey().PublicKey), Certificate: weakCert,
				ThumbprintSHA256: base64.RawURLEncoding.EncodeToString(weakSum[:]), ExpiresAt: &notAfter,
			},
		},
		"subject of a certificate": {
			oauth.CredentialRequest{Type: oauth.TypeCertSubjectDN, PEM: &certPEM, Name: new("k3")},
			oauth.Credential{Name: "k3", SubjectDN: "CN=client"},
		},
		"subject as text": {
			oauth.CredentialRequest{Type: oauth.TypeCertSubjectDN, SubjectDN: new("C=es\nO=Örg\nCN=Name, of + what")},
			oauth.Credential{SubjectDN: "C=es\nO=Örg\nCN=Name, of + what"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := oauth.NewCredential("cred_1", "client-uuid", c.request, today)
			if err != nil {
				t.Fatal(err)
			}
			c.want.ID, c.want.Client, c.want.Type = "cred_1", "client-uuid", c.request.Type
			c.want.CreatedAt = time.Date(2026, 11, 22, 9, 23, 51, 505165000, time.UTC)
			c.want.UpdatedAt = c.want.CreatedAt
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("credential (-want +got):\n%s", diff)
			}
			if got.JWK == nil {
				return
			}
			if back, err := got.PublicKey(); err != nil || !back.(*rsa.PublicKey).Equal(key) && !back.(*rsa.PublicKey).Equal(&weakKey().PublicKey) {
				t.Errorf("PublicKey: %v, %v", back, err)
			}
		})
	}
}

func TestNewCredentialTakesTLSCertificatesOfOtherKeys(t *testing.T) {
	t.Parallel()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"P-256": p256, "Ed25519": ed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := oauth.NewCredential("cred_1", "", oauth.CredentialRequest{Type: oauth.TypeX509Cert, PEM: new(encodePEM("CERTIFICATE", newCertificate(t, key, nil)))}, today)
			if err != nil {
				t.Fatal(err)
			}
			back, err := c.PublicKey()
			if err != nil || !back.(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
				t.Errorf("PublicKey: %v, %v", back, err)
			}
		})
	}
}

func TestNewCredentialRefusesTLSCertificatesOfWeakCurves(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := encodePEM("CERTIFICATE", newCertificate(t, key, nil))
	_, err = oauth.NewCredential("cred_1", "", oauth.CredentialRequest{Type: oauth.TypeX509Cert, PEM: &text}, today)
	want := []oauth.Violation{{Member: "pem", Rule: "format", Detail: "must be a certificate whose key is RSA, Ed25519, or elliptic on P-256, P-384 or P-521"}}
	if diff := cmp.Diff(want, violations(t, err)); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func TestNewCredentialRefusesMembersByType(t *testing.T) {
	t.Parallel()
	keyPEM := spkiPEM(t, &signingKey().PublicKey)
	certPEM := encodePEM("CERTIFICATE", newCertificate(t, signingKey(), nil))
	const foreign = "is not for credentials of this type"
	cases := map[string]struct {
		request oauth.CredentialRequest
		want    []oauth.Violation
	}{
		"no type":      {oauth.CredentialRequest{PEM: &keyPEM}, []oauth.Violation{{Member: "credential_type", Rule: "enum", Detail: "must be public_key, x509_cert or cert_subject_dn"}}},
		"unknown type": {oauth.CredentialRequest{Type: "secret", PEM: &keyPEM}, []oauth.Violation{{Member: "credential_type", Rule: "enum", Detail: "must be public_key, x509_cert or cert_subject_dn"}}},
		"no key":       {oauth.CredentialRequest{Type: oauth.TypePublicKey}, []oauth.Violation{{Member: "pem", Rule: "required", Detail: "is required"}}},
		"empty key":    {oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: new("")}, []oauth.Violation{{Member: "pem", Rule: "minLength", Detail: "must not be empty"}}},
		"blank key":    {oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: new(" \r\n\t")}, []oauth.Violation{{Member: "pem", Rule: "format", Detail: "is empty"}}},
		"everything of a key wrong at once": {
			oauth.CredentialRequest{
				Type: oauth.TypePublicKey, Name: new(strings.Repeat("ü", 129)), PEM: new("x"), SubjectDN: new("CN=x"), Alg: new("none"), KeyID: new("short"),
				ExpiresAt: new(time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600))),
			},
			[]oauth.Violation{
				{Member: "subject_dn", Rule: "additionalProperties", Detail: foreign},
				{Member: "name", Rule: "maxLength", Detail: "must have at most 128 characters"},
				{Member: "alg", Rule: "enum", Detail: "must be RS256, RS384 or PS256"},
				{Member: "kid", Rule: "pattern", Detail: "must be 10 to 64 of the characters A-Z a-z 0-9 _ -"},
				{Member: "expires_at", Rule: "format", Detail: "must be in the years 1 to 9999, UTC"},
				{Member: "pem", Rule: "format", Detail: "is not PEM: it has no BEGIN line"},
			},
		},
		"what only keys have, on a certificate": {
			oauth.CredentialRequest{Type: oauth.TypeX509Cert, PEM: &certPEM, SubjectDN: new("CN=x"), Alg: new("RS256"), KeyID: new("0123456789"), ParseExpiryFromCert: new(false), ExpiresAt: &today},
			[]oauth.Violation{
				{Member: "subject_dn", Rule: "additionalProperties", Detail: foreign},
				{Member: "alg", Rule: "additionalProperties", Detail: foreign},
				{Member: "kid", Rule: "additionalProperties", Detail: foreign},
				{Member: "parse_expiry_from_cert", Rule: "additionalProperties", Detail: foreign},
				{Member: "expires_at", Rule: "additionalProperties", Detail: foreign},
			},
		},
		"what only keys have, on a subject": {
			oauth.CredentialRequest{Type: oauth.TypeCertSubjectDN, PEM: &certPEM, Alg: new(""), KeyID: new(""), ParseExpiryFromCert: new(true), ExpiresAt: &today},
			[]oauth.Violation{
				{Member: "alg", Rule: "additionalProperties", Detail: foreign},
				{Member: "kid", Rule: "additionalProperties", Detail: foreign},
				{Member: "parse_expiry_from_cert", Rule: "additionalProperties", Detail: foreign},
				{Member: "expires_at", Rule: "additionalProperties", Detail: foreign},
			},
		},
		"certificate without pem": {oauth.CredentialRequest{Type: oauth.TypeX509Cert}, []oauth.Violation{{Member: "pem", Rule: "required", Detail: "is required"}}},
		"certificate too long":    {oauth.CredentialRequest{Type: oauth.TypeX509Cert, PEM: new(certPEM + strings.Repeat("\n", 4096))}, []oauth.Violation{{Member: "pem", Rule: "maxLength", Detail: "must have at most 4096 characters"}}},
		"key too long":            {oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: new(keyPEM + strings.Repeat("\n", 16384))}, []oauth.Violation{{Member: "pem", Rule: "maxLength", Detail: "must have at most 16384 characters"}}},
		"bare key as certificate": {oauth.CredentialRequest{Type: oauth.TypeX509Cert, PEM: &keyPEM}, []oauth.Violation{{Member: "pem", Rule: "format", Detail: "must be a certificate for credentials of this type"}}},
		"bare key as subject":     {oauth.CredentialRequest{Type: oauth.TypeCertSubjectDN, PEM: &keyPEM}, []oauth.Violation{{Member: "pem", Rule: "format", Detail: "must be a certificate for credentials of this type"}}},
		"neither pem nor subject": {oauth.CredentialRequest{Type: oauth.TypeCertSubjectDN}, []oauth.Violation{{Member: "subject_dn", Rule: "oneOf", Detail: "must be given if pem is not, and only then"}}},
		"both pem and subject":    {oauth.CredentialRequest{Type: oauth.TypeCertSubjectDN, PEM: &certPEM, SubjectDN: new("CN=x")}, []oauth.Violation{{Member: "subject_dn", Rule: "oneOf", Detail: "must be given if pem is not, and only then"}}},
		"empty subject":           {oauth.CredentialRequest{Type: oauth.TypeCertSubjectDN, SubjectDN: new("")}, []oauth.Violation{{Member: "subject_dn", Rule: "minLength", Detail: "must not be empty"}}},
		"long subject":            {oauth.CredentialRequest{Type: oauth.TypeCertSubjectDN, SubjectDN: new(strings.Repeat("ü", 257))}, []oauth.Violation{{Member: "subject_dn", Rule: "maxLength", Detail: "must have at most 256 characters"}}},
		"NUL in subject":          {oauth.CredentialRequest{Type: oauth.TypeCertSubjectDN, SubjectDN: new("CN=a\x00b")}, []oauth.Violation{{Member: "subject_dn", Rule: "pattern", Detail: "must not hold control characters but the line feed between attributes"}}},
		"NUL in name":             {oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: &keyPEM, Name: new("a\x00b")}, []oauth.Violation{{Member: "name", Rule: "pattern", Detail: "must not hold control characters"}}},
		"kid with a line feed":    {oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: &keyPEM, KeyID: new("0123456789\n")}, []oauth.Violation{{Member: "kid", Rule: "pattern", Detail: "must be 10 to 64 of the characters A-Z a-z 0-9 _ -"}}},
		"kid of 65":               {oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: &keyPEM, KeyID: new(strings.Repeat("k", 65))}, []oauth.Violation{{Member: "kid", Rule: "pattern", Detail: "must be 10 to 64 of the characters A-Z a-z 0-9 _ -"}}},
		"expiry in year 0":        {oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: &keyPEM, ExpiresAt: new(time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC))}, []oauth.Violation{{Member: "expires_at", Rule: "format", Detail: "must be in the years 1 to 9999, UTC"}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := oauth.NewCredential("cred_1", "client", c.request, today)
			if diff := cmp.Diff(c.want, violations(t, err)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(oauth.Credential{}, got); diff != "" {
				t.Errorf("a refused request left something behind:\n%s", diff)
			}
		})
	}
}

func TestSetExpiry(t *testing.T) {
	t.Parallel()
	later := time.Date(2023, 5, 16, 11, 7, 30, 535694000, time.FixedZone("", 7200))
	for _, kind := range []oauth.CredentialType{oauth.TypePublicKey, oauth.TypeX509Cert, oauth.TypeCertSubjectDN} {
		c := oauth.Credential{Type: kind, ExpiresAt: &notAfter}
		if err := c.SetExpiry(&later, today); err != nil {
			t.Fatal(err)
		}
		want := oauth.Credential{Type: kind, ExpiresAt: new(time.Date(2023, 5, 16, 9, 7, 30, 535e6, time.UTC)), UpdatedAt: today.Truncate(time.Microsecond)}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
		if err := c.SetExpiry(new(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), today); violations(t, err)[0].Member != "expires_at" {
			t.Errorf("%s: %v", kind, err)
		}
		if err := c.SetExpiry(nil, today); err != nil || c.ExpiresAt != nil {
			t.Errorf("%s: expiry not cleared: %v, %v", kind, c.ExpiresAt, err)
		}
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		expiry *time.Time
		want   bool
	}{
		"never":        {nil, false},
		"in a moment":  {new(today.Add(1)), false},
		"now":          {&today, true},
		"a second ago": {new(today.Add(-time.Second)), true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			credential := oauth.Credential{ExpiresAt: c.expiry}
			if got := credential.Expired(today); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
