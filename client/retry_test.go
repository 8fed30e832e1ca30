package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/client"
)

// script answers requests in turn, the last answer again and again, and notes
// what it was asked and when.
type script struct {
	answers []roundTrip

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	times    []time.Time
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	body := ""
	if req.Body != nil {
		text, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		body = string(text)
	}
	next := s.answers[min(len(s.requests), len(s.answers)-1)]
	s.requests, s.bodies, s.times = append(s.requests, req), append(s.bodies, body), append(s.times, time.Now())
	s.mu.Unlock()
	return next(req)
}

// waits are those between the requests.
func (s *script) waits() (waits []time.Duration) {
	for i := 1; i < len(s.times); i++ {
		waits = append(waits, s.times[i].Sub(s.times[i-1]))
	}
	return waits
}

// says answers with status and pairs of header names and values.
func says(status int, header ...string) roundTrip {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/json"}}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
	}
}

func breaks(err error) roundTrip {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// hangs answers when the request is given up.
func hangs(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func halfAnAnswer(req *http.Request) (*http.Response, error) {
	resp, err := says(201)(req)
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"client_`), errReader{io.ErrUnexpectedEOF}))
	return resp, err
}

type errReader struct{ error }

func (e errReader) Read([]byte) (int, error) { return 0, e.error }

var (
	errBroken  = errors.New("connection reset by peer")
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
)

func get(ctx context.Context, api *client.Client) error {
	_, err := api.GetClient(ctx, "x", &client.GetOptions{ShowSecrets: true})
	return err
}

// post creates a client: under a key of its own, under the given one, or under
// none where that is "".
func post(key ...string) func(context.Context, *client.Client) error {
	return func(ctx context.Context, api *client.Client) error {
		if len(key) > 0 && key[0] == "" {
			_, err := api.Do(ctx, client.Request{
				Method: http.MethodPost, Path: "/api/v2/clients", Body: client.ClientInput{Name: "billing"}, Header: http.Header{"Idempotency-Key": nil},
			}, nil)
			return err
		}
		o := &client.CreateOptions{}
		if len(key) > 0 {
			o.IdempotencyKey = key[0]
		}
		_, err := api.CreateClient(ctx, client.ClientInput{Name: "billing"}, o)
		return err
	}
}

func patch(ctx context.Context, api *client.Client) error {
	_, err := api.UpdateClient(ctx, "x", client.ClientInput{Name: "new"}, nil)
	return err
}

func remove(ctx context.Context, api *client.Client) error { return api.DeleteGrant(ctx, "x") }

func TestWhatMayPassIsTriedAgain(t *testing.T) {
	t.Parallel()
	const keyless = ""
	for name, c := range map[string]struct {
		call    func(context.Context, *client.Client) error
		answers []roundTrip
		tries   int
		want    error // nil: success
	}{
		"429":                                {get, []roundTrip{says(429), says(200)}, 2, nil},
		"502":                                {get, []roundTrip{says(502), says(200)}, 2, nil},
		"503":                                {get, []roundTrip{says(503), says(200)}, 2, nil},
		"504":                                {get, []roundTrip{says(504), says(503), says(200)}, 3, nil},
		"500 is the same next time":          {get, []roundTrip{says(500)}, 1, client.ErrInternal},
		"404 as well":                        {get, []roundTrip{says(404)}, 1, client.ErrNotFound},
		"broken connection":                  {get, []roundTrip{breaks(errBroken), says(200)}, 2, nil},
		"no connection":                      {get, []roundTrip{breaks(errRefused)}, 5, errRefused},
		"half an answer":                     {post(), []roundTrip{halfAnAnswer, says(201)}, 2, nil},
		"no answer in time":                  {get, []roundTrip{hangs, says(200)}, 2, nil},
		"never":                              {get, []roundTrip{says(503)}, 5, client.ErrUnavailable},
		"certificate":                        {get, []roundTrip{breaks(&tls.CertificateVerificationError{Err: errBroken})}, 1, errBroken},
		"POST, maybe done":                   {post(), []roundTrip{breaks(errBroken), says(502), says(201)}, 3, nil},
		"POST, first try under way":          {post(), []roundTrip{breaks(errBroken), says(409, "Retry-After", "1"), says(201)}, 3, nil},
		"POST, conflict that stays":          {post(), []roundTrip{says(409)}, 1, client.ErrConflict},
		"POST without key, maybe done":       {post(keyless), []roundTrip{breaks(errBroken)}, 1, errBroken},
		"POST without key, maybe done 503":   {post(keyless), []roundTrip{says(503)}, 1, client.ErrUnavailable},
		"POST without key, half an answer":   {post(keyless), []roundTrip{halfAnAnswer}, 1, io.ErrUnexpectedEOF},
		"POST without key, refused":          {post(keyless), []roundTrip{says(429), says(201)}, 2, nil},
		"POST without key, no connection":    {post(keyless), []roundTrip{breaks(errRefused), says(201)}, 2, nil},
		"PATCH":                              {patch, []roundTrip{breaks(errBroken), says(200)}, 2, nil},
		"PATCH, changed by an earlier try":   {patch, []roundTrip{breaks(errBroken), says(412)}, 2, client.ErrPreconditionFailed},
		"DELETE":                             {remove, []roundTrip{says(502), says(204)}, 2, nil},
		"DELETE, done by an earlier try":     {remove, []roundTrip{breaks(errBroken), says(404)}, 2, nil},
		"DELETE of what never was":           {remove, []roundTrip{says(404)}, 1, client.ErrNotFound},
		"GET of what is gone after a repeat": {get, []roundTrip{says(502), says(404)}, 2, client.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: c.answers}
				api := newClient(t, "http://roster.example", client.Config{Token: "x", HTTPClient: &http.Client{Transport: s}})
				err := c.call(t.Context(), api)
				if !errors.Is(err, c.want) || len(s.requests) != c.tries {
					t.Errorf("after %d tries, want %d: %v, want %v", len(s.requests), c.tries, err, c.want)
				}
				if e, ok := errors.AsType[*client.Error](err); ok && e.Tries != c.tries {
					t.Errorf("it says %d tries", e.Tries)
				}
				for i, wait := range s.waits() {
					least, most := 125*time.Millisecond<<i, 375*time.Millisecond<<i
					if s.requests[i].Context().Err() == context.DeadlineExceeded && name == "no answer in time" {
						least, most = least+client.DefaultTimeout, most+client.DefaultTimeout
					}
					if name == "POST, first try under way" && i == 1 {
						least, most = least+time.Second, most+time.Second
					}
					if wait < least || wait > most {
						t.Errorf("wait %d is %v, want %v to %v", i, wait, least, most)
					}
				}
				for i, req := range s.requests {
					if first := s.requests[0]; !slices.Equal(req.Header["Idempotency-Key"], first.Header["Idempotency-Key"]) || s.bodies[i] != s.bodies[0] {
						t.Errorf("request %d differs: key %q and %q, bodies %s and %s", i, req.Header["Idempotency-Key"], first.Header["Idempotency-Key"], s.bodies[i], s.bodies[0])
					}
				}
			})
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	const date = "Sat, 01 Jan 2000 00:00:30 GMT"
	for name, c := range map[string]struct {
		header []string
		config client.Config
		ctx    time.Duration // 0: no deadline
		wait   time.Duration // 0: not waited for
		told   time.Duration
	}{
		"seconds":                           {header: []string{"Retry-After", "7"}, wait: 7 * time.Second, told: 7 * time.Second},
		"zero":                              {header: []string{"Retry-After", "0"}, wait: time.Nanosecond},
		"date":                              {header: []string{"Retry-After", date}, wait: 30 * time.Second, told: 30 * time.Second}, // a bubble's clock begins with 2000
		"date of another clock":             {header: []string{"Retry-After", date, "Date", "Sat, 01 Jan 2000 00:00:20 GMT"}, wait: 10 * time.Second, told: 10 * time.Second},
		"date in the past":                  {header: []string{"Retry-After", "Fri, 31 Dec 1999 00:00:00 GMT"}, wait: time.Nanosecond},
		"nonsense":                          {header: []string{"Retry-After", "soon"}, wait: time.Nanosecond},
		"negative":                          {header: []string{"Retry-After", "-5"}, wait: time.Nanosecond},
		"more than a call may take":         {header: []string{"Retry-After", "121"}, told: 121 * time.Second},
		"more than fits a number":           {header: []string{"Retry-After", "99999999999999999999"}, told: (1<<31 - 1) * time.Second},
		"ages":                              {header: []string{"Retry-After", "9999999999"}, told: (1<<31 - 1) * time.Second},
		"more than this call may take":      {header: []string{"Retry-After", "3"}, config: client.Config{CallTimeout: 2 * time.Second}, told: 3 * time.Second},
		"more than the context has left":    {header: []string{"Retry-After", "3"}, ctx: 2 * time.Second, told: 3 * time.Second},
		"with attempts for it switched off": {header: []string{"Retry-After", "3"}, config: client.Config{Attempts: 1}, told: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: []roundTrip{says(429, c.header...), says(200)}}
				c.config.Token, c.config.HTTPClient = "x", &http.Client{Transport: s}
				ctx := t.Context()
				if c.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.ctx)
					defer cancel()
				}
				began := time.Now()
				err := get(ctx, newClient(t, "http://roster.example", c.config))
				if c.wait == 0 {
					e, ok := errors.AsType[*client.Error](err)
					if !ok || e.RetryAfter != c.told || time.Since(began) > 0 {
						t.Errorf("after %v: %+v", time.Since(began), err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if wait := s.waits()[0]; wait < c.wait || wait > c.wait+375*time.Millisecond {
					t.Errorf("it waited %v, want %v and a bit", wait, c.wait)
				}
			})
		})
	}
}

