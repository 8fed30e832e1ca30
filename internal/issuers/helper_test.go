package issuers_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/issuers"
)

const audience = "https://roster.example/api/v2/"

var known = []string{"create:clients", "read:clients", "update:clients"}

// idp is an issuer whose documents a test can change.
type idp struct {
	*httptest.Server
	t        testing.TB
	discover atomic.Int64 // fetches of the metadata
	fetched  atomic.Int64 // fetches of the keys
	now      *clock

	mu       sync.Mutex
	keys     []jose.JSONWebKey
	metadata http.HandlerFunc // nil: as it should be
	jwks     http.HandlerFunc // nil: keys
}

func newIDP(t testing.TB, keys ...jose.JSONWebKey) *idp {
	t.Helper()
	p := &idp{t: t, keys: keys, now: &clock{at: time.Now()}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		keys, metadata, jwks := p.keys, p.metadata, p.jwks
		p.mu.Unlock()
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			p.discover.Add(1)
			if metadata != nil {
				metadata(w, r)
				return
			}
			writeJSON(w, map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
		case "/keys":
			p.fetched.Add(1)
			if jwks != nil {
				jwks(w, r)
				return
			}
			set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
			for _, k := range keys {
				set.Keys = append(set.Keys, k.Public())
			}
			writeJSON(w, set)
		default:
			p.t.Errorf("fetched %s", r.URL)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (p *idp) publish(keys ...jose.JSONWebKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
}

func (p *idp) answer(jwks http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jwks = jwks
}

// trust returns a Set of this issuer alone; options are those of the variable.
func (p *idp) trust(options string) *issuers.Set {
	p.t.Helper()
	list, err := issuers.Parse(p.URL+options, known)
	if err != nil {
		p.t.Fatal(err)
	}
	set, err := issuers.New(list, issuers.Self{
		Issuer: "https://roster.example/", Audience: audience, Now: p.now.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	set.FetchWithin(time.Hour)
	return set
}

// claims are those of a good token, changed; nil removes one.
func (p *idp) claims(change map[string]any) map[string]any {
	now := p.now.Now().Unix()
	c := map[string]any{
		"iss": p.URL, "sub": "alice", "aud": audience, "iat": now, "exp": now + 300, "client_id": "console", "scope": "read:clients",
	}
	for name, value := range change {
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
	}
	return c
}

// token signs claims under key, with members more or other in its header.
func (p *idp) token(key jose.JSONWebKey, claims, header map[string]any) string {
	p.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	return sign(p.t, key, payload, header)
}

func sign(t testing.TB, key jose.JSONWebKey, payload []byte, header map[string]any) string {
	t.Helper()
	opts := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"typ": "at+jwt"}}
	for name, value := range header {
		opts.ExtraHeaders[jose.HeaderKey(name)] = value
	}
	maps.DeleteFunc(opts.ExtraHeaders, func(_ jose.HeaderKey, v any) bool { return v == nil })
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// newKey makes a key pair for alg.
func newKey(t testing.TB, alg jose.SignatureAlgorithm, kid string) jose.JSONWebKey {
	t.Helper()
	var key crypto.PrivateKey
	var err error
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: string(alg), Use: "sig"}
}

// clock is a time that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
