package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/internal/servertest"
)

// proxyTo returns a proxy before a service.
func proxyTo(t *testing.T, s *servertest.Server) *httputil.ReverseProxy {
	t.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return httputil.NewSingleHostReverseProxy(target)
}

func TestServiceBelowAPathOfAProxy(t *testing.T) {
	t.Parallel()
	// The parts of the page of documentation are in no document.
	s := servertest.NewWith(t, servertest.Options{Registry: servertest.RealTime, Unchecked: true})
	c := &cli{s, t, at(s)}
	front := httptest.NewServer(http.StripPrefix("/roster", proxyTo(t, s)))
	defer front.Close()
	base := front.URL + "/roster"

	made := c.create(map[string]any{"name": "caller", "grant_types": []string{"client_credentials"}})
	id, audience := made["client_id"].(string), c.URL+"/api/v2/"
	c.ok("grants", "create", "--client", id, "--audience", audience, "--scope", "read:clients")
	secret := made["client_secret"].(string)
	env := []string{"ROSTER_URL=" + base, "ROSTER_CLIENT_ID=" + id, "ROSTER_CLIENT_SECRET=" + secret}
	refuse(t, env, []string{"clients", "list"}, "another public address", "ROSTER_AUDIENCE")
	env = append(env, "ROSTER_AUDIENCE="+audience)
	if out := succeed(t, env, "clients", "list"); !strings.Contains(out, "caller") {
		t.Errorf("it lists\n%s", out)
	}

	page := fetch(t, base+"/docs")
	links := regexp.MustCompile(`(?:src|href)="([^":]+)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 4 {
		t.Fatalf("the page has the links %q", links)
	}
	for _, link := range links {
		at, err := url.Parse(base + "/docs")
		if err != nil {
			t.Fatal(err)
		}
		if at, err = at.Parse(link[1]); err != nil {
			t.Fatal(err)
		}
		fetch(t, at.String())
	}
}

// fetch returns what is at an address.
func fetch(t *testing.T, at string) string {
	t.Helper()
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", at, resp.Status, err)
	}
	return string(text)
}

func TestImportGoesThroughAProxyThatTakesLittle(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	proxy := proxyTo(t, s)
	var refused atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 100_000 {
			refused.Add(1)
			http.Error(w, "<html>413 Request Entity Too Large</html>", http.StatusRequestEntityTooLarge)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	const n = 150
	env := []string{"ROSTER_URL=" + front.URL, "ROSTER_TOKEN=" + s.Admin}
	out := succeed(t, env, "import", "auth0", fileOf(t, manyClients(t, n, 2000)))
	if !strings.HasPrefix(out, fmt.Sprintf("Imported auth0: %d created, 0 updated, 0 unchanged, ", n)) {
		t.Error(out)
	}
	if refused.Load() == 0 {
		t.Error("nothing was too large: this tests nothing")
	}
}

func TestServiceListensOnIPv6(t *testing.T) {
	t.Parallel()
	env, _ := external(t)
	ipv6 := append(env, "ROSTER_ADDR=[::1]:0")
	s := launch(t, ipv6, "--setup")
	address := s.stderr.wait(t, s.ended, regexp.MustCompile(`"msg":"listening","addr":"(\[::1\]:\d+)"`))[1]
	fetch(t, "http://"+address+"/readyz")
	s.stop()

	public := "http://" + address
	s = serve(t, append(env, "ROSTER_ADDR="+address, "ROSTER_PUBLIC_URL="+public))
	if s.URL != public {
		t.Errorf("it is at %s", s.URL)
	}
	token := strings.TrimSpace(succeed(t, append(env, "ROSTER_PUBLIC_URL="+public), "token"))
	if status, body := s.call(token, "GET", "/api/v2/clients", ""); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	s.stop()
	refuse(t, append(env, "ROSTER_ADDR=::1:8080"), []string{"serve"}, `ROSTER_ADDR: "::1:8080" is not host:port`)
}

// TestDatabaseIsNamedInEveryWay connects as a role and to a database whose names
// mean something in an address.
func TestDatabaseIsNamedInEveryWay(t *testing.T) {
	t.Parallel()
	administrator := postgrestest.Superuser(t, postgrestest.NewEmptyURL(t, ""))
	server, err := pgx.ParseConfig(administrator)
	if err != nil {
		t.Fatal(err)
	}
	suffix := strings.ToLower(oauth.RandomText(oauth.Alphanumeric, 20))
	role, database, password := `o'd/d @r:l%25\`+suffix, `d/b?#&="`+suffix, `p/?#@:% '"\&=+`
	quoted := func(name string) string { return pgx.Identifier{name}.Sanitize() }
	sql(t, administrator, "CREATE ROLE "+quoted(role)+" LOGIN PASSWORD '"+strings.ReplaceAll(password, "'", "''")+"'",
		"GRANT "+quoted(role)+" TO CURRENT_USER", "CREATE DATABASE "+quoted(database)+" OWNER "+quoted(role))
	t.Cleanup(func() {
		sql(t, administrator, "DROP DATABASE "+quoted(database)+" WITH (FORCE)", "DROP ROLE "+quoted(role))
	})

	port := fmt.Sprint(server.Port)
	place := url.Values{"host": {server.Host}, "port": {port}, "sslmode": {"disable"}}
	plain := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Path: "/" + database, RawQuery: place.Encode()}
	apart := plain
	apart.User = nil
	place.Set("user", role)
	place.Set("password", password)
	apart.RawQuery = strings.ReplaceAll(place.Encode(), "+", "%20") // PostgreSQL takes a + as it is
	word := func(name, value string) string {
		return name + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "' "
	}
	words := word("host", server.Host) + word("port", port) + word("user", role) + word("password", password) +
		word("dbname", database) + "sslmode=disable"
	file := filepath.Join(t.TempDir(), "url")
	write(t, file, plain.String()+"\r\n")
	for name, variable := range map[string]string{
		"a URL": "DATABASE_URL=" + plain.String(), "parameters of a URL": "DATABASE_URL=" + apart.String(),
		"keywords and values": "DATABASE_URL=" + words, "a file of Windows": "DATABASE_URL_FILE=" + file,
	} {
		t.Run(name, func(t *testing.T) {
			if out := succeed(t, []string{variable}, "migrate"); !strings.Contains(out, "The schema is at version ") {
				t.Errorf("migrate prints %q", out)
			}
		})
	}
}
