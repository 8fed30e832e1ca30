package oauth_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
)

const audience = "https://roster.test/"

type object = map[string]any

// claims of a good assertion at today, as SDKs send them.
func claims(edit object) object {
	c := object{
		"iss": "9f4bcb1e0b1c4b52a6a1", "sub": "9f4bcb1e0b1c4b52a6a1", "aud": audience,
		"iat": today.Unix(), "exp": today.Add(2 * time.Minute).Unix(), "jti": "3f1c6a54-9a55-4d5b-9a0f-6f3a54f6b3a4",
	}
	maps.Copy(c, edit)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == absent })
	return c
}

var absent = new("absent") // as a claim's value: leave it out

func encodeJSON(t testing.TB, v any) string {
	t.Helper()
	if text, ok := v.(string); ok {
		return text
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sign makes a compact JWS of a header and payload, objects or JSON text. key is
// an *rsa.PrivateKey, or the []byte of an HS256 secret.
func sign(t testing.TB, alg string, key any, header, payload any) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(encodeJSON(t, header))) + "." + encode([]byte(encodeJSON(t, payload)))
	hash := crypto.SHA256
	if strings.HasSuffix(alg, "384") {
		hash = crypto.SHA384
	}
	h := hash.New()
	h.Write([]byte(input))
	var signature []byte
	var err error
	switch {
	case alg == "none":
	case alg == "HS256":
		mac := hmac.New(sha256.New, key.([]byte))
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	case strings.HasPrefix(alg, "PS"):
		signature, err = rsa.SignPSS(rand.Reader, key.(*rsa.PrivateKey), hash, h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	default:
		signature, err = rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), hash, h.Sum(nil))
	}
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encode(signature)
}

func credential(t testing.TB, id string, key *rsa.PrivateKey, alg string) oauth.Credential {
	t.Helper()
	c, err := oauth.NewCredential(id, "client", oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: new(spkiPEM(t, &key.PublicKey)), Alg: &alg}, today)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// verify parses and verifies and returns the Detail of the failure, which must
// be Unauthenticated, or "".
func verify(t testing.TB, token string, credentials []oauth.Credential, now time.Time) (oauth.Credential, string) {
	t.Helper()
	var signer oauth.Credential
	a, err := oauth.ParseAssertion(token)
	if err == nil {
		signer, err = a.Verify(credentials, []string{"https://roster.test/oauth/token", audience}, now)
	}
	if err == nil {
		return signer, ""
	}
	failure, ok := errors.AsType[*oauth.Error](err)
	if !ok || failure.Kind != oauth.Unauthenticated {
		t.Fatalf("got error %v, want Unauthenticated", err)
	}
	if diff := cmp.Diff(oauth.Credential{}, signer); diff != "" {
		t.Errorf("a refused assertion returned a credential:\n%s", diff)
	}
	return signer, failure.Detail
}

