package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

const grantColumns = `g.id, coalesce(c.client_id, ''), g.audience, g.subject_type, coalesce(g.default_for, ''), g.document, g.version, g.created_at, g.updated_at`

const grantClient = ` LEFT JOIN clients c ON c.id = g.client`

const grantTables = ` FROM client_grants g` + grantClient

func scanGrant(row pgx.CollectableRow) (oauth.ClientGrant, error) {
	var g oauth.ClientGrant
	err := scanGrantInto(row, &g)
	return g, err
}

func scanGrantInto(row pgx.CollectableRow, g *oauth.ClientGrant, more ...any) error {
	return row.Scan(append([]any{&g.ID, &g.ClientID, &g.Audience, &g.SubjectType, &g.DefaultFor, &g.Document, &g.Version, &g.CreatedAt, &g.UpdatedAt}, more...)...)
}

// ClientGrant reads one grant.
func (r reader) ClientGrant(ctx context.Context, id string) (oauth.ClientGrant, error) {
	return one(ctx, r, "client_grant", scanGrant, "SELECT "+grantColumns+grantTables+" WHERE g.id = $1", id)
}

// LockClientGrant reads one grant for changing it.
func (t *Tx) LockClientGrant(ctx context.Context, id string) (oauth.ClientGrant, error) {
	return one(ctx, t, "client_grant", scanGrant, "SELECT "+grantColumns+grantTables+" WHERE g.id = $1 FOR UPDATE OF g", id)
}

// LockGrant reads, for changing it, the grant of a client, by its uuid, or of a
// class of clients on an API.
func (t *Tx) LockGrant(ctx context.Context, client string, g oauth.ClientGrant) (oauth.ClientGrant, error) {
	return one(ctx, t, "client_grant", scanGrant, "SELECT "+grantColumns+grantTables+`
		WHERE g.audience = $1 AND g.subject_type = $2 AND (g.client = nullif($3, '')::uuid OR g.default_for = nullif($4, '')) FOR UPDATE OF g`,
		g.Audience, g.SubjectType, client, g.DefaultFor)
}

// LockGrantsWithScopes reads, for changing them, the grants on an API that name
// one of scopes.
func (t *Tx) LockGrantsWithScopes(ctx context.Context, audience string, scopes []string) ([]oauth.ClientGrant, error) {
	return all(ctx, t, scanGrant, "SELECT "+grantColumns+grantTables+`
		WHERE g.audience = $1 AND EXISTS (SELECT FROM json_array_elements_text(g.document -> 'scope') s WHERE s = ANY ($2))
		ORDER BY g.serial FOR UPDATE OF g`, audience, scopes)
}

// InsertClientGrant stores a new grant of the client with the given uuid, ""
// for a default grant.
func (t *Tx) InsertClientGrant(client string, g oauth.ClientGrant) {
	t.write(`INSERT INTO client_grants (id, client, audience, subject_type, default_for, document, version, created_at, updated_at)
		VALUES ($1, nullif($2, '')::uuid, $3, $4, nullif($5, ''), $6, $7, $8, $9)`,
		g.ID, client, g.Audience, g.SubjectType, g.DefaultFor, g.Document, g.Version, g.CreatedAt, g.UpdatedAt)
}

// UpdateClientGrant stores g's document over a locked grant.
func (t *Tx) UpdateClientGrant(g oauth.ClientGrant) {
	t.write(`UPDATE client_grants SET document = $2, version = $3, updated_at = $4 WHERE id = $1`, g.ID, g.Document, g.Version, g.UpdatedAt)
}

// DeleteClientGrant removes a grant.
func (t *Tx) DeleteClientGrant(id string) { t.write(`DELETE FROM client_grants WHERE id = $1`, id) }

// GrantQuery selects grants for a list, in creation order. Zero fields do
// not filter.
type GrantQuery struct {
	ClientID        string
	Audience        string
	SubjectType     string
	DefaultFor      string
	AnyOrganization bool // only grants that hold for every organization

	Limit, Offset int
	After         int64 // serial of the last grant seen
}

// PlacedGrant is a grant and its place in lists.
type PlacedGrant struct {
	oauth.ClientGrant
	Serial int64
}

func (q GrantQuery) filter() *filter {
	f := &filter{}
	if q.ClientID != "" {
		f.and("g.client = (SELECT id FROM clients WHERE client_id = " + f.arg(q.ClientID) + ")")
	}
	if q.Audience != "" {
		f.and("g.audience = " + f.arg(q.Audience))
	}
	if q.SubjectType != "" {
		f.and("g.subject_type = " + f.arg(q.SubjectType))
	}
	if q.DefaultFor != "" {
		f.and("g.default_for = " + f.arg(q.DefaultFor))
	}
	if q.AnyOrganization {
		f.and("g.allow_any_organization")
	}
	if q.After != 0 {
		f.and("g.serial > " + f.arg(q.After))
	}
	return f
}

// ClientGrants returns a page of grants, or its first chunk. As with clients,
// documents are read for the page alone.
func (r reader) ClientGrants(ctx context.Context, q GrantQuery) (list []PlacedGrant, more bool, err error) {
	sql, args := q.page()
	return chunk(ctx, r, func(row pgx.CollectableRow) (PlacedGrant, error) {
		var p PlacedGrant
		err := scanGrantInto(row, &p.ClientGrant, &p.Serial)
		return p, err
	}, sql, args...)
}

// page returns the query of ClientGrants.
func (q GrantQuery) page() (string, []any) {
	f := q.filter()
	return "WITH page AS MATERIALIZED (SELECT g.serial FROM client_grants g" + f.where() + " ORDER BY g.serial" + f.page(q.Limit, q.Offset) +
		") SELECT " + grantColumns + ", g.serial FROM page JOIN client_grants g USING (serial)" + grantClient + " ORDER BY g.serial", f.args
}

// CountClientGrants counts all grants that q selects, whatever its page.
func (r reader) CountClientGrants(ctx context.Context, q GrantQuery) (int, error) {
	q.After = 0
	f := q.filter()
	return one(ctx, r, "client_grant", pgx.RowTo[int], "SELECT count(*) FROM client_grants g"+f.where(), f.args...)
}
