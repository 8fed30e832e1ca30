package boruta_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

var (
	rsaType = object{"type": "rsa", "modulus_size": "2048", "exponent_size": "65537"}
	ecType  = object{"type": "ec", "curve": "P-256"}
)

// invalid is the errors of one member with one token.
func invalid(member, token string) map[string][]string { return map[string][]string{member: {token}} }

// What is sent for a member, and what it becomes, in a create and in a change.
func TestCasting(t *testing.T) {
	t.Parallel()
	a := start(t)
	made := object{
		"name": "made", "pkce": true, "response_mode": "post", "access_token_ttl": 60, "redirect_uris": []string{"https://made.test"},
		"id_token_signature_alg": "HS256", "confidential": true, "token_endpoint_auth_methods": []string{"private_key_jwt"},
		"supported_grant_types": []string{"implicit"}, "userinfo_signed_response_alg": "HS256",
	}
	blankTTL := map[string][]string{"access_token_ttl": {"can't be blank"}}
	type outcome struct {
		value any                 // of the member afterwards
		errs  map[string][]string // in place of it
	}
	ok := func(value any) outcome { return outcome{value: value} }
	for name, test := range map[string]struct {
		member         string
		sent           any
		create, change outcome
	}{
		"blank text":              {"name", " \t", ok(nil), ok(nil)},
		"null text":               {"name", nil, ok(nil), ok(nil)},
		"text":                    {"name", "  x ", ok("  x "), ok("  x ")},
		"number for text":         {"name", 5, outcome{errs: invalid("name", "is invalid")}, outcome{errs: invalid("name", "is invalid")}},
		"long text":               {"name", strings.Repeat("é", 255), ok(strings.Repeat("é", 255)), ok(strings.Repeat("é", 255))},
		"too long text":           {"name", strings.Repeat("é", 256), outcome{errs: invalid("name", "should be at most 255 character(s)")}, outcome{errs: invalid("name", "should be at most 255 character(s)")}},
		"blank boolean":           {"pkce", "", ok(false), ok(false)},
		"null where it is kept":   {"pkce", nil, ok(nil), ok(nil)},
		"boolean as true":         {"pkce", "true", ok(true), ok(true)},
		"boolean as 1":            {"pkce", "1", ok(true), ok(true)},
		"boolean as false":        {"pkce", "false", ok(false), ok(false)},
		"boolean as 0":            {"pkce", "0", ok(false), ok(false)},
		"number for boolean":      {"pkce", 1, outcome{errs: invalid("pkce", "is invalid")}, outcome{errs: invalid("pkce", "is invalid")}},
		"word for boolean":        {"pkce", "yes", outcome{errs: invalid("pkce", "is invalid")}, outcome{errs: invalid("pkce", "is invalid")}},
		"null for a strict one":   {"confidential", nil, outcome{errs: invalid("confidential", "can't be blank")}, outcome{errs: invalid("confidential", "can't be blank")}},
		"integer as text":         {"access_token_ttl", "61", ok(61.), ok(61.)},
		"blank integer":           {"access_token_ttl", "", ok(86400.), outcome{errs: blankTTL}},
		"null integer":            {"access_token_ttl", nil, ok(86400.), outcome{errs: blankTTL}},
		"float":                   {"access_token_ttl", 60.5, outcome{errs: invalid("access_token_ttl", "is invalid")}, outcome{errs: invalid("access_token_ttl", "is invalid")}},
		"boolean for integer":     {"access_token_ttl", true, outcome{errs: invalid("access_token_ttl", "is invalid")}, outcome{errs: invalid("access_token_ttl", "is invalid")}},
		"huge integer":            {"access_token_ttl", "99999999999999999999", outcome{errs: invalid("access_token_ttl", "is invalid")}, outcome{errs: invalid("access_token_ttl", "is invalid")}},
		"blank array":             {"redirect_uris", " ", ok([]any{}), ok([]any{})},
		"blank items":             {"redirect_uris", []string{"https://a.test", "", " "}, ok([]any{"https://a.test"}), ok([]any{"https://a.test"})},
		"null item":               {"redirect_uris", []any{"https://a.test", nil}, outcome{errs: invalid("redirect_uris", "empty values are not allowed")}, outcome{errs: invalid("redirect_uris", "empty values are not allowed")}},
		"text for array":          {"redirect_uris", "https://a.test", outcome{errs: invalid("redirect_uris", "is invalid")}, outcome{errs: invalid("redirect_uris", "is invalid")}},
		"object for array":        {"redirect_uris", object{}, outcome{errs: invalid("redirect_uris", "is invalid")}, outcome{errs: invalid("redirect_uris", "is invalid")}},
		"number in an array":      {"redirect_uris", []any{5}, outcome{errs: invalid("redirect_uris", "is invalid")}, outcome{errs: invalid("redirect_uris", "is invalid")}},
		"null array":              {"redirect_uris", nil, outcome{errs: invalid("redirect_uris", "can't be blank")}, outcome{errs: invalid("redirect_uris", "can't be blank")}},
		"blank mode":              {"response_mode", "", ok("direct_post"), ok("direct_post")},
		"null mode":               {"response_mode", nil, ok(nil), ok(nil)},
		"foreign mode":            {"response_mode", "fragment", outcome{errs: invalid("response_mode", "is invalid")}, outcome{errs: invalid("response_mode", "is invalid")}},
		"blank algorithm":         {"id_token_signature_alg", "", ok("RS512"), outcome{errs: invalid("id_token_signature_alg", "is invalid")}},
		"null algorithm":          {"id_token_signature_alg", nil, ok(nil), ok(nil)},
		"none":                    {"userinfo_signed_response_alg", "none", outcome{errs: map[string][]string{"userinfo_signed_response_alg": {"is invalid", "is invalid"}}}, outcome{errs: map[string][]string{"userinfo_signed_response_alg": {"is invalid", "is invalid"}}}},
		"blank userinfo":          {"userinfo_signed_response_alg", "", ok(nil), ok(nil)},
		"assertion algorithm":     {"token_endpoint_jwt_auth_alg", "ES256", outcome{errs: invalid("token_endpoint_jwt_auth_alg", "is invalid")}, outcome{errs: invalid("token_endpoint_jwt_auth_alg", "is invalid")}},
		"null alg, never stored":  {"token_endpoint_jwt_auth_alg", nil, outcome{errs: invalid("token_endpoint_jwt_auth_alg", "can't be blank")}, outcome{errs: invalid("token_endpoint_jwt_auth_alg", "can't be blank")}},
		"no methods":              {"token_endpoint_auth_methods", []string{}, ok([]any{}), ok([]any{})},
		"methods twice":           {"token_endpoint_auth_methods", []string{"private_key_jwt", "private_key_jwt"}, ok([]any{"private_key_jwt", "private_key_jwt"}), ok([]any{"private_key_jwt", "private_key_jwt"})},
		"blank methods":           {"token_endpoint_auth_methods", "", ok([]any{"client_secret_basic", "client_secret_post"}), ok([]any{"client_secret_basic", "client_secret_post"})},
		"method none":             {"token_endpoint_auth_methods", []string{"none"}, outcome{errs: invalid("token_endpoint_auth_methods", "has an invalid entry")}, outcome{errs: invalid("token_endpoint_auth_methods", "has an invalid entry")}},
		"null method":             {"token_endpoint_auth_methods", []any{nil}, outcome{errs: invalid("token_endpoint_auth_methods", "has an invalid entry")}, outcome{errs: invalid("token_endpoint_auth_methods", "has an invalid entry")}},
		"null methods":            {"token_endpoint_auth_methods", nil, outcome{errs: invalid("token_endpoint_auth_methods", "can't be blank")}, outcome{errs: invalid("token_endpoint_auth_methods", "can't be blank")}},
		"no grants":               {"supported_grant_types", []string{}, ok([]any{}), ok([]any{})},
		"null grants":             {"supported_grant_types", nil, ok(nil), ok(nil)},
		"unknown grant":           {"supported_grant_types", []string{"unknown"}, outcome{errs: invalid("supported_grant_types", grantText)}, outcome{errs: invalid("supported_grant_types", grantText)}},
		"grant twice":             {"supported_grant_types", []string{"revoke", "revoke"}, outcome{errs: invalid("supported_grant_types", grantText)}, outcome{errs: invalid("supported_grant_types", grantText)}},
		"public id":               {"public_client_id", "did:x", ok("did:x"), ok("did:x")},
		"authorities of a master": {"trusted_authorities", nil, outcome{errs: invalid("trusted_authorities", "can't be nil")}, outcome{errs: invalid("trusted_authorities", "can't be nil")}},
		"hosts of a master":       {"trusted_hosts", nil, outcome{errs: invalid("trusted_hosts", "can't be nil")}, outcome{errs: invalid("trusted_hosts", "can't be nil")}},
		"metadata of no object":   {"metadata", []int{1}, outcome{errs: invalid("metadata", "is invalid")}, outcome{errs: invalid("metadata", "is invalid")}},
		"null metadata":           {"metadata", nil, outcome{errs: invalid("metadata", "can't be blank")}, outcome{errs: invalid("metadata", "can't be blank")}},
		"long jwks_uri":           {"jwks_uri", strings.Repeat("u", 256), outcome{errs: invalid("jwks_uri", "should be at most 255 character(s)")}, outcome{errs: invalid("jwks_uri", "should be at most 255 character(s)")}},
		"number for jwks_uri":     {"jwks_uri", 5, outcome{errs: invalid("jwks_uri", "is invalid")}, outcome{errs: invalid("jwks_uri", "is invalid")}},
		"number for logo_uri":     {"logo_uri", 5, outcome{errs: invalid("logo_uri", "is invalid")}, outcome{errs: invalid("logo_uri", "is invalid")}},
		"number for id_token_kid": {"id_token_kid", 5, outcome{errs: invalid("id_token_kid", "is invalid")}, outcome{errs: invalid("id_token_kid", "is invalid")}},
		"private key mislabelled": {"jwt_public_key", mislabelledKey(), outcome{errs: invalid("jwt_public_key", "is invalid")}, outcome{errs: invalid("jwt_public_key", "is invalid")}},
		"private key by value":    {"jwt_public_key", "-----BEGIN RSA PRIVATE KEY-----", outcome{errs: invalid("jwt_public_key", "is invalid")}, outcome{errs: invalid("jwt_public_key", "is invalid")}},
		"any other key text":      {"jwt_public_key", "public-key", ok("public-key"), ok("public-key")},
		"resources":               {"authorized_resources", []string{"https://ok.test/a", "a b", "https://x.test/#f", "urn:ok:1"}, outcome{errs: map[string][]string{"authorized_resources": {"`a b` is invalid", "`https://x.test/#f` is invalid"}}}, outcome{errs: map[string][]string{"authorized_resources": {"`a b` is invalid", "`https://x.test/#f` is invalid"}}}},
		"too long secret":         {"secret", strings.Repeat("s", 256), outcome{errs: invalid("secret", "should be at most 255 character(s)")}, outcome{errs: invalid("secret", "should be at most 255 character(s)")}},
		"number for secret":       {"secret", 5, outcome{errs: invalid("secret", "is invalid")}, outcome{errs: invalid("secret", "is invalid")}},
		"unknown member":          {"inserted_at", 5, ok(nil), ok(nil)},
		"read-only members":       {"did", "did:x", ok(nil), ok(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := func(method, at string, doc object, want outcome) {
				t.Helper()
				if want.errs != nil {
					if diff := cmp.Diff(want.errs, a.refused(method, at, doc)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", method, diff)
					}
					return
				}
				status := http.StatusOK
				if method == "POST" {
					status = http.StatusCreated
				}
				if diff := cmp.Diff(want.value, a.send(method, at, doc, status)[test.member]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", method, diff)
				}
			}
			check("POST", "/api/clients", a.quick(object{test.member: test.sent}), test.create)
			check("PATCH", path(a.create(made)), object{test.member: test.sent}, test.change)
		})
	}
}

