package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

const encodeHint = "in user and password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, & as %26 and % as %25 (percent-encoding)"

// ParseURL reads where a database is: a URL, or keywords and values.
//
// It refuses a URL that can be read in two ways, because part of a password
// would count as the host, the database or a parameter, be sent to a resolver,
// and appear in messages. Its errors quote nothing of text.
func ParseURL(text string) (*pgxpool.Config, error) {
	hint := "put a value with blanks in single quotes, and a backslash before ' and \\ in it"
	if after, isURL := cutScheme(text); isURL {
		hint = encodeHint
		// The first @ ends user and password, unless a slash comes before it.
		if i := strings.IndexAny(after, "@/"); i < 0 || after[i] == '/' {
			i = -1
		} else {
			after = after[i+1:]
		}
		if strings.Contains(after, "@") {
			return nil, errors.New("it can be read in two ways; " + encodeHint)
		}
	} else if before, _, _ := strings.Cut(text, "="); strings.Contains(before, ":") {
		return nil, errors.New("a URL must begin with postgres:// or postgresql://")
	}
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s; %s", parseProblem(err), hint)
	}
	for name := range config.ConnConfig.RuntimeParams {
		if !parameterName.MatchString(name) {
			return nil, errors.New("a parameter has a name that PostgreSQL does not allow; " + hint)
		}
	}
	return config, nil
}

var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

func cutScheme(text string) (after string, ok bool) {
	if after, ok = strings.CutPrefix(text, "postgres://"); !ok {
		after, ok = strings.CutPrefix(text, "postgresql://")
	}
	return after, ok
}

// parseProblems are what may be told of pgx's errors, whose texts hold parts of
// what was parsed.
var parseProblems = []string{
	"invalid port", "could not match", "invalid sslcertmode", "invalid connect_timeout", "failed to read service", "unknown target_session_attrs",
	"invalid min_protocol_version", "invalid max_protocol_version", "min_protocol_version cannot be greater", "unknown channel_binding",
	"invalid require_auth", "pool_max_conns", "pool_min_conns", "pool_min_idle_conns", "pool_max_conn_lifetime_jitter", "pool_max_conn_lifetime",
	"pool_max_conn_idle_time", "pool_health_check_period", "pool_ping_timeout", "statement_cache_capacity", "description_cache_capacity",
	"default_query_exec_mode", "sslmode", "sslnegotiation",
}

func parseProblem(err error) string {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return "a file that it names cannot be read: " + file.Err.Error()
	}
	text := err.Error()
	text = text[strings.LastIndex(text, "`: ")+1:]
	if strings.Contains(text, "failed to configure TLS") {
		return "sslmode, or a file that it names for TLS, cannot be used"
	}
	for _, known := range parseProblems {
		if strings.Contains(text, known) {
			return "it cannot be used: " + known
		}
	}
	return "it cannot be read as a URL or as keywords and values"
}

// Shown returns what may be shown of a text that ParseURL reads: hosts, ports
// and the database.
func Shown(text string) string {
	config, err := ParseURL(text)
	if err != nil {
		return "[redacted]"
	}
	u := url.URL{Scheme: "postgres", Path: "/" + config.ConnConfig.Database}
	var hosts []string
	sockets := url.Values{}
	add := func(host string, port uint16) {
		if strings.HasPrefix(host, "/") {
			sockets = url.Values{"host": {host}, "port": {strconv.Itoa(int(port))}}
		} else if at := net.JoinHostPort(host, strconv.Itoa(int(port))); !slices.Contains(hosts, at) {
			hosts = append(hosts, at)
		}
	}
	add(config.ConnConfig.Host, config.ConnConfig.Port)
	for _, other := range config.ConnConfig.Fallbacks {
		add(other.Host, other.Port)
	}
	u.Host, u.RawQuery = strings.Join(hosts, ","), sockets.Encode()
	return u.String()
}
