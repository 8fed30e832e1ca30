package auth0

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

// cursorLife is how long a cursor can be used.
const cursorLife = 24 * time.Hour

// cursor is what is in an opaque cursor of checkpoint paging.
type cursor[P any] struct {
	Place   P     `json:"p"`
	Expires int64 `json:"e"`
}

var errBadCursor = invalidQuery("The cursor in from is not valid or has expired; start again without it.")

func nextCursor[P any](reg *registry.Registry, kind string, place P) (string, error) {
	return reg.SealCursor(kind, jsondoc.Must(cursor[P]{place, reg.Now().Add(cursorLife).Unix()}))
}

func readCursor[P any](reg *registry.Registry, kind, text string) (P, error) {
	var at cursor[P]
	raw, ok := reg.OpenCursor(kind, text)
	if !ok || json.Unmarshal(raw, &at) != nil || reg.Now().Unix() > at.Expires {
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
	from       string
}

const defaultLimit = 50

// maxOffset is past the end of any list.
const maxOffset = 1 << 40

func newPaging(page, perPage, take *int, from *string, totals *bool) paging {
	p := paging{checkpoint: take != nil || from != nil, limit: defaultLimit}
	if p.checkpoint {
		if take != nil {
			p.limit = *take
		}
		if from != nil {
			p.from = *from
		}
		return p
	}
	p.totals = totals != nil && *totals
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

// window is the part of a list that a query is to find.
type window[P any] struct {
	limit, offset int
	after         *P // the place before the first wanted; nil for the start
}

// source is where a list comes from. Items of the type T have places of the type
// P.
type source[T, P any] struct {
	name   string // of the member that holds the items
	find   func(window[P]) (found []T, more bool, err error)
	place  func(*T) P
	render func(text []byte, one *T) ([]byte, []oauth.Disclosure, error) // adds an item to a JSON text
	count  func() (int, error)                                           // the total, asked for only where it is shown
}

// items returns the order of the members of a list's items.
func items(name string) *spec.Order { return spec.OrderOf(listSchemas[name]).Items() }

// listOf answers with the page that p asks for.
func listOf[T, P any](ctx context.Context, reg *registry.Registry, p paging, from source[T, P]) (listed, error) {
	if p.checkpoint {
		return from.checkpoint(ctx, reg, p)
	}
	w, left := window[P]{limit: p.limit, offset: p.offset()}, p.limit
	list, err := dialect.NewList(ctx, reg, func() (dialect.Chunk, error) {
		found, more, err := from.find(w)
		if err != nil {
			return dialect.Chunk{}, err
		}
		left -= len(found)
		full := len(found) == w.limit
		if len(found) > 0 { // the rest of the page, wherever it is by then
			at := from.place(&found[len(found)-1])
			w = window[P]{limit: dialect.NextChunk(len(found), left), after: &at}
		}
		more = left > 0 && (more || full)
		return from.chunk(found, more)
	})
	if err != nil {
		return listed{}, err
	}
	if !p.totals {
		list.Before, list.After = []byte("["), []byte("]")
		return listed{list}, nil
	}
	total, err := from.count()
	return within(list, from.name, jsondoc.Object{
		"total": jsondoc.Must(total), "start": jsondoc.Must(p.offset()), "limit": jsondoc.Must(p.limit),
	}), err
}

// checkpoint answers with the page after a cursor, which may end before it is full.
func (s source[T, P]) checkpoint(ctx context.Context, reg *registry.Registry, p paging) (listed, error) {
	w := window[P]{limit: p.limit + 1} // one more tells whether there is a next page
	if p.from != "" {
		after, err := readCursor[P](reg, s.name, p.from)
		if err != nil {
			return listed{}, err
		}
		w.after = &after
	}
	around := jsondoc.Object{}
	list, err := dialect.NewList(ctx, reg, func() (dialect.Chunk, error) {
		found, more, err := s.find(w)
		if err == nil && (more || len(found) > p.limit) {
			found = found[:min(p.limit, len(found))]
			var next string
			next, err = nextCursor(reg, s.name, s.place(&found[len(found)-1]))
			around["next"] = jsondoc.Must(next)
		}
		if err != nil {
			return dialect.Chunk{}, err
		}
		return s.chunk(found, false)
	})
	return within(list, s.name, around), err
}

func (s source[T, P]) chunk(found []T, more bool) (dialect.Chunk, error) {
	chunk := dialect.Chunk{More: more}
	for i := range found {
		text, shows, err := s.render(append(chunk.Items, ','), &found[i])
		if err != nil {
			return chunk, err
		}
		chunk.Items, chunk.Shows = text, append(chunk.Shows, shows...)
	}
	return chunk, nil
}

// within puts a list into the object that has it as a member beside others.
func within(list dialect.List, name string, others jsondoc.Object) listed {
	others[name] = json.RawMessage(`[]`)
	text := spec.OrderOf(listSchemas[name]).AppendOrdered(nil, others)
	at := bytes.Index(text, []byte("[]")) + 1 // no other member has brackets
	list.Before, list.After = text[:at:at], text[at:]
	return listed{list}
}
