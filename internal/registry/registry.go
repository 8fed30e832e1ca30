// Package registry holds the operations on clients, credentials, grants, APIs and
// what else Roster keeps, the same for every API dialect. It decides who may
// change what, checks the rules of package oauth, and records events. It knows
// neither HTTP nor a dialect, and leaves SQL to package postgres.
//
// What it promises: a change and its events are one transaction, so neither is
// stored without the other. An import needs several transactions if a record is
// refused, and resealing goes row by row. Tokens are package tokens' business.
//
// What code here must keep:
//   - Lock a client before reading what an edit depends on. The function that
//     edits runs under that lock, and must have no side effects.
//   - Ask mayChange or mayGrant in the operation itself. Every door leads through
//     it, so a dialect decides nothing about rights.
//   - Record each change in its transaction. An answer that shows a secret must
//     not be sent before the event of it is stored ([Registry.RecordDisclosures]).
//
// Start with [Registry.UpdateClient], then follow editClient and updateClient;
// rights.go says what a change takes.
package registry

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/changefeed"
	"github.com/rosterhq/roster/internal/issuers"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/tokens"
)

// Config is what operations need to know of the deployment.
type Config struct {
	PublicURL     string // without a slash at the end, e.g. https://roster.example
	Management    Management
	Tenant        string
	HashedSecrets bool             // keep only a MAC of clients' secrets
	Issuers       *issuers.Set     // outside issuers whose tokens are accepted; nil: none
	KeysetFile    string           // read again when it changes; "": the keyset stays as it is
	Now           func() time.Time // time.Now outside tests

	MinSecret      int           // how many characters a new secret of a client has at least; 0 for 1
	SecretGrace    time.Duration // how long a superseded secret stays valid, unless the rotation says it
	EventRetention time.Duration // how long events are kept; 0 for ever

	ManagementTokenTTL time.Duration // how long tokens for the management API live; 0 for what Management says
}

// Management is how the registry presents itself on its management API, whose
// dialect decides that.
type Management struct {
	Path   string         // of the API below PublicURL: the two are the audience of its tokens
	API    jsondoc.Object // members of the resource server that stands for the API
	Global jsondoc.Object // members that the client which stands for all applications starts from

	Takes func(member string) rights.Set                       // permissions one of which a change of a client's stored member takes
	Fixed func(before, after jsondoc.Object) []oauth.Violation // members that no change may change as after has them

	Class func(kind, member string) oauth.Class                                           // of a stored member of a record
	Plain func(kind, member string, raw json.RawMessage) (part json.RawMessage, all bool) // what of one that is not ClassSecret is known, and whether that is all

	Certificate func(*x509.Certificate) (json.RawMessage, error) // writes the tenant's certificate as it is kept
	PrivateKey  func(*rsa.PrivateKey) string                     // writes the key of that certificate
}

// Issuer is the iss of Roster's tokens.
func (c *Config) Issuer() string { return c.PublicURL + "/" }

// ManagementAudience is the aud of tokens for Roster's own APIs.
func (c *Config) ManagementAudience() string { return c.PublicURL + c.Management.Path }

// Registry carries out operations on clients and what belongs to them.
type Registry struct {
	Config
	Changes *changefeed.Feed // tells what this instance and others have changed

	*tokens.Tokens // issues and verifies tokens
	store          *postgres.Store
	keys           *seal.Live
	feed           feedWatch
	changed        signal // something has changed, here or elsewhere
	closing        chan struct{}
	closeOnce      sync.Once
}

// New returns a Registry over store whose secrets are sealed with keys. Call
// Prepare once before serving.
func New(store *postgres.Store, keys *seal.Keyset, config Config) *Registry {
	r := &Registry{
		Config: config, Changes: changefeed.New(time.Now), store: store, keys: seal.NewLive(keys, config.KeysetFile), closing: make(chan struct{}),
	}
	r.Changes.Subscribe(func([]postgres.Change) { r.changed.wake() })
	r.Tokens = tokens.New(store, r.keys, tokens.Config{
		PublicURL: config.PublicURL, Issuer: config.Issuer(), Audience: config.ManagementAudience(), Tenant: config.Tenant,
		Issuers: config.Issuers, Now: config.Now, Certificate: config.Management.Certificate, PrivateKey: config.Management.PrivateKey,
		ManagementTTL: config.ManagementTokenTTL,
		Record:        r.record, Event: r.event, Changes: r.Changes,
	})
	return r
}

// now is the time to store: UTC, in the precision that Postgres keeps.
func (r *Registry) now() time.Time { return r.Now().UTC().Truncate(time.Microsecond) }

// newID returns a time-ordered uuid.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
