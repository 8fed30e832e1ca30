package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rosterhq/roster/internal/oauth"
)

// constraints gives the failures that a caller causes their meaning.
var constraints = map[string]oauth.Error{
	"clients_client_id_key":              {Kind: oauth.Conflict, Reason: oauth.IDTaken, Detail: "The client identifier is taken."},
	"clients_pkey":                       {Kind: oauth.Conflict, Reason: oauth.IDTaken, Detail: "The client identifier is taken."},
	"tombstones":                         *oauth.ErrDeleted,
	"clients_one_global_idx":             {Kind: oauth.Conflict, Reason: oauth.Duplicate, Detail: "There is a global client already."},
	"client_aliases_pkey":                {Kind: oauth.Conflict, Reason: oauth.Duplicate, Detail: "Another client exists with the same alias."},
	"assertions_seen_client_fkey":        {Kind: oauth.Unauthenticated, Reason: oauth.InvalidClient, Detail: "The client was deleted just now."},
	"credentials_pkey":                   {Kind: oauth.Conflict, Reason: oauth.DuplicateCredential, Detail: "The credential's identifier is taken."},
	"credentials_public_key_key":         {Kind: oauth.Conflict, Reason: oauth.DuplicateKey, Detail: "The client has another credential with the same public key."},
	"credentials_kid_key":                {Kind: oauth.Conflict, Reason: oauth.DuplicateCredential, Detail: "The client has another credential with the same kid."},
	"credential_uses_credential_fkey":    {Kind: oauth.Conflict, Reason: oauth.InUse, Detail: "The credential is used by its client."},
	"credential_uses_credential_key":     {Kind: oauth.Invalid, Reason: oauth.BrokenRule, Detail: "A credential can be named only once in a slot."},
	"client_grants_pkey":                 {Kind: oauth.Conflict, Reason: oauth.IDTaken, Detail: "The grant's identifier is taken."},
	"client_grants_client_audience_key":  {Kind: oauth.Conflict, Reason: oauth.Duplicate, Detail: "A grant for this client and audience exists already."},
	"client_grants_default_audience_key": {Kind: oauth.Conflict, Reason: oauth.Duplicate, Detail: "A default grant for this audience exists already."},
	"client_grants_audience_fkey":        {Kind: oauth.NotFound, Reason: oauth.NoResourceServer, Resource: "resource_server", Detail: "no such resource_server"},
	"resource_servers_pkey":              {Kind: oauth.Conflict, Reason: oauth.IDTaken, Detail: "The resource server's identifier is taken."},
	"resource_servers_identifier_key":    {Kind: oauth.Conflict, Reason: oauth.Duplicate, Detail: "A resource server with the same identifier exists already."},
	"scopes_name_key":                    {Kind: oauth.Conflict, Reason: oauth.NameTaken, Detail: "The scope name is taken."},
	"scopes_pkey":                        {Kind: oauth.Conflict, Reason: oauth.IDTaken, Detail: "The scope identifier is taken."},
	"identity_providers_name_key":        {Kind: oauth.Conflict, Reason: oauth.NameTaken, Detail: "The name is taken."},
	"identity_providers_pkey":            {Kind: oauth.Conflict, Reason: oauth.IDTaken, Detail: "The identifier is taken."},

	"issuer_keys_current_idx":         {Kind: oauth.Conflict, Reason: oauth.Duplicate, Detail: "There is a current key already."},
	"resource_servers_one_system_idx": {Kind: oauth.Conflict, Reason: oauth.Duplicate, Detail: "There is a management API already."},

	"key_pairs_pkey": {Kind: oauth.Conflict, Reason: oauth.IDTaken, Detail: "The identifier is taken."},

	"key_pairs_one_default_idx": {Kind: oauth.Unavailable, Reason: oauth.Busy, Detail: "Another key pair was made the default one just now; try again."},

	"client_identity_providers_provider_fkey": {Kind: oauth.Conflict, Reason: oauth.InUse, Detail: "The identity provider is used by a client."},
}

