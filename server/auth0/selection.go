package auth0

import (
	"context"
	"encoding/json"
	"maps"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/server/dialect"
)

// beside are members that are not in a client's document, with who may read
// them; client_id is for everybody.
var beside = map[string][]string{
	"client_secret": readKeys, "signing_keys": readCredentials,
	"tenant": readClient, "global": readClient, "callback_url_template": readClient,
}

// selection is which members a request wants to see: those that fields names,
// or all others. The zero selection is all.
type selection struct {
	named map[string]bool
	hide  bool
}

// newSelection reads the parameters fields and include_fields. Naming a member
// that the token may not see is forbidden; names that no member has are not.
func newSelection(ctx context.Context, names *string, include *bool) (selection, error) {
	if names == nil || *names == "" {
		return selection{}, nil
	}
	sel := selection{named: map[string]bool{}, hide: include != nil && !*include}
	for name := range strings.SplitSeq(*names, ",") {
		name = strings.TrimSpace(name)
		sel.named[name] = true
		read := beside[name]
		if read == nil {
			read = fields.Readable(name)
		}
		if read == nil {
			read = shown.Readable(name)
		}
		if !sel.hide && read != nil && !dialect.Caller(ctx).HasAny(read...) {
			return sel, insufficientScope(read)
		}
	}
	return sel, nil
}

func (s selection) shows(name string) bool { return s.named == nil || s.named[name] != s.hide }

// cut removes from body what the request does not want.
func (s selection) cut(body jsondoc.Object) {
	maps.DeleteFunc(body, func(name string, _ json.RawMessage) bool { return !s.shows(name) })
}
