package registry

import (
	"bytes"
	"context"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
)

// IdempotencyWindow is how long a repeated request gets the first answer.
const IdempotencyWindow = 24 * time.Hour

// Refusals of Once.
var (
	errUnderWay     = &oauth.Error{Kind: oauth.Conflict, Reason: oauth.UnderWay, Detail: "A request with this Idempotency-Key is under way."}
	errOtherRequest = &oauth.Error{Kind: oauth.Invalid, Reason: oauth.OtherRequest, Detail: "This Idempotency-Key was used for another request, or with other scopes."}
)

// Once does a request at most once under a caller's key. do does it, all of it
// in one transaction, and returns the answer and whether it is one to keep; what
// is not kept did not happen. A later call with the same key and the same
// request, a digest of what is asked, returns the kept answer and does nothing.
func (r *Registry) Once(ctx context.Context, caller, key string, request []byte, do func(context.Context) (answer []byte, keep bool)) (answer []byte, replayed bool, err error) {
	err = r.store.Span(ctx, func(ctx context.Context, tx *postgres.Tx) (bool, error) {
		free, given, err := tx.HoldIdempotencyKey(ctx, caller, key, r.now().Add(-IdempotencyWindow))
		if err != nil {
			return false, err
		}
		if !free {
			return false, errUnderWay
		}
		if given != nil {
			if !bytes.Equal(given.Request, request) {
				return false, errOtherRequest
			}
			replayed = true
			if answer, err = r.keys.Open(given.Sealed, answerLocation(caller, key)); err != nil {
				return false, err
			}
			r.record(ctx, tx, "answer.repeated", "idempotency_key", key, nil, nil) // the answer may show a secret
			return true, nil
		}
		var keep bool
		if answer, keep = do(ctx); !keep {
			return false, nil
		}
		sealed, err := r.keys.Seal(answer, answerLocation(caller, key))
		if err != nil {
			return false, err
		}
		tx.KeepAnswer(caller, key, postgres.Answered{Request: request, Sealed: sealed}, r.now())
		return true, nil
	})
	return answer, replayed, err
}

func answerLocation(caller, key string) seal.Location {
	return seal.Location{Table: "idempotency_keys", Row: caller + "\x1f" + key, Column: "sealed"}
}
