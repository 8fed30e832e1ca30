package dialect

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
)

// Chunk is a part of a list.
type Chunk struct {
	Items []byte             // JSON, a comma before each item
	Shows []oauth.Disclosure // what they show
	More  bool               // items follow
}

// List is an answer that is sent while it is read, so that it takes no more
// memory than one chunk, however long it is. Its first chunk is read before a
// byte is sent: what fails then has a status of its own. What fails later ends
// the connection, so that nobody takes the part for the whole.
type List struct {
	Before, After []byte // JSON around the items

	ctx      context.Context
	registry *registry.Registry
	first    Chunk
	next     func() (Chunk, error)
}

// NewList returns the list whose chunks next reads, one after another.
func NewList(ctx context.Context, reg *registry.Registry, next func() (Chunk, error)) (List, error) {
	first, err := next()
	return List{ctx: ctx, registry: reg, first: first, next: next}, err
}

// NextChunk returns how many records to ask for, of most that are wanted, after a
// chunk of n: more than are likely to fit would be read for nothing.
func NextChunk(n, most int) int { return min(most, 2*max(n, 1)) }

// Shows makes List a Showing. What later chunks show is recorded as they are
// sent.
func (l List) Shows() []oauth.Disclosure { return l.first.Shows }

// Write sends the list.
func (l List) Write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(l.Before); err != nil {
		return err
	}
	begun := false
	for chunk := l.first; ; {
		if items := chunk.Items; len(items) > 0 {
			if !begun {
				items = items[1:]
			}
			begun = true
			if _, err := w.Write(items); err != nil {
				return err
			}
		}
		if !chunk.More {
			break
		}
		var err error
		if chunk, err = l.next(); err == nil {
			err = l.registry.RecordDisclosures(l.ctx, chunk.Shows)
		}
		if err != nil {
			slog.ErrorContext(l.ctx, "a list ends before its end", "err", err, "request_id", oauth.OriginOf(l.ctx).RequestID)
			panic(http.ErrAbortHandler)
		}
	}
	_, err := w.Write(append(l.After, '\n'))
	return err
}
