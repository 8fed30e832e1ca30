package oauth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // refuses duplicate members and matches names case by case, unlike encoding/json
)

// Bounds on client assertions, Auth0's. MaxAssertion takes an RSA key of 4096
// bits with room to spare: its assertions, as SDKs write them, have some 1200
// bytes.
const (
	MaxAssertion         = 2048 // bytes of the compact JWS
	MaxAssertionName     = 64   // characters of iss, sub and jti
	MaxAssertionLifetime = 5 * time.Minute
)

// ClockSkew is how far the clock of whoever made a token or an assertion may be
// ahead: of a client, or of an outside issuer.
const ClockSkew = 30 * time.Second

// Assertion is the JWT with which a client authenticates (RFC 7523 §3). Until
// Verify has succeeded it proves nothing, and its claims are those of anybody.
type Assertion struct {
	jws    *jose.JSONWebSignature
	keyID  string // "": the header names none
	alg    string
	claims assertionClaims
}

type assertionClaims struct {
	Issuer    *string         `json:"iss"`
	Subject   *string         `json:"sub"`
	JTI       *string         `json:"jti"`
	Audience  json.RawMessage `json:"aud"`
	Expiry    json.RawMessage `json:"exp"`
	NotBefore json.RawMessage `json:"nbf"`
	IssuedAt  json.RawMessage `json:"iat"`

	audience                    string
	expiry, notBefore, issuedAt time.Time // zero: absent
}

// ParseAssertion takes apart a compact JWS and checks all that needs neither a
// clock nor a key:
//   - alg is one of CredentialAlgorithms; typ, if there is one, is JWT or
//     client-authentication+jwt; none of crit, b64, jku, jwk, x5u and x5c is
//     there, so a key that the sender brings along is never even looked at;
//   - iss and sub are equal, jti is there, each of 1..64 characters without
//     control characters; aud is a string or an array of one; exp is a number,
//     and so are nbf and iat if they are there;
//   - no JSON object holds a member twice.
//
// Errors are Unauthenticated, with a Detail for the engineer at the other end
// that repeats nothing of the token.
func ParseAssertion(token string) (*Assertion, error) {
	if len(token) > MaxAssertion {
		return nil, refuse("must have at most " + strconv.Itoa(MaxAssertion) + " bytes")
	}
	if strings.Count(token, ".") != 2 || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return nil, refuse("must be a JWS in compact form")
	}
	a := &Assertion{}
	if err := a.readHeader(token[:strings.IndexByte(token, '.')]); err != nil {
		return nil, err
	}
	var err error
	if a.jws, err = jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(a.alg)}); err != nil {
		return nil, refuse("must be a JWS in compact form")
	}
	if err := a.claims.read(a.jws.UnsafePayloadWithoutVerification()); err != nil {
		return nil, err
	}
	return a, nil
}

// refuse ends a sentence about the assertion.
func refuse(detail string) error {
	return &Error{Kind: Unauthenticated, Reason: InvalidClient, Detail: "the client assertion " + detail}
}

