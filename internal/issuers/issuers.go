package issuers

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // refuses duplicate members and matches names case by case, unlike encoding/json
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
)

const (
	maxToken = 16 << 10 // bytes
	maxName  = 1 << 10  // bytes of sub and client_id
)

// Set is the issuers that are trusted. A nil Set trusts none.
type Set struct {
	issuers map[string]*Issuer // by iss
}

// Issuer is a trusted issuer with its keys.
type Issuer struct {
	Config
	now         func() time.Time
	log         *slog.Logger
	client      *http.Client
	fetchWithin time.Duration // both documents
	cache       keyCache
}

// Self is what Roster is itself.
type Self struct {
	Issuer   string
	Audience string // for issuers that have none of their own
	Now      func() time.Time
	Log      *slog.Logger
}

// New returns a Set of issuers. Their keys are fetched by Refresh, or else when
// first needed.
func New(list []Config, self Self) (*Set, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 64 << 10
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s := &Set{issuers: map[string]*Issuer{}}
	for _, c := range list {
		if c.URL == self.Issuer {
			return nil, fmt.Errorf("%q is this server itself", c.URL)
		}
		if c.Audience == "" {
			c.Audience = self.Audience
		}
		s.issuers[c.URL] = &Issuer{Config: c, now: self.Now, log: self.Log, client: client, fetchWithin: fetchTimeout}
	}
	return s, nil
}

// Refresh fetches the keys that are due: never fetched, an hour old, or to be
// tried again after a failure. Call it about once a minute.
func (s *Set) Refresh(ctx context.Context) {
	if s == nil {
		return
	}
	var all sync.WaitGroup
	for _, i := range s.issuers {
		all.Go(func() { i.fetch(ctx, false) })
	}
	all.Wait()
}

