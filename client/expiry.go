package client

import (
	"context"
	"errors"
	"time"

	"github.com/oapi-codegen/nullable"
)

// SetExpiry has a key or certificate of a client accepted until at, which is cut
// to milliseconds; a time that is past ends it now. It returns the credential
// as it is after that.
func (c *Client) SetExpiry(ctx context.Context, clientID, credentialID string, at time.Time) (*ClientCredential, error) {
	if at.IsZero() {
		return nil, errors.New("client: SetExpiry needs a time: ClearExpiry is for never, the present for now")
	}
	return c.setExpiry(ctx, clientID, credentialID, nullable.NewNullableWithValue(at))
}

// ClearExpiry has a key or certificate of a client accepted without end, but a
// certificate not beyond its own.
func (c *Client) ClearExpiry(ctx context.Context, clientID, credentialID string) (*ClientCredential, error) {
	return c.setExpiry(ctx, clientID, credentialID, nullable.NewNullNullable[time.Time]())
}

func (c *Client) setExpiry(ctx context.Context, clientID, credentialID string, at nullable.Nullable[time.Time]) (*ClientCredential, error) {
	got, err := c.Auth0UpdateClientCredentialWithResponse(ctx, clientID, credentialID, PatchClientCredentialRequestContent{ExpiresAt: at})
	if err != nil {
		return nil, err
	}
	return content(got.JSON200, got.HTTPResponse)
}

// Expiry tells when the credential stops being accepted, in UTC; ever is false
// for one that does not.
func (c ClientCredential) Expiry() (at time.Time, ever bool) {
	at, err := c.ExpiresAt.Get()
	return at, err == nil
}
