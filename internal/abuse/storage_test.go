package abuse

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
)

// dump is every row of every table, as a backup holds it.
func dump(t testing.TB, s *servertest.Server) map[string]string {
	t.Helper()
	rows, _ := s.Pool.Query(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, table := range tables {
		var text string
		if err := s.Pool.QueryRow(t.Context(), "SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM "+table+" t").Scan(&text); err != nil {
			t.Fatal(err)
		}
		all[table] = text
	}
	return all
}

// foreign are members of a client of the Auth0 dialect that hold keys of other
// systems, all of them the text key.
func foreign(key string) object {
	return object{
		"addons": object{
			"azure_sb": object{"sharedAccessKey": key, "expiration": 5},
			"firebase": object{"private_key_id": "1", "private_key": "-----BEGIN PRIVATE KEY-----\n" + key + "\n-----END PRIVATE KEY-----\n"},
			"layer":    object{"providerId": "p", "keyId": "k", "privateKey": key},
			"sap_api":  object{"clientid": "c", "servicePassword": key},
			"aws":      object{"principal": "p", "role": "r", "unlisted": []object{{"key": key}}},
		},
		"encryption_key": object{"pub": key, "unlisted": key},
	}
}

// writeForeign stores keys of other systems with clients in every way there is,
// and returns the keys and one of the clients.
func writeForeign(t testing.TB, s *servertest.Server) (keys []string, id string) {
	t.Helper()
	next := func() object {
		keys = append(keys, fmt.Sprintf("key-%d-", len(keys))+strings.Repeat("QUJDREVGR0hJSktM", 3))
		return foreign(keys[len(keys)-1])
	}
	id, _ = newClient(s, next())
	s.Do(s.Admin, "PATCH", clientPath(id), next()).Want(200)
	s.Do(s.Admin, "PATCH", clientPath(id), object{"addons": next()["addons"]}, "If-Match", "*").Want(200)
	s.Do(s.Admin, "POST", clientPath(id)+"/rotate-secret", nil).Want(200)
	s.Do(s.Admin, "POST", "/api/v2/clients", merged(object{"name": "kept answer"}, next()), "Idempotency-Key", "keys").Want(201)
	s.Do(s.Admin, "POST", "/api/v2/clients", merged(object{"name": "refused", "callbacks": 1}, next())).Want(400)
	gone, _ := newClient(s, next())
	s.Do(s.Admin, "DELETE", clientPath(gone), nil).Want(204)
	other := s.Do(s.Admin, "POST", "/api/clients", boruta(newProvider(s), nil)).Want(201).Object()["data"].(object)["id"].(string)
	s.Do(s.Admin, "PATCH", clientPath(other), next()).Want(200)
	s.Do(s.Admin, "PUT", "/api/clients/"+other, object{"client": object{"name": "changed in the other dialect"}}).Want(200)
	for _, outcome := range []any{"created", "updated"} {
		record := merged(object{"client_id": "imported", "name": "imported", "client_secret": strings.Repeat("s", 32)}, next())
		results := s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": "auth0", "records": []object{record}}).Want(200).Object()["results"].([]any)
		if got := results[0].(object)["outcome"]; got != outcome {
			t.Fatalf("the record was %v, not %v: %v", got, outcome, results)
		}
	}
	return keys, id
}

func merged(one, other object) object {
	maps.Copy(one, other)
	return one
}

// A dump without the keyset gives nothing away; a value moved to another row
// opens nowhere; secrets outlive a change of keys.
func TestADumpWithoutTheKeysetGivesNothingAway(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	secrets := map[string]string{}
	var ids []string
	for _, secret := range []string{"first-" + strings.Repeat("0123456789abcdef", 3), "second-" + strings.Repeat("fedcba9876543210", 3)} {
		id, _ := newClient(s, object{"client_secret": secret})
		secrets[id], ids = secret, append(ids, id)
	}
	api := s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": "urn:api", "signing_alg": "HS256"}).Want(201).Object()["signing_secret"].(string)
	once := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "x"}, "Idempotency-Key", "k").Want(201).Object()["client_secret"].(string)
	s.Do(s.Admin, "POST", "/api/clients", boruta(newProvider(s), nil)).Want(201)
	others, holder := writeForeign(t, s)
	var l leaks
	for i, key := range others {
		l.add(fmt.Sprintf("key %d of another system", i), []byte(key))
	}
	for name, text := range map[string]string{"a secret": secrets[ids[0]], "another": secrets[ids[1]], "an API's": api, "one in a kept answer": once, "a private key": "PRIVATE KEY-----\n"} {
		l.add(name, []byte(text))
	}
	for table, text := range dump(t, s) {
		if found := l.find([]byte(text)); found != nil {
			t.Errorf("%s holds %q", table, found)
		}
	}
	if found := l.find([]byte(s.Log.String())); found != nil {
		t.Errorf("the log holds %q", found)
	}

	wrong, err := seal.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	stolen := registry.New(postgres.New(s.Serving), wrong, s.Registry.Config)
	if c, err := stolen.Client(t.Context(), oauth.ClientRef{ClientID: holder}); err == nil {
		t.Errorf("another keyset opens a client's add-ons: %s", c.Document["auth0:addons"])
	}
	c, err := stolen.Client(t.Context(), oauth.ClientRef{ClientID: ids[0]})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := stolen.RevealSecret(c); err == nil {
		t.Errorf("another keyset opens a secret: %q", got.Reveal())
	}
	if _, err := stolen.IssueToken(t.Context(), tokens.Request{ClientID: ids[0], Secret: oauth.NewSecret(secrets[ids[0]]), Audience: s.Registry.ManagementAudience()}); err == nil {
		t.Error("a token is issued without the keyset")
	}

	rotated, err := s.Keys.Add()
	if err == nil {
		rotated, err = rotated.Promote()
	}
	if err != nil {
		t.Fatal(err)
	}
	later := s.In(t)
	later.Keys = rotated
	later = beside(t, later, nil)
	if got := fmt.Sprint(read(later, holder)["addons"]); strings.Count(got, others[2]) != 5 {
		t.Errorf("add-ons do not outlive a change of keys: %s", got)
	}
	for id, secret := range secrets {
		if got := read(later, id)["client_secret"]; got != secret || !good(t, later, id, secret) {
			t.Error("a secret does not outlive a change of keys")
		}
	}

	const swap = `UPDATE client_secrets s SET sealed = other.sealed, mac = other.mac FROM client_secrets other
		JOIN clients c ON c.id = other.client, clients mine WHERE mine.id = s.client AND mine.client_id = ANY($1) AND c.client_id = ANY($1) AND other.id <> s.id`
	if tag, err := s.Pool.Exec(t.Context(), swap, ids); err != nil || tag.RowsAffected() != 2 {
		t.Fatalf("%v, %v", tag, err)
	}
	for i, id := range ids {
		s.Do(s.Admin, "GET", clientPath(id), nil).Want(500)
		if good(t, s, id, secrets[id]) || good(t, s, id, secrets[ids[1-i]]) {
			t.Error("a secret that was moved to another row is good")
		}
	}
}

