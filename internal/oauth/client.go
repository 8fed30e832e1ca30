package oauth

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/rights"
)

// Client is one registered OAuth client.
type Client struct {
	ID        string         // uuid, the registry's own key
	ClientID  string         // what the client calls itself at the token endpoint
	Document  jsondoc.Object // members under RFC 7591 §2 names, plus each dialect's own under its prefix
	Sealed    []byte         // members that are stored sealed, next to the document; nil for none, and once they are in Document
	Version   int64          // starts at 1, up by 1 with every stored change
	CreatedAt time.Time      // UTC, microseconds: what Postgres keeps
	UpdatedAt time.Time
	State     State         // "" for a client that is not stored yet
	Granted   rights.Set    // what its own grant on the management API gives; of a stored client
	Secret    *ClientSecret // the newest one; nil when the client has none, or when it is not for the caller
}

// ClientSecret is a shared secret as it is kept: sealed, next to a MAC to check
// it by.
type ClientSecret struct {
	ID         string // uuid
	Sealed     []byte // nil where only the MAC is kept
	MAC        []byte
	CreatedAt  time.Time
	ExpiresAt  *time.Time // nil: never
	LastUsedAt *time.Time
	Weak       bool // it has fewer than WeakSecret characters
}

// WeakSecret is the length in characters below which a secret is marked as weak.
// Roster makes longer ones; shorter ones come from elsewhere.
const WeakSecret = 16

// Status is "current" for the newest secret, "superseded" for one that is valid
// until it expires, "ended" for one that is no longer valid.
func (s *ClientSecret) Status(now time.Time) string {
	switch {
	case s.ExpiresAt == nil:
		return "current"
	case s.ExpiresAt.After(now):
		return "superseded"
	}
	return "ended"
}

// ClientRef names a client by either of its identifiers. A Version above 0
// must be the stored one (Precondition error otherwise).
type ClientRef struct {
	ID, ClientID string
	Version      int64
}

// Check fails where the reference asks for another version than that of c.
func (r ClientRef) Check(c *Client) error {
	if r.Version != 0 && r.Version != c.Version {
		return &Error{Kind: Precondition, Reason: Outdated, Detail: "The client has changed since it was read."}
	}
	return nil
}

// Draft is a client as a caller wants it to be, with what is kept besides its
// document.
type Draft struct {
	*Client
	NewSecret   Secret         // replaces the current one; zero keeps it
	Credentials []Credential   // to register along with the change
	Grace       *time.Duration // how long the secret that NewSecret supersedes stays valid; nil: as the deployment says

	Scopes           *[]ScopeChoice // replaces what the client is authorized for; nil keeps it
	IdentityProvider string         // id of the new one; "" keeps what the client has
	KeyPair          string         // id of a shared key pair to use from now on; "" keeps the key
	NewKey           *NewKey        // the client's own from now on; nil keeps the key

	Links *Links // what the client is tied to, then what it is tied to after the change; nil where that is not needed

	// Answer makes the answer to the change of the client as it is then, and returns
	// the secrets that the answer shows: their events are stored with the change. It
	// may run while the client is locked. nil for an answer that is made afterwards.
	Answer func(Client, *Links) ([]Disclosure, error)
}

// Until returns when the client's secret ends, so that what is shown of the client
// is another one from then on; zero for never.
func (c *Client) Until() time.Time {
	if c.Secret == nil || c.Secret.ExpiresAt == nil {
		return time.Time{}
	}
	return *c.Secret.ExpiresAt
}

// Metadata is the part of a client's document that rules read.
type Metadata struct {
	GrantTypes              []string
	TokenEndpointAuthMethod string
	ClientAliases           []string
}

// Metadata decodes what rules read.
func (c *Client) Metadata() (Metadata, error) {
	var m Metadata
	doc := c.Document
	if err := errors.Join(
		doc.Read("grant_types", &m.GrantTypes), doc.Read("token_endpoint_auth_method", &m.TokenEndpointAuthMethod),
		doc.Read(MemberClientAliases, &m.ClientAliases),
	); err != nil {
		return m, &Error{Kind: Invalid, Reason: Malformed, Detail: "malformed client document", Err: err}
	}
	return m, nil
}

// IsGlobal reports whether c is the client that stands for all applications.
func (c *Client) IsGlobal() bool { return string(c.Document[MemberGlobal]) == "true" }

// GrantClientCredentials is the grant type of RFC 6749 §4.4.
const GrantClientCredentials = "client_credentials"

