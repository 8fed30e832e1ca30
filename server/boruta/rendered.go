package boruta

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

// rendered is an answer about clients whose body is JSON already, in the order
// of the specification. The generated responses would read all of it through
// once more.
type rendered struct {
	status   int // 0: 200
	body     []byte
	etag     string // "": none
	location string // "": none
	shows    []oauth.Disclosure
}

// Shows makes rendered a dialect.Showing.
func (r rendered) Shows() []oauth.Disclosure { return r.shows }

const clientSchema = "BorutaClient"

// shown renders a client of that version. The strong validator starts with the
// version, which is what a change can be made to depend on; the rest covers what
// is shown of other records.
func shown(version int64, body jsondoc.Object) rendered {
	const before = `{"data":`
	text := spec.OrderOf(clientSchema).Append([]byte(before), body)
	sum := sha256.Sum256(text[len(before):])
	return rendered{body: append(text, '}'), etag: `"v` + strconv.FormatInt(version, 10) + "-" + hex.EncodeToString(sum[:6]) + `"`}
}

// listed is a list, whole: the dialect has no pages.
type listed struct{ dialect.List }

func (h *handler) list(ctx context.Context, next func() (dialect.Chunk, error)) (listed, error) {
	list, err := dialect.NewList(ctx, h.registry, next)
	list.Before, list.After = []byte(`{"data":[`), []byte("]}")
	return listed{list}, err
}

func (l listed) VisitBorutaListClientsResponse(w http.ResponseWriter) error { return l.Write(w) }
func (l listed) VisitBorutaListScopesResponse(w http.ResponseWriter) error  { return l.Write(w) }
func (l listed) VisitBorutaListIdentityProvidersResponse(w http.ResponseWriter) error {
	return l.Write(w)
}
func (l listed) VisitBorutaListKeyPairsResponse(w http.ResponseWriter) error { return l.Write(w) }

// madeList is a list of records in the order in which they were made.
func madeList[T any](ctx context.Context, h *handler, schema string, find func(context.Context, postgres.MadeAt, int) ([]T, bool, error),
	view func(T) jsondoc.Object, made func(T) postgres.MadeAt) (listed, error) {
	var at postgres.MadeAt
	limit := pageSize
	order := spec.OrderOf(schema)
	return h.list(ctx, func() (chunk dialect.Chunk, err error) {
		found, more, err := find(ctx, at, limit)
		for _, one := range found {
			chunk.Items, at = order.Append(append(chunk.Items, ','), view(one)), made(one)
		}
		chunk.More = more || len(found) == limit
		limit = dialect.NextChunk(len(found), pageSize)
		return chunk, err
	})
}

func (r rendered) write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	if r.etag != "" {
		w.Header().Set("ETag", r.etag)
	}
	if r.location != "" {
		w.Header().Set("Location", r.location)
	}
	w.WriteHeader(cmp.Or(r.status, http.StatusOK))
	if _, err := w.Write(r.body); err != nil { // which others may be sending too: nothing can be appended
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r rendered) VisitBorutaCreateClientResponse(w http.ResponseWriter) error  { return r.write(w) }
func (r rendered) VisitBorutaGetClientResponse(w http.ResponseWriter) error     { return r.write(w) }
func (r rendered) VisitBorutaReplaceClientResponse(w http.ResponseWriter) error { return r.write(w) }
func (r rendered) VisitBorutaUpdateClientResponse(w http.ResponseWriter) error  { return r.write(w) }
func (r rendered) VisitBorutaRegenerateClientDIDResponse(w http.ResponseWriter) error {
	return r.write(w)
}
func (r rendered) VisitBorutaRegenerateClientKeyPairResponse(w http.ResponseWriter) error {
	return r.write(w)
}

// data is the envelope of answers, what is in it in the order of the
// specification.
func data(o *spec.Order, v any) jsondoc.Object {
	return jsondoc.Object{"data": o.AppendValue(nil, jsondoc.Must(v))}
}
