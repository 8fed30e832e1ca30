package server_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

// large makes n clients of some 60 KB each, in order; their client_ids.
func large(t testing.TB, s *servertest.Server, n int) (ids []string) {
	t.Helper()
	first := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "large", "callbacks": uris(550)}).Want(201).Object()["client_id"].(string)
	if _, err := s.Pool.Exec(t.Context(), `
		WITH made AS (
			INSERT INTO clients (id, client_id, document, version, created_at, updated_at)
			SELECT gen_random_uuid(), 'large-' || i, document, 1, now(), now() FROM clients, generate_series(1, $2) i WHERE client_id = $1 ORDER BY i
			RETURNING id)
		INSERT INTO client_secrets (id, client, mac, created_at) SELECT gen_random_uuid(), id, '\x00', now() FROM made`, first, n-1); err != nil {
		t.Fatal(err)
	}
	for i := range n - 1 {
		ids = append(ids, fmt.Sprint("large-", i+1))
	}
	return append([]string{first}, ids...)
}

// named returns the client_ids, in any dialect's spelling, of those in a list that
// large has made.
func named(list []any, ids []string) (found []string) {
	for _, one := range list {
		if id, _ := one.(object)["client_id"].(string); slices.Contains(ids, id) {
			found = append(found, id)
		}
	}
	return found
}

func TestListsOfLargeRecordsAreWhole(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	ids := large(t, s, 50) // some 3 MB
	want := strings.Join(ids, " ")

	page := s.Do(s.Admin, "GET", "/api/v2/clients?per_page=100&include_totals=true", nil).Want(200).Object()
	if got := strings.Join(named(page["clients"].([]any), ids), " "); got != want || page["total"].(float64) != float64(len(page["clients"].([]any))) {
		t.Errorf("an offset page has %s of %v", got, page["total"])
	}
	var bare []any
	s.Do(s.Admin, "GET", "/api/v2/clients?per_page=30&page=1&fields=client_id", nil).Want(200).Decode(&bare)
	if len(bare) < 20 || len(bare) > 30 {
		t.Errorf("the second page has %d clients", len(bare))
	}
	var all []string
	for next, pages := "", 0; ; pages++ {
		page := s.Do(s.Admin, "GET", "/api/v2/clients?take=100"+next, nil).Want(200).Object()
		found := named(page["clients"].([]any), ids)
		all = append(all, found...)
		cursor, more := page["next"].(string)
		if !more {
			if pages < 2 {
				t.Errorf("3 MB are %d pages", pages+1)
			}
			break
		}
		if len(page["clients"].([]any)) == 0 {
			t.Fatal("a page is empty")
		}
		next = "&from=" + cursor
	}
	if got := strings.Join(all, " "); got != want {
		t.Errorf("checkpoint pages have %s", got)
	}
	if n := len(s.Do(s.Admin, "GET", "/api/clients", nil).Want(200).Object()["data"].([]any)); n < len(ids) {
		t.Errorf("Boruta's list has %d clients", n)
	}
	all = nil
	for next := ""; ; {
		page := s.Do(s.Admin, "GET", "/api/roster/v1/export?take=100"+next, nil).Want(200).Object()
		all = append(all, named(page["records"].([]any), ids)...)
		cursor, more := page["next"].(string)
		if !more {
			break
		}
		next = "&cursor=" + cursor
	}
	if got := strings.Join(all, " "); got != want {
		t.Errorf("the export has %s", got)
	}
}

func TestAListThatCannotBeFinishedIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Unchecked: true})
	ids := large(t, s, 50)
	read := func(path string) (status int, err error) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.Admin)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	damage := func(id string) {
		if _, err := s.Pool.Exec(t.Context(), `UPDATE clients SET sealed = '\x00' WHERE client_id = $1`, id); err != nil {
			t.Fatal(err)
		}
	}
	damage(ids[49])
	for _, path := range []string{"/api/v2/clients?per_page=100", "/api/clients"} {
		if status, err := read(path); err == nil {
			t.Errorf("%s: a part of the list passes for the whole, with %d", path, status)
		}
	}
	damage(ids[0])
	for _, path := range []string{"/api/v2/clients?per_page=100", "/api/clients"} {
		if status, err := read(path); err != nil || status != 500 {
			t.Errorf("%s: %d %v, want 500", path, status, err)
		}
	}
}