// passing are the failures that the same call may not meet again, by SQLSTATE or
// its class, in the words for the caller.
var passing = map[string]string{
	"40":     busy, // serialization failures and deadlocks
	"53":     busy, // no memory, disk or connection left
	"55P03":  busy, // lock_timeout
	"57014":  busy, // statement_timeout, or an administrator
	"58":     "The database cannot read or write its files at the moment; try again.",
	readOnly: "The database takes no changes at the moment; try again.",
	"26000":  outOfStep,
	"42P05":  outOfStep,
}

// readOnly is the SQLSTATE of a change in a transaction that takes none: of a
// standby, or where default_transaction_read_only is on.
const readOnly = "25006"

const (
	busy      = "The registry is busy; try again."
	outOfStep = "The connection to the database had to be replaced; try again."
)

// ErrPooled says that statements which one transaction prepares are not there
// for the next one.
var ErrPooled = errors.New("a connection pooler mixes up prepared statements: " +
	"add default_query_exec_mode=cache_describe to DATABASE_URL")

// translate gives database failures the registry's kinds, by SQLSTATE and
// constraint name, never by message text. Errors of the rules pass unchanged.
// What a caller that gave up leaves is Internal; problem.Answering knows it.
func translate(err error) error {
	if err == nil || oauth.KindOf(err) != oauth.Internal {
		return err
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if lost(err, pgErr) {
		return &oauth.Error{
			Kind: oauth.Unavailable, Reason: oauth.Busy, Detail: "The database cannot be reached at the moment; try again.",
			Err: fmt.Errorf("database: %w", Unconnected(err)),
		}
	}
	if !ok {
		return fmt.Errorf("database: %w", err)
	}
	name := pgErr.ConstraintName
	if pgErr.TableName == "tombstones" { // an older release goes by the constraint
		name = pgErr.TableName
	}
	if e, ok := constraints[name]; ok {
		e.Err = err
		return &e
	}
	switch pgErr.Code {
	case "22P05", "22021": // NUL or broken UTF-8 in a text
		return &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Malformed, Detail: "Text may not contain NUL characters or malformed UTF-8.", Err: err}
	case "54000": // a row or an index entry is too large
		return &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Malformed, Detail: "A value is too long to be stored.", Err: err}
	}
	if detail := passes(pgErr); detail != "" {
		err = fmt.Errorf("database: %w", err)
		if pgErr.Code == "26000" || pgErr.Code == "42P05" {
			err = fmt.Errorf("%w: unless this happens once, %w", err, ErrPooled)
		}
		return &oauth.Error{Kind: oauth.Unavailable, Reason: oauth.Busy, Detail: detail, Err: err}
	}
	return fmt.Errorf("database: %w", err)
}

// passes returns what a caller is told of a failure that may not come again; ""
// for every other one.
func passes(err *pgconn.PgError) string {
	if err.Code == "0A000" && err.Routine == "RevalidateCachedQuery" { // a migration under running servers
		return outOfStep
	}
	if detail, ok := passing[err.Code]; ok {
		return detail
	}
	return passing[err.Code[:min(2, len(err.Code))]]
}

// endsSession reports whether the session that got err from the server is usable
// for nothing more: the server ends it, takes no changes in it, or knows other
// statements than the client does.
func endsSession(err *pgconn.PgError) bool {
	return fatal(err) || err.Code == readOnly || passes(err) == outOfStep
}

// fatal reports whether the server ends a session with err: an administrator, a
// restart, a timeout between statements.
func fatal(err *pgconn.PgError) bool {
	severity := cmp.Or(err.SeverityUnlocalized, err.Severity) // poolers send the latter alone
	return severity == "FATAL" || severity == "PANIC" ||
		strings.HasPrefix(err.Code, "57P") || strings.HasPrefix(err.Code, "08")
}

// lost reports whether err says that there is no connection to the database: it
// could not be made, or the server or the network has ended it, or it did not
// answer in time. pgErr is what the server said, nil if nothing. A caller that
// gave up does not count.
func lost(err error, pgErr *pgconn.PgError) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if _, refused := errors.AsType[*pgconn.ConnectError](err); refused {
		return true
	}
	if pgErr != nil {
		return fatal(pgErr)
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// LacksSchema reports whether err says that a table, a column, a function or a
// right on one is missing.
func LacksSchema(err error) bool {
	e, _ := errors.AsType[*pgconn.PgError](err)
	return e != nil && slices.Contains([]string{"42P01", "42703", "42883", "42501"}, e.Code)
}
