package native_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server/boruta"
)

func remove(s *servertest.Server, id string) {
	s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil).Want(http.StatusNoContent)
}

func restore(s *servertest.Server, token, id string) servertest.Response {
	return s.Do(token, "POST", "/api/roster/v1/clients/"+id+"/restore", nil)
}

func ask(t *testing.T, s *servertest.Server, sql string, args ...any) []string {
	t.Helper()
	rows, _ := s.Pool.Query(t.Context(), sql, args...)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// belongings are the rows of each table that refers to clients, and the clients
// themselves.
func belongings(t *testing.T, s *servertest.Server) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, table := range append(ask(t, s, `SELECT DISTINCT conrelid::regclass::text FROM pg_constraint
		WHERE contype = 'f' AND confrelid = 'clients'::regclass`), "clients") {
		all[table] = ask(t, s, "SELECT row_to_json(t)::text FROM "+table+" t ORDER BY 1")
	}
	return all
}

// dateBack makes a client have been deleted longer ago.
func dateBack(t *testing.T, s *servertest.Server, id string, days int) {
	t.Helper()
	tag, err := s.Pool.Exec(t.Context(), `UPDATE tombstones SET deleted_at = deleted_at - $2 * interval '1 day' WHERE client_id = $1`, id, days)
	if err != nil || tag.RowsAffected() == 0 {
		t.Fatalf("%v, %v", tag, err)
	}
}

// Everything that refers to a client comes back with it, whatever a later release
// adds: a table that nobody thought of is missing afterwards.
func TestDeletedClientsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	s := rich(t)
	ids := ask(t, s, `SELECT client_id FROM clients WHERE NOT is_global ORDER BY serial`)
	for _, sql := range []string{
		`INSERT INTO assertions_seen SELECT id, client_id::bytea, now() + interval '1 hour' FROM clients`,
		`INSERT INTO client_aliases SELECT 'alias of ' || client_id, id FROM clients`,
		`UPDATE client_secrets SET last_used_at = created_at`,
	} {
		if _, err := s.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	setState(s, s.Admin, ids[0], "disabled", "ticket 4711").Want(http.StatusOK)
	before := belongings(t, s)
	for table, rows := range before {
		if len(rows) == 0 {
			t.Errorf("nothing of %s is tried", table)
		}
	}
	for _, id := range ids {
		remove(s, id)
		s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(http.StatusNotFound)
	}
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if got := restore(s, s.Admin, id).Want(http.StatusOK).Object(); got["client_id"] != id || (got["state"] == "disabled") != (id == ids[0]) {
			t.Errorf("the answer is %v", got)
		}
	}
	if diff := cmp.Diff(before, belongings(t, s)); diff != "" {
		t.Errorf("(-before +restored)\n%s", diff)
	}
	restore(s, s.Admin, ids[0]).Want(http.StatusConflict)
	restore(s, s.Admin, "nobody").Want(http.StatusNotFound)
	if list := happened(s, ids[0]); !slices.Equal(list[len(list)-2:], []string{"client.deleted", "client.restored"}) {
		t.Errorf("its events are %v", list)
	}
}

// What goes in the meantime does not come back with the client, and a token from
// before never does.
func TestRestoringRevivesNoToken(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := granted(t, s, "read:clients", "update:clients")
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://gone.example/"}).Want(http.StatusCreated)
	s.Do(s.Admin, "POST", "/api/v2/client-grants", map[string]any{"client_id": id, "audience": "https://gone.example/", "scope": []string{}}).Want(http.StatusCreated)
	old := tokenOf(s, id, secret)
	remove(s, id)
	s.Do(s.Admin, "DELETE", "/api/v2/resource-servers/https:%2F%2Fgone.example%2F", nil).Want(http.StatusNoContent)
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://gone.example/"}).Want(http.StatusCreated)
	asks(s, id, secret, false).Want(http.StatusUnauthorized)
	restore(s, s.Admin, id).Want(http.StatusOK)
	if works(s, old) || !works(s, tokenOf(s, id, secret)) {
		t.Errorf("the token from before works: %v", works(s, old))
	}
	var grants []map[string]any
	if s.Do(s.Admin, "GET", "/api/v2/client-grants?client_id="+id, nil).Want(http.StatusOK).Decode(&grants); len(grants) != 1 {
		t.Errorf("its grants are %v", grants)
	}
	remove(s, id)
	restore(s, s.Admin, id).Want(http.StatusOK)
	if works(s, old) {
		t.Error("the second time, the token works")
	}
}

