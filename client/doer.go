package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// maxErrorBody bounds what is kept of an answer that is not a success.
const maxErrorBody = 1 << 20

const keyHeader = "Idempotency-Key"

// doer sends what the generated code builds.
type doer struct {
	http                 *http.Client
	tokens               tokenSource                // nil: requests carry no token
	proof                func() (url.Values, error) // as which client the caller authenticates; nil: none
	tracer               trace.Tracer               // nil: no spans
	basePath             string                     // of the service's address
	userAgent            string
	timeout, callTimeout time.Duration
	policy               policy
}

// Do sends a request, again if need be. It returns an *Error for an answer that
// is not a success. The body of an answer is in memory.
func (d *doer) Do(req *http.Request) (*http.Response, error) {
	if err := makeReplayable(req); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), d.callTimeout)
	defer cancel()
	c := call{doer: d, req: req, path: strings.TrimPrefix(req.URL.EscapedPath(), d.basePath)}
	c.op = operationOf(req.Method, c.path)
	ctx, span := d.begin(ctx, c.op, req.Method, req.URL)
	c.prepare()
	resp, tries, err := c.do(ctx)
	if err != nil {
		end(span, 0, tries, "", err)
		return nil, err
	}
	end(span, resp.StatusCode, tries, resp.Header.Get("X-Request-Id"), nil)
	return resp, nil
}

// call is one operation under way.
type call struct {
	*doer
	req       *http.Request
	path      string // below the service's address, escaped
	op        operation
	refused   string // a token that the service did not take
	tokenless bool   // there is no token to be had
}

// do tries as often as need be, and tells how often that was.
func (c *call) do(ctx context.Context) (*http.Response, int, error) {
	req := c.req
	once := req.Method == http.MethodPost && req.Header.Get(keyHeader) == ""
	resp, tries, err := repeat(ctx, c.policy, func(err error) bool {
		switch {
		case c.tokenless:
			return false // that was tried again already
		case once:
			return passing(err) && untouched(err)
		case req.Header.Get(keyHeader) != "" && underWay(err):
			return true
		}
		return passing(err)
	}, func(n int) (*http.Response, error) {
		resp, err := c.try(ctx)
		if e, ok := err.(*Error); ok && n > 1 && req.Method == http.MethodDelete && e.StatusCode == http.StatusNotFound {
			return gone(req, e), nil
		}
		return resp, err
	})
	if err = tried(err, tries); err != nil {
		if _, ok := errors.AsType[*Error](err); !ok {
			err = fmt.Errorf("roster: %w", err)
		}
		return nil, tries, err
	}
	return resp, tries, nil
}

// prepare sets the headers that are the same in every try.
func (c *call) prepare() {
	req := c.req
	req.Header.Set("User-Agent", c.userAgent)
	switch key, set := req.Header[keyHeader]; {
	case set && len(key) == 0:
		req.Header.Del(keyHeader) // or net/http would repeat the request by itself
	case !set && req.Method == http.MethodPost && c.policy.attempts > 1 && strings.HasPrefix(c.path, "/api/"):
		req.Header.Set(keyHeader, rand.Text())
	}
}

// makeReplayable lets the body be sent more than once.
func makeReplayable(req *http.Request) error {
	if req.Body == nil || req.GetBody != nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return fmt.Errorf("roster: reading the request body: %w", err)
	}
	_ = req.Body.Close()
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return nil
}

// try sends the request with a token. When the service refuses one before its
// time, the request is sent once more with a new one: 401 means that nothing was
// done.
func (c *call) try(ctx context.Context) (*http.Response, error) {
	if c.tokens == nil || c.op.public || c.req.Header.Get("Authorization") != "" {
		return c.send(ctx, "")
	}
	var unauthorized error
	for {
		token, err := c.tokens.token(ctx)
		if err != nil {
			c.tokenless = true
			return nil, err
		}
		if unauthorized != nil && token == c.refused {
			return nil, unauthorized
		}
		resp, err := c.send(ctx, token)
		if !errors.Is(err, ErrUnauthorized) || c.refused != "" || !c.tokens.forget(token) {
			return resp, err
		}
		c.refused, unauthorized = token, err
	}
}

func (c *call) send(ctx context.Context, token string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req := c.req.Clone(ctx)
	if req.GetBody != nil {
		var err error
		if req.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	c.propagate(ctx, req.Header)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusNotModified {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		if err != nil {
			body = nil // the status is what counts
		}
		return nil, newError(resp, body)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil { // half an answer is no answer
		return nil, &url.Error{Op: req.Method[:1] + strings.ToLower(req.Method[1:]), URL: req.URL.Redacted(), Err: err}
	}
	if len(body) > 0 && !c.op.notJSON && !strings.Contains(resp.Header.Get("Content-Type"), "json") {
		return nil, fmt.Errorf("%s answers %s with %q, which is not JSON: is this the service's address?", req.URL.Host, resp.Status, resp.Header.Get("Content-Type"))
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// gone is the answer to a DELETE that finds nothing left to delete.
func gone(req *http.Request, e *Error) *http.Response {
	return &http.Response{
		Status: "204 No Content", StatusCode: http.StatusNoContent, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"X-Request-Id": {e.RequestID}}, Body: http.NoBody, Request: req,
	}
}
