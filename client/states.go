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
