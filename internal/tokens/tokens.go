package tokens

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// Request asks for an access token with the client_credentials grant
// (RFC 6749 §4.4). The client proves itself by Secret or by Assertion.
type Request struct {
	ClientID  string // may be empty if there is an assertion
	Secret    oauth.Secret
	Method    string // how Secret was sent: oauth.SecretBasic or SecretPost; "" for neither
	Assertion string // JWT of RFC 7523; excludes Secret
	Audience  string
	Scope     string // space-separated; empty asks for all that is granted
}

// Token is an issued access token.
type Token struct {
	ID          string // its jti
	AccessToken oauth.Secret
	ExpiresIn   int // seconds
	Scope       string
}

func tokenError(kind oauth.Kind, reason oauth.Reason, detail string) *oauth.Error {
	return &oauth.Error{Kind: kind, Reason: reason, Detail: detail}
}

// IssueToken authenticates the client and issues a token for the audience that
// it has a grant on.
func (r *Tokens) IssueToken(ctx context.Context, req Request) (Token, error) {
	auth, err := r.prove(ctx, req)
	if err != nil {
		return Token{}, err
	}
	t, err := r.issue(ctx, auth, req)
	if err != nil {
		r.tokenRefused(ctx, auth.Client, true, err)
	}
	return t, err
}

// prove authenticates the client, and leaves a trace where that fails.
func (r *Tokens) prove(ctx context.Context, req Request) (postgres.Authentication, error) {
	auth, err := r.authenticate(ctx, req)
	if err != nil {
		r.tokenRefused(ctx, auth.Client, false, err)
	}
	return auth, err
}

// issue makes the token that a client which has proved itself asks for.
func (r *Tokens) issue(ctx context.Context, auth postgres.Authentication, req Request) (Token, error) {
	c := auth.Client
	meta, err := c.Metadata()
	if err != nil {
		return Token{}, err
	}
	if !slices.Contains(meta.GrantTypes, oauth.GrantClientCredentials) {
		return Token{}, tokenError(oauth.Forbidden, oauth.GrantNotAllowed, "The client may not use the grant type client_credentials.")
	}
	if req.Audience == "" {
		if req.Audience, err = r.onlyAudience(ctx, c); err != nil {
			return Token{}, err
		}
	}
	api, terms, scope, err := r.authorize(ctx, c, req)
	if err != nil {
		return Token{}, err
	}
	if err := oauth.Enforceable(c.Document, api.Document); err != nil {
		return Token{}, err
	}
	lifetime, err := oauth.TokenLifetime(c.Document, r.lifetime(api, terms))
	if err != nil {
		return Token{}, err
	}
	t, err := r.mint(ctx, api, terms, clientGrant, c.ClientID, auth.Generation(api.Identifier), scope, lifetime)
	if err != nil {
		return Token{}, err
	}
	if err := r.recordToken(ctx, "token.issued", tokenSubject(c.ClientID), c.ClientID, api.Identifier, t); err != nil {
		return Token{}, err
	}
	return t, nil
}

// onlyAudience returns the audience that a client means which sends none: the
// management API, if it has a grant on it and on nothing else. Generic OAuth
// helpers send no audience.
func (r *Tokens) onlyAudience(ctx context.Context, c oauth.Client) (string, error) {
	grants, more, err := r.store.ClientGrants(ctx, postgres.GrantQuery{ClientID: c.ClientID, Limit: 2})
	if err != nil {
		return "", err
	}
	if len(grants) == 1 && !more && grants[0].Audience == r.config.Audience {
		return r.config.Audience, nil
	}
	return "", tokenError(oauth.Invalid, oauth.InvalidRequest,
		"Missing required parameter: audience. Send the identifier of an API that the client has a grant on.")
}

// authorize finds what the client is granted of the requested audience.
func (r *Tokens) authorize(ctx context.Context, c oauth.Client, req Request) (api oauth.ResourceServer, terms oauth.APITerms, scope []string, err error) {
	denied := &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.NotGranted, Named: req.Audience, Detail: "The client has no grant on the API."}
	if api, err = r.store.ResourceServer(ctx, Spellings(req.Audience)...); err != nil {
		if oauth.KindOf(err) == oauth.NotFound {
			err = &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.UnknownAudience, Named: req.Audience, Detail: "There is no API with that audience."}
		}
		return
	}
	if terms, err = api.Terms(); err != nil {
		return
	}
	if terms.Authorization.Client.Policy == "deny_all" {
		err = denied
		return
	}
	class := ""
	if string(c.Document[oauth.MemberFirstParty]) == "false" && !api.System { // nobody manages Roster by default
		class = "third_party_clients"
	}
	grant, err := r.store.GrantFor(ctx, c.ID, api.Identifier, class)
	if err != nil {
		if oauth.KindOf(err) == oauth.NotFound {
			err = denied
		}
		return
	}
	granted, err := grant.Terms()
	if err != nil {
		return
	}
	scope = terms.ScopeValues()
	if !granted.AllowAllScopes { // what the API has, each once
		seen := map[string]bool{}
		scope = slices.DeleteFunc(granted.Scope, func(s string) bool {
			again := seen[s]
			seen[s] = true
			return again || !slices.Contains(scope, s)
		})
	}
	if asked := oauth.SplitScope(req.Scope); len(asked) > 0 {
		for _, s := range asked {
			if !slices.Contains(scope, s) {
				err = &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.ScopeNotGranted, Named: s, Detail: "The client is not granted a scope that it asks for."}
				return
			}
		}
		scope = slices.DeleteFunc(scope, func(s string) bool { return !slices.Contains(asked, s) })
	}
	return
}

