package boruta

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
)

// Shorthands for the tables.
const public, internal = oauth.ClassPublic, oauth.ClassInternal

// classes are those of stored members, by the kind of record.
var classes = func() map[string]map[string]oauth.Class {
	clients, providers := map[string]oauth.Class{}, map[string]oauth.Class{}
	for name := range beside {
		clients[name] = internal
	}
	for _, a := range clientAttributes(Config{}) {
		clients[a.canonical()] = a.class
	}
	clients[didMember], clients[oauth.MemberPublicKey] = public, public
	for _, a := range providerAttributes {
		providers[a.wire] = a.class
	}
	return map[string]map[string]oauth.Class{registry.KindClient: clients, registry.KindIdentityProvider: providers}
}()

// Class returns who may come to know a stored member of a record of that kind.
// known is false for one of other dialects alone.
func Class(kind, member string) (class oauth.Class, known bool) {
	class, known = classes[kind][member]
	return class, known
}

// Plain returns what of a stored member that is not secret the dialect knows,
// and whether that is all of it.
func Plain(member string, raw json.RawMessage) (part json.RawMessage, all bool) {
	if member != storedAsPrefix+"key_pair_type" {
		return raw, true
	}
	var members jsondoc.Object
	_ = json.Unmarshal(raw, &members) // an object: cast has seen to it
	known := maps.Clone(members)
	maps.DeleteFunc(known, func(name string, value json.RawMessage) bool {
		return !slices.Contains([]string{"type", "modulus_size", "exponent_size", "curve"}, name) || jsondoc.String(value) == ""
	})
	if len(known) == len(members) {
		return raw, true
	}
	return jsondoc.Must(known), false
}
