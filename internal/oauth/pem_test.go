package oauth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
)

func newPublicKey(pem string) (oauth.Credential, error) {
	return oauth.NewCredential("cred_1", "client", oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: &pem}, today)
}

func TestPEMMayBeLaidOutInManyWays(t *testing.T) {
	t.Parallel()
	plain := spkiPEM(t, &signingKey().PublicKey)
	body := strings.ReplaceAll(plain, "\n", "")
	body = strings.TrimSuffix(strings.TrimPrefix(body, "-----BEGIN PUBLIC KEY-----"), "-----END PUBLIC KEY-----")
	for name, text := range map[string]string{
		"as written":          plain,
		"CRLF":                strings.ReplaceAll(plain, "\n", "\r\n"),
		"CR":                  strings.ReplaceAll(plain, "\n", "\r"),
		"no last line end":    strings.TrimSpace(plain),
		"blanks around":       "\n \t\r\n" + plain + " \n\n",
		"blanks at line ends": strings.ReplaceAll(plain, "\n", " \t\n"),
		"indented":            "    " + strings.ReplaceAll(plain, "\n", "\n    "),
		"blank lines":         strings.ReplaceAll(plain, "\n", "\n\n"),
		"one long line":       "-----BEGIN PUBLIC KEY-----\n" + body + "\n-----END PUBLIC KEY-----",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := newPublicKey(text)
			if err != nil || c.KeyThumbprint != thumbprint(&signingKey().PublicKey) {
				t.Errorf("got %q, %v", c.KeyThumbprint, err)
			}
		})
	}
}