// lifetime is that of an API's tokens, in seconds. The deployment's holds for the
// management API whatever an older instance has stored.
func (r *Tokens) lifetime(api oauth.ResourceServer, terms oauth.APITerms) int {
	if api.System && r.config.ManagementTTL > 0 {
		return int(r.config.ManagementTTL.Seconds())
	}
	return terms.TokenLifetime
}

// The gty claim tells how a token came about.
const (
	clientGrant   = "client-credentials" // Auth0's word
	operatorGrant = "operator"           // from the database and the keyset: there is no client
)

// mint signs a token for an API (RFC 9068 §2.2, with the claims that Auth0's
// clients also look for).
//
// grantType is how the token came about: clientGrant or operatorGrant. A client's
// token carries its generation in its jti, see oauth.TokenEnds.
func (r *Tokens) mint(ctx context.Context, api oauth.ResourceServer, terms oauth.APITerms, grantType, clientID string, generation int64, scope []string, lifetime int) (Token, error) {
	alg := jose.SignatureAlgorithm(terms.SigningAlg)
	var secret oauth.Secret
	var err error
	if alg == jose.HS256 {
		if secret, err = r.OpenAPISecret(api); err != nil {
			return Token{}, err
		}
	}
	now := r.config.Now().Unix()
	t := Token{ID: tokenID(grantType, generation), ExpiresIn: lifetime, Scope: strings.Join(scope, " ")}
	subject := tokenSubject(clientID)
	if grantType == operatorGrant { // whom no client can be taken for
		subject = clientID
	}
	claims := map[string]any{
		"iss": r.config.Issuer, "sub": subject, "aud": api.Identifier, "iat": now, "exp": now + int64(lifetime),
		"jti": t.ID, "client_id": clientID, "azp": clientID, "gty": grantType,
	}
	if t.Scope != "" {
		claims["scope"] = t.Scope
	}
	if strings.HasSuffix(terms.TokenDialect, "_authz") {
		claims["permissions"] = scope
	}
	text, err := r.sign(ctx, accessTokenType, alg, secret, claims)
	t.AccessToken = oauth.NewSecret(text)
	return t, err
}

// tokenID returns a jti: of a client's token a uuid of version 8, which begins
// with the token's generation, else a random one.
func tokenID(grantType string, generation int64) string {
	id := uuid.New()
	if grantType == clientGrant {
		var number [8]byte
		binary.BigEndian.PutUint64(number[:], uint64(generation))
		copy(id[:6], number[2:])
		id[6] = 8<<4 | id[6]&0x0f
	}
	return id.String()
}

// generationOf returns the generation in a jti; nil where there is none: the token
// is of a release before 1.1.0.
func generationOf(jti string) *int64 {
	id, err := uuid.Parse(jti)
	if err != nil || id.Version() != 8 {
		return nil
	}
	var number [8]byte
	copy(number[2:], id[:6])
	return new(int64(binary.BigEndian.Uint64(number[:])))
}

// tokenSubject is the sub of tokens that a client gets for itself.
func tokenSubject(clientID string) string { return clientID + "@clients" }

// recordToken stores the event of a token, which may be handed out only then.
func (r *Tokens) recordToken(ctx context.Context, action, actor, client, audience string, t Token) error {
	origin := oauth.OriginOf(ctx)
	origin.Caller = &oauth.Caller{Subject: actor, ClientID: client}
	ctx = oauth.WithOrigin(ctx, origin)
	return r.store.WriteTogether(ctx, func(tx *postgres.Tx) error {
		r.config.Record(ctx, tx, action, "token", t.ID, nil, jsondoc.Object{
			"audience": jsondoc.Must(audience), "scope": jsondoc.Must(t.Scope), "lifetime": jsondoc.Must(t.ExpiresIn),
		})
		return nil
	})
}

