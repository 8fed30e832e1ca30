package abuse

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/issuers"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
)

// trap listens, and counts who connects.
type trap struct {
	URL   string
	count atomic.Int64
}

func newTrap(t testing.TB) *trap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	p := &trap{URL: "http://" + ln.Addr().String()}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.count.Add(1)
			_ = conn.Close()
		}
	}()
	return p
}

func (p *trap) wantUntouched(t testing.TB) {
	t.Helper()
	if n := p.count.Load(); n != 0 {
		t.Errorf("the service connected %d times", n)
	}
}

// No address of a client is ever fetched, wherever it points: not when it is
// registered, shown or changed, and not when the client authenticates.
func TestNoAddressOfAClientIsFetched(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	trap := newTrap(t)
	at := func(path string) string { return trap.URL + path }
	id, secret := newClient(s, object{
		"callbacks": []string{at("/cb")}, "allowed_logout_urls": []string{at("/bye")}, "allowed_origins": []string{trap.URL}, "web_origins": []string{trap.URL},
		"logo_uri": at("/logo.png"), "cross_origin_loc": at("/x"), "oidc_logout": object{"backchannel_logout_urls": []string{"https" + strings.TrimPrefix(at("/logout"), "http")}},
		"addons": object{"mscrm": object{"url": at("/crm")}, "rms": object{"url": at("/rms")}, "samlp": object{"logout": object{"callback": at("/saml")}}},
	})
	own := s.Do(s.Admin, "POST", "/api/clients", boruta(newProvider(s), object{
		"redirect_uris": []string{at("/cb")}, "jwks_uri": at("/jwks"), "logo_uri": at("/logo"), "authorized_resources": []string{at("/api")},
		"trusted_authorities": trap.URL, "trusted_hosts": []string{strings.TrimPrefix(trap.URL, "http://")},
		"token_endpoint_auth_methods": []string{"private_key_jwt"}, "confidential": true,
	})).Want(201).Object()["data"].(object)["id"].(string)
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": at("/api")}).Want(201)
	read(s, id)
	s.Do(s.Admin, "GET", "/api/clients/"+own, nil).Want(200)
	s.Do(s.Admin, "PATCH", clientPath(id), object{"logo_uri": at("/other")}).Want(200)
	good(t, s, id, secret)
	present(s, sign(t, "RS256", keys[0](), object{"kid": "x"}, claims(s, own))).Want(401)
	s.Do(s.Admin, "DELETE", clientPath(id), nil).Want(204)
	trap.wantUntouched(t)
	// A trap that cannot be sprung proves nothing.
	if _, err := http.Get(trap.URL); err == nil {
		t.Error("the trap answers")
	}
	if trap.count.Load() == 0 {
		t.Error("the trap does not count")
	}
}

// The one thing that is fetched is the key set of an issuer that the operator
// trusts: redirects lead nowhere, and answers without end are not read. A token
// cannot say where to look.
func TestNothingButTheKeySetsOfTrustedIssuersIsFetched(t *testing.T) {
	t.Parallel()
	prey := newTrap(t)
	var sent atomic.Int64
	mux := http.NewServeMux()
	var issuer string
	mode := "redirect"
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, issuer+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		if mode == "redirect" {
			http.Redirect(w, r, prey.URL, http.StatusFound)
			return
		}
		chunk := []byte(strings.Repeat(" ", 64<<10))
		for {
			n, err := w.Write(chunk)
			if sent.Add(int64(n)); err != nil || sent.Load() > 1<<30 {
				return
			}
		}
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer = "http://" + ln.Addr().String()
	srv := &http.Server{Handler: mux}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	for _, mode = range []string{"redirect", "endless"} {
		s := servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) {
			list, err := issuers.Parse(issuer, []string{"read:clients"})
			if err != nil {
				t.Fatal(err)
			}
			if c.Issuers, err = issuers.New(list, issuers.Self{Issuer: c.Issuer(), Audience: c.ManagementAudience(), Now: c.Now, Log: discard}); err != nil {
				t.Fatal(err)
			}
		}})
		token := func(header object, iss string) string {
			c := claims(s, "alice")
			c["iss"], c["aud"], c["scope"] = iss, s.Registry.ManagementAudience(), "read:clients"
			return sign(t, "RS256", keys[0](), header, c)
		}
		if r := s.Do(token(nil, issuer), "GET", "/api/v2/clients", nil); r.Status != 503 && r.Status != 401 {
			t.Errorf("%s: %d %s", mode, r.Status, r.Body)
		}
		s.Do(token(object{"jku": prey.URL, "x5u": prey.URL}, issuer), "GET", "/api/v2/clients", nil).Want(401)
		s.Do(token(nil, prey.URL), "GET", "/api/v2/clients", nil).Want(401)
	}
	prey.wantUntouched(t)
	if n := sent.Load(); n == 0 || n > 64<<20 {
		t.Errorf("%d bytes of an endless answer were taken", n)
	}
}

// poison are addresses that run content in a browser, or that two parsers take
// for different things.
var poison = []string{
	"javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://x.example/%0aalert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "java\nscript:alert(1)", "java\x00script:alert(1)",
	"\x01javascript:alert(1)", "javascript%3Aalert(1)", "data:text/html,x", "DATA:text/html;base64,eA==", "vbscript:x", "blob:https://x.example/1", "file:///etc/passwd", "FILE:///etc/passwd",
}

