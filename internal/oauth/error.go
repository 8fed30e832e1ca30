// Package oauth holds the registry's nouns and the rules they obey. It does no
// I/O: no SQL, no HTTP, no clock.
package oauth

import "errors"

// Kind says what went wrong in the registry's terms, not HTTP's.
type Kind int

// The zero Kind is Internal, so an error nobody classified is a fault of ours.
const (
	Internal        Kind = iota
	Invalid              // a rule is broken by what the caller sent
	NotFound             // the Resource does not exist
	Conflict             // it collides with something that exists
	Unauthenticated      // the caller did not prove who it is
	Forbidden            // the caller may not do this
	Precondition         // the caller's copy is not the current one
	Unavailable          // cannot be done now, the same call may succeed later
)

// Violation is one broken rule, kept apart from its wording: a dialect may have
// to word it in its own way.
type Violation struct {
	Member string // canonical name, or path below it: "redirect_uris[0]"
	Rule   string // the JSON Schema keyword that fits best, e.g. "format"
	Detail string // English, for people; holds no secret
}

// Error is a failure that a caller may be told about.
type Error struct {
	Kind       Kind
	Resource   string // what was not found or collides: "client", "credential", "client_grant", …
	Code       string // RFC 6749 §5.2 error code; only of failures at the token endpoint
	Detail     string // English, for the caller; holds no secret and no SQL
	Violations []Violation
	Err        error // for the log only
}

func (e *Error) Error() string {
	text := e.Detail
	for _, v := range e.Violations {
		text += "; " + v.Member + ": " + v.Detail
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Invalidate returns an Invalid error for broken rules.
func Invalidate(broken ...Violation) error {
	return &Error{Kind: Invalid, Detail: "client metadata breaks the registry's rules", Violations: broken}
}

// Missing returns the NotFound error of a resource such as "client".
func Missing(resource string) error {
	return &Error{Kind: NotFound, Resource: resource, Detail: "no such " + resource}
}

// KindOf returns the Kind of the first Error in err's tree, else Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
