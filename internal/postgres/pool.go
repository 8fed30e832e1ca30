package postgres

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
)

// DefaultConnections is how many connections a pool opens at most where neither
// Options nor the address says how many.
const DefaultConnections = 16

const (
	// connectTimeout bounds connecting to one host, and finding out whether an
	// idle connection still works, where the address sets no bounds: a host that
	// is gone without a word must not keep from the next one.
	connectTimeout = 5 * time.Second

	// addressPoll is how long connections are used without looking whether the
	// address has changed.
	addressPoll = time.Second

	// renewPause is how long after all connections were replaced they are not
	// replaced again, since a database may take no changes for long.
	renewPause = time.Second
)

// Options say which database a pool is for.
type Options struct {
	// Address returns the address as it is now, for ParseURL. It is called for
	// every new connection, and about once a second for the others. When it
	// returns another one, all connections are replaced; when it fails or returns
	// what cannot be used, the address stays as it was. What it names, such as
	// certificates, is read again for every new connection.
	Address func() (string, error)
	// Connections is how many connections the pool opens at most; 0 is what the
	// address says, or else DefaultConnections.
	Connections int
	// Exec sends every statement in pgx's mode exec, whatever the address says:
	// it works through all poolers.
	Exec bool
	// Log is told of other addresses. Default slog.Default().
	Log *slog.Logger
}

// Open returns a pool of connections, none of which is open yet. Where the
// address names several hosts, they lead to one that takes changes unless the
// address says otherwise. A server without fsync is refused.
func Open(ctx context.Context, o Options) (*pgxpool.Pool, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	text, err := o.Address()
	if err != nil {
		return nil, err
	}
	l := &link{Options: o, text: text}
	config, err := l.parse(text)
	if err != nil {
		return nil, err
	}
	if o.Connections > 0 {
		config.MaxConns = int32(o.Connections)
		config.MinConns, config.MinIdleConns = min(config.MinConns, config.MaxConns), min(config.MinIdleConns, config.MaxConns)
	} else if !strings.Contains(text, "pool_max_conns") {
		config.MaxConns = max(DefaultConnections, config.MinConns)
	}
	if config.PingTimeout == 0 {
		config.PingTimeout = connectTimeout
	}
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		l.follow()
		fresh, err := l.parse(l.current())
		if err == nil {
			*c = *fresh.ConnConfig
		}
		return err
	}
	config.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return !l.due() || !l.follow(), nil }
	config.AfterConnect = begin
	pool, err := pgxpool.NewWithConfig(ctx, config)
	l.pool.Store(pool)
	return pool, err
}

// link keeps a pool on the address as it is.
type link struct {
	Options
	pool            atomic.Pointer[pgxpool.Pool] // nil at the very beginning
	renewed, looked atomic.Int64                 // unix nanoseconds

	mu   sync.Mutex
	text string // the address
	said string // what kept the last one from being used
}

func (l *link) current() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

// due reports whether it is time to look at the address, to one caller each time.
func (l *link) due() bool { return once(&l.looked, addressPoll) }

// once reports whether at least pause has passed since it was true the last
// time.
func once(last *atomic.Int64, pause time.Duration) bool {
	now, then := time.Now().UnixNano(), last.Load()
	return now-then >= int64(pause) && last.CompareAndSwap(then, now)
}

// follow looks at the address, and reports whether it has changed.
func (l *link) follow() (changed bool) {
	text, err := l.Address()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && text != l.text {
		_, err = l.parse(text)
	}
	if err != nil {
		if l.said != err.Error() {
			l.said = err.Error()
			l.Log.Error("cannot use the new address of the database; keeping the old one", "err", err)
		}
		return false
	}
	l.said = ""
	if text == l.text {
		return false
	}
	l.text = text
	l.Log.Info("the address of the database has changed")
	if pool := l.pool.Load(); pool != nil {
		pool.Reset()
	}
	return true
}

// renew replaces all connections, but for those that were made in the last
// moment.
func (l *link) renew() {
	if pool := l.pool.Load(); pool != nil && once(&l.renewed, renewPause) {
		pool.Reset()
	}
}

// session are parameters that every pooler knows as a client's own, since libpq
// and JDBC depend on them: in the modes that send text, times are read wrongly
// under others. client_encoding is not among them: a database in another
// encoding than UTF-8 keeps the bytes that it is sent.
var session = map[string]string{"datestyle": "ISO", "standard_conforming_strings": "on"}

func (l *link) parse(text string) (*pgxpool.Config, error) {
	config, err := ParseURL(text)
	if err != nil {
		return nil, err
	}
	c := config.ConnConfig
	maps.DeleteFunc(c.RuntimeParams, func(name, _ string) bool { return session[strings.ToLower(name)] != "" })
	maps.Copy(c.RuntimeParams, session)
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	if l.Exec {
		c.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	if c.ValidateConnect == nil && several(c) && !asksForServer(text) {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	c.OnPgError = func(_ *pgconn.PgConn, err *pgconn.PgError) bool {
		if err.Code == readOnly { // as are, most likely, those made together with it
			l.renew()
		}
		return !endsSession(err)
	}
	return config, nil
}

// several reports whether c leads to more than one server.
func several(c *pgx.ConnConfig) bool {
	for _, other := range c.Fallbacks {
		if other.Host != c.Host || other.Port != c.Port {
			return true
		}
	}
	return false
}

// asksForServer reports whether an operator has said what server to connect to,
// be it "any", which leaves no trace in a parsed address.
func asksForServer(text string) bool {
	return strings.Contains(text, "target_session_attrs") || os.Getenv("PGTARGETSESSIONATTRS") != ""
}

// throwaway is the cluster_name of servers that tests make. It can be given at
// a server's start only, and to nothing that has another use.
const throwaway = "roster-test"

// volatile is a condition that holds where a crash loses what was committed.
const volatile = "current_setting('fsync') = 'off' AND current_setting('cluster_name') <> '" + throwaway + "'"

var errVolatile = &oauth.Error{
	Kind: oauth.Unavailable, Reason: oauth.Busy,
	Detail: "The database server has fsync off and would lose what was stored when its machine crashes: set fsync = on.",
}

// begin prepares a new connection, or refuses it.
func begin(ctx context.Context, c *pgx.Conn) error {
	readBytea(c.TypeMap())
	// In the simple protocol, which leaves nothing behind in a pooler's session.
	got, err := c.PgConn().Exec(ctx, "SELECT "+volatile).ReadAll()
	if err == nil && string(got[0].Rows[0][0]) == "t" {
		err = errVolatile
	}
	return err
}
