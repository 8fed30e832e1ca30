package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxErrorBody bounds what is kept of an answer that is not a success.
const maxErrorBody = 1 << 20

// doer sends what the generated code builds.
type doer struct {
	http      *http.Client
	tokens    tokenSource // nil: requests carry no token
	userAgent string
}

// tokenSource gives the token to send. forget drops one that was refused, and
// reports whether asking again may give another.
type tokenSource interface {
	token(context.Context) (string, error)
	forget(token string) bool
}

// Do adds the token and returns an *Error for an answer that is not a success.
// When the service refuses a token before its time, the request is sent once
// more with a new one: 401 means that nothing was done.
func (d *doer) Do(req *http.Request) (*http.Response, error) {
	if d.tokens == nil || req.Header.Get("Authorization") != "" {
		return d.send(req)
	}
	for attempt := 0; ; attempt++ {
		token, err := d.tokens.token(req.Context())
		if err != nil {
			return nil, err
		}
		try := req.Clone(req.Context())
		if attempt > 0 && req.GetBody != nil {
			if try.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		try.Header.Set("Authorization", "Bearer "+token)
		resp, err := d.send(try)
		e, refused := err.(*Error)
		refused = refused && e.StatusCode == http.StatusUnauthorized
		again := req.Body == nil || req.GetBody != nil
		if !refused || attempt > 0 || !d.tokens.forget(token) || !again {
			return resp, err
		}
	}
}

func (d *doer) send(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", d.userAgent)
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, err
	}
	success := resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusNotModified
	if success && (resp.ContentLength == 0 || !hasBody(resp) || strings.Contains(resp.Header.Get("Content-Type"), "json")) {
		return resp, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil && !success {
		body = nil // the status is what counts
	}
	if success {
		return nil, fmt.Errorf("roster: %s answers %s with %q, which is not JSON: is this the service's address?", req.URL.Host, resp.Status, resp.Header.Get("Content-Type"))
	}
	return nil, newError(resp, body)
}

func hasBody(resp *http.Response) bool {
	return resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusNotModified && resp.Request.Method != http.MethodHead
}
