package server_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

// Whatever there is can be made, read, changed and deleted in each way that pgx
// has of sending statements.
func TestEveryQueryModeServes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *servertest.Options) { o.Mode = mode })
			w.prepare(strings.Join(things, " "))
			w.changeTwice()
			all := operations(t)
			for _, op := range all {
				if op.Method != http.MethodGet {
					continue
				}
				target := op.fill()
				w.prepare(target)
				r := w.Do(w.Admin, op.Method, w.real(target)+callings[op.ID+"/cursor"].query, nil)
				if r.Status >= http.StatusBadRequest {
					t.Errorf("%s: %d %s", op.ID, r.Status, r.Body)
				}
			}
			if r := w.Do(w.Token("read:clients"), "GET", "/api/v2/clients", nil); r.Status != http.StatusOK {
				t.Errorf("a token for a secret: %d %s", r.Status, r.Body)
			}
			grant := w.Do(w.Admin, "GET", w.real("/api/v2/client-grants/"+theGrant), nil).Want(http.StatusOK).Object()
			if r := w.Do("", "POST", "/oauth/token", map[string]any{
				"grant_type": "client_credentials", "client_assertion": w.real(theAssertion), "audience": grant["audience"],
				"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
			}); r.Status != http.StatusOK {
				t.Errorf("a token for an assertion: %d %s", r.Status, r.Body)
			}
			exported := w.Do(w.Admin, "GET", "/api/roster/v1/export?include_secrets=true", nil).Want(http.StatusOK).Object()
			text, err := json.Marshal(map[string]any{"format": "roster", "records": exported["records"]})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second one is answered by what was kept
				w.Do(w.Admin, "POST", "/api/roster/v1/import", string(text), "Idempotency-Key", "once").Want(http.StatusOK)
			}
			for _, id := range []string{
				"auth0DeleteClientGrant", "auth0DeleteResourceServer", "auth0DeleteClient", "borutaDeleteClient", "borutaDeleteScope",
			} {
				op := all[slices.IndexFunc(all, func(op operation) bool { return op.ID == id })]
				if r := w.Do(w.Admin, op.Method, w.real(op.fill()), nil); r.Status >= http.StatusBadRequest {
					t.Errorf("%s: %d %s", id, r.Status, r.Body)
				}
			}
		})
	}
}
