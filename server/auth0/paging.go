package auth0

import (
	"encoding/json"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/registry"
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

// onePage finds the page of the list kind that p asks for, and the cursor of the
// next, "" where there is none or it is not asked for.
func onePage[T, P any](reg *registry.Registry, p paging, kind string, place func(T) P, find func(window[P]) ([]T, error)) (found []T, next string, err error) {
	if !p.checkpoint {
		found, err = find(window[P]{limit: p.limit, offset: p.offset()})
		return found, "", err
	}
	w := window[P]{limit: p.limit + 1} // one more tells whether there is a next page
	if p.from != "" {
		after, err := readCursor[P](reg, kind, p.from)
		if err != nil {
			return nil, "", err
		}
		w.after = &after
	}
	if found, err = find(w); err != nil || len(found) <= p.limit {
		return found, "", err
	}
	found = found[:p.limit]
	next, err = nextCursor(reg, kind, place(found[p.limit-1]))
	return found, next, err
}

// answer renders a page as the parameters ask for: a bare array, or an object
// that holds it under name. count finds the total, which is asked for only
// where it is shown.
func (p paging) answer(name string, list []jsondoc.Object, next string, count func() (int, error)) (rendered, error) {
	order, array := spec.OrderOf(listSchemas[name]), []byte{'['}
	for i, o := range list {
		if i > 0 {
			array = append(array, ',')
		}
		array = order.Items().Append(array, o)
	}
	array = append(array, ']')
	body := jsondoc.Object{name: array}
	switch {
	case p.checkpoint && next != "":
		body["next"] = jsondoc.Must(next)
	case p.checkpoint:
	case p.totals:
		total, err := count()
		if err != nil {
			return rendered{}, err
		}
		body["total"], body["start"], body["limit"] = jsondoc.Must(total), jsondoc.Must(p.offset()), jsondoc.Must(p.limit)
	default:
		return rendered{body: array}, nil
	}
	return rendered{body: order.AppendOrdered(nil, body)}, nil
}
