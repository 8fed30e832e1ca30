// Package problem is the only place that pairs an error with an HTTP status,
// and renders errors of routes that belong to no dialect (RFC 9457).
package problem

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/spec"
)

// Error is a failure that only HTTP knows: a route that does not exist, too
// many requests.
type Error struct {
	Status int
	Text   string // a sentence for the caller
}

func (e *Error) Error() string { return e.Text }

var statuses = map[oauth.Kind]int{
	oauth.Invalid:         http.StatusBadRequest,
	oauth.NotFound:        http.StatusNotFound,
	oauth.Conflict:        http.StatusConflict,
	oauth.Unauthenticated: http.StatusUnauthorized,
	oauth.Forbidden:       http.StatusForbidden,
	oauth.Precondition:    http.StatusPreconditionFailed,
	oauth.Unavailable:     http.StatusServiceUnavailable,
}

// narrower are the statuses of failures that their kind's does not fit.
var narrower = map[oauth.Reason]int{
	oauth.OtherRequest: http.StatusUnprocessableEntity,
	oauth.FeedTrimmed:  http.StatusGone,
}

// Status returns the HTTP status for err; 500 for what nobody classified.
func Status(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	if e, ok := errors.AsType[*spec.BodyError](err); ok {
		return e.Status
	}
	if _, ok := errors.AsType[spec.Mismatches](err); ok {
		return http.StatusBadRequest
	}
	if status, ok := narrower[oauth.ReasonOf(err)]; ok {
		return status
	}
	if status, ok := statuses[oauth.KindOf(err)]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// CallerGone is the status that logs and metrics show for a request whose caller
// has hung up; nobody reads the answer.
const CallerGone = 499

// Answering returns the HTTP status of the answer to c that err ends in, and
// logs it and sets headers, in every dialect: what the caller is not told of a 500,
// or of what cannot be done now, is logged, and a failure that passes says when
// to come back.
func Answering(c *gin.Context, err error) int {
	status := Status(err)
	if status >= http.StatusInternalServerError && errors.Is(c.Request.Context().Err(), context.Canceled) {
		return CallerGone // no fault of the service
	}
	switch e, _ := errors.AsType[*oauth.Error](err); {
	case status == http.StatusInternalServerError:
		slog.ErrorContext(c, "request failed", "err", err, "request_id", oauth.OriginOf(c.Request.Context()).RequestID)
	case status == http.StatusServiceUnavailable && e != nil && e.Err != nil:
		slog.WarnContext(c, "request failed for now", "err", err, "request_id", oauth.OriginOf(c.Request.Context()).RequestID)
	}
	if status == http.StatusServiceUnavailable || oauth.ReasonOf(err) == oauth.UnderWay {
		c.Header("Retry-After", "1")
	}
	return status
}

// Text returns what the caller may read of err: nothing of an error that nobody
// classified. wire returns the caller's name for a member.
func Text(err error, wire func(member string) string) string {
	if Status(err) == http.StatusInternalServerError {
		return "An internal error occurred."
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		if len(e.Violations) > 0 {
			return e.Violations[0].Sentence(wire(e.Violations[0].Member))
		}
		return e.Detail
	}
	return err.Error()
}

// Canonical is the name of a member where no dialect has another.
func Canonical(member string) string { return member }

// Fail answers with err as application/problem+json.
func Fail(c *gin.Context, err error) {
	status := Answering(c, err)
	c.Header("Content-Type", "application/problem+json")
	c.AbortWithStatusJSON(status, gin.H{"title": http.StatusText(status), "status": status, "detail": Text(err, Canonical)})
}
