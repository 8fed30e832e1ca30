package oauth_test

import (
	"encoding/json"
	"testing"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// TestALifetimeThatCannotBeReadIsNoLongLifetime: no value of another type makes
// the lifetime that a client asks for go unnoticed.
func TestALifetimeThatCannotBeReadIsNoLongLifetime(t *testing.T) {
	t.Parallel()
	for _, member := range []string{oauth.MemberAccessTokenTTL, oauth.MemberClientLifespan} {
		for _, raw := range []string{`60.5`, `-1`, `{}`, `[60]`, `true`, `"soon"`, `"60"`} {
			doc := jsondoc.Object{member: json.RawMessage(raw)}
			if seconds, err := oauth.TokenLifetime(doc, 600); oauth.KindOf(err) != oauth.Invalid {
				t.Errorf("%s %s: %d s, %v", member, raw, seconds, err)
			}
		}
		for _, raw := range []string{`null`, ``} {
			doc := jsondoc.Object{}
			if raw != "" {
				doc[member] = json.RawMessage(raw)
			}
			if seconds, err := oauth.TokenLifetime(doc, 600); err != nil || seconds != 600 {
				t.Errorf("%s %q: %d s, %v", member, raw, seconds, err)
			}
		}
	}
}