// What cannot be recorded does not happen, and a secret that cannot be recorded
// as shown is not shown.
func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	provider := newProvider(s)
	own := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, nil)).Want(201).Object()["data"].(object)
	for name, fault := range map[string][2]string{
		"no room":  {"ALTER TABLE events ADD CONSTRAINT no_room CHECK (false) NOT VALID", "ALTER TABLE events DROP CONSTRAINT no_room"},
		"no table": {"ALTER TABLE events RENAME TO gone", "ALTER TABLE gone RENAME TO events"},
		"no clock": {"CREATE TABLE kept AS TABLE event_clock; DELETE FROM event_clock", "INSERT INTO event_clock TABLE kept; DROP TABLE kept"},
	} {
		before := dump(t, s)
		if _, err := s.Pool.Exec(t.Context(), fault[0]); err != nil {
			t.Fatal(err)
		}
		for _, r := range []servertest.Response{
			s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "new"}),
			s.Do(s.Admin, "PATCH", clientPath(id), object{"name": "changed"}),
			s.Do(s.Admin, "POST", clientPath(id)+"/rotate-secret", nil),
			s.Do(s.Admin, "DELETE", clientPath(id), nil),
			s.Do(s.Admin, "GET", clientPath(id), nil),
			s.Do(s.Admin, "GET", "/api/v2/clients", nil),
			s.Do(s.Admin, "POST", "/api/clients", boruta(provider, nil)),
			s.Do(s.Admin, "GET", "/api/clients/"+own["id"].(string), nil),
			s.Do(s.Admin, "GET", "/api/clients", nil),
			s.Do(s.Admin, "DELETE", "/api/clients/"+own["id"].(string), nil),
			s.Do(s.Admin, "POST", "/api/key-pairs", object{"key_pair": object{}}),
			ask(s, "client_id", id, "client_secret", secret),
		} {
			if r.Status != 500 || strings.Contains(string(r.Body), secret) || strings.Contains(string(r.Body), own["secret"].(string)) || strings.Contains(string(r.Body), "access_token") {
				t.Errorf("%s: %d %s", name, r.Status, r.Body)
			}
		}
		if _, err := s.Pool.Exec(t.Context(), fault[1]); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, dump(t, s)); diff != "" {
			t.Errorf("%s: it happened all the same: %s", name, diff)
		}
	}
	shown := func() (n int) {
		t.Helper()
		if err := s.Pool.QueryRow(t.Context(), "SELECT count(*) FROM events WHERE action = 'client_secret.read'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, path := range []string{clientPath(id), "/api/v2/clients", "/api/clients/" + own["id"].(string), "/api/clients"} {
		before := shown()
		s.Do(s.Admin, "GET", path, nil).Want(200)
		if shown() == before {
			t.Errorf("GET %s shows a secret and leaves no trace", path)
		}
	}
}

