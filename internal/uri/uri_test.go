package uri_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/uri"
)

// formats names every exported check.
var formats = map[string]func(string) error{
	"callback-url":                                  uri.CallbackURL,
	"url-with-placeholders":                         uri.URLWithPlaceholders,
	"absolute-uri-or-empty":                         uri.AbsoluteURIOrEmpty,
	"absolute-https-uri-or-empty":                   uri.AbsoluteHTTPSURIOrEmpty,
	"absolute-https-uri-with-placeholders-or-empty": uri.AbsoluteHTTPSURIWithPlaceholdersOrEmpty,
	"url":                     uri.URL,
	"login-template":          uri.LoginTemplateURL,
	"redirect-with-authority": uri.RedirectWithAuthority,
	"resource":                uri.Resource,
}

func TestEveryFormatRefusesDangerousAndAmbiguousURIs(t *testing.T) {
	t.Parallel()
	long := "https://a.test/" + strings.Repeat("a", uri.MaxLength)
	corpus := map[string][]string{
		"script schemes": {
			"javascript:alert(1)", "JaVaScript:alert(1)", "javascript://x", "javascript:///x", "javascript://%0aalert(1)",
			"JAVASCRIPT://a.test/%0Aalert(1)", "data:text/html,x", "DATA:text/html;base64,eA==", "data://x/y", "vbscript:x", "VbScript://x",
			"blob:https://a.test/1", "blob://x", "file:///etc/passwd", "FILE://host/share", "filesystem:https://a.test/x",
			"view-source:https://a.test/", "about:blank", "about://blank", "jar:https://a.test!/x", "intent://a.test#Intent;end",
			"feed:javascript:alert(1)", "mhtml:https://a.test/x",
		},
		"script schemes in disguise": {
			" javascript:alert(1)", "\tjavascript:alert(1)", "\njavascript://x", "\x00javascript://x", "\x01javascript:x", "java\tscript:alert(1)",
			"java\nscript://x", "java\rscript://x", "java\x00script://x", "javascript\t:alert(1)", "javascript\n://x", "javascript%3aalert(1)",
			"java%73cript:alert(1)", "%6aavascript:alert(1)", "\u00a0javascript://x", "\ufeffjavascript://x", "ｊavascript://x", "javascript&colon;x",
		},
		"control characters and spaces": {
			" https://a.test/cb", "https://a.test/cb ", "https://a.test/cb\n", "https://a.test/\tcb", "https://a.test/\r\nSet-Cookie:x", "https://a.test/\x00",
			"https://a.test/\x7f", "ht\ntps://a.test/", "https:/\t/a.test/", "https://a\n.test/", "https://a.test/%00", "https://a.test/%0d%0aX:y", "https://a.test/?q=%0a",
			"https://a.test/%7f", "https://a.test/%1F", "https://a .test/", "https://a.test:80 /",
		},
		"broken escapes": {"https://a.test/%", "https://a.test/%2", "https://a.test/%zz", "https://a.test/?a=%u0041", "https://a.test/%2%65"},
		"backslashes": {
			`https:\\a.test\cb`, `https://a.test\@evil.test/`, `https://a.test\.evil.test/`, `https:/\evil.test/`, `\\evil.test/x`, `https://a.test/..\x`,
		},
		"user information": {
			"https://a.test@b.test@evil.test/", "https://a.test:x@y@evil.test/", "https://a@b@c/", "https://[@a.test/", "https://a.test@/",
		},
		"fragments": {"https://a.test/cb#", "https://a.test/#a#b", "https://a.test#", "https://#", "https://a.test/cb?x#"},
		"dot segments": {
			"https://a.test/../x", "https://a.test/a/..", "https://a.test/./x", "https://a.test/.", "https://a.test/a/..;/x", "https://a.test/a/..;v=1/x",
			"https://a.test/%2e%2e/x", "https://a.test/%2E%2e/x", "https://a.test/.%2e/x", "https://a.test/%2e/x", "https://a.test/a%2f..%2fx",
			"https://a.test/a%5c..%5cx", "https://a.test/..%2fx", "https://a.test/a/%2e%2e;/x",
		},
		"hosts that are none": {
			"https://", "https:///", "https:///cb", "http://?x", "https:////evil.test/", "https:evil.test", "https:/evil.test/cb", "http:a", "https://:443/",
			"ftp:///evil.test/x", "wss:/evil.test", "https://a..test/", "https://.a.test/", "https://a.test./", "https://a.test.:443/", "https://./", "https://-%2e-/",
			"https://a%2etest/", "https://a%00.test/", "https://a_b%5f.test/", "https://a;b.test/", "https://a,b.test/", "https://a!b.test/", "https://(a).test/",
		},
		"long hosts": {"https://" + strings.Repeat("a", 64) + ".test/", "https://" + strings.Repeat("a.", 125) + "test/"},
		"numbers for hosts": {
			"http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://127.1/", "http://0177.0.0.1/", "http://127.0.0.01/", "http://127.0.0.256/",
			"http://1.2.3.4.5/", "http://a.1/", "http://a.0x/", "http://a.0xF/", "http://1/", "http://127.0.0.1./",
		},
		"IPv6 that is none":       {"http://[::1", "http://::1/", "http://[::1]x/", "http://[::1]:/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[127.0.0.1]/", "http://[]/", "http://[a.test]/"},
		"ports":                   {"https://a.test:/", "https://a.test:0/", "https://a.test:00443/", "https://a.test:65536/", "https://a.test:99999/", "https://a.test:-1/", "https://a.test:+80/", "https://a.test:80:80/", "https://a.test:8_0/", "https://a.test:*/", "http://localhost:*/cb", "https://a.test:0x50/"},
		"punycode that is none":   {"https://xn--a/", "https://xn--.test/", "https://XN--A.test/", "https://a.xn--a-.test/", "https://xn--abc-.test/"},
		"letters that look alike": {"https://аpple.test/", "https://faß.test/", "https://a。test/", "https://ａ.test/", "https://a\u200d.test/", "https://a\u202e.test/", "https://a.test/é", "https://a.test/\xff"},
		"not absolute":            {"a", "/cb", "//a.test/cb", "a.test/cb", "*.a.test/cb", "bad_uri", "?x", "#x", ":x", "://a.test", "1http://a.test", "-a://x", "a_b://x", "+a://x", "*://a.test/"},
		"characters of no URI":    {"https://a.test/<script>", `https://a.test/"x"`, "https://a.test/`", "https://a.test/^", "https://a.test/|", "https://a.test/?a=<b>"},
		"wildcards out of place": {
			"https://*", "https://*/cb", "https://*.test/", "https://a.test*/", "https://a*.test/", "https://a.test*.evil.test/", "https://sub.*.a.test/", "https://a.*/", "https://*.*.a.test/", "https://**.a.test/",
			"https://*.a.*/", "https://*.0.0.1/", "https://*.1/", "https://*a.test/", "app://*.a.test/", "com.example.app://*", "http://*:80/", "http://[*]/", "ht*ps://a.test/",
		},
		"braces that are no placeholder": {
			"https://{", "https://a.test/}", "https://a.test/{}", "https://{}.a.test/", "https://{tenant}.a.test/", "https://{organization_name.a.test/", "https://{{organization_name}}.a.test/",
			"https://{Organization_Name}.a.test/", "https://{organization_name }.a.test/", "https://${organization_name}.a.test/", "https://{organization.metadata.secret}.a.test/",
			"https://{custom_domain.metadata.public_}.a.test/", "https://{custom_domain.metadata.public_a.b}.a.test/", "https://{user.metadata.public_a}.a.test/",
			"{organization_name}", "{organization_name}://a.test/", "https{organization_name}://a.test/", "https://a.test:{organization_name}/",
			"https://{organization_name}", "https://{organization_name}.test/", "https://sub.{organization_name}.a.test/", "https://{organization_name}.{organization_name}.a.test/",
			"https://pre-{organization_name}.a.test/", "https://{organization_name}-post.a.test/", "https://{organization_name}.*.a.test/", "https://*.{custom_domain.metadata.public_a}/",
			"https://{organization_name}{organization_name}.a.test/", "https://{organization_name}@a.b.test/", "app://{organization_name}.a.test/", "https://a.test/\x01", "https://\x01.a.test/",
		},
		"too long": {long},
	}
	for kind, uris := range corpus {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for _, s := range uris {
				for format, check := range formats {
					if check(s) == nil {
						t.Errorf("%s accepts %q", format, s)
					}
				}
			}
		})
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	redirects := []string{
		"https://example.com/callback", "http://localhost:3000/callback", "http://localhost:3000", "http://127.0.0.1:8080", "http://127.0.0.1:8080/cb",
		"http://[::1]:3000/cb", "https://[2001:db8::1]/", "https://example.com/a?b=c", "https://example.com?b=c", "https://example.com:8443/", "https://EXAMPLE.com/CB",
		"https://xn--e1afmkfd.test/", "https://my_app.example.com/cb", "https://a.test/cb;v=1", "https://a.test/a/...", "https://a.test/a..b/c", "https://a.test/caf%C3%A9",
		"https://a.test/?next=https://b.test/x?y", "https://a.test/?x[]=1", "https://a.test//b", "https://a.test/a@b", "https://a.test/a:b",
		"https://system-admin.okta.com/admin/app/generic/oauth20redirect", "https://abcdefgh.chromiumapp.org/", "https://0a1.test/", "https://1.test/",
		"com.example.app://callback", "com.example.app://tenant.eu.auth0.com/ios/com.example.app/callback", "com.example.app:///cb", "myapp://", "app://x", "exp://127.0.0.1:19000/--/auth",
		"openid4vp://", "openid-credential-offer://", "custom://host/x", "MyApp://Callback", "app+v1.2-x://cb", "app://1",
		"https://*.example.com/cb", "https://*.example.com", "http://*.localhost:3000/cb", "https://prefix-*-suffix.example.com", "https://pr-*.a.b.example.com:8443/cb",
		"https://a.test/*", "https://a.test/**", "https://a.test/*/x?y=*",
	}
	hostPlaceholders := []string{
		"https://{organization_name}.example.com", "http://{organization_name}.localhost:3000/cb", "https://{organization_name}.a.example.com/cb",
		"https://{custom_domain.metadata.public_app_url}.example.com/login", "https://{custom_domain.metadata.public_host}/cb", "https://{organization.metadata.PUBLIC_host}:8443/",
		"https://{organization_name}.{custom_domain.metadata.public_domain}/cb", "https://app.{custom_domain.metadata.public_domain}/cb",
	}
	pathPlaceholders := []string{
		"https://{custom_domain.metadata.public_app_host}/o/{organization.metadata.public_login_host}", "https://a.test/{organization_name}?o={organization_name}",
	}
	plainHTTPS := []string{"https://example.com/login", "https://example.com", "https://auth0.test/all/logout", "https://a.test/jwks.json?v=1", "https://1.2.3.4/jwks", "https://localhost/jwks"}
	cases := map[string]struct{ valid, invalid []string }{
		"callback-url": {
			valid:   slices.Concat(redirects, hostPlaceholders, plainHTTPS, []string{"com.example.app:/cb", "com.example.app:/"}),
			invalid: slices.Concat(pathPlaceholders, []string{"", "https://a.test/#cb", "http://localhost:4200/#/cb", "https://u:p@a.test/", "https://u@a.test/", "https://a.test/a b", "urn:ietf:wg:oauth:2.0:oob", "myapp:callback", "mailto:a@b.test", "tel:1", "myapp:", "myapp://:80", "myapp://a:0"}),
		},
		"url-with-placeholders": {
			valid: slices.Concat(redirects, hostPlaceholders, plainHTTPS, []string{
				"capacitor://localhost", "ionic://localhost", "chrome-extension://abcdefghijklmnop", "https://app.example.com/#/bye", "http://localhost/logout", "com.example.app:/bye",
			}),
			invalid: slices.Concat(pathPlaceholders, []string{"", "*.google.com", "https:localhost:3000/logout", "https://u:p@a.test/", "null", "*", "file://*"}),
		},
		"absolute-uri-or-empty": {
			valid:   slices.Concat(plainHTTPS, []string{"", "http://a.test/logo.png", "https://example.com/logoUri", "https://a.test/sprite.svg#logo"}),
			invalid: slices.Concat(hostPlaceholders, pathPlaceholders, []string{"myapp://logo", "https://*.example.com/logo", "urn:x:y", "logo.png"}),
		},
		"absolute-https-uri-or-empty": {
			valid:   slices.Concat(plainHTTPS, []string{""}),
			invalid: slices.Concat(hostPlaceholders, pathPlaceholders, []string{"http://a.test/", "http://localhost/jwks", "https://a.test/#x", "https://*.example.com/", "https://u:p@a.test/", "app://x"}),
		},
		"absolute-https-uri-with-placeholders-or-empty": {
			valid:   slices.Concat(plainHTTPS, pathPlaceholders, []string{"", "https://{organization.metadata.public_login_host}", "https://{organization_name}.example.com/login"}),
			invalid: []string{"http://localhost:3000", "http://{organization_name}.example.com", "https://a.test/#x", "https://*.example.com/", "https://a.test/{organization_id}"},
		},
		"url": {
			valid:   slices.Concat(plainHTTPS, []string{"http://a.test", "https://example.com:123", "https://acme-org.com", "https://a.test/#x"}),
			invalid: slices.Concat(hostPlaceholders, []string{"", "app://x", "https://*.example.com/", "example.com"}),
		},
		"login-template": {
			valid: slices.Concat(plainHTTPS, []string{
				"https://example.com/login?org={organization_name}", "https://example.com/{organization_id}/{connection_name}", "https://{organization_name}.example.com/?c={connection_name}",
			}),
			invalid: slices.Concat(pathPlaceholders[:1], []string{"", "http://example.com/login", "https://{organization_id}.example.com/", "https://{connection_name}.a.example.com", "https://example.com/{name}", "https://*.a.test/", "https://a.test/#{organization_name}"}),
		},
		"redirect-with-authority": {
			valid: slices.Concat(redirects, plainHTTPS, []string{"https://user:pw@a.test/cb", "https://a.test/a b", "https://a.test/?a b", "http://redirect.uri", "http://updated.redirect.uri"}),
			invalid: slices.Concat(hostPlaceholders, pathPlaceholders, []string{
				"", "com.example.app:/cb", "urn:ietf:wg:oauth:2.0:oob", "mailto:a@b.test", "http:/a", `\bad_redirect_uri`, "$bad_redirect_uri", "https://a.test/#x", "https://a.test/a ", "https://a b.test/", "app:// x", "https://u p@a.test/",
			}),
		},
		"resource": {
			valid:   slices.Concat(plainHTTPS, []string{"urn:example:api", "https://api.example.com/v1?x=y", "api://default", "spiffe://td/x", "com.example:/x"}),
			invalid: slices.Concat(hostPlaceholders, []string{"", "urn:", "urn", "urn:a#b", "urn:a b", "urn:a%zz", "https://a.test/#x"}),
		},
	}
	for format := range formats {
		c, tested := cases[format]
		if !tested {
			t.Errorf("%s has no cases", format)
		}
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			for _, s := range c.valid {
				if err := formats[format](s); err != nil {
					t.Errorf("%q: %v", s, err)
				}
			}
			for _, s := range c.invalid {
				if formats[format](s) == nil {
					t.Errorf("accepts %q", s)
				}
			}
		})
	}
}