func TestPEMRefusesPrivateKeysOfEverySort(t *testing.T) {
	t.Parallel()
	key := signingKey()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	must := func(der []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	pkcs1, pkcs8 := x509.MarshalPKCS1PrivateKey(key), must(x509.MarshalPKCS8PrivateKey(key))
	sec1 := must(x509.MarshalECPrivateKey(ec))
	type algorithm struct{ OID asn1.ObjectIdentifier }
	encrypted := must(asn1.Marshal(struct {
		Algorithm algorithm
		Data      []byte
	}{algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}}, []byte("ciphertext")}))
	pkcs12 := must(asn1.Marshal(struct {
		Version int
		Safe    algorithm
	}{3, algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}}}))
	public := spkiPEM(t, &key.PublicKey)
	jwk := must(json.Marshal(map[string]string{"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "hunter2"}))

	for name, text := range map[string]string{
		"PKCS 1":                    encodePEM("RSA PRIVATE KEY", pkcs1),
		"PKCS 8":                    encodePEM("PRIVATE KEY", pkcs8),
		"SEC 1":                     encodePEM("EC PRIVATE KEY", sec1),
		"encrypted PKCS 8":          encodePEM("ENCRYPTED PRIVATE KEY", encrypted),
		"OpenSSH":                   encodePEM("OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00")),
		"PGP":                       "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxxx\n-----END PGP PRIVATE KEY BLOCK-----",
		"PuTTY":                     "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n",
		"PKCS 1 as public key":      encodePEM("PUBLIC KEY", pkcs1),
		"PKCS 8 as public key":      encodePEM("PUBLIC KEY", pkcs8),
		"PKCS 8 as RSA public key":  encodePEM("RSA PUBLIC KEY", pkcs8),
		"PKCS 8 as certificate":     encodePEM("CERTIFICATE", pkcs8),
		"SEC 1 as certificate":      encodePEM("CERTIFICATE", sec1),
		"encrypted as public key":   encodePEM("PUBLIC KEY", encrypted),
		"PKCS 12 as certificate":    encodePEM("CERTIFICATE", pkcs12),
		"PKCS 8 with data behind":   encodePEM("PUBLIC KEY", append(pkcs8[:len(pkcs8):len(pkcs8)], 0)),
		"behind the public key":     public + encodePEM("PRIVATE KEY", pkcs8),
		"before the public key":     encodePEM("PRIVATE KEY", pkcs8) + public,
		"in lower case":             strings.ToLower(encodePEM("PRIVATE KEY", pkcs8)),
		"in Windows line ends":      strings.ReplaceAll(encodePEM("PRIVATE KEY", pkcs8), "\n", "\r\n"),
		"in escaped line ends":      strings.ReplaceAll(encodePEM("PRIVATE KEY", pkcs8), "\n", `\n`),
		"cut short":                 encodePEM("PRIVATE KEY", pkcs8)[:100],
		"base64 without armour":     base64.StdEncoding.EncodeToString(pkcs8),
		"base64 lines, no armour":   strings.ReplaceAll(strings.ReplaceAll(encodePEM("PRIVATE KEY", pkcs8), "-----BEGIN PRIVATE KEY-----\n", ""), "-----END PRIVATE KEY-----\n", ""),
		"JWK":                       string(jwk),
		"symmetric JWK":             `{"kty":"oct","k":"hunter2"}`,
		"SEC 1 with parameters":     encodePEM("EC PARAMETERS", []byte{6, 0}) + encodePEM("EC PRIVATE KEY", sec1),
		"traditional and encrypted": "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
	} {
		for _, kind := range []oauth.CredentialType{oauth.TypePublicKey, oauth.TypeX509Cert, oauth.TypeCertSubjectDN} {
			t.Run(name+" as "+string(kind), func(t *testing.T) {
				t.Parallel()
				_, err := oauth.NewCredential("cred_1", "client", oauth.CredentialRequest{Type: kind, PEM: &text}, today)
				want := []oauth.Violation{{Member: "pem", Rule: "format", Detail: "holds a private key; it has not been stored, but it has left its owner and must be taken as exposed: replace it, and send only the public key or the certificate"}}
				if diff := cmp.Diff(want, violations(t, err)); diff != "" {
					t.Errorf("violations (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestPEMRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	key := &signingKey().PublicKey
	der, pkcs1 := spki(t, key), x509.MarshalPKCS1PublicKey(key)
	plain := encodePEM("PUBLIC KEY", der)
	cert := newCertificate(t, signingKey(), nil)
	certPEM := encodePEM("CERTIFICATE", cert)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	crafted := func(n *big.Int, e int) string { return spkiPEM(t, &rsa.PublicKey{N: n, E: e}) }
	power := func(bits uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), bits) }
	huge, err := asn1.Marshal(struct{ N, E *big.Int }{key.N, power(70)})
	if err != nil {
		t.Fatal(err)
	}
	negative, err := asn1.Marshal(struct{ N, E *big.Int }{new(big.Int).Neg(key.N), big.NewInt(65537)})
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, signingKey())
	if err != nil {
		t.Fatal(err)
	}

	const (
		several    = "holds more than one PEM block; send only the key, or only the client's own certificate without its chain"
		before     = "holds something before the PEM block; send the block alone"
		behind     = "holds something after the PEM block; send the block alone"
		incomplete = "is incomplete: it needs a BEGIN line, its content and an END line, each on lines of their own"
		content    = "holds neither a public key nor a certificate in DER, or has data after it"
		base64Text = "has content that is not base64, or is cut short"
		label      = "must be labelled CERTIFICATE, PUBLIC KEY or RSA PUBLIC KEY"
		notRSA     = "must be an RSA key (rsaEncryption)"
		exponent   = "must have an odd RSA exponent from 3 to 2147483647"
	)
	cases := map[string]struct{ text, want string }{
		"garbage":                      {"hunter2", "is not PEM: it has no BEGIN line"},
		"binary":                       {string(der), "holds characters that are not ASCII text; is it binary DER?"},
		"NUL":                          {plain + "\x00", "holds characters that are not ASCII text; is it binary DER?"},
		"byte order mark":              {"\ufeff" + plain, "holds characters that are not ASCII text; is it binary DER?"},
		"no armour":                    {base64.StdEncoding.EncodeToString(der), "lacks its BEGIN and END lines"},
		"public JWK":                   {`{"kty":"RSA","n":"x","e":"AQAB"}`, "is JSON; send the key or certificate as PEM"},
		"escaped line ends":            {strings.ReplaceAll(plain, "\n", `\n`), `has line ends that are written as the two characters \ and n; send real line ends`},
		"two keys":                     {plain + plain, several},
		"certificate chain":            {certPEM + certPEM, several},
		"text before":                  {"Certificate:\n    Data:\n" + certPEM, before},
		"text before on the line":      {"x" + plain, before},
		"text behind":                  {plain + "hunter2", behind},
		"text behind on the line":      {strings.TrimSpace(plain) + " hunter2", behind},
		"spaces for line ends":         {strings.ReplaceAll(plain, "\n", " "), incomplete},
		"no END":                       {strings.Split(plain, "-----END")[0], incomplete},
		"BEGIN alone":                  {"-----BEGIN PUBLIC KEY-----", incomplete},
		"END of another label":         {strings.Replace(plain, "END PUBLIC", "END RSA PUBLIC", 1), "has an END line that does not match its BEGIN line"},
		"broken dashes":                {strings.Replace(plain, "KEY-----\n", "KEY----\n", 1), incomplete},
		"nothing inside":               {"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", content},
		"two BEGIN lines":              {strings.Replace(plain, "\n", "\n-----BEGIN PUBLIC KEY-----\n", 1), several},
		"bits behind the base64":       {"-----BEGIN PUBLIC KEY-----\nAB==\n-----END PUBLIC KEY-----", base64Text},
		"validity until year 0":        {encodePEM("CERTIFICATE", yearZero(t)), "must hold a certificate whose validity ends in the years 1 to 9999, UTC"},
		"not base64":                   {strings.Replace(plain, "MII", "M!I", 1), base64Text},
		"headers":                      {strings.Replace(plain, "KEY-----\n", "KEY-----\nComment: hunter2\n\n", 1), base64Text},
		"cut short":                    {encodePEM("PUBLIC KEY", der[:100]), content},
		"data behind the key":          {encodePEM("PUBLIC KEY", append(der[:len(der):len(der)], 0)), content},
		"data behind the certificate":  {encodePEM("CERTIFICATE", append(cert[:len(cert):len(cert)], 0)), content},
		"unknown label":                {encodePEM("HUNTER2", der), label},
		"trusted certificate":          {encodePEM("TRUSTED CERTIFICATE", cert), label},
		"certificate request":          {encodePEM("CERTIFICATE REQUEST", request), label},
		"request as certificate":       {encodePEM("CERTIFICATE", request), "holds no certificate as of RFC 5280"},
		"key as certificate":           {encodePEM("CERTIFICATE", der), "is not labelled as what it holds, which is a public key (SPKI)"},
		"certificate as key":           {encodePEM("PUBLIC KEY", cert), "is not labelled as what it holds, which is a certificate"},
		"PKCS 1 as SPKI":               {encodePEM("PUBLIC KEY", pkcs1), "is not labelled as what it holds, which is an RSA public key (PKCS #1)"},
		"SPKI as PKCS 1":               {encodePEM("RSA PUBLIC KEY", der), "is not labelled as what it holds, which is a public key (SPKI)"},
		"P-256":                        {spkiPEM(t, &ec.PublicKey), notRSA},
		"Ed25519":                      {spkiPEM(t, ed), notRSA},
		"P-256 in a certificate":       {encodePEM("CERTIFICATE", newCertificate(t, ec, nil)), notRSA},
		"P-224":                        {spkiPEM(t, &p224.PublicKey), notRSA},
		"RSA of 1024 bits":             {spkiPEM(t, &weakKey().PublicKey), "must be an RSA key of 2048 bits at least"},
		"RSA of 1024 bits, certified":  {encodePEM("CERTIFICATE", newCertificate(t, weakKey(), nil)), "must be an RSA key of 2048 bits at least"},
		"RSA of 8193 bits":             {crafted(new(big.Int).Add(power(8192), big.NewInt(1)), 65537), "must be an RSA key of 8192 bits at most"},
		"even modulus":                 {crafted(power(2047), 65537), "must have an odd RSA modulus"},
		"exponent 1":                   {crafted(key.N, 1), exponent},
		"exponent 2":                   {crafted(key.N, 2), exponent},
		"even exponent":                {crafted(key.N, 65536), exponent},
		"exponent over 31 bits":        {crafted(key.N, 1<<31+1), exponent},
		"exponent over 64 bits":        {encodePEM("RSA PUBLIC KEY", huge), "holds a malformed RSA public key"},
		"negative modulus":             {encodePEM("RSA PUBLIC KEY", negative), "holds a malformed RSA public key"},
		"certificate, negative serial": {encodePEM("CERTIFICATE", negativeSerial(t, cert)), "holds a certificate that is not acceptable: its serial number is negative, which RFC 5280 §4.1.2.2 forbids"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newPublicKey(c.text)
			if diff := cmp.Diff([]oauth.Violation{{Member: "pem", Rule: "format", Detail: c.want}}, violations(t, err)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if strings.Contains(strings.ToLower(err.Error()), "hunter2") {
				t.Errorf("the error repeats the input: %v", err)
			}
		})
	}
}

// negativeSerial turns the serial number 0x7f of newCertificate into -1.
func negativeSerial(t testing.TB, der []byte) []byte {
	t.Helper()
	edited := strings.Replace(string(der), "\x02\x01\x7f", "\x02\x01\xff", 1)
	if edited == string(der) {
		t.Fatal("no serial number found")
	}
	return []byte(edited)
}

// yearZero returns a certificate that ends in the year 0.
func yearZero(t testing.TB) []byte {
	t.Helper()
	der := newCertificate(t, signingKey(), func(c *x509.Certificate) { c.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) })
	edited := strings.Replace(string(der), "99991231235959Z", "00000101000000Z", 1)
	if edited == string(der) {
		t.Fatal("no end of validity found")
	}
	return []byte(edited)
}

func TestOldAndWeaklySignedCertificatesAreTaken(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*x509.Certificate){
		"expired":      func(c *x509.Certificate) { c.NotBefore, c.NotAfter = today.AddDate(-3, 0, 0), today.AddDate(-2, 0, 0) },
		"not yet":      func(c *x509.Certificate) { c.NotBefore = today.AddDate(1, 0, 0) },
		"SHA-1 signed": func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA },
		"for ever":     func(c *x509.Certificate) { c.NotAfter = today.AddDate(9999-2026, 0, 0) },
		"CA":           func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := encodePEM("CERTIFICATE", newCertificate(t, signingKey(), edit))
			for _, kind := range []oauth.CredentialType{oauth.TypePublicKey, oauth.TypeX509Cert, oauth.TypeCertSubjectDN} {
				if _, err := oauth.NewCredential("cred_1", "client", oauth.CredentialRequest{Type: kind, PEM: &text}, today); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			}
		})
	}
}

