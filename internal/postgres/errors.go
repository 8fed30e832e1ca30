package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rosterhq/roster/internal/oauth"
)

// constraints gives the failures that a caller causes their meaning.
var constraints = map[string]oauth.Error{
	"clients_client_id_key":              {Kind: oauth.Conflict, Resource: "client", Detail: "The client identifier is taken."},
	"clients_pkey":                       {Kind: oauth.Conflict, Resource: "client", Detail: "The client identifier is taken."},
	"client_aliases_pkey":                {Kind: oauth.Conflict, Resource: "client_alias", Detail: "Another client exists with the same alias."},
	"assertions_seen_client_fkey":        {Kind: oauth.Unauthenticated, Code: "invalid_client", Detail: "The client was deleted just now."},
	"credentials_pkey":                   {Kind: oauth.Conflict, Resource: "credential", Detail: "The credential's identifier is taken."},
	"credentials_public_key_key":         {Kind: oauth.Conflict, Resource: "credential_key", Detail: "credentials contains public keys that already exist in client"},
	"credentials_kid_key":                {Kind: oauth.Conflict, Resource: "credential_kid", Detail: "The client has another credential with the same kid."},
	"credential_uses_credential_fkey":    {Kind: oauth.Conflict, Resource: "credential_in_use", Detail: "Cannot delete credential still associated with a client"},
	"credential_uses_credential_key":     {Kind: oauth.Invalid, Resource: "credential", Detail: "A credential can be named only once in a slot."},
	"client_grants_pkey":                 {Kind: oauth.Conflict, Resource: "client_grant", Detail: "The grant's identifier is taken."},
	"client_grants_client_audience_key":  {Kind: oauth.Conflict, Resource: "client_grant", Detail: "A grant for this client and audience exists already."},
	"client_grants_default_audience_key": {Kind: oauth.Conflict, Resource: "client_grant", Detail: "A default grant for this audience exists already."},
	"client_grants_audience_fkey":        {Kind: oauth.NotFound, Resource: "resource_server", Detail: "no such resource_server"},
	"resource_servers_pkey":              {Kind: oauth.Conflict, Resource: "resource_server", Detail: "The resource server's identifier is taken."},
	"resource_servers_identifier_key":    {Kind: oauth.Conflict, Resource: "resource_server", Detail: "A resource server with the same identifier exists already."},
	"scopes_name_key":                    {Kind: oauth.Conflict, Resource: "scope_name", Detail: "The scope name is taken."},
	"scopes_pkey":                        {Kind: oauth.Conflict, Resource: "scope", Detail: "The scope identifier is taken."},
	"identity_providers_name_key":        {Kind: oauth.Conflict, Resource: "identity_provider_name", Detail: "The name is taken."},
	"identity_providers_pkey":            {Kind: oauth.Conflict, Resource: "identity_provider", Detail: "The identifier is taken."},

	"key_pairs_pkey": {Kind: oauth.Conflict, Resource: "key_pair", Detail: "The identifier is taken."},

	"key_pairs_one_default_idx": {Kind: oauth.Unavailable, Resource: "key_pair", Detail: "Another key pair was made the default one just now; try again."},

	"client_identity_providers_provider_fkey": {Kind: oauth.Conflict, Resource: "identity_provider_in_use", Detail: "The identity provider is used by a client."},
}

// translate gives database failures the registry's kinds, by SQLSTATE and
// constraint name, never by message text. Errors of the rules pass unchanged.
func translate(err error) error {
	if err == nil || oauth.KindOf(err) != oauth.Internal {
		return err
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if lost(err, pgErr) {
		return &oauth.Error{Kind: oauth.Unavailable, Detail: "The database cannot be reached at the moment; try again.", Err: fmt.Errorf("database: %w", err)}
	}
	if !ok {
		return fmt.Errorf("database: %w", err)
	}
	if e, ok := constraints[pgErr.ConstraintName]; ok {
		e.Err = err
		return &e
	}
	switch {
	case pgErr.Code == "22P05" || pgErr.Code == "22021": // NUL or broken UTF-8 in a text
		return &oauth.Error{Kind: oauth.Invalid, Detail: "Text may not contain NUL characters or malformed UTF-8.", Err: err}
	case pgErr.Code == "54000": // a row or an index entry is too large
		return &oauth.Error{Kind: oauth.Invalid, Detail: "A value is too long to be stored.", Err: err}
	case pgErr.Code == "40001" || pgErr.Code == "40P01" || strings.HasPrefix(pgErr.Code, "53"):
		return &oauth.Error{Kind: oauth.Unavailable, Detail: "The registry is busy; try again.", Err: err}
	}
	return fmt.Errorf("database: %w", err)
}

// lost reports whether err says that there is no connection to the database: it
// could not be made, or the server or the network has ended it. pgErr is what
// the server said, nil if nothing. A caller that gave up is no such case.
func lost(err error, pgErr *pgconn.PgError) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if _, refused := errors.AsType[*pgconn.ConnectError](err); refused {
		return true
	}
	if pgErr != nil { // what is FATAL ends the session: an administrator, a restart, a timeout
		return pgErr.SeverityUnlocalized == "FATAL" || pgErr.SeverityUnlocalized == "PANIC" ||
			strings.HasPrefix(pgErr.Code, "57P") || strings.HasPrefix(pgErr.Code, "08")
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
