package client

import (
	"context"
	"time"
)

// CreateClient registers a client and returns its identifier and its secret;
// secret is "" for a client that authenticates with keys. Nothing keeps the
// secret but the service, which may be set up to show it this once only.
//
// Auth0CreateClientWithResponse returns the whole client, defaults filled in.
func (c *Client) CreateClient(ctx context.Context, request CreateClientRequestContent, editors ...RequestEditorFn) (id, secret string, err error) {
	got, err := c.Auth0CreateClientWithResponse(ctx, request, editors...)
	if err != nil {
		return "", "", err
	}
	made, err := content(got.JSON201, got.HTTPResponse)
	if err != nil {
		return "", "", err
	}
	if made.ClientID != nil {
		id = *made.ClientID
	}
	if made.ClientSecret != nil {
		secret = *made.ClientSecret
	}
	return id, secret, nil
}

// RotateSecret gives a client a new secret and returns it. The one before lives
// on for grace, whole seconds of it rounded up and at most 90 days, so that
// whoever uses it can change over; 0 ends it at once. Older ones end in any case.
func (c *Client) RotateSecret(ctx context.Context, clientID string, grace time.Duration, editors ...RequestEditorFn) (secret string, err error) {
	seconds := int((grace + time.Second - 1) / time.Second)
	got, err := c.RosterRotateClientSecretWithResponse(ctx, clientID, &RosterRotateClientSecretParams{GraceSeconds: &seconds}, editors...)
	if err != nil {
		return "", err
	}
	made, err := content(got.JSON201, got.HTTPResponse)
	if err != nil {
		return "", err
	}
	return made.ClientSecret, nil
}
