package abuse

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server/admission"
)

// certificate makes one that key signs for itself, with that subject.
func certificate(t testing.TB, key *ecdsa.PrivateKey, subject any) string {
	t.Helper()
	raw, err := asn1.Marshal(subject)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), RawSubject: raw, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pemBlock("CERTIFICATE", der)
}

func ellipticKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var (
	oidCN = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidO  = asn1.ObjectIdentifier{2, 5, 4, 10}
)

// Certificates are kept so that no other one is taken for them: by their own
// thumbprint, and subjects as what they are, in their order, or not at all.
// Nothing here speaks mutual TLS, so nobody passes by a certificate: token
// requests of such clients are refused, whatever headers a peer sends.
func TestNoCertificatePassesForAnother(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	path := clientPath(id) + "/credentials"
	cn := func(v string) pkix.AttributeTypeAndValue { return pkix.AttributeTypeAndValue{Type: oidCN, Value: v} }
	org := func(v string) pkix.AttributeTypeAndValue { return pkix.AttributeTypeAndValue{Type: oidO, Value: v} }
	one := func(a ...pkix.AttributeTypeAndValue) pkix.RelativeDistinguishedNameSET { return a }
	key, other := ellipticKey(t), ellipticKey(t)

	subject := func(rdns pkix.RDNSequence) servertest.Response {
		r := s.Do(s.Admin, "POST", path, object{"credential_type": "cert_subject_dn", "pem": certificate(t, key, rdns)})
		if r.Status == 201 {
			s.Do(s.Admin, "DELETE", path+"/"+r.Object()["id"].(string), nil).Want(204)
		}
		return r
	}
	seen := map[string]string{}
	for name, rdns := range map[string]pkix.RDNSequence{
		"plain": {one(org("o")), one(cn("a"))}, "reordered": {one(cn("a")), one(org("o"))}, "one more": {one(org("o")), one(cn("a")), one(cn("b"))},
		"a comma inside": {one(org("o,CN=a"))}, "another case": {one(org("o")), one(cn("A"))}, "two values in one": {one(org("o"), cn("a"))}, "a plus inside": {one(cn("a + O=o"))}, "a line end written out": {one(cn(`a\nO=o`))}, "blanks around": {one(org("o")), one(cn(" a "))},
	} {
		r := subject(rdns)
		if r.Status == 400 {
			continue
		}
		dn := r.Want(201).Object()["subject_dn"].(string)
		if was, taken := seen[dn]; taken {
			t.Errorf("the subjects %q and %q are both %q", was, name, dn)
		}
		seen[dn] = name
	}
	for name, rdns := range map[string]pkix.RDNSequence{
		"NUL in CN": {one(org("o")), one(cn("a\x00b"))}, "line end in CN": {one(cn("a\nO=o"))}, "nothing": {},
	} {
		if r := subject(rdns); r.Status != 400 {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	for _, text := range []string{"CN=a\x00", "CN=a\rO=o", "CN=a\u0007"} {
		s.Do(s.Admin, "POST", path, object{"credential_type": "cert_subject_dn", "subject_dn": text}).Want(400)
	}

	same := pkix.RDNSequence{one(cn("a"))}
	thumbprints := map[any]bool{}
	for _, text := range []string{certificate(t, key, same), certificate(t, key, same), certificate(t, other, same)} { // same key, then another CA's
		r := s.Do(s.Admin, "POST", path, object{"credential_type": "x509_cert", "pem": text}).Want(201)
		thumbprints[r.Object()["thumbprint_sha256"]] = true
	}
	if len(thumbprints) != 3 {
		t.Errorf("three certificates have %d thumbprints", len(thumbprints))
	}

	tls, _ := newClient(s, object{"client_authentication_methods": object{"tls_client_auth": object{"credentials": []object{{"credential_type": "cert_subject_dn", "subject_dn": "CN=a"}}}}})
	text := certificate(t, key, same)
	for _, header := range []string{"X-Forwarded-Client-Cert", "X-SSL-Cert", "X-Client-Cert", "Client-Cert", "X-Amzn-Mtls-Clientcert", "Ssl-Client-Cert"} {
		for _, body := range []string{request(s, "client_id", tls).Encode(), request(s, "client_id", tls, "client_secret", secret).Encode()} {
			s.Do("", "POST", "/oauth/token", body, "Content-Type", form, header, strings.ReplaceAll(text, "\n", "%0A"), "X-SSL-Client-S-DN", "CN=a").Want(401)
		}
	}
}

// 50 rotations and changes at once, on two instances: no secret that was handed
// out is lost without a trace, never more are live than may be, and changing a
// name leaves credentials alone.
func TestRotationsAtOnceLoseNoSecret(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Limits: &admission.Limits{}}) // most secrets fail at its end
	instances := []*servertest.Server{s, beside(t, s, nil)}
	id, first := newClient(s, nil)
	rows := func() (text string) {
		t.Helper()
		if err := s.Pool.QueryRow(t.Context(), `SELECT string_agg(s::text, E'\n' ORDER BY s.id) FROM client_secrets s JOIN clients c ON c.id = s.client WHERE c.client_id = $1`, id).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := rows()
	tag := s.Do(s.Admin, "GET", clientPath(id), nil).Header.Get("ETag")
	s.Do(s.Admin, "PATCH", clientPath(id), object{"name": "other"}, "If-Match", tag).Want(200)
	if diff := cmp.Diff(before, rows()); diff != "" {
		t.Errorf("changing a name changed secrets: %s", diff)
	}
	var mu sync.Mutex
	handed := map[string]bool{first: true}
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			at := instances[i%2]
			if i%5 == 4 {
				at.Do(s.Admin, "PATCH", clientPath(id), object{"name": "n"}, "If-Match", tag).Want(412)
				at.Do(s.Admin, "PATCH", clientPath(id), object{"name": "n" + strconv.Itoa(i)}).Want(200)
				return
			}
			secret := at.Do(s.Admin, "POST", clientPath(id)+"/rotate-secret?grace_seconds=600", nil).Want(200).Object()["client_secret"].(string)
			mu.Lock()
			defer mu.Unlock()
			handed[secret] = true
		})
	}
	all.Wait()
	if len(handed) != 41 {
		t.Errorf("%d different secrets were handed out, want 41", len(handed))
	}
	var body struct {
		Secrets []struct{ Status string }
	}
	instances[1].Do(s.Admin, "GET", "/api/roster/v1/clients/"+id+"/secrets", nil).Want(200).Decode(&body)
	live := 0
	for _, one := range body.Secrets {
		if one.Status != "ended" {
			live++
		}
	}
	works := 0
	for secret := range handed {
		if good(t, s, id, secret) {
			works++
		}
	}
	if len(body.Secrets) != len(handed) || live != works || live < 1 || live > 2 {
		t.Errorf("%d handed out, %d listed, %d listed as live, %d good", len(handed), len(body.Secrets), live, works)
	}
}