func TestEndOfContextEndsACallAtOnce(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]roundTrip{"in a wait": says(503, "Retry-After", "60"), "in a try": hangs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: []roundTrip{first}}
				api := newClient(t, "http://roster.example", client.Config{Token: "x", HTTPClient: &http.Client{Transport: s}})
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(5*time.Second, cancel)
				began := time.Now()
				err := get(ctx, api)
				if !errors.Is(err, context.Canceled) || time.Since(began) != 5*time.Second || len(s.requests) != 1 {
					t.Errorf("after %v and %d tries: %v", time.Since(began), len(s.requests), err)
				}
				if name == "in a wait" && !errors.Is(err, client.ErrUnavailable) {
					t.Errorf("it does not say why it waited: %v", err)
				}
			})
		})
	}
}

func TestCallTimeoutBoundsAllTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []roundTrip{hangs}}
		api := newClient(t, "http://roster.example", client.Config{
			Token: "x", HTTPClient: &http.Client{Transport: s}, Timeout: 3 * time.Second, CallTimeout: 10 * time.Second, Attempts: 100,
		})
		began := time.Now()
		err := get(t.Context(), api)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second || time.Since(began) < 9*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestKeyOfAPost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attempts int
		keys     []string
		want     string // "*": one of its own
	}{
		"its own":                 {2, nil, "*"},
		"the caller's":            {2, []string{"k 1"}, "k 1"},
		"none":                    {2, []string{""}, ""},
		"never repeated":          {1, nil, ""},
		"never repeated, but set": {1, []string{"k"}, "k"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{answers: []roundTrip{says(201)}}
			api := newClient(t, "http://roster.example/behind", client.Config{Token: "x", HTTPClient: &http.Client{Transport: s}, Attempts: c.attempts})
			for range 2 {
				if err := post(c.keys...)(t.Context(), api); err != nil {
					t.Fatal(err)
				}
			}
			first, second := s.requests[0].Header.Get("Idempotency-Key"), s.requests[1].Header.Get("Idempotency-Key")
			if c.want == "*" {
				if len(first) < 20 || first == second {
					t.Errorf("keys of two calls: %q and %q", first, second)
				}
			} else if first != c.want {
				t.Errorf("key %q", first)
			}
			if _, set := s.requests[0].Header["Idempotency-Key"]; set && c.want == "" {
				t.Error("an empty header would let net/http repeat the request")
			}
		})
	}
	for _, key := range []string{"ключ", strings.Repeat("k", 256), "a\nb"} {
		s := &script{answers: []roundTrip{says(201)}}
		api := newClient(t, "http://roster.example", client.Config{Token: "x", HTTPClient: &http.Client{Transport: s}})
		if err := post(key)(t.Context(), api); err == nil || len(s.requests) > 0 {
			t.Errorf("key %q: %v", key, err)
		}
	}
	s := &script{answers: []roundTrip{says(200)}}
	api := newClient(t, "http://roster.example", client.Config{Token: "x", HTTPClient: &http.Client{Transport: s}})
	if err := patch(t.Context(), api); err != nil || s.requests[0].Header["Idempotency-Key"] != nil {
		t.Errorf("a PATCH has key %q, %v", s.requests[0].Header["Idempotency-Key"], err)
	}
}

