package tokens

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// Introspection is what is said of a token (RFC 7662 §2.2): of one that is not
// good, Active alone.
type Introspection struct {
	Active    bool   `json:"active"`
	Issuer    string `json:"iss,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Audience  string `json:"aud,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Scope     string `json:"scope,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Issued    int64  `json:"iat,omitempty"`
	NotBefore int64  `json:"nbf,omitempty"`
	Expires   int64  `json:"exp,omitempty"`
	ID        string `json:"jti,omitempty"`
}

// IntrospectAs authenticates a client and tells it whether a token is good: one
// of its own, or one for an API that it stands for or has a grant on. caller is
// its client_id. What it may not know about is not good.
func (r *Tokens) IntrospectAs(ctx context.Context, req Request, token string) (i Introspection, caller string, err error) {
	auth, err := r.prove(ctx, req)
	if err != nil {
		return i, "", err
	}
	c, api, ok, err := r.read(ctx, token)
	if ok && err == nil {
		ok, err = r.mayKnow(ctx, auth.Client, c, api)
	}
	if ok && err == nil {
		i, err = r.judge(ctx, c)
	}
	return i, auth.Client.ClientID, err
}

// Introspect tells whether a token is valid, no matter whose it is.
func (r *Tokens) Introspect(ctx context.Context, token string) (Introspection, error) {
	c, _, ok, err := r.read(ctx, token)
	if !ok || err != nil {
		return Introspection{}, err
	}
	return r.judge(ctx, c)
}

// SignIntrospection writes what is said of a token to a caller as a JWT
// (RFC 9701 §5).
func (r *Tokens) SignIntrospection(ctx context.Context, i Introspection, caller string) (string, error) {
	return r.sign(ctx, "token-introspection+jwt", jose.RS256, oauth.Secret{}, map[string]any{
		"iss": r.config.Issuer, "aud": caller, "iat": r.config.Now().Unix(), "token_introspection": i,
	})
}

// RevokeToken authenticates a client and makes a token of its own dead
// (RFC 7009 §2.1). Of any other token nothing happens.
func (r *Tokens) RevokeToken(ctx context.Context, req Request, token string) error {
	auth, err := r.prove(ctx, req)
	if err != nil {
		return err
	}
	c, _, ok, err := r.read(ctx, token)
	if !ok || err != nil || c.GrantType == operatorGrant || c.ClientID != auth.Client.ClientID {
		return err
	}
	origin := oauth.OriginOf(ctx)
	origin.Caller = &oauth.Caller{Subject: tokenSubject(c.ClientID), ClientID: c.ClientID}
	ctx = oauth.WithOrigin(ctx, origin)
	return r.store.Write(ctx, func(tx *postgres.Tx) error {
		first, err := tx.RevokeToken(ctx, c.ClientID, c.ID, time.Unix(c.Expires, 0))
		if first && err == nil {
			r.config.Record(ctx, tx, "token.revoked", "token", c.ID, nil, jsondoc.Object{
				"client_id": jsondoc.Must(c.ClientID), "audience": jsondoc.Must(c.Audience),
			})
		}
		return err
	})
}

// read returns the claims of a token that Roster has signed and that has not
// expired, and the API that it is for. ok is false for any other text.
func (r *Tokens) read(ctx context.Context, token string) (c claims, api oauth.ResourceServer, ok bool, err error) {
	if len(token) > maxTokenSize {
		return
	}
	jws, parseErr := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.RS512, jose.PS256, jose.HS256})
	if parseErr != nil || jws.Signatures[0].Header.ExtraHeaders[jose.HeaderType] != accessTokenType {
		return
	}
	if json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &c) != nil || !r.plausible(c) {
		return
	}
	if api, err = r.store.ResourceServer(ctx, c.Audience); err != nil || api.Identifier != c.Audience {
		if oauth.KindOf(err) == oauth.NotFound {
			err = nil
		}
		return
	}
	if jws.Signatures[0].Header.Algorithm == string(jose.HS256) {
		ok, err = r.signedFor(api, jws)
		return
	}
	_, _, err = r.payload(ctx, jws)
	if ok = err == nil; err == ErrSignature {
		err = nil
	}
	return
}

// plausible reports whether Roster may have issued a token with such claims, and
// none of them is more than the database can be asked for.
func (r *Tokens) plausible(c claims) bool {
	now := r.config.Now()
	if c.Issuer != r.config.Issuer || now.Unix() >= c.Expires || c.Expires > now.Add(retiredKeyLife).Unix() {
		return false
	}
	if _, err := uuid.Parse(c.ID); err != nil || len(c.ID) != 36 {
		return false
	}
	if c.GrantType == operatorGrant && c.Audience != r.config.Audience { // which alone has operators
		return false
	}
	return len(c.Audience) <= 2048 && len(c.ClientID) <= 255 && !strings.ContainsRune(c.Audience+c.ClientID, 0)
}

// signedFor reports whether a JWS is signed with the secret of an API that signs
// with one.
func (r *Tokens) signedFor(api oauth.ResourceServer, jws *jose.JSONWebSignature) (bool, error) {
	terms, err := api.Terms()
	if err != nil || terms.SigningAlg != string(jose.HS256) || api.System {
		return false, err
	}
	secret, err := r.OpenAPISecret(api)
	if err != nil || secret.IsZero() {
		return false, err
	}
	_, err = jws.Verify(padded(secret))
	return err == nil, nil
}

// mayKnow reports whether a client is told about a token. What the management API
// grants is no leave to see the tokens of others.
func (r *Tokens) mayKnow(ctx context.Context, asking oauth.Client, c claims, api oauth.ResourceServer) (bool, error) {
	own := asking.ClientID == c.ClientID && c.GrantType != operatorGrant
	if own || api.System {
		return own, nil
	}
	if asking.ClientID == api.ClientID {
		return true, nil
	}
	_, err := r.store.GrantFor(ctx, asking.ID, api.Identifier, "")
	if oauth.KindOf(err) == oauth.NotFound {
		return false, nil
	}
	return err == nil, err
}

// judge tells whether a token is valid now. It asks the database for all that can
// end one, and so sees at once what another instance has done.
func (r *Tokens) judge(ctx context.Context, c claims) (Introspection, error) {
	scopes := oauth.SplitScope(c.Scope)
	if c.GrantType != operatorGrant {
		known, revoked, err := r.standing(ctx, c.ClientID, c.Audience, c.ID)
		if revoked || err != nil {
			return Introspection{}, err
		}
		left, ok, err := r.stillGranted(ctx, known, scopes, c.issued())
		if !ok || err != nil {
			return Introspection{}, err
		}
		scopes = left
	}
	return Introspection{
		Active: true, Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience, ClientID: c.ClientID,
		Scope: strings.Join(scopes, " "), TokenType: "Bearer", Issued: c.Issued, NotBefore: c.Issued, Expires: c.Expires, ID: c.ID,
	}, nil
}
