package postgres

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Unconnected gives an error of connecting a text that holds no user, no
// database, no parameter and nothing that the server quotes: where the
// configuration is mistaken, each of them may be part of a password. Other
// errors are returned as they are.
func Unconnected(err error) error {
	failed, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return err
	}
	before, _, _ := strings.Cut(err.Error(), failed.Error())
	var reasons []string
	for _, one := range attempts(failed) {
		reason := one.Error()
		if refused, ok := errors.AsType[*pgconn.PgError](one); ok {
			reason, _, _ = strings.Cut(reason, refused.Error())
			reason += refusal(refused.Code)
		}
		for line := range strings.Lines(reason) { // a host that is not found is told once for each kind of address
			line = strings.TrimSpace(line)
			if !slices.ContainsFunc(reasons, func(told string) bool { return strings.HasSuffix(told, line) }) {
				reasons = append(reasons, line)
			}
		}
	}
	return &unconnected{before + strings.Join(reasons, "; "), err}
}

type unconnected struct {
	text string
	err  error
}

func (u *unconnected) Error() string { return u.text }
func (u *unconnected) Unwrap() error { return u.err }

// attempts returns what went wrong with each address.
func attempts(failed *pgconn.ConnectError) []error {
	err := failed.Unwrap()
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// refusal words why a server refuses a connection.
func refusal(code string) string {
	reason := map[string]string{
		"28P01": "password authentication failed",
		"28000": "the role does not exist, may not log in, or pg_hba.conf does not let it in from here",
		"3D000": "the database does not exist",
		"42501": "the role may not connect to the database",
		"42704": "the server does not know a parameter of the connection",
		"22023": "the server refuses the value of a parameter of the connection",
		"53300": "the server has no connection left",
		"57P03": "the server is starting, stopping or recovering",
		"08P01": "the server or pooler does not know the user, the database or a parameter of the connection",
	}[code]
	if reason == "" {
		reason = "the server refuses the connection"
	}
	return reason + " (SQLSTATE " + code + ")"
}
