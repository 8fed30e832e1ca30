package postgres

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/postgrestest"
)

// many is enough for a plan that reads the whole table to show. `make bench-plans`
// has more.
var many = clientsToPlanFor()

func clientsToPlanFor() int {
	if n, err := strconv.Atoi(os.Getenv("TEST_PLANS")); err == nil {
		return n
	}
	return 20_000
}

// fill makes many clients, every tenth of a rare kind and a third party's, with
// a grant each and documents that fill some pages.
func fill(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := postgrestest.New(t)
	for _, sql := range []string{
		`INSERT INTO clients (id, client_id, document, created_at, updated_at)
			SELECT gen_random_uuid(), 'c' || n, json_build_object('client_name', 'n' || n, 'filler', repeat('x', 500), 'auth0:is_first_party', n % 10 <> 0,
				'auth0:app_type', CASE n % 10 WHEN 0 THEN 'native' WHEN 1 THEN 'spa' ELSE 'regular_web' END), now(), now()
			FROM generate_series(1, ` + strconv.Itoa(many) + `) n`,
		`INSERT INTO client_secrets (id, client, mac, created_at) SELECT gen_random_uuid(), id, 'm', now() FROM clients`,
		`INSERT INTO resource_servers (id, identifier, document, created_at, updated_at) VALUES ('1', 'api', '{}', now(), now()), ('2', 'rare', '{}', now(), now())`,
		`INSERT INTO client_grants (id, client, audience, subject_type, document, created_at, updated_at)
			SELECT 'g' || serial, id, CASE WHEN serial % 1000 = 0 THEN 'rare' ELSE 'api' END, CASE WHEN serial % 500 = 0 THEN 'user' ELSE 'client' END,
				json_build_object('scope', json_build_array(repeat('s', 500)), 'allow_any_organization', serial % 700 = 0), now(), now() FROM clients`,
		`UPDATE clients SET state = 'disabled' WHERE serial % 100 = 0`,
		`VACUUM ANALYZE clients, client_secrets, client_grants, resource_servers`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := New(pool).AddUpCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "VACUUM client_count_changes"); err != nil { // as autovacuum does
		t.Fatal(err)
	}
	return pool
}

// node is a step of a plan.
type node struct {
	Type    string  `json:"Node Type"`
	Table   string  `json:"Relation Name"`
	Rows    float64 `json:"Actual Rows"`
	Removed float64 `json:"Rows Removed by Filter"`
	Hit     int     `json:"Shared Hit Blocks"`
	Read    int     `json:"Shared Read Blocks"`
	Plans   []node
}

// explain runs a query and returns its plan's steps, the outermost first.
func explain(t *testing.T, pool *pgxpool.Pool, sql string, args []any) []node {
	t.Helper()
	var text []byte
	if err := pool.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+sql, append([]any{pgx.QueryExecModeExec}, args...)...).Scan(&text); err != nil {
		t.Fatalf("%v: %s", err, sql)
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal(text, &plans); err != nil {
		t.Fatal(err)
	}
	var steps []node
	var walk func(node)
	walk = func(n node) {
		steps = append(steps, n)
		for _, inner := range n.Plans {
			walk(inner)
		}
	}
	walk(plans[0].Plan)
	return steps
}

// No list that pages costs more where the table is larger or the page is deeper.
func TestPlansDoNotGrow(t *testing.T) {
	t.Parallel()
	pool := fill(t)
	t.Run("by cursor", func(t *testing.T) { checkpointPages(t, pool) })
	t.Run("by number", func(t *testing.T) { offsetPages(t, pool) })
	t.Run("totals", func(t *testing.T) { totals(t, pool) })
	t.Run("by name", func(t *testing.T) { namedPages(t, pool) })
}

