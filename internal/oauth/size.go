package oauth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// How many bytes of JSON (jsondoc.Size) a stored document takes at most: what
// pages, answers and events take of memory follows from it.
const (
	MaxDocument = 64 << 10  // without its HTML
	MaxHTML     = 256 << 10 // a member that is HTML
)

// htmlMembers are measured apart from the rest of their document.
var htmlMembers = []string{MemberLoginPage, MemberFormTemplate}

// CheckSize refuses a document of a record, such as a client, that is too large.
// before is its document until now, nil for none: one that is larger, as a
// release before had no bound, may change as long as it does not grow.
func CheckSize(record string, before, after jsondoc.Object) error {
	for _, member := range htmlMembers {
		n := jsondoc.Size(after[member])
		if n > MaxHTML && n > jsondoc.Size(before[member]) {
			return &Error{Kind: Invalid, Reason: TooLarge, Violations: []Violation{{
				Member: member, Rule: "maxLength", Detail: fmt.Sprintf("takes %d bytes as JSON, of at most %d", n, MaxHTML),
			}}}
		}
	}
	n := sizeBesideHTML(after)
	if n <= MaxDocument || n <= sizeBesideHTML(before) {
		return nil
	}
	return &Error{Kind: Invalid, Reason: TooLarge, Resource: record, Detail: fmt.Sprintf(
		"The %s takes %d bytes as JSON, of at most %d.", strings.ReplaceAll(record, "_", " "), n, MaxDocument)}
}

func sizeBesideHTML(doc jsondoc.Object) int {
	n := doc.Size()
	for name, raw := range doc {
		if slices.Contains(htmlMembers, name) {
			n -= jsondoc.Size(raw)
		}
	}
	return n
}