// TestTokensAreTriedAgainByThemselves: a call does not multiply their tries.
func TestTokensAreTriedAgainByThemselves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []roundTrip{says(503)}}
		api := newClient(t, "http://roster.example", client.Config{ClientID: "x", ClientSecret: "s3cret", HTTPClient: &http.Client{Transport: s}})
		err := get(t.Context(), api)
		if !errors.Is(err, client.ErrUnavailable) || len(s.requests) != 5 || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("after %d tries: %v", len(s.requests), err)
		}
		for _, body := range s.bodies {
			if !strings.Contains(body, "client_secret=s3cret") {
				t.Errorf("a token was asked for with %s", body)
			}
		}
	})
}

func TestBodyThatCanBeReadOnceIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []roundTrip{breaks(errBroken), says(201)}}
		api := newClient(t, "http://roster.example", client.Config{Token: "x", HTTPClient: &http.Client{Transport: s}})
		_, err := api.Do(t.Context(), client.Request{
			Method: http.MethodPost, Path: "/api/v2/clients", Body: io.MultiReader(strings.NewReader(`{"name":`), strings.NewReader(`"x"}`)),
		}, nil)
		if diff := cmp.Diff([]string{`{"name":"x"}`, `{"name":"x"}`}, s.bodies); err != nil || diff != "" {
			t.Errorf("%v, bodies (-want +got):\n%s", err, diff)
		}
	})
}