func TestSubjectDN(t *testing.T) {
	t.Parallel()
	type rdn = pkix.RelativeDistinguishedNameSET
	one := func(oid string, value any) rdn { return rdn{attribute(oid, value)} }
	t61 := func(text string) asn1.RawValue { return asn1.RawValue{Tag: asn1.TagT61String, Bytes: []byte(text)} }
	utf8String := func(text string) asn1.RawValue { return asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(text)} }
	cases := map[string]struct {
		names  []rdn
		want   string
		detail string // of the violation, instead of want
	}{
		"in the certificate's order": {
			names: []rdn{one("2.5.4.6", "es"), one("2.5.4.8", "Madrid"), one("2.5.4.7", "Madrid"), one("2.5.4.10", "Org"), one("2.5.4.11", "Unit"), one("2.5.4.3", "Name")},
			want:  "C=es\nST=Madrid\nL=Madrid\nO=Org\nOU=Unit\nCN=Name",
		},
		"in another order":     {names: []rdn{one("2.5.4.3", "Name"), one("2.5.4.6", "es")}, want: "CN=Name\nC=es"},
		"an attribute twice":   {names: []rdn{one("2.5.4.11", "a"), one("2.5.4.11", "b")}, want: "OU=a\nOU=b"},
		"less known names":     {names: []rdn{one("0.9.2342.19200300.100.1.25", "com"), one("1.2.840.113549.1.9.1", "a@b.test"), one("2.5.4.5", "7"), one("2.5.4.97", "VATES-1")}, want: "DC=com\nemailAddress=a@b.test\nserialNumber=7\norganizationIdentifier=VATES-1"},
		"unknown name":         {names: []rdn{one("1.2.3.4.5", "x")}, want: "1.2.3.4.5=x"},
		"letters beyond ASCII": {names: []rdn{one("2.5.4.10", "Örg 組織")}, want: "O=Örg 組織"},
		"multi-valued":         {names: []rdn{{attribute("2.5.4.3", "a"), attribute("0.9.2342.19200300.100.1.1", "7")}}, want: "CN=a + UID=7"},
		"not multi-valued":     {names: []rdn{one("2.5.4.3", "a + UID=7")}, want: `CN=a \+ UID=7`},
		"what needs a backslash": {
			names: []rdn{one("2.5.4.10", `A, B+"C"\<D>;#`), one("2.5.4.11", "#x"), one("2.5.4.3", " x ")},
			want:  `O=A\, B\+\"C\"\\\<D\>\;#` + "\nOU=\\#x\nCN=\\ x\\ ",
		},
		"T61String in ASCII":     {names: []rdn{one("2.5.4.3", t61("abc"))}, want: "CN=abc"},
		"empty value":            {names: []rdn{one("2.5.4.3", utf8String(""))}, want: "CN="},
		"BMPString":              {names: []rdn{one("2.5.4.3", asn1.RawValue{Tag: asn1.TagBMPString, Bytes: []byte("\x00a\x00\xfc")})}, want: "CN=aü"},
		"empty subject":          {detail: "holds a certificate whose subject is empty"},
		"NUL":                    {names: []rdn{one("2.5.4.3", utf8String("good.test\x00.evil.test"))}, detail: "holds a certificate whose subject holds a control character"},
		"line feed":              {names: []rdn{one("2.5.4.3", utf8String("a\nO=Other"))}, detail: "holds a certificate whose subject holds a control character"},
		"T61String beyond ASCII": {names: []rdn{one("2.5.4.3", t61("\xc3\xbc"))}, detail: "holds a certificate whose subject holds a T61String beyond ASCII, which has no agreed meaning"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			der := newCertificate(t, signingKey(), func(cert *x509.Certificate) { cert.RawSubject = subject(t, c.names...) })
			got, err := oauth.NewCredential("cred_1", "client", oauth.CredentialRequest{Type: oauth.TypeCertSubjectDN, PEM: new(encodePEM("CERTIFICATE", der))}, today)
			if c.detail != "" {
				if diff := cmp.Diff([]oauth.Violation{{Member: "pem", Rule: "format", Detail: c.detail}}, violations(t, err)); diff != "" {
					t.Errorf("violations (-want +got):\n%s", diff)
				}
				return
			}
			if err != nil || got.SubjectDN != c.want {
				t.Errorf("got %q, %v, want %q", got.SubjectDN, err, c.want)
			}
		})
	}
}

