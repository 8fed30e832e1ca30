package goauth0

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/auth0/go-auth0/management"
	"github.com/google/go-cmp/cmp"
)

func TestExpiryMakesARoundTrip(t *testing.T) {
	m := connectAdmin(t)
	c := newClient(t, m, &management.Client{})
	in := time.Date(2033, 5, 13, 11, 33, 13, 123456789, time.FixedZone("", 2*60*60))
	made := &management.Credential{Name: new("k"), CredentialType: new("public_key"), PEM: publicPEM(t, newKey(t)), ExpiresAt: &in}
	must(t, m.Client.CreateCredential(t.Context(), c.GetClientID(), made))
	want := time.Date(2033, 5, 13, 9, 33, 13, 123000000, time.UTC)
	if !made.GetExpiresAt().Equal(want) {
		t.Errorf("created with expires_at %v, want %v", made.GetExpiresAt(), want)
	}
	later := in.Add(time.Hour)
	change := &management.Credential{ExpiresAt: &later}
	must(t, m.Client.UpdateCredential(t.Context(), c.GetClientID(), made.GetID(), change))
	got, err := m.Client.GetCredential(t.Context(), c.GetClientID(), made.GetID())
	must(t, err)
	if !got.GetExpiresAt().Equal(want.Add(time.Hour)) || !change.GetExpiresAt().Equal(want.Add(time.Hour)) {
		t.Errorf("updated to %v, read %v; want %v", change.GetExpiresAt(), got.GetExpiresAt(), want.Add(time.Hour))
	}
	if got.GetUpdatedAt().Before(got.GetCreatedAt()) || got.GetName() != "k" {
		t.Errorf("got %v", got)
	}
}

func TestCredentialsAreListedInTheirOrder(t *testing.T) {
	m := connectAdmin(t)
	c := newClient(t, m, &management.Client{})
	none, err := m.Client.ListCredentials(t.Context(), c.GetClientID())
	must(t, err)
	if len(none) != 0 {
		t.Fatalf("got %v, want none", none)
	}
	key := newKey(t)
	expires := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	der, text := certificate(t, key, expires)
	sum := sha256.Sum256(der)
	var want []*management.Credential
	for _, made := range []*management.Credential{
		{Name: new("one"), CredentialType: new("public_key"), PEM: publicPEM(t, newKey(t)), Algorithm: new("RS384")},
		{Name: new("two"), CredentialType: new("public_key"), PEM: text, ParseExpiryFromCert: new(true)},
		{Name: new("three"), CredentialType: new("x509_cert"), PEM: text},
		{Name: new("four"), CredentialType: new("cert_subject_dn"), PEM: text},
	} {
		must(t, m.Client.CreateCredential(t.Context(), c.GetClientID(), made))
		made.PEM, made.ParseExpiryFromCert = nil, nil // never answered; the SDK leaves what was sent
		want = append(want, made)
	}
	got, err := m.Client.ListCredentials(t.Context(), c.GetClientID())
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("credentials (-created +listed):\n%s", diff)
	}
	if !got[1].GetExpiresAt().Equal(expires) || !got[2].GetExpiresAt().Equal(expires) {
		t.Errorf("expiries are %v and %v, want the certificate's %v", got[1].ExpiresAt, got[2].ExpiresAt, expires)
	}
	if want := base64.RawURLEncoding.EncodeToString(sum[:]); got[2].GetThumbprintSHA256() != want || got[2].KeyID != nil || got[2].Algorithm != nil {
		t.Errorf("x509_cert is %v, want thumbprint %s, no kid and no alg", got[2], want)
	}
	if got[3].GetSubjectDN() != "C=ES\nO=Org\nCN=Name" || got[3].ExpiresAt != nil {
		t.Errorf("cert_subject_dn is %v", got[3])
	}
}

