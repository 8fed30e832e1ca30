package issuers_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/issuers"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
)

func verify(t testing.TB, set *issuers.Set, token string) (*oauth.Caller, error) {
	t.Helper()
	issuer := set.Of(token)
	if issuer == nil {
		return nil, errors.New("the token is of no trusted issuer")
	}
	return issuer.Verify(t.Context(), token)
}

func TestVerifyTellsWhoseTheTokenIs(t *testing.T) {
	t.Parallel()
	p := newIDP(t, newKey(t, jose.ES256, "one"))
	set := p.trust("")
	got, err := verify(t, set, p.token(p.keys[0], p.claims(map[string]any{"scope": "openid read:clients update:clients"}), nil))
	if err != nil {
		t.Fatal(err)
	}
	want := &oauth.Caller{
		Subject: p.URL + "|alice", ClientID: p.URL + "|console", Rights: rights.Of("read:clients", "update:clients"),
		ExpiresAt: time.Unix(p.now.Now().Unix()+300, 0), Issuer: p.URL,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("caller (-want +got):\n%s", diff)
	}
}

func TestVerifyTakesEveryAlgorithmByDefaultAllowed(t *testing.T) {
	t.Parallel()
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			t.Parallel()
			p := newIDP(t, newKey(t, alg, ""))
			if _, err := verify(t, p.trust(""), p.token(p.keys[0], p.claims(nil), nil)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVerifyAcceptsTokensAsIssuersWriteThem(t *testing.T) {
	t.Parallel()
	p := newIDP(t, newKey(t, jose.ES256, "one"))
	set := p.trust("")
	now := p.now.Now().Unix()
	for name, c := range map[string]struct{ claims, header map[string]any }{
		"typ JWT":                  {nil, map[string]any{"typ": "JWT"}},
		"typ as a media type":      {nil, map[string]any{"typ": "application/at+jwt"}},
		"no typ":                   {nil, map[string]any{"typ": nil}},
		"several audiences":        {map[string]any{"aud": []string{"account", audience}}, nil},
		"no iat":                   {map[string]any{"iat": nil}, nil},
		"iat a little ahead":       {map[string]any{"iat": now + 25, "nbf": now + 25}, nil},
		"fractions of seconds":     {map[string]any{"exp": float64(now) + 60.5}, nil},
		"azp in place of a client": {map[string]any{"client_id": nil, "azp": "console"}, nil},
		"no client":                {map[string]any{"client_id": nil}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := verify(t, set, p.token(p.keys[0], p.claims(c.claims), c.header)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	const invalid, signature, expired = "Invalid token", "Invalid signature received for JSON Web Token validation", "Expired token received for JSON Web Token validation"
	p := newIDP(t, newKey(t, jose.RS256, "one"))
	key := p.keys[0]
	set := p.trust("")
	now := p.now.Now().Unix()
	signed := func(claims, header map[string]any) string { return p.token(key, p.claims(claims), header) }
	good := signed(nil, nil)
	parts := strings.Split(good, ".")
	encode := base64.RawURLEncoding.EncodeToString
	stranger := newKey(t, jose.RS256, "one")
	unlisted := newKey(t, jose.ES384, "one")
	public := key.Public()
	payload, err := json.Marshal(p.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	withSecret := func(secret []byte) string {
		return sign(t, jose.JSONWebKey{Key: secret, KeyID: "one", Algorithm: "HS256"}, payload, nil)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Key.(*rsa.PrivateKey).Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(public)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ token, want string }{
		"another audience":             {signed(map[string]any{"aud": "https://roster.example/api/v2"}, nil), invalid},
		"no audience":                  {signed(map[string]any{"aud": nil}, nil), invalid},
		"audiences that do not fit":    {signed(map[string]any{"aud": []string{"account", p.URL}}, nil), invalid},
		"an audience that is a number": {signed(map[string]any{"aud": 7}, nil), invalid},
		"expired":                      {signed(map[string]any{"exp": now}, nil), expired},
		"no exp":                       {signed(map[string]any{"exp": nil}, nil), invalid},
		"exp as text":                  {signed(map[string]any{"exp": "2999-01-01"}, nil), invalid},
		"exp beyond all years":         {signed(map[string]any{"exp": 1e300}, nil), invalid},
		"nbf in the future":            {signed(map[string]any{"nbf": now + 60}, nil), invalid},
		"iat in the future":            {signed(map[string]any{"iat": now + 60}, nil), invalid},
		"no sub":                       {signed(map[string]any{"sub": nil}, nil), invalid},
		"a sub with a line feed":       {signed(map[string]any{"sub": "alice\nbob"}, nil), invalid},
		"a long sub":                   {signed(map[string]any{"sub": strings.Repeat("a", 1025)}, nil), invalid},
		"a long client_id":             {signed(map[string]any{"client_id": strings.Repeat("a", 1025)}, nil), invalid},
		"scope as an object":           {signed(map[string]any{"scope": map[string]any{}}, nil), invalid},
		"scopes that are numbers":      {signed(map[string]any{"scope": []int{1}}, nil), invalid},
		"bound to a key":               {signed(map[string]any{"cnf": map[string]any{"jkt": "x"}}, nil), invalid},
		"typ of a logout token":        {signed(nil, map[string]any{"typ": "logout+jwt"}), invalid},
		"typ of a DPoP proof":          {signed(nil, map[string]any{"typ": "dpop+jwt"}), invalid},
		"header jku":                   {signed(nil, map[string]any{"jku": p.URL + "/evil"}), invalid},
		"header x5u":                   {signed(nil, map[string]any{"x5u": p.URL + "/evil"}), invalid},
		"header x5c":                   {signed(nil, map[string]any{"x5c": []string{encode(der)}}), invalid},
		"header jwk":                   {p.token(stranger, p.claims(nil), map[string]any{"jwk": stranger.Public()}), invalid},
		"header crit":                  {signed(nil, map[string]any{"crit": []string{"exp"}}), invalid},
		"header b64":                   {signed(nil, map[string]any{"b64": true}), invalid},
		"alg none":                     {encode([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", invalid},
		"alg HS256 with the PEM":       {withSecret(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), invalid},
		"alg HS256 with the DER":       {withSecret(der), invalid},
		"alg HS256 with the JWK":       {withSecret(jwk), invalid},
		"alg that is not allowed":      {p.token(unlisted, p.claims(nil), nil), invalid},
		"alg of another kind of key":   {p.token(newKey(t, jose.ES256, "one"), p.claims(nil), nil), signature},
		"alg other than the key's":     {p.token(jose.JSONWebKey{Key: key.Key, KeyID: "one", Algorithm: "PS256"}, p.claims(nil), nil), signature},
		"a stranger's key":             {p.token(stranger, p.claims(nil), nil), signature},
		"an unknown kid":               {p.token(newKey(t, jose.RS256, "two"), p.claims(nil), nil), signature},
		"no signature":                 {parts[0] + "." + parts[1] + ".", signature},
		"claims of another token":      {parts[0] + "." + strings.Split(signed(map[string]any{"sub": "root"}, nil), ".")[1] + "." + parts[2], signature},
		"a header member twice":        {encode([]byte(`{"alg":"RS256","kid":"one","alg":"RS256"}`)) + "." + parts[1] + "." + parts[2], invalid},
		"two parts":                    {parts[0] + "." + parts[1], invalid},
		"four parts":                   {good + ".x", invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			caller, err := verify(t, set, c.token)
			e, ok := errors.AsType[*oauth.Error](err)
			if !ok || e.Kind != oauth.Unauthenticated || e.Detail != c.want {
				t.Errorf("caller %+v, error %v, want %q", caller, err, c.want)
			}
		})
	}
}

func TestOfKnowsListedIssuersAlone(t *testing.T) {
	t.Parallel()
	p := newIDP(t, newKey(t, jose.ES256, "one"))
	set := p.trust("")
	token := func(claims map[string]any) string { return p.token(p.keys[0], claims, nil) }
	for name, token := range map[string]string{
		"another issuer":        token(p.claims(map[string]any{"iss": "https://login.example"})),
		"a slash more":          token(p.claims(map[string]any{"iss": p.URL + "/"})),
		"another case":          token(p.claims(map[string]any{"iss": strings.ToUpper(p.URL)})),
		"no iss":                token(p.claims(map[string]any{"iss": nil})),
		"iss in another case":   token(p.claims(map[string]any{"iss": nil, "ISS": p.URL})),
		"iss twice":             sign(t, p.keys[0], []byte(`{"iss":"`+p.URL+`","iss":"`+p.URL+`"}`), nil),
		"a token that is large": token(p.claims(map[string]any{"pad": strings.Repeat("x", 16<<10)})),
		"no token":              "",
		"an opaque token":       "abcdef",
		"dots":                  "..",
		"a payload of brackets": "e30." + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 9000))) + ".x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if set.Of(token) != nil {
				t.Error("the token is taken for one of a trusted issuer")
			}
		})
	}
	t.Cleanup(func() {
		if n := p.discover.Load(); n != 0 {
			t.Errorf("%d fetches, want none", n)
		}
	})
	if (*issuers.Set)(nil).Of(token(p.claims(nil))) != nil {
		t.Error("a nil Set trusts an issuer")
	}
}

func TestAnIssuerVerifiesItsOwnTokensAlone(t *testing.T) {
	t.Parallel()
	p := newIDP(t, newKey(t, jose.ES256, "one"))
	issuer := p.trust("").Of(p.token(p.keys[0], p.claims(nil), nil))
	foreign := p.token(p.keys[0], p.claims(map[string]any{"iss": "https://login.example"}), nil)
	if _, err := issuer.Verify(t.Context(), foreign); oauth.KindOf(err) != oauth.Unauthenticated {
		t.Errorf("error %v, want Unauthenticated", err)
	}
}

func TestScopesComeFromTheConfiguredClaim(t *testing.T) {
	t.Parallel()
	p := newIDP(t, newKey(t, jose.ES256, "one"))
	for name, c := range map[string]struct {
		options string
		claims  map[string]any
		want    []string
	}{
		"scope":                       {"", map[string]any{"scope": "read:clients  update:clients"}, []string{"read:clients", "update:clients"}},
		"scp as a string":             {"", map[string]any{"scp": "read:clients update:clients"}, []string{"read:clients", "update:clients"}},
		"scp as an array":             {"", map[string]any{"scp": []string{"read:clients", "update:clients"}}, []string{"read:clients", "update:clients"}},
		"permissions":                 {"", map[string]any{"permissions": []string{"update:clients"}}, []string{"update:clients"}},
		"the first that is there":     {"", map[string]any{"scope": "openid", "permissions": []string{"update:clients"}}, nil},
		"an array of one text":        {"", map[string]any{"scp": []string{"read:clients update:clients"}}, nil},
		"none":                        {"", nil, nil},
		"unknown scopes are left out": {"", map[string]any{"scope": "read:clients read:everything admin"}, []string{"read:clients"}},
		"a claim by name":             {";claim=roles", map[string]any{"roles": []string{"read:clients"}, "scope": "update:clients"}, []string{"read:clients"}},
		"a claim by name, not there":  {";claim=roles", map[string]any{"scope": "update:clients"}, nil},
		"a claim named by a URL":      {";claim=https://idp.example/roles", map[string]any{"https://idp.example/roles": "read:clients"}, []string{"read:clients"}},
		"a prefix":                    {";prefix=roster/", map[string]any{"scope": "roster/read:clients update:clients"}, []string{"read:clients"}},
		"no more than may be granted": {";scopes=read:clients", map[string]any{"scope": "read:clients update:clients"}, []string{"read:clients"}},
		"a prefix beside what may be": {";prefix=r.;scopes=read:clients", map[string]any{"scope": "r.update:clients r.read:clients"}, []string{"read:clients"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claims := p.claims(map[string]any{"scope": nil})
			for name, value := range c.claims {
				claims[name] = value
			}
			caller, err := verify(t, p.trust(c.options), p.token(p.keys[0], claims, nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, caller.Rights.Names()); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAudienceOfItsOwnTakesThePlaceOfTheManagementAudience(t *testing.T) {
	t.Parallel()
	p := newIDP(t, newKey(t, jose.ES256, "one"))
	set := p.trust(";aud=api://roster")
	if _, err := verify(t, set, p.token(p.keys[0], p.claims(map[string]any{"aud": "api://roster"}), nil)); err != nil {
		t.Error(err)
	}
	if _, err := verify(t, set, p.token(p.keys[0], p.claims(nil), nil)); err == nil {
		t.Error("a token for the management audience was accepted")
	}
}

func FuzzVerify(f *testing.F) {
	p := newIDP(f, newKey(f, jose.ES256, "one"))
	set := p.trust("")
	good := p.token(p.keys[0], p.claims(nil), nil)
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		issuer := set.Of(token)
		if issuer == nil {
			return
		}
		caller, err := issuer.Verify(t.Context(), token)
		if (caller == nil) == (err == nil) {
			t.Errorf("caller %v, error %v", caller, err)
		}
		if err == nil && caller.Subject != p.URL+"|alice" {
			t.Errorf("accepted %q", token)
		}
	})
}
