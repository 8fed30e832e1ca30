package token_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

func unauthorized(message string) object {
	return object{"statusCode": 401.0, "error": "Unauthorized", "message": message, "attributes": object{"error": message}}
}

var notAToken = object{"statusCode": 400.0, "error": "Bad Request", "errorCode": "Bearer", "message": "Bad HTTP authentication header format"}

func TestBearerTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	published := keySet(s).Keys[0]
	kid := published.KeyID
	now := s.Clock.Now()
	payload := func(edit ...func(object)) object {
		c := object{
			"iss": s.URL + "/", "aud": audience(s), "sub": "x@clients", "client_id": "x", "azp": "x", "scope": "read:clients", "jti": "x",
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		}
		for _, f := range edit {
			f(c)
		}
		return c
	}
	der, err := x509.MarshalPKIXPublicKey(published.Key.(*rsa.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	publishedJSON, err := published.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	ours := object{"kid": kid}
	foreign := func(header object, edit ...func(object)) string {
		return sign(t, jose.RS256, keys[0](), header, payload(edit...))
	}
	hmac := func(secret []byte) string { return sign(t, jose.HS256, secret, ours, payload()) }
	tamper := func(token string, edit ...func(object)) string {
		parts := strings.Split(token, ".")
		text, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		var c object
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatal(err)
		}
		for _, f := range edit {
			f(c)
		}
		return strings.TrimSuffix(unsigned(t, object{}, c), ".") + "." + parts[2]
	}
	embedded := object{"kid": kid, "jwk": json.RawMessage(mustJWK(t, keys[0]()))}

	const signature = "Invalid signature received for JSON Web Token validation"
	for name, test := range map[string]struct {
		token string
		want  object
	}{
		"foreign signature":      {foreign(ours), unauthorized(signature)},
		"foreign key, no kid":    {foreign(nil), unauthorized(signature)},
		"kid of the future":      {foreign(object{"kid": "next year's key"}), unauthorized(signature)},
		"key brought along":      {foreign(embedded), unauthorized(signature)},
		"jku":                    {foreign(object{"kid": kid, "jku": "https://elsewhere.example/"}), unauthorized(signature)},
		"alg none":               {unsigned(t, object{"alg": "none", "kid": kid}, payload()), unauthorized("Invalid token")},
		"alg none with sig":      {unsigned(t, object{"alg": "none", "kid": kid}, payload()) + "AAAA", unauthorized("Invalid token")},
		"HS256, public key PEM":  {hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), unauthorized("Invalid token")},
		"HS256, public key DER":  {hmac(der), unauthorized("Invalid token")},
		"HS256, public key JWK":  {hmac(publishedJSON), unauthorized("Invalid token")},
		"unknown crit":           {foreign(object{"kid": kid, "crit": []string{"x"}, "x": 1}), unauthorized(signature)},
		"changed claims":         {tamper(s.Admin, set("scope", "everything")), unauthorized("Invalid token")},
		"not a token":            {"abc", notAToken},
		"two parts":              {"a.b", notAToken},
		"three parts of garbage": {"a.b.c", unauthorized("Invalid token")},
		"four parts":             {"a.b.c.d", notAToken},
		"an encrypted token":     {"a.b.c.d.e", notAToken},
		"a blank inside":         {"a b", notAToken},
		"non-ASCII":              {"é.é.é", unauthorized("Invalid token")},
		"not UTF-8":              {"\xff\xfe", notAToken},
		"a large token":          {s.Admin + strings.Repeat("x", 64<<10), unauthorized("Invalid token")},
		"a client secret":        {strings.Repeat("s", 64), notAToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			for _, path := range []string{"/api/v2/clients", "/api/v2/clients/nobody", "/api/v2/resource-servers"} {
				r := s.Do(test.token, "GET", path, nil)
				if diff := cmp.Diff(test.want, r.Object()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
				challenge := r.Header.Get("WWW-Authenticate")
				if message := test.want["message"].(string); r.Status == 401 && challenge != `Bearer error="`+message+`"` {
					t.Errorf("WWW-Authenticate %q", challenge)
				}
			}
			if strings.Contains(s.Log.String(), test.token) && len(test.token) > 10 {
				t.Error("the log holds the token")
			}
		})
	}
}

func mustJWK(t testing.TB, key *rsa.PrivateKey) []byte {
	t.Helper()
	raw, err := jose.JSONWebKey{Key: key.Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestBearerTokensExpire(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	token := s.Token("read:clients")
	s.Do(token, "GET", "/api/v2/clients", nil).Want(200)

	s.Clock.Pass(24*time.Hour - time.Minute)
	s.Do(token, "GET", "/api/v2/clients", nil).Want(200)
	s.Clock.Pass(2 * time.Minute)
	r := s.Do(token, "GET", "/api/v2/clients", nil).Want(401)
	const message = "Expired token received for JSON Web Token validation"
	if diff := cmp.Diff(unauthorized(message), r.Object()); diff != "" {
		t.Errorf("expired (-want +got):\n%s", diff)
	}
	if got := r.Header.Get("WWW-Authenticate"); got != `Bearer error="`+message+`"` {
		t.Errorf("WWW-Authenticate %q", got)
	}
}

func TestAuthorizationHeadersNeverBreakTheService(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	missing := object{"statusCode": 401.0, "error": "Unauthorized", "message": "Missing authentication"}
	for name, test := range map[string]struct {
		headers []string
		status  int
		want    object
	}{
		"none":              {nil, 401, missing},
		"empty":             {[]string{""}, 400, notAToken},
		"scheme alone":      {[]string{"Bearer"}, 400, notAToken},
		"scheme and blank":  {[]string{"Bearer "}, 400, notAToken},
		"scheme and blanks": {[]string{"Bearer    "}, 400, notAToken},
		"no scheme":         {[]string{s.Admin}, 400, notAToken},
		"another scheme":    {[]string{"Basic eDp5"}, 400, notAToken},
		"DPoP":              {[]string{"DPoP " + s.Admin}, 400, notAToken},
		"glued":             {[]string{"Bearer" + s.Admin}, 400, notAToken},
		"tab":               {[]string{"Bearer\t" + s.Admin}, 400, notAToken},
		"two headers":       {[]string{"Bearer " + s.Admin, "Bearer " + s.Admin}, 400, notAToken},
		"two tokens":        {[]string{"Bearer " + s.Admin + ", Bearer " + s.Admin}, 400, notAToken},
		"not UTF-8":         {[]string{"Bearer \xff\xfe\xfd"}, 400, notAToken},
		"lower case":        {[]string{"bearer " + s.Admin}, 200, nil},
		"upper case":        {[]string{"BEARER " + s.Admin}, 200, nil},
		"two blanks":        {[]string{"Bearer  " + s.Admin}, 200, nil},
		"half a megabyte":   {[]string{"Bearer " + strings.Repeat("a.", 256<<10)}, 401, unauthorized("Invalid token")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v2/clients", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header["Authorization"] = test.headers
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != test.status {
				t.Fatalf("status %d, want %d", resp.StatusCode, test.status)
			}
			if test.want == nil {
				return
			}
			var got object
			if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if challenge := resp.Header.Get("WWW-Authenticate"); (challenge != "") != (test.status == 401) {
				t.Errorf("WWW-Authenticate %q", challenge)
			}
		})
	}
}

// A header beyond what net/http takes is its own refusal; the service goes on.
func TestAHugeAuthorizationHeaderIsRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v2/clients", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.Repeat("x", 2<<20))
	if resp, err := http.DefaultTransport.RoundTrip(req); err == nil { // else the connection was cut while writing
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(200)
}
