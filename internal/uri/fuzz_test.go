package uri_test

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// FuzzFormats holds every format to what no accepted value may be.
func FuzzFormats(f *testing.F) {
	for _, s := range []string{
		"https://example.com/callback", "http://127.0.0.1:8080/cb?x=y", "https://*.example.com/cb", "https://{organization_name}.example.com", "com.example.app:/cb", "myapp://",
		"https://u:p@a.test/", "https://[::1]:3000/", "urn:example:api", "javascript://x", "https://a.test/..;/x", "https://a.test/%2e%2e/", `https://a.test\@b.test`, "https://a.test:0/",
		"https://a.test/{organization_id}", "https://a.test/#x",
	} {
		f.Add(s)
	}
	scripts := []string{"javascript", "data", "vbscript", "blob", "file"}
	placeholder := regexp.MustCompile(`\{[a-zA-Z0-9_.]+\}`)
	f.Fuzz(func(t *testing.T, s string) {
		for format, check := range formats {
			if s == "" || check(s) != nil {
				continue
			}
			if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' }); i >= 0 {
				t.Errorf("%s accepts %q with %q", format, s, s[i])
			}
			filled := strings.ReplaceAll(placeholder.ReplaceAllString(s, "x"), "*", "x")
			u, err := url.Parse(filled)
			if err != nil {
				t.Fatalf("%s accepts %q, net/url does not: %v", format, s, err)
			}
			scheme, rest, _ := strings.Cut(filled, ":")
			if !strings.EqualFold(u.Scheme, scheme) || slices.Contains(scripts, u.Scheme) {
				t.Errorf("%s accepts %q with scheme %q", format, s, u.Scheme)
			}
			// What a browser takes for the authority of a web URL.
			if u.Scheme == "http" || u.Scheme == "https" {
				authority := strings.TrimLeft(rest, `/\`)
				if i := strings.IndexAny(authority, `/\?#`); i >= 0 {
					authority = authority[:i]
				}
				if host := authority[strings.LastIndex(authority, "@")+1:]; host != u.Host || host == "" {
					t.Errorf("%s accepts %q, whose host is %q or %q", format, s, u.Host, host)
				}
			}
			for segment := range strings.SplitSeq(u.Path, "/") {
				if segment == "." || segment == ".." {
					t.Errorf("%s accepts %q with a dot segment", format, s)
				}
			}
		}
	})
}