// Of returns the issuer that a token says it is from; nil if that one is not
// trusted. It proves nothing: see Verify.
func (s *Set) Of(token string) *Issuer {
	if s == nil || len(token) > maxToken {
		return nil
	}
	_, rest, _ := strings.Cut(token, ".")
	encoded, _, _ := strings.Cut(rest, ".")
	var claims struct {
		Issuer string `json:"iss"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return nil
	}
	return s.issuers[claims.Issuer]
}

// What callers are told. They are the words that Roster's own tokens are refused
// with; the reason is for the log.
const (
	invalid      = "Invalid token"
	badSignature = "Invalid signature received for JSON Web Token validation"
	expired      = "Expired token received for JSON Web Token validation"
)

func refuse(detail, reason string) error {
	return &oauth.Error{Kind: oauth.Unauthenticated, Reason: oauth.BadToken, Detail: detail, Err: errors.New(reason)}
}

// Verify checks a JWT access token (RFC 9068 §4) of this issuer and tells whose
// it is.
//
// Subject and ClientID are the issuer's URL, a | and what the token says, so
// that no outsider is ever taken for a client of Roster's own or of another
// issuer. Scopes are those of the token that the issuer may grant.
//
// Errors are Unauthenticated, or Unavailable where the issuer's keys were never
// fetched or not for a day.
func (i *Issuer) Verify(ctx context.Context, token string) (*oauth.Caller, error) {
	caller, err := i.verify(ctx, token)
	if err != nil {
		i.log.DebugContext(ctx, "refused a token of a trusted issuer", "issuer", i.URL, "err", err, "request_id", oauth.OriginOf(ctx).RequestID)
	}
	return caller, err
}

// verify looks at the claims before the signature: a token that is refused
// either way then makes nobody fetch keys.
func (i *Issuer) verify(ctx context.Context, token string) (*oauth.Caller, error) {
	if len(token) > maxToken {
		return nil, refuse(invalid, "it is too long")
	}
	jws, err := jose.ParseSignedCompact(token, i.Algorithms)
	if err != nil {
		return nil, refuse(invalid, "it is no JWS in compact form, or of an algorithm that is not allowed")
	}
	header, err := readHeader(token)
	if err != nil {
		return nil, err
	}
	caller, err := i.caller(jws.UnsafePayloadWithoutVerification())
	if err != nil {
		return nil, err
	}
	key, err := i.key(ctx, header.KeyID, header.Alg)
	if err != nil {
		return nil, err
	}
	if _, err := jws.Verify(key); err != nil {
		return nil, refuse(badSignature, "the signature is not of the issuer's key")
	}
	return caller, nil
}

type header struct {
	Alg   jose.SignatureAlgorithm `json:"alg"`
	KeyID string                  `json:"kid"`
	Type  string                  `json:"typ"`
}

func readHeader(token string) (h header, err error) {
	encoded, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(text, &members) != nil || json.Unmarshal(text, &h) != nil {
		return h, refuse(invalid, "its header is no JSON object with strings as alg, kid and typ")
	}
	for _, name := range []string{"crit", "b64", "jku", "jwk", "x5u", "x5c"} {
		if _, found := members[name]; found {
			return h, refuse(invalid, "its header has the member "+name)
		}
	}
	switch strings.TrimPrefix(strings.ToLower(h.Type), "application/") {
	case "", "jwt", "at+jwt":
		return h, nil
	}
	return h, refuse(invalid, "its typ is neither at+jwt nor JWT")
}

// caller reads the claims of a token that is meant for Roster and in force.
func (i *Issuer) caller(payload []byte) (*oauth.Caller, error) {
	var claims struct {
		Issuer    string       `json:"iss"`
		Subject   string       `json:"sub"`
		Audience  jwt.Audience `json:"aud"`
		Expires   *float64     `json:"exp"` // seconds since 1970, as the next two
		NotBefore float64      `json:"nbf"`
		IssuedAt  float64      `json:"iat"`
		ClientID  string       `json:"client_id"` // RFC 9068 §2.2
		Party     string       `json:"azp"`       // OpenID Connect Core 1.0 §2

		Confirmation json.RawMessage `json:"cnf"` // RFC 7800
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &claims) != nil || json.Unmarshal(payload, &members) != nil {
		return nil, refuse(invalid, "its claims are malformed")
	}
	if claims.ClientID == "" {
		claims.ClientID = claims.Party
	}
	now := i.now()
	latest := float64(now.Add(oauth.ClockSkew).Unix())
	switch {
	case claims.Issuer != i.URL:
		return nil, refuse(invalid, "it is of another issuer")
	case !slices.Contains(claims.Audience, i.Audience):
		return nil, refuse(invalid, "its audience is not "+i.Audience)
	case claims.Expires == nil || *claims.Expires > 253402300799: // the end of year 9999
		return nil, refuse(invalid, "it has no exp, or one out of range")
	case *claims.Expires <= float64(now.Unix()):
		return nil, refuse(expired, "it is expired")
	case claims.NotBefore > latest || claims.IssuedAt > latest:
		return nil, refuse(invalid, "its nbf or iat is in the future")
	case claims.Subject == "" || !isName(claims.Subject) || !isName(claims.ClientID):
		return nil, refuse(invalid, "its sub is missing, or sub or client_id is too long or has control characters")
	case claims.Confirmation != nil:
		return nil, refuse(invalid, "it is bound to a key (cnf), which a bearer does not prove to hold")
	}
	granted, err := i.scopes(members)
	if err != nil {
		return nil, err
	}
	c := &oauth.Caller{Issuer: i.URL, Subject: i.URL + "|" + claims.Subject, Rights: rights.Of(granted...), ExpiresAt: time.Unix(int64(*claims.Expires), 0)}
	if claims.ClientID != "" {
		c.ClientID = i.URL + "|" + claims.ClientID
	}
	return c, nil
}

func isName(s string) bool { return len(s) <= maxName && !strings.ContainsFunc(s, unicode.IsControl) }

// scopes reads the claim that holds scopes: a string of them, separated by
// blanks, or an array. What the issuer may not grant is left out.
func (i *Issuer) scopes(members map[string]json.RawMessage) ([]string, error) {
	names := []string{i.Claim}
	if i.Claim == "" {
		names = []string{"scope", "scp", "permissions"}
	}
	for _, name := range names {
		raw, found := members[name]
		if !found {
			continue
		}
		var text string
		var list []string
		if json.Unmarshal(raw, &text) == nil {
			list = oauth.SplitScope(text)
		} else if json.Unmarshal(raw, &list) != nil {
			return nil, refuse(invalid, "its claim "+name+" is neither a string nor an array of strings")
		}
		var granted []string
		for _, scope := range list {
			if own, ok := strings.CutPrefix(scope, i.Prefix); ok && slices.Contains(i.Scopes, own) {
				granted = append(granted, own)
			}
		}
		return granted, nil
	}
	return nil, nil
}
