package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

const apiColumns = `r.id, r.identifier, r.document, r.sealed_secret, r.is_system, coalesce(c.client_id, ''), r.version, r.created_at, r.updated_at`

const apiTables = ` FROM resource_servers r LEFT JOIN clients c ON c.id = r.client`

func scanAPI(row pgx.CollectableRow) (oauth.ResourceServer, error) {
	var r oauth.ResourceServer
	err := scanAPIInto(row, &r)
	return r, err
}

// scanAPIInto reads apiColumns into r and the columns after them into more.
func scanAPIInto(row pgx.CollectableRow, r *oauth.ResourceServer, more ...any) error {
	return row.Scan(append([]any{&r.ID, &r.Identifier, &r.Document, &r.SealedSecret, &r.System, &r.ClientID, &r.Version, &r.CreatedAt, &r.UpdatedAt}, more...)...)
}

// ResourceServer reads the API that has one of names as its id or identifier;
// an earlier name wins over a later one.
func (r reader) ResourceServer(ctx context.Context, names ...string) (oauth.ResourceServer, error) {
	return findAPI(ctx, r, names, "")
}

// HoldResourceServer reads one API and keeps others from changing it.
func (t *Tx) HoldResourceServer(ctx context.Context, names ...string) (oauth.ResourceServer, error) {
	return findAPI(ctx, t, names, " FOR SHARE OF r")
}

// LockResourceServer reads one API for changing it.
func (t *Tx) LockResourceServer(ctx context.Context, names ...string) (oauth.ResourceServer, error) {
	return findAPI(ctx, t, names, " FOR UPDATE OF r")
}

func findAPI(ctx context.Context, q querier, names []string, lock string) (oauth.ResourceServer, error) {
	return one(ctx, q, "resource_server", scanAPI, "SELECT "+apiColumns+apiTables+`
		WHERE r.id = ANY ($1) OR r.identifier = ANY ($1)
		ORDER BY least(array_position($1, r.id), array_position($1, r.identifier)) LIMIT 1`+lock, names)
}

// LockSystemResourceServer reads Roster's own API for changing it.
func (t *Tx) LockSystemResourceServer(ctx context.Context) (oauth.ResourceServer, error) {
	return one(ctx, t, "resource_server", scanAPI, "SELECT "+apiColumns+apiTables+" WHERE r.is_system FOR UPDATE OF r")
}

// APIsLike lists the identifiers of other APIs that are identifier but for case
// and for anything but visible ASCII characters.
func (t *Tx) APIsLike(ctx context.Context, identifier string) ([]string, error) {
	const like = `lower(regexp_replace(%s, '[^!-~]', '', 'g') COLLATE "C")`
	return all(ctx, t, pgx.RowTo[string], `SELECT identifier FROM resource_servers WHERE identifier <> $1
		AND `+fmt.Sprintf(like, "identifier")+` = `+fmt.Sprintf(like, "$1::text"), identifier)
}

// InsertResourceServer stores a new API.
func (t *Tx) InsertResourceServer(r oauth.ResourceServer) {
	t.write(`INSERT INTO resource_servers (id, identifier, document, sealed_secret, is_system, version, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		r.ID, r.Identifier, r.Document, r.SealedSecret, r.System, r.Version, r.CreatedAt, r.UpdatedAt)
}

// UpdateResourceServer stores r over a locked API.
func (t *Tx) UpdateResourceServer(r oauth.ResourceServer) {
	t.write(`UPDATE resource_servers SET identifier = $2, document = $3, sealed_secret = $4, version = $5, updated_at = $6 WHERE id = $1`,
		r.ID, r.Identifier, r.Document, r.SealedSecret, r.Version, r.UpdatedAt)
}

// LinkResourceServer makes the client with that uuid stand for an API.
func (t *Tx) LinkResourceServer(identifier, client string) {
	t.write(`UPDATE resource_servers SET client = $2 WHERE identifier = $1`, identifier, client)
}

// DeleteResourceServer removes an API and the grants on it.
func (t *Tx) DeleteResourceServer(id string) {
	t.write(`DELETE FROM resource_servers WHERE id = $1`, id)
}

// PlacedAPI is a resource server and its place in lists.
type PlacedAPI struct {
	oauth.ResourceServer
	Serial int64
}

func scanPlacedAPI(row pgx.CollectableRow) (p PlacedAPI, err error) {
	err = scanAPIInto(row, &p.ResourceServer, &p.Serial)
	return p, err
}

// ResourceServers returns a page of APIs in creation order, or its first chunk,
// from the place after on; identifiers, when given, selects.
func (r reader) ResourceServers(ctx context.Context, identifiers []string, after int64, limit, offset int) (list []PlacedAPI, more bool, err error) {
	return chunk(ctx, r, scanPlacedAPI, `WITH page AS MATERIALIZED (
			SELECT r.serial FROM resource_servers r WHERE r.serial > $1 AND ($2::text[] IS NULL OR r.identifier = ANY ($2))
			ORDER BY r.serial LIMIT $3 OFFSET $4)
		SELECT `+apiColumns+`, r.serial FROM page JOIN resource_servers r USING (serial) LEFT JOIN clients c ON c.id = r.client ORDER BY r.serial`,
		after, identifiers, limit, offset)
}

// CountResourceServers counts what ResourceServers selects.
func (r reader) CountResourceServers(ctx context.Context, identifiers []string) (int, error) {
	return one(ctx, r, "resource_server", pgx.RowTo[int], `SELECT count(*) FROM resource_servers r WHERE $1::text[] IS NULL OR r.identifier = ANY ($1)`, identifiers)
}

// SystemIdentifier returns the identifier of Roster's own API.
func (r reader) SystemIdentifier(ctx context.Context) (string, error) {
	return one(ctx, r, "resource_server", pgx.RowTo[string], `SELECT identifier FROM resource_servers WHERE is_system`)
}
