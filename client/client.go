// Package client calls Roster's HTTP API.
//
// [New] returns a [Client], whose methods are generated from openapi.yaml, one
// an operation. An answer that is not a success comes back as an [*Error], so
// that after a nil error the member for the success (JSON200, JSON201) is set:
//
//	api, err := client.New("https://roster.example", client.Config{ClientID: id, ClientSecret: secret})
//	…
//	got, err := api.Auth0GetClientWithResponse(ctx, "billing", nil)
//	if errors.Is(err, client.ErrNotFound) {
//		…
//	}
//
// A Client may be used by many goroutines at once. It keeps no connection of
// its own open beyond what its [http.Client] does.
package client

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultTimeout bounds one request from dialling to the last byte of the
// answer.
const DefaultTimeout = 30 * time.Second

// Config says who calls, and how. The zero value calls without a token, which
// is enough for the operations that need none.
type Config struct {
	// ClientID and ClientSecret are credentials of a client with a grant on the
	// management API. Tokens are fetched with them when needed and renewed
	// before they expire.
	ClientID, ClientSecret string
	// Scopes narrows the tokens. Empty: all that is granted.
	Scopes []string
	// Audience of the tokens. Default: the base URL + "/api/v2/". Set it where
	// the service is reached by another address than its public one.
	Audience string

	// Token is an access token to send as it is. It excludes ClientID.
	Token string

	// HTTPClient sends the requests; set it for a proxy, own certificate
	// authorities or another time limit. Redirects are not followed, whatever
	// its CheckRedirect says. Default: one with DefaultTimeout.
	HTTPClient *http.Client
	// UserAgent is put before the package's own name.
	UserAgent string
}

// Client is the API of one Roster, as one caller sees it.
type Client struct {
	*ClientWithResponses
}

// New returns a client of the service at baseURL, such as
// https://roster.example. It does not connect: wrong credentials show with the
// first call.
func New(baseURL string, config Config) (*Client, error) {
	base := strings.TrimRight(baseURL, "/")
	if u, err := url.Parse(base); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("client: the base URL must be http(s)://host[:port][/path]")
	}
	if (config.ClientID == "") != (config.ClientSecret == "") {
		return nil, errors.New("client: set ClientID and ClientSecret both or neither")
	}
	if config.Token != "" && config.ClientID != "" {
		return nil, errors.New("client: set Token or ClientID, not both")
	}
	hc := http.Client{Timeout: DefaultTimeout}
	if config.HTTPClient != nil {
		hc = *config.HTTPClient
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	d := &doer{http: &hc, userAgent: strings.TrimSpace(config.UserAgent + " roster-client-go")}
	switch {
	case config.Token != "":
		d.tokens = fixedToken(config.Token)
	case config.ClientID != "":
		d.tokens = newTokenCache(base, cmp.Or(config.Audience, base+"/api/v2/"), config, d)
	}
	api, err := NewClientWithResponses(base, WithHTTPClient(d))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &Client{api}, nil
}
