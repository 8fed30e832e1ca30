// Package servertest runs the whole service for a test: a real handler over a
// real database. Every answer that a test gets is checked against openapi.yaml
// unless it asks otherwise.
package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/tokens"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/admission"
	"github.com/rosterhq/roster/server/dialect"
)

// Server is a running service.
type Server struct {
	URL      string // without a slash at the end
	Registry *registry.Registry
	Clock    *Clock // the registry's, unless Options say otherwise
	Keys     *seal.Keyset
	Admin    string     // a token with every scope
	Log      *LogBuffer // everything the service logged, at debug level

	Serving *pgxpool.Pool // as the role that serves and may do no more than that takes
	Pool    *pgxpool.Pool // as the owner of the database, for the test to look behind the service

	t testing.TB
}

// Options change what New starts; the zero value is the product's default.
type Options struct {
	Registry func(*registry.Config)
	Server   func(*server.Config)
	TLS      bool
	Limits   *admission.Limits // counted by the service's clock; nil: the defaults, by the real one
	Mode     string            // default_query_exec_mode of the connections to the database

	Follow bool // read the changes of other instances, so that what is shown may come from memory

	Unchecked bool // do not validate the answers against openapi.yaml: the test is another project's, or takes times
}

// New starts a service over a database of its own. It ends with the test.
func New(t testing.TB) *Server { return NewWith(t, Options{}) }

// NewWith starts a service with options.
func NewWith(t testing.TB, o Options) *Server {
	t.Helper()
	own := postgrestest.NewURL(t)
	s := &Server{Clock: newClock(), Pool: postgrestest.Open(t, own), Serving: serving(t, postgrestest.Runtime(t, own), o.Mode), Log: &LogBuffer{}, t: t}
	var err error
	if s.Keys, err = sharedKeys(); err != nil {
		t.Fatal(err)
	}
	management, err := server.Management()
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler // set below: the registry needs the address first
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	if o.TLS {
		srv.EnableHTTP2 = true
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	config := registry.Config{PublicURL: srv.URL, Tenant: "roster", Management: management, Now: s.Clock.Now}
	if o.Registry != nil {
		o.Registry(&config)
	}
	s.Registry = registry.New(postgres.New(s.Serving), s.Keys, config)
	if err := prepare(s, s.Serving); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewJSONHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sc := server.Config{Log: logger, Ready: func(context.Context) error { return nil }}
	if o.Follow {
		sc.Views = dialect.NewViews(s.Registry.Changes, s.Registry.Now, 64<<20)
		s.Follow()
	}
	if o.Limits != nil {
		sc.Limits, sc.Now = o.Limits, s.Clock.Now
	}
	if o.Server != nil {
		o.Server(&sc)
	}
	inner, err := server.New(s.Registry, sc)
	if err != nil {
		t.Fatal(err)
	}
	handler = inner
	if !o.Unchecked {
		handler = checked(t, inner)
	}
	token, err := s.Registry.MintManagementToken(context.Background(), "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.Admin = token.AccessToken.Reveal()
	return s
}

// Follow has the service read the changes of other instances until the test ends.
func (s *Server) Follow() {
	s.t.Helper()
	pool, err := postgres.Open(context.WithoutCancel(s.t.Context()), postgres.Options{
		Address: func() (string, error) { return s.Serving.Config().ConnString(), nil }, Connections: 1,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Registry.Changes.Run(ctx, postgres.New(pool), slog.New(slog.DiscardHandler))
	}()
	s.t.Cleanup(func() { stop(); <-ended; pool.Close() })
	Eventually(s.t, "the reader of changes proves itself", s.Registry.Changes.Proven)
}

// serving returns a pool as the product makes it, in a query mode if there is
// one.
func serving(t testing.TB, address, mode string) *pgxpool.Pool {
	t.Helper()
	if mode != "" {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("default_query_exec_mode", mode)
		u.RawQuery = q.Encode()
		address = u.String()
	}
	pool, err := postgres.Open(context.WithoutCancel(t.Context()), postgres.Options{
		Address: func() (string, error) { return address, nil }, Connections: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// In returns the same service for a subtest, which then fails by itself.
func (s *Server) In(t testing.TB) *Server {
	one := *s
	one.t = t
	return &one
}

// Token returns a token of a new client that has just these scopes.
func (s *Server) Token(scopes ...string) string {
	s.t.Helper()
	ctx := context.Background()
	id, secret := "test-"+oauth.RandomText(oauth.Alphanumeric, 27), oauth.NewSecret(oauth.RandomText(oauth.URLSafe, 64))
	list, err := json.Marshal(scopes)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = s.Registry.CreateClient(ctx, oauth.Draft{
		Client:    &oauth.Client{ClientID: id, Document: map[string]json.RawMessage{"client_name": json.RawMessage(`"test caller"`), "grant_types": json.RawMessage(`["client_credentials"]`)}},
		NewSecret: secret,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = s.Registry.CreateClientGrant(ctx, oauth.ClientGrant{
		ClientID: id, Audience: s.Registry.ManagementAudience(), SubjectType: "client", Document: map[string]json.RawMessage{"scope": list},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	t, err := s.Registry.IssueToken(ctx, tokens.Request{ClientID: id, Secret: secret, Audience: s.Registry.ManagementAudience()})
	if err != nil {
		s.t.Fatal(err)
	}
	return t.AccessToken.Reveal()
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	t testing.TB
}

// Do sends a request. body is sent as JSON unless it is nil or a string, which
// is sent as it is; token "" sends no Authorization header. Pairs of header
// names and values may follow.
func (s *Server) Do(token, method, path string, body any, header ...string) Response {
	s.t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, reader)
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return Response{resp.StatusCode, resp.Header, text, s.t}
}

// Want fails the test unless the answer has that status, and returns it.
func (r Response) Want(status int) Response {
	r.t.Helper()
	if r.Status != status {
		r.t.Fatalf("status %d, want %d: %s", r.Status, status, r.Body)
	}
	return r
}

// Object decodes the answer as a JSON object.
func (r Response) Object() map[string]any {
	r.t.Helper()
	var v map[string]any
	r.Decode(&v)
	return v
}

// Decode decodes the answer into v.
func (r Response) Decode(v any) {
	r.t.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		r.t.Fatalf("%v: %s", err, r.Body)
	}
}

// LogBuffer keeps what is logged.
type LogBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Spec returns the published document, which nobody may change.
func Spec(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := loadSpec()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// loadSpec reads the published document once.
var loadSpec = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(roster.OpenAPI) })
