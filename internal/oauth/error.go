// Package oauth holds the registry's nouns and the rules they obey. It does no
// I/O: no SQL, no HTTP, no clock.
package oauth

import (
	"errors"
	"slices"

	"github.com/rosterhq/roster/internal/rights"
)

// Kind says what went wrong in the registry's terms, not HTTP's.
type Kind int

// The zero Kind is Internal, so an error nobody classified is a fault of ours.
const (
	Internal        Kind = iota
	Invalid              // a rule is broken by what the caller sent
	NotFound             // what is named does not exist
	Conflict             // it collides with something that exists
	Unauthenticated      // the caller did not prove who it is
	Forbidden            // the caller may not do this
	Precondition         // the caller's copy is not the current one
	Unavailable          // cannot be done now, the same call may succeed later
)

// Reason says which failure it is, where a dialect has words or a code of its
// own. A failure has the same Reason in every dialect.
type Reason string

// The reasons, by the Kind that they come with.
const (
	// Invalid
	BrokenRule       Reason = "broken_rule"       // the Violations say which, or the Detail
	TooLarge         Reason = "too_large"         // a record that takes more bytes than one may
	Malformed        Reason = "malformed"         // a value or a request that cannot be read or stored
	BadQuery         Reason = "bad_query"         // parameters of a list that exclude each other
	UnknownScope     Reason = "unknown_scope"     // a grant names a scope that its API lacks
	TakesNoGrant     Reason = "takes_no_grant"    // clients of this type get no grants
	Reserved         Reason = "reserved"          // what belongs to the registry itself
	OtherRequest     Reason = "other_request"     // an Idempotency-Key was used before, for another request
	InvalidRequest   Reason = "invalid_request"   // of a token
	UnsupportedGrant Reason = "unsupported_grant" // a token is asked for by another grant type

	// NotFound
	NoClient           Reason = "no_client"
	NoCredential       Reason = "no_credential"
	NoClientGrant      Reason = "no_client_grant"
	NoResourceServer   Reason = "no_resource_server"
	NoScope            Reason = "no_scope"
	NoIdentityProvider Reason = "no_identity_provider"
	NoKeyPair          Reason = "no_key_pair"
	NoRecord           Reason = "no_record"    // of any other kind
	FeedTrimmed        Reason = "feed_trimmed" // events that were removed because of their age

	// Conflict
	IDTaken             Reason = "id_taken"
	IDOfDeleted         Reason = "id_of_deleted" // the client that has it can be restored
	NameTaken           Reason = "name_taken"
	Duplicate           Reason = "duplicate"            // a record that is there already
	DuplicateCredential Reason = "duplicate_credential" // of the same client: by its id or kid
	DuplicateKey        Reason = "duplicate_key"        // a client's other credential has the same key
	InUse               Reason = "in_use"               // what refers to it must go first
	Indispensable       Reason = "indispensable"        // the newest secret, the default key pair
	LastAdministrator   Reason = "last_administrator"   // nobody could manage the registry any more
	UnderWay            Reason = "under_way"            // the same request

	// Unauthenticated
	NoToken       Reason = "no_token"
	NotAToken     Reason = "not_a_token"
	BadToken      Reason = "bad_token"
	WrongSecret   Reason = "wrong_secret"
	InvalidClient Reason = "invalid_client" // which proves itself in no way that can be checked

	// Forbidden
	LacksScope      Reason = "lacks_scope"
	Protected       Reason = "protected"
	GrantNotAllowed Reason = "grant_not_allowed" // the client may not use the grant type
	UnknownAudience Reason = "unknown_audience"
	NotGranted      Reason = "not_granted" // the client has no grant on the audience
	ScopeNotGranted Reason = "scope_not_granted"

	// Precondition
	Outdated Reason = "outdated" // the record was changed since the caller read it

	// Unavailable
	Busy Reason = "busy"
)

// codes are the error codes that RFC 6749 §5.2 has for failures of a token
// request. Those of RFC 6750 §3.1 are for a bearer token that comes with one.
// access_denied is of RFC 6749 §4.1.2.1: callers expect it here, even for a wrong
// secret, for which §5.2 would have invalid_client.
var codes = map[Reason]string{
	InvalidRequest: "invalid_request", UnsupportedGrant: "unsupported_grant_type", InvalidClient: "invalid_client",
	GrantNotAllowed: "unauthorized_client",
	NotAToken:       "invalid_token", BadToken: "invalid_token", LacksScope: "insufficient_scope",
	WrongSecret: "access_denied", UnknownAudience: "access_denied", NotGranted: "access_denied", ScopeNotGranted: "access_denied",
}

// Code returns the error code by which a token request is refused (RFC 6749
// §5.2), "" for reasons that only other requests have.
func (r Reason) Code() string { return codes[r] }

// Violation is one broken rule about a member. A dialect may have to word it in
// its own way.
type Violation struct {
	Member string // canonical name, or path below it: "redirect_uris[0]"; never ""
	Rule   string // the JSON Schema keyword that fits best, e.g. "format"

	// Detail is what Sentence says of the member: "must not be empty". It never
	// names the member, which each dialect knows by another name, and holds no
	// secret.
	Detail string
}

// Sentence tells a reader who knows the member as wire what is wrong with it.
// It ends without a full stop.
func (v Violation) Sentence(wire string) string { return wire + " " + v.Detail }

// Error is a failure that a caller may be told about.
type Error struct {
	Kind       Kind
	Reason     Reason
	Resource   string // of NotFound: what there is not, "client" or "client_grant", for people
	Named      string // what the caller named, where a dialect's words repeat it: an audience, a scope
	Detail     string // a sentence for the caller; holds no secret and no SQL
	Violations []Violation
	Lacks      []rights.Set // of LacksScope: of each the caller lacks one; nil where Detail says all
	Err        error        // for the log only
}

func (e *Error) Error() string {
	text := e.Detail
	for _, v := range e.Violations {
		text += "; " + v.Sentence(v.Member)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Invalidate returns an Invalid error for broken rules.
func Invalidate(broken ...Violation) error {
	return &Error{Kind: Invalid, Reason: BrokenRule, Detail: "client metadata breaks the registry's rules", Violations: broken}
}

// Within returns err with its violations as those of members below at, a path
// such as "credentials[0]".
func Within(at string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || len(e.Violations) == 0 {
		return err
	}
	inner := *e
	inner.Violations = slices.Clone(e.Violations)
	for i := range inner.Violations {
		inner.Violations[i].Member = at + "." + inner.Violations[i].Member
	}
	return &inner
}

// absent are the reasons of NotFound, by what there is not.
var absent = map[string]Reason{
	"client": NoClient, "credential": NoCredential, "client_grant": NoClientGrant, "resource_server": NoResourceServer,
	"scope": NoScope, "identity_provider": NoIdentityProvider, "key_pair": NoKeyPair,
}

// Missing returns the NotFound error of a resource such as "client".
func Missing(resource string) error {
	reason, ok := absent[resource]
	if !ok {
		reason = NoRecord
	}
	return &Error{Kind: NotFound, Reason: reason, Resource: resource, Detail: "no such " + resource}
}

// ErrDeleted refuses the identifier of a deleted client to another one.
var ErrDeleted = &Error{
	Kind: Conflict, Reason: IDOfDeleted,
	Detail: "The client with this identifier was deleted. POST /api/roster/v1/clients/{client_id}/restore (roster clients restore) " +
		"brings it back within 30 days; roster import --restore registers the identifier anew.",
}

// KindOf returns the Kind of the first Error in err's tree, else Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// ReasonOf returns the Reason of the first Error in err's tree, "" if there is
// none.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}
