package boruta_test

import (
	stdflag "flag"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosterhq/roster/server/boruta"
)

// Members that both dialects have. What one writes there, the other shows, as
// far as it has words for it.
var (
	sharedHere  = []string{"name", "redirect_uris", "supported_grant_types", "token_endpoint_auth_methods", "confidential", "enforce_dpop", "id_token_signature_alg"}
	sharedThere = []string{"name", "callbacks", "grant_types", "token_endpoint_auth_method", "logo_uri", "jwks_uri", "require_proof_of_possession", "client_metadata"}
)

// grantsHere and grantsThere are grant types that one dialect alone knows.
var (
	grantsHere  = []any{"agent_code", "revoke", "introspect", "id_token", "vp_token", "agent_credentials"}
	grantsThere = []any{"urn:ietf:params:oauth:grant-type:device_code", "http://auth0.com/oauth/grant-type/mfa-otp", "http://auth0.com/oauth/grant-type/password-realm"}
	grantsBoth  = []any{"client_credentials", "password", "authorization_code", "refresh_token", "implicit"}
)

func sublist(list ...any) *rapid.Generator[[]any] {
	return rapid.Custom(func(t *rapid.T) []any {
		chosen := []any{}
		for _, item := range rapid.Permutation(list).Draw(t, "order") {
			if rapid.Bool().Draw(t, "keep") {
				chosen = append(chosen, item)
			}
		}
		return chosen
	})
}

func anyOf(values ...any) *rapid.Generator[any] { return rapid.SampledFrom(values) }

func asAny[T any](g *rapid.Generator[T]) *rapid.Generator[any] {
	return rapid.Map(g, func(v T) any { return v })
}

var flag = anyOf(true, false)

// membersHere are values that a client can be given in this dialect.
var membersHere = map[string]*rapid.Generator[any]{
	"name":                         anyOf(nil, "a name", " ", "<b>"),
	"redirect_uris":                asAny(sublist("https://a.test/cb", "openid4vp://", "https://*.a.test/**", "com.example.app:///cb")),
	"supported_grant_types":        asAny(sublist(append(slices.Clone(grantsBoth), append(grantsHere, "preauthorized_code")...)...)),
	"token_endpoint_auth_methods":  asAny(sublist("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt")),
	"confidential":                 flag,
	"enforce_dpop":                 anyOf(true, false, nil),
	"id_token_signature_alg":       anyOf("HS256", "HS384", "ES256", nil),
	"userinfo_signed_response_alg": anyOf("HS256", "ES512", nil),
	"pkce":                         anyOf(true, false, nil),
	"public_client_id":             anyOf("alias", nil),
	"access_token_ttl":             asAny(rapid.IntRange(1, 86400)),
	"id_token_ttl":                 asAny(rapid.IntRange(1, 86400)),
	"refresh_token_ttl":            asAny(rapid.IntRange(1, 2592000)),
	"metadata":                     anyOf(map[string]any{}, map[string]any{"k": "v", "n": 1}, map[string]any{"deep": []any{1}}),
	"logo_uri":                     anyOf("https://a.test/logo", nil),
	"jwks_uri":                     anyOf("https://a.test/jwks", nil),
	"trusted_hosts":                asAny(sublist("a.test", "b.test")),
	"trusted_authorities":          anyOf("", "pem"),
	"response_mode":                anyOf("post", "direct_post", nil),
	"jwt_public_key":               anyOf("key", nil),
	"secret":                       anyOf("a", "b", nil),
}

