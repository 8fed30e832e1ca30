package auth0

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/problem"
)

// cursors makes and reads the opaque cursors of checkpoint paging.
type cursors struct{ registry *registry.Registry }

func newCursors(reg *registry.Registry) *cursors { return &cursors{reg} }

// cursorLife is how long a cursor can be used.
const cursorLife = 24 * time.Hour

type cursor[P any] struct {
	Place   P     `json:"p"`
	Expires int64 `json:"e"`
}

var errBadCursor = &problem.Error{Status: http.StatusBadRequest, Text: "The cursor in from is not valid or has expired; start again without it."}

func nextCursor[P any](c *cursors, kind string, place P) (string, error) {
	return c.registry.SealCursor(kind, jsondoc.Must(cursor[P]{place, c.registry.Now().Add(cursorLife).Unix()}))
}

func readCursor[P any](c *cursors, kind, text string) (P, error) {
	var at cursor[P]
	raw, ok := c.registry.OpenCursor(kind, text)
	if !ok || json.Unmarshal(raw, &at) != nil || c.registry.Now().Unix() > at.Expires {
		return at.Place, errBadCursor
	}
	return at.Place, nil
}

// paging is what the paging parameters of a list ask for.
type paging struct {
	checkpoint bool // from/take, which win over page/per_page
	totals     bool
	limit      int
	page       int
}

const defaultLimit = 50

// maxOffset is past the end of any list.
const maxOffset = 1 << 40

func newPaging(page, perPage, take *int, from *string, totals *bool) paging {
	p := paging{checkpoint: take != nil || from != nil, totals: totals != nil && *totals, limit: defaultLimit}
	if p.checkpoint {
		if take != nil {
			p.limit = *take
		}
		return p
	}
	if perPage != nil {
		p.limit = *perPage
	}
	if page != nil {
		p.page = *page
	}
	return p
}

func (p paging) offset() int {
	if p.page > maxOffset/100 {
		return maxOffset
	}
	return p.page * p.limit
}

// envelope renders a page as the parameters ask for: a bare array, or an object
// that holds it under name.
func (p paging) envelope(name string, list any, total int, next string) json.RawMessage {
	switch {
	case p.checkpoint && next != "":
		return jsondoc.Must(map[string]any{name: list, "next": next})
	case p.checkpoint:
		return jsondoc.Must(map[string]any{name: list})
	case p.totals:
		return jsondoc.Must(map[string]any{name: list, "total": total, "start": p.offset(), "limit": p.limit})
	}
	return jsondoc.Must(list)
}