// Every door refuses the identifier of a deleted client in the words of its
// dialect, all of which name the way back; an import that asks for it registers it
// anew.
func TestIdentifiersOfDeletedClientsAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const uuid = "6b1f0000-0000-4000-8000-00000000dead"
	provider := s.Do(s.Admin, "POST", "/api/identity-providers", object{"identity_provider": object{"name": "p", "backend_id": boruta.BackendID}}).
		Want(http.StatusCreated).Object()["data"].(object)["id"]
	wire := object{"client": object{"id": uuid, "identity_provider": object{"id": provider}}}
	s.Do(s.Admin, "POST", "/api/clients", wire).Want(http.StatusCreated)
	id, secret := granted(t, s, "read:clients", "create:clients", "update:clients")
	old := tokenOf(s, id, secret)
	exported := exportAll(s, s.Admin, 100, true)
	records := map[string]object{
		"auth0": {"client_id": id, "name": "again"}, "hydra": {"client_id": id, "grant_types": []string{"client_credentials"}},
		"boruta": {"id": uuid, "name": "again", "redirect_uris": []string{}},
	}
	for _, r := range exported {
		if r := r.(object); r["client_id"] == id && r["kind"] == "client" {
			records["roster"] = r
		}
	}
	remove(s, id)
	remove(s, uuid)

	refused := func(where, text string) {
		t.Helper()
		if !strings.Contains(text, "/restore (roster clients restore)") || !strings.Contains(text, "roster import --restore") {
			t.Errorf("%s: %s", where, text)
		}
	}
	refused("Boruta", string(s.Do(s.Admin, "POST", "/api/clients", wire).Want(http.StatusConflict).Body))
	other := object{"client": maps.Clone(wire["client"].(object))}
	other["client"].(object)["public_client_id"] = "another"
	refused("Boruta, by its uuid alone", string(s.Do(s.Admin, "POST", "/api/clients", other).Want(http.StatusConflict).Body))
	_, err := s.Registry.CreateClient(t.Context(), oauth.Draft{Client: &oauth.Client{ClientID: id, Document: map[string]json.RawMessage{}}})
	refused("the registry", fmt.Sprint(err))
	for format, record := range records {
		result := s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": format, "records": []any{record}}).Want(http.StatusOK).Object()["results"].([]any)[0].(object)
		refused(format, fmt.Sprint(result))
		if result["outcome"] != "failed" || result["error"].(object)["code"] != "conflict" {
			t.Errorf("%s: %v", format, result)
		}
	}
	again := func(token, format string, dry bool) object {
		t.Helper()
		body := object{"format": format, "restore": true, "dry_run": dry, "records": []any{records[format]}}
		return s.Do(token, "POST", "/api/roster/v1/import", body).Want(http.StatusOK).Object()["results"].([]any)[0].(object)
	}
	if got := again(s.Token("create:clients", "update:clients", "update:client_keys"), "auth0", false); got["outcome"] != "failed" || got["error"].(object)["code"] != "forbidden" {
		t.Errorf("by a caller who lacks what the client had: %v", got)
	}
	for range 2 {
		for _, format := range slices.Sorted(maps.Keys(records)) {
			if got := again(s.Admin, format, true); got["outcome"] != "created" {
				t.Errorf("%s, dry: %v", format, got)
			}
			if got := again(s.Admin, format, false); got["outcome"] != "created" {
				t.Errorf("%s: %v", format, got)
			}
			clientID := id
			if format == "boruta" {
				clientID = uuid
			}
			if works(s, old) {
				t.Error("a token of the deleted client works")
			}
			restore(s, s.Admin, clientID).Want(http.StatusConflict)
			remove(s, clientID)
		}
	}
	if list := happened(s, id); !slices.Equal(list[len(list)-3:], []string{"client.identifier_reused", "client.created", "client.deleted"}) {
		t.Errorf("its events are %v", list)
	}
}

func TestWhoeverRestoresHoldsWhatTheClientHeld(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	manager, _ := granted(t, s, "read:clients", "delete:clients")
	plain, _ := client(t, s)
	remove(s, manager)
	remove(s, plain)
	for _, c := range []struct {
		id     string
		scopes []string
		status int
	}{
		{plain, []string{"update:clients", "delete:clients"}, 403},
		{"nobody", []string{"update:clients"}, 403},
		{plain, []string{"create:clients"}, 200},
		{manager, []string{"create:clients", "create:client_grants", "read:clients"}, 403},
		{manager, []string{"create:clients", "read:clients", "delete:clients"}, 403},
		{manager, []string{"create:clients", "create:client_grants", "read:clients", "delete:clients"}, 200},
	} {
		if got := restore(s, s.Token(c.scopes...), c.id); got.Status != c.status {
			t.Errorf("%v: %d, want %d: %s", c.scopes, got.Status, c.status, got.Body)
		}
	}
}

