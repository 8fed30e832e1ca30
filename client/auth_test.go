package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/client/internal/keytest"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestSigningFailureIsToldAndNotRepeated(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	broken := errors.New("the module is locked")
	api := newClient(t, "http://127.0.0.1:1", client.Config{ClientID: "x", Key: keytest.Module{Key: keytest.Key(t), Calls: &calls, Err: broken}, Backoff: time.Millisecond})
	_, err := api.GetClient(t.Context(), "x", nil)
	if !errors.Is(err, broken) || calls.Load() != 1 {
		t.Errorf("after %d signatures: %v", calls.Load(), err)
	}
}

type source func() (*oauth2.Token, error)

func (s source) Token() (*oauth2.Token, error) { return s() }

func TestTokenSourceIsAskedWhenNeeded(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	f := newFake(t, 3600, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer own-2" {
			answer(401, "application/json", `{}`)(w, r)
			return
		}
		answer(200, "application/json", `{}`)(w, r)
	})
	api := newClient(t, f.URL, client.Config{TokenSource: source(func() (*oauth2.Token, error) {
		if asked.Add(1) == 1 {
			return &oauth2.Token{AccessToken: "own-1"}, nil
		}
		return &oauth2.Token{AccessToken: "own-2"}, nil
	})})
	for range 3 {
		if _, err := api.GetClient(t.Context(), "x", nil); err != nil {
			t.Fatal(err)
		}
	}
	if asked.Load() != 2 || f.tokens.Load() != 0 {
		t.Errorf("the source was asked %d times, the service %d times", asked.Load(), f.tokens.Load())
	}
}

func TestTokenSourceOfOneTokenIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	f := newFake(t, 3600, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		answer(401, "application/json", `{}`)(w, r)
	})
	api := newClient(t, f.URL, client.Config{TokenSource: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "x"})})
	if _, err := api.GetClient(t.Context(), "x", nil); !errors.Is(err, client.ErrUnauthorized) || calls.Load() != 1 {
		t.Errorf("after %d calls: %v", calls.Load(), err)
	}
	broken := errors.New("no vault")
	for name, give := range map[string]source{
		"error":       func() (*oauth2.Token, error) { return nil, broken },
		"nothing":     func() (*oauth2.Token, error) { return nil, nil },
		"empty token": func() (*oauth2.Token, error) { return &oauth2.Token{}, nil },
	} {
		_, err := newClient(t, f.URL, client.Config{TokenSource: give}).GetClient(t.Context(), "x", nil)
		if err == nil || name == "error" && !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	const base = "https://roster.example"
	key := keytest.Key(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	static := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "x"})
	for name, c := range map[string]struct {
		url    string
		config client.Config
		says   string
	}{
		"no scheme":                {"roster.example", client.Config{}, "base URL"},
		"another scheme":           {"ftp://roster.example", client.Config{}, "base URL"},
		"a query":                  {"https://roster.example?x=1", client.Config{}, "base URL"},
		"a password":               {"https://u:s3cret@roster.example", client.Config{}, "base URL"},
		"id alone":                 {base, client.Config{ClientID: "x"}, "ClientID needs one of ClientSecret, Key and KeyFile"},
		"secret without id":        {base, client.Config{ClientSecret: "s3cret"}, "ClientSecret needs the ClientID"},
		"key without id":           {base, client.Config{Key: key}, "Key needs the ClientID"},
		"token and secret":         {base, client.Config{ClientID: "x", ClientSecret: "s3cret", Token: "z"}, "only one of ClientSecret and Token"},
		"secret and key":           {base, client.Config{ClientID: "x", ClientSecret: "s3cret", Key: key}, "only one of ClientSecret and Key"},
		"two keys":                 {base, client.Config{ClientID: "x", Key: key, KeyFile: "y"}, "only one of Key and KeyFile"},
		"token and source":         {base, client.Config{Token: "s3cret", TokenSource: static}, "only one of Token and TokenSource"},
		"source and id":            {base, client.Config{ClientID: "x", TokenSource: static}, "TokenSource or ClientID"},
		"token with a line end":    {base, client.Config{Token: "s3cret\n"}, "characters that no token has"},
		"kid without key":          {base, client.Config{ClientID: "x", ClientSecret: "s3cret", KeyID: "k"}, "KeyID"},
		"scopes of a given token":  {base, client.Config{Token: "s3cret", Scopes: []string{"a"}}, "Scopes"},
		"elliptic key":             {base, client.Config{ClientID: "x", Key: ec}, "RSA"},
		"another algorithm":        {base, client.Config{ClientID: "x", Key: key, Algorithm: "RS512"}, "RS256, RS384 or PS256"},
		"no such file":             {base, client.Config{ClientID: "x", KeyFile: "/nowhere/key.pem"}, "/nowhere/key.pem: no such file"},
		"public key":               {base, client.Config{ClientID: "x", KeyFile: keytest.WritePEM(t, &pem.Block{Type: "PUBLIC KEY", Bytes: []byte("s3cret")})}, "no private key"},
		"encrypted key":            {base, client.Config{ClientID: "x", KeyFile: keytest.WritePEM(t, &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("s3cret")})}, "encrypted"},
		"encrypted key, old style": {base, client.Config{ClientID: "x", KeyFile: keytest.WritePEM(t, &pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("s3cret")})}, "encrypted"},
		"elliptic key in a file":   {base, client.Config{ClientID: "x", KeyFile: keytest.WritePEM(t, &pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})}, "RSA"},
		"garbage in a file":        {base, client.Config{ClientID: "x", KeyFile: keytest.WritePEM(t, &pem.Block{Type: "PRIVATE KEY", Bytes: []byte("s3cret")})}, "PKCS #8"},
		"negative attempts":        {base, client.Config{Attempts: -1}, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := client.New(c.url, c.config)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") || !strings.HasPrefix(err.Error(), "client: ") {
				t.Errorf("%v, which should say %q", err, c.says)
			}
		})
	}
}