// Validate checks the rules that no schema can state.
func (c *Client) Validate() error {
	m, err := c.Metadata()
	if err != nil {
		return err
	}
	var broken []Violation
	if m.TokenEndpointAuthMethod == "none" && slices.Contains(m.GrantTypes, GrantClientCredentials) {
		broken = append(broken, Violation{
			Member: "grant_types", Rule: "not",
			Detail: `must not have client_credentials while token_endpoint_auth_method is "none"`,
		})
	}
	if m.TokenEndpointAuthMethod != "" && c.Document[SlotsOfAuthentication] != nil {
		broken = append(broken, Violation{
			Member: "token_endpoint_auth_method", Rule: "not",
			Detail: "must be null while client_authentication_methods is set",
		})
	}
	uses, err := c.CredentialUses()
	if err != nil {
		return err
	}
	perSlot := map[string]int{}
	for _, u := range uses {
		if perSlot[u.Slot]++; perSlot[u.Slot] == MaxCredentialsPerSlot+1 {
			broken = append(broken, Violation{Member: u.Slot, Rule: "maxItems", Detail: "must have at most 2 credentials"})
		}
	}
	if len(broken) > 0 {
		return Invalidate(broken...)
	}
	return nil
}

// CheckTrust refuses what makes a client's word about addresses count although
// anybody can speak for it. before is its document until now, nil for none: one
// that trusts anybody already may change otherwise.
func (c *Client) CheckTrust(before jsondoc.Object) error {
	if !trustsAnybody(c.Document) || trustsAnybody(before) {
		return nil
	}
	return Invalidate(Violation{
		Member: MemberIPHeaderTrusted, Rule: "not", Detail: "must not be true for a client that authenticates by nothing",
	})
}

func trustsAnybody(doc jsondoc.Object) bool {
	return string(doc[MemberIPHeaderTrusted]) == "true" && jsondoc.String(doc["token_endpoint_auth_method"]) == "none"
}

// Limits on what one client may register.
const (
	MaxCredentials        = 4 // registered, used or not
	MaxCredentialsPerSlot = 2 // used for one purpose
)

// Members of a document that name credentials. The first holds one object an
// authentication method, the others are objects themselves; each object has
// credentials: [{"id": "cred_…"}].
const (
	SlotsOfAuthentication = "client_authentication_methods"
	SlotSignedRequest     = "signed_request_object"
	SlotTokenVault        = "token_vault_privileged_access"
	SlotPrivateKeyJWT     = "private_key_jwt"
	SlotTLSClientAuth     = "tls_client_auth"
	SlotSelfSignedTLS     = "self_signed_tls_client_auth"
)

// SlotCredentialType tells which credentials a slot takes.
var SlotCredentialType = map[string]CredentialType{
	SlotPrivateKeyJWT: TypePublicKey,
	SlotTLSClientAuth: TypeCertSubjectDN,
	SlotSelfSignedTLS: TypeX509Cert,
	SlotSignedRequest: TypePublicKey,
	SlotTokenVault:    TypePublicKey,
}

// CredentialUse says that a slot of a client uses one of its credentials.
type CredentialUse struct {
	Slot       string
	Credential string // id
}

// CredentialUses lists the credentials that c's document names, slot by slot in
// a fixed order, within a slot as given.
func (c *Client) CredentialUses() ([]CredentialUse, error) {
	type slot struct {
		Credentials []struct {
			ID string `json:"id"`
		} `json:"credentials"`
	}
	var all []CredentialUse
	add := func(name string, raw json.RawMessage) error {
		var s slot
		if raw == nil {
			return nil
		}
		if err := json.Unmarshal(raw, &s); err != nil {
			return &Error{Kind: Invalid, Reason: Malformed, Detail: "malformed " + name, Err: err}
		}
		for _, cred := range s.Credentials {
			all = append(all, CredentialUse{name, cred.ID})
		}
		return nil
	}
	methods := jsondoc.Object{}
	if raw := c.Document[SlotsOfAuthentication]; raw != nil {
		if err := json.Unmarshal(raw, &methods); err != nil {
			return nil, &Error{Kind: Invalid, Reason: Malformed, Detail: "malformed " + SlotsOfAuthentication, Err: err}
		}
	}
	for _, name := range []string{SlotPrivateKeyJWT, SlotSelfSignedTLS, SlotTLSClientAuth} {
		if err := add(name, methods[name]); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{SlotSignedRequest, SlotTokenVault} {
		if err := add(name, c.Document[name]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
