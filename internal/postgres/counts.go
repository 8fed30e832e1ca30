package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// blockSize is how many places in a list a block of clients has; see migration
// 00015.
const blockSize = 1000

// counts selects counts of the blocks of a size, 1 or 32: what was added up, and
// what was not yet.
func counts(size string) string {
	return `(SELECT block, is_global, is_first_party, app_type, clients FROM client_counts WHERE size = ` + size + `
		UNION ALL SELECT block / ` + size + `, is_global, is_first_party, app_type, clients FROM client_count_changes) c`
}

// isCounted reports whether the counts of blocks tell what q selects.
func (q ClientQuery) isCounted() bool {
	return !q.State.Valid() && q.Name == (NameQuery{}) && q.ExternalClientID == "" && !q.AnyOrganization && !q.Nothing
}

// CountClients counts all clients that q selects, whatever its page.
func (r reader) CountClients(ctx context.Context, q ClientQuery) (int, error) {
	sql, args := q.count()
	return one(ctx, r, "client", pgx.RowTo[int], sql, args...)
}

func (q ClientQuery) count() (string, []any) {
	q.After = nil
	f := q.filter()
	if q.isCounted() {
		return "SELECT coalesce(sum(c.clients), 0)::bigint FROM " + counts("32") + f.where(), f.args
	}
	return "SELECT count(*) FROM clients c" + f.where(), f.args
}

// farPage returns common table expressions that find the block in which a page
// by number begins, and how many places of it to skip. Blocks before it are
// skipped by their counts. It restricts f to what follows. kinds are those that f
// leaves to the query to select, as an SQL array; "" for none.
func (q ClientQuery) farPage(f *filter, kinds string) (with, skip string) {
	counted := f.terms
	if kinds != "" {
		counted = append(slices.Clip(counted), "c.app_type = ANY ("+kinds+")")
	}
	offset := f.arg(q.Offset) + "::bigint"
	begin := func(size, before string, terms ...string) string {
		selected := filter{terms: slices.Concat(counted, terms)}
		return `SELECT is_global, block, before FROM (
			SELECT is_global, block, (` + before + ` + sum(sum(clients)) OVER (ORDER BY is_global, block) - sum(clients))::bigint AS before
			FROM ` + counts(size) + selected.where() + ` GROUP BY is_global, block HAVING sum(clients) > 0) sums
			WHERE before <= ` + offset + ` ORDER BY before DESC LIMIT 1`
	}
	with = `large AS MATERIALIZED (` + begin("32", "0") + `),
		small AS MATERIALIZED (` + begin("1", "(SELECT before FROM large)", "c.is_global = (SELECT is_global FROM large)",
		"c.block BETWEEN (SELECT block FROM large) * 32 AND (SELECT block FROM large) * 32 + 31") + `),
		`
	begins := "c.serial >= (SELECT block * 1000 FROM small)"
	if q.Global == nil {
		begins = "(c.is_global, c.serial) >= ((SELECT is_global FROM small), (SELECT block * 1000 FROM small))"
	}
	f.and(begins)
	return with, "greatest(" + offset + " - (SELECT before FROM small), 0)"
}

// AddUpCounts adds up what was noted of clients that came and went.
func (s *Store) AddUpCounts(ctx context.Context) error {
	_, err := s.exec(ctx, `
		WITH noted AS (DELETE FROM client_count_changes RETURNING *)
		INSERT INTO client_counts AS c
		SELECT size, block / size, is_global, is_first_party, app_type, sum(clients)
		FROM noted, unnest(ARRAY[1, 32]) size GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
		ON CONFLICT ON CONSTRAINT client_counts_pkey DO UPDATE SET clients = c.clients + excluded.clients`)
	return err
}