// After 30 days nothing of a client is left but its identifier, and no earlier,
// whatever the role that serves asks for.
func TestNothingIsLeftOfAClientAfterThirtyDays(t *testing.T) {
	t.Parallel()
	s := rich(t)
	ids := ask(t, s, `SELECT client_id FROM clients WHERE NOT is_global ORDER BY serial`)
	var canaries []string
	for _, sealed := range []string{
		`SELECT encode(sealed, 'hex') FROM clients WHERE sealed IS NOT NULL`, `SELECT encode(sealed, 'hex') FROM client_keys WHERE sealed IS NOT NULL`,
		`SELECT encode(s.sealed, 'hex') FROM client_secrets s JOIN clients c ON c.id = client WHERE NOT is_global AND expires_at IS NULL`,
		`SELECT encode(mac, 'hex') FROM client_secrets s JOIN clients c ON c.id = client WHERE NOT is_global AND expires_at IS NULL`,
		`SELECT key_thumbprint FROM credentials WHERE key_thumbprint IS NOT NULL`,
	} {
		list := ask(t, s, sealed)
		if len(list) == 0 {
			t.Fatalf("nothing is found by %s", sealed)
		}
		canaries = append(canaries, list...)
	}
	for _, id := range ids {
		remove(s, id)
	}
	found := func() (n int) {
		t.Helper()
		for _, table := range ask(t, s, `SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'events'`) {
			text := []byte(strings.Join(ask(t, s, "SELECT row_to_json(t)::text FROM "+table+" t"), "\n"))
			for _, c := range canaries {
				if bytes.Contains(text, []byte(c)) {
					n++
				}
			}
		}
		return n
	}
	for _, sql := range []string{
		`DELETE FROM tombstones`, `DELETE FROM tombstone_secrets`, `TRUNCATE tombstones CASCADE`, `UPDATE tombstones SET held = NULL`,
		`UPDATE tombstones SET deleted_at = now() - interval '1 year'`, `INSERT INTO tombstones (client_id, deleted_at) VALUES ('x', now())`,
		`UPDATE clients SET client_id = 'renamed'`, `ALTER TABLE clients DISABLE TRIGGER bury`,
	} {
		if _, err := s.Serving.Exec(t.Context(), sql); err == nil {
			t.Errorf("the role that serves may %s", sql)
		}
	}
	if _, err := s.Serving.Exec(t.Context(), `SELECT roster_clear_tombstones(now() + interval '1 year')`); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		dateBack(t, s, id, 29)
	}
	s.Clock.Pass(registry.RestoreWindow)
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := found(); got < len(canaries) {
		t.Fatalf("%d of %d canaries are left before the time", got, len(canaries))
	}
	if _, err := s.Registry.RestoreClient(t.Context(), ids[0]); oauth.KindOf(err) != oauth.Conflict {
		t.Errorf("when the time is over by its clock: %v", err)
	}
	s.Clock.Pass(-registry.RestoreWindow)
	restore(s, s.Admin, ids[0]).Want(http.StatusOK)
	remove(s, ids[0])
	dateBack(t, s, ids[0], 29)
	for _, id := range ids {
		dateBack(t, s, id, 2) // the service's clock stands still
	}
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := found(); got > 0 {
		t.Errorf("%d canaries are left", got)
	}
	if got := ask(t, s, `SELECT client_id FROM tombstones WHERE held IS NULL AND deleted_by = 'test'`); len(got) != len(ids) {
		t.Errorf("the identifiers that are left: %v, of %v", got, ids)
	}
	restore(s, s.Admin, ids[0]).Want(http.StatusConflict)
	record := object{"client_id": ids[0], "name": "again"}
	if got := importRecords(s, s.Admin, "auth0", false, record)[0]; got.Outcome != "failed" {
		t.Errorf("the identifier is given again: %v", got)
	}
}

func TestAnAdministratorComesBack(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const id, secret = "administrator", "0123456789abcdef0123456789abcdef"
	administer := func(want registry.Administration) {
		t.Helper()
		if _, did, err := s.Registry.Administrator(t.Context(), id, oauth.NewSecret(secret)); err != nil || did != want {
			t.Fatalf("did %v, want %v, %v", did, want, err)
		}
	}
	administer(registry.Made)
	administer(registry.Found)
	old := tokenOf(s, id, secret)
	var list []string
	for _, days := range []int{29, 31} {
		s.Registry.Administrator(t.Context(), "another", oauth.NewSecret(secret)) // or the last one could not go
		remove(s, id)
		dateBack(t, s, id, days)
		administer(map[int]registry.Administration{29: registry.Restored, 31: registry.Made}[days])
		if works(s, old) || !works(s, tokenOf(s, id, secret)) {
			t.Errorf("after %d days the token from before works: %v", days, works(s, old))
		}
		list = happened(s, id)
	}
	if want := []string{"client.deleted", "client.identifier_reused", "client.created"}; !slices.Equal(list[len(list)-3:], want) {
		t.Errorf("its events are %v", list)
	}
}