var errWrongSecret = tokenError(oauth.Unauthenticated, oauth.WrongSecret, "The client_id or the client_secret is wrong.")

// authenticate finds the client and checks its proof. Unknown clients cost the
// same work as known ones with a wrong proof and fail in the same words.
func (r *Tokens) authenticate(ctx context.Context, req Request) (postgres.Authentication, error) {
	if req.Assertion != "" {
		return r.authenticateAssertion(ctx, req)
	}
	auth, err := r.store.Authentication(ctx, req.ClientID, Spellings(cmp.Or(req.Audience, r.config.Audience)), false, r.now())
	if err != nil && oauth.KindOf(err) != oauth.NotFound {
		return auth, err
	}
	methods := oauth.EffectiveMethods(auth.Client.Document, nil) // those that take a secret need no key
	for len(auth.Secrets) < MaxLiveSecrets {                     // the same work whatever there is
		auth.Secrets = append(auth.Secrets, r.noSecret())
	}
	var used oauth.ClientSecret
	for _, s := range auth.Secrets {
		if r.keys.VerifyMAC(s.MAC, []byte(req.Secret.Reveal()), MACLocation(s.ID)) {
			used = s
		}
	}
	if used.ID != "" && (slices.Contains(methods, req.Method) || req.Method == "" && len(methods) > 0) {
		r.used.note(used.ID, r.now())
		_ = r.renewMAC(ctx, used, req.Secret) // the next time will do as well
		if auth.Unmarked(used.ID) {
			_ = r.store.MarkSecret(ctx, used.ID, req.Secret.Len() < oauth.WeakSecret)
		}
		return auth, nil
	}
	return auth, errWrongSecret
}

// noSecret stands in for the secret of a client that has none. It is
// never under a key that the keyset lacks, which would be faster to refuse.
func (r *Tokens) noSecret() oauth.ClientSecret {
	if s := r.decoy.Load(); s != nil && !r.keys.StaleMAC(s.MAC) {
		return *s
	}
	s := oauth.ClientSecret{ID: newID()}
	s.MAC = r.keys.MAC([]byte(oauth.RandomText(oauth.URLSafe, 64)), MACLocation(s.ID))
	r.decoy.Store(&s)
	return s
}

func (r *Tokens) authenticateAssertion(ctx context.Context, req Request) (postgres.Authentication, error) {
	a, err := oauth.ParseAssertion(req.Assertion)
	if err != nil {
		return postgres.Authentication{}, err
	}
	if req.ClientID != "" && req.ClientID != a.ClientID() {
		return postgres.Authentication{}, tokenError(oauth.Unauthenticated, oauth.InvalidClient, "The client assertion is of another client than client_id.")
	}
	auth, err := r.store.Authentication(ctx, a.ClientID(), Spellings(cmp.Or(req.Audience, r.config.Audience)), true, r.now())
	if err != nil && oauth.KindOf(err) != oauth.NotFound {
		return auth, err
	}
	if key, ok := auth.Client.AssertionKey(r.now()); ok {
		auth.Credentials = []oauth.Credential{key}
	}
	if !slices.Contains(oauth.EffectiveMethods(auth.Client.Document, auth.Credentials), oauth.SlotPrivateKeyJWT) {
		auth.Credentials = nil
	}
	audiences := []string{r.config.Issuer, r.config.PublicURL, r.config.PublicURL + "/oauth/token"}
	if _, err := a.Verify(auth.Credentials, audiences, r.config.Now()); err != nil { // of an unknown client there are none
		return auth, err
	}
	jti := sha256.Sum256([]byte(a.JTI()))
	first, err := r.store.UseAssertion(ctx, auth.Client.ID, jti[:], a.ExpiresAt().Add(time.Minute))
	if err == nil && !first {
		err = tokenError(oauth.Unauthenticated, oauth.InvalidClient, "The client assertion was used before.")
	}
	return auth, err
}

// MintManagementToken issues a token with every scope for an operator who has
// the database and the keyset at hand.
func (r *Tokens) MintManagementToken(ctx context.Context, subject string, lifetime time.Duration) (Token, error) {
	api, err := r.store.ResourceServer(ctx, r.config.Audience)
	if err != nil {
		return Token{}, err
	}
	terms, err := api.Terms()
	if err != nil {
		return Token{}, err
	}
	t, err := r.mint(ctx, api, terms, operatorGrant, subject, 0, terms.ScopeValues(), int(lifetime.Seconds()))
	if err != nil {
		return Token{}, err
	}
	if err := r.recordToken(ctx, "token.minted", subject, "", api.Identifier, t); err != nil {
		return Token{}, err
	}
	return t, nil
}