// No dialect takes such an address in any member that is one.
func TestNoDialectTakesAnAddressThatIsUnsafe(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := newClient(s, nil)
	before := read(s, id)
	many := func(v string) any { return []string{v} }
	one := func(v string) any { return v }
	for member, as := range map[string]func(string) any{
		"callbacks": many, "allowed_logout_urls": many, "allowed_origins": many, "web_origins": many, "logo_uri": one, "initiate_login_uri": one, "cross_origin_loc": one,
		"oidc_logout": func(v string) any { return object{"backchannel_logout_urls": []string{v}} },
	} {
		s.Do(s.Admin, "PATCH", clientPath(id), object{member: as("https://x.example/a")}).Want(200)
		for _, address := range poison {
			if r := s.Do(s.Admin, "PATCH", clientPath(id), object{member: as(address)}); r.Status != 400 {
				t.Errorf("Auth0 %s takes %q: %d", member, address, r.Status)
			}
		}
	}
	provider := newProvider(s)
	own := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, nil)).Want(201).Object()["data"].(object)["id"].(string)
	for member, as := range map[string]func(string) any{"redirect_uris": many, "authorized_resources": many, "logo_uri": one, "jwks_uri": one} {
		s.Do(s.Admin, "PUT", "/api/clients/"+own, object{"client": object{member: as("https://x.example/a")}}).Want(200)
		for _, address := range poison {
			for method, path := range map[string]string{"PUT": "/api/clients/" + own, "POST": "/api/clients"} {
				if r := s.Do(s.Admin, method, path, boruta(provider, object{member: as(address)})); r.Status != 422 && r.Status != 400 {
					t.Errorf("Boruta %s %s takes %q: %d", method, member, address, r.Status)
				}
			}
		}
	}
	if before["name"] != read(s, id)["name"] {
		t.Error("a refused change was stored")
	}
}

// A redirect URI is refused, or it is kept byte for byte: what is compared later
// is what was sent.
func TestRedirectURIsAreKeptByteForByte(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := newClient(s, nil)
	own := s.Do(s.Admin, "POST", "/api/clients", boruta(newProvider(s), nil)).Want(201).Object()["data"].(object)["id"].(string)
	const userinfo = "https://u:p@c.example/" // Boruta's clients may have one
	for address, auth0 := range map[string]int{
		"https://a@b@c.example/": 400, userinfo: 400, `https://x.example\@y.example`: 400, `https://x.example/\y`: 400, "https://x.example/..;/y": 400,
		"https://x.example/%2e%2e/y": 400, "https://x.example/../y": 400, "https://x.example/./y": 400, "https://x.example/#f": 400, "https://x.example/#": 400, "https://x*.example.com/": 200,
		"https://x.example.*/": 400, "https://*/": 400, "https://*.com/": 400, "https://раураl.example/": 400, "https://x.example:0/": 400, "https://x.example:99999/": 400, "https://x.example:/": 400,
		"https://x.example./": 400, "https://0x7f.1/": 400, "https://2130706433/": 400, "https://x.example/%zz": 400, "https://x.example/\r\nX: y": 400, "//x.example/": 400, "/cb": 400, "https:x.example": 400, "https:///x": 400,
		"https://X.EXAMPLE/Cb": 200, "https://x.example": 200, "https://x.example/": 200, "https://x.example:443/": 200, "https://x.example/a%2Fb": 200, "https://x.example/?a=b&a=%41": 200, "com.example.app:/cb": 200,
	} {
		r := s.Do(s.Admin, "PATCH", clientPath(id), object{"callbacks": []string{address}})
		if r.Status != auth0 {
			t.Errorf("%q: %d, want %d", address, r.Status, auth0)
		}
		if r.Status == 200 {
			if diff := cmp.Diff([]any{address}, read(s, id)["callbacks"]); diff != "" {
				t.Error(diff)
			}
		}
		switch r := s.Do(s.Admin, "PUT", "/api/clients/"+own, object{"client": object{"redirect_uris": []string{address}}}); {
		case r.Status == 200:
			if diff := cmp.Diff([]any{address}, r.Object()["data"].(object)["redirect_uris"]); diff != "" {
				t.Error(diff)
			}
			if auth0 == 400 && address != userinfo {
				t.Errorf("Boruta takes %q, which Auth0's dialect refuses", address)
			}
		case r.Status != 422:
			t.Errorf("Boruta: %q: %d %s", address, r.Status, r.Body)
		}
	}
}

// Loopback addresses are kept like all others: there is no exception for ports,
// so none that another host could claim.
func TestLoopbackAddressesHaveNoExceptions(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := newClient(s, object{"app_type": "native"})
	list := []any{"http://127.0.0.1/cb", "http://127.0.0.1:8080/cb", "http://localhost/cb", "http://localhost:1/cb", "http://[::1]:3000/cb", "http://127.0.0.1.evil.example/cb"}
	s.Do(s.Admin, "PATCH", clientPath(id), object{"callbacks": list}).Want(200)
	if diff := cmp.Diff(list, read(s, id)["callbacks"]); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{"/authorize", "/oauth/authorize"} { // nothing here compares redirect URIs
		if r := s.Do("", "GET", path+"?redirect_uri=http://127.0.0.1:9/cb&client_id="+id, nil); r.Status < 400 {
			t.Errorf("%s answers %d", path, r.Status)
		}
	}
}
