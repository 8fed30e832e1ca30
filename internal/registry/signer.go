package registry

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
)

// retiredKeyLife is how long a retired token key is still published and
// accepted: longer than any token it signed lives.
const retiredKeyLife = 31 * 24 * time.Hour

const (
	keyRefresh     = time.Minute     // instances learn of a new key within this time
	unknownKeyWait = 5 * time.Second // between reloads for a kid nobody knows
)

// cached keeps a value that is read anew when it is older than asked for.
type cached[T any] struct {
	mu     sync.Mutex
	loaded time.Time // zero: never
	value  T
}

func (c *cached[T]) get(now time.Time, maxAge time.Duration, load func() (T, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded.IsZero() || now.Sub(c.loaded) > maxAge {
		value, err := load()
		if err != nil {
			return value, err
		}
		c.value, c.loaded = value, now
	}
	return c.value, nil
}

// tokenKeys sign and verify tokens.
type tokenKeys struct {
	kid    string // of the key that signs
	key    *rsa.PrivateKey
	public map[string]jose.JSONWebKey // every key that verifies, by kid
}

func issuerKeyLocation(id string) seal.Location {
	return seal.Location{Table: "issuer_keys", Row: id, Column: "sealed"}
}

// newIssuerKey makes an RSA key for use; public is what is kept of it in clear.
func (r *Registry) newIssuerKey(use string, public func(kid string, key *rsa.PrivateKey) (json.RawMessage, error)) (postgres.IssuerKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return postgres.IssuerKey{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return postgres.IssuerKey{}, err
	}
	k := postgres.IssuerKey{ID: oauth.RandomText(oauth.URLSafe, 22), Use: use, CreatedAt: r.now()}
	if k.Sealed, err = r.keys.Seal(der, issuerKeyLocation(k.ID)); err != nil {
		return k, err
	}
	k.Public, err = public(k.ID, key)
	return k, err
}

func (r *Registry) openIssuerKey(k postgres.IssuerKey) (*rsa.PrivateKey, error) {
	der, err := r.keys.Open(k.Sealed, issuerKeyLocation(k.ID))
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	return key.(*rsa.PrivateKey), nil // nothing else is ever stored
}

func publicJWK(kid string, key *rsa.PrivateKey) (json.RawMessage, error) {
	return json.Marshal(jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: string(jose.RS256), Use: "sig"})
}

func (r *Registry) tokenKeys(ctx context.Context, maxAge time.Duration) (tokenKeys, error) {
	return r.signing.get(r.Now(), maxAge, func() (tokenKeys, error) {
		keys := tokenKeys{public: map[string]jose.JSONWebKey{}}
		stored, err := r.store.IssuerKeys(ctx, "token", r.now().Add(-retiredKeyLife))
		if err != nil {
			return keys, err
		}
		for _, k := range stored {
			var jwk jose.JSONWebKey
			if err := json.Unmarshal(k.Public, &jwk); err != nil {
				return keys, err
			}
			keys.public[k.ID] = jwk
			if k.RetiredAt == nil {
				if keys.key, err = r.openIssuerKey(k); err != nil {
					return keys, err
				}
				keys.kid = k.ID
			}
		}
		if keys.key == nil {
			return keys, oauth.Missing("issuer_key")
		}
		return keys, nil
	})
}

// JWKS returns the keys that Roster's tokens verify with (RFC 7517 §5).
func (r *Registry) JWKS(ctx context.Context) (jose.JSONWebKeySet, error) {
	keys, err := r.tokenKeys(ctx, keyRefresh)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{keys.public[keys.kid]}}
	for id, k := range keys.public {
		if id != keys.kid {
			set.Keys = append(set.Keys, k)
		}
	}
	return set, nil
}

// sign makes a JWS of claims under Roster's current key, or under secret for
// HS256.
func (r *Registry) sign(ctx context.Context, alg jose.SignatureAlgorithm, secret oauth.Secret, claims map[string]any) (string, error) {
	opts := (&jose.SignerOptions{}).WithType("at+jwt") // RFC 9068 §2.1
	var key any
	if alg == jose.HS256 {
		key = []byte(secret.Reveal())
	} else {
		keys, err := r.tokenKeys(ctx, keyRefresh)
		if err != nil {
			return "", err
		}
		key = jose.JSONWebKey{Key: keys.key, KeyID: keys.kid}
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		return "", err
	}
	jws, err := s.Sign(jsondoc.Must(claims))
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