// Whoever registers a client while one of that identifier is being deleted waits,
// and is refused then.
func TestDeletingAndRegisteringAtOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := client(t, s)
	tx, err := s.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	if _, err := tx.Exec(t.Context(), `DELETE FROM clients WHERE client_id = $1`, id); err != nil {
		t.Fatal(err)
	}
	made := make(chan error, 1)
	go func() {
		_, err := s.Registry.CreateClient(context.Background(), oauth.Draft{Client: &oauth.Client{ClientID: id, Document: map[string]json.RawMessage{}}})
		made <- err
	}()
	servertest.Eventually(t, "the other waits", func() bool {
		return len(ask(t, s, `SELECT pid::text FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'`)) > 0
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-made:
		if oauth.ReasonOf(err) != oauth.IDOfDeleted {
			t.Errorf("the other was told %v", err)
		}
	case <-time.After(servertest.Patience):
		t.Error("the other still waits")
	}
}

// The tokens for an API end with it: those issued under a grant of the client's
// own, and those under the default one. Registering it again revives none.
func TestTokensForAnAPIEndWithIt(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const audience = "https://ledger.example/"
	api := func() {
		t.Helper()
		s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": audience, "scopes": []object{{"value": "read"}}}).Want(http.StatusCreated)
		s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"default_for": "third_party_clients", "audience": audience, "scope": []string{"read"}}).Want(http.StatusCreated)
	}
	api()
	issued := map[string]int64{} // the generation of a token of each client
	for _, own := range []bool{true, false} {
		c := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "c", "is_first_party": own, "grant_types": []string{"client_credentials"}}).Want(http.StatusCreated).Object()
		id := c["client_id"].(string)
		if own {
			s.Do(s.Admin, "POST", "/api/v2/client-grants", object{"client_id": id, "audience": audience, "scope": []string{"read"}}).Want(http.StatusCreated)
		}
		body := object{"grant_type": "client_credentials", "client_id": id, "client_secret": c["client_secret"], "audience": audience}
		token := s.Do("", "POST", "/oauth/token", body).Want(http.StatusOK).Object()["access_token"].(string)
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims struct{ Jti string }
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		if issued[id], err = strconv.ParseInt(strings.ReplaceAll(claims.Jti, "-", "")[:12], 16, 64); err != nil {
			t.Fatal(err)
		}
	}
	dead := func(when string, want bool) {
		t.Helper()
		for id, generation := range issued {
			ends, _, err := postgres.New(s.Serving).TokenEnds(t.Context(), id, audience, "")
			if got := ends.Dead(oauth.IssuedToken{Generation: &generation}); err != nil || got != want {
				t.Errorf("%s a token is dead: %v, %v", when, got, err)
			}
		}
	}
	dead("at first", false)
	s.Do(s.Admin, "DELETE", "/api/v2/resource-servers/"+url.PathEscape(audience), nil).Want(http.StatusNoContent)
	dead("without the API", true)
	api()
	dead("when the API is back", true)
}

// What a release before stored in clear is not in clear in a tombstone, where no
// reseal looks, nor after it came back.
func TestTombstonesHoldNothingInClear(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const canary = "secret-of-the-release-before"
	made := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "a"}).Want(http.StatusCreated).Object()
	id := made["client_id"].(string)
	clear := func(table, column string) bool {
		return len(ask(t, s, "SELECT 'x' FROM "+table+" WHERE client_id = $1 AND "+column+"::text LIKE '%' || $2 || '%'", id, canary)) > 0
	}
	if _, err := s.Pool.Exec(t.Context(), `UPDATE clients SET document = (document::jsonb ||
		jsonb_build_object('auth0:addons', jsonb_build_object('zendesk', jsonb_build_object('accountName', $2::text))))::json
		WHERE client_id = $1`, id, canary); err != nil {
		t.Fatal(err)
	}
	if !clear("clients", "document") {
		t.Fatal("nothing is stored in clear: this tests nothing")
	}
	remove(s, id)
	if clear("tombstones", "held") {
		t.Error("the tombstone holds it in clear")
	}
	restore(s, s.Admin, id).Want(http.StatusOK)
	if clear("clients", "document") {
		t.Error("it came back in clear")
	}
	if r := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(http.StatusOK); !strings.Contains(string(r.Body), canary) {
		t.Errorf("it did not come back: %s", r.Body)
	}
}
