package auth0

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
)

// kept is a table, and the schemas of openapi.yaml that describe its members.
type kept struct {
	*dialect.Table
	schemas []string
}

var kinds = map[string]kept{
	registry.KindClient:         {fields, []string{"UpdateClientRequestContent", "CreateClientRequestContent", "GetClientResponseContent"}},
	registry.KindResourceServer: {apiFields, []string{"UpdateResourceServerRequestContent", "CreateResourceServerRequestContent"}},
	registry.KindClientGrant:    {grantFields, []string{"UpdateClientGrantRequestContent", "CreateClientGrantRequestContent"}},
}

// Class returns who may come to know a stored member of a record of that kind.
// known is false for one of other dialects alone.
func Class(kind, member string) (class oauth.Class, known bool) {
	if k, ok := kinds[kind]; ok {
		return k.Class(member)
	}
	return oauth.ClassSecret, false
}

// Plain returns what of a stored member that is not secret its schema describes,
// and whether that is all of it.
func Plain(kind, member string, raw json.RawMessage) (part json.RawMessage, all bool) {
	k, ok := kinds[kind]
	api, err := description()
	if !ok || err != nil {
		return raw, err == nil
	}
	if m := k.ByKey(member); m != nil {
		return api.Plain(k.schemas, m.Wire, raw)
	}
	return raw, true
}

// describe leaves out of a request about a resource server, or of a record, what
// its objects hold besides their properties. Nobody reads that, it may be secret,
// and there is no place where it would be sealed. It returns the members that held
// such.
func describe(wire jsondoc.Object) (cut []string) {
	for _, name := range slices.Sorted(maps.Keys(wire)) {
		if part, all := Plain(registry.KindResourceServer, name, wire[name]); !all {
			wire[name], cut = part, append(cut, name)
		}
	}
	return cut
}
