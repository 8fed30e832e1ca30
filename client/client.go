package client

import (
	"cmp"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/oauth2"
)

// What is in force where Config is silent.
const (
	DefaultTimeout     = 30 * time.Second       // Config.Timeout
	DefaultCallTimeout = 2 * time.Minute        // Config.CallTimeout
	DefaultAttempts    = 5                      // Config.Attempts
	DefaultBackoff     = 250 * time.Millisecond // Config.Backoff
)

// Config says who calls, and how. The caller is known by one of these:
//
//   - ClientID with ClientSecret, Key or KeyFile: the credentials of a client
//     with a grant on the management API. Tokens are fetched with them when
//     needed and renewed before they expire.
//   - Token or TokenSource: tokens from elsewhere.
//
// The zero value calls without a token, which is enough for the operations that
// need none.
type Config struct {
	ClientID     string
	ClientSecret string
	// Key signs assertions in place of a secret (private_key_jwt, RFC 7523). It
	// is an RSA key of 2048 bits or more, and may live in an HSM or KMS: only its
	// Public and Sign are called, Sign about once in the lifetime of a token.
	Key crypto.Signer
	// KeyFile is the path of a PEM file with such a key, unencrypted, as PKCS #8
	// or PKCS #1. New reads it.
	KeyFile string
	// KeyID is the kid of the key's credential at Roster. Default: none is sent,
	// and the service tries the client's keys in turn.
	KeyID string
	// Algorithm is that of the credential: RS256, RS384 or PS256. Default: RS256.
	Algorithm string
	// Scopes narrows the tokens that are fetched. Empty: all that is granted.
	Scopes []string
	// Audience of the tokens that are fetched. Default: the base URL +
	// "/api/v2/". Set it where the service is reached by another address than
	// its public one, to the public URL + "/api/v2/".
	Audience string

	// Token is an access token to send as it is.
	Token string
	// TokenSource gives the access tokens. Each is kept until ten seconds before
	// its Expiry, or until the service refuses it; the source is never asked by
	// two goroutines at once.
	TokenSource oauth2.TokenSource

	// Timeout bounds one try, from dialling to the last byte of the answer.
	// Default: DefaultTimeout.
	Timeout time.Duration
	// CallTimeout bounds a call: all its tries, the waits between them and the
	// token. Default: DefaultCallTimeout. The context may bound it further.
	CallTimeout time.Duration
	// Attempts is how often a request is sent at most. Default: DefaultAttempts;
	// 1 sends each once.
	Attempts int
	// Backoff is the wait before the second try, give or take half of it. Each
	// further wait is twice as long, up to 20 seconds. Default: DefaultBackoff.
	Backoff time.Duration

	// HTTPClient sends the requests; set it for a proxy, own certificate
	// authorities or connection pool. Its Timeout bounds each try too. Redirects
	// are not followed, whatever its CheckRedirect says.
	HTTPClient *http.Client
	// UserAgent is put before the package's own name and version.
	UserAgent string

	// TracerProvider, where set, gets a client span for each call, named by the
	// operation's id in openapi.yaml, with the attributes of OpenTelemetry's HTTP
	// conventions; http.request.resend_count tells of repetition. The request
	// carries the span on (W3C traceparent). Fetching a token is a span of its
	// own. There are no queries, headers, bodies or messages of errors in spans.
	// For the process's own provider set otel.GetTracerProvider(): the package
	// does not, to spare its importers what that links.
	TracerProvider trace.TracerProvider
}

// Client is the API of one Roster, as one caller sees it.
type Client struct {
	doer *doer
	base string // URL, without a slash at the end
}

// New returns a client of the service at baseURL, such as
// https://roster.example. It does not connect: wrong credentials show with the
// first call. Its errors are mistakes in the arguments, or in KeyFile.
func New(baseURL string, config Config) (*Client, error) {
	base := strings.TrimRight(baseURL, "/")
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("client: the base URL must be http(s)://host[:port][/path]")
	}
	if config.Timeout < 0 || config.CallTimeout < 0 || config.Attempts < 0 || config.Backoff < 0 {
		return nil, errors.New("client: Timeout, CallTimeout, Attempts and Backoff must not be negative")
	}
	hc := http.Client{}
	if config.HTTPClient != nil {
		hc = *config.HTTPClient
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	d := &doer{
		http: &hc, basePath: u.EscapedPath(), userAgent: strings.TrimSpace(config.UserAgent + " " + ownName()),
		timeout: cmp.Or(config.Timeout, DefaultTimeout), callTimeout: cmp.Or(config.CallTimeout, DefaultCallTimeout),
		policy: policy{attempts: cmp.Or(config.Attempts, DefaultAttempts), backoff: cmp.Or(config.Backoff, DefaultBackoff)},
	}
	if config.TracerProvider != nil {
		d.tracer = config.TracerProvider.Tracer(module, trace.WithInstrumentationVersion(version()), trace.WithSchemaURL(semconv.SchemaURL))
	}
	if d.tokens, err = config.tokens(base, d); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &Client{d, base}, nil
}

const module = "github.com/rosterhq/roster/client"

// ownName is the package's product token for User-Agent (RFC 9110 §10.1.5).
func ownName() string {
	if v := version(); v != "" {
		return "roster-client-go/" + v
	}
	return "roster-client-go"
}

// version is the module's; empty where the program was built without one.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && strings.HasPrefix(m.Version, "v") {
			return m.Version
		}
	}
	return ""
}
