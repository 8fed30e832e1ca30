package oauth

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
)

// CredentialType says what a credential holds and where it proves a client.
type CredentialType string

// The credential types, under Auth0's names.
const (
	TypePublicKey     CredentialType = "public_key"      // signs assertions and request objects
	TypeX509Cert      CredentialType = "x509_cert"       // is presented in TLS (RFC 8705 §2.2)
	TypeCertSubjectDN CredentialType = "cert_subject_dn" // names what a CA certified (RFC 8705 §2.1)
)

// The algorithms of public key credentials (RFC 7518 §3.1), the default first.
var CredentialAlgorithms = []string{"RS256", "RS384", "PS256"}

// Credential is public proof material of a client. None of it is secret.
type Credential struct {
	ID               string // "cred_" and 22 base58 characters
	Client           string // uuid of the client it belongs to
	Type             CredentialType
	Name             string          // for people, may be ""
	KeyID            string          // kid; "" unless public_key
	Alg              string          // one of CredentialAlgorithms; "" unless public_key
	JWK              json.RawMessage // the public key (RFC 7517), nothing but kty and its parameters; nil for cert_subject_dn
	KeyThumbprint    string          // of the JWK: RFC 7638, SHA-256, base64url; "" for cert_subject_dn
	Certificate      []byte          // DER: the x509_cert, or the certificate that a public_key came in; else nil
	SubjectDN        string          // cert_subject_dn only: one attribute a line, see subjectDN
	ThumbprintSHA256 string          // x509_cert only: base64url SHA-256 of Certificate (RFC 8705 §3.1)
	CreatedAt        time.Time       // UTC, microseconds, as UpdatedAt
	UpdatedAt        time.Time
	ExpiresAt        *time.Time // UTC, milliseconds; nil: never
}

// CredentialRequest is what a caller sends to register a credential. A nil
// member was not sent; one that its type has no use for is refused when sent,
// whatever its value.
//
//	                        public_key  x509_cert  cert_subject_dn
//	Name                    may         may        may
//	PEM                     must        must       either this
//	SubjectDN               -           -          or that
//	Alg, KeyID              may         -          -
//	ParseExpiryFromCert     may         -          -
//	ExpiresAt               may         -          -
type CredentialRequest struct {
	Type                CredentialType
	Name                *string    // at most 128 characters
	PEM                 *string    // a key or certificate; at most 4096 characters, 16384 for public_key
	SubjectDN           *string    // 1..256 characters, kept as it is
	Alg                 *string    // nil: RS256
	KeyID               *string    // 10..64 of A-Z a-z 0-9 _ -; nil: the key's thumbprint
	ParseExpiryFromCert *bool      // take ExpiresAt from PEM if it is a certificate; an ExpiresAt of the caller wins
	ExpiresAt           *time.Time // cut to milliseconds; may be past
}

const (
	maxCredentialName = 128
	maxSubjectDN      = 256
	maxCertificatePEM = 4 << 10
	maxPublicKeyPEM   = 16 << 10
)

var keyIDPattern = regexp.MustCompile(`^[0-9A-Za-z_-]{10,64}$`)

// NewCredential checks a request and returns the credential it describes.
//
// A public key is an RSA key of 2048 to 8192 bits, bare (SPKI or PKCS #1) or in
// a certificate. A certificate for TLS holds RSA of 1024 bits and more, P-256,
// P-384, P-521 or Ed25519, and brings its own expiry. Certificates are taken
// for what they hold: they may be expired, of any signature algorithm and of
// any issuer. See parsePEM and subjectDN for what the texts may look like.
//
// Invalid names every broken rule, by the members' wire names; no text repeats
// what was sent.
func NewCredential(id, client string, r CredentialRequest, now time.Time) (Credential, error) {
	now = now.UTC().Truncate(time.Microsecond)
	c := Credential{ID: id, Client: client, Type: r.Type, CreatedAt: now, UpdatedAt: now}
	broken := r.check()
	if r.Name != nil {
		c.Name = *r.Name
	}
	if r.SubjectDN != nil {
		c.SubjectDN = *r.SubjectDN
	}
	if r.PEM != nil && !slices.ContainsFunc(broken, func(v Violation) bool { return v.Member == "pem" || v.Member == "credential_type" }) {
		if err := c.fill(r); err != nil {
			broken = append(broken, Violation{"pem", "format", err.Error()})
		}
	}
	if len(broken) > 0 {
		return Credential{}, &Error{Kind: Invalid, Reason: BrokenRule, Detail: "the credential breaks the registry's rules", Violations: broken}
	}
	return c, nil
}