func TestKeysAreAttachedExchangedAndDetached(t *testing.T) {
	m := connectAdmin(t)
	c := newClient(t, m, &management.Client{TokenEndpointAuthMethod: new("client_secret_post")})
	add := func() management.Credential {
		made := &management.Credential{CredentialType: new("public_key"), PEM: publicPEM(t, newKey(t))}
		must(t, m.Client.CreateCredential(t.Context(), c.GetClientID(), made))
		return management.Credential{ID: made.ID}
	}
	patch := func(body map[string]any) error {
		return m.Request(t.Context(), http.MethodPatch, m.URI("clients", c.GetClientID()), &body)
	}
	attach := func(keys ...management.Credential) error {
		return patch(map[string]any{
			"client_authentication_methods": management.ClientAuthenticationMethods{PrivateKeyJWT: &management.PrivateKeyJWT{Credentials: &keys}},
			"token_endpoint_auth_method":    nil,
		})
	}
	check := func(want ...management.Credential) {
		t.Helper()
		got, err := m.Client.Read(t.Context(), c.GetClientID())
		must(t, err)
		if got.ClientSecret != nil || got.TokenEndpointAuthMethod != nil {
			t.Errorf("a client with keys shows secret %v and method %v", got.ClientSecret, got.TokenEndpointAuthMethod)
		}
		if diff := cmp.Diff(&want, got.GetClientAuthenticationMethods().GetPrivateKeyJWT().Credentials); diff != "" {
			t.Errorf("attached (-want +got):\n%s", diff)
		}
	}
	one, two := add(), add()
	must(t, attach(one))
	check(one)
	must(t, attach(one, two))
	check(one, two)
	must(t, attach(two))
	check(two)
	must(t, m.Client.DeleteCredential(t.Context(), c.GetClientID(), one.GetID()))
	must(t, m.Client.DeleteCredential(t.Context(), c.GetClientID(), one.GetID()))
	_, err := m.Client.GetCredential(t.Context(), c.GetClientID(), one.GetID())
	refused(t, err, http.StatusNotFound, "redential does not exist")
	refused(t, m.Client.DeleteCredential(t.Context(), c.GetClientID(), two.GetID()), http.StatusBadRequest, "still associated with a client")
	refused(t, patch(map[string]any{"client_authentication_methods": nil, "token_endpoint_auth_method": nil}), http.StatusBadRequest, "")

	must(t, patch(map[string]any{
		"client_authentication_methods": nil, "signed_request_object": nil, "token_endpoint_auth_method": "client_secret_post",
	}))
	got, err := m.Client.Read(t.Context(), c.GetClientID())
	must(t, err)
	if got.GetClientSecret() != c.GetClientSecret() || got.ClientAuthenticationMethods != nil {
		t.Errorf("after detaching: secret %q, methods %v; want %q and none", got.GetClientSecret(), got.ClientAuthenticationMethods, c.GetClientSecret())
	}
	must(t, m.Client.DeleteCredential(t.Context(), c.GetClientID(), two.GetID()))
}

func TestInlineCredentialsAreAnsweredInFullOnce(t *testing.T) {
	m := connectAdmin(t)
	_, text := certificate(t, newKey(t), time.Now().Add(time.Hour))
	for name, c := range map[string]struct {
		methods management.ClientAuthenticationMethods
		of      func(*management.ClientAuthenticationMethods) *[]management.Credential
	}{
		"private_key_jwt": {
			management.ClientAuthenticationMethods{PrivateKeyJWT: &management.PrivateKeyJWT{Credentials: &[]management.Credential{
				{Name: new("in"), CredentialType: new("public_key"), PEM: publicPEM(t, newKey(t))}}}},
			func(m *management.ClientAuthenticationMethods) *[]management.Credential {
				return m.GetPrivateKeyJWT().Credentials
			},
		},
		"tls_client_auth": {
			management.ClientAuthenticationMethods{TLSClientAuth: &management.TLSClientAuth{Credentials: &[]management.Credential{
				{Name: new("in"), CredentialType: new("cert_subject_dn"), SubjectDN: new("C=ES\nCN=Name")}}}},
			func(m *management.ClientAuthenticationMethods) *[]management.Credential {
				return m.GetTLSClientAuth().Credentials
			},
		},
		"self_signed_tls_client_auth": {
			management.ClientAuthenticationMethods{SelfSignedTLSClientAuth: &management.SelfSignedTLSClientAuth{Credentials: &[]management.Credential{
				{Name: new("in"), CredentialType: new("x509_cert"), PEM: text}}}},
			func(m *management.ClientAuthenticationMethods) *[]management.Credential {
				return m.GetSelfSignedTLSClientAuth().Credentials
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			made := newClient(t, m, &management.Client{ClientAuthenticationMethods: &c.methods})
			inline := *c.of(made.ClientAuthenticationMethods)
			if len(inline) != 1 || inline[0].GetName() != "in" || inline[0].GetCreatedAt().IsZero() {
				t.Fatalf("created with %v, want the credential in full", inline)
			}
			got, err := m.Client.Read(t.Context(), made.GetClientID())
			must(t, err)
			if diff := cmp.Diff(&[]management.Credential{{ID: inline[0].ID}}, c.of(got.ClientAuthenticationMethods)); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadCredentialsAreRefused(t *testing.T) {
	m := connectAdmin(t)
	c := newClient(t, m, &management.Client{})
	key := newKey(t)
	for name, bad := range map[string]management.Credential{
		"no type":       {PEM: publicPEM(t, key)},
		"no pem":        {CredentialType: new("public_key")},
		"broken pem":    {CredentialType: new("public_key"), PEM: new("nonsense")},
		"private key":   {CredentialType: new("public_key"), PEM: new(privatePEM(key))},
		"algorithm":     {CredentialType: new("public_key"), PEM: publicPEM(t, key), Algorithm: new("none")},
		"key as a cert": {CredentialType: new("x509_cert"), PEM: publicPEM(t, key)},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, m.Client.CreateCredential(t.Context(), c.GetClientID(), &bad), http.StatusBadRequest, "")
		})
	}
	left, err := m.Client.ListCredentials(t.Context(), c.GetClientID())
	must(t, err)
	if len(left) != 0 {
		t.Errorf("refused credentials are kept: %v", left)
	}
}