// At the cap of four credentials all are replaced, two at a time, while tokens
// are asked for: there is always a key that is valid.
func TestAllKeysAreReplacedWithoutAGap(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := newKeyedClient(t, s, 0)
	path := clientPath(id) + "/credentials"
	ids := func() []string {
		var pool []object
		s.Do(s.Admin, "GET", path, nil).Want(200).Decode(&pool)
		var all []string
		for _, one := range pool {
			all = append(all, one["id"].(string))
		}
		return all
	}
	add := func(n int) string {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if n < len(keys) {
			key, err = keys[n](), nil
		}
		if err != nil {
			t.Fatal(err)
		}
		return s.Do(s.Admin, "POST", path, object{"credential_type": "public_key", "pem": publicPEM(t, key.Public())}).Want(201).Object()["id"].(string)
	}
	attach := func(ids ...string) {
		var list []object
		for _, id := range ids {
			list = append(list, object{"id": id})
		}
		s.Do(s.Admin, "PATCH", clientPath(id), object{"client_authentication_methods": object{"private_key_jwt": object{"credentials": list}}}).Want(200)
	}
	old := ids()[0]
	subject := func() string {
		return s.Do(s.Admin, "POST", path, object{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"}).Want(201).Object()["id"].(string)
	}
	spare := []string{add(2), subject()}
	attach(old, spare[0])
	next := add(1)
	s.Do(s.Admin, "POST", path, object{"credential_type": "cert_subject_dn", "subject_dn": "CN=y"}).Want(400) // the cap
	// From here on, one of the first two keys must be good at any moment.
	stop, watched := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { watched <- n }()
		for ; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			// The swap is one step: a request before it passes by the old key, one
			// after it by the new.
			if present(s, sign(t, jose.RS256, keys[0](), nil, claims(s, id))).Status != 200 && present(s, sign(t, jose.RS256, keys[1](), nil, claims(s, id))).Status != 200 {
				t.Error("no key of the client is good")
				return
			}
		}
	}()
	attach(next) // out with both, in with another, at once
	for _, gone := range append([]string{old}, spare...) {
		s.Do(s.Admin, "DELETE", path+"/"+gone, nil).Want(204)
	}
	for range 3 {
		subject()
	}
	close(stop)
	if <-watched == 0 {
		t.Error("nobody was watching")
	}
	s.Do(s.Admin, "DELETE", path+"/"+next, nil).Want(400) // the last one in use stays
	s.Do(s.Admin, "PATCH", clientPath(id), object{"client_authentication_methods": nil}).Want(400)
	present(s, sign(t, jose.RS256, keys[0](), nil, claims(s, id))).Want(401)
	present(s, sign(t, jose.RS256, keys[1](), nil, claims(s, id))).Want(200)
}

