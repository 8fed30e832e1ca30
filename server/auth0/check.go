package auth0

import (
	"encoding/json"
	"errors"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

// checker returns the rules of this dialect for stored documents of clients: a
// member must be one that a change could set, or that the dialect shows.
func checker(api *spec.Description) dialect.Checker {
	return func(doc jsondoc.Object, member string) (bool, error) {
		if member == signedResponseAlg { // the alg of jwt_configuration
			return true, checkStored(api, "UpdateClientRequestContent", "jwt_configuration", member, jsondoc.Must(jsondoc.Object{"alg": doc[member]}))
		}
		if field, ok := fields.ByCanonical(member); ok {
			err := checkStored(api, "UpdateClientRequestContent", field.Wire, member, doc[member])
			if err != nil && checkStored(api, "CreateClientRequestContent", field.Wire, member, doc[member]) == nil {
				err = nil // a create alone can set it
			}
			return true, err
		}
		if field, ok := shown.ByCanonical(member); ok {
			return true, checkStored(api, "GetClientResponseContent", field.Wire, member, doc[member])
		}
		return false, nil
	}
}

// checkStored holds a value to what the schema says of a member; at is where the
// document has it.
func checkStored(api *spec.Description, schema, member, at string, raw json.RawMessage) error {
	value, err := spec.Decode(raw)
	if err != nil {
		return err
	}
	known, err := api.CheckMember(schema, member, value)
	if mismatches, ok := errors.AsType[spec.Mismatches](err); ok {
		for i := range mismatches {
			mismatches[i].Path = append([]string{at}, mismatches[i].Path...)
		}
		return mismatches.Invalid()
	}
	if err == nil && !known {
		err = dialect.ImportRefused(at, "properties", "is no member of a client")
	}
	return err
}
