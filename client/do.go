package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Request is a call of an operation that has no method of its own.
type Request struct {
	// Method is GET where it is empty.
	Method string
	// Path is where below the base URL the operation is; [Path] makes one.
	Path  string
	Query url.Values
	// Body is sent as JSON: what an io.Reader gives or a []byte holds as it is,
	// anything else as encoding/json writes it. Nil sends none.
	Body any
	// Header is sent besides what every request carries. Of Idempotency-Key, no
	// value at all, in place of the random one of a POST, sends none: cheaper for
	// the service, but a lost answer is then the caller's to sort out.
	Header http.Header
}

// Do makes a call of an operation that has no method of its own, and decodes the
// answer into out, unless that is nil; an answer without content is an error then.
// Whatever is said of the other methods holds for it: tokens, repetition, errors,
// spans.
//
// The body of the response is read; what it held is there to be read again.
func (c *Client) Do(ctx context.Context, r Request, out any) (*http.Response, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(r.Path, "/") {
		return nil, errors.New("client: the path of a Request begins with a slash")
	}
	target := c.base + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if key := req.Header.Get(keyHeader); len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errors.New("client: an Idempotency-Key has 1 to 255 printable ASCII characters")
	}
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.doer.Do(req)
	if err != nil || out == nil {
		return resp, err
	}
	_, err = decode(resp, r, out)
	return resp, err
}

// decode reads the answer to a request into out and returns its length.
func decode(resp *http.Response, r Request, out any) (int, error) {
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("roster: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	if len(text) == 0 {
		return 0, fmt.Errorf("roster: %s %s answers %s with nothing to read", resp.Request.Method, r.Path, resp.Status)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return 0, fmt.Errorf("roster: the answer to %s %s: %w", resp.Request.Method, r.Path, err)
	}
	return len(text), nil
}

// Token returns the access token that calls carry, fetching one if need be, for
// requests that are sent by other means; "" where they carry none.
func (c *Client) Token(ctx context.Context) (string, error) {
	if c.doer.tokens == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.doer.callTimeout)
	defer cancel()
	return c.doer.tokens.token(ctx)
}

// Path returns the path of what is found under names in a collection, each
// escaped: Path("/api/v2/clients", id, "credentials").
func Path(collection string, names ...string) string {
	for _, name := range names {
		name = url.PathEscape(name)
		if strings.Trim(name, ".") == "" { // a name like any other
			name = strings.ReplaceAll(name, ".", "%2E")
		}
		collection += "/" + name
	}
	return collection
}

func (r Request) body() (io.Reader, error) {
	switch body := r.Body.(type) {
	case nil:
		return nil, nil
	case io.Reader:
		return body, nil
	case []byte:
		return bytes.NewReader(body), nil
	}
	text, err := json.Marshal(r.Body)
	if err != nil {
		return nil, fmt.Errorf("client: the body of a Request: %w", err)
	}
	return bytes.NewReader(text), nil
}
