package server_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
)

func countClients(t *testing.T, s *servertest.Server, name string) int {
	t.Helper()
	var n int
	if err := s.Pool.QueryRow(t.Context(), "SELECT count(*) FROM clients WHERE name = $1", name).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRepeatedPostGivesTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	body := map[string]any{"name": "once"}
	first := s.Do(s.Admin, "POST", "/api/v2/clients", body, "Idempotency-Key", "k1").Want(http.StatusCreated)
	again := s.Do(s.Admin, "POST", "/api/v2/clients", body, "Idempotency-Key", "k1").Want(http.StatusCreated)
	if string(first.Body) != string(again.Body) || first.Header.Get("ETag") != again.Header.Get("ETag") {
		t.Errorf("the second answer differs:\n%s\n%s", first.Body, again.Body)
	}
	if again.Header.Get("Idempotency-Replayed") != "true" {
		t.Error("the answer does not say that it is a repetition")
	}
	if n := countClients(t, s, "once"); n != 1 {
		t.Errorf("%d clients exist", n)
	}
	var replays int
	if err := s.Pool.QueryRow(t.Context(), "SELECT count(*) FROM events WHERE action = 'answer.repeated' AND actor <> 'system'").Scan(&replays); err != nil || replays != 1 {
		t.Errorf("%d events of a repetition, %v", replays, err)
	}
	s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "other"}, "Idempotency-Key", "k1").Want(http.StatusUnprocessableEntity)
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", body, "Idempotency-Key", "k1").Want(http.StatusUnprocessableEntity)
	if n := countClients(t, s, "other"); n != 0 {
		t.Error("the other request happened")
	}
	s.Do(s.Token("create:clients"), "POST", "/api/v2/clients", body, "Idempotency-Key", "k1").Want(http.StatusCreated)
	if n := countClients(t, s, "once"); n != 2 {
		t.Errorf("another caller's key is not its own: %d clients", n)
	}
}

func TestRefusedPostMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "<"}, "Idempotency-Key", "k").Want(http.StatusBadRequest)
	s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "good"}, "Idempotency-Key", "k").Want(http.StatusCreated)
	s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "x"}, "Idempotency-Key", "ключ").Want(http.StatusBadRequest)
	s.Do("", "POST", "/api/v2/clients", map[string]any{"name": "x"}, "Idempotency-Key", "k").Want(http.StatusUnauthorized)
	s.Do("a.b.c", "POST", "/api/v2/clients", map[string]any{"name": "x"}, "Idempotency-Key", "k").Want(http.StatusUnauthorized)
}

func TestConcurrentPostsUnderOneKeyHappenOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	var wg sync.WaitGroup
	answers := make([]servertest.Response, 12)
	for i := range answers {
		wg.Go(func() {
			answers[i] = s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "race"}, "Idempotency-Key", "k")
		})
	}
	wg.Wait()
	for _, r := range answers {
		if r.Status != http.StatusCreated && (r.Status != http.StatusConflict || r.Header.Get("Retry-After") != "1") {
			t.Errorf("a concurrent request was answered %d, Retry-After %q", r.Status, r.Header.Get("Retry-After"))
		}
	}
	if n := countClients(t, s, "race"); n != 1 {
		t.Errorf("%d clients exist", n)
	}
}

func TestKeptAnswersAreSealed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	secret := oauth.RandomText(oauth.URLSafe, 40)
	s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "a", "client_secret": secret}, "Idempotency-Key", "k").Want(http.StatusCreated)
	var found bool
	if err := s.Pool.QueryRow(t.Context(), "SELECT position($1::bytea IN sealed) > 0 FROM idempotency_keys", []byte(secret)).Scan(&found); err != nil || found {
		t.Errorf("the kept answer shows the secret: %v %v", found, err)
	}
}

// TestPostsDoNotWaitForKeysThatWaitForThem: a POST under a key holds a database
// connection, and whoever reads the token keys again needs one.
func TestPostsDoNotWaitForKeysThatWaitForThem(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	var workers sync.WaitGroup
	for range 10 {
		workers.Go(func() {
			for range 4 {
				s.Clock.Pass(61 * time.Second) // the keys are old again; the token lives for an hour
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/v2/clients", strings.NewReader(`{"name":"busy"}`))
				if err != nil {
					t.Error(err)
					return
				}
				for name, value := range map[string]string{"Authorization": "Bearer " + s.Admin, "Content-Type": "application/json", "Idempotency-Key": rand.Text()} {
					req.Header.Set(name, value)
				}
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusCreated {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
		})
	}
	workers.Wait()
}
