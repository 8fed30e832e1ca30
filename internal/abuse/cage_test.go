package abuse

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/ops"
)

// cage is a service that keeps a secret which it must show to nobody.
type cage struct {
	*servertest.Server                    // the instance that is crawled
	front              *servertest.Server // another one, to prepare things by
	canary             string
	client             string
	reader             string // a token with every scope but those that show clients' secrets
	ids                map[string]string
	seen               *sightings
	leaks              *leaks

	panicking  atomic.Bool
	statements servertest.LogBuffer // what the database would log
	metrics    *ops.Metrics
}

// showing are the scopes whose holders are shown secrets of clients.
var showing = []string{"read:client_keys", "clients:manage:all"}

func newCage(t *testing.T) *cage {
	t.Helper()
	c := &cage{seen: &sightings{}, leaks: &leaks{}, metrics: ops.NewMetrics("test")}
	c.canary = "canary-" + oauth.RandomText(oauth.Alphanumeric, 48)
	c.front = servertest.NewWith(t, servertest.Options{Registry: func(r *registry.Config) {
		r.Now = func() time.Time {
			if c.panicking.Load() {
				panic(fmt.Errorf("the secret is %s", c.canary))
			}
			return time.Now()
		}
	}})
	c.Server = beside(t, c.front, c.watched(t), func(config *server.Config) { config.Metrics = c.metrics })
	scopes, err := server.ManagementScopes()
	if err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for _, scope := range scopes {
		if !slices.Contains(showing, scope.Value) {
			allowed = append(allowed, scope.Value)
		}
	}
	c.reader = c.front.Token(allowed...)
	c.fill(t)
	return c
}

// watched opens a pool on c's database that keeps the text of every statement
// and all that the server would write to its log on the way.
func (c *cage) watched(t *testing.T) *pgxpool.Pool {
	t.Helper()
	config := c.front.Serving.Config()
	superuser := postgrestest.Open(t, postgrestest.Superuser(t, config.ConnString()))
	for _, parameter := range []string{
		"log_statement = 'all'",
		"log_parameter_max_length = 0", // values are another matter: they are sealed
	} {
		if _, err := superuser.Exec(t.Context(), "ALTER DATABASE "+config.ConnConfig.Database+" SET "+parameter); err != nil {
			t.Fatal(err)
		}
	}
	config.BeforeConnect = nil // it would put the address's settings in the place of those below
	config.ConnConfig.RuntimeParams["client_min_messages"] = "log"
	config.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		_, _ = fmt.Fprintln(&c.statements, n.Message, n.Detail, n.Hint, n.Where, n.InternalQuery)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// fill makes one of everything, and a client whose secret is the canary.
func (c *cage) fill(t *testing.T) {
	t.Helper()
	f := c.front
	id := func(path string, body object) string {
		return f.Do(f.Admin, "POST", path, body).Want(201).Object()["id"].(string)
	}
	inner := func(path, envelope string, members object) string {
		return f.Do(f.Admin, "POST", path, object{envelope: members}).Want(201).Object()["data"].(object)["id"].(string)
	}
	c.client, _ = newClient(f, object{"client_secret": c.canary})
	f.Do(f.Admin, "POST", clientPath(c.client)+"/rotate-secret?grace_seconds=3600", nil).Want(200)
	c.restore(t)
	const api = "https://api.example/"
	c.ids = map[string]string{
		"client_id":                     c.client,
		"secret_id":                     c.secretID(t),
		"/api/v2/resource-servers/{id}": id("/api/v2/resource-servers", object{"identifier": api, "scopes": []object{{"value": "a"}}}),
		"/api/v2/client-grants/{id}":    id("/api/v2/client-grants", object{"client_id": c.client, "audience": api, "scope": []string{"a"}}),
		"credential_id":                 id(clientPath(c.client)+"/credentials", object{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"}),
		"/api/scopes/{id}":              inner("/api/scopes", "scope", object{"name": "a", "label": "A"}),
		"/api/key-pairs/{id}":           inner("/api/key-pairs", "key_pair", object{}),
		"/api/identity-providers/{id}":  newProvider(f),
		"/openapi/{part}":               "auth0.yaml",
		"/api/clients/{id}":             c.uuid(t),
	}
}

// uuid is the registry's own identifier of the client.
func (c *cage) uuid(t *testing.T) (id string) {
	t.Helper()
	if err := c.front.Pool.QueryRow(t.Context(), "SELECT id::text FROM clients WHERE client_id = $1", c.client).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func (c *cage) secretID(t *testing.T) (id string) {
	t.Helper()
	err := c.front.Pool.QueryRow(t.Context(), "SELECT s.id::text FROM client_secrets s JOIN clients c ON c.id = s.client WHERE c.client_id = $1 ORDER BY s.created_at LIMIT 1", c.client).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// restore makes the canary the client's secret again, and watches for the forms
// in which it is kept now.
func (c *cage) restore(t *testing.T) {
	t.Helper()
	ref := oauth.ClientRef{ClientID: c.client}
	kept, err := c.front.Registry.Client(t.Context(), ref)
	if oauth.KindOf(err) == oauth.NotFound {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if now, err := c.front.Registry.RevealSecret(kept); err != nil {
		t.Fatal(err)
	} else if now.Reveal() != c.canary {
		if _, err := c.front.Registry.UpdateClient(t.Context(), ref, func(d *oauth.Draft) error {
			d.NewSecret = oauth.NewSecret(c.canary)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	c.leaks.add("the canary", []byte(c.canary))
	c.leaks.addStored(t, c.front)
}