// membersThere are values that a client can be given in Auth0's dialect.
var membersThere = map[string]*rapid.Generator[any]{
	"name":                                  anyOf("there", "other"),
	"description":                           anyOf("words", ""),
	"callbacks":                             asAny(sublist("https://a.test/cb", "com.example.app:/cb", "https://b.test/cb")),
	"grant_types":                           asAny(sublist(append(slices.Clone(grantsBoth[1:]), grantsThere...)...)),
	"token_endpoint_auth_method":            anyOf("client_secret_post", "client_secret_basic"),
	"require_proof_of_possession":           flag,
	"jwt_configuration":                     rapid.Map(asAny(rapid.IntRange(1, 100000)), func(n any) any { return object{"lifetime_in_seconds": n, "alg": "PS256"} }),
	"client_metadata":                       anyOf(object{"a": "b"}, object{"k": nil}, object{}),
	"allowed_logout_urls":                   asAny(sublist("https://a.test/out", "https://b.test/out")),
	"web_origins":                           asAny(sublist("https://a.test", "https://b.test")),
	"app_type":                              anyOf("spa", "regular_web", "native"),
	"oidc_conformant":                       flag,
	"sso_disabled":                          flag,
	"logo_uri":                              anyOf("https://b.test/logo", "https://c.test/logo"),
	"require_pushed_authorization_requests": flag,
	"par_request_expiry":                    asAny(rapid.IntRange(10, 600)),
}

func document(members map[string]*rapid.Generator[any]) *rapid.Generator[object] {
	return rapid.Custom(func(t *rapid.T) object {
		doc := object{}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if rapid.IntRange(0, 3).Draw(t, "use "+name) == 0 {
				doc[name] = members[name].Draw(t, name)
			}
		}
		return doc
	})
}

// without is a view less the members that both dialects have.
func without(view object, shared []string) object {
	rest := maps.Clone(view)
	for _, name := range shared {
		delete(rest, name)
	}
	if config, ok := rest["jwt_configuration"].(object); ok {
		config = maps.Clone(config)
		delete(config, "alg")
		rest["jwt_configuration"] = config
		if len(config) == 0 {
			delete(rest, "jwt_configuration")
		}
	}
	return rest
}

func among(list any, of []any) []any {
	found := []any{}
	all, _ := list.([]any)
	for _, item := range all {
		if slices.Contains(of, item) {
			found = append(found, item)
		}
	}
	return found
}

// sets are the members whose order means nothing.
var sets = []string{"supported_grant_types", "token_endpoint_auth_methods"}

// asSet sorts the value of a member if it is a set.
func asSet(member string, value any) any {
	list, ok := value.([]any)
	if !ok || !slices.Contains(sets, member) {
		return value
	}
	return slices.SortedFunc(slices.Values(list), func(x, y any) int { return strings.Compare(x.(string), y.(string)) })
}

// Fewer tries than rapid's hundred unless -rapid.checks says otherwise: each takes
// some requests.
func init() { _ = stdflag.Set("rapid.checks", "30") }