func TestAssertionsOfSDKsAreAccepted(t *testing.T) {
	t.Parallel()
	key := signingKey()
	kid := thumbprint(&key.PublicKey)
	cases := map[string]struct {
		alg    string
		header object
		claims object
		now    time.Time
	}{
		"node":                     {"RS256", object{}, nil, today},
		"go, with nbf and typ":     {"RS256", object{"typ": "JWT"}, object{"nbf": today.Unix()}, today},
		"RS384":                    {"RS384", object{}, nil, today},
		"PS256":                    {"PS256", object{}, nil, today},
		"kid":                      {"RS256", object{"kid": kid}, nil, today},
		"typ of the new draft":     {"RS256", object{"typ": "client-authentication+jwt"}, nil, today},
		"certificate's thumbprint": {"RS256", object{"x5t": "x", "x5t#S256": "y"}, nil, today},
		"unknown members":          {"RS256", object{"ctx": "x"}, object{"scope": "x", "nested": object{"a": []int{1}}}, today},
		"token endpoint as aud":    {"RS256", object{}, object{"aud": "https://roster.test/oauth/token"}, today},
		"aud in an array":          {"RS256", object{}, object{"aud": []string{audience}}, today},
		"no iat":                   {"RS256", object{}, object{"iat": absent}, today},
		"fractions":                {"RS256", object{}, object{"iat": 1795339431.75, "exp": 1795339551.25}, today},
		"whole lifetime":           {"RS256", object{}, object{"exp": today.Unix() + 300}, today},
		"clock ahead":              {"RS256", object{}, object{"nbf": today.Unix()}, today.Add(-30 * time.Second)},
		"last moment":              {"RS256", object{}, nil, today.Truncate(time.Second).Add(2*time.Minute - 1)},
		"longest names": {"RS256", object{}, object{
			"iss": strings.Repeat("ü", 64), "sub": strings.Repeat("ü", 64), "jti": strings.Repeat("j", 64),
		}, today},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.header["alg"] = c.alg
			payload := claims(c.claims)
			token := sign(t, c.alg, key, c.header, payload)
			want := credential(t, "cred_1", key, c.alg)
			got, detail := verify(t, token, []oauth.Credential{credential(t, "cred_0", otherKey(), c.alg), want}, c.now)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s; credential (-want +got):\n%s", detail, diff)
			}
			a, err := oauth.ParseAssertion(token)
			if err != nil {
				t.Fatal(err)
			}
			if a.ClientID() != payload["iss"] || a.JTI() != payload["jti"] {
				t.Errorf("got client %q, jti %q", a.ClientID(), a.JTI())
			}
			var exp float64
			fmt.Sscan(encodeJSON(t, payload["exp"]), &exp)
			if got := float64(a.ExpiresAt().UnixMilli()) / 1000; got != exp {
				t.Errorf("got expiry %v, want %v", got, exp)
			}
		})
	}
}