const grantText = "must be part of client_credentials, password, authorization_code, agent_code, refresh_token, implicit, revoke, introspect, id_token, vp_token, preauthorized_code, agent_credentials"

func TestLifetimesStayInTheirRange(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(nil)
	for member, most := range map[string]int{
		"access_token_ttl": 86400, "agent_token_ttl": 2592000, "authorization_code_ttl": 600, "authorization_request_ttl": 300,
		"refresh_token_ttl": 2592000, "id_token_ttl": 86400,
	} {
		for _, bad := range []int{0, -1, most + 1, 10000000} { // BL-03
			for method, at := range map[string]string{"POST": "/api/clients", "PATCH": path(c)} {
				if diff := cmp.Diff(invalid(member, "is invalid"), a.refused(method, at, a.quick(object{member: bad}))); diff != "" {
					t.Errorf("%s %s=%d (-want +got):\n%s", method, member, bad, diff)
				}
			}
		}
		for _, good := range []int{1, most} { // BL-12
			got := a.send("PATCH", path(c), object{member: good}, http.StatusOK)[member]
			if member != "agent_token_ttl" && got != float64(good) {
				t.Errorf("%s=%d is answered with %v", member, good, got)
			}
		}
	}
	if got := a.send("PATCH", path(c), object{"authorization_request_ttl": nil}, http.StatusOK)["authorization_request_ttl"]; got != nil {
		t.Errorf("authorization_request_ttl is %v", got)
	}
}

