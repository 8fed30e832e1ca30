package boruta

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/server/dialect"
)

// fit returns the dialect.Fit of clients.
func fit(attributes []attribute) dialect.Fit {
	return func(member string, raw json.RawMessage) (json.RawMessage, []dialect.Flaw, bool) {
		valid := func(json.RawMessage) string { return "" }
		i := slices.IndexFunc(attributes, func(a attribute) bool { return a.canonical() == member })
		check, known := beside[member]
		switch {
		case i >= 0:
			valid = func(raw json.RawMessage) string {
				value, ok := attributes[i].cast(raw)
				if !ok {
					return tokenInvalid
				}
				if value == nil {
					return ""
				}
				return strings.Join(attributes[i].verdict(value), ", ")
			}
		case !known:
			return nil, nil, false
		case !check(raw):
			valid = func(json.RawMessage) string { return tokenInvalid }
		}
		kept, flaws := dialect.FitItems(raw, valid)
		return kept, flaws, true
	}
}

// owns reports whether a stored member is one that only this dialect sets.
func owns(member string) bool {
	return strings.HasPrefix(member, storedAsPrefix) || member == oauth.MemberPublicKey
}

// written are the stored members that changes in this dialect write, besides
// those that it owns.
var written = func() map[string]bool {
	names := map[string]bool{"token_endpoint_auth_method": true, "grant_types": true}
	for _, a := range clientAttributes(Config{}) {
		names[a.canonical()] = true
	}
	return names
}()

// Takes returns the permissions of which a change of a client's stored member
// takes one, as this dialect sees it: none for a member that it does not write.
func Takes(member string) rights.Set {
	if owns(member) || written[member] {
		return rights.Of("clients:manage:all")
	}
	return 0
}

// beside are members of a document that no attribute stands for alone.
var beside = map[string]func(json.RawMessage) bool{
	methodThen:                      isText,
	didMember:                       isText,
	storedAsPrefix + "enforce_dpop": func(raw json.RawMessage) bool { return jsondoc.IsNull(raw) },
	oauth.MemberPublicKey: func(raw json.RawMessage) bool {
		return isText(raw) && !oauth.HidesPrivateKey(jsondoc.String(raw))
	},
}

func isText(raw json.RawMessage) bool {
	var s string
	return json.Unmarshal(raw, &s) == nil && len(s) <= 10_000
}