// A repeated POST gets the first answer with the same secret, which is kept
// sealed, for a day and for who may still do it; never again after that.
func TestRepeatedRequestsShowNothingNew(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	replica := beside(t, s, nil)
	id, secret := newClient(s, nil)
	var grants []object
	s.Do(s.Admin, "GET", "/api/v2/client-grants?client_id="+id, nil).Want(200).Decode(&grants)
	s.Do(s.Admin, "PATCH", "/api/v2/client-grants/"+grants[0]["id"].(string), object{"scope": []string{"create:clients", "read:clients"}}).Want(200)
	token := func(scope string) string {
		return ask(s, "client_id", id, "client_secret", secret, "scope", scope).Want(200).Object()["access_token"].(string)
	}
	full, narrow := token("create:clients"), token("read:clients")
	body := object{"name": "once"}
	first := s.Do(full, "POST", "/api/v2/clients", body, "Idempotency-Key", "k").Want(201)
	again := replica.Do(full, "POST", "/api/v2/clients", body, "Idempotency-Key", "k").Want(201)
	if diff := cmp.Diff(first.Object(), again.Object()); diff != "" {
		t.Errorf("the repetition differs: %s", diff)
	}
	made := first.Object()["client_secret"].(string)
	for table, text := range dump(t, s) {
		if strings.Contains(text, made) {
			t.Errorf("the secret is in %s", table)
		}
	}
	s.Do(narrow, "POST", "/api/v2/clients", body).Want(403)
	if r := s.Do(narrow, "POST", "/api/v2/clients", body, "Idempotency-Key", "k"); r.Status != 422 || strings.Contains(string(r.Body), made) {
		t.Errorf("a token without the scope is answered %d, secret included: %v", r.Status, strings.Contains(string(r.Body), made))
	}
	s.Do(s.Token("create:clients"), "POST", "/api/v2/clients", body, "Idempotency-Key", "k").Want(201) // a caller's keys are its own
	s.Do(full, "POST", "/api/v2/clients", object{"name": "other"}, "Idempotency-Key", "k").Want(422)

	s.Clock.Pass(24*time.Hour + time.Minute)
	late := s.Do(token("create:clients"), "POST", "/api/v2/clients", body, "Idempotency-Key", "k").Want(201)
	if strings.Contains(string(late.Body), made) {
		t.Error("the secret is shown again after the window")
	}
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Connections that die at any moment of a rotation: whatever was acknowledged is
// there, one secret is always good, the cap holds. That a killed process loses
// nothing that it acknowledged is tested with the whole program in cmd/roster.
func TestConnectionsThatDieLoseNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, first := newClient(s, nil)
	acknowledged := map[string]bool{first: true}
	newest := first
	killer, err := pgx.ConnectConfig(t.Context(), s.Serving.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer killer.Close(context.WithoutCancel(t.Context()))
	lost, kills := 0, 0
	for i := range 60 {
		var ended atomic.Bool
		var killing sync.WaitGroup
		if i%3 == 0 {
			killing.Go(func() {
				for hit := 0; hit == 0 && !ended.Load(); kills += hit {
					if err := killer.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
						WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND state <> 'idle'`).Scan(&hit); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		r := s.Do(s.Admin, "POST", clientPath(id)+"/rotate-secret?grace_seconds=600", nil)
		ended.Store(true)
		killing.Wait()
		if r.Status != http.StatusOK {
			lost++
			continue
		}
		newest = r.Object()["client_secret"].(string)
		acknowledged[newest] = true
	}
	if kills == 0 {
		t.Error("no connection was hit")
	}
	var shown string
	for range 50 { // dead connections leave the pool as they are found
		if r := s.Do(s.Admin, "GET", clientPath(id), nil); r.Status == 200 {
			shown = r.Object()["client_secret"].(string)
			break
		}
	}
	if !good(t, s, id, shown) {
		t.Error("the client has no good secret")
	}
	if lost == 0 && shown != newest {
		t.Error("the newest secret that was acknowledged is not the client's")
	}
	var live, listed int
	err = s.Pool.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE expires_at IS NULL OR expires_at > now()), count(*) FROM client_secrets s
		JOIN clients c ON c.id = s.client WHERE c.client_id = $1`, id).Scan(&live, &listed)
	if err != nil || live < 1 || live > tokens.MaxLiveSecrets || listed < len(acknowledged) {
		t.Errorf("%d live and %d listed secrets after %d acknowledged ones, %v", live, listed, len(acknowledged), err)
	}
	t.Logf("%d connections were killed and %d of 60 rotations lost", kills, lost)
}

// The role that serves can neither put events where readers of the feed have been
// already, nor make them so old that they may be removed.
func TestTheServingRoleDoesNotDecideWhenEventsHappened(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	ctx := t.Context()
	if _, err := s.Serving.Exec(ctx, "UPDATE event_clock SET shift = shift + 700"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Serving.Exec(ctx, "UPDATE event_clock SET shift = shift - 700"); err == nil || !strings.Contains(err.Error(), "only rises") {
		t.Errorf("shift is lowered: %v", err)
	}
	_, err := s.Serving.Exec(ctx, `INSERT INTO events (transaction, occurred_at, actor, actor_client, action, target_type, target, request_id, address)
		VALUES ('1', now() - interval '2 years', 'forged', '', 'client.created', 'client', 'x', '', '')`)
	if err != nil {
		t.Fatal(err)
	}
	var recent, last bool
	err = s.Pool.QueryRow(ctx, `SELECT occurred_at > now() - interval '1 hour', transaction = (SELECT max(transaction) FROM events)
		FROM events WHERE actor = 'forged'`).Scan(&recent, &last)
	if err != nil || !recent || !last {
		t.Errorf("the event is recent: %v, at the end of the feed: %v, %v", recent, last, err)
	}
	var removed int
	if err := s.Serving.QueryRow(ctx, "SELECT roster_trim_events(now() - interval '25 hours', 1000)").Scan(&removed); err != nil || removed != 0 {
		t.Errorf("%d events were removed, %v", removed, err)
	}
}