func TestKeyPairTypes(t *testing.T) {
	t.Parallel()
	a := start(t)
	bad := "private_key_type is invalid"
	with := func(member string, value any) object {
		o := object{}
		for k, v := range rsaType {
			o[k] = v
		}
		o[member] = value
		return o
	}
	for name, test := range map[string]struct {
		sent           any
		create, change map[string][]string // nil for success; "validation failed: …" matches by its start
	}{
		"rsa":                   {rsaType, nil, nil},
		"odd size, more keys":   {object{"type": "rsa", "modulus_size": "2049", "exponent_size": "65537", "note": []int{1}}, nil, nil},
		"rsa without anything":  {object{"type": "rsa"}, map[string][]string{"key_pair_type": {"rsa modulus_size is required"}, "private_key": {bad}}, invalid("key_pair_type", "rsa modulus_size is required")},
		"rsa without exponent":  {object{"type": "rsa", "modulus_size": "2048"}, invalid("private_key", bad), nil},
		"small":                 {with("modulus_size", "1024"), map[string][]string{"key_pair_type": {"rsa modulus_size must be at least 2048"}, "private_key": {bad}}, invalid("key_pair_type", "rsa modulus_size must be at least 2048")},
		"size of no number":     {with("modulus_size", "abc"), map[string][]string{"key_pair_type": {"rsa modulus_size must be at least 2048"}, "private_key": {bad}}, invalid("key_pair_type", "rsa modulus_size must be at least 2048")},
		"large":                 {with("modulus_size", "4097"), map[string][]string{"key_pair_type": {"rsa modulus_size must be at most 4096"}, "private_key": {bad}}, invalid("key_pair_type", "rsa modulus_size must be at most 4096")},
		"sizes as numbers":      {object{"type": "rsa", "modulus_size": 2048, "exponent_size": 65537}, map[string][]string{"key_pair_type": {"validation failed: "}, "private_key": {bad}}, invalid("key_pair_type", "validation failed: ")},
		"exponent of no number": {with("exponent_size", "abc"), invalid("private_key", bad), nil},
		"other exponent":        {with("exponent_size", "3"), invalid("private_key", bad), nil},
		"P-256":                 {ecType, nil, nil},
		"P-384":                 {object{"type": "ec", "curve": "P-384"}, nil, nil},
		"P-521":                 {object{"type": "ec", "curve": "P-521"}, nil, nil},
		"P-512":                 {object{"type": "ec", "curve": "P-512"}, nil, nil},
		"no curve":              {object{"type": "ec"}, invalid("private_key", bad), nil}, // BL-24
		"other curve":           {object{"type": "ec", "curve": "secp256k1"}, invalid("key_pair_type", "validation failed: "), invalid("key_pair_type", "validation failed: ")},
		"universal":             {object{"type": "universal"}, invalid("private_key", "Could not create did."), nil},
		"unknown":               {object{"type": "oct"}, map[string][]string{"key_pair_type": {"validation failed: "}, "signatures_adapter": {"unknown key pair type"}, "private_key": {bad}}, map[string][]string{"key_pair_type": {"validation failed: "}, "signatures_adapter": {"unknown key pair type"}}}, // BL-23
		"no type":               {object{}, map[string][]string{"key_pair_type": {"validation failed: "}, "signatures_adapter": {"unknown key pair type"}, "private_key": {bad}}, map[string][]string{"key_pair_type": {"validation failed: "}, "signatures_adapter": {"unknown key pair type"}}},
		"null":                  {nil, invalid("key_pair_type", "can't be blank"), invalid("key_pair_type", "can't be blank")},
		"text":                  {"rsa", invalid("key_pair_type", "is invalid"), invalid("key_pair_type", "is invalid")},
		"array":                 {[]any{}, invalid("key_pair_type", "is invalid"), invalid("key_pair_type", "is invalid")},
		"blank":                 {"", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := object{"type": "rsa", "modulus_size": "3072", "exponent_size": "65537"}
			if name == "rsa" {
				base = ecType
			}
			c := a.create(nil)
			a.send("PATCH", path(c), object{"key_pair_type": base}, http.StatusOK)
			for _, request := range []struct {
				method, at string
				want       map[string][]string
			}{{"POST", "/api/clients", test.create}, {"PATCH", path(c), test.change}} {
				doc := object{"key_pair_type": test.sent, "identity_provider": object{"id": a.provider}}
				if request.want == nil {
					status := http.StatusOK
					if request.method == "POST" {
						status = http.StatusCreated
					}
					want := test.sent
					if want == "" {
						want = rsaType
					}
					got := a.send(request.method, request.at, doc, status)
					if diff := cmp.Diff(jsonOf(t, want), jsonOf(t, got["key_pair_type"])); diff != "" {
						t.Errorf("%s (-want +got):\n%s", request.method, diff)
					}
					if request.method == "PATCH" && got["public_key"] != c["public_key"] {
						t.Error("a change of the type made a new key")
					}
					continue
				}
				errs := a.refused(request.method, request.at, doc)
				for _, tokens := range errs {
					for i := range tokens {
						if strings.HasPrefix(tokens[i], "validation failed: ") {
							tokens[i] = "validation failed: "
						}
					}
				}
				if diff := cmp.Diff(request.want, errs); diff != "" {
					t.Errorf("%s (-want +got):\n%s", request.method, diff)
				}
			}
		})
	}
}

