package issuers

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json" // its depth is bounded, go-jose's is not
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/oauth"
)

// Bounds on fetching an issuer's keys.
const (
	fetchTimeout    = 5 * time.Second
	maxDocument     = 1 << 20 // bytes, after decompression
	maxKeys         = 100
	minRSABits      = 2048
	refreshInterval = time.Hour
	unknownKeyWait  = time.Minute     // between fetches because of keys that nobody knows
	firstRetry      = time.Second     // after a failure, doubled by each more
	lastRetry       = 5 * time.Minute // the longest wait after failures
	maxStale        = 24 * time.Hour  // how long keys are used that cannot be refreshed
)

// keyCache holds an issuer's keys.
type keyCache struct {
	mu       sync.Mutex
	keys     []verifier    // replaced, never changed
	loaded   time.Time     // zero: never
	due      time.Time     // when to fetch next, because of age or a failure
	failures int           // since keys were loaded
	unknown  time.Time     // when a key that nobody knows last led to a fetch
	fetching chan struct{} // closed when the fetch under way ends; nil: none is
}

// key returns the public key that verifies a token with this header.
func (i *Issuer) key(ctx context.Context, kid string, alg jose.SignatureAlgorithm) (any, error) {
	keys := i.usable()
	if keys == nil {
		i.fetch(ctx, false)
		if keys = i.usable(); keys == nil {
			return nil, &oauth.Error{Kind: oauth.Unavailable, Reason: oauth.Busy, Detail: "The keys of the token's issuer cannot be had at the moment."}
		}
	}
	fits := pick(keys, kid, alg)
	if len(fits) == 0 {
		i.fetch(ctx, true)
		fits = pick(i.usable(), kid, alg)
	}
	switch {
	case len(fits) == 0:
		return nil, refuse(badSignature, "no key of the issuer has the token's kid and alg")
	case len(fits) > 1:
		return nil, refuse(badSignature, "several keys of the issuer have the token's kid and alg")
	}
	return fits[0].key, nil
}

// verifier is a public key with what it may be used for.
type verifier struct {
	key        any
	kid        string // "" if it has none
	algorithms []jose.SignatureAlgorithm
}

// pick returns the keys that a token may be signed by.
func pick(keys []verifier, kid string, alg jose.SignatureAlgorithm) []verifier {
	var fits []verifier
	for _, k := range keys {
		if (kid == "" || k.kid == kid) && slices.Contains(k.algorithms, alg) {
			fits = append(fits, k)
		}
	}
	return fits
}

// verifierOf reads a JWK (RFC 7517 §4). A key that cannot check signatures
// has no algorithms.
func verifierOf(jwk json.RawMessage) verifier {
	var k jose.JSONWebKey
	if k.UnmarshalJSON(jwk) != nil || k.Use != "" && k.Use != "sig" {
		return verifier{}
	}
	v := verifier{key: k.Key, kid: k.KeyID}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() >= minRSABits {
			v.algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
		}
	case *ecdsa.PublicKey:
		v.algorithms = map[string][]jose.SignatureAlgorithm{"P-256": {jose.ES256}, "P-384": {jose.ES384}, "P-521": {jose.ES512}}[key.Params().Name]
	case ed25519.PublicKey:
		v.algorithms = []jose.SignatureAlgorithm{jose.EdDSA}
	}
	if k.Algorithm != "" {
		v.algorithms = slices.DeleteFunc(v.algorithms, func(a jose.SignatureAlgorithm) bool { return string(a) != k.Algorithm })
	}
	return v
}

// usable returns the keys there are; nil if there are none or they are too old.
func (i *Issuer) usable() []verifier {
	i.cache.mu.Lock()
	defer i.cache.mu.Unlock()
	if i.now().Sub(i.cache.loaded) > maxStale {
		return nil
	}
	return i.cache.keys
}

// fetch fetches the keys again if that is due, or because of a token whose key is
// unknown, which counts once a minute. Callers at the same time share one fetch
// and wait for it; it goes on when ctx ends.
func (i *Issuer) fetch(ctx context.Context, unknown bool) {
	c, now := &i.cache, i.now()
	c.mu.Lock()
	if c.fetching == nil && c.may(now, unknown) {
		done := make(chan struct{})
		c.fetching = done
		go func() {
			defer close(done)
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), i.fetchWithin)
			defer cancel()
			keys, err := i.download(limited)
			i.store(now, keys, err)
		}()
	}
	wait := c.fetching
	c.mu.Unlock()
	if wait == nil {
		return
	}
	select {
	case <-wait:
	case <-ctx.Done():
	}
}

// may reports whether a fetch may begin now.
func (c *keyCache) may(now time.Time, unknown bool) bool {
	if now.Before(c.due) && (!unknown || c.failures > 0) {
		return false
	}
	if !unknown {
		return true
	}
	if !c.unknown.IsZero() && now.Sub(c.unknown) < unknownKeyWait {
		return false
	}
	c.unknown = now
	return true
}

// store notes the outcome of a fetch that began at a time. Keys that are there
// already outlive a failure.
func (i *Issuer) store(began time.Time, keys []verifier, err error) {
	c := &i.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetching = nil
	if err == nil {
		c.keys, c.loaded, c.failures, c.due = keys, began, 0, began.Add(jitter(refreshInterval))
		i.log.Debug("fetched the keys of a trusted issuer", "issuer", i.URL, "keys", len(keys))
		return
	}
	wait := min(lastRetry, firstRetry<<min(c.failures, 16))
	c.failures++
	c.due = i.now().Add(jitter(wait))
	i.log.Warn("fetching the keys of a trusted issuer", "issuer", i.URL, "err", err, "failures", c.failures, "keys_kept", len(c.keys))
}

// jitter returns from three quarters of d to all of it, so that instances do not
// ask at once.
func jitter(d time.Duration) time.Duration { return d - rand.N(d/4) }

// download follows the issuer's metadata (OpenID Connect Discovery 1.0 §4) to
// its keys. Keys that cannot check signatures are left out.
func (i *Issuer) download(ctx context.Context) ([]verifier, error) {
	var metadata struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := i.get(ctx, strings.TrimSuffix(i.URL, "/")+"/.well-known/openid-configuration", &metadata); err != nil {
		return nil, err
	}
	if metadata.Issuer != i.URL {
		return nil, fmt.Errorf("the metadata is of another issuer, %.200q", metadata.Issuer)
	}
	if _, err := checkURL(metadata.JWKSURI, strings.HasPrefix(i.URL, "http:")); err != nil {
		return nil, fmt.Errorf("jwks_uri %.200q %w", metadata.JWKSURI, err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := i.get(ctx, metadata.JWKSURI, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys are more than the %d that are allowed", len(set.Keys), maxKeys)
	}
	var keys []verifier
	for _, jwk := range set.Keys {
		if v := verifierOf(jwk); len(v.algorithms) > 0 {
			keys = append(keys, v)
		}
	}
	if keys == nil {
		return nil, errors.New("the key set holds no key that signatures can be checked with")
	}
	return keys, nil
}

// get decodes a JSON document of bounded size into v.
func (i *Issuer) get(ctx context.Context, location string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := i.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", location, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err == nil && len(body) > maxDocument {
		err = fmt.Errorf("has more than %d bytes", maxDocument)
	}
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", location, err)
	}
	return nil
}
