package postgres

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// namedPages find few clients on the index of names and many by reading on, and it
// is all the same to who turns the pages.
func namedPages(t *testing.T, pool *pgxpool.Pool) {
	s := New(pool)
	const limit = 1000
	for name, c := range map[string]struct {
		query ClientQuery
		sql   string
		reads float64 // rows of one step, at most
	}{
		"few":            {ClientQuery{Name: NameQuery{Contains: "1234"}}, "name LIKE '%1234%'", 60},
		"one":            {ClientQuery{Name: NameQuery{StartsWith: "N19999"}}, "name LIKE 'n19999%'", 60},
		"none":           {ClientQuery{Name: NameQuery{Contains: "zzz"}}, "false", 10},
		"a thousand":     {ClientQuery{Name: NameQuery{StartsWith: "n19"}}, "name LIKE 'n19%'", 1200},
		"many":           {ClientQuery{Name: NameQuery{StartsWith: "N1"}}, "name LIKE 'n1%'", maxSorted + 1},
		"all":            {ClientQuery{Name: NameQuery{StartsWith: "n"}}, "true", maxSorted + 1},
		"some in states": {ClientQuery{State: "disabled", Name: NameQuery{StartsWith: "n1"}}, "name LIKE 'n1%' AND state = 'disabled'", maxSorted + 1},
		"both":           {ClientQuery{Name: NameQuery{StartsWith: "n1", Contains: "234"}}, "name LIKE 'n1%' AND name LIKE '%234%'", 1200},
		"of a kind":      {ClientQuery{AppTypes: []string{"spa", "native"}, Name: NameQuery{StartsWith: "n1"}}, "name LIKE 'n1%' AND app_type IN ('spa', 'native')", maxSorted + 1},
	} {
		t.Run(name, func(t *testing.T) {
			q := c.query
			q.Limit = 51
			if many > 20_000 { // of which more have the name
				c.reads = maxSorted + 1
			}
			sql, args := q.listed()
			for _, n := range explain(t, pool, sql, args) {
				if n.Rows+n.Removed > c.reads && n.Type != "Bitmap Index Scan" {
					t.Errorf("%s of %s reads %v rows", n.Type, n.Table, n.Rows+n.Removed)
				}
			}
			if many > 20_000 { // whose pages take long to turn
				return
			}
			want, err := all(t.Context(), s, pgx.RowTo[string], "SELECT client_id FROM clients WHERE "+c.sql+" ORDER BY is_global, serial")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for q.Limit = limit; ; {
				page, _, err := s.ListedClients(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range page {
					got = append(got, c.ClientID)
				}
				if len(page) < limit {
					break
				}
				q.After = &page[limit-1].Place
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d clients are found, want %d", len(got), len(want))
			}
		})
	}
}