// checkpointPages read no more than follows from their length, wherever they are.
func checkpointPages(t *testing.T, pool *pgxpool.Pool) {
	var last int64
	if err := pool.QueryRow(t.Context(), `SELECT max(serial) FROM clients`).Scan(&last); err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	const limit = 51
	for name, page := range map[string]func(after int64) (string, []any){
		"clients": func(after int64) (string, []any) {
			return ClientQuery{Limit: limit, After: &ListPlace{Serial: after}}.page()
		},
		"clients but the global": func(after int64) (string, []any) {
			return ClientQuery{Global: &no, Limit: limit, After: &ListPlace{Serial: after}}.page()
		},
		"clients of a common kind": func(after int64) (string, []any) {
			return ClientQuery{AppTypes: []string{"regular_web"}, Limit: limit, After: &ListPlace{Serial: after}}.page()
		},
		"clients of a rare kind": func(after int64) (string, []any) {
			return ClientQuery{AppTypes: []string{"native"}, Limit: limit, After: &ListPlace{Serial: after}}.page()
		},
		"clients of no kind": func(after int64) (string, []any) {
			return ClientQuery{AppTypes: []string{"toaster"}, Limit: limit, After: &ListPlace{Serial: after}}.page()
		},
		"clients of some kinds": func(after int64) (string, []any) {
			return ClientQuery{AppTypes: []string{"spa", "native", "toaster"}, Limit: limit, After: &ListPlace{Serial: after}}.page()
		},
		"clients of third parties": func(after int64) (string, []any) {
			return ClientQuery{FirstParty: &no, Limit: limit, After: &ListPlace{Serial: after}}.page()
		},
		"clients of ours": func(after int64) (string, []any) {
			return ClientQuery{FirstParty: &yes, Limit: limit, After: &ListPlace{Serial: after}}.page()
		},
		"clients from a document": func(after int64) (string, []any) {
			return ClientQuery{ExternalClientID: "https://x.example/", Limit: limit, After: &ListPlace{Serial: after}}.page()
		},
		"clients in any state": func(after int64) (string, []any) {
			return ClientQuery{Limit: limit, After: &ListPlace{Serial: after}}.listed()
		},
		"clients that are disabled": func(after int64) (string, []any) {
			return ClientQuery{State: "disabled", Limit: limit, After: &ListPlace{Serial: after}}.listed()
		},
		"clients that are active": func(after int64) (string, []any) {
			return ClientQuery{State: "active", Limit: limit, After: &ListPlace{Serial: after}}.listed()
		},
		"grants": func(after int64) (string, []any) { return GrantQuery{Limit: limit, After: after}.page() },
		"grants of an API": func(after int64) (string, []any) {
			return GrantQuery{Limit: limit, Audience: "api", After: after}.page()
		},
		"grants of a rare API": func(after int64) (string, []any) {
			return GrantQuery{Limit: limit, Audience: "rare", After: after}.page()
		},
		"grants of a client": func(after int64) (string, []any) {
			return GrantQuery{Limit: limit, ClientID: "c7", After: after}.page()
		},
		"grants for users": func(after int64) (string, []any) {
			return GrantQuery{Limit: limit, SubjectType: "user", After: after}.page()
		},
		"grants by default": func(after int64) (string, []any) {
			return GrantQuery{Limit: limit, DefaultFor: "third_party_clients", After: after}.page()
		},
		"grants everywhere": func(after int64) (string, []any) {
			return GrantQuery{Limit: limit, AnyOrganization: true, After: after}.page()
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, after := range []int64{0, last / 2, last - 100} {
				sql, args := page(after)
				if strings.Contains(sql, "OFFSET") {
					t.Errorf("a page by cursor skips rows: %s", sql)
				}
				steps := explain(t, pool, sql, args)
				for _, n := range steps {
					if n.Type == "Seq Scan" && n.Table != "" && n.Table != "resource_servers" {
						t.Errorf("after %d: the plan reads all of %s", after, n.Table)
					}
					if n.Rows+n.Removed > 5*limit {
						t.Errorf("after %d: %s of %s reads %v rows", after, n.Type, n.Table, n.Rows+n.Removed)
					}
				}
				if blocks := steps[0].Hit + steps[0].Read; blocks > 20*limit {
					t.Errorf("after %d: the page takes %d blocks", after, blocks)
				}
			}
		})
	}
}

// offsetPages skip on an index, of clients at most a block; the rows that they
// skip are not read.
func offsetPages(t *testing.T, pool *pgxpool.Pool) {
	no := false
	for name, page := range map[string]func() (string, []any){
		"clients":                func() (string, []any) { return ClientQuery{Limit: 50, Offset: many - 100}.page() },
		"clients but the global": func() (string, []any) { return ClientQuery{Global: &no, Limit: 50, Offset: many - 100}.page() },
		"clients of a kind": func() (string, []any) {
			return ClientQuery{AppTypes: []string{"regular_web"}, Limit: 50, Offset: many / 2}.page()
		},
		"clients of some kinds": func() (string, []any) {
			return ClientQuery{AppTypes: []string{"native", "spa"}, Limit: 50, Offset: many / 6}.page()
		},
		"clients of third parties": func() (string, []any) { return ClientQuery{FirstParty: &no, Limit: 50, Offset: many/10 - 50}.page() },
		"grants":                   func() (string, []any) { return GrantQuery{Limit: 50, Offset: many - 100}.page() },
		"grants of an API":         func() (string, []any) { return GrantQuery{Audience: "api", Limit: 50, Offset: many / 2}.page() },
	} {
		t.Run(name, func(t *testing.T) {
			sql, args := page()
			steps := explain(t, pool, sql, args)
			if blocks := steps[0].Hit + steps[0].Read; blocks > 1000 && strings.HasPrefix(name, "clients") {
				t.Errorf("the page takes %d blocks", blocks)
			}
			for _, n := range steps {
				if n.Table != "" && n.Type != "Index Only Scan" && !strings.HasPrefix(n.Table, "client_count") && n.Rows+n.Removed > 60 {
					t.Errorf("%s of %s reads %v rows", n.Type, n.Table, n.Rows+n.Removed)
				}
				if n.Table == "clients" && n.Rows > blockSize+60 {
					t.Errorf("%s of %s reads %v rows", n.Type, n.Table, n.Rows)
				}
			}
		})
	}
}
