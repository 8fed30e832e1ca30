package postgres

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
)

// SealedColumn is a column whose values depend on the keyset. A value is tied to
// Table, its row's key as text, and Column; or to those of Home.
type SealedColumn struct {
	Table, Column string
	Home          HomeColumn // where values of deleted clients go back to; zero for those at home

	// Source is the column with the sealed secret that Column is the MAC of;
	// "" where Column is sealed itself.
	Source string

	key, keyType string // expression that tells rows apart, unindexed only where they are few
	homeKey      string // the key that the row has in Home; "" for the same
	live         string // condition for values that still matter; "" for all
}

// HomeColumn is a column that values of others are tied to.
type HomeColumn struct{ Table, Column string }

// Place returns what values of c are tied to.
func (c SealedColumn) Place() HomeColumn { return cmp.Or(c.Home, HomeColumn{c.Table, c.Column}) }

const liveSecret = "mac <> '' AND (expires_at IS NULL OR expires_at > now())"

// SealedColumns are all columns of the schema that depend on the keyset, but
// for the one of keyset_check.
var SealedColumns = []SealedColumn{
	{Table: "client_secrets", Column: "sealed", key: "id", keyType: "uuid"},
	{Table: "client_secrets", Column: "mac", Source: "sealed", key: "id", keyType: "uuid",
		live: liveSecret},
	{Table: "tombstone_secrets", Column: "sealed", key: "id", keyType: "uuid", Home: HomeColumn{"client_secrets", "sealed"}},
	{Table: "tombstone_secrets", Column: "mac", Source: "sealed", key: "id", keyType: "uuid", live: liveSecret, Home: HomeColumn{"client_secrets", "mac"}},
	{Table: "tombstones", Column: "sealed", key: "number", keyType: "bigint", homeKey: "client", Home: HomeColumn{"clients", "sealed"}},
	{Table: "tombstones", Column: "sealed_key", key: "number", keyType: "bigint", homeKey: "client", Home: HomeColumn{"client_keys", "sealed"}},
	{Table: "clients", Column: "sealed", key: "id", keyType: "uuid"},
	{Table: "identity_providers", Column: "sealed", key: "id", keyType: "uuid"},
	{Table: "client_keys", Column: "sealed", key: "client", keyType: "uuid"},
	{Table: "resource_servers", Column: "sealed_secret", key: "id", keyType: "text"},
	{Table: "issuer_keys", Column: "sealed", key: "id", keyType: "text"},
	{Table: "key_pairs", Column: "sealed", key: "id", keyType: "uuid"},
	{Table: "idempotency_keys", Column: "sealed", key: "(caller || chr(31) || key)", keyType: "text"},
}

// SealedValue is one value of a SealedColumn.
type SealedValue struct {
	Key    string // of its row
	Value  []byte
	Source []byte // nil where the column has none, or the row keeps none
	Row    string // the key that Value is tied to
}

// where selects values that do not start with $1.
func (c SealedColumn) where() string {
	sql := fmt.Sprintf(" WHERE %s IS NOT NULL AND substr(%[1]s, 1, 5) <> $1", c.Column)
	if c.live != "" {
		sql += " AND " + c.live
	}
	return sql
}

// ValuesNotUnder returns up to limit values of c that do not start with prefix,
// in the order of their keys, from the one following after on; "" starts. Of
// MACs it returns those whose secret is kept.
func (r reader) ValuesNotUnder(ctx context.Context, c SealedColumn, prefix []byte, after string, limit int) ([]SealedValue, error) {
	source, where := "NULL::bytea", c.where()
	if c.Source != "" {
		source = c.Source
		where += " AND " + c.Source + " IS NOT NULL"
	}
	args := []any{prefix, limit}
	if after != "" {
		where += " AND " + c.key + " > $3::text::" + c.keyType
		args = append(args, after)
	}
	return all(ctx, r, pgx.RowToStructByPos[SealedValue], fmt.Sprintf("SELECT %s::text, %s, %s, %s::text FROM %s%s ORDER BY %[1]s LIMIT $2",
		c.key, c.Column, source, cmp.Or(c.homeKey, c.key), c.Table, where), args...)
}

