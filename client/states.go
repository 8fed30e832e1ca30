package client

import (
	"context"
	"net/http"
	"time"
)

// What State.State may be.
const (
	StateActive      = "active"
	StateDisabled    = "disabled"    // somebody switched it off
	StateQuarantined = "quarantined" // it is off until somebody has looked at it
)

// State is whether a client can be used, and why not.
type State struct {
	ClientID string `json:"client_id"`
	// State is StateActive, StateDisabled or StateQuarantined.
	State string `json:"state"`
	// Reason is for people, as who set the state said.
	Reason string `json:"reason"`
	// ChangedAt is when it was set; the zero time where it never was.
	ChangedAt time.Time `json:"changed_at"`
}

// GetState reads the state of a client.
func (c *Client) GetState(ctx context.Context, clientID string) (*State, error) {
	return one[State](c, ctx, Request{Path: Path(nativePath, clientID, "state")})
}

// SetState switches a client off or on. One that is not active gets no tokens,
// and those it has are refused on every instance within a second; what was
// issued before stays refused when it is active again. reason is for people.
func (c *Client) SetState(ctx context.Context, clientID, state, reason string) (*State, error) {
	return one[State](c, ctx, Request{
		Method: http.MethodPut, Path: Path(nativePath, clientID, "state"), Body: map[string]string{"state": state, "reason": reason},
	})
}

// RestoreClient brings a deleted client back, for 30 days after its deletion,
// with its secrets, credentials and grants, and in the state it was in. Tokens
// from before stay refused.
//
// ErrConflict: it was not deleted, or longer ago. ErrNotFound: there never was one.
func (c *Client) RestoreClient(ctx context.Context, clientID string) error {
	_, err := c.Do(ctx, Request{Method: http.MethodPost, Path: Path(nativePath, clientID, "restore")}, nil)
	return err
}

// EndOptions say which tokens end. Nil will do, for all.
type EndOptions struct {
	// Audience is the identifier of the API whose tokens end. Empty: all tokens.
	Audience string
	// IdempotencyKey is as in CreateOptions.
	IdempotencyKey string
}

// EndTokens refuses every token that a client has got until now, within a second
// on every instance. The client stays as it is and may get new ones at once.
// Whoever validates tokens without asking Roster accepts them until they expire.
func (c *Client) EndTokens(ctx context.Context, clientID string, o *EndOptions) error {
	own, body := copied(o), map[string]string{}
	if own.Audience != "" {
		body["audience"] = own.Audience
	}
	_, err := c.Do(ctx, Request{
		Method: http.MethodPost, Path: Path(nativePath, clientID, "end-tokens"), Body: body,
		Header: (&CreateOptions{IdempotencyKey: own.IdempotencyKey}).header(),
	}, nil)
	return err
}
