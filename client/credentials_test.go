package client_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/servertest"
)

// administered is a service, an administrator of it, and a client to work on.
func administered(t *testing.T) (s *servertest.Server, api *client.Client, clientID string) {
	t.Helper()
	s = servertest.NewWith(t, servertest.Options{Registry: servertest.RealTime})
	api = newClient(t, s.URL, client.Config{Token: s.Admin})
	id, _, err := api.CreateClient(t.Context(), client.CreateClientRequestContent{Name: "payroll", GrantTypes: []string{"client_credentials"}})
	if err != nil {
		t.Fatal(err)
	}
	return s, api, id
}

func newRSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// selfSigned is a certificate of CN=payroll for key.
func selfSigned(t *testing.T, key crypto.Signer, notAfter time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "payroll"}, NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestRegisteredKeyIsAsDescribed(t *testing.T) {
	t.Parallel()
	_, api, id := administered(t)
	until := time.Now().Add(48 * time.Hour).In(time.FixedZone("", 3600))
	got, err := api.RegisterKey(t.Context(), id, testKey(t).Public(), client.KeyOptions{
		Name: "2026", KID: "payroll-2026", Alg: client.ClientCredentialAlgorithmEnumPS256, ExpiresAt: until,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &client.ClientCredential{
		CredentialType: client.ClientCredentialTypeEnumPublicKey, Name: new("2026"), KID: new("payroll-2026"),
		Alg: new(client.ClientCredentialAlgorithmEnumPS256),
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(client.ClientCredential{}, "ID", "CreatedAt", "UpdatedAt", "ExpiresAt")); diff != "" {
		t.Errorf("credential (-want +got):\n%s", diff)
	}
	if at, ever := got.Expiry(); !ever || !at.Equal(until.Truncate(time.Millisecond)) {
		t.Errorf("it expires at %v, %v; want %v", at, ever, until)
	}

	plain, err := api.RegisterKey(t.Context(), id, newRSAKey(t).Public(), client.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ever := plain.Expiry(); ever || plain.Name != nil || plain.KID == nil || *plain.Alg != client.ClientCredentialAlgorithmEnumRS256 {
		t.Errorf("without options: %+v", plain)
	}
}

func TestClientAuthenticatesWithKeys(t *testing.T) {
	t.Parallel()
	s, api, id := administered(t)
	ctx, key := t.Context(), testKey(t)
	described, err := client.NewPublicKeyCredential(key.Public(), client.KeyOptions{Name: "2026", ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	born, secret, err := api.CreateClient(ctx, client.CreateClientRequestContent{
		Name: "keyed", GrantTypes: []string{"client_credentials"}, ClientAuthenticationMethods: client.PrivateKeyJWT(described),
	})
	if err != nil || secret != "" {
		t.Fatalf("a client with a key shows a secret (%v), or: %v", secret != "", err)
	}
	registered, err := api.RegisterKey(ctx, id, key.Public(), client.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := api.UseKeys(ctx, id, registered.ID); err != nil {
		t.Fatal(err)
	}
	for name, clientID := range map[string]string{"from the start": born, "later": id} {
		if _, err := api.GrantAPI(ctx, clientID, s.URL+"/api/v2/", []string{"read:clients"}); err != nil {
			t.Fatal(err)
		}
		own := newClient(t, s.URL, client.Config{ClientID: clientID, Key: key})
		if _, err := own.Auth0GetClientWithResponse(ctx, clientID, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCertificatesAreRegisteredForMutualTLS(t *testing.T) {
	t.Parallel()
	_, api, id := administered(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := selfSigned(t, key, time.Now().Add(time.Hour))
	own, err := api.RegisterCertificate(t.Context(), id, cert, "gateway")
	if err != nil {
		t.Fatal(err)
	}
	if at, ever := own.Expiry(); own.CredentialType != client.ClientCredentialTypeEnumX509Cert || own.ThumbprintSha256 == nil || *own.Name != "gateway" || !ever || !at.Equal(cert.NotAfter) {
		t.Errorf("the certificate is %+v", own)
	}
	subject, err := api.RegisterSubject(t.Context(), id, cert, "")
	if err != nil {
		t.Fatal(err)
	}
	if subject.CredentialType != client.ClientCredentialTypeEnumCertSubjectDN || *subject.SubjectDN != "CN=payroll" || subject.Name != nil {
		t.Errorf("the subject is %+v", subject)
	}
	fromCertificate, err := api.RegisterKey(t.Context(), id, selfSigned(t, testKey(t), time.Now()).PublicKey, client.KeyOptions{})
	if err != nil || fromCertificate.CredentialType != client.ClientCredentialTypeEnumPublicKey {
		t.Errorf("the key of a certificate: %+v, %v", fromCertificate, err)
	}
	for name, cert := range map[string]*x509.Certificate{"none": nil, "a template": {Subject: pkix.Name{CommonName: "x"}}} {
		if _, err := api.RegisterCertificate(t.Context(), id, cert, ""); err == nil || !strings.Contains(err.Error(), "ParseCertificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUselessKeysAreRefused(t *testing.T) {
	t.Parallel()
	_, api, id := administered(t)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	known := testKey(t).Public()
	if _, err := api.RegisterKey(t.Context(), id, known, client.KeyOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key    crypto.PublicKey
		remote bool // the service says so
		says   string
	}{
		"ECDSA":         {curve.Public(), true, "RSA"},
		"Ed25519":       {edwards, true, "RSA"},
		"there already": {known, true, "already exist"},
		"private":       {testKey(t), false, "*rsa.PrivateKey"},
		"nil":           {nil, false, "public key"},
		"PEM":           {publicPEM(t), false, "string"},
	} {
		_, err := api.RegisterKey(t.Context(), id, c.key, client.KeyOptions{})
		if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, client.ErrBadRequest) != c.remote {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExpiryIsSetAndCleared(t *testing.T) {
	t.Parallel()
	_, api, id := administered(t)
	key, err := api.RegisterKey(t.Context(), id, testKey(t).Public(), client.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	set, err := api.SetExpiry(t.Context(), id, key.ID, until)
	if err != nil {
		t.Fatal(err)
	}
	if at, ever := set.Expiry(); !ever || !at.Equal(until.Truncate(time.Millisecond)) {
		t.Errorf("set: %v, %v", at, ever)
	}
	cleared, err := api.ClearExpiry(t.Context(), id, key.ID)
	if err != nil {
		t.Fatal(err)
	}
	if at, ever := cleared.Expiry(); ever {
		t.Errorf("cleared: %v", at)
	}
	if _, err := api.SetExpiry(t.Context(), id, key.ID, time.Time{}); err == nil {
		t.Error("the zero time passes")
	}
	if _, err := api.SetExpiry(t.Context(), id, "cred_none", until); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("of no credential: %v", err)
	}
}