func TestErrorsSayWhatIsWrongWithoutTheValue(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		value string
		want  string
	}{
		"script":      {"javascript:hunter2", "must not use a scheme that runs or embeds content, such as javascript or data"},
		"relative":    {"hunter2", "must be absolute: start with a scheme such as https://"},
		"password":    {"https://u:hunter2@a.test/", "must not hold a user name or password (@ before the host)"},
		"fragment":    {"https://a.test/#hunter2", "must not hold a fragment (#)"},
		"backslash":   {`https://a.test\hunter2`, "must not hold a backslash"},
		"wildcard":    {"https://hunter2.*.a.test/", "must hold no more than one wildcard or placeholder in its host, a wildcard in the left-most label"},
		"top level":   {"https://*.hunter2", "must have two labels at least after the wildcard or placeholder of its host"},
		"placeholder": {"https://{hunter2}.a.test/", "must hold no placeholders but {organization_name}, {organization.metadata.public_…} and {custom_domain.metadata.public_…}"},
		"part":        {"https://hunter2-{organization_name}.a.test/", "must have a placeholder as a whole label of its host"},
		"number":      {"https://2130706433/hunter2", "must not have a host that ends in a number, unless it is an IPv4 address in four decimal parts"},
		"port":        {"https://a.test:99999/hunter2", "must have a port from 1 to 65535, or none and no colon"},
		"foreign":     {"https://hünter2.test/", "must be ASCII: write an international host in punycode and percent-encode the rest"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := fmt.Sprint(uri.CallbackURL(c.value)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
