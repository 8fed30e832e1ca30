package auth0_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

func TestETagTellsVersionsApart(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	plain := []string{"Accept-Encoding", "identity"} // a compressed answer has a tag of its own
	created := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x"}`, plain...).Want(http.StatusCreated)
	path := clientPath(created.Object()["client_id"].(string))
	first := created.Header.Get("ETag")
	read := func(header ...string) servertest.Response {
		return s.Do(s.Admin, "GET", path, nil, append(header, plain...)...)
	}
	if got := read().Header.Get("ETag"); got != first || first == "" {
		t.Errorf("ETag is %q after a create that said %q", got, first)
	}
	for header, status := range map[string]int{
		first: 304, "W/" + first: 304, "*": 304, `"other", ` + first: 304, `"other"`: 200, "": 200,
	} {
		r := read("If-None-Match", header).Want(status)
		if status == 304 && (len(r.Body) > 0 || r.Header.Get("ETag") != first) {
			t.Errorf("If-None-Match %s: ETag %q, body %s", header, r.Header.Get("ETag"), r.Body)
		}
	}
	for name, change := range map[string]func() servertest.Response{
		"change":   func() servertest.Response { return s.Do(s.Admin, "PATCH", path, `{"name":"y"}`, plain...) },
		"rotation": func() servertest.Response { return s.Do(s.Admin, "POST", path+"/rotate-secret", nil, plain...) },
		"secret":   func() servertest.Response { return s.Do(s.Admin, "PATCH", path, `{"client_secret":"own"}`, plain...) },
	} {
		before := read().Header.Get("ETag")
		after := change().Want(http.StatusOK).Header.Get("ETag")
		if after == before || after != read().Header.Get("ETag") {
			t.Errorf("%s: ETag was %s, is %s, reads %s", name, before, after, read().Header.Get("ETag"))
		}
		read("If-None-Match", before).Want(http.StatusOK)
	}
	now := read().Header.Get("ETag")
	for _, header := range []string{first, "W/" + now, "nonsense", `"v0"`, ""} {
		before := read().Body
		wantFailure(t, s.Do(s.Admin, "PATCH", path, `{"name":"z"}`, "If-Match", header), http.StatusPreconditionFailed, "precondition_failed", "The client has changed since it was read.")
		wantFailure(t, s.Do(s.Admin, "DELETE", path, nil, "If-Match", header), http.StatusPreconditionFailed, "precondition_failed", "The client has changed since it was read.")
		if string(read().Body) != string(before) {
			t.Errorf("If-Match %q: refused, but changed", header)
		}
	}
	s.Do(s.Admin, "PATCH", path, `{"name":"z"}`, "If-Match", now).Want(http.StatusOK)
	s.Do(s.Admin, "PATCH", path, `{"name":"z"}`, "If-Match", "*").Want(http.StatusOK)
	s.Do(s.Admin, "DELETE", path, nil, "If-Match", read().Header.Get("ETag")).Want(http.StatusNoContent)
	s.Do(s.Admin, "DELETE", path, nil).Want(http.StatusNoContent)
}

// Changes, rotations and conditional changes at once: none is lost, and of those
// that expect the same version one wins.
func TestWritersAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	path := clientPath(s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x"}`).Want(http.StatusCreated).Object()["client_id"].(string))
	const n = 10
	var wg sync.WaitGroup
	secrets, tags := make([]string, n), make([]string, 2*n)
	for i := range n {
		wg.Go(func() {
			r := s.Do(s.Admin, "PATCH", path, fmt.Sprintf(`{"client_metadata":{"k%d":"v"}}`, i), "Accept-Encoding", "identity")
			if tags[i] = r.Header.Get("ETag"); r.Status != http.StatusOK {
				t.Errorf("a change answers %d: %s", r.Status, r.Body)
			}
		})
		wg.Go(func() {
			r := s.Do(s.Admin, "POST", path+"/rotate-secret", nil, "Accept-Encoding", "identity")
			if tags[n+i] = r.Header.Get("ETag"); r.Status != http.StatusOK {
				t.Errorf("a rotation answers %d: %s", r.Status, r.Body)
				return
			}
			secrets[i], _ = r.Object()["client_secret"].(string)
		})
	}
	wg.Wait()
	r := s.Do(s.Admin, "GET", path, nil, "Accept-Encoding", "identity").Want(http.StatusOK)
	got := r.Object()
	if m := got["client_metadata"].(map[string]any); len(m) != n {
		t.Errorf("changes were lost: %v", m)
	}
	if tag := r.Header.Get("ETag"); tag != fmt.Sprintf(`"v%d"`, 2*n+1) {
		t.Errorf("ETag is %s after %d changes", tag, 2*n)
	}
	seen := map[string]bool{}
	current := false
	for _, tag := range tags {
		if seen[tag] {
			t.Errorf("two answers say %s", tag)
		}
		seen[tag] = true
	}
	for i, secret := range secrets {
		if tags[n+i] == "" || secret == "" {
			t.Errorf("rotation %d showed no secret", i)
		}
		current = current || secret == got["client_secret"]
	}
	if !current {
		t.Error("the secret is none of those that were handed out")
	}

	won := make(chan int, n)
	for range n {
		wg.Go(func() { won <- s.Do(s.Admin, "PATCH", path, `{"name":"y"}`, "If-Match", r.Header.Get("ETag")).Status })
	}
	wg.Wait()
	close(won)
	count := map[int]int{}
	for status := range won {
		count[status]++
	}
	if count[200] != 1 || count[412] != n-1 {
		t.Errorf("conditional changes answered %v", count)
	}
}

// A change that changes nothing leaves no trace, whatever order its members are
// sent in.
func TestAChangeThatChangesNothingIsNone(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	made := s.Do(s.Admin, "POST", "/api/v2/clients", `{"name":"x","callbacks":["https://a.example/cb"],"client_metadata":{"a":"1","b":"2"},"jwt_configuration":{"alg":"RS256","lifetime_in_seconds":60}}`).
		Want(http.StatusCreated).Object()
	path := "/api/v2/clients/" + made["client_id"].(string)
	read := func() (etag, document string, events int) {
		t.Helper()
		etag = s.Do(s.Admin, "GET", path, nil).Want(http.StatusOK).Header.Get("ETag")
		if err := s.Pool.QueryRow(t.Context(), `SELECT document::text, (SELECT count(*) FROM events WHERE action = 'client.updated')
			FROM clients WHERE client_id = $1`, made["client_id"]).Scan(&document, &events); err != nil {
			t.Fatal(err)
		}
		return etag, document, events
	}
	etag, document, events := read()
	for _, body := range []string{
		`{"name":"x"}`, `{"client_metadata":{"b":"2","a":"1"}}`, `{"jwt_configuration":{"lifetime_in_seconds":60,"alg":"RS256"}}`,
	} {
		if got := s.Do(s.Admin, "PATCH", path, body).Want(http.StatusOK).Header.Get("ETag"); got != etag {
			t.Errorf("%s: the ETag is %s, was %s", body, got, etag)
		}
		if e, d, n := read(); e != etag || d != document || n != events {
			t.Errorf("%s: from %s, %d events, %s to %s, %d events, %s", body, etag, events, document, e, n, d)
		}
	}
	s.Do(s.Admin, "PATCH", path, `{"name":"x"}`, "If-Match", `"v9-0"`).Want(http.StatusPreconditionFailed)
	if got := s.Do(s.Admin, "PATCH", path, `{"client_metadata":{"a":"2"}}`).Want(http.StatusOK).Header.Get("ETag"); got == etag {
		t.Error("a change keeps the ETag")
	}
}
