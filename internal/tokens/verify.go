package tokens

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
)

// Reasons why a bearer token is refused.
var (
	ErrNotAToken    = &oauth.Error{Kind: oauth.Unauthenticated, Reason: oauth.NotAToken, Detail: "Bad HTTP authentication header format"}
	ErrInvalidToken = &oauth.Error{Kind: oauth.Unauthenticated, Reason: oauth.BadToken, Detail: "Invalid token"}
	ErrSignature    = &oauth.Error{Kind: oauth.Unauthenticated, Reason: oauth.BadToken, Detail: "Invalid signature received for JSON Web Token validation"}
	ErrExpiredToken = &oauth.Error{Kind: oauth.Unauthenticated, Reason: oauth.BadToken, Detail: "Expired token received for JSON Web Token validation"}
)

// maxTokenSize bounds what VerifyToken looks at.
const maxTokenSize = 16 << 10

// maxVerified bounds how many tokens are remembered at a time.
const maxVerified = 10_000

// claims are what Roster reads of its own tokens.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Issued   int64  `json:"iat"`
	ID       string `json:"jti"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`

	GrantType string `json:"gty"`
}

func (c *claims) issued() oauth.IssuedToken {
	return oauth.IssuedToken{ID: c.ID, Generation: generationOf(c.ID), IssuedAt: time.Unix(c.Issued, 0)}
}

// verified is a token whose signature and claims were found to be right.
type verified struct {
	kid    string
	key    *rsa.PublicKey
	claims claims
	access atomic.Pointer[access]
}

// access is what a token gave under its client's standing.
type access struct {
	under  *standing
	caller oauth.Caller
}

func newVerified() *lru.Cache[[sha256.Size]byte, *verified] {
	list, err := lru.New[[sha256.Size]byte, *verified](maxVerified)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return list
}

// VerifyToken checks a token for the management API, of Roster's own or of an
// outside issuer that is trusted, and tells whose it is.
func (r *Tokens) VerifyToken(ctx context.Context, token string) (*oauth.Caller, error) {
	if len(token) > maxTokenSize {
		return nil, ErrInvalidToken
	}
	digest := sha256.Sum256([]byte(token))
	v, known := r.verified.Get(digest)
	if known {
		keys, err := r.tokenKeys(ctx, keyRefresh)
		if err != nil {
			return nil, err
		}
		known = v.key.Equal(keys.public[v.kid].Key) // or the key was deleted
	}
	if !known {
		if issuer := r.config.Issuers.Of(token); issuer != nil {
			return issuer.Verify(ctx, token)
		}
		var err error
		if v, err = r.verify(ctx, token); err != nil {
			return nil, err
		}
		r.verified.Add(digest, v)
	}
	if r.config.Now().Unix() >= v.claims.Expires {
		return nil, ErrExpiredToken
	}
	return r.caller(ctx, v)
}

// verify checks the signature of one of Roster's own tokens, and what in it does
// not change with time.
func (r *Tokens) verify(ctx context.Context, token string) (*verified, error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		if strings.Count(token, ".") == 2 {
			return nil, ErrInvalidToken
		}
		return nil, ErrNotAToken
	}
	v := &verified{kid: jws.Signatures[0].Header.KeyID}
	var payload []byte
	if v.key, payload, err = r.payload(ctx, jws); err != nil {
		return nil, err
	}
	if jws.Signatures[0].Header.ExtraHeaders[jose.HeaderType] != accessTokenType { // but another JWT of Roster's
		return nil, ErrInvalidToken
	}
	if err := json.Unmarshal(payload, &v.claims); err != nil || v.claims.Issuer != r.config.Issuer || v.claims.Audience != r.config.Audience {
		return nil, ErrInvalidToken
	}
	return v, nil
}

// payload verifies a JWS under Roster's keys, and returns the one that has signed
// it; what none of them has signed is ErrSignature.
func (r *Tokens) payload(ctx context.Context, jws *jose.JSONWebSignature) (*rsa.PublicKey, []byte, error) {
	kid := jws.Signatures[0].Header.KeyID
	keys, err := r.tokenKeys(ctx, keyRefresh)
	if err == nil && keys.public[kid].Key == nil { // a key made by another instance just now?
		keys, err = r.tokenKeys(ctx, unknownKeyWait)
	}
	if err != nil {
		return nil, nil, err
	}
	key, known := keys.public[kid].Key.(*rsa.PublicKey)
	if !known {
		return nil, nil, ErrSignature
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, nil, ErrSignature
	}
	return key, payload, nil
}

// caller tells whose a token is, and what it allows now.
func (r *Tokens) caller(ctx context.Context, v *verified) (*oauth.Caller, error) {
	c := &v.claims
	if c.GrantType == operatorGrant {
		return &oauth.Caller{
			Subject: c.Subject, Issuer: oauth.Operator, ExpiresAt: time.Unix(c.Expires, 0), Rights: rights.Of(oauth.SplitScope(c.Scope)...),
		}, nil
	}
	s, revoked, err := r.standingOf(ctx, c.ClientID, c.ID)
	if err != nil {
		return nil, err
	}
	if a := v.access.Load(); a != nil && a.under == s {
		caller := a.caller
		return &caller, nil
	}
	left, ok, err := r.stillGranted(ctx, s, oauth.SplitScope(c.Scope), c.issued())
	if err != nil {
		return nil, err
	}
	if revoked == nil && ok { // a revocation leaves no token the standing that it was found good under
		gone, err := r.store.TokenRevoked(ctx, c.ClientID, c.ID)
		if err != nil {
			return nil, err
		}
		revoked = &gone
	}
	if !ok || *revoked {
		return nil, ErrInvalidToken
	}
	caller := oauth.Caller{Subject: c.Subject, ClientID: c.ClientID, TokenID: c.ID, ExpiresAt: time.Unix(c.Expires, 0), Rights: rights.Of(left...)}
	v.access.Store(&access{s, caller})
	return &caller, nil
}
