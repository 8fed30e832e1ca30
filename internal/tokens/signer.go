package tokens

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
	loadTime       = 5 * time.Second        // for reading keys, while others do with the old ones
	keyRefresh     = time.Minute - loadTime // instances learn of a new key within a minute
	publishAhead   = 5 * time.Minute        // a new key is published for so long before it signs
	unknownKeyWait = 5 * time.Second        // between reloads for a kid nobody knows
)

// cached keeps a value that is read again when it is older than asked for.
type cached[T any] struct {
	mu      sync.Mutex // not held while loading: loading takes a connection, and who waits may have the last one
	loaded  time.Time  // zero: never
	loading bool
	value   T
}

// get returns the value, at most maxAge old, or loadTime more while another
// caller loads it.
func (c *cached[T]) get(now time.Time, maxAge time.Duration, load func() (T, error)) (T, error) {
	c.mu.Lock()
	if age := now.Sub(c.loaded); !c.loaded.IsZero() && (age <= maxAge || c.loading && age <= maxAge+loadTime) {
		defer c.mu.Unlock()
		return c.value, nil
	}
	c.loading = true
	c.mu.Unlock()
	value, err := load()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loading = false
	if err == nil && !now.Before(c.loaded) {
		c.value, c.loaded = value, now
	}
	return value, err
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
func (r *Tokens) newIssuerKey(use string, public func(kid string, key *rsa.PrivateKey) (json.RawMessage, error)) (postgres.IssuerKey, error) {
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

func (r *Tokens) openIssuerKey(k postgres.IssuerKey) (*rsa.PrivateKey, error) {
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

func (r *Tokens) tokenKeys(ctx context.Context, maxAge time.Duration) (tokenKeys, error) {
	return r.signing.get(r.config.Now(), maxAge, func() (tokenKeys, error) {
		keys := tokenKeys{public: map[string]jose.JSONWebKey{}}
		stored, err := r.store.IssuerKeys(ctx, "token", r.now().Add(-retiredKeyLife))
		if err != nil {
			return keys, err
		}
		if len(stored) == 0 {
			return keys, oauth.Missing("issuer_key")
		}
		signer := stored[0] // even if this clock is behind that of the instance that made it
		for _, k := range stored {
			var jwk jose.JSONWebKey
			if err := json.Unmarshal(k.Public, &jwk); err != nil {
				return keys, err
			}
			keys.public[k.ID] = jwk
			if inForce(k, r.now()) {
				signer = k
			}
		}
		keys.kid = signer.ID
		keys.key, err = r.openIssuerKey(signer)
		return keys, err
	})
}

// inForce tells whether k signs at that time. Exactly one key of its use does:
// one ends when the next begins.
func inForce(k postgres.IssuerKey, now time.Time) bool {
	return !k.CreatedAt.After(now) && (k.RetiredAt == nil || k.RetiredAt.After(now))
}

// RotateTokenKey makes a new key for signing tokens. It is published at once and
// signs from begins on, when whoever keeps a copy of the published keys has had
// time to look again; the key before it is accepted for as long as its tokens
// live.
//
// With compromised the new key signs at once and every older one is deleted:
// all instances refuse its tokens within a minute.
func (r *Tokens) RotateTokenKey(ctx context.Context, compromised bool) (kid string, begins time.Time, err error) {
	k, err := r.newIssuerKey("token", publicJWK)
	if err != nil {
		return "", time.Time{}, err
	}
	if !compromised {
		k.CreatedAt = k.CreatedAt.Add(publishAhead)
	}
	err = r.store.Write(ctx, func(tx *postgres.Tx) error {
		if err := tx.Exclusive(ctx); err != nil {
			return err
		}
		if compromised {
			tx.DeleteIssuerKeys(k.Use)
		}
		tx.InsertIssuerKey(k)
		r.config.Record(ctx, tx, "issuer_key.rotated", "issuer_key", k.ID, nil, nil)
		return nil
	})
	return k.ID, k.CreatedAt, err
}

// PrepareKeys makes the keys that sign where they are missing.
func (r *Tokens) PrepareKeys(ctx context.Context, tx *postgres.Tx) error {
	for use, public := range map[string]func(string, *rsa.PrivateKey) (json.RawMessage, error){
		"token":  publicJWK,
		"tenant": r.tenantCertificate,
	} {
		_, err := tx.CurrentIssuerKey(ctx, use)
		if oauth.KindOf(err) == oauth.NotFound {
			k, err := r.newIssuerKey(use, public)
			if err != nil {
				return err
			}
			tx.InsertIssuerKey(k)
			r.config.Record(ctx, tx, "issuer_key.created", "issuer_key", k.ID, nil, nil)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// JWKS returns the keys that Roster's tokens verify with (RFC 7517 §5).
func (r *Tokens) JWKS(ctx context.Context) (jose.JSONWebKeySet, error) {
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

// accessTokenType is the typ of access tokens (RFC 9068 §2.1).
const accessTokenType = "at+jwt"

// sign makes a JWS of claims under Roster's current key, or under secret for
// HS256.
func (r *Tokens) sign(ctx context.Context, typ jose.ContentType, alg jose.SignatureAlgorithm, secret oauth.Secret, claims map[string]any) (string, error) {
	opts := (&jose.SignerOptions{}).WithType(typ)
	var key any
	if alg == jose.HS256 {
		key = padded(secret)
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

// padded is a secret as a key of HMAC with SHA-256. An API's may have 16
// characters, of which go-jose makes no key; zeros at its end, up to the 64 that
// HMAC itself would add, change no signature (RFC 2104 §2).
func padded(secret oauth.Secret) []byte {
	text := secret.Reveal()
	return append([]byte(text), make([]byte, max(0, 32-len(text)))...)
}
