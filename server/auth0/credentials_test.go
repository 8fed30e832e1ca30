package auth0_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

var (
	credentialID  = regexp.MustCompile(`^cred_[1-9A-HJ-NP-Za-km-z]{22}$`)
	millisecondsZ = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
)

func TestCreateCredentialAnswersWhatItRegistered(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	key := &credentialKeys[1]().PublicKey
	spki := publicKeyPEM(t, key)
	cert := certificate(t, key, nil)
	certText := pemBlock("CERTIFICATE", cert)
	sum := sha256.Sum256(cert)
	const end = "2033-05-13T09:33:13.000Z"
	plain := map[string]any{"credential_type": "public_key", "kid": thumbprint(key), "alg": "RS256"}
	with := func(members ...any) map[string]any {
		object := without(plain)
		for i := 0; i < len(members); i += 2 {
			object[members[i].(string)] = members[i+1]
		}
		return object
	}

	for name, test := range map[string]struct{ body, want map[string]any }{
		"SPKI":    {map[string]any{"credential_type": "public_key", "pem": spki}, plain},
		"PKCS #1": {map[string]any{"credential_type": "public_key", "pem": pemBlock("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(key))}, plain},
		"certificate as public key keeps no expiry by itself": {map[string]any{"credential_type": "public_key", "pem": certText}, plain},
		"CRLF line ends":       {map[string]any{"credential_type": "public_key", "pem": strings.ReplaceAll(spki, "\n", "\r\n")}, plain},
		"no line end":          {map[string]any{"credential_type": "public_key", "pem": strings.TrimSpace(spki)}, plain},
		"name":                 {map[string]any{"credential_type": "public_key", "pem": spki, "name": "k1"}, with("name", "k1")},
		"longest name":         {map[string]any{"credential_type": "public_key", "pem": spki, "name": strings.Repeat("ü", 128)}, with("name", strings.Repeat("ü", 128))},
		"RS384":                {map[string]any{"credential_type": "public_key", "pem": spki, "alg": "RS384"}, with("alg", "RS384")},
		"PS256":                {map[string]any{"credential_type": "public_key", "pem": spki, "alg": "PS256"}, with("alg", "PS256")},
		"kid":                  {map[string]any{"credential_type": "public_key", "pem": spki, "kid": "my-key_2026"}, with("kid", "my-key_2026")},
		"shortest kid":         {map[string]any{"credential_type": "public_key", "pem": spki, "kid": "0123456789"}, with("kid", "0123456789")},
		"longest kid":          {map[string]any{"credential_type": "public_key", "pem": spki, "kid": strings.Repeat("k", 64)}, with("kid", strings.Repeat("k", 64))},
		"expiry of the cert":   {map[string]any{"credential_type": "public_key", "pem": certText, "parse_expiry_from_cert": true}, with("expires_at", end)},
		"a key has no expiry":  {map[string]any{"credential_type": "public_key", "pem": spki, "parse_expiry_from_cert": true}, plain},
		"expiry not asked for": {map[string]any{"credential_type": "public_key", "pem": certText, "parse_expiry_from_cert": false}, plain},
		"an explicit expiry beats the certificate's": {
			map[string]any{"credential_type": "public_key", "pem": certText, "parse_expiry_from_cert": true, "expires_at": "2031-01-02T03:04:05Z"},
			with("expires_at", "2031-01-02T03:04:05.000Z"),
		},
		"expiry with offset and microseconds": {
			map[string]any{"credential_type": "public_key", "pem": spki, "expires_at": "2033-05-16T11:07:30.535694+02:00"}, with("expires_at", "2033-05-16T09:07:30.535Z"),
		},
		"expiry with nanoseconds": {
			map[string]any{"credential_type": "public_key", "pem": spki, "expires_at": "2036-11-22T09:23:51.505965907Z"}, with("expires_at", "2036-11-22T09:23:51.505Z"),
		},
		"past expiry": {
			map[string]any{"credential_type": "public_key", "pem": spki, "expires_at": "2023-05-16T11:07:30Z"}, with("expires_at", "2023-05-16T11:07:30.000Z"),
		},
		"certificate": {
			map[string]any{"credential_type": "x509_cert", "name": "k2", "pem": certText},
			map[string]any{"credential_type": "x509_cert", "name": "k2", "thumbprint_sha256": base64.RawURLEncoding.EncodeToString(sum[:]), "expires_at": end},
		},
		"subject of a certificate": {
			map[string]any{"credential_type": "cert_subject_dn", "pem": certText},
			map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "C=es\nO=Org\nCN=Name"},
		},
		"subject as text": {
			map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=Name, O = Org ,C=es\nOU=x"},
			map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=Name, O = Org ,C=es\nOU=x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			client := newClient(s, nil)
			got := addCredential(s, client, test.body)
			if id := got["id"].(string); !credentialID.MatchString(id) {
				t.Errorf("id %q", id)
			}
			if at := got["created_at"].(string); !millisecondsZ.MatchString(at) || got["updated_at"] != at {
				t.Errorf("created_at %q, updated_at %q", at, got["updated_at"])
			}
			wantMembers(t, without(got, "id", "created_at", "updated_at"), test.want)
			wantMembers(t, s.Do(s.Admin, "GET", credentialsPath(client, got["id"].(string)), nil).Want(200).Object(), got)
		})
	}
}

// certificates that other parties would not trust identify their client all the
// same: what counts is that they are the registered ones.
func TestCertificatesAreTakenForWhatTheyHold(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	key := credentialKeys[1]().Public()
	for name, text := range map[string]string{
		"expired": certificatePEM(t, key, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = certificateEnd.AddDate(-20, 0, 0), certificateEnd.AddDate(-15, 0, 0)
		}),
		"SHA-1":               certificatePEM(t, key, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }),
		"1024 bits":           certificatePEM(t, weakPublicKey(), nil),
		"elliptic":            certificatePEM(t, ellipticKey().Public(), nil),
		"key already in pool": certificatePEM(t, credentialKeys[2]().Public(), nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			client := newClient(s, nil)
			addKey(t, s, client, 2)
			addCredential(s, client, map[string]any{"credential_type": "x509_cert", "pem": text})
			addCredential(s, client, map[string]any{"credential_type": "cert_subject_dn", "pem": text})
		})
	}
}

