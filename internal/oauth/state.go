package oauth

import "time"

// State says whether a client can be used.
type State string

// The states of a client. Only an active one can be used.
const (
	Active      State = "active"
	Disabled    State = "disabled"    // by an administrator
	Quarantined State = "quarantined" // by a rule
)

// Valid reports whether there is such a state.
func (s State) Valid() bool { return s == Active || s == Disabled || s == Quarantined }

// ClientState is the state of a client, and how it came to it.
type ClientState struct {
	ClientID  string
	State     State
	Reason    string     // for people; may be empty
	ChangedAt *time.Time // nil: it never was in another one
}
