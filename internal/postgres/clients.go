package postgres

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// clientColumns are what scanClient reads: the client, its newest secret that
// has not expired, and its grant on the management API.
const clientColumns = `c.id::text, c.client_id, c.document, c.sealed, c.version, c.created_at, c.updated_at, c.state, s.id::text, s.sealed, s.mac, s.created_at, s.expires_at, s.last_used_at,
	(SELECT document FROM client_grants WHERE client = c.id AND subject_type = 'client'
		AND audience = (SELECT identifier FROM resource_servers WHERE is_system))`

const newestSecret = ` LEFT JOIN LATERAL (
	SELECT id, sealed, mac, created_at, expires_at, last_used_at FROM client_secrets
	WHERE client = c.id AND (expires_at IS NULL OR expires_at > now())
	ORDER BY created_at DESC, id DESC LIMIT 1) s ON true`

func scanClient(row pgx.CollectableRow) (oauth.Client, error) {
	var c oauth.Client
	err := scanClientInto(row, &c)
	return c, err
}

// scanClientInto reads clientColumns into c and the columns after them into more.
func scanClientInto(row pgx.CollectableRow, c *oauth.Client, more ...any) error {
	var s oauth.ClientSecret
	var secretID *string
	var created *time.Time
	var management jsondoc.Object
	err := row.Scan(append([]any{&c.ID, &c.ClientID, &c.Document, &c.Sealed, &c.Version, &c.CreatedAt, &c.UpdatedAt, &c.State,
		&secretID, &s.Sealed, &s.MAC, &created, &s.ExpiresAt, &s.LastUsedAt, &management}, more...)...)
	if err == nil && secretID != nil {
		s.ID, s.CreatedAt = *secretID, *created
		c.Secret = &s
	}
	if management != nil {
		c.Granted = (&oauth.ClientGrant{Document: management}).Rights()
	}
	return err
}

// match returns the condition that finds ref, which uses $1.
func match(ref oauth.ClientRef) (string, any) {
	if ref.ID != "" {
		return " WHERE c.id = $1", ref.ID
	}
	return " WHERE c.client_id = $1", ref.ClientID
}

// Client reads one client.
func (r reader) Client(ctx context.Context, ref oauth.ClientRef) (oauth.Client, error) {
	where, arg := match(ref)
	return one(ctx, r, "client", scanClient, "SELECT "+clientColumns+" FROM clients c"+newestSecret+where, arg)
}

// LinkedClient reads one client and what it is tied to; see Links.
func (r reader) LinkedClient(ctx context.Context, ref oauth.ClientRef) (oauth.Client, oauth.Links, error) {
	where, arg := match(ref)
	var found []oauth.Client
	links := map[string]oauth.Links{}
	err := r.ask(ctx,
		rows(&found, scanClient, "SELECT "+clientColumns+" FROM clients c"+newestSecret+where, arg),
		linksOf(links, "clients c", where, arg))
	c, err := first(found, "client", err)
	return c, links[c.ID], err
}

// LockClient reads one client and keeps others from changing it until the
// transaction ends.
func (t *Tx) LockClient(ctx context.Context, ref oauth.ClientRef) (oauth.Client, error) {
	return t.lockClient(ctx, ref)
}

// LockLinkedClient is LockClient with what the client is tied to; see Links.
func (t *Tx) LockLinkedClient(ctx context.Context, ref oauth.ClientRef) (oauth.Client, oauth.Links, error) {
	where, arg := match(ref)
	links := map[string]oauth.Links{}
	c, err := t.lockClient(ctx, ref, linksOf(links, "clients c", where, arg))
	return c, links[c.ID], err
}