func (r CredentialRequest) wantsCertificateExpiry() bool {
	return r.ParseExpiryFromCert != nil && *r.ParseExpiryFromCert
}

// check holds the members to the rules of the type, all but the content of PEM.
func (r CredentialRequest) check() []Violation {
	var broken []Violation
	add := func(member, rule, detail string) { broken = append(broken, Violation{member, rule, detail}) }

	sent := map[string]bool{
		"pem": r.PEM != nil, "subject_dn": r.SubjectDN != nil, "alg": r.Alg != nil, "kid": r.KeyID != nil,
		"parse_expiry_from_cert": r.ParseExpiryFromCert != nil, "expires_at": r.ExpiresAt != nil,
	}
	foreign := func(members ...string) {
		for _, member := range members {
			if sent[member] {
				add(member, "additionalProperties", "is not for credentials of this type")
			}
		}
	}
	maxPEM := maxCertificatePEM
	switch r.Type {
	case TypePublicKey:
		foreign("subject_dn")
		maxPEM = maxPublicKeyPEM
	case TypeX509Cert:
		foreign("subject_dn", "alg", "kid", "parse_expiry_from_cert", "expires_at")
	case TypeCertSubjectDN:
		foreign("alg", "kid", "parse_expiry_from_cert", "expires_at")
		if sent["pem"] == sent["subject_dn"] {
			add("subject_dn", "oneOf", "must be given if pem is not, and only then")
		}
	default:
		add("credential_type", "enum", "must be public_key, x509_cert or cert_subject_dn")
		return broken
	}
	if !sent["pem"] && r.Type != TypeCertSubjectDN {
		add("pem", "required", "is required")
	}

	if r.Name != nil {
		switch {
		case utf8.RuneCountInString(*r.Name) > maxCredentialName:
			add("name", "maxLength", fmt.Sprintf("must have at most %d characters", maxCredentialName))
		case strings.ContainsFunc(*r.Name, unicode.IsControl):
			add("name", "pattern", "must not hold control characters")
		}
	}
	if r.PEM != nil {
		switch n := utf8.RuneCountInString(*r.PEM); {
		case n == 0:
			add("pem", "minLength", "must not be empty")
		case n > maxPEM:
			add("pem", "maxLength", fmt.Sprintf("must have at most %d characters", maxPEM))
		}
	}
	if r.SubjectDN != nil {
		switch n := utf8.RuneCountInString(*r.SubjectDN); {
		case n == 0:
			add("subject_dn", "minLength", "must not be empty")
		case n > maxSubjectDN:
			add("subject_dn", "maxLength", fmt.Sprintf("must have at most %d characters", maxSubjectDN))
		case strings.ContainsFunc(*r.SubjectDN, func(c rune) bool { return unicode.IsControl(c) && c != '\n' }):
			add("subject_dn", "pattern", "must not hold control characters but the line feed between attributes")
		}
	}
	if r.Type == TypePublicKey {
		if r.Alg != nil && !slices.Contains(CredentialAlgorithms, *r.Alg) {
			add("alg", "enum", "must be RS256, RS384 or PS256")
		}
		if r.KeyID != nil && !keyIDPattern.MatchString(*r.KeyID) {
			add("kid", "pattern", "must be 10 to 64 of the characters A-Z a-z 0-9 _ -")
		}
		if r.ExpiresAt != nil && !representable(*r.ExpiresAt) {
			add("expires_at", "format", "must be in the years 1 to 9999, UTC")
		}
	}
	return broken
}

