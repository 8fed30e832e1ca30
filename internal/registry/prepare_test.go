package registry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/postgrestest"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
)

// TestInstancesMayStartAtOnce has many instances prepare an empty database, each
// over a connection of its own, and make the same administrator.
func TestInstancesMayStartAtOnce(t *testing.T) {
	t.Parallel()
	management, err := server.Management()
	if err != nil {
		t.Fatal(err)
	}
	for _, isolation := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			keys, err := seal.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			url := postgrestest.NewURL(t)
			const n = 12
			instances := make([]*registry.Registry, n)
			var pool *pgxpool.Pool
			for i := range instances {
				pool = session(t, url, isolation)
				instances[i] = registry.New(postgres.New(pool), keys, registry.Config{PublicURL: "https://roster.example", Tenant: "roster", Management: management, Now: time.Now})
			}
			made := 0
			for i, err := range atOnce(instances, func(r *registry.Registry) (bool, error) {
				if err := r.Prepare(t.Context()); err != nil {
					return false, err
				}
				_, did, err := r.Administrator(t.Context(), "automation", oauth.NewSecret("a-secret-of-the-operators"))
				return did == registry.Made, err
			}, &made) {
				if err != nil {
					t.Errorf("instance %d: %v", i, err)
				}
			}
			if made != 1 {
				t.Errorf("%d instances say that they have made the administrator", made)
			}
			var got []int
			err = pool.QueryRow(t.Context(), `SELECT ARRAY[(SELECT count(*) FROM clients WHERE is_global), (SELECT count(*) FROM clients),
				(SELECT count(*) FROM issuer_keys WHERE use = 'token'), (SELECT count(*) FROM issuer_keys WHERE use = 'tenant'),
				(SELECT count(*) FROM resource_servers), (SELECT count(*) FROM client_grants), (SELECT count(*) FROM events)]`).Scan(&got)
			if want := []int{1, 2, 1, 1, 1, 1, 6}; err != nil || !slices.Equal(got, want) {
				t.Errorf("there are %v, want %v, %v", got, want, err)
			}
		})
	}
}

// TestOneOfTwoKeysetsIsRefused starts instances with keysets of their own.
func TestOneOfTwoKeysetsIsRefused(t *testing.T) {
	t.Parallel()
	management, err := server.Management()
	if err != nil {
		t.Fatal(err)
	}
	url := postgrestest.NewURL(t)
	instances := make([]*registry.Registry, 6)
	for i := range instances {
		keys, err := seal.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		instances[i] = registry.New(postgres.New(session(t, url, "read committed")), keys, registry.Config{PublicURL: "https://roster.example", Tenant: "roster", Management: management, Now: time.Now})
	}
	prepared := 0
	for _, err := range atOnce(instances, func(r *registry.Registry) (bool, error) {
		err := r.Prepare(t.Context())
		return err == nil, err
	}, &prepared) {
		if err != nil && !errors.Is(err, seal.ErrForeign) {
			t.Error(err)
		}
	}
	if prepared != 1 {
		t.Errorf("%d instances serve, each with keys of its own", prepared)
	}
}

// session is a pool of one connection, whose transactions have that isolation.
func session(t *testing.T, url, isolation string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 1
	config.ConnConfig.RuntimeParams["default_transaction_isolation"] = isolation
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	return pool
}

// atOnce calls do for all instances at the same time, counts where it was true,
// and returns the errors.
func atOnce(instances []*registry.Registry, do func(*registry.Registry) (bool, error), count *int) []error {
	errs, done := make([]error, len(instances)), make([]bool, len(instances))
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, r := range instances {
		all.Go(func() {
			<-start
			done[i], errs[i] = do(r)
		})
	}
	close(start)
	all.Wait()
	for _, one := range done {
		if one {
			*count++
		}
	}
	return errs
}

// An API that took the name which the public URL gives to the management API is
// named by the error, and so is the way out.
func TestAnAPIThatHoldsTheManagementAPIsNameIsNamed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"name": "n", "identifier": "https://new.example/api/v2/"}).Want(201).Object()["id"].(string)
	config := s.Registry.Config
	config.PublicURL = "https://new.example"
	err := registry.New(postgres.New(s.Serving), s.Keys, config).Prepare(t.Context())
	if err == nil || !strings.Contains(err.Error(), id) || !strings.Contains(err.Error(), "roster apis delete") {
		t.Errorf("error %v", err)
	}
	s.Do(s.Admin, "DELETE", "/api/v2/resource-servers/"+id, nil).Want(204)
	if err := registry.New(postgres.New(s.Serving), s.Keys, config).Prepare(t.Context()); err != nil {
		t.Error(err)
	}
}

// An administrator by an explicit list, as an earlier release may have one, gets
// what is missing by an operator's command, once.
func TestAnAdministratorByAListGetsEveryScope(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	w := newWorld(t, s, 0, rights.Of("read:clients"), 0)
	for _, c := range w.clients {
		for i, want := range []bool{true, false} {
			if changed, err := s.Registry.AllowEverything(t.Context(), c.clientID); err != nil || changed != want {
				t.Errorf("time %d: changed %v, %v", i, changed, err)
			}
		}
		got, err := s.Registry.Client(t.Context(), oauth.ClientRef{ClientID: c.clientID})
		if err != nil || got.Granted != rights.All {
			t.Errorf("granted %v, %v", got.Granted.Names(), err)
		}
	}
	if list, err := s.Registry.IgnoredGrants(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%d default grants, %v", len(list), err)
	}
	if _, err := s.Pool.Exec(t.Context(), `INSERT INTO client_grants (id, audience, subject_type, default_for, document, created_at, updated_at)
		VALUES ('cgr_0123456789abcdef', $1, 'client', 'third_party_clients', '{"scope":["read:logs"]}', now(), now())`, s.Registry.ManagementAudience()); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Registry.IgnoredGrants(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%d default grants, %v", len(list), err)
	}
}
