package goauth0

import (
	"errors"
	"net/http"
	"testing"

	"github.com/auth0/go-auth0/management"
	"golang.org/x/oauth2"
)

// grantee is a client with a grant on the management API.
func grantee(t *testing.T, m *management.Management, c *management.Client, scopes ...string) *management.Client {
	t.Helper()
	newClient(t, m, c)
	must(t, m.ClientGrant.Create(t.Context(), &management.ClientGrant{
		ClientID: c.ClientID, Audience: new("https://" + domain + "/api/v2/"), Scope: &scopes,
	}))
	return c
}

func TestASecretLogsInWithWhatWasGranted(t *testing.T) {
	c := grantee(t, connectAdmin(t), &management.Client{}, "read:clients")
	own := connect(t, management.WithClientCredentials(t.Context(), c.GetClientID(), c.GetClientSecret()))
	got, err := own.Client.Read(t.Context(), c.GetClientID())
	must(t, err)
	if got.GetName() != c.GetName() || got.ClientSecret != nil {
		t.Errorf("got name %q and secret %v, want %q and none", got.GetName(), got.ClientSecret, c.GetName())
	}
	refused(t, own.Client.Delete(t.Context(), c.GetClientID()), http.StatusForbidden, "Insufficient scope, expected any of: delete:clients")
}

func TestASecretLogsInForAnAudience(t *testing.T) {
	m := connectAdmin(t)
	own := connect(t, management.WithClientCredentialsAndAudience(t.Context(), adminID, adminSecret, "https://"+domain+"/api/v2/"))
	c := newClient(t, m, &management.Client{})
	if _, err := own.Client.Read(t.Context(), c.GetClientID()); err != nil {
		t.Error(err)
	}
}

func TestAPrivateKeyLogsIn(t *testing.T) {
	for _, alg := range []string{"RS256", "RS384", "PS256"} {
		t.Run(alg, func(t *testing.T) {
			key := newKey(t)
			c := grantee(t, connectAdmin(t), &management.Client{
				ClientAuthenticationMethods: &management.ClientAuthenticationMethods{PrivateKeyJWT: &management.PrivateKeyJWT{
					Credentials: &[]management.Credential{{CredentialType: new("public_key"), PEM: publicPEM(t, key), Algorithm: &alg}},
				}},
			}, "read:clients")
			own := connect(t, management.WithClientCredentialsPrivateKeyJwt(t.Context(), c.GetClientID(), privatePEM(key), alg))
			got, err := own.Client.Read(t.Context(), c.GetClientID())
			must(t, err)
			if got.GetClientID() != c.GetClientID() {
				t.Errorf("got client %q, want %q", got.GetClientID(), c.GetClientID())
			}
			other := connect(t, management.WithClientCredentialsPrivateKeyJwt(t.Context(), c.GetClientID(), privatePEM(newKey(t)), alg))
			_, err = other.Client.Read(t.Context(), c.GetClientID())
			refusedLogin(t, err, http.StatusUnauthorized, "invalid_client")
		})
	}
}

func TestAWrongSecretOrNoGrantIsRefused(t *testing.T) {
	c := newClient(t, connectAdmin(t), &management.Client{})
	_, err := connect(t, management.WithClientCredentials(t.Context(), c.GetClientID(), "wrong")).Client.Read(t.Context(), c.GetClientID())
	refusedLogin(t, err, http.StatusUnauthorized, "access_denied")
	_, err = connect(t, management.WithClientCredentials(t.Context(), c.GetClientID(), c.GetClientSecret())).Client.Read(t.Context(), c.GetClientID())
	refusedLogin(t, err, http.StatusForbidden, "access_denied")
}

func TestAStaticTokenThatIsNoneIsRefused(t *testing.T) {
	_, err := connect(t, management.WithStaticToken("nonsense")).Client.Read(t.Context(), "x")
	refused(t, err, http.StatusBadRequest, "Bad HTTP authentication header format")
}

func refusedLogin(t *testing.T, err error, status int, code string) {
	t.Helper()
	var failure *oauth2.RetrieveError
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want a refused token request", err)
	}
	if failure.Response.StatusCode != status || failure.ErrorCode != code {
		t.Errorf("got %d %q, want %d %q", failure.Response.StatusCode, failure.ErrorCode, status, code)
	}
}
