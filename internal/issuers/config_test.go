package issuers_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/issuers"
)

func TestParseReadsIssuersAndTheirOptions(t *testing.T) {
	t.Parallel()
	got, err := issuers.Parse(`
		https://login.example
		https://idp.example/realms/ops;aud=api://roster;alg=ES256,RS512;claim=roles;prefix=roster:;scopes=read:clients
		http://127.0.0.1:8081/ http://localhost:1  http://[::1]:1`, known)
	if err != nil {
		t.Fatal(err)
	}
	usual := []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}
	want := []issuers.Config{
		{URL: "https://login.example", Algorithms: usual, Scopes: known},
		{
			URL: "https://idp.example/realms/ops", Audience: "api://roster", Algorithms: []jose.SignatureAlgorithm{jose.ES256, jose.RS512},
			Claim: "roles", Prefix: "roster:", Scopes: []string{"read:clients"},
		},
		{URL: "http://127.0.0.1:8081/", Algorithms: usual, Scopes: known},
		{URL: "http://localhost:1", Algorithms: usual, Scopes: known},
		{URL: "http://[::1]:1", Algorithms: usual, Scopes: known},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("issuers (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"a name":                  {"login.example", "form https://"},
		"plain http":              {"http://login.example", "https URL"},
		"http to a lookalike":     {"http://127.0.0.1.example", "https URL"},
		"another scheme":          {"file:///etc/keys", "form https://"},
		"user information":        {"https://u:p@login.example", "form https://"},
		"a query":                 {"https://login.example?x=1", "no query"},
		"an empty query":          {"https://login.example?", "no query"},
		"a fragment":              {"https://login.example#x", "form https://"},
		"a bar":                   {"https://login.example/a|b", "no |"},
		"an umlaut":               {"https://lögin.example", "form https://"},
		"an issuer twice":         {"https://login.example https://login.example;alg=ES256", "twice"},
		"an unknown option":       {"https://login.example;audience=x", "not one of aud, alg, claim"},
		"an option without value": {"https://login.example;aud", "name=value"},
		"an empty value":          {"https://login.example;aud=", "name=value"},
		"an option twice":         {"https://login.example;aud=a;aud=b", "each name once"},
		"alg HS256":               {"https://login.example;alg=RS256,HS256", `"HS256" is not one of`},
		"alg none":                {"https://login.example;alg=none", `"none" is not one of`},
		"an unknown scope":        {"https://login.example;scopes=read:everything", `"read:everything" is not a scope`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := issuers.Parse(c.text, known); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestParseNamesEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := issuers.Parse("one https://two;alg=none https://three ftp://four", known)
	if err == nil {
		t.Fatal("no error")
	}
	for _, issuer := range []string{`"one"`, `"https://two"`, `"ftp://four"`} {
		if !strings.Contains(err.Error(), issuer) {
			t.Errorf("the error does not name %s: %v", issuer, err)
		}
	}
}

func TestRosterIsNoOutsideIssuer(t *testing.T) {
	t.Parallel()
	list, err := issuers.Parse("https://roster.example/", known)
	if err != nil {
		t.Fatal(err)
	}
	self := issuers.Self{Issuer: "https://roster.example/", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if _, err := issuers.New(list, self); err == nil {
		t.Error("an issuer that is Roster itself was accepted")
	}
}
