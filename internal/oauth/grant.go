package oauth

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/rights"
)

// ClientGrant lets a client ask for tokens of one API.
type ClientGrant struct {
	ID          string // "cgr_" and 16 alphanumerics
	ClientID    string // OAuth identifier; "" for a default grant
	Audience    string // identifier of a resource server
	SubjectType string // "client" or "user"
	DefaultFor  string // class of clients; "" unless ClientID is
	Document    jsondoc.Object
	Version     int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// GrantTerms are the members of a grant's document that rules read.
type GrantTerms struct {
	Scope          []string
	AllowAllScopes bool
}

// Terms decodes what rules read.
func (g *ClientGrant) Terms() (GrantTerms, error) {
	var t GrantTerms
	if err := errors.Join(g.Document.Read("scope", &t.Scope), g.Document.Read("allow_all_scopes", &t.AllowAllScopes)); err != nil {
		return t, &Error{Kind: Invalid, Reason: Malformed, Detail: "malformed client grant", Err: err}
	}
	return t, nil
}

// Rights returns the permissions that a grant on the management API gives: all of
// them if it cannot be read, so that nobody is taken for less than it may be.
func (g *ClientGrant) Rights() rights.Set {
	t, err := g.Terms()
	if err != nil || t.AllowAllScopes {
		return rights.All
	}
	return rights.Of(t.Scope...)
}

// ResourceServer is an API that tokens are issued for.
type ResourceServer struct {
	ID           string // 24 hexadecimal digits
	Identifier   string // the audience of its tokens; never changes
	Document     jsondoc.Object
	SealedSecret []byte // HS256 signing secret; nil unless the API has one
	NewSecret    Secret // replaces the sealed one when stored; zero keeps it
	System       bool   // Roster's own management API
	ClientID     string // the client that stands for this API; "" for none
	Version      int64
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// APITerms are the members of a resource server's document that rules read.
type APITerms struct {
	Scopes        []APIScope
	SigningAlg    string
	TokenLifetime int // seconds
	TokenDialect  string
	Authorization struct {
		Client struct {
			Policy string `json:"policy"` // "deny_all" or "require_client_grant"
		} `json:"client"`
	}
}

// APIScope is one permission that an API knows.
type APIScope struct {
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
}

// MergeAuthorization returns the subject_type_authorization that old becomes by
// sent. A policy that sent does not name stays, whatever else it says of the
// subject: nothing but another policy undoes deny_all.
func MergeAuthorization(old, sent json.RawMessage) (json.RawMessage, error) {
	type policies = map[string]struct {
		Policy string `json:"policy,omitempty"`
	}
	all, named := policies{}, policies{}
	if old != nil {
		if err := json.Unmarshal(old, &all); err != nil {
			return nil, err
		}
	}
	if sent != nil {
		if err := json.Unmarshal(sent, &named); err != nil {
			return nil, err
		}
	}
	if all == nil {
		all = policies{}
	}
	for subject, one := range named {
		if one.Policy != "" || all[subject].Policy == "" {
			all[subject] = one
		}
	}
	return json.Marshal(all)
}

// KeepUnsaid puts what was has into s where a record for s says nothing of it:
// policies, of which said is what the record says, and the key by which tokens are
// encrypted.
func (s *ResourceServer) KeepUnsaid(was ResourceServer, said json.RawMessage) (err error) {
	const policies = "subject_type_authorization"
	if s.Document[policies], err = MergeAuthorization(was.Document[policies], said); err != nil {
		return err
	}
	var had, has struct {
		Key jsondoc.Object `json:"encryption_key"`
	}
	if err := errors.Join(was.Document.Read(MemberTokenEncryption, &had), s.Document.Read(MemberTokenEncryption, &has)); err != nil {
		return err
	}
	if has.Key == nil || has.Key["pem"] != nil || had.Key["pem"] == nil {
		return nil
	}
	has.Key["pem"] = had.Key["pem"]
	s.Document[MemberTokenEncryption], err = jsondoc.MergeKeys(s.Document[MemberTokenEncryption], jsondoc.Must(has))
	return err
}

// Terms decodes what rules read.
func (s *ResourceServer) Terms() (APITerms, error) {
	var t APITerms
	doc := s.Document
	if err := errors.Join(
		doc.Read("scopes", &t.Scopes), doc.Read("signing_alg", &t.SigningAlg), doc.Read("token_lifetime", &t.TokenLifetime),
		doc.Read("token_dialect", &t.TokenDialect), doc.Read("subject_type_authorization", &t.Authorization),
	); err != nil {
		return t, &Error{Kind: Invalid, Reason: Malformed, Detail: "malformed resource server", Err: err}
	}
	return t, nil
}

// ScopeValues lists the values of the API's scopes.
func (t *APITerms) ScopeValues() []string {
	values := make([]string, len(t.Scopes))
	for i, s := range t.Scopes {
		values[i] = s.Value
	}
	return values
}

// Caller is who makes a request, as its token says.
type Caller struct {
	Subject   string     // the token's sub
	ClientID  string     // the client the token was issued to; "" if the token does not say
	Rights    rights.Set // what the token allows on the management API
	ExpiresAt time.Time
	TokenID   string // jti of a token that Roster issued to a client; else ""
	Issuer    string // who vouches for it: "" for Roster, Operator, or the URL of an outside issuer
}

// Operator is the Issuer of tokens for those who have the database and the keyset.
const Operator = "operator"

// Account tells callers apart, whoever vouches for them. Whom Roster itself knows
// is told by the subject alone, as in the rows of earlier releases.
func (c *Caller) Account() string {
	if c.Issuer == "" {
		return c.Subject
	}
	return "\x1f" + c.Issuer + "\x1f" + c.Subject
}

// Has reports whether the token allows scope.
func (c *Caller) Has(scope string) bool { return c.HasAny(scope) }

// HasAny reports whether the token allows one of scopes.
func (c *Caller) HasAny(scopes ...string) bool {
	return c != nil && c.Rights.HasAny(rights.Of(scopes...))
}

// SplitScope splits a scope parameter (RFC 6749 §3.3).
func SplitScope(scope string) []string { return strings.Fields(scope) }