func TestCreateCredentialRefuses(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	key := credentialKeys[1]().Public()
	spki, cert := publicKeyPEM(t, key), certificatePEM(t, key, nil)
	public := func(members ...any) map[string]any {
		body := map[string]any{"credential_type": "public_key", "pem": spki}
		for i := 0; i < len(members); i += 2 {
			body[members[i].(string)] = members[i+1]
		}
		return body
	}
	const foreign = "is not for credentials of this type"
	for name, test := range map[string]struct {
		body    any
		message string // part of it
	}{
		"no type":              {map[string]any{"pem": spki}, "Missing required property: credential_type"},
		"unknown type":         {map[string]any{"credential_type": "jwk", "pem": spki}, "No enum match for: jwk"},
		"empty body":           {map[string]any{}, "Missing required property: credential_type"},
		"no object":            {[]any{}, "Expected type object but found type array"},
		"unknown member":       {public("jwk", "{}"), "'Additional properties not allowed: jwk'"},
		"id":                   {public("id", "cred_1234567890123456789012"), "'Additional properties not allowed: id'"},
		"no pem":               {map[string]any{"credential_type": "public_key"}, "pem is required"},
		"empty pem":            {public("pem", ""), "String is too short (0 chars), minimum 1"},
		"pem no string":        {public("pem", 1), "Expected type string but found type integer"},
		"null pem":             {public("pem", nil), "Expected type string but found type null"},
		"long name":            {public("name", strings.Repeat("n", 129)), "String is too long (129 chars), maximum 128"},
		"alg none":             {public("alg", "none"), "No enum match for: none"},
		"alg HS256":            {public("alg", "HS256"), "No enum match for: HS256"},
		"alg RS512":            {public("alg", "RS512"), "No enum match for: RS512"},
		"kid too short":        {public("kid", "123456789"), "String does not match pattern"},
		"kid too long":         {public("kid", strings.Repeat("k", 65)), "String does not match pattern"},
		"kid of other letters": {public("kid", "key number one"), "String does not match pattern"},
		"kid with a line end":  {public("kid", "0123456789\n"), "String does not match pattern"},
		"expires_at a date":    {public("expires_at", "2033-05-13"), "format date-time"},
		"no such day":          {public("expires_at", "2033-02-30T00:00:00Z"), ""},
		"expires_at a number":  {public("expires_at", 2000000000), "Expected type string but found type integer"},
		"expires_at null":      {public("expires_at", nil), "Expected type string but found type null"},
		"year 10000 in UTC":    {public("expires_at", "9999-12-31T23:59:59-01:00"), "years 1 to 9999"},
		"subject for a key":    {public("subject_dn", "CN=x"), foreign},

		"garbage":        {public("pem", "not a key"), "no BEGIN line"},
		"garbage block":  {public("pem", pemBlock("PUBLIC KEY", []byte("garbage"))), "neither a public key nor a certificate"},
		"wrong label":    {public("pem", pemBlock("CERTIFICATE", []byte("garbage"))), "neither a public key nor a certificate"},
		"two blocks":     {public("pem", spki+keyPEM(t, 2)), "more than one PEM block"},
		"chain":          {map[string]any{"credential_type": "x509_cert", "pem": cert + cert}, "more than one PEM block"},
		"elliptic key":   {public("pem", publicKeyPEM(t, ellipticKey().Public())), "must be an RSA key"},
		"1024 bits":      {public("pem", publicKeyPEM(t, weakPublicKey())), "2048 bits at least"},
		"1024 bits cert": {public("pem", certificatePEM(t, weakPublicKey(), nil)), "2048 bits at least"},
		"bytes before":   {public("pem", "key:\n"+spki), "before the PEM block"},

		"certificate without pem":     {map[string]any{"credential_type": "x509_cert"}, "pem is required"},
		"key as certificate":          {map[string]any{"credential_type": "x509_cert", "pem": spki}, "must be a certificate"},
		"certificate with alg":        {map[string]any{"credential_type": "x509_cert", "pem": cert, "alg": "RS256"}, foreign},
		"certificate with kid":        {map[string]any{"credential_type": "x509_cert", "pem": cert, "kid": "0123456789"}, foreign},
		"certificate with expires_at": {map[string]any{"credential_type": "x509_cert", "pem": cert, "expires_at": "2033-05-13T00:00:00Z"}, foreign},
		"certificate, parsed expiry":  {map[string]any{"credential_type": "x509_cert", "pem": cert, "parse_expiry_from_cert": true}, foreign},
		"certificate with subject_dn": {map[string]any{"credential_type": "x509_cert", "pem": cert, "subject_dn": "CN=x"}, foreign},
		"long certificate":            {map[string]any{"credential_type": "x509_cert", "pem": cert + strings.Repeat("\n", 4096)}, "at most 4096"},

		"no subject":              {map[string]any{"credential_type": "cert_subject_dn"}, "subject_dn must be given if pem is not, and only then"},
		"two subjects":            {map[string]any{"credential_type": "cert_subject_dn", "pem": cert, "subject_dn": "CN=x"}, "subject_dn must be given if pem is not, and only then"},
		"empty subject":           {map[string]any{"credential_type": "cert_subject_dn", "subject_dn": ""}, "String is too short (0 chars), minimum 1"},
		"long subject":            {map[string]any{"credential_type": "cert_subject_dn", "subject_dn": strings.Repeat("x", 257)}, "String is too long (257 chars), maximum 256"},
		"subject with alg":        {map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=x", "alg": "RS256"}, foreign},
		"subject with kid":        {map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=x", "kid": "0123456789"}, foreign},
		"subject with expires_at": {map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=x", "expires_at": "2033-05-13T00:00:00Z"}, foreign},
		"subject, parsed expiry":  {map[string]any{"credential_type": "cert_subject_dn", "pem": cert, "parse_expiry_from_cert": true}, foreign},
		"subject of a key":        {map[string]any{"credential_type": "cert_subject_dn", "pem": spki}, "must be a certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			client := newClient(s, nil)
			body := s.Do(s.Admin, "POST", credentialsPath(client), test.body).Want(400).Object()
			if message := body["message"].(string); !strings.Contains(message, test.message) {
				t.Errorf("message %q, want one with %q", message, test.message)
			}
			if got := string(s.Do(s.Admin, "GET", credentialsPath(client), nil).Want(200).Body); strings.TrimSpace(got) != "[]" {
				t.Errorf("something was registered: %s", got)
			}
		})
	}
}

// A private key that arrives by mistake must leave no trace.
func TestPrivateKeysAreRefusedAndForgotten(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(credentialKeys[1]())
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ellipticKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"PKCS #1":     pemBlock("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(credentialKeys[1]())),
		"PKCS #8":     pemBlock("PRIVATE KEY", pkcs8),
		"mislabelled": pemBlock("PUBLIC KEY", pkcs8),
		"SEC 1":       pemBlock("EC PRIVATE KEY", sec1),
		"with public": keyPEM(t, 1) + pemBlock("PRIVATE KEY", pkcs8),
		"encrypted":   pemBlock("ENCRYPTED PRIVATE KEY", pkcs8),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			client := newClient(s, nil)
			secret := strings.Split(text, "\n")[3] // a line of base64 that nothing else holds
			check := func(r servertest.Response) {
				t.Helper()
				if message := r.Want(400).Object()["message"].(string); !strings.Contains(message, "pem holds a private key") {
					t.Errorf("message %q", message)
				}
				if strings.Contains(string(r.Body), secret) {
					t.Error("the answer repeats the key")
				}
			}
			for _, kind := range []string{"public_key", "x509_cert", "cert_subject_dn"} {
				check(s.Do(s.Admin, "POST", credentialsPath(client), map[string]any{"credential_type": kind, "pem": text}))
			}
			check(s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "leaky", "client_authentication_methods": map[string]any{
				"private_key_jwt": map[string]any{"credentials": []any{map[string]any{"credential_type": "public_key", "pem": text}}},
			}}))
			var stored int
			if err := s.Pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM credentials) + (SELECT count(*) FROM clients WHERE name = 'leaky')
				+ (SELECT count(*) FROM events e WHERE e::text LIKE '%' || $1 || '%')`, secret).Scan(&stored); err != nil {
				t.Fatal(err)
			}
			if stored != 0 {
				t.Errorf("%d rows were stored", stored)
			}
			if strings.Contains(s.Log.String(), secret) {
				t.Error("the log holds the key")
			}
		})
	}
}

func TestListCredentialsIsABareArrayInCreationOrder(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client, other := newClient(s, nil), newClient(s, nil)
	want := []any{}
	addKey(t, s, other, 0)
	for i := range 4 {
		body := map[string]any{"credential_type": "public_key", "pem": keyPEM(t, 4-i), "name": "same name"}
		if i == 1 {
			body = map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"}
		}
		want = append(want, addCredential(s, client, body))
	}
	for _, query := range []string{"", "?include_totals=true&per_page=50", "?page=3&per_page=1", "?fields=id"} {
		var got []any
		s.Do(s.Admin, "GET", credentialsPath(client)+query, nil).Want(200).Decode(&got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	if got := string(s.Do(s.Admin, "GET", credentialsPath(newClient(s, nil)), nil).Want(200).Body); got != "[]" && got != "[]\n" {
		t.Errorf("a client without credentials lists %q", got)
	}
}

func TestUpdateCredentialChangesItsExpiryOnly(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, nil)
	key := credentialKeys[1]().Public()
	for name, body := range map[string]map[string]any{
		"public_key":      {"credential_type": "public_key", "pem": publicKeyPEM(t, key), "name": "k", "kid": "my-key_2026", "alg": "PS256"},
		"x509_cert":       {"credential_type": "x509_cert", "pem": certificatePEM(t, key, nil)},
		"cert_subject_dn": {"credential_type": "cert_subject_dn", "subject_dn": "CN=x"},
	} {
		want := addCredential(s, client, body)
		path := credentialsPath(client, want["id"].(string))
		patch := func(expires any) {
			s.Clock.Pass(time.Second)
			want["updated_at"] = s.Clock.Now().UTC().Format("2006-01-02T15:04:05.000Z")
			wantMembers(t, s.Do(s.Admin, "PATCH", path, map[string]any{"expires_at": expires}).Want(200).Object(), want)
			wantMembers(t, s.Do(s.Admin, "GET", path, nil).Want(200).Object(), want)
		}
		t.Log(name)
		want["expires_at"] = "2033-05-16T09:07:30.535Z"
		patch("2033-05-16T11:07:30.535694+02:00")
		want["expires_at"] = "2023-01-01T00:00:00.999Z"
		patch("2023-01-01T00:00:00.999999999Z")
		delete(want, "expires_at")
		patch(nil)
	}
}

func TestUpdateCredentialRefuses(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, nil)
	created := addCredential(s, client, map[string]any{"credential_type": "public_key", "pem": keyPEM(t, 1), "expires_at": "2033-05-13T09:33:13Z"})
	path := credentialsPath(client, created["id"].(string))
	for name, test := range map[string]struct{ body, message string }{
		"nothing":        {`{}`, "Too few properties defined (0), minimum 1"},
		"no body":        {``, ""},
		"no object":      {`"2033-05-13T09:33:13Z"`, "Expected type object but found type string"},
		"null":           {`null`, "Expected type object but found type null"},
		"a number":       {`{"expires_at":1}`, "Expected type string,null but found type integer"},
		"an empty text":  {`{"expires_at":""}`, "format date-time"},
		"a date":         {`{"expires_at":"2033-05-13"}`, "format date-time"},
		"no offset":      {`{"expires_at":"2033-05-13T09:33:13"}`, "format date-time"},
		"no such day":    {`{"expires_at":"2033-02-30T09:33:13Z"}`, ""},
		"year 10000":     {`{"expires_at":"9999-12-31T23:59:59-01:00"}`, "years 1 to 9999"},
		"another member": {`{"expires_at":null,"name":"x"}`, "'Additional properties not allowed: name'"},
		"twice":          {`{"expires_at":null,"expires_at":"2033-05-13T09:33:13Z"}`, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			body := s.Do(s.Admin, "PATCH", path, test.body).Want(400).Object()
			if message := body["message"].(string); !strings.Contains(message, test.message) {
				t.Errorf("message %q, want one with %q", message, test.message)
			}
			wantMembers(t, s.Do(s.Admin, "GET", path, nil).Want(200).Object(), created)
		})
	}
}

func TestDeleteCredentialTwiceSucceeds(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, nil)
	id := addKey(t, s, client, 1)
	for range 2 {
		if r := s.Do(s.Admin, "DELETE", credentialsPath(client, id), nil).Want(204); len(r.Body) > 0 {
			t.Errorf("body %q", r.Body)
		}
	}
	s.Do(s.Admin, "GET", credentialsPath(client, id), nil).Want(404)
	addKey(t, s, client, 1) // the key is free again
}

func TestCredentialsOfOthersDoNotExist(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client, other := newClient(s, nil), newClient(s, nil)
	id := addKey(t, s, other, 1)
	patch := map[string]any{"expires_at": nil}
	noClient := map[string]any{"statusCode": 404.0, "error": "Not Found", "message": "The client does not exist", "errorCode": "inexistent_client"}
	noCredential := map[string]any{"statusCode": 404.0, "error": "Not Found", "message": "Credential does not exist", "errorCode": "inexistent_credential"}
	for name, test := range map[string]struct {
		method, path string
		body         any
		want         map[string]any
	}{
		"list, no client":       {"GET", credentialsPath("nobody"), nil, noClient},
		"create, no client":     {"POST", credentialsPath("nobody"), map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"}, noClient},
		"get, no client":        {"GET", credentialsPath("nobody", id), nil, noClient},
		"update, no client":     {"PATCH", credentialsPath("nobody", id), patch, noClient},
		"get, no credential":    {"GET", credentialsPath(client, "nothing"), nil, noCredential},
		"update, no credential": {"PATCH", credentialsPath(client, "nothing"), patch, noCredential},
		"get another's":         {"GET", credentialsPath(client, id), nil, noCredential},
		"update another's":      {"PATCH", credentialsPath(client, id), patch, noCredential},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			wantMembers(t, s.Do(s.Admin, test.method, test.path, test.body).Want(404).Object(), test.want)
		})
	}
	s.Do(s.Admin, http.MethodDelete, credentialsPath("nobody", id), nil).Want(204)
	s.Do(s.Admin, http.MethodDelete, credentialsPath(client, id), nil).Want(204)
	s.Do(s.Admin, http.MethodGet, credentialsPath(other, id), nil).Want(200)
}

func TestCredentialScopes(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	client := newClient(s, nil)
	id := addKey(t, s, client, 1)
	for _, test := range []struct {
		method, path string
		body         any
		scope        string
		status       int
	}{
		{"GET", credentialsPath(client), nil, "read:client_credentials", 200},
		{"GET", credentialsPath(client, id), nil, "read:client_credentials", 200},
		{"POST", credentialsPath(client), map[string]any{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"}, "create:client_credentials", 201},
		{"PATCH", credentialsPath(client, id), map[string]any{"expires_at": nil}, "update:client_credentials", 200},
		{"DELETE", credentialsPath(client, id), nil, "delete:client_credentials", 204},
	} {
		others := []string{"read:clients", "create:clients", "update:clients", "delete:clients", "read:client_keys", "update:client_keys"}
		for _, scope := range []string{"read:client_credentials", "create:client_credentials", "update:client_credentials", "delete:client_credentials"} {
			if scope != test.scope {
				others = append(others, scope)
			}
		}
		refused := s.Do(s.Token(others...), test.method, test.path, test.body).Want(403).Object()
		wantMembers(t, refused, map[string]any{
			"statusCode": 403.0, "error": "Forbidden", "errorCode": "insufficient_scope", "message": "Insufficient scope, expected any of: " + test.scope,
		})
		s.Do(s.Token(test.scope), test.method, test.path, test.body).Want(test.status)
	}
}
