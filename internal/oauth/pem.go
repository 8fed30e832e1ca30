package oauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds on RSA keys. The upper one bounds what checking a signature costs.
const (
	minSigningKeyBits     = 2048
	minCertificateKeyBits = 1024
	maxKeyBits            = 8192
)

// keyMaterial is what one PEM block of a caller holds.
type keyMaterial struct {
	key  crypto.PublicKey  // nil when the certificate's key is of a kind that crypto/x509 does not know
	cert *x509.Certificate // nil when the block is a bare key
}

var errPrivateKey = errors.New("holds a private key; it has not been stored, but it has left its owner and must be taken as exposed: replace it, and send only the public key or the certificate")

// parsePEM reads the one PEM block (RFC 7468) of text: a certificate, a SPKI
// public key or a PKCS #1 RSA public key, labelled as what it is. CRLF line
// ends, blank lines, indented lines and a missing last line end are fine. Text
// before or after the block, a second block, headers, and anything that is or
// hides a private key are refused.
//
// The error's text is the Detail of a Violation and holds nothing of text.
func parsePEM(text string) (keyMaterial, error) {
	if HidesPrivateKey(text) {
		return keyMaterial{}, errPrivateKey
	}
	label, der, err := cutPEM(text)
	if err != nil {
		return keyMaterial{}, err
	}
	kind := kindOf(der)
	switch {
	case kind == unknownKind:
		return keyMaterial{}, errors.New("holds neither a public key nor a certificate in DER, or has data after it")
	case kind != labels[label]:
		return keyMaterial{}, fmt.Errorf("is not labelled as what it holds, which is %s", kind)
	}
	switch kind {
	case pkcs1Key:
		key, err := x509.ParsePKCS1PublicKey(der)
		if err != nil {
			return keyMaterial{}, errors.New("holds a malformed RSA public key")
		}
		return keyMaterial{key: key}, nil
	case spkiKey:
		key, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return keyMaterial{}, errors.New("holds a public key that is malformed or of an unknown kind")
		}
		return keyMaterial{key: key}, nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return keyMaterial{}, explainCertificate(err)
	}
	if !representable(cert.NotAfter) {
		return keyMaterial{}, errors.New("must hold a certificate whose validity ends in the years 1 to 9999, UTC")
	}
	return keyMaterial{key: cert.PublicKey, cert: cert}, nil
}

// labels are the PEM labels that are accepted (RFC 7468 §4, §13; the PKCS #1
// one is OpenSSL's).
var labels = map[string]kind{"CERTIFICATE": certificate, "PUBLIC KEY": spkiKey, "RSA PUBLIC KEY": pkcs1Key}

const (
	begin = "-----BEGIN "
	end   = "-----END "
	dash  = "-----"
)

var strictBase64 = base64.StdEncoding.Strict()

// cutPEM returns the label and content of the only block of text.
func cutPEM(text string) (label string, der []byte, err error) {
	if strings.IndexFunc(text, func(r rune) bool { return r > '~' || r < ' ' && !strings.ContainsRune("\r\n\t", r) }) >= 0 {
		return "", nil, errors.New("holds characters that are not ASCII text; is it binary DER?")
	}
	var lines []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if line = strings.Trim(line, " \t"); line != "" {
			lines = append(lines, line)
		}
	}
	switch {
	case len(lines) == 0:
		return "", nil, errors.New("is empty")
	case !strings.Contains(text, begin):
		return "", nil, explainArmour(text)
	case strings.Contains(text, `\n`):
		return "", nil, errors.New(`has line ends that are written as the two characters \ and n; send real line ends`)
	case strings.Count(text, begin) > 1 || strings.Count(text, end) > 1:
		return "", nil, errors.New("holds more than one PEM block; send only the key, or only the client's own certificate without its chain")
	case !strings.HasPrefix(lines[0], begin):
		return "", nil, errors.New("holds something before the PEM block; send the block alone")
	}
	label, closed := strings.CutSuffix(strings.TrimPrefix(lines[0], begin), dash)
	last := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, end) })
	switch {
	case !closed || last < 0:
		return "", nil, errors.New("is incomplete: it needs a BEGIN line, its content and an END line, each on lines of their own")
	case labels[label] == unknownKind:
		return "", nil, errors.New("must be labelled CERTIFICATE, PUBLIC KEY or RSA PUBLIC KEY")
	case last != len(lines)-1 || strings.HasPrefix(lines[last], end+label+dash) && lines[last] != end+label+dash:
		return "", nil, errors.New("holds something after the PEM block; send the block alone")
	case lines[last] != end+label+dash:
		return "", nil, errors.New("has an END line that does not match its BEGIN line")
	}
	der, err = strictBase64.DecodeString(strings.Join(lines[1:last], ""))
	if err != nil {
		return "", nil, errors.New("has content that is not base64, or is cut short")
	}
	return label, der, nil
}

