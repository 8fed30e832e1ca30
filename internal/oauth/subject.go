package oauth

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// attributeNames are the short names that OpenSSL prints.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "street",
	"2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description", "2.5.4.15": "businessCategory", "2.5.4.17": "postalCode",
	"2.5.4.20": "telephoneNumber", "2.5.4.41": "name", "2.5.4.42": "GN", "2.5.4.43": "initials", "2.5.4.44": "generationQualifier",
	"2.5.4.45": "x500UniqueIdentifier", "2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym", "2.5.4.97": "organizationIdentifier",
	"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.3": "mail", "0.9.2342.19200300.100.1.25": "DC",
	"1.2.840.113549.1.9.1": "emailAddress", "1.2.840.113549.1.9.2": "unstructuredName", "1.2.840.113549.1.9.8": "unstructuredAddress",
	"1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL", "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST", "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type relativeNameSET []attribute // encoding/asn1 knows a SET by its Go name

// subjectDN writes a certificate's subject as Auth0 does: attributes in the
// certificate's order, one a line, under OpenSSL's short name or else the
// dotted OID.
//
//	C=es
//	ST=Madrid
//	O=Org
//	CN=Name
//
// Two different subjects never give one text: , + " \ < > ; get a backslash, and
// so do a # or blank at the start and a blank at the end (RFC 4514 §2.4), while
// the attributes of a multi-valued RDN are joined with " + ". Control
// characters, NUL and line feed among them, are refused.
func subjectDN(cert *x509.Certificate) (string, error) {
	var names []relativeNameSET
	if rest, err := asn1.Unmarshal(cert.RawSubject, &names); err != nil || len(rest) > 0 {
		return "", errors.New("holds a certificate whose subject is malformed")
	}
	if len(names) == 0 {
		return "", errors.New("holds a certificate whose subject is empty")
	}
	var lines []string
	for _, name := range names {
		var attributes []string
		for _, a := range name {
			value, err := attributeValue(a.Value)
			if err != nil {
				return "", err
			}
			oid := a.Type.String()
			if short, known := attributeNames[oid]; known {
				oid = short
			}
			attributes = append(attributes, oid+"="+escapeValue(value))
		}
		lines = append(lines, strings.Join(attributes, " + "))
	}
	return strings.Join(lines, "\n"), nil
}

func attributeValue(raw asn1.RawValue) (string, error) {
	var value string
	if rest, err := asn1.Unmarshal(raw.FullBytes, &value); err != nil || len(rest) > 0 || !utf8.ValidString(value) {
		return "", errors.New("holds a certificate whose subject holds a value that is no text")
	}
	if raw.Tag == asn1.TagT61String && strings.ContainsFunc(value, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return "", errors.New("holds a certificate whose subject holds a T61String beyond ASCII, which has no agreed meaning")
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return "", errors.New("holds a certificate whose subject holds a control character")
	}
	return value, nil
}

func escapeValue(value string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		first, last := i == 0, i == len(value)-1
		if strings.IndexByte(`,+"\<>;`, c) >= 0 || c == '#' && first || c == ' ' && (first || last) {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}
