package boruta

import (
	"encoding/json"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/server/dialect"
)

// checker returns the rules of this dialect for stored documents of clients.
func checker(attributes []attribute) dialect.Checker {
	return func(doc jsondoc.Object, member string) (bool, error) {
		raw := doc[member]
		for i := range attributes {
			a := &attributes[i]
			if a.canonical() != member {
				continue
			}
			value, ok := a.cast(raw)
			tokens := []string{tokenInvalid}
			if ok && value == nil {
				tokens = nil
			} else if ok {
				tokens = a.verdict(value)
			}
			if tokens != nil {
				return true, dialect.ImportRefused(member, ruleOfDialect, strings.Join(tokens, ", "))
			}
			return true, nil
		}
		check, known := beside[member]
		if known && !check(raw) {
			return true, dialect.ImportRefused(member, ruleOfDialect, tokenInvalid)
		}
		return known, nil
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