func TestAssertionsAreRefused(t *testing.T) {
	t.Parallel()
	key := signingKey()
	registered := []oauth.Credential{credential(t, "cred_1", key, "RS256")}
	header := object{"alg": "RS256"}
	public := spki(t, &key.PublicKey)
	jwk := object{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(otherKey().N.Bytes()), "e": "AQAB"}
	good := sign(t, "RS256", key, header, claims(nil))
	parts := strings.Split(good, ".")
	seconds := func(d time.Duration) int64 { return today.Add(d).Unix() }

	const (
		prefix   = "the client assertion "
		compact  = prefix + "must be a JWS in compact form"
		alg      = prefix + "must be signed by RS256, RS384 or PS256 (alg)"
		headers  = prefix + "must have a JSON object as its header, with each member once, alg, kid and typ being strings"
		payloads = prefix + "must have a JSON object as its payload, with each member once, iss, sub and jti being strings"
		aud      = prefix + "must have one audience in aud, as a string or an array of one"
		server   = prefix + "must have this server as its audience (aud)"
		noKey    = "no active key of the client verifies the client assertion: check its kid and alg, that the key is attached to the client and unexpired, and that it is the one that signs"
	)
	name := func(claim string) string {
		return prefix + "must have " + claim + ", of 1 to 64 characters without control characters"
	}
	date := func(claim string) string { return prefix + "must have a number of seconds since 1970 in " + claim }
	member := func(name string) string { return prefix + "must not have the header member " + name }
	with := func(edit object) string { return sign(t, "RS256", key, header, claims(edit)) }
	headed := func(edit object) string {
		h := maps.Clone(header)
		maps.Copy(h, edit)
		return sign(t, "RS256", key, h, claims(nil))
	}

	cases := map[string]struct{ token, want string }{
		"empty":                   {"", compact},
		"not a JWS":               {"hunter2", compact},
		"two parts":               {parts[0] + "." + parts[1], compact},
		"four parts":              {good + ".x", compact},
		"encrypted":               {good + ".x.y", compact},
		"JSON serialization":      {`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, compact},
		"padded":                  {good + "=", compact},
		"blank around":            {" " + good, compact},
		"line end inside":         {parts[0] + ".\n" + parts[1] + "." + parts[2], compact},
		"too long":                {with(object{"x": strings.Repeat("x", 2048)}), prefix + "must have at most 2048 bytes"},
		"header not base64":       {"e." + parts[1] + "." + parts[2], headers},
		"header not JSON":         {sign(t, "RS256", key, "hunter2", claims(nil)), headers},
		"header an array":         {sign(t, "RS256", key, `["RS256"]`, claims(nil)), headers},
		"header null":             {sign(t, "RS256", key, "null", claims(nil)), alg},
		"alg twice":               {sign(t, "RS256", key, `{"alg":"none","alg":"RS256"}`, claims(nil)), headers},
		"no alg":                  {sign(t, "RS256", key, object{}, claims(nil)), alg},
		"alg in upper case":       {sign(t, "RS256", key, `{"ALG":"RS256"}`, claims(nil)), alg},
		"alg none":                {sign(t, "none", nil, object{"alg": "none"}, claims(nil)), alg},
		"alg NoNe":                {sign(t, "none", nil, object{"alg": "NoNe"}, claims(nil)), alg},
		"HS256 by the public key": {sign(t, "HS256", public, object{"alg": "HS256"}, claims(nil)), alg},
		"HS256 by its PEM":        {sign(t, "HS256", []byte(encodePEM("PUBLIC KEY", public)), object{"alg": "HS256"}, claims(nil)), alg},
		"RS512":                   {headed(object{"alg": "RS512"}), alg},
		"ES256":                   {headed(object{"alg": "ES256"}), alg},
		"no signature":            {parts[0] + "." + parts[1] + ".", noKey},
		"signature of another":    {parts[0] + "." + parts[1] + "." + strings.Split(with(object{"jti": "x"}), ".")[2], noKey},
		"signature cut short":     {good[:len(good)-4], noKey},
		"payload exchanged":       {parts[0] + "." + strings.Split(with(object{"jti": "x"}), ".")[1] + "." + parts[2], noKey},
		"header exchanged":        {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + parts[1] + "." + parts[2], noKey},

		"unknown crit":       {headed(object{"crit": []string{"x"}, "x": 1}), member("crit")},
		"empty crit":         {headed(object{"crit": []string{}}), member("crit")},
		"crit b64":           {headed(object{"crit": []string{"b64"}, "b64": false}), member("crit")},
		"b64":                {headed(object{"b64": false}), member("b64")},
		"jku":                {headed(object{"jku": "https://evil.test/jwks"}), member("jku")},
		"x5u":                {headed(object{"x5u": "https://evil.test/x"}), member("x5u")},
		"jwk of the sender":  {sign(t, "RS256", otherKey(), object{"alg": "RS256", "jwk": jwk}, claims(nil)), member("jwk")},
		"jwk null":           {headed(object{"jwk": nil}), member("jwk")},
		"x5c of the sender":  {sign(t, "RS256", otherKey(), object{"alg": "RS256", "x5c": []string{base64.StdEncoding.EncodeToString(newCertificate(t, otherKey(), nil))}}, claims(nil)), member("x5c")},
		"typ of a DPoP":      {headed(object{"typ": "dpop+jwt"}), prefix + "must have typ JWT or client-authentication+jwt, or none"},
		"typ of a request":   {headed(object{"typ": "oauth-authz-req+jwt"}), prefix + "must have typ JWT or client-authentication+jwt, or none"},
		"typ a number":       {headed(object{"typ": 1}), headers},
		"kid empty":          {headed(object{"kid": ""}), prefix + "must name a key in kid, or have no kid"},
		"kid a number":       {headed(object{"kid": 1}), headers},
		"kid unknown":        {headed(object{"kid": "hunter2"}), noKey},
		"kid as SQL":         {headed(object{"kid": "' OR 1=1 --"}), noKey},
		"other alg of a key": {sign(t, "PS256", key, object{"alg": "PS256"}, claims(nil)), noKey},
		"key of another":     {sign(t, "RS256", otherKey(), header, claims(nil)), noKey},

		"payload not JSON":       {sign(t, "RS256", key, header, "hunter2"), payloads},
		"payload an array":       {sign(t, "RS256", key, header, "[]"), payloads},
		"payload null":           {sign(t, "RS256", key, header, "null"), name("iss")},
		"payload empty":          {sign(t, "RS256", key, header, ""), payloads},
		"data behind payload":    {sign(t, "RS256", key, header, encodeJSON(t, claims(nil))+"{}"), payloads},
		"exp twice":              {sign(t, "RS256", key, header, strings.Replace(encodeJSON(t, claims(nil)), "{", `{"exp":1,`, 1)), payloads},
		"sub twice":              {sign(t, "RS256", key, header, strings.Replace(encodeJSON(t, claims(nil)), "{", `{"sub":"x",`, 1)), payloads},
		"no iss":                 {with(object{"iss": absent}), name("iss")},
		"no sub":                 {with(object{"sub": absent}), name("sub")},
		"no jti":                 {with(object{"jti": absent}), name("jti")},
		"jti in other case":      {with(object{"jti": absent, "JTI": "x"}), name("jti")},
		"jti null":               {with(object{"jti": nil}), name("jti")},
		"jti empty":              {with(object{"jti": ""}), name("jti")},
		"jti a number":           {with(object{"jti": 1}), payloads},
		"jti of 65":              {with(object{"jti": strings.Repeat("j", 65)}), name("jti")},
		"jti with NUL":           {with(object{"jti": "a\x00b"}), name("jti")},
		"iss of 65":              {with(object{"iss": strings.Repeat("j", 65)}), name("iss")},
		"sub of another client":  {with(object{"sub": "other"}), prefix + "must have the client's id as iss and as sub"},
		"iss is not sub in case": {with(object{"sub": strings.ToUpper("9f4bcb1e0b1c4b52a6a1")}), prefix + "must have the client's id as iss and as sub"},
		"no aud":                 {with(object{"aud": absent}), aud},
		"aud null":               {with(object{"aud": nil}), aud},
		"aud empty":              {with(object{"aud": ""}), aud},
		"aud a number":           {with(object{"aud": 1}), aud},
		"aud an empty array":     {with(object{"aud": []string{}}), aud},
		"aud two":                {with(object{"aud": []string{audience, "https://other.test/"}}), aud},
		"aud mixed":              {with(object{"aud": []any{audience, 1}}), aud},
		"aud of another":         {with(object{"aud": "https://hunter2.test/"}), server},
		"aud without slash":      {with(object{"aud": strings.TrimSuffix(audience, "/")}), server},
		"aud in upper case":      {with(object{"aud": strings.ToUpper(audience)}), server},
		"no exp":                 {with(object{"exp": absent}), prefix + "must have an expiry (exp)"},
		"exp null":               {with(object{"exp": nil}), date("exp")},
		"exp a string":           {with(object{"exp": "1795339551"}), date("exp")},
		"exp 0":                  {with(object{"exp": 0}), date("exp")},
		"exp negative":           {with(object{"exp": -1}), date("exp")},
		"exp beyond year 9999":   {with(object{"exp": 1e300}), date("exp")},
		"exp beyond numbers":     {sign(t, "RS256", key, header, strings.Replace(encodeJSON(t, claims(object{"exp": 1})), `"exp":1`, `"exp":1e999`, 1)), date("exp")},
		"expired":                {with(object{"iat": seconds(-2 * time.Minute), "exp": seconds(-time.Second)}), prefix + "is expired (exp)"},
		"expires now":            {with(object{"exp": seconds(0)}), prefix + "is expired (exp)"},
		"exp in ten years":       {with(object{"exp": seconds(10 * 365 * 24 * time.Hour)}), prefix + "must expire within 5 minutes (exp)"},
		"exp in 5 minutes 31 s":  {with(object{"iat": absent, "exp": seconds(5*time.Minute + 31*time.Second)}), prefix + "must expire within 5 minutes (exp)"},
		"life of 5 minutes 1 s":  {with(object{"exp": seconds(301 * time.Second)}), prefix + "must live for 5 minutes at most (exp less iat)"},
		"issued long ago":        {with(object{"iat": seconds(-4 * time.Minute)}), prefix + "must live for 5 minutes at most (exp less iat)"},
		"iat in the future":      {with(object{"iat": seconds(31 * time.Second)}), prefix + "must not be issued in the future (iat)"},
		"iat a string":           {with(object{"iat": "1795339431"}), date("iat")},
		"nbf in the future":      {with(object{"nbf": seconds(31 * time.Second)}), prefix + "is not valid yet (nbf)"},
		"nbf a string":           {with(object{"nbf": "now"}), date("nbf")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := verify(t, c.token, registered, today)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("the error repeats the token")
			}
		})
	}
}

func TestAssertionExpiresOnTheSecond(t *testing.T) {
	t.Parallel()
	token := sign(t, "RS256", signingKey(), object{"alg": "RS256"}, claims(nil))
	keys := []oauth.Credential{credential(t, "cred_1", signingKey(), "RS256")}
	expiry := time.Unix(today.Unix()+120, 0)
	if _, detail := verify(t, token, keys, expiry.Add(-1)); detail != "" {
		t.Errorf("before: %s", detail)
	}
	if _, detail := verify(t, token, keys, expiry); detail != "the client assertion is expired (exp)" {
		t.Errorf("at it: %q", detail)
	}
}

func TestVerifyPicksTheCredential(t *testing.T) {
	t.Parallel()
	key := signingKey()
	header := object{"alg": "RS256"}
	rs, ps, other := credential(t, "cred_rs", key, "RS256"), credential(t, "cred_ps", key, "PS256"), credential(t, "cred_other", otherKey(), "RS256")
	expired := rs
	expired.ExpiresAt = &today
	live := rs
	live.ExpiresAt = new(today.Add(1))
	cert, err := oauth.NewCredential("cred_cert", "client", oauth.CredentialRequest{Type: oauth.TypeX509Cert, PEM: new(encodePEM("CERTIFICATE", newCertificate(t, key, nil)))}, today)
	if err != nil {
		t.Fatal(err)
	}
	cert.Alg = "RS256" // even then
	sameKID := other
	sameKID.KeyID = rs.KeyID
	cases := map[string]struct {
		header      object
		credentials []oauth.Credential
		want        string // id, "" refused
		cause       string // of the refusal
	}{
		"the only one":             {header, []oauth.Credential{rs}, "cred_rs", ""},
		"the one of the key":       {header, []oauth.Credential{other, rs}, "cred_rs", ""},
		"the one of the alg":       {header, []oauth.Credential{ps, rs}, "cred_rs", ""},
		"not yet expired":          {header, []oauth.Credential{live}, "cred_rs", ""},
		"two of one kid":           {object{"alg": "RS256", "kid": rs.KeyID}, []oauth.Credential{sameKID, rs}, "cred_rs", ""},
		"none":                     {header, nil, "", "the client has no active public key"},
		"certificates do not sign": {header, []oauth.Credential{cert}, "", "the client has no active public key"},
		"expired":                  {header, []oauth.Credential{expired}, "", "the client's key is expired"},
		"kid of another key":       {object{"alg": "RS256", "kid": other.KeyID}, []oauth.Credential{rs}, "", "the client has no key of this kid"},
		"kid names another":        {object{"alg": "RS256", "kid": other.KeyID}, []oauth.Credential{rs, other}, "", "the signature is not of the client's key"},
		"alg of another":           {header, []oauth.Credential{ps}, "", "the alg differs from that of the client's key"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := oauth.ParseAssertion(sign(t, "RS256", key, c.header, claims(nil)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Verify(c.credentials, []string{audience}, today)
			cause := ""
			if failure, ok := errors.AsType[*oauth.Error](err); ok {
				cause = failure.Err.Error()
			}
			if got.ID != c.want || cause != c.cause {
				t.Errorf("got %q, cause %q, want %q, %q", got.ID, cause, c.want, c.cause)
			}
		})
	}
}

// A stranger must not learn from the answer which clients and keys exist.
func TestVerifyTellsNothingOfTheClientsKeys(t *testing.T) {
	t.Parallel()
	known := []oauth.Credential{credential(t, "cred_1", signingKey(), "RS256")}
	details := map[string]bool{}
	for _, header := range []object{{"alg": "RS256"}, {"alg": "PS256"}, {"alg": "RS256", "kid": known[0].KeyID}, {"alg": "RS256", "kid": "unknown"}} {
		token := sign(t, header["alg"].(string), otherKey(), header, claims(nil))
		for _, credentials := range [][]oauth.Credential{known, nil} {
			_, detail := verify(t, token, credentials, today)
			details[detail] = true
		}
	}
	if len(details) != 1 {
		t.Errorf("got %d details, want 1: %v", len(details), details)
	}
}

func TestVerifyWithoutAudiencesRefuses(t *testing.T) {
	t.Parallel()
	a, err := oauth.ParseAssertion(sign(t, "RS256", signingKey(), object{"alg": "RS256"}, claims(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Verify([]oauth.Credential{credential(t, "cred_1", signingKey(), "RS256")}, nil, today); oauth.KindOf(err) != oauth.Unauthenticated {
		t.Errorf("got %v", err)
	}
}

// The limit on the size must take a key of 4096 bits with all that SDKs send.
func TestAssertionOfALargeKeyFits(t *testing.T) {
	t.Parallel()
	header := object{"alg": "RS256", "typ": "JWT", "kid": strings.Repeat("k", 64)}
	token := sign(t, "none", nil, header, claims(object{
		"iss": strings.Repeat("c", 64), "sub": strings.Repeat("c", 64), "jti": strings.Repeat("j", 64),
		"aud": "https://" + strings.Repeat("h", 63) + ".example.com/oauth/token", "nbf": today.Unix(),
	})) + base64.RawURLEncoding.EncodeToString(make([]byte, 4096/8))
	if _, err := oauth.ParseAssertion(token); err != nil || len(token) > oauth.MaxAssertion*3/4 {
		t.Errorf("%d bytes: %v", len(token), err)
	}
}

// FuzzAssertion checks that no text causes a panic or verifies without the
// client's key, and that what is parsed keeps the documented bounds.
func FuzzAssertion(f *testing.F) {
	key := signingKey()
	header := object{"alg": "RS256"}
	f.Add(sign(f, "RS256", key, header, claims(nil)))
	f.Add(sign(f, "RS256", key, object{"alg": "RS256", "kid": "k", "typ": "JWT"}, claims(object{"aud": []string{audience}, "nbf": 1.5})))
	f.Add(sign(f, "none", nil, object{"alg": "none"}, claims(nil)))
	f.Add(sign(f, "RS256", key, `{"alg":"RS256","alg":"none"}`, `{"exp":1e999}`))
	f.Add("..")
	stranger := []oauth.Credential{credential(f, "cred_1", otherKey(), "RS256")}
	f.Fuzz(func(t *testing.T, token string) {
		a, err := oauth.ParseAssertion(token)
		if err != nil {
			if oauth.KindOf(err) != oauth.Unauthenticated {
				t.Errorf("got %v", err)
			}
			return
		}
		for _, value := range []string{a.ClientID(), a.JTI()} {
			if n := len([]rune(value)); n < 1 || n > oauth.MaxAssertionName {
				t.Errorf("got %q", value)
			}
		}
		if _, err := json.Marshal(a.ExpiresAt()); err != nil || a.ExpiresAt().IsZero() {
			t.Errorf("expiry %v: %v", a.ExpiresAt(), err)
		}
		if _, err := a.Verify(stranger, []string{audience}, today); oauth.KindOf(err) != oauth.Unauthenticated {
			t.Errorf("verified by a stranger's key, or failed: %v", err)
		}
		if _, err := a.Verify(nil, []string{audience}, a.ExpiresAt().Add(-1)); oauth.KindOf(err) != oauth.Unauthenticated {
			t.Errorf("verified by no key: %v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	a, err := oauth.ParseAssertion(sign(b, "RS256", signingKey(), object{"alg": "RS256"}, claims(nil)))
	if err != nil {
		b.Fatal(err)
	}
	for name, credentials := range map[string][]oauth.Credential{
		"own key": {credential(b, "cred_1", signingKey(), "RS256")}, "another": {credential(b, "cred_1", otherKey(), "RS256")}, "none": nil,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = a.Verify(credentials, []string{audience}, today)
			}
		})
	}
}
