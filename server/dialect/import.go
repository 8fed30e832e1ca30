package dialect

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
)

// ImportsClients are the scopes that the import of any client takes, whatever it
// changes, unless it is one of Boruta's.
var ImportsClients = []string{"create:clients", "update:clients"}

// Importer reads a record of the product that a dialect is modelled on.
type Importer func(record jsondoc.Object) registry.Import

// Flaw is what is wrong with a part of a value.
type Flaw struct {
	At       string // the path from the value to the part, ".name" or "[0]"; "" for all of it
	Why      string // completes a sentence about it
	Stranger bool   // the dialect has no such member
}

// Fit holds the value of a stored member of a client against the rules of a
// dialect, and returns what can be kept, nil for nothing, and what is wrong with
// the rest. known is false for a member that the dialect has no word for.
type Fit func(member string, raw json.RawMessage) (kept json.RawMessage, flaws []Flaw, known bool)

// FitItems returns what of a value valid finds nothing wrong with: all of it or,
// of an array, the items by which alone there is nothing wrong.
func FitItems(raw json.RawMessage, valid func(json.RawMessage) (why string)) (kept json.RawMessage, flaws []Flaw) {
	why := valid(raw)
	if why == "" {
		return raw, nil
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil, []Flaw{{Why: why}}
	}
	left := []json.RawMessage{}
	for i, item := range items {
		if why := valid(jsondoc.Must([]json.RawMessage{item})); why != "" {
			flaws = append(flaws, Flaw{At: fmt.Sprintf("[%d]", i), Why: why})
		} else {
			left = append(left, item)
		}
	}
	if kept = jsondoc.Must(left); flaws == nil || valid(kept) != "" { // it is not the items
		return nil, []Flaw{{Why: why}}
	}
	return kept, flaws
}

// ImportedClientID reads a client's OAuth identifier, RFC 6749 §A.1.
func ImportedClientID(record jsondoc.Object) (string, error) {
	id := jsondoc.String(record["client_id"])
	if id == "" || len(id) > 255 {
		return id, ImportRefused("client_id", "required", "must be a text of 1 to 255 characters")
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return "", ImportRefused("client_id", "pattern", "must be printable ASCII characters")
		}
	}
	return id, nil
}

// ImportedUUID returns id in lower case if it is the canonical form of a uuid,
// else "".
func ImportedUUID(id string) string {
	u, err := uuid.Parse(id)
	if err != nil || len(id) != 36 {
		return ""
	}
	return u.String()
}

// maxSecret bounds secrets that come from elsewhere, in bytes.
const maxSecret = 1024

// ImportedSecret reads a secret in plain text. "", null and a row of asterisks,
// which some tools put in its place, are none.
func ImportedSecret(record jsondoc.Object, member string) (oauth.Secret, error) {
	raw := record[member]
	if raw == nil || jsondoc.IsNull(raw) || string(raw) == `""` {
		return oauth.Secret{}, nil
	}
	text := jsondoc.String(raw)
	switch {
	case text == "" || len(text) > maxSecret:
		return oauth.Secret{}, ImportRefused(member, "maxLength", "must be a text of at most 1024 bytes")
	case hides(text):
		return oauth.Secret{}, nil
	}
	return oauth.NewSecret(text), nil
}

// hides reports whether a text stands for one that is not shown.
func hides(text string) bool {
	if text == "REDACTED" || text == "[REDACTED]" || text == "[redacted]" {
		return true
	}
	for _, r := range text {
		if r != '*' && r != '•' {
			return false
		}
	}
	return true
}

// ImportRefused says what is wrong with a member of a record.
func ImportRefused(member, rule, detail string) error {
	return oauth.Invalidate(oauth.Violation{Member: member, Rule: rule, Detail: detail})
}

// DroppedAt notes that what is at a place of a record was left out because of
// err.
func DroppedAt(at string, err error) registry.Note {
	if e, ok := errors.AsType[*oauth.Error](err); ok && len(e.Violations) > 0 && e.Violations[0].Member != "" {
		at += "." + e.Violations[0].Member
	}
	return registry.Dropped(at, Why(err))
}

// Why returns what is wrong with a member, of an error about it, to complete a
// sentence.
func Why(err error) string {
	if e, ok := errors.AsType[*oauth.Error](err); ok && len(e.Violations) > 0 {
		return e.Violations[0].Detail
	}
	return "cannot be used"
}