// Keys that are no keys, are weak, or are private are refused, or at least never
// good for anything.
func TestWeakAndPrivateKeysAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := newClient(s, nil)
	path := clientPath(id) + "/credentials"
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	one := rsa.PublicKey{N: keys[0]().N, E: 1}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(keys[0]())
	if err != nil {
		t.Fatal(err)
	}
	huge := new(big.Int).SetBit(big.NewInt(1), 16400, 1)
	for name, test := range map[string]struct{ pem, reason string }{
		"1024 bits":         {publicPEM(t, weak.Public()), "2048 bits at least"},
		"exponent 1":        {pemBlock("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&one)), ""},
		"even exponent":     {pemBlock("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: keys[0]().N, E: 65536})), ""},
		"even modulus":      {pemBlock("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(keys[0]().N, 1), E: 65537})), ""},
		"16400 bits":        {pemBlock("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: huge, E: 65537})), ""},
		"elliptic":          {publicPEM(t, ellipticKey(t).Public()), "must be an RSA key"},
		"private":           {pemBlock("PRIVATE KEY", pkcs8), "pem holds a private key"},
		"private, in guise": {pemBlock("PUBLIC KEY", pkcs8), "pem holds a private key"},
		"a JWK":             {string(mustJSON(t, jose.JSONWebKey{Key: keys[0]().Public()})), ""},
		"two":               {publicPEM(t, keys[0]().Public()) + publicPEM(t, keys[1]().Public()), "more than one PEM block"},
		"ten thousand":      {strings.Repeat("x", 1<<19), ""},
	} {
		r := s.Do(s.Admin, "POST", path, object{"credential_type": "public_key", "pem": test.pem})
		if r.Status != 400 || !strings.Contains(string(r.Body), test.reason) {
			t.Errorf("%s: %d %.300s", name, r.Status, r.Body)
		}
	}
	s.Do(s.Admin, "POST", path, object{"credential_type": "public_key", "pem": publicPEM(t, keys[0]().Public()), "kid": "the-same-kid"}).Want(201)
	for name, body := range map[string]object{
		"same kid, new key": {"pem": publicPEM(t, keys[1]().Public()), "kid": "the-same-kid"}, "new kid, same key": {"pem": publicPEM(t, keys[0]().Public()), "kid": "another-kid"},
	} {
		body["credential_type"] = "public_key"
		if r := s.Do(s.Admin, "POST", path, body); r.Status != 400 && r.Status != 409 {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}

	provider := newProvider(s)
	b64 := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	n, e := b64(keys[0]().N.Bytes()), b64([]byte{1, 0, 1})
	point := ellipticKey(t)
	raw, err := point.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, y := raw[1:33], raw[33:]
	off := append([]byte(nil), y...)
	off[31] ^= 1
	for name, jwk := range map[string]any{
		"private RSA":        json.RawMessage(mustJSON(t, jose.JSONWebKey{Key: keys[0]()})),
		"private member":     object{"kty": "RSA", "n": n, "e": e, "d": n},
		"private elliptic":   json.RawMessage(mustJSON(t, jose.JSONWebKey{Key: point})),
		"symmetric":          object{"kty": "oct", "k": n},
		"off the curve":      object{"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(off)},
		"no point":           object{"kty": "EC", "crv": "P-256", "x": "", "y": ""},
		"unknown curve":      object{"kty": "EC", "crv": "P-999", "x": b64(x), "y": b64(y)},
		"certificate of x":   object{"kty": "RSA", "n": n, "e": e, "x5c": []string{"AAAA"}},
		"certificate differ": object{"kty": "RSA", "n": n, "e": e, "x5c": []string{strings.Join(strings.Fields(strings.NewReplacer("-----BEGIN CERTIFICATE-----", "", "-----END CERTIFICATE-----", "").Replace(certificate(t, point, pkix.RDNSequence{}))), "")}},
		"a set":              object{"keys": []object{{"kty": "RSA", "n": n, "e": e}}},
		"no kind":            object{"n": n, "e": e},
		"a text":             "x",
	} {
		for _, members := range []object{{"jwk": jwk}} {
			if r := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, members)); r.Status != 422 || r.Object()["errors"].(object)["jwk"] == nil {
				t.Errorf("jwk, %s: %d %.300s", name, r.Status, r.Body)
			}
		}
	}
	// Boruta takes weak keys; none of them counts.
	for name, members := range map[string]object{
		"1024 bits, jwk":  {"jwk": json.RawMessage(mustJSON(t, jose.JSONWebKey{Key: weak.Public()}))},
		"1024 bits, PEM":  {"jwt_public_key": publicPEM(t, weak.Public())},
		"symmetric alg":   {"jwt_public_key": publicPEM(t, keys[0]().Public()), "token_endpoint_jwt_auth_alg": "HS256"},
		"no key but text": {"jwt_public_key": "secret"},
	} {
		all := object{"confidential": true, "supported_grant_types": []string{"client_credentials"}, "token_endpoint_auth_methods": []string{"private_key_jwt", "client_secret_jwt"}, "token_endpoint_jwt_auth_alg": "RS256"}
		for member, v := range members {
			all[member] = v
		}
		r := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, all))
		if r.Status == 422 {
			continue
		}
		c := r.Want(201).Object()["data"].(object)
		own := c["id"].(string)
		allow(s, own, "read:clients")
		text, _ := c["jwt_public_key"].(string)
		for how, assertion := range map[string]string{
			"the weak key": sign(t, jose.RS256, weak, nil, claims(s, own)),
			"its text":     sign(t, jose.HS256, []byte(text+strings.Repeat("\x00", max(0, 32-len(text)))), nil, claims(s, own)),
			"its secret":   sign(t, jose.HS256, []byte(c["secret"].(string)), nil, claims(s, own)),
		} {
			if r := present(s, assertion); r.Status != 401 {
				t.Errorf("%s: an assertion signed by %s: %d %s", name, how, r.Status, r.Body)
			}
		}
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