// Documents are made in one dialect and changed through both in turn. What only
// one dialect knows, the other neither loses nor alters; what both know, both
// show.
func TestDialectsKeepWhatTheOtherOwns(t *testing.T) {
	t.Parallel()
	a := startWith(t, boruta.Config{Master: true})
	rapid.Check(t, func(t *rapid.T) {
		var at, clientID string
		if rapid.Bool().Draw(t, "made here") {
			at = id(a.create(document(membersHere).Draw(t, "create")))
			clientID = at
		} else {
			doc := document(membersThere).Draw(t, "create")
			delete(doc, "client_metadata") // null is for changes
			doc["name"] = "made there"
			made := a.Do(a.Admin, "POST", "/api/v2/clients", doc).Want(http.StatusCreated).Object()
			clientID = made["client_id"].(string)
			if err := a.Pool.QueryRow(a.t.Context(), `SELECT id FROM clients WHERE client_id = $1`, clientID).Scan(&at); err != nil {
				t.Fatal(err)
			}
		}
		here := func() object {
			return a.Do(a.Admin, "GET", "/api/clients/"+at, nil).Want(http.StatusOK).Object()["data"].(object)
		}
		there := func() object { return a.auth0("GET", "/"+clientID, nil, http.StatusOK) }
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			was, wasThere := here(), there()
			switch rapid.IntRange(0, 2).Draw(t, "who") {
			case 0:
				change := document(membersHere).Draw(t, "change here")
				answer := a.Do(a.Admin, "PATCH", "/api/clients/"+at, object{"client": change})
				if answer.Status == http.StatusUnprocessableEntity { // an algorithm that the key of this client cannot have
					if diff := cmp.Diff([]any{was, wasThere}, []any{here(), there()}); diff != "" {
						t.Fatalf("a refused change left something behind:\n%s", diff)
					}
					continue
				}
				now := answer.Want(http.StatusOK).Object()["data"].(object)
				for member, sent := range change {
					if now[member] != nil && member != "secret" && member != "name" && a.shows(member) {
						if diff := cmp.Diff(asSet(member, jsonOf(a.t, sent)), asSet(member, now[member])); diff != "" {
							t.Fatalf("%s is not what was sent:\n%s", member, diff)
						}
					}
				}
				ignored := append(slices.Clone(sharedThere), "client_secret")
				if diff := cmp.Diff(without(wasThere, ignored), without(there(), ignored)); diff != "" {
					t.Fatalf("a change here reached members of Auth0's dialect:\n%s", diff)
				}
				if diff := cmp.Diff(among(wasThere["grant_types"], grantsThere), among(there()["grant_types"], grantsThere)); diff != "" {
					t.Fatalf("a change here reached grant types of Auth0's dialect:\n%s", diff)
				}
			case 1:
				change := document(membersThere).Draw(t, "change there")
				if len(change) == 0 { // which Auth0 refuses
					change["description"] = "changed"
				}
				a.auth0("PATCH", "/"+clientID, change, http.StatusOK)
				if diff := cmp.Diff(without(was, sharedHere), without(here(), sharedHere)); diff != "" {
					t.Fatalf("a change in Auth0's dialect reached members of this one:\n%s", diff)
				}
				if diff := cmp.Diff(among(was["supported_grant_types"], grantsHere), among(here()["supported_grant_types"], grantsHere)); diff != "" {
					t.Fatalf("a change in Auth0's dialect reached grant types of this one:\n%s", diff)
				}
			case 2: // sent back whole, sets in any order
				held, back := a.stored(at), maps.Clone(was)
				for _, member := range sets {
					if list, ok := back[member].([]any); ok && len(list) > 0 {
						back[member] = rapid.Permutation(list).Draw(t, "order of "+member)
					}
				}
				a.Do(a.Admin, "PUT", "/api/clients/"+at, object{"client": back}).Want(http.StatusOK)
				if diff := cmp.Diff([]any{was, wasThere, held}, []any{here(), there(), a.stored(at)}); diff != "" {
					t.Fatalf("a client that was sent back changed:\n%s", diff)
				}
			}
			a.agree(t, here(), there())
		}
	})
}

// shows reports whether answers have the member.
func (a *api) shows(member string) bool { return slices.Contains(a.keys, member) }

// agree holds the shared members of two views of a client against each other.
func (a *api) agree(t *rapid.T, here, there object) {
	same := func(what string, x, y any) {
		if diff := cmp.Diff(x, y); diff != "" {
			t.Fatalf("the dialects disagree about %s (-here +there):\n%s", what, diff)
		}
	}
	if here["name"] != nil {
		same("the name", here["name"], there["name"])
	}
	if uris, ok := there["callbacks"]; ok {
		same("redirect URIs", here["redirect_uris"], uris)
	}
	if bound, ok := there["require_proof_of_possession"]; ok {
		same("DPoP", here["enforce_dpop"], bound)
	}
	sorted := func(list any) []any {
		found := among(list, grantsBoth)
		slices.SortFunc(found, func(x, y any) int { return slices.Index(grantsBoth, x) - slices.Index(grantsBoth, y) })
		return found
	}
	same("grant types", sorted(here["supported_grant_types"]), sorted(there["grant_types"]))
	same("the secret", here["secret"], there["client_secret"])
	if there["token_endpoint_auth_method"] == "none" {
		same("confidential", here["confidential"], false)
	}
}
