package auth0

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/server/dialect"
)

// selection is which members a request wants to see: those that fields names,
// or all others. The zero selection is all.
type selection struct {
	named map[string]bool
	hide  bool
}

// newSelection reads the parameters fields and include_fields. Naming a member
// that the token may not see is forbidden; names that no member has are not.
func newSelection(ctx context.Context, names *string, include *bool) (selection, error) {
	sel := newUnscopedSelection(names, include)
	for _, name := range slices.Sorted(maps.Keys(sel.named)) { // always the same one is told
		read := fields.Readable(name)
		if !sel.hide && read != nil && !dialect.Caller(ctx).HasAny(read...) {
			return sel, insufficientScope(read)
		}
	}
	return sel, nil
}

// newUnscopedSelection reads the same parameters where one scope shows all.
func newUnscopedSelection(names *string, include *bool) selection {
	if names == nil || *names == "" {
		return selection{}
	}
	sel := selection{named: map[string]bool{}, hide: include != nil && !*include}
	for name := range strings.SplitSeq(*names, ",") {
		sel.named[strings.TrimSpace(name)] = true
	}
	return sel
}

func (s selection) shows(name string) bool { return s.named == nil || s.named[name] != s.hide }

// String tells selections apart that show different members of a client.
func (s selection) String() string {
	if s.named == nil {
		return ""
	}
	known := slices.Sorted(maps.Keys(s.named))
	known = slices.DeleteFunc(known, func(name string) bool { return fields.ByWire(name) == nil })
	if s.hide {
		return "-" + strings.Join(known, ",")
	}
	return "+" + strings.Join(known, ",")
}

// cut removes from body what the request does not want.
func (s selection) cut(body jsondoc.Object) {
	maps.DeleteFunc(body, func(name string, _ json.RawMessage) bool { return !s.shows(name) })
}
