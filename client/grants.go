package client

import "context"

// GrantAPI lets a client have tokens for the resource server with the identifier
// audience, with these scopes of it at most; none is a token without scopes.
// [ErrNotFound]: there is no such client or resource server. [ErrConflict]: it
// has a grant on it already, which Auth0UpdateClientGrantWithResponse changes
// and [Client.ClientGrants] finds.
func (c *Client) GrantAPI(ctx context.Context, clientID, audience string, scopes []string, editors ...RequestEditorFn) (*ClientGrantResponseContent, error) {
	got, err := c.Auth0CreateClientGrantWithResponse(ctx, CreateClientGrantRequestContent{ClientID: &clientID, Audience: audience, Scope: scopes}, editors...)
	if err != nil {
		return nil, err
	}
	return content(got.JSON201, got.HTTPResponse)
}
