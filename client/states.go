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
