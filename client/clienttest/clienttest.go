// Package clienttest runs a Roster for the tests of programs that call one: the
// real service over a real database, in the process of the test, reached over
// loopback.
//
//	func TestBillingGetsItsClient(t *testing.T) {
//		api := clienttest.New(t)
//		if err := provision(t.Context(), api); err != nil {
//			t.Fatal(err)
//		}
//		…
//	}
//
// Each test has a Roster of its own and may run in parallel with others. It ends
// with the test.
//
// PostgreSQL's server programs, 15 or newer, must be on the machine (Debian:
// apt-get install postgresql; ROSTER_POSTGRES_BIN names their folder where that
// is an unusual one). The first call starts a private server, which takes some
// seconds, and listens on no network; the others take a fraction of a second. It
// ends with the test binary, in whatever way that ends. With TEST_DATABASE_URL
// set to the URL of a PostgreSQL whose role may create databases and roles, that
// one is used.
package clienttest

import (
	"testing"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
)

// Server is a Roster for one test. It holds what every Roster does, which is the
// management API and the global client, and an administrator.
type Server struct {
	// URL is the base URL, without a slash at the end.
	URL string
	// AdminID and AdminSecret are the credentials of a client with every scope.
	AdminID, AdminSecret string

	t testing.TB
}

// New starts a Roster and returns its administrator, whose tokens have these
// scopes, such as read:clients; all that there are if none is given.
func New(t testing.TB, scopes ...string) *client.Client {
	t.Helper()
	return NewServer(t).Client(scopes...)
}

// NewServer starts a Roster for tests that need its address, or several clients.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := servertest.NewWith(t, servertest.Options{Registry: servertest.RealTime, Unchecked: true})
	secret := oauth.RandomText(oauth.URLSafe, 64)
	admin, _, err := s.Registry.Administrator(t.Context(), "", oauth.NewSecret(secret))
	if err != nil {
		t.Fatal(err)
	}
	return &Server{URL: s.URL, AdminID: admin.ClientID, AdminSecret: secret, t: t}
}

// Client returns one more client of the service, with scopes as for [New]. For
// one that is configured otherwise, give URL, AdminID and AdminSecret to
// [client.New].
func (s *Server) Client(scopes ...string) *client.Client {
	s.t.Helper()
	api, err := client.New(s.URL, client.Config{ClientID: s.AdminID, ClientSecret: s.AdminSecret, Scopes: scopes, UserAgent: "clienttest"})
	if err != nil {
		s.t.Fatal(err)
	}
	return api
}