// representable reports whether RFC 3339 can write a time once it is in UTC:
// 9999-12-31T23:59:59-01:00 cannot.
func representable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

// fill reads r.PEM into c. The error's text is the Detail of a Violation.
func (c *Credential) fill(r CredentialRequest) error {
	material, err := parsePEM(*r.PEM)
	if err != nil {
		return err
	}
	if c.Type != TypePublicKey && material.cert == nil {
		return errors.New("must be a certificate for credentials of this type")
	}
	if c.Type == TypeCertSubjectDN {
		c.SubjectDN, err = subjectDN(material.cert)
		return err
	}

	if c.Type == TypePublicKey {
		err = checkSigningKey(material.key)
	} else {
		err = checkCertificateKey(material.key)
	}
	if err != nil {
		return err
	}
	jwk := jose.JSONWebKey{Key: material.key}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err == nil {
		c.JWK, err = jwk.MarshalJSON()
	}
	if err != nil {
		return errors.New("holds a key that has no form as a JSON Web Key")
	}
	c.KeyThumbprint = base64.RawURLEncoding.EncodeToString(thumbprint)

	if c.Type == TypePublicKey {
		c.KeyID, c.Alg = c.KeyThumbprint, CredentialAlgorithms[0]
		if r.KeyID != nil {
			c.KeyID = *r.KeyID
		}
		if r.Alg != nil {
			c.Alg = *r.Alg
		}
	}
	if material.cert != nil {
		c.Certificate = material.cert.Raw
	}
	switch {
	case c.Type == TypeX509Cert:
		sum := sha256.Sum256(c.Certificate)
		c.ThumbprintSHA256 = base64.RawURLEncoding.EncodeToString(sum[:])
		c.expire(&material.cert.NotAfter)
	case r.ExpiresAt != nil:
		c.expire(r.ExpiresAt)
	case r.wantsCertificateExpiry() && material.cert != nil:
		c.expire(&material.cert.NotAfter)
	}
	return nil
}

func (c *Credential) expire(at *time.Time) {
	c.ExpiresAt = nil
	if at != nil {
		c.ExpiresAt = new(at.UTC().Truncate(time.Millisecond))
	}
}

// SetExpiry changes when the credential stops counting; nil is never, and a past
// time is now. It binds the registry alone: a certificate still ends when it says.
// Invalid: at is not in the years 1 to 9999.
func (c *Credential) SetExpiry(at *time.Time, now time.Time) error {
	if at != nil && !representable(*at) {
		return &Error{Kind: Invalid, Reason: BrokenRule, Detail: "the credential breaks the registry's rules", Violations: []Violation{
			{"expires_at", "format", "must be in the years 1 to 9999, UTC"},
		}}
	}
	c.expire(at)
	c.UpdatedAt = now.UTC().Truncate(time.Microsecond)
	return nil
}

// Expired reports whether the credential no longer counts at now.
func (c *Credential) Expired(now time.Time) bool {
	return c.ExpiresAt != nil && !now.Before(*c.ExpiresAt)
}

// PublicKey returns the key of JWK: *rsa.PublicKey for a public_key. It fails
// for credentials without a key.
func (c *Credential) PublicKey() (crypto.PublicKey, error) {
	if c.JWK == nil {
		return nil, fmt.Errorf("credential %s holds no key", c.ID)
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(c.JWK); err != nil {
		return nil, fmt.Errorf("reading the key of credential %s: %w", c.ID, err)
	}
	if !jwk.IsPublic() {
		return nil, fmt.Errorf("credential %s holds no public key", c.ID)
	}
	return jwk.Key, nil
}
