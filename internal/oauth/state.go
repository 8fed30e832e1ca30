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

// TokenEnds tells which tokens of a client for an audience are dead. Every
// deed that ends tokens raises Generation, so that no clock decides whether a
// token was issued before it or after.
type TokenEnds struct {
	Generation int64            // that tokens carry which are issued now
	NotBefore  time.Time        // of the last deed; zero for none
	Spared     map[string]int64 // by jti, tokens that stay valid up to that generation
}

// IssuedToken is what TokenEnds asks of a token.
type IssuedToken struct {
	ID         string    // its jti
	Generation *int64    // nil for a token of a release before 1.1.0
	IssuedAt   time.Time // to the second, or as precisely as is known
}

// Ambiguous reports whether IssuedAt is too coarse to tell whether a token
// without a generation was issued before the last deed.
func (e TokenEnds) Ambiguous(t IssuedToken) bool {
	return t.Generation == nil && e.Generation > 0 && t.IssuedAt.Unix() == e.NotBefore.Unix()
}

// Dead reports whether a token was ended. One without a generation is taken for
// older than a deed in the same second, unless its time is known more precisely.
func (e TokenEnds) Dead(t IssuedToken) bool {
	switch spared, ok := e.Spared[t.ID]; {
	case ok && spared >= e.Generation:
		return false
	case t.Generation != nil:
		return *t.Generation < e.Generation
	}
	return e.Generation > 0 && !t.IssuedAt.After(e.NotBefore)
}
