package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is an answer that is not a success.
type Error struct {
	// StatusCode is the HTTP status.
	StatusCode int
	// Code says what is wrong, for programs: Auth0's errorCode, the error of
	// RFC 6749 §5.2. Empty where the service gives none.
	Code string
	// Message says what is wrong, for people. The wording may change.
	Message string
	// RequestID finds the request in the service's log. May be empty.
	RequestID string
	// RetryAfter is how long the service asks to wait; 0 if it does not.
	RetryAfter time.Duration
	// Tries is how often the request was sent. With more than one, an earlier
	// one may have been done and its answer lost.
	Tries int
	// Body is the answer as it came, cut after 1 MiB.
	Body []byte
}

// Error gives status, message and request id; never the body.
func (e *Error) Error() string {
	text := fmt.Sprintf("roster: %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	switch {
	case e.Tries > 1 && e.StatusCode == http.StatusPreconditionFailed:
		text += fmt.Sprintf(" (tried %d times; an earlier try may have made the change)", e.Tries)
	case e.Tries > 1:
		text += fmt.Sprintf(" (tried %d times)", e.Tries)
	}
	if e.RequestID != "" {
		text += " [request " + e.RequestID + "]"
	}
	return text
}

// Is reports whether target is the Err value for e's status.
func (e *Error) Is(target error) bool {
	status, ok := target.(statusError)
	return ok && e.StatusCode == int(status)
}

// Errors for [errors.Is], by the status of an [*Error].
const (
	ErrBadRequest         = statusError(http.StatusBadRequest)          // a rule is broken: Message names it
	ErrUnauthorized       = statusError(http.StatusUnauthorized)        // no token, a bad one, or wrong credentials
	ErrForbidden          = statusError(http.StatusForbidden)           // a scope or a grant is missing
	ErrNotFound           = statusError(http.StatusNotFound)            // there is no such thing
	ErrConflict           = statusError(http.StatusConflict)            // it exists already
	ErrPreconditionFailed = statusError(http.StatusPreconditionFailed)  // somebody changed it meanwhile (If-Match)
	ErrUnprocessable      = statusError(http.StatusUnprocessableEntity) // a rule is broken, in the Boruta dialect
	ErrTooManyRequests    = statusError(http.StatusTooManyRequests)     // over the caller's rate
	ErrInternal           = statusError(http.StatusInternalServerError) // the service failed
	ErrUnavailable        = statusError(http.StatusServiceUnavailable)  // the service cannot work just now
)

type statusError int

func (s statusError) Error() string { return "roster: " + http.StatusText(int(s)) }

// newError reads the error body of whatever dialect has answered.
func newError(resp *http.Response, body []byte) *Error {
	e := &Error{StatusCode: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id"), RetryAfter: retryAfter(resp.Header, time.Now()), Tries: 1, Body: body}
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		e.Message = "the service is elsewhere, at " + to.Scheme + "://" + to.Host + ": is the base URL right?"
		return e
	}
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return e
	}
	first := func(names ...string) string {
		for _, name := range names {
			if text, ok := members[name].(string); ok && text != "" {
				return text
			}
		}
		return ""
	}
	e.Code = first("errorCode", "code")
	if members["statusCode"] == nil && e.Code == "" {
		e.Code = first("error") // RFC 6749; in Auth0's body it is the status in words
	}
	e.Message = first("message", "error_description", "detail", "title")
	return e
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3). A date counts from the
// service's own, where it tells: its clock may differ from the caller's.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	seconds, err := strconv.ParseUint(value, 10, 31)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then it is the largest there is
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return max(0, at.Sub(now))
}
