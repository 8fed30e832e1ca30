package auth0_test

import (
	"flag"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosterhq/roster/internal/servertest"
)

// replaced, merged and nullable say what a change does to a member: the rules as
// the reference states them, written without a look at the table that serves.
var (
	replaced = map[string][]any{
		"name":                                   {"a", "b", "ü & \"c\""},
		"description":                            {"", "d"},
		"app_type":                               {"spa", "native", "non_interactive"},
		"sso":                                    {true, false},
		"oidc_conformant":                        {true, false},
		"callbacks":                              {[]any{}, []any{"https://x.example/1"}, []any{"https://x.example/2", "app://cb"}},
		"grant_types":                            {[]any{}, []any{"implicit"}, []any{"authorization_code", "refresh_token"}},
		"web_origins":                            {[]any{}, []any{"https://x.example"}},
		"custom_login_page":                      {"", "<p>"},
		"organization_usage":                     {"allow", "deny", nil},
		"par_request_expiry":                     {10.0, 600.0, nil},
		"compliance_level":                       {"none", nil},
		"async_approval_notification_channels":   {[]any{"email"}, []any{"guardian-push", "email"}, nil},
		"token_exchange":                         {object{}, object{"allow_any_profile_of_type": []any{"custom_authentication"}}, nil},
		"token_quota":                            {object{"client_credentials": object{"enforce": true}}, object{"client_credentials": object{"per_day": 5.0}}, nil},
		"identity_assertion_authorization_grant": {object{"active": true}, nil},
		"resource_servers":                       {[]any{}, []any{object{"identifier": "i", "scopes": []any{"s"}}}},
		"encryption_key":                         {object{"pub": "p"}, nil},
	}
	// Sub-members that a change names are replaced, null ones removed.
	merged = map[string]map[string][]any{
		"jwt_configuration":     {"alg": {"HS256", "RS256", "PS256"}, "lifetime_in_seconds": {1.0, 2.0}, "scopes": {object{}, object{"a": "b"}, object{"c": "d"}}},
		"mobile":                {"android": {object{}, object{"app_package_name": "p"}}, "ios": {object{"team_id": "t"}, object{"app_bundle_identifier": "b"}}},
		"addons":                {"slack": {object{"team": "t"}}, "sentry": {object{}, object{"org_slug": "o"}, object{"base_url": "b"}}, "wsfed": {object{}, object{"more": 1.0}}},
		"signed_request_object": {"required": {true, false}, "credentials": {[]any{}}},
		"native_social_login":   {"apple": {object{"enabled": true}, object{"enabled": false}, nil}, "google": {object{"enabled": true}, nil}},
		"client_metadata":       {"a": {"1", "2", nil}, "b": {"1", nil}, "c": {"x", nil}},
	}
	wholeNull = []string{"addons", "signed_request_object", "native_social_login"}
)

// patch draws a change.
func patch(t *rapid.T) object {
	change := object{}
	all := slices.Concat(slices.Sorted(maps.Keys(replaced)), slices.Sorted(maps.Keys(merged)))
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 6, rapid.ID).Draw(t, "members") {
		if values, ok := replaced[name]; ok {
			change[name] = rapid.SampledFrom(values).Draw(t, name)
			continue
		}
		if slices.Contains(wholeNull, name) && rapid.IntRange(0, 4).Draw(t, name+" goes") == 0 {
			change[name] = nil
			continue
		}
		least := 0
		if name == "native_social_login" {
			least = 1
		}
		subs := object{}
		for _, sub := range rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(merged[name]))), least, -1, rapid.ID).Draw(t, name+" members") {
			subs[sub] = rapid.SampledFrom(merged[name][sub]).Draw(t, name+"."+sub)
		}
		change[name] = subs
	}
	return change
}

// applied is what a client becomes by a change.
func applied(client, change object) object {
	next := maps.Clone(client)
	for name, value := range change {
		subs, isObject := value.(object)
		switch {
		case value == nil:
			delete(next, name)
		case merged[name] == nil || !isObject:
			next[name] = value
		case (name == "client_metadata" || name == "addons") && len(subs) == 0:
			next[name] = object{}
		default:
			whole := object{}
			if old, ok := next[name].(object); ok {
				maps.Copy(whole, old)
			}
			for sub, v := range subs {
				if v == nil {
					delete(whole, sub)
				} else {
					whole[sub] = v
				}
			}
			next[name] = whole
			if name == "native_social_login" && len(whole) == 0 { // the answer must have one provider
				delete(next, name)
			}
		}
	}
	return next
}

// Fewer tries than rapid's hundred unless -rapid.checks says otherwise: each takes
// some requests.
func init() { _ = flag.Set("rapid.checks", "30") }

func TestAnyChangesFollowTheMergeRules(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	rapid.Check(t, func(t *rapid.T) {
		r := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "a"})
		if r.Status != http.StatusCreated {
			t.Fatalf("create: %d %s", r.Status, r.Body)
		}
		want := r.Object()
		delete(want, "encrypted")
		delete(want, "signing_keys")
		path := "/api/v2/clients/" + want["client_id"].(string)
		for i := range rapid.IntRange(1, 6).Draw(t, "changes") {
			change := patch(t)
			want = applied(want, change)
			for _, r := range []servertest.Response{s.Do(s.Admin, "PATCH", path, change), s.Do(s.Admin, "GET", path, nil)} {
				if r.Status != http.StatusOK {
					t.Fatalf("change %d: %d %s", i, r.Status, r.Body)
				}
				got := r.Object()
				delete(got, "signing_keys")
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("after change %d, %v (-model +service):\n%s", i, change, diff)
				}
			}
		}
	})
}