func TestSignaturesAdapterGoesWithTheKey(t *testing.T) {
	t.Parallel()
	a := start(t)
	const foreign = "Elixir.Boruta.Universal.Signatures"
	if got := a.create(object{"signatures_adapter": foreign})["signatures_adapter"]; got != "Elixir.Boruta.Internal.Signatures" {
		t.Errorf("making a key left the adapter at %v", got)
	}
	want := map[string][]string{"private_key": {"private_key_type is invalid"}, "signatures_adapter": {"is invalid"}} // BL-22
	if diff := cmp.Diff(want, a.refused("POST", "/api/clients", a.quick(object{"key_pair_type": object{"type": "rsa", "modulus_size": "2048"}, "signatures_adapter": foreign}))); diff != "" {
		t.Error(diff)
	}
	c := a.create(nil)
	for _, bad := range []any{foreign, "x"} {
		if diff := cmp.Diff(invalid("signatures_adapter", "is invalid"), a.refused("PATCH", path(c), object{"signatures_adapter": bad})); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff(invalid("signatures_adapter", "can't be blank"), a.refused("PATCH", path(c), object{"signatures_adapter": nil})); diff != "" {
		t.Error(diff)
	}
	got := a.send("PATCH", path(c), object{"key_pair_type": object{"type": "universal"}, "signatures_adapter": foreign, "id_token_signature_alg": "EdDSA"}, http.StatusOK)
	if got["signatures_adapter"] != foreign || got["id_token_signature_alg"] != "EdDSA" {
		t.Errorf("got %v", got)
	}
}

// BL-26, BL-27 and what no change means for them.
func TestSigningAlgorithmsGoWithTheKey(t *testing.T) {
	t.Parallel()
	a := start(t)
	ec := a.create(nil)
	rs := a.create(nil)
	a.send("PATCH", path(rs), object{"key_pair_type": rsaType}, http.StatusOK)
	fits := map[string]string{"rsa": "RS256 RS384 RS512 HS256 HS384 HS512", "ec": "ES256 ES384 ES512 HS256 HS384 HS512"}
	for _, member := range []string{"id_token_signature_alg", "userinfo_signed_response_alg"} {
		for name, c := range map[string]object{"rsa": rs, "ec": ec} {
			for _, alg := range strings.Fields("ES256 ES384 ES512 RS256 RS384 RS512 HS256 HS384 HS512 EdDSA PS256 bad_alg") {
				current := a.read(id(c))[member]
				switch {
				case strings.Contains(fits[name], alg) || current == alg:
					if got := a.send("PATCH", path(c), object{member: alg}, http.StatusOK)[member]; got != alg {
						t.Errorf("%s %s: %v", name, alg, got)
					}
				case alg == "PS256" || alg == "bad_alg":
					if diff := cmp.Diff(map[string][]string{member: {"is invalid", "is invalid"}}, a.refused("PATCH", path(c), object{member: alg})); diff != "" {
						t.Errorf("%s %s (-want +got):\n%s", name, alg, diff)
					}
				default:
					if diff := cmp.Diff(invalid(member, "is invalid"), a.refused("PATCH", path(c), object{member: alg})); diff != "" {
						t.Errorf("%s %s (-want +got):\n%s", name, alg, diff)
					}
				}
			}
		}
	}
	if got := a.create(object{"id_token_signature_alg": "RS512"})["id_token_signature_alg"]; got != "RS512" {
		t.Errorf("the default sent with an elliptic key is answered with %v", got)
	}
}

func TestRedirectURIs(t *testing.T) {
	t.Parallel()
	a := start(t)
	good := []string{
		"https://a.test/cb", "http://a.test", "http://localhost:3000/cb", "http://127.0.0.1/cb", "https://user:pw@a.test/cb", "https://a.test/cb?x=1",
		"https://a.test/a b", "custom://host/x", "com.example.app://cb", "com.example.app:///cb", "openid4vp://", "openid-credential-offer://",
		"https://*.a.test/cb", "https://a.test/**", "https://a.test/cb", "https://a.test/" + strings.Repeat("p", 240),
	}
	if diff := cmp.Diff(jsonOf(t, good), jsonOf(t, a.create(object{"redirect_uris": good})["redirect_uris"])); diff != "" {
		t.Error(diff)
	}
	bad := []string{
		"com.example.app:/cb", "urn:ietf:wg:oauth:2.0:oob", "mailto:a@b.test", "data:text/html,x", "http:/a", "/relative", "//host/x", "bad_uri",
		"https://a.test/#", "https://a.test/#f", `\bad_redirect_uri`, "$bad_redirect_uri",
		"javascript://x", "https://", "https://a.test:99999/", // these upstream takes
	}
	var want []string
	for _, uri := range bad {
		want = append(want, "`"+uri+"` is invalid")
	}
	c := a.create(nil)
	for method, at := range map[string]string{"POST": "/api/clients", "PATCH": path(c)} { // BL-02
		sent := append([]string{"https://fine.test"}, bad...)
		if diff := cmp.Diff(map[string][]string{"redirect_uris": want}, a.refused(method, at, a.quick(object{"redirect_uris": sent}))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", method, diff)
		}
	}
	long := []string{"https://a.test/" + strings.Repeat("p", 241)}
	if diff := cmp.Diff(invalid("redirect_uris", "should be at most 255 character(s)"), a.refused("PATCH", path(c), object{"redirect_uris": long})); diff != "" {
		t.Error(diff)
	}
}

func TestIDOfANewClient(t *testing.T) {
	t.Parallel()
	a := start(t)
	given := "0B1F2A34-8B7E-1F50-A7D5-3C5D0B6A9E01" // BL-04, of any version
	c := a.create(object{"id": given})
	if id(c) != strings.ToLower(given) {
		t.Errorf("id is %s", id(c))
	}
	if diff := cmp.Diff(invalid("id", "has already been taken"), a.refused("POST", "/api/clients", a.quick(object{"id": id(c)}))); diff != "" { // BL-05
		t.Error(diff)
	}
	for _, bad := range []any{"not an uuid", strings.ReplaceAll(given, "-", ""), "abcdefghijklmnop", 5, "{" + given + "}"} { // BL-06
		if diff := cmp.Diff(invalid("id", "is invalid"), a.refused("POST", "/api/clients", a.quick(object{"id": bad}))); diff != "" {
			t.Errorf("%v (-want +got):\n%s", bad, diff)
		}
	}
	for _, blank := range []any{nil, ""} {
		if _, err := uuid.Parse(id(a.create(object{"id": blank}))); err != nil {
			t.Error(err)
		}
	}
	if got := a.send("PATCH", path(c), object{"id": uuid.NewString()}, http.StatusOK); id(got) != id(c) {
		t.Errorf("a change moved the client to %s", id(got))
	}
}

func TestAllBrokenRulesAreReportedTogether(t *testing.T) {
	t.Parallel()
	a := start(t)
	want := map[string][]string{
		"name": {"is invalid"}, "pkce": {"is invalid"}, "access_token_ttl": {"is invalid"}, "redirect_uris": {"`b1` is invalid", "`b2` is invalid"},
		"id_token_signature_alg": {"is invalid", "is invalid"}, "secret": {"is invalid"}, "id": {"is invalid"}, "jwk": {"is invalid"},
	}
	got := a.refused("POST", "/api/clients", a.quick(object{
		"name": 1, "pkce": 2, "access_token_ttl": 0, "redirect_uris": []string{"b1", "https://ok.test", "b2"}, "id_token_signature_alg": "x",
		"secret": 3, "id": 4, "jwk": 5,
	}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A stored value that a rule would refuse today may be sent back.
func TestCurrentValuesAreNotChecked(t *testing.T) {
	t.Parallel()
	a := start(t)
	c := a.create(nil)
	if _, err := a.Pool.Exec(t.Context(), `UPDATE clients SET document = (document::jsonb || '{"boruta:access_token_ttl": 999999, "redirect_uris": ["app:/cb"]}')::json WHERE id = $1`, id(c)); err != nil {
		t.Fatal(err)
	}
	got := a.send("PATCH", path(c), object{"access_token_ttl": "999999", "redirect_uris": []string{"app:/cb"}, "name": "kept"}, http.StatusOK)
	if got["access_token_ttl"] != 999999. || got["name"] != "kept" {
		t.Errorf("got %v", got)
	}
	a.refused("PATCH", path(c), object{"access_token_ttl": 999998})
}

func TestJWKBecomesThePublicKey(t *testing.T) {
	t.Parallel()
	a := start(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	private, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ec := object{"kty": "EC", "crv": "P-256", "x": text(point[1:33]), "y": text(point[33:])}
	// The key of RFC 7638 §3.1.
	rsaJWK := object{"kty": "RSA", "e": "AQAB", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}
	c := a.create(object{"jwk": rsaJWK, "jwt_public_key": "loses"}) // BL-28
	if got := c["jwt_public_key"].(string); !strings.HasPrefix(got, "-----BEGIN RSA PUBLIC KEY-----\n") {
		t.Errorf("jwt_public_key is %q", got)
	}
	got := a.send("PATCH", path(c), object{"jwk": ec}, http.StatusOK)
	if !strings.HasPrefix(got["jwt_public_key"].(string), "-----BEGIN PUBLIC KEY-----\n") || got["token_endpoint_jwt_auth_alg"] != "HS256" {
		t.Errorf("got %v", got)
	}
	kept := a.send("PATCH", path(c), object{"jwk": nil}, http.StatusOK)
	if kept["jwt_public_key"] != got["jwt_public_key"] {
		t.Error("jwk: null took the key away")
	}
	for name, bad := range map[string]any{
		"text": "x", "array": []any{}, "blank": "", "nothing in it": object{}, "a set": object{"keys": []any{ec}}, "symmetric": object{"kty": "oct", "k": "AAAA"},
		"private": object{"kty": "EC", "crv": "P-256", "x": ec["x"], "y": ec["y"], "d": text(private)}, "off the curve": object{"kty": "EC", "crv": "P-256", "x": ec["x"], "y": ec["x"]},
		"for encryption": object{"kty": "EC", "crv": "P-256", "x": ec["x"], "y": ec["y"], "use": "enc"}, "for wrapping": object{"kty": "RSA", "e": "AQAB", "n": rsaJWK["n"], "key_ops": []string{"wrapKey"}},
		"of RSA-OAEP": object{"kty": "RSA", "e": "AQAB", "n": rsaJWK["n"], "alg": "RSA-OAEP-256"},
	} {
		if diff := cmp.Diff(invalid("jwk", "is invalid"), a.refused("PATCH", path(c), object{"jwk": bad})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// mislabelledKey is a PKCS #8 private key under the label of a public one.
func mislabelledKey() string {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
