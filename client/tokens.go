package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Introspection is what the service says of an access token (RFC 7662). Of one
// that is not valid, or not for the caller to know about, Active alone is set, to
// false.
type Introspection struct {
	Active bool `json:"active"`
	// Issuer, Subject, Audience and ClientID say who issued the token, whom it
	// speaks for, which API it is for and which client got it.
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	// Scope holds the scopes that can be used now, separated by spaces.
	Scope     string `json:"scope"`
	TokenType string `json:"token_type"`
	// ID is the token's jti. The times are seconds of the epoch.
	ID        string `json:"jti"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	ExpiresAt int64  `json:"exp"`
}

// Expires returns when the token expires; the zero time for one that is not
// active.
func (i *Introspection) Expires() time.Time {
	if i.ExpiresAt == 0 {
		return time.Time{}
	}
	return time.Unix(i.ExpiresAt, 0)
}

// Introspect asks whether an access token is valid. A Config with a ClientID asks
// as that client, which is told about its own tokens and about those for an API
// that it stands for or has a grant on; one with a token of its own needs the
// scope read:tokens and is told about all.
func (c *Client) Introspect(ctx context.Context, token string) (*Introspection, error) {
	r, err := c.about(ctx, "/oauth/introspect", token)
	if err != nil {
		return nil, err
	}
	return one[Introspection](c, ctx, r)
}

// Revoke makes a token unusable before it expires: one of the client that Config
// names by its ClientID. Of any other token nothing happens. APIs that verify
// tokens by themselves accept it until it expires.
func (c *Client) Revoke(ctx context.Context, token string) error {
	if c.doer.proof == nil {
		return errors.New("client: only a Config with a ClientID can revoke its client's tokens")
	}
	r, err := c.about(ctx, "/oauth/revoke", token)
	if err == nil {
		_, err = c.Do(ctx, r, nil)
	}
	return err
}

// about makes a request about a token, by which the caller proves who it is.
func (c *Client) about(ctx context.Context, path, token string) (Request, error) {
	r := Request{Method: http.MethodPost, Path: path, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	form := url.Values{}
	if c.doer.proof != nil {
		var err error
		if form, err = c.doer.proof(); err != nil {
			return r, err
		}
	} else if own, err := c.Token(ctx); err != nil {
		return r, err
	} else {
		r.Header.Set("Authorization", "Bearer "+own)
	}
	form.Set("token", token)
	r.Body = strings.NewReader(form.Encode())
	return r, nil
}
