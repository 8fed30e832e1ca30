package auth0

import (
	"encoding/json"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

// fit returns the dialect.Fit of clients: a stored member must be what a change
// or, failing that, a create could set, or what the dialect shows.
func fit(api *spec.Description) dialect.Fit {
	return func(member string, raw json.RawMessage) (kept json.RawMessage, flaws []dialect.Flaw, known bool) {
		m := fields.ByKey(member)
		if m == nil {
			return nil, nil, false
		}
		wire, value, schemas := m.Wire, raw, []string{"UpdateClientRequestContent", "CreateClientRequestContent"}
		switch {
		case m.Kept == dialect.Shown:
			schemas = []string{"GetClientResponseContent"}
		case wire == signedResponseAlg:
			wire, value = "jwt_configuration", jsondoc.Must(jsondoc.Object{"alg": raw})
		}
		for _, schema := range schemas {
			rest, pruned, has, err := api.PruneMember(schema, wire, value)
			switch {
			case !has:
			case err == nil && pruned == nil:
				return raw, nil, true
			case flaws != nil: // what a change takes tells
			case err != nil || wire != m.Wire:
				flaws = []dialect.Flaw{{Why: why(err, pruned)}}
			default:
				kept = rest
				for _, p := range pruned {
					flaws = append(flaws, dialect.Flaw{At: strings.TrimPrefix(spec.Place(append([]string{member}, p.Path...)), member), Why: misfit(p.Mismatch), Stranger: p.Unknown})
				}
			}
		}
		return kept, flaws, true
	}
}

func why(err error, pruned []spec.Pruned) string {
	if err == nil {
		return misfit(pruned[0].Mismatch)
	}
	return dialect.Why(err)
}
