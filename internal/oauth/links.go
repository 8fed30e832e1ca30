package oauth

import (
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// Scope is a permission that clients may be authorized for by name, apart from
// those of an API.
type Scope struct {
	ID        string // uuid
	Name      string // 1..255 characters, no whitespace
	Label     *string
	Public    bool // any client may ask for it
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ScopeChoice names a scope by its id or, when ID is empty, by its name.
type ScopeChoice struct{ ID, Name string }

// IdentityProvider is where the users of a client sign in.
type IdentityProvider struct {
	ID        string // uuid
	Name      string
	Document  jsondoc.Object // members under the names of the dialect that knows them
	Sealed    []byte         // what an earlier release took of the provider's backend; nil for nothing
	CreatedAt time.Time
	UpdatedAt time.Time
}

// KeyPair is a signing key that several clients share.
type KeyPair struct {
	ID        string // uuid
	PublicKey string // PEM, as PublicKeyPEM makes it
	Sealed    []byte // PKCS #8 PEM
	Default   bool   // of clients that have no key; one pair at most
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Links are what a client is tied to besides its document.
type Links struct {
	Scopes           []Scope          // in the order of the choice; no labels
	IdentityProvider IdentityProvider // ID and Name; zero for none
	KeyPair          string           // id of the shared pair; "" when the key is the client's own or it has none
	PublicKey        string           // PEM; "" for none
}
