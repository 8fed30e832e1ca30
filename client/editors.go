package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// WithIdempotencyKey sends a POST under the caller's own key, of 1 to 255
// printable ASCII characters. For 24 hours the service gives the same caller the
// same answer for the same key and request, so a key that is kept with the work
// to do makes that work happen once even if the program is started again in its
// midst. Another request under the key is refused with 422.
//
// An empty key sends none: cheaper for the service, but a lost answer is then
// the caller's to sort out.
func WithIdempotencyKey(key string) RequestEditorFn {
	return func(_ context.Context, req *http.Request) error {
		if key == "" {
			req.Header[keyHeader] = nil
			return nil
		}
		if len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
			return errors.New("client: an Idempotency-Key has 1 to 255 printable ASCII characters")
		}
		req.Header.Set(keyHeader, key)
		return nil
	}
}

// IfUnchanged lets a change or deletion happen only if what answer showed is
// still the same; otherwise it fails with [ErrPreconditionFailed]. answer is the
// HTTPResponse of a result that shows one client. One without an ETag, such as a
// list's, is refused before anything is sent.
func IfUnchanged(answer *http.Response) RequestEditorFn {
	return func(_ context.Context, req *http.Request) error {
		if answer == nil || answer.Header.Get("ETag") == "" {
			return errors.New("client: IfUnchanged needs an answer with an ETag")
		}
		req.Header.Set("If-Match", answer.Header.Get("ETag"))
		return nil
	}
}
