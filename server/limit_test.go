package server_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
)

// limited starts a service that lets a caller make three requests at once, and
// two a second.
func limited(t *testing.T) *servertest.Server {
	return servertest.NewWith(t, servertest.Options{Server: func(c *server.Config) { c.Limit = server.Limit{PerSecond: 2, Burst: 3} }})
}

func TestEachTokenHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	s := limited(t)
	started := s.Clock.Now()
	other := s.Token("read:clients")
	for i := range 3 {
		r := s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
		if got := r.Header.Get("X-RateLimit-Remaining"); got != strconv.Itoa(2-i) {
			t.Errorf("after request %d X-RateLimit-Remaining is %q", i+1, got)
		}
		if got := r.Header.Get("X-RateLimit-Limit"); got != "3" {
			t.Errorf("X-RateLimit-Limit is %q", got)
		}
	}
	r := s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusTooManyRequests)
	if got := r.Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After is %q", got)
	}
	if o := r.Object(); o["errorCode"] != "too_many_requests" || o["message"] != "Global limit has been reached" {
		t.Errorf("body %v", o)
	}
	if reset, err := strconv.ParseInt(r.Header.Get("X-RateLimit-Reset"), 10, 64); err != nil || reset != started.Add(1500*time.Millisecond).Unix() && reset != started.Add(1500*time.Millisecond).Unix()+1 {
		t.Errorf("X-RateLimit-Reset is %q", r.Header.Get("X-RateLimit-Reset"))
	}
	s.Do(other, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
	s.Clock.Pass(500 * time.Millisecond)
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK)
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusTooManyRequests)
}

func TestGuessingTokensCountsForTheAddress(t *testing.T) {
	t.Parallel()
	s := limited(t)
	for i := range 3 {
		s.Do("a.b."+strconv.Itoa(i), "GET", "/api/v2/clients", nil).Want(http.StatusUnauthorized)
	}
	s.Do("a.b.c", "GET", "/api/v2/clients", nil).Want(http.StatusTooManyRequests)
	r := s.Do("", "POST", "/oauth/token", "grant_type=x", "Content-Type", "application/x-www-form-urlencoded").Want(http.StatusTooManyRequests)
	if r.Object()["error"] != "too_many_requests" {
		t.Errorf("body %s", r.Body)
	}
}

func TestNoLimitSaysNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	if r := s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK); r.Header.Get("X-RateLimit-Limit") != "" {
		t.Error("a limit is reported where there is none")
	}
}

func TestLargeAnswersAreCompressedWhenAsked(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	created := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "a"}).Want(http.StatusCreated)
	path := "/api/v2/clients/" + created.Object()["client_id"].(string)
	r := s.Do(s.Admin, "GET", path, nil, "Accept-Encoding", "gzip").Want(http.StatusOK)
	if r.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("not compressed: %v", r.Header)
	}
	tag := r.Header.Get("ETag")
	s.Do(s.Admin, "GET", path, nil, "If-None-Match", tag).Want(http.StatusNotModified)
	s.Do(s.Admin, "PATCH", path, map[string]any{"name": "b"}, "If-Match", tag).Want(http.StatusOK)
	s.Do(s.Admin, "PATCH", path, map[string]any{"name": "c"}, "If-Match", tag).Want(http.StatusPreconditionFailed)
}