func TestErrorsReadWell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		call    func(context.Context, *client.Client) error
		answers []roundTrip
		want    string
	}{
		"status":         {get, []roundTrip{says(503, "X-Request-Id", "r-7")}, "roster: 503 Service Unavailable (tried 5 times) [request r-7]"},
		"connection":     {get, []roundTrip{breaks(errRefused)}, `roster: Get "http://roster.example/api/v2/clients/x": dial tcp: connection refused (tried 5 times)`},
		"half an answer": {post(""), []roundTrip{halfAnAnswer}, `roster: Post "http://roster.example/api/v2/clients": unexpected EOF`},
		"maybe changed":  {patch, []roundTrip{says(502), says(412)}, "roster: 412 Precondition Failed (tried 2 times; an earlier try may have made the change)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				api := newClient(t, "http://roster.example", client.Config{Token: "x", HTTPClient: &http.Client{Transport: &script{answers: c.answers}}})
				if diff := cmp.Diff(c.want, c.call(t.Context(), api).Error()); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestCertificateOfAnotherIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(answer(200, "application/json", "{}"))
	srv.Config.ErrorLog = log.New(t.Output(), "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	api := newClient(t, srv.URL, client.Config{Token: "x", Backoff: time.Millisecond})
	err := get(t.Context(), api)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || strings.Contains(err.Error(), "tried") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	api = newClient(t, strings.Replace(newFake(t, 1, answer(200, "", "")).URL, "http:", "https:", 1), client.Config{Token: "x", Backoff: time.Millisecond})
	if err := get(t.Context(), api); err == nil || strings.Contains(err.Error(), "tried") {
		t.Errorf("https to a server without TLS: %v", err)
	}
}