// CountValuesNotUnder counts the values of c that do not start with prefix.
func (r reader) CountValuesNotUnder(ctx context.Context, c SealedColumn, prefix []byte) (int, error) {
	return one(ctx, r, c.Table, pgx.RowTo[int], "SELECT count(*) FROM "+c.Table+c.where(), prefix)
}

// ReplaceValues stores renewed in place of old and returns how many it did.
// Values that have changed since they were read stay, and so do those of rows
// that somebody else holds locked: it waits for nobody, so nobody can wait for
// it in a circle.
func (s *Store) ReplaceValues(ctx context.Context, c SealedColumn, old, renewed []SealedValue) (int, error) {
	keys, before, after := make([]string, len(old)), make([][]byte, len(old)), make([][]byte, len(old))
	for i := range old {
		keys[i], before[i], after[i] = old[i].Key, old[i].Value, renewed[i].Value
	}
	return s.exec(ctx, fmt.Sprintf(`
		WITH renewed AS (
			SELECT * FROM unnest($1::text[]::%s[], $2::bytea[], $3::bytea[]) r (row_key, old_value, new_value)),
		locked AS MATERIALIZED (
			SELECT row_key, new_value FROM %s t JOIN renewed ON row_key = %s AND old_value = %s
			FOR NO KEY UPDATE OF t SKIP LOCKED)
		UPDATE %[2]s SET %[4]s = new_value FROM locked WHERE row_key = %[3]s`,
		c.keyType, c.Table, c.key, c.Column), keys, before, after)
}

// StoredClients returns up to limit clients as they are stored, with their ids and
// documents, in order from the one following after on; "" starts.
func (r reader) StoredClients(ctx context.Context, after string, limit int) ([]oauth.Client, error) {
	return all(ctx, r, func(row pgx.CollectableRow) (c oauth.Client, err error) {
		return c, row.Scan(&c.ID, &c.Document)
	}, `SELECT c.id::text, c.document FROM clients c
		WHERE c.id > coalesce(nullif($1, ''), '00000000-0000-0000-0000-000000000000')::uuid ORDER BY c.id LIMIT $2`, after, limit)
}

// ClientsWith returns the ids of up to limit clients that hold one of members, or
// anything that is sealed, in order from the one following after on; "" starts.
func (r reader) ClientsWith(ctx context.Context, members []string, after string, limit int) ([]string, error) {
	return all(ctx, r, pgx.RowTo[string], `SELECT c.id::text FROM clients c
		WHERE (c.sealed IS NOT NULL OR EXISTS (SELECT FROM unnest($1::text[]) member WHERE c.document ->> member IS NOT NULL))
			AND c.id > coalesce(nullif($2, ''), '00000000-0000-0000-0000-000000000000')::uuid ORDER BY c.id LIMIT $3`, members, after, limit)
}

// KeysetCheck reads the value that proves which keyset the database was
// written under.
func (r reader) KeysetCheck(ctx context.Context) ([]byte, error) {
	return one(ctx, r, "keyset_check", pgx.RowTo[[]byte], `SELECT value FROM keyset_check`)
}

// InsertKeysetCheck stores that value; the first one stays.
func (t *Tx) InsertKeysetCheck(value []byte) {
	t.write(`INSERT INTO keyset_check (value) VALUES ($1) ON CONFLICT DO NOTHING`, value)
}

// ReplaceKeysetCheck stores renewed in place of old, unless that has changed.
func (s *Store) ReplaceKeysetCheck(ctx context.Context, old, renewed []byte) error {
	_, err := s.exec(ctx, `UPDATE keyset_check SET value = $2 WHERE value = $1`, old, renewed)
	return err
}
