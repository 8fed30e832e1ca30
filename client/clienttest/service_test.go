package clienttest_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/client/internal/keytest"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
)

func newClient(t *testing.T, url string, config client.Config) *client.Client {
	t.Helper()
	c, err := client.New(url, config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// create registers a client and returns its id and its secret.
func create(t *testing.T, api *client.Client, in client.ClientInput) (id, secret string) {
	t.Helper()
	made, err := api.CreateClient(t.Context(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return made.ID, made.Secret
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// keyed registers a client that authenticates with the shared key under alg and may
// read clients, and returns its id and the credential's kid.
func keyed(t *testing.T, s *servertest.Server, alg string) (id, kid string) {
	t.Helper()
	api := newClient(t, s.URL, client.Config{Token: s.Admin})
	created, err := api.CreateClient(t.Context(), client.ClientInput{Name: alg, GrantTypes: []string{"client_credentials"}}, &client.CreateOptions{
		Keys: []client.PublicKey{{Key: keytest.Key(t).Public(), Options: client.CredentialOptions{Alg: alg}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = api.CreateGrant(t.Context(), client.GrantInput{ClientID: created.ID, Audience: s.URL + "/api/v2/", Scopes: []string{"read:clients"}}, nil); err != nil {
		t.Fatal(err)
	}
	for credential, err := range api.Credentials(t.Context(), created.ID) {
		if err != nil {
			t.Fatal(err)
		}
		kid = credential.KID
	}
	return created.ID, kid
}

func TestKeyAuthenticates(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: servertest.RealTime})
	for _, alg := range []string{"RS256", "RS384", "PS256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			id, kid := keyed(t, s, alg)
			key := keytest.Key(t)
			var signed atomic.Int64
			for name, config := range map[string]client.Config{
				"signer":           {Key: keytest.Module{Key: key, Calls: &signed}},
				"kid":              {Key: key, KeyID: kid},
				"PKCS 8":           {KeyFile: keytest.WritePEM(t, &pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}, &pem.Block{Type: "PRIVATE KEY", Bytes: keytest.PKCS8(t, key)})},
				"PKCS 1":           {KeyFile: keytest.WritePEM(t, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})},
				"public audience":  {Key: key, Audience: s.URL + "/api/v2/"},
				"another audience": {Key: key, Audience: "https://elsewhere.example"},
				"other kid":        {Key: key, KeyID: "other"},
			} {
				config.ClientID, config.Algorithm = id, alg
				api := newClient(t, s.URL, config)
				var err error
				for range 3 {
					_, err = api.GetClient(t.Context(), id, nil)
				}
				switch {
				case name == "other kid":
					if e, ok := errors.AsType[*client.Error](err); !ok || e.StatusCode != http.StatusUnauthorized || e.Code != "invalid_client" {
						t.Errorf("%s: %v", name, err)
					}
				case name == "another audience": // it has proved itself, and has no grant there
					if !errors.Is(err, client.ErrForbidden) {
						t.Errorf("%s: %v", name, err)
					}
				case err != nil:
					t.Errorf("%s: %v", name, err)
				}
			}
			if signed.Load() != 1 {
				t.Errorf("three calls took %d signatures", signed.Load())
			}
		})
	}
}

// TestEachAssertionIsNew: the service takes an assertion once, also when its
// first answer gets lost.
func TestEachAssertionIsNew(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: servertest.RealTime})
	id, _ := keyed(t, s, "RS256")
	var lost atomic.Bool
	transport := roundTrip(func(req *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil && !lost.Swap(true) {
			resp.Body.Close()
			return nil, io.ErrUnexpectedEOF
		}
		return resp, err
	})
	api := newClient(t, s.URL, client.Config{ClientID: id, Key: keytest.Key(t), HTTPClient: &http.Client{Transport: transport}, Backoff: time.Millisecond})
	if _, err := api.GetClient(t.Context(), id, nil); err != nil {
		t.Error(err)
	}
}

func TestClientAgainstTheService(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	secret := oauth.RandomText(oauth.URLSafe, 64)
	if _, _, err := s.Registry.Administrator(t.Context(), "administrator", oauth.NewSecret(secret)); err != nil {
		t.Fatal(err)
	}
	api := newClient(t, s.URL, client.Config{ClientID: "administrator", ClientSecret: secret})
	created, err := api.CreateClient(t.Context(), client.ClientInput{Name: "billing"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := api.DeleteClient(t.Context(), created.ID, nil); err != nil {
		t.Errorf("an answer without a body: %v", err)
	}
	_, err = api.GetClient(t.Context(), created.ID, nil)
	if e, ok := errors.AsType[*client.Error](err); !ok || !errors.Is(err, client.ErrNotFound) || e.Code != "inexistent_client" || e.RequestID == "" {
		t.Errorf("reading it after its end: %+v", err)
	}
	if err := api.RestoreClient(t.Context(), created.ID); err != nil {
		t.Errorf("restoring it: %v", err)
	}
	if err := api.RestoreClient(t.Context(), created.ID); !errors.Is(err, client.ErrConflict) {
		t.Errorf("restoring it again: %v", err)
	}
	if _, err = api.GetClient(t.Context(), created.ID, nil); err != nil {
		t.Errorf("reading it then: %v", err)
	}

	t.Run("wrong secret", func(t *testing.T) {
		t.Parallel()
		api := newClient(t, s.URL, client.Config{ClientID: "administrator", ClientSecret: "wrong"})
		_, err := api.GetClient(t.Context(), "x", nil)
		if e, ok := errors.AsType[*client.Error](err); !ok || !errors.Is(err, client.ErrUnauthorized) || e.Code == "" {
			t.Errorf("got %v", err)
		}
		if err != nil && strings.Contains(err.Error(), "wrong") {
			t.Errorf("the error shows the secret: %v", err)
		}
	})
	t.Run("what needs no token", func(t *testing.T) {
		t.Parallel()
		api := newClient(t, s.URL, client.Config{ClientID: "administrator", ClientSecret: "wrong"})
		if _, err := api.Do(t.Context(), client.Request{Path: "/healthz"}, nil); err != nil {
			t.Errorf("health: %v", err)
		}
		page, err := api.Do(t.Context(), client.Request{Path: "/docs"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(page.Body); err != nil || !strings.Contains(string(text), "<html") {
			t.Errorf("a page that is no JSON: %v", err)
		}
	})
	t.Run("a token of one's own", func(t *testing.T) {
		t.Parallel()
		api := newClient(t, s.URL, client.Config{Token: s.Token("read:clients")})
		_, err := api.CreateClient(t.Context(), client.ClientInput{Name: "no"}, nil)
		if !errors.Is(err, client.ErrForbidden) {
			t.Errorf("creating with a token that may only read: %v", err)
		}
	})
	t.Run("no token", func(t *testing.T) {
		t.Parallel()
		var got struct{ Keys []json.RawMessage }
		_, err := newClient(t, s.URL, client.Config{}).Do(t.Context(), client.Request{Path: "/.well-known/jwks.json"}, &got)
		if err != nil || len(got.Keys) == 0 {
			t.Errorf("keys: %v, %v", got, err)
		}
	})
	t.Run("fewer scopes", func(t *testing.T) {
		t.Parallel()
		api := newClient(t, s.URL, client.Config{ClientID: "administrator", ClientSecret: secret, Scopes: []string{"read:clients"}})
		_, err := api.CreateClient(t.Context(), client.ClientInput{Name: "no"}, nil)
		if !errors.Is(err, client.ErrForbidden) {
			t.Errorf("creating with reading scopes only: %v", err)
		}
	})
}
