package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rosterhq/roster/internal/issuers"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/admission"
	"github.com/rosterhq/roster/server/boruta"
)

// Config is the whole configuration, one environment variable a field.
type Config struct {
	Addr        string `env:"ROSTER_ADDR" help:"address to listen on, host:port; default :8080; where the database is embedded, 127.0.0.1 and ::1 with port 8080 or the next free one"`
	PublicURL   string `env:"ROSTER_PUBLIC_URL" help:"URL that callers use, without a path; the issuer of tokens is this with a slash at the end; default http://localhost:PORT"`
	DatabaseURL string `env:"DATABASE_URL" help:"PostgreSQL to use; unset: a private one is run from the machine's own PostgreSQL binaries" secret:"database"`
	Connections int    `env:"ROSTER_DATABASE_CONNECTIONS" envDefault:"0" help:"how many connections to the database one instance opens at most, besides the one that reads changes; 0: what pool_max_conns in DATABASE_URL says, or else 16"`
	DataDir     string `env:"ROSTER_DATA_DIR" envDefault:".roster" help:"folder of the embedded database and its keyset"`
	PostgresBin string `env:"ROSTER_POSTGRES_BIN" help:"folder of the PostgreSQL server binaries; default: PATH, then the usual folders"`
	KeysetFile  string `env:"ROSTER_KEYSET_FILE" help:"keys that seal secrets; default keyset.json in ROSTER_DATA_DIR"`
	Keyset      string `env:"ROSTER_KEYSET" help:"the text of a keyset, in place of a file" secret:"all"`
	TLSCert     string `env:"ROSTER_TLS_CERT_FILE" help:"certificate chain, PEM; with ROSTER_TLS_KEY_FILE the API is served over TLS"`
	TLSKey      string `env:"ROSTER_TLS_KEY_FILE" help:"private key of the certificate, PEM"`
	Tenant      string `env:"ROSTER_TENANT" envDefault:"roster" help:"name shown where Auth0 shows the tenant"`
	AdminID     string `env:"ROSTER_BOOTSTRAP_CLIENT_ID" help:"client_id of an administrator to create when absent"`
	AdminSecret string `env:"ROSTER_BOOTSTRAP_CLIENT_SECRET" help:"secret of that administrator" secret:"all"`
	LogLevel    string `env:"ROSTER_LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	SecretMode  string `env:"ROSTER_SECRET_MODE" envDefault:"sealed" help:"sealed: secrets can be read again by whoever may; hashed: they are shown once"`
	SecretGrace string `env:"ROSTER_SECRET_GRACE" envDefault:"0" help:"how long a client's superseded secret stays valid after a rotation that does not say it itself, e.g. 24h, at most 90d; 0: it ends at once"`
	MinSecret   int    `env:"ROSTER_MIN_SECRET_LENGTH" envDefault:"1" help:"how many characters a client's secret has at least that is set, imported or rotated, 1 to 64; 16 is wise"`
	TokenTTL    string `env:"ROSTER_MANAGEMENT_TOKEN_TTL" envDefault:"1h" help:"how long tokens for Roster's own APIs live, e.g. 15m, from 1s to 24h"`
	Retention   string `env:"ROSTER_EVENT_RETENTION" envDefault:"8760h" help:"how long events of the audit trail are kept, e.g. 720h or 30d, at least 24h; 0: for ever"`
	CacheMB     int    `env:"ROSTER_CACHE_MB" envDefault:"64" help:"megabytes of memory for clients as they are shown, which spare the database; 0: none"`
	AdminAddr   string `env:"ROSTER_ADMIN_ADDR" help:"address for metrics, profiles and health, host:port; a loopback one is best; default: none"`
	RateLimit   string `env:"ROSTER_RATE_LIMIT" help:"requests per second of one client, and from one address while its caller is not known, and after a colon how many at once: 50:100; off: no limit; default 200:1000 for a client and 50:200 for an address, from loopback ten times as much"`

	TrustedIssuers string   `env:"ROSTER_TRUSTED_ISSUERS" help:"outside OpenID Connect issuers whose tokens are accepted: URLs, each with ;name=value for aud, alg, claim, prefix or scopes"`
	TrustedProxies []string `env:"ROSTER_TRUSTED_PROXIES" help:"networks of proxies whose X-Forwarded-For is believed, CIDR, with commas between; default: none"`

	BorutaProfile   string            `env:"ROSTER_BORUTA_PROFILE" envDefault:"release" help:"which Boruta /api/clients shows: release, for its admin panel up to 0.10.5, or master, for the panel after it, with trusted_authorities and trusted_hosts too"`
	BorutaMaxTTL    map[string]string `env:"ROSTER_BORUTA_MAX_TTL" envKeyValSeparator:"=" help:"largest lifetimes that clients may have through /api/clients, e.g. access_token_ttl=1h,refresh_token_ttl=1d; default: Boruta's"`
	BorutaProtected string            `env:"ROSTER_BORUTA_PROTECTED_CLIENT" help:"id of the client that /api/clients does not let be changed, besides the caller's own; default: the one of Boruta's admin panel"`
	BorutaProvider  string            `env:"ROSTER_BORUTA_IDENTITY_PROVIDER" help:"id of the identity provider of new clients that name none; default: naming one is mandatory"`

	databaseFile string // that DatabaseURL was read from; "" for none

	boruta      boruta.Config
	secretGrace time.Duration
	retention   time.Duration
	tokenTTL    time.Duration
	level       slog.Level
	limits      admission.Limits
	issuers     []issuers.Config
}

// load reads the configuration; the error names every mistake.
func (a *app) load() (Config, error) {
	var c Config
	environ, err := expand(a.environ, "DATABASE_URL", "ROSTER_BOOTSTRAP_CLIENT_SECRET")
	vars := env.ToMap(environ)
	mistakes := []error{err, env.ParseWithOptions(&c, env.Options{Environment: vars})}
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	c.databaseFile = vars["DATABASE_URL_FILE"]
	if c.Addr != "" {
		if _, _, err := net.SplitHostPort(c.Addr); err != nil {
			mistake("ROSTER_ADDR: %q is not host:port", c.Addr)
		}
	}
	if c.AdminAddr != "" {
		if _, _, err := net.SplitHostPort(c.AdminAddr); err != nil {
			mistake("ROSTER_ADMIN_ADDR: %q is not host:port", c.AdminAddr)
		}
	}
	for _, network := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(network); err != nil {
			mistake("ROSTER_TRUSTED_PROXIES: %q is not a network such as 10.0.0.0/8", network)
		}
	}
	if c.DatabaseURL != "" {
		if _, err := postgres.ParseURL(c.DatabaseURL); err != nil {
			mistake("DATABASE_URL: %w", err)
		}
	}
	if c.PublicURL != "" {
		c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			mistake("ROSTER_PUBLIC_URL: %q is not scheme://host[:port]", withoutUser(c.PublicURL))
		}
	}
	if c.level.UnmarshalText([]byte(c.LogLevel)) != nil {
		mistake("ROSTER_LOG_LEVEL: %q is not debug, info, warn or error", c.LogLevel)
	}
	if c.Connections < 0 || c.Connections > 10_000 {
		mistake("ROSTER_DATABASE_CONNECTIONS: %d is not a number of connections", c.Connections)
	}
	if c.CacheMB < 0 || c.CacheMB > 1<<20 {
		mistake("ROSTER_CACHE_MB: %d is not a number of megabytes", c.CacheMB)
	}
	if c.SecretMode != "sealed" && c.SecretMode != "hashed" {
		mistake("ROSTER_SECRET_MODE: %q is not sealed or hashed", c.SecretMode)
	}
	if c.secretGrace, err = parseDuration(c.SecretGrace); err != nil || c.secretGrace < 0 || c.secretGrace > registry.MaxSecretGrace {
		mistake("ROSTER_SECRET_GRACE: %q is not a duration such as 24h or 7d, at most 90d", c.SecretGrace)
	}
	if c.MinSecret < 1 || c.MinSecret > 64 { // which Roster's own have
		mistake("ROSTER_MIN_SECRET_LENGTH: %d is not a number of characters from 1 to 64", c.MinSecret)
	}
	if c.tokenTTL, err = parseDuration(c.TokenTTL); err != nil || c.tokenTTL < time.Second || c.tokenTTL > 24*time.Hour {
		mistake("ROSTER_MANAGEMENT_TOKEN_TTL: %q is not a duration such as 15m, from 1s to 24h", c.TokenTTL)
	}
	if c.retention, err = parseDuration(c.Retention); err != nil || c.retention != 0 && c.retention < 24*time.Hour {
		mistake("ROSTER_EVENT_RETENTION: %q is not a duration such as 720h or 30d, at least 24h, or 0", c.Retention)
	}
	if c.boruta, err = c.borutaConfig(); err != nil {
		mistakes = append(mistakes, err)
	}
	if c.limits, err = parseLimits(c.RateLimit); err != nil {
		mistake("ROSTER_RATE_LIMIT: %w", err)
	}
	if c.issuers, err = parseIssuers(c.TrustedIssuers); err != nil {
		mistake("ROSTER_TRUSTED_ISSUERS: %w", err)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		mistake("ROSTER_TLS_CERT_FILE and ROSTER_TLS_KEY_FILE: set both or neither")
	}
	if (c.AdminID == "") != (c.AdminSecret == "") {
		mistake("ROSTER_BOOTSTRAP_CLIENT_ID and ROSTER_BOOTSTRAP_CLIENT_SECRET: set both or neither")
	}
	if c.DataDir, err = filepath.Abs(c.DataDir); err != nil {
		mistake("ROSTER_DATA_DIR: %w", err)
	}
	if c.Keyset != "" && c.KeysetFile != "" {
		mistake("ROSTER_KEYSET and ROSTER_KEYSET_FILE: set one of them")
	}
	if c.KeysetFile == "" && c.Keyset == "" {
		c.KeysetFile = filepath.Join(c.DataDir, "keyset.json")
	}
	return c, errors.Join(mistakes...)
}

// parseLimits reads RATE[:BURST] or "off"; a missing burst is twice the rate. How
// often one may fail to authenticate is limited in any case.
func parseLimits(text string) (admission.Limits, error) {
	if text == "" {
		return admission.Defaults, nil
	}
	limits := admission.Limits{Guesses: admission.Defaults.Guesses}
	if text == "off" {
		return limits, nil
	}
	perSecond, burst, given := strings.Cut(text, ":")
	var l admission.Limit
	var err error
	if l.PerSecond, err = strconv.ParseFloat(perSecond, 64); err != nil || !(l.PerSecond > 0 && l.PerSecond <= 1e6) {
		return limits, fmt.Errorf("%q is not a number of requests per second, RATE:BURST or off", text)
	}
	l.Burst = int(math.Ceil(2 * l.PerSecond))
	if given {
		if l.Burst, err = strconv.Atoi(burst); err != nil || l.Burst < 1 || l.Burst > 1e9 {
			return limits, fmt.Errorf("%q: the burst is not a whole number from 1", text)
		}
	}
	limits.Caller, limits.Address = l, l
	return limits, nil
}

func parseIssuers(text string) ([]issuers.Config, error) {
	scopes, err := server.ManagementScopes()
	if err != nil {
		return nil, err
	}
	known := make([]string, len(scopes))
	for i, s := range scopes {
		known[i] = s.Value
	}
	return issuers.Parse(text, known)
}

// databaseAddress returns where the database is, from its file as that is now.
func (c *Config) databaseAddress() (string, error) {
	if c.databaseFile == "" {
		return c.DatabaseURL, nil
	}
	text, err := readSecret(c.databaseFile)
	if err != nil {
		err = fmt.Errorf("DATABASE_URL_FILE: %w", err)
	}
	return text, err
}

// embedded reports whether Roster runs its own PostgreSQL.
func (c *Config) embedded() bool { return c.DatabaseURL == "" }

// logHandler writes JSON, or text for people at a terminal. JSON numbers have no
// units: the name of a duration has its.
func logHandler(w io.Writer, level slog.Level, people bool) slog.Handler {
	if people {
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
	}
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Value.Kind() == slog.KindDuration {
			return slog.Float64(attr.Key+"_ms", float64(attr.Value.Duration().Microseconds())/1000)
		}
		return attr
	}})
}

// terminal reports whether a stream is shown to people.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *app) logger(c Config) *slog.Logger {
	log := slog.New(logHandler(a.stderr, c.level, terminal(a.stderr)))
	slog.SetDefault(log)
	return log
}

func (a *app) config() *cobra.Command {
	return &cobra.Command{
		Use: "config", GroupID: aServer, Short: "Print the configuration in force, secrets redacted",
		RunE: func(*cobra.Command, []string) error {
			c, err := a.load()
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			v := reflect.ValueOf(c)
			for i := range v.NumField() {
				f := v.Type().Field(i)
				if name := f.Tag.Get("env"); name != "" {
					text := fmt.Sprint(v.Field(i))
					switch value := v.Field(i).Interface().(type) {
					case []string:
						text = strings.Join(value, ",")
					case map[string]string:
						var pairs []string
						for _, name := range slices.Sorted(maps.Keys(value)) {
							pairs = append(pairs, name+"="+value[name])
						}
						text = strings.Join(pairs, ",")
					}
					fmt.Fprintf(w, "%s\t%s\t%s\n", name, redact(text, f.Tag.Get("secret")), f.Tag.Get("help"))
				}
			}
			return errors.Join(w.Flush(), err)
		},
	}
}

// redact hides what is secret of a value: all of it, or what DATABASE_URL holds
// besides hosts and database.
func redact(value, secret string) string {
	switch {
	case value == "" || secret == "":
		return value
	case secret == "database":
		return postgres.Shown(value)
	}
	return "[redacted]"
}

// expand sets each of names from the file that NAME_FILE names, which is how
// container engines hand secrets over. Its error names every mistake, and what
// could be read is returned next to it.
func expand(environ []string, names ...string) ([]string, error) {
	vars := env.ToMap(environ)
	var mistakes []error
	for _, name := range names {
		file := vars[name+"_FILE"]
		if file == "" {
			continue
		}
		text, err := readSecret(file)
		switch {
		case vars[name] != "":
			mistakes = append(mistakes, fmt.Errorf("%s and %s_FILE: set one of them", name, name))
		case err != nil:
			mistakes = append(mistakes, fmt.Errorf("%s_FILE: %w", name, err))
		}
		environ = append(environ, name+"="+text)
	}
	return environ, errors.Join(mistakes...)
}

// readSecret returns what a file holds but for blanks around it.
func readSecret(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err == nil {
		text, err = plainText(text)
	}
	if err != nil {
		return "", err
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return "", fmt.Errorf("%s is empty", file)
	}
	return string(text), nil
}
