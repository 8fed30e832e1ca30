package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/singleflight"
)

type fixedToken string

func (t fixedToken) token(context.Context) (string, error) { return string(t), nil }
func (fixedToken) forget(string) bool                      { return false }

// tokenCache fetches a token and keeps it until shortly before it expires.
// Callers that need one at the same time share one request, and each waits no
// longer than its own context.
type tokenCache struct {
	config clientcredentials.Config
	http   *http.Client
	flight singleflight.Group

	mu      sync.Mutex
	current *oauth2.Token // nil: none
}

func newTokenCache(base, audience string, config Config, d *doer) *tokenCache {
	hc := *d.http
	hc.Transport = named{hc.Transport, d.userAgent}
	return &tokenCache{
		config: clientcredentials.Config{
			ClientID: config.ClientID, ClientSecret: config.ClientSecret, Scopes: config.Scopes, TokenURL: base + "/oauth/token",
			EndpointParams: url.Values{"audience": {audience}}, AuthStyle: oauth2.AuthStyleInParams,
		},
		http: &hc,
	}
}

func (s *tokenCache) token(ctx context.Context) (string, error) {
	s.mu.Lock()
	current := s.current
	s.mu.Unlock()
	if current.Valid() { // for ten more seconds
		return current.AccessToken, nil
	}
	fetched := s.flight.DoChan("", func() (any, error) {
		// Others may wait for this too, so it outlives the caller who began it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), DefaultTimeout)
		defer cancel()
		t, err := s.config.Token(context.WithValue(ctx, oauth2.HTTPClient, s.http))
		if err != nil {
			return "", asError(err)
		}
		s.mu.Lock()
		s.current = t
		s.mu.Unlock()
		return t.AccessToken, nil
	})
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case result := <-fetched:
		if result.Err != nil {
			return "", fmt.Errorf("fetching a token: %w", result.Err)
		}
		return result.Val.(string), nil
	}
}

func (s *tokenCache) forget(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.AccessToken == token {
		s.current = nil
	}
	return true
}

// asError makes an *Error of a refusal; a failure to connect stays as it is.
func asError(err error) error {
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return newError(refusal.Response, refusal.Body)
	}
	return err
}

// named sends the package's User-Agent with token requests.
type named struct {
	next      http.RoundTripper // nil: http.DefaultTransport
	userAgent string
}

func (n named) RoundTrip(req *http.Request) (*http.Response, error) {
	next := n.next
	if next == nil {
		next = http.DefaultTransport
	}
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", n.userAgent)
	return next.RoundTrip(req)
}