// explainArmour says what a text without a BEGIN line may be.
func explainArmour(text string) error {
	if json.Valid([]byte(text)) {
		return errors.New("is JSON; send the key or certificate as PEM")
	}
	if der, err := strictBase64.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		if kindOf(der) != unknownKind {
			return errors.New("lacks its BEGIN and END lines")
		}
	}
	return errors.New("is not PEM: it has no BEGIN line")
}

// kind is what a DER encoding holds, by its outermost shape.
type kind string

const (
	unknownKind kind = ""
	privateKey  kind = "a private key"
	certificate kind = "a certificate"
	spkiKey     kind = "a public key (SPKI)"
	pkcs1Key    kind = "an RSA public key (PKCS #1)"
)

// kindOf looks at the shape only, so that it knows private keys of every
// algorithm: PKCS #1, SEC 1, DSA, PKCS #8 and PKCS #12 all start with a version
// number, encrypted PKCS #8 is an algorithm and an octet string.
func kindOf(der []byte) kind {
	var elements []asn1.RawValue
	rest, err := asn1.Unmarshal(der, &elements)
	if err != nil || len(elements) < 2 {
		return unknownKind
	}
	var shape []byte
	for _, e := range elements {
		shape = append(shape, byte(e.Tag))
		if e.Class != asn1.ClassUniversal {
			shape[len(shape)-1] = 0
		}
	}
	bare := len(rest) == 0
	switch {
	case bytes.Equal(shape, []byte{asn1.TagInteger, asn1.TagInteger}) && bare:
		return pkcs1Key
	case shape[0] == asn1.TagInteger && len(shape) > 2, bytes.Equal(shape[:2], []byte{asn1.TagInteger, asn1.TagSequence}),
		bytes.Equal(shape[:2], []byte{asn1.TagInteger, asn1.TagOctetString}), bytes.Equal(shape, []byte{asn1.TagSequence, asn1.TagOctetString}):
		return privateKey
	case bytes.Equal(shape, []byte{asn1.TagSequence, asn1.TagBitString}) && bare:
		return spkiKey
	case bytes.Equal(shape, []byte{asn1.TagSequence, asn1.TagSequence, asn1.TagBitString}) && bare:
		return certificate // or a request or revocation list, which x509.ParseCertificate refuses
	}
	return unknownKind
}

// explainCertificate words the failures of x509.ParseCertificate that
// certificates of real tools cause. Others get a general text: crypto/x509
// repeats input and Go's types in its own.
func explainCertificate(err error) error {
	for part, detail := range map[string]string{
		"negative serial number":     "its serial number is negative, which RFC 5280 §4.1.2.2 forbids",
		"invalid PrintableString":    "its subject or issuer uses a character that the string type does not have",
		"NULL parameters":            "the algorithm of its RSA key lacks the NULL parameters that RFC 3279 §2.3.1 wants",
		"RSA modulus":                "its RSA modulus is not a positive number",
		"RSA public exponent":        "its RSA exponent is not a positive number of sensible size",
		"unsupported elliptic curve": "its key is on an unsupported elliptic curve",
		"duplicate extension":        "it holds an extension twice, which RFC 5280 §4.2 forbids",
	} {
		if strings.Contains(err.Error(), part) {
			return errors.New("holds a certificate that is not acceptable: " + detail)
		}
	}
	return errors.New("holds no certificate as of RFC 5280")
}

// checkSigningKey holds a key that signs assertions to what the algorithms
// need: RSA of a sound size.
func checkSigningKey(key crypto.PublicKey) error {
	k, ok := key.(*rsa.PublicKey)
	if !ok {
		return errors.New("must be an RSA key (rsaEncryption)")
	}
	return checkRSA(k, minSigningKeyBits)
}

// checkCertificateKey holds the key of a certificate that is presented in TLS
// to what TLS uses. RSA of 1024 bits passes, as it does upstream.
func checkCertificateKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return checkRSA(k, minCertificateKeyBits)
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize >= 256 {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	}
	return errors.New("must be a certificate whose key is RSA, Ed25519, or elliptic on P-256, P-384 or P-521")
}

func checkRSA(k *rsa.PublicKey, minBits int) error {
	switch bits := k.N.BitLen(); {
	case bits < minBits:
		return fmt.Errorf("must be an RSA key of %d bits at least", minBits)
	case bits > maxKeyBits:
		return fmt.Errorf("must be an RSA key of %d bits at most", maxKeyBits)
	case k.N.Bit(0) == 0:
		return errors.New("must have an odd RSA modulus")
	case k.E < 3 || k.E%2 == 0 || k.E > 1<<31-1:
		return errors.New("must have an odd RSA exponent from 3 to 2147483647")
	}
	return nil
}
