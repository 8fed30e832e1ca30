package auth0

import (
	"cmp"
	"encoding/json"
	"errors"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

// fits returns the rule for stored members of clients: one must be what a change
// or, failing that, a create could set, or what the dialect shows.
func fits(api *spec.Description) func(*dialect.Member, json.RawMessage) error {
	return func(m *dialect.Member, raw json.RawMessage) (err error) {
		member, schemas := m.Wire, []string{"UpdateClientRequestContent", "CreateClientRequestContent"}
		switch {
		case m.Kept == dialect.Shown:
			schemas = []string{"GetClientResponseContent"}
		case member == signedResponseAlg:
			member, raw = "jwt_configuration", jsondoc.Must(jsondoc.Object{"alg": raw})
		}
		value, err := spec.Decode(raw)
		if err != nil {
			return err
		}
		for _, schema := range schemas {
			known, broken := api.CheckMember(schema, member, value)
			if known && broken == nil {
				return nil
			}
			err = cmp.Or(err, broken) // the first
		}
		if mismatches, ok := errors.AsType[spec.Mismatches](err); ok {
			for i := range mismatches {
				mismatches[i].Path = append([]string{m.Key}, mismatches[i].Path...)
			}
			return mismatches.Invalid()
		}
		return err
	}
}
