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