func (t *Tx) lockClient(ctx context.Context, ref oauth.ClientRef, more ...question) (oauth.Client, error) {
	where, arg := match(ref)
	// A statement that waits for a lock goes on to read the rows next to the locked
	// one as they were before: the newest secret must be read by another.
	var locked []string
	var found []oauth.Client
	err := t.ask(ctx, append([]question{
		rows(&locked, pgx.RowTo[string], "SELECT c.id::text FROM clients c"+where+" FOR UPDATE", arg),
		rows(&found, scanClient, "SELECT "+clientColumns+" FROM clients c"+newestSecret+where, arg),
	}, more...)...)
	if len(locked) == 0 {
		found = nil // made since, and not locked
	}
	c, err := first(found, "client", err)
	if err == nil {
		err = ref.Check(&c)
	}
	return c, err
}

// LockClients reads the clients that have one of the identifiers, and keeps
// others from changing them until the transaction ends.
func (t *Tx) LockClients(ctx context.Context, clientIDs, ids []string) ([]oauth.Client, error) {
	// In the order of the ids, so that two transactions wait for each other in the
	// same order; in two statements, as LockClient.
	found, err := all(ctx, t, pgx.RowTo[string],
		`SELECT id::text FROM clients WHERE client_id = ANY ($1) OR id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE`, clientIDs, ids)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return all(ctx, t, scanClient, "SELECT "+clientColumns+" FROM clients c"+newestSecret+" WHERE c.id = ANY ($1::uuid[])", found)
}

// InsertClient stores a new client without its secrets and credentials.
func (t *Tx) InsertClient(c oauth.Client) {
	t.write(`INSERT INTO clients (id, client_id, document, sealed, version, created_at, updated_at, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		c.ID, c.ClientID, c.Document, c.Sealed, c.Version, c.CreatedAt, c.UpdatedAt, cmp.Or(c.State, oauth.Active))
}

// UpdateClient stores c's document, sealed members, version and time over a
// locked client.
func (t *Tx) UpdateClient(c oauth.Client) {
	t.write(`UPDATE clients SET document = $2, sealed = $3, version = $4, updated_at = $5 WHERE id = $1`, c.ID, c.Document, c.Sealed, c.Version, c.UpdatedAt)
}

// DeleteClient removes a client and all that belongs to it.
func (t *Tx) DeleteClient(id string) { t.write(`DELETE FROM clients WHERE id = $1`, id) }

// SetAliases replaces the client's aliases.
func (t *Tx) SetAliases(client string, aliases []string) {
	t.write(`DELETE FROM client_aliases WHERE client = $1`, client)
	if len(aliases) > 0 {
		t.write(`INSERT INTO client_aliases (alias, client) SELECT DISTINCT alias, $1::uuid FROM unnest($2::text[]) alias`, client, aliases)
	}
}

// AliasesOfOthers returns those of aliases that clients other than the one of that
// uuid have.
func (r reader) AliasesOfOthers(ctx context.Context, id string, aliases []string) ([]string, error) {
	return all(ctx, r, pgx.RowTo[string], `SELECT alias FROM client_aliases WHERE alias = ANY ($1) AND client <> $2`, aliases, id)
}

// InsertSecret stores one more secret of a client.
func (t *Tx) InsertSecret(client string, s oauth.ClientSecret) {
	t.write(`INSERT INTO client_secrets (id, client, sealed, mac, created_at, expires_at, weak) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		s.ID, client, s.Sealed, s.MAC, s.CreatedAt, s.ExpiresAt, s.Weak)
}

// ClientQuery selects clients for a list, in creation order with the global
// one last. Zero fields do not filter.
type ClientQuery struct {
	Global           *bool
	FirstParty       *bool
	AppTypes         []string
	State            oauth.State
	Name             NameQuery
	ExternalClientID string
	AnyOrganization  bool // only clients with a grant that holds for every organization
	Nothing          bool // no client at all

	Limit  int
	Offset int        // offset paging
	After  *ListPlace // keyset paging; Offset is 0 then
}

// ListPlace is a client's place in a list.
type ListPlace struct {
	Global bool
	Serial int64
}