func (a *Assertion) readHeader(encoded string) error {
	var members map[string]json.RawMessage
	var header struct {
		Alg   string  `json:"alg"`
		KeyID *string `json:"kid"`
		Type  *string `json:"typ"`
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(text, &members) != nil || json.Unmarshal(text, &header) != nil {
		return refuse("must have a JSON object as its header, with each member once, alg, kid and typ being strings")
	}
	for _, name := range []string{"crit", "b64", "jku", "jwk", "x5u", "x5c"} {
		if _, found := members[name]; found {
			return refuse("must not have the header member " + name)
		}
	}
	if !slices.Contains(CredentialAlgorithms, header.Alg) {
		return refuse("must be signed by RS256, RS384 or PS256 (alg)")
	}
	if header.Type != nil && !strings.EqualFold(*header.Type, "JWT") && !strings.EqualFold(*header.Type, "client-authentication+jwt") {
		return refuse("must have typ JWT or client-authentication+jwt, or none")
	}
	if header.KeyID != nil {
		if *header.KeyID == "" {
			return refuse("must name a key in kid, or have no kid")
		}
		a.keyID = *header.KeyID
	}
	a.alg = header.Alg
	return nil
}

func (c *assertionClaims) read(payload []byte) error {
	if err := json.Unmarshal(payload, c); err != nil {
		return refuse("must have a JSON object as its payload, with each member once, iss, sub and jti being strings")
	}
	for _, claim := range []struct {
		name  string
		value *string
	}{{"iss", c.Issuer}, {"sub", c.Subject}, {"jti", c.JTI}} {
		if v := claim.value; v == nil || *v == "" || utf8.RuneCountInString(*v) > MaxAssertionName || strings.ContainsFunc(*v, unicode.IsControl) {
			return refuse("must have " + claim.name + ", of 1 to " + strconv.Itoa(MaxAssertionName) + " characters without control characters")
		}
	}
	if *c.Issuer != *c.Subject {
		return refuse("must have the client's id as iss and as sub")
	}
	if json.Unmarshal(c.Audience, &c.audience) != nil {
		var list []string
		if json.Unmarshal(c.Audience, &list) == nil && len(list) == 1 {
			c.audience = list[0]
		}
	}
	if c.audience == "" {
		return refuse("must have one audience in aud, as a string or an array of one")
	}
	if c.Expiry == nil {
		return refuse("must have an expiry (exp)")
	}
	for _, claim := range []struct {
		name string
		raw  json.RawMessage
		to   *time.Time
	}{{"exp", c.Expiry, &c.expiry}, {"nbf", c.NotBefore, &c.notBefore}, {"iat", c.IssuedAt, &c.issuedAt}} {
		if claim.raw == nil {
			continue
		}
		if err := readDate(claim.raw, claim.to); err != nil {
			return refuse("must have a number of seconds since 1970 in " + claim.name)
		}
	}
	return nil
}

// readDate reads a NumericDate (RFC 7519 §2), which may have a fraction.
func readDate(raw json.RawMessage, to *time.Time) error {
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil {
		return err
	}
	const year10000 = 253402300800
	if seconds <= 0 || seconds >= year10000 {
		return errors.New("out of range")
	}
	whole, fraction := math.Modf(seconds)
	*to = time.Unix(int64(whole), int64(fraction*1e9)).UTC()
	return nil
}

// ClientID returns the client that the assertion claims to be from, iss and
// sub alike.
func (a *Assertion) ClientID() string { return *a.claims.Issuer }

// JTI returns the assertion's own identifier. An assertion may be used once:
// after Verify, record client and JTI until ExpiresAt, and refuse what is
// recorded already.
func (a *Assertion) JTI() string { return *a.claims.JTI }

// ExpiresAt returns exp, UTC. After Verify it is at most MaxAssertionLifetime
// and ClockSkew away.
func (a *Assertion) ExpiresAt() time.Time { return a.claims.expiry }

// Verify checks the assertion at now and returns the credential that signed it.
// credentials are those the client may authenticate with; all but unexpired
// public keys among them are skipped. aud must be one of audiences, byte for
// byte. Without kid each credential of the assertion's alg is tried, with kid
// those of this kid.
//
// It must be the client's own credentials: Verify cannot tell whose they are.
// Where there are none, because the client is unknown or disabled, call it with
// none: a signature is then checked all the same, so that the time taken does
// not tell.
//
// Errors are Unauthenticated. Where the claims are at fault, Detail says which.
// Where the key or signature is, Detail is one text for all cases, as it would
// tell strangers which clients and keys exist; Err has the cause for the log.
func (a *Assertion) Verify(credentials []Credential, audiences []string, now time.Time) (Credential, error) {
	if err := a.claims.check(audiences, now); err != nil {
		return Credential{}, err
	}
	cause := errors.New("the client has no active public key")
	tried := false
	for _, c := range credentials {
		switch {
		case c.Type != TypePublicKey:
			continue
		case c.Expired(now):
			cause = errors.New("the client's key is expired")
			continue
		case a.keyID != "" && c.KeyID != a.keyID:
			cause = errors.New("the client has no key of this kid")
			continue
		case c.Alg != a.alg:
			cause = errors.New("the alg differs from that of the client's key")
			continue
		}
		key, err := c.PublicKey()
		if err != nil {
			return Credential{}, err
		}
		tried = true
		if _, err := a.jws.Verify(key); err == nil {
			return c, nil
		}
		cause = errors.New("the signature is not of the client's key")
	}
	if !tried {
		a.verifyInVain()
	}
	return Credential{}, &Error{
		Kind:   Unauthenticated,
		Reason: InvalidClient,
		Detail: "no active key of the client verifies the client assertion: check its kid and alg, that the key is attached to the client and unexpired, and that it is the one that signs",
		Err:    cause,
	}
}

func (c *assertionClaims) check(audiences []string, now time.Time) error {
	switch {
	case !slices.Contains(audiences, c.audience):
		return refuse("must have this server as its audience (aud)")
	case !now.Before(c.expiry):
		return refuse("is expired (exp)")
	case c.expiry.After(now.Add(MaxAssertionLifetime + ClockSkew)):
		return refuse("must expire within 5 minutes (exp)")
	case c.issuedAt.After(now.Add(ClockSkew)):
		return refuse("must not be issued in the future (iat)")
	case !c.issuedAt.IsZero() && c.expiry.Sub(c.issuedAt) > MaxAssertionLifetime:
		return refuse("must live for 5 minutes at most (exp less iat)")
	case c.notBefore.After(now.Add(ClockSkew)):
		return refuse("is not valid yet (nbf)")
	}
	return nil
}

// verifyInVain takes as long as verifying with a real key of that size.
// The modulus is not the product of two primes, so nobody has such a key, and the
// outcome counts for nothing.
func (a *Assertion) verifyInVain() {
	size := min(max(len(a.jws.Signatures[0].Signature), minSigningKeyBits/8), maxKeyBits/8)
	modulus := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, size))
	nobody := Credential{JWK: []byte(`{"kty":"RSA","n":"` + modulus + `","e":"AQAB"}`)}
	if key, err := nobody.PublicKey(); err == nil {
		_, _ = a.jws.Verify(key)
	}
}
