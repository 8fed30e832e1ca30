// Package rights names the permissions of the management API and counts with
// sets of them.
package rights

import "slices"

// names are the permissions, as the scheme oauth2 of openapi.yaml lists them. A
// Set is never stored: they may come in any order.
var names = [...]string{
	"read:clients", "create:clients", "update:clients", "delete:clients", "read:client_summary",
	"read:client_keys", "update:client_keys",
	"read:client_credentials", "create:client_credentials", "update:client_credentials", "delete:client_credentials",
	"update:client_token_vault_privileged_access",
	"read:client_grants", "create:client_grants", "update:client_grants", "delete:client_grants", "read:organization_client_grants",
	"read:resource_servers", "create:resource_servers", "update:resource_servers", "delete:resource_servers",
	"read:connections", "read:logs", "read:tokens",
	"clients:manage:all", "scopes:manage:all", "identity-providers:manage:all",
	"users:manage:all", "roles:manage:all", "upstreams:manage:all",
}

// Set is a set of permissions. The zero Set is empty, and == compares two.
type Set uint64

// All holds every permission.
const All Set = 1<<len(names) - 1

// bits finds the place of a permission.
var bits = func() map[string]int {
	m := make(map[string]int, len(names))
	for i, name := range names {
		m[name] = i
	}
	return m
}()

// Of returns the set of those of scopes that are permissions.
func Of(scopes ...string) Set {
	var s Set
	for _, scope := range scopes {
		if i, ok := bits[scope]; ok {
			s |= 1 << i
		}
	}
	return s
}

// Has reports whether s holds all of t.
func (s Set) Has(t Set) bool { return t&^s == 0 }

// HasAny reports whether s holds something of t.
func (s Set) HasAny(t Set) bool { return s&t != 0 }

// Without returns what s holds and t does not.
func (s Set) Without(t Set) Set { return s &^ t }

// Names returns the permissions of s in alphabetical order, nil for none.
func (s Set) Names() []string {
	var list []string
	for i, name := range names {
		if s&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
