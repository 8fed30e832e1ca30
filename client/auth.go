package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// tokens returns what gives the tokens of calls; nil if they carry none. It
// refuses a Config that names its caller in two ways, or by half.
func (c Config) tokens(base string, d *doer) (tokenSource, error) {
	var ways []string
	for _, way := range []struct {
		name string
		set  bool
	}{
		{"ClientSecret", c.ClientSecret != ""}, {"Key", c.Key != nil}, {"KeyFile", c.KeyFile != ""},
		{"Token", c.Token != ""}, {"TokenSource", c.TokenSource != nil},
	} {
		if way.set {
			ways = append(ways, way.name)
		}
	}
	keyed := c.Key != nil || c.KeyFile != ""
	fetching := keyed || c.ClientSecret != ""
	switch {
	case len(ways) > 1:
		return nil, fmt.Errorf("set only one of %s", strings.Join(ways, " and "))
	case fetching && c.ClientID == "":
		return nil, fmt.Errorf("%s needs the ClientID that it belongs to", ways[0])
	case c.ClientID != "" && len(ways) == 0:
		return nil, errors.New("ClientID needs one of ClientSecret, Key and KeyFile")
	case c.ClientID != "" && !fetching:
		return nil, fmt.Errorf("set %s or ClientID, not both", ways[0])
	case !keyed && (c.KeyID != "" || c.Algorithm != ""):
		return nil, errors.New("KeyID and Algorithm need Key or KeyFile")
	case !fetching && (len(c.Scopes) > 0 || c.Audience != ""):
		return nil, errors.New("the fields Scopes and Audience are for tokens that are fetched: they need a ClientID")
	case strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("Token has characters that no token has, such as the end of a line")
	case c.Token != "":
		return fixedToken(c.Token), nil
	case c.TokenSource != nil:
		return &tokenCache{fetch: fromSource(c.TokenSource)}, nil
	case !fetching:
		return nil, nil
	}
	audience := c.Audience
	if audience == "" {
		audience = base + "/api/v2/"
	}
	public := base
	if prefix, ok := strings.CutSuffix(audience, "/api/v2/"); ok {
		public = prefix
	}
	target, err := url.Parse(base + "/oauth/token")
	if err != nil {
		return nil, err
	}
	f := &fetcher{d: d, target: target, op: operationOf(http.MethodPost, "/oauth/token"), config: clientcredentials.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, Scopes: c.Scopes, TokenURL: target.String(),
		EndpointParams: url.Values{"audience": {audience}}, AuthStyle: oauth2.AuthStyleInParams,
	}}
	if keyed {
		key, err := c.key()
		if err != nil {
			return nil, err
		}
		f.assertions = &assertions{signer: key, client: c.ClientID, audience: public + "/"}
	}
	d.proof = f.proof
	return &tokenCache{fetch: f.fetch}, nil
}

// fromSource asks a caller's source, which knows no context.
func fromSource(source oauth2.TokenSource) func(context.Context) (*oauth2.Token, error) {
	return func(context.Context) (*oauth2.Token, error) {
		t, err := source.Token()
		if err == nil && (t == nil || t.AccessToken == "") {
			err = errors.New("the TokenSource has given an empty one")
		}
		return t, err
	}
}
