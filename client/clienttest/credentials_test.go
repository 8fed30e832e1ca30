package clienttest_test

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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/client/internal/keytest"
	"github.com/rosterhq/roster/internal/servertest"
)

// administered is a service, an administrator of it, and a client to work on.
func administered(t *testing.T) (s *servertest.Server, api *client.Client, clientID string) {
	t.Helper()
	s = servertest.NewWith(t, servertest.Options{Registry: servertest.RealTime})
	api = newClient(t, s.URL, client.Config{Token: s.Admin})
	id, _ := create(t, api, client.ClientInput{Name: "payroll", GrantTypes: []string{"client_credentials"}})
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
	got, err := api.RegisterKey(t.Context(), id, keytest.Key(t).Public(), &client.CredentialOptions{
		Name: "2026", KID: "payroll-2026", Alg: "PS256", ExpiresAt: until,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &client.Credential{Type: "public_key", Name: "2026", KID: "payroll-2026", Alg: "PS256"}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(client.Credential{}, "ID", "CreatedAt", "UpdatedAt", "ExpiresAt")); diff != "" {
		t.Errorf("credential (-want +got):\n%s", diff)
	}
	if !got.ExpiresAt.Equal(until.Truncate(time.Millisecond)) {
		t.Errorf("it expires at %v, want %v", got.ExpiresAt, until)
	}

	plain, err := api.RegisterKey(t.Context(), id, newRSAKey(t).Public(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !plain.ExpiresAt.IsZero() || plain.Name != "" || plain.KID == "" || plain.Alg != "RS256" {
		t.Errorf("without options: %+v", plain)
	}
}

func TestClientAuthenticatesWithKeys(t *testing.T) {
	t.Parallel()
	s, api, id := administered(t)
	ctx, key := t.Context(), keytest.Key(t)
	born, err := api.CreateClient(ctx, client.ClientInput{Name: "keyed", GrantTypes: []string{"client_credentials"}}, &client.CreateOptions{
		Keys: []client.PublicKey{{Key: key.Public(), Options: client.CredentialOptions{Name: "2026", ExpiresAt: time.Now().Add(time.Hour)}}},
	})
	if err != nil || born.Secret != "" || len(born.Keys["private_key_jwt"]) != 1 {
		t.Fatalf("a client with a key: %+v, %v", born, err)
	}
	registered, err := api.RegisterKey(ctx, id, key.Public(), nil)
	if err != nil {
		t.Fatal(err)
	}
	keyed, err := api.UseKeys(ctx, id, []string{registered.ID}, nil)
	if err != nil || keyed.AuthMethod != "" || !slices.Equal(keyed.Keys["private_key_jwt"], []string{registered.ID}) {
		t.Fatalf("%+v, %v", keyed, err)
	}
	for name, clientID := range map[string]string{"from the start": born.ID, "later": id} {
		if _, err := api.CreateGrant(ctx, client.GrantInput{ClientID: clientID, Audience: s.URL + "/api/v2/", Scopes: []string{"read:clients"}}, nil); err != nil {
			t.Fatal(err)
		}
		own := newClient(t, s.URL, client.Config{ClientID: clientID, Key: key})
		if _, err := own.GetClient(ctx, clientID, nil); err != nil {
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
	own, err := api.RegisterCertificate(t.Context(), id, cert, &client.CredentialOptions{Name: "gateway"})
	if err != nil {
		t.Fatal(err)
	}
	if own.Type != "x509_cert" || own.Thumbprint == "" || own.Name != "gateway" || !own.ExpiresAt.Equal(cert.NotAfter) {
		t.Errorf("the certificate is %+v", own)
	}
	subject, err := api.RegisterSubject(t.Context(), id, cert, nil)
	if err != nil {
		t.Fatal(err)
	}
	if subject.Type != "cert_subject_dn" || subject.Subject != "CN=payroll" || subject.Name != "" {
		t.Errorf("the subject is %+v", subject)
	}
	fromCertificate, err := api.RegisterKey(t.Context(), id, selfSigned(t, keytest.Key(t), time.Now()).PublicKey, nil)
	if err != nil || fromCertificate.Type != "public_key" {
		t.Errorf("the key of a certificate: %+v, %v", fromCertificate, err)
	}
	for name, cert := range map[string]*x509.Certificate{"none": nil, "a template": {Subject: pkix.Name{CommonName: "x"}}} {
		if _, err := api.RegisterCertificate(t.Context(), id, cert, nil); err == nil || !strings.Contains(err.Error(), "ParseCertificate") {
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
	known := keytest.Key(t).Public()
	if _, err := api.RegisterKey(t.Context(), id, known, nil); err != nil {
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
		"private":       {keytest.Key(t), false, "*rsa.PrivateKey"},
		"nil":           {nil, false, "public key"},
		"PEM":           {publicPEM(t), false, "string"},
	} {
		_, err := api.RegisterKey(t.Context(), id, c.key, nil)
		if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, client.ErrBadRequest) != c.remote {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExpiryIsSetAndCleared(t *testing.T) {
	t.Parallel()
	_, api, id := administered(t)
	key, err := api.RegisterKey(t.Context(), id, keytest.Key(t).Public(), nil)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	set, err := api.UpdateCredential(t.Context(), id, key.ID, until)
	if err != nil || !set.ExpiresAt.Equal(until.Truncate(time.Millisecond)) {
		t.Fatalf("set: %+v, %v", set, err)
	}
	cleared, err := api.UpdateCredential(t.Context(), id, key.ID, time.Time{})
	if err != nil || !cleared.ExpiresAt.IsZero() {
		t.Errorf("cleared: %+v, %v", cleared, err)
	}
	read, err := api.GetCredential(t.Context(), id, key.ID)
	if diff := cmp.Diff(cleared, read); err != nil || diff != "" {
		t.Errorf("%v, read (-want +got):\n%s", err, diff)
	}
	if _, err := api.UpdateCredential(t.Context(), id, "cred_none", until); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("of no credential: %v", err)
	}
	if err := api.DeleteCredential(t.Context(), id, key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := api.GetCredential(t.Context(), id, key.ID); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("after its deletion: %v", err)
	}
}
