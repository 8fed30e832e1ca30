// Package tokens issues and verifies Roster's access tokens: how a client proves
// itself, what it is granted, the keys that sign, and the traces that refusals
// leave.
package tokens

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/rosterhq/roster/internal/changefeed"
	"github.com/rosterhq/roster/internal/issuers"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
)

// MaxLiveSecrets is how many secrets of one client are good at a time.
const MaxLiveSecrets = 2

// Config is what tokens need to know of the deployment.
type Config struct {
	PublicURL string // without a slash at the end
	Issuer    string // the iss of the tokens
	Audience  string // the aud of tokens for Roster's own APIs
	Tenant    string

	ManagementTTL time.Duration // how long tokens for Roster's own APIs live; 0 for what the API says

	Issuers *issuers.Set // outside issuers whose tokens are accepted; nil: none
	Now     func() time.Time
	Changes *changefeed.Feed

	Certificate func(*x509.Certificate) (json.RawMessage, error) // writes the tenant's certificate as it is kept
	PrivateKey  func(*rsa.PrivateKey) string                     // writes the key of that certificate

	Record func(ctx context.Context, tx *postgres.Tx, action, kind, target string, before, after jsondoc.Object)
	Event  func(ctx context.Context, action, kind, target string) oauth.Event
}

// Tokens issues and verifies tokens.
type Tokens struct {
	config Config
	store  *postgres.Store
	keys   *seal.Live

	signing cached[tokenKeys]
	tenant  cached[TenantKey]

	decoy atomic.Pointer[oauth.ClientSecret] // see Tokens.noSecret

	verified *lru.Cache[[sha256.Size]byte, *verified] // by the digest of a token
	callers  *lru.Cache[string, *standing]
	used     secretUses
	refused  refusals // of tokens
	denied   refusals // of changes
}

// New returns Tokens over store whose secrets are sealed with keys.
func New(store *postgres.Store, keys *seal.Live, config Config) *Tokens {
	return &Tokens{config: config, store: store, keys: keys, verified: newVerified(), callers: newCallers(config.Changes)}
}

// now is the time to store: UTC, in the precision that Postgres keeps.
func (r *Tokens) now() time.Time { return r.config.Now().UTC().Truncate(time.Microsecond) }

// newID returns a time-ordered uuid.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// Spellings are the identifiers that a caller who writes audience may
// mean: that one, then the same with or without its last slash.
func Spellings(audience string) []string {
	if other, ok := strings.CutSuffix(audience, "/"); ok {
		return []string{audience, other}
	}
	return []string{audience, audience + "/"}
}
