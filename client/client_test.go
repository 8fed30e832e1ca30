package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/client"
)

// fake answers as told, and counts requests for tokens.
type fake struct {
	*httptest.Server
	tokens atomic.Int64
}

// newFake serves tokens named token-1, token-2, …, good for lifetime seconds,
// and gives every other request to api.
func newFake(t *testing.T, lifetime int, api http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {
		n := f.tokens.Add(1)
		if got, want := r.FormValue("audience"), f.URL+"/api/v2/"; got != want {
			t.Errorf("a token is asked for audience %q, want %q", got, want)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":%d}`, n, lifetime)
	})
	mux.HandleFunc("/", api)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func newClient(t *testing.T, url string, config client.Config) *client.Client {
	t.Helper()
	c, err := client.New(url, config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	asAdmin = client.Config{ClientID: "admin", ClientSecret: "s3cret", Backoff: time.Millisecond}
	once    = client.Config{ClientID: "admin", ClientSecret: "s3cret", Attempts: 1}
)

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Request-Id", "r-1")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestErrorsOfEveryDialectAreUnderstood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status        int
		mediaType     string
		body          string
		is            error
		code, message string
	}{
		"Auth0":           {404, "application/json; charset=utf-8", `{"statusCode":404,"error":"Not Found","message":"gone","errorCode":"inexistent_client"}`, client.ErrNotFound, "inexistent_client", "gone"},
		"Auth0, no code":  {403, "application/json", `{"statusCode":403,"error":"Forbidden","message":"no"}`, client.ErrForbidden, "", "no"},
		"RFC 6749":        {400, "application/json", `{"error":"invalid_request","error_description":"what?"}`, client.ErrBadRequest, "invalid_request", "what?"},
		"Boruta":          {422, "application/json", `{"code":"UNPROCESSABLE_ENTITY","message":"bad","errors":{"name":["x"]}}`, client.ErrUnprocessable, "UNPROCESSABLE_ENTITY", "bad"},
		"RFC 9457":        {409, "application/problem+json", `{"title":"Conflict","status":409,"detail":"taken"}`, client.ErrConflict, "", "taken"},
		"not JSON":        {503, "text/html", `<h1>down</h1>`, client.ErrUnavailable, "", ""},
		"odd members":     {500, "application/json", `{"message":7,"error":{}}`, client.ErrInternal, "", ""},
		"redirect":        {302, "text/html", ``, nil, "", ""},
		"too many":        {429, "application/json", `{}`, client.ErrTooManyRequests, "", ""},
		"changed already": {412, "application/json", `{}`, client.ErrPreconditionFailed, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, 3600, answer(c.status, c.mediaType, c.body))
			_, err := newClient(t, f.URL, once).GetClient(t.Context(), "x", nil)
			got, ok := errors.AsType[*client.Error](err)
			if !ok {
				t.Fatalf("not an *Error: %v", err)
			}
			want := &client.Error{StatusCode: c.status, Code: c.code, Message: c.message, RequestID: "r-1", Tries: 1, Body: []byte(c.body)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("errors.Is(%v, %v) is false", err, c.is)
			}
			if errors.Is(err, client.ErrUnauthorized) {
				t.Error("it passes for another status")
			}
		})
	}
}

func TestSuccessThatIsNotJSONIsAnError(t *testing.T) {
	t.Parallel()
	f := newFake(t, 3600, answer(200, "text/html", "<h1>Log in</h1>"))
	_, err := newClient(t, f.URL, asAdmin).GetClient(t.Context(), "x", nil)
	if err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("got %v", err)
	}
}

func TestOneTokenServesManyCalls(t *testing.T) {
	t.Parallel()
	f := newFake(t, 3600, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer token-1" {
			t.Errorf("Authorization is %q", got)
		}
		if got := r.Header.Get("User-Agent"); got != "test/1 roster-client-go" {
			t.Errorf("User-Agent is %q", got)
		}
		answer(200, "application/json", `{}`)(w, r)
	})
	config := asAdmin
	config.UserAgent = "test/1"
	api := newClient(t, f.URL+"/", config)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := api.GetClient(t.Context(), "x", nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := f.tokens.Load(); n != 1 {
		t.Errorf("%d tokens were fetched", n)
	}
}

func TestTokenAboutToExpireIsRenewed(t *testing.T) {
	t.Parallel()
	f := newFake(t, 5, answer(200, "application/json", `{}`))
	api := newClient(t, f.URL, asAdmin)
	for range 2 {
		if _, err := api.GetClient(t.Context(), "x", nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.tokens.Load(); n != 2 {
		t.Errorf("%d tokens were fetched, want one a call", n)
	}
}

func TestRefusedTokenIsRenewedOnceAndTheBodySentAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t, 3600, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" {
			answer(401, "application/json", `{"statusCode":401,"error":"Unauthorized","message":"old"}`)(w, r)
			return
		}
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body["name"] != "billing" {
			t.Errorf("the second request has body %v, %v", body, err)
		}
		answer(201, "application/json", `{"client_id":"x"}`)(w, r)
	})
	got, err := newClient(t, f.URL, asAdmin).CreateClient(t.Context(), client.ClientInput{Name: "billing"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "x" {
		t.Errorf("got %+v", got)
	}

	always := newFake(t, 3600, answer(401, "application/json", `{}`))
	_, err = newClient(t, always.URL, asAdmin).GetClient(t.Context(), "x", nil)
	if !errors.Is(err, client.ErrUnauthorized) || always.tokens.Load() != 2 {
		t.Errorf("after %d tokens: %v", always.tokens.Load(), err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the token went to another host: %s", r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	f := newFake(t, 3600, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	_, err := newClient(t, f.URL, asAdmin).GetClient(t.Context(), "x", nil)
	if e, ok := errors.AsType[*client.Error](err); !ok || e.StatusCode != http.StatusTemporaryRedirect || !strings.Contains(err.Error(), "at "+elsewhere.URL+":") {
		t.Errorf("got %v", err)
	}
}

// TestCallerWaitsNoLongerThanItsContext also while somebody else's call fetches
// the token.
func TestCallerWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			close(asked)
			<-release
			answer(200, "application/json", `{"access_token":"t","token_type":"Bearer","expires_in":3600}`)(w, r)
			return
		}
		answer(200, "application/json", `{}`)(w, r)
	}))
	t.Cleanup(srv.Close)
	api := newClient(t, srv.URL, asAdmin)
	first := make(chan error, 1)
	gone, leave := context.WithCancel(t.Context())
	go func() {
		_, err := api.GetClient(gone, "x", nil)
		first <- err
	}()
	<-asked
	second := make(chan error, 1)
	go func() {
		_, err := api.GetClient(t.Context(), "x", nil)
		second <- err
	}()
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who left got %v", err)
	}
	close(release)
	if err := <-second; err != nil {
		t.Errorf("the one who stayed got %v", err)
	}
}

func TestTimeLimitIsHalfAMinute(t *testing.T) {
	t.Parallel()
	if client.DefaultTimeout != 30*time.Second {
		t.Errorf("it is %v", client.DefaultTimeout)
	}
	stuck := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(stuck) }) // before Close, which waits
	api := newClient(t, srv.URL, client.Config{Timeout: 20 * time.Millisecond, Attempts: 1})
	if _, err := api.Do(t.Context(), client.Request{Path: "/healthz"}, nil); err == nil {
		t.Error("a stuck server is waited for")
	}
}
