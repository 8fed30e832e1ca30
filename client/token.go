package client

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/singleflight"
)

// tokenSource gives the token to send. forget drops one that was refused, and
// reports whether asking again may give another.
type tokenSource interface {
	token(context.Context) (string, error)
	forget(token string) bool
}

type fixedToken string

func (t fixedToken) token(context.Context) (string, error) { return string(t), nil }
func (fixedToken) forget(string) bool                      { return false }

// tokenCache fetches a token and keeps it until shortly before it expires.
// Callers that need one at the same time share one request, and each waits no
// longer than its own context.
type tokenCache struct {
	fetch  func(context.Context) (*oauth2.Token, error)
	flight singleflight.Group

	mu      sync.Mutex
	current *oauth2.Token // nil: none
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
		t, err := s.fetch(context.WithoutCancel(ctx))
		if err != nil {
			return "", err
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

// fetcher gets tokens from the service's token endpoint.
type fetcher struct {
	d          *doer
	config     clientcredentials.Config
	target     *url.URL // config.TokenURL
	op         operation
	assertions *assertions // nil: config has a secret
}

// fetch may be repeated at will: a token that nobody has got is of no harm.
func (f *fetcher) fetch(ctx context.Context) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, f.d.callTimeout)
	defer cancel()
	ctx, span := f.d.begin(ctx, f.op, http.MethodPost, f.target)
	hc := *f.d.http
	hc.Transport = named{hc.Transport, f.d}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &hc)
	token, tries, err := repeat(ctx, f.d.policy, passing, func(int) (*oauth2.Token, error) {
		ctx, cancel := context.WithTimeout(ctx, f.d.timeout)
		defer cancel()
		config := f.config
		if f.assertions != nil {
			proof, err := f.proof()
			if err != nil {
				return nil, err
			}
			maps.Copy(proof, config.EndpointParams)
			config.EndpointParams = proof
		}
		t, err := config.Token(ctx)
		return t, asError(err)
	})
	end(span, http.StatusOK, tries, "", err)
	return token, tried(err, tries)
}

// proof returns the parameters by which the client authenticates, once.
func (f *fetcher) proof() (url.Values, error) {
	if f.assertions == nil {
		return url.Values{"client_id": {f.config.ClientID}, "client_secret": {f.config.ClientSecret}}, nil
	}
	assertion, err := f.assertions.next()
	return url.Values{
		"client_assertion": {assertion}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}, err
}

// asError makes an *Error of a refusal; a failure to connect stays as it is.
func asError(err error) error {
	if refusal, ok := err.(*oauth2.RetrieveError); ok && refusal.Response != nil {
		return newError(refusal.Response, refusal.Body)
	}
	return err
}

// named sends the package's User-Agent and the span with token requests.
type named struct {
	next http.RoundTripper // nil: http.DefaultTransport
	d    *doer
}

func (n named) RoundTrip(req *http.Request) (*http.Response, error) {
	next := n.next
	if next == nil {
		next = http.DefaultTransport
	}
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", n.d.userAgent)
	n.d.propagate(req.Context(), req.Header)
	return next.RoundTrip(req)
}