// FuzzPEM checks that no text causes a panic, and that what is accepted means
// the same when its key or certificate is written out again.
func FuzzPEM(f *testing.F) {
	key := &signingKey().PublicKey
	f.Add(spkiPEM(f, key))
	f.Add(encodePEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(key)))
	f.Add(encodePEM("CERTIFICATE", newCertificate(f, signingKey(), nil)))
	f.Add(encodePEM("PRIVATE KEY", []byte{0x30, 3, 2, 1, 0}))
	f.Add("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----")
	f.Add(`{"kty":"RSA","d":"x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []oauth.CredentialType{oauth.TypePublicKey, oauth.TypeX509Cert, oauth.TypeCertSubjectDN} {
			c, err := oauth.NewCredential("cred_1", "client", oauth.CredentialRequest{Type: kind, PEM: &text}, today)
			if err != nil {
				violations(t, err)
				continue
			}
			var again string
			if c.Certificate != nil {
				again = encodePEM("CERTIFICATE", c.Certificate)
			} else if kind == oauth.TypePublicKey {
				key, err := c.PublicKey()
				if err != nil {
					t.Fatal(err)
				}
				again = spkiPEM(t, key)
			} else {
				continue
			}
			back, err := oauth.NewCredential("cred_1", "client", oauth.CredentialRequest{Type: kind, PEM: &again}, today)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, back); diff != "" {
				t.Errorf("written anew (-want +got):\n%s", diff)
			}
		}
	})
}