func (q ClientQuery) filter() *filter {
	f := &filter{}
	if q.Global != nil {
		f.and("c.is_global = " + f.arg(*q.Global))
	}
	if q.FirstParty != nil {
		f.and("c.is_first_party = " + f.arg(*q.FirstParty))
	}
	if q.State.Valid() { // not as an argument: a plan for any state could not use the index on those that are not active
		f.and("c.state = '" + string(q.State) + "'")
	}
	conditions, indexed := q.Name.like(f)
	f.terms, f.indexed = append(f.terms, conditions...), indexed
	switch len(q.AppTypes) {
	case 0:
	case 1:
		f.and("c.app_type = " + f.arg(q.AppTypes[0]))
	default:
		f.and("c.app_type = ANY (" + f.arg(q.AppTypes) + ")")
	}
	if q.ExternalClientID != "" {
		f.and("c.external_client_id = " + f.arg(q.ExternalClientID))
	}
	if q.AnyOrganization {
		f.and("EXISTS (SELECT FROM client_grants g WHERE g.client = c.id AND g.allow_any_organization)")
	}
	if q.Nothing {
		f.and("false")
	}
	switch {
	case q.After == nil:
	case q.Global == nil:
		f.and("(c.is_global, c.serial) > (" + f.arg(q.After.Global) + ", " + f.arg(q.After.Serial) + ")")
	case *q.Global == q.After.Global: // an index scan would not begin at a pair whose first half is given twice
		f.and("c.serial > " + f.arg(q.After.Serial))
	case q.After.Global:
		f.and("false")
	}
	return f
}

// PlacedClient is a client and its place in lists.
type PlacedClient struct {
	oauth.Client
	Place ListPlace
}

// Clients returns a page of clients, or its first chunk. The page's places are
// found on thin indexes first; documents are read for the page alone.
func (r reader) Clients(ctx context.Context, q ClientQuery) (list []PlacedClient, more bool, err error) {
	sql, args := q.page()
	return chunk(ctx, r, scanPlacedClient, sql, args...)
}

// page returns the query of Clients. One kind of application is looked up on an
// index of its own; several are as many look-ups, merged, because no index
// holds them in the list's order.
func (q ClientQuery) page() (string, []any) {
	const order = " ORDER BY c.is_global, c.serial"
	kinds := q.AppTypes
	merged := len(kinds) > 1 && q.Name == (NameQuery{})
	if merged {
		q.AppTypes = nil
	}
	f := q.filter()
	kind := ""
	if merged {
		kind = f.arg(kinds) + "::text[]"
	}
	with, skip := "", ""
	switch {
	case q.Offset > blockSize && q.isCounted():
		with, skip = q.farPage(f, kind)
	case q.Offset > 0:
		skip = f.arg(q.Offset) + "::bigint"
	}
	limit := " LIMIT " + f.arg(q.Limit)
	page := limit
	if skip != "" {
		page += " OFFSET " + skip
	}
	places := ""
	if merged {
		f.and("c.app_type = kind.name")
		if skip != "" {
			limit += " + " + skip
		}
		places = "SELECT c.is_global, c.serial FROM (SELECT DISTINCT unnest(" + kind + ")) kind (name), LATERAL (" +
			q.places(f, limit) + ") c" + order + page
	} else {
		places = q.places(f, page)
	}
	return "WITH " + with + "page AS MATERIALIZED (" + places + ") SELECT " +
		clientColumns + ", c.is_global, c.serial FROM page JOIN clients c USING (is_global, serial)" + newestSecret + order, f.args
}

func scanPlacedClient(row pgx.CollectableRow) (PlacedClient, error) {
	var p PlacedClient
	err := scanClientInto(row, &p.Client, &p.Place.Global, &p.Place.Serial)
	return p, err
}

// ReservedNames lists the first clients whose identifiers new clients cannot
// have, up to limit: those made before oauth.CheckNewClientID.
func (r reader) ReservedNames(ctx context.Context, limit int) ([]string, error) {
	return all(ctx, r, pgx.RowTo[string], `SELECT client_id FROM clients
		WHERE lower(client_id) IN ('.', '..', 'system', 'anonymous') OR client_id ~* '^(operator|registration):|@clients$|[^!-{}~]'
		ORDER BY client_id LIMIT $1`, limit)
}
