package postgres

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var countedQueries = []ClientQuery{
	{}, {Global: new(true)}, {Global: new(false)}, {FirstParty: new(true)}, {FirstParty: new(false)}, {AppTypes: []string{"spa"}},
	{AppTypes: []string{"spa", "native", "toaster", "spa"}}, {Global: new(false), FirstParty: new(false), AppTypes: []string{"native", "regular_web"}},
	{AppTypes: []string{"toaster"}},
}

func TestCountsAreWhatCountingGives(t *testing.T) {
	t.Parallel()
	pool := fill(t)
	t.Run("far pages", func(t *testing.T) { farPages(t, pool) })
	t.Run("changes", func(t *testing.T) { countsInSnapshots(t, pool) })
}

// totals are read off the counts of large blocks.
func totals(t *testing.T, pool *pgxpool.Pool) {
	for _, q := range countedQueries {
		sql, args := q.count()
		for _, n := range explain(t, pool, sql, args) {
			if n.Table == "clients" || n.Rows+n.Removed > float64(100+10*many/32_000) {
				t.Errorf("%+v: %s of %s reads %v rows", q, n.Type, n.Table, n.Rows+n.Removed)
			}
		}
	}
}

// countsInSnapshots checks the counts while clients come, go and change, with
// whatever was not added up yet.
func countsInSnapshots(t *testing.T, pool *pgxpool.Pool) {
	s := New(pool)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := range 60 {
				kind := []string{`"spa"`, `"native"`, "null"}[n%3]
				document := fmt.Sprintf(`{"auth0:app_type": %s, "auth0:is_first_party": %t}`, kind, n%2 == 0)
				for _, sql := range []string{
					"INSERT INTO clients (id, client_id, document, created_at, updated_at) VALUES (gen_random_uuid(), $1, $2::text::json, now(), now())",
					"UPDATE clients SET document = $2::text::json WHERE $1 <> '' AND serial = (SELECT min(serial) FROM clients WHERE NOT is_global)",
					"DELETE FROM clients WHERE client_id = $1 AND $2 <> '' AND serial % 3 = 0",
				} {
					if _, err := pool.Exec(t.Context(), sql, fmt.Sprintf("w%d-%d", w, n), document); err != nil {
						t.Error(err)
						return
					}
				}
				if n%20 == w {
					if err := s.AddUpCounts(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		for _, q := range countedQueries {
			sql, args := q.count()
			f := q.filter()
			both := "SELECT (" + sql + "), (SELECT count(*) FROM clients c" + f.where() + ")" // in one snapshot
			var counts, counted int
			if err := pool.QueryRow(t.Context(), both, args...).Scan(&counts, &counted); err != nil {
				t.Fatal(err)
			}
			if counts != counted {
				t.Fatalf("%+v: the counts say %d, there are %d", q, counts, counted)
			}
		}
	}
}

// farPages takes pages by number and compares them with the whole list.
func farPages(t *testing.T, pool *pgxpool.Pool) {
	s := New(pool)
	for _, sql := range []string{
		"DELETE FROM clients WHERE serial BETWEEN 3000 AND 5500 OR serial % 7 = 0",
		`UPDATE clients SET document = '{"auth0:global": true}' WHERE serial = 8`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, added := range []bool{false, true} {
		for _, q := range countedQueries {
			where := q.filter()
			ids, err := all(t.Context(), s, pgx.RowTo[string], "SELECT client_id FROM clients c"+where.where()+" ORDER BY is_global, serial", where.args...)
			if err != nil {
				t.Fatal(err)
			}
			n := len(ids)
			for _, offset := range []int{0, 1, 999, 1000, 1001, 1499, 2050, n / 2, n - 30, n - 1, n, n + 1, n + 5000, 1 << 40} {
				q.Limit, q.Offset = 40, max(offset, 0)
				page, _, err := s.Clients(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, c := range page {
					got = append(got, c.ClientID)
				}
				if want := ids[min(q.Offset, n):min(q.Offset+q.Limit, n)]; !slices.Equal(got, want) {
					t.Errorf("%+v, added up %v: got %v, want %v", q, added, got, want)
				}
			}
		}
		if err := s.AddUpCounts(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
