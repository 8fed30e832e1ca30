package native_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
)

// event is an event as the API shows it.
type event struct {
	ID          string `json:"id"`
	OccurredAt  string `json:"occurred_at"`
	Actor       string `json:"actor"`
	ActorClient string `json:"actor_client"`
	Action      string `json:"action"`
	TargetType  string `json:"target_type"`
	Target      string `json:"target"`
	RequestID   string `json:"request_id"`
	Address     string `json:"address"`
	Changes     map[string]struct {
		Before json.RawMessage `json:"before"`
		After  json.RawMessage `json:"after"`
	} `json:"changes"`
}

// events lists the audit trail. query is empty or starts with "?".
func events(s *servertest.Server, query string) []event {
	var body struct{ Events []event }
	s.Do(s.Admin, "GET", "/api/roster/v1/events"+query, nil).Want(http.StatusOK).Decode(&body)
	return body.Events
}

// number is the event's id.
func number(t *testing.T, e event) int {
	t.Helper()
	n, err := strconv.Atoi(e.ID)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// actions are what happened, in that order.
func actions(list []event) []string {
	var all []string
	for _, e := range list {
		all = append(all, e.Action)
	}
	return all
}

func TestEventsTellWhoDidWhat(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := client(t, s)
	token := s.Token("update:clients")
	r := s.Do(token, "PATCH", "/api/v2/clients/"+id, map[string]any{"name": "renamed"}).Want(http.StatusOK)
	found := events(s, "?action=client.updated")
	if len(found) != 1 {
		t.Fatalf("%d events", len(found))
	}
	e := found[0]
	if e.Target != id || e.TargetType != "client" || e.Actor != e.ActorClient+"@clients" || !strings.HasPrefix(e.ActorClient, "test-") {
		t.Errorf("event %+v", e)
	}
	if e.RequestID != r.Header.Get("X-Request-Id") || e.Address != "127.0.0.1" {
		t.Errorf("request %q from %q", e.RequestID, e.Address)
	}
	if c := e.Changes["client_name"]; len(e.Changes) != 1 || string(c.Before) != `"c"` || string(c.After) != `"renamed"` {
		t.Errorf("changes %v", e.Changes)
	}
}

func TestEventsAreFoundByTheirMembers(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	before := s.Clock.Now()
	s.Clock.Pass(time.Second)
	a, _ := client(t, s)
	b, _ := client(t, s)
	renamer := s.Token("update:clients")
	s.Do(renamer, "PATCH", "/api/v2/clients/"+a, map[string]any{"name": "x"}).Want(http.StatusOK)
	s.Do(s.Admin, "DELETE", "/api/v2/clients/"+b, nil).Want(http.StatusNoContent)
	by := events(s, "?action=client.updated")[0]
	cases := map[string]struct {
		query string
		want  []string
	}{
		"target, newest first":  {"?target=" + a, []string{"client.updated", "client.created"}},
		"target, oldest first":  {"?order=oldest&target=" + a, []string{"client.created", "client.updated"}},
		"action":                {"?action=client.deleted", []string{"client.deleted"}},
		"target and action":     {"?action=client.deleted&target=" + a, nil},
		"actor":                 {"?target_type=client&actor=" + url.QueryEscape(by.Actor), []string{"client.updated"}},
		"actor's client":        {"?target_type=client&actor_client=" + by.ActorClient, []string{"client.updated"}},
		"kind of target":        {"?target_type=credential", nil},
		"until":                 {"?target=" + a + "&until=" + before.Format(time.RFC3339Nano), nil},
		"since":                 {"?target=" + a + "&since=" + url.QueryEscape(before.Format(time.RFC3339Nano)), []string{"client.updated", "client.created"}},
		"text that is no match": {"?target=" + url.QueryEscape(`' OR true --`), nil},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want.want, actions(events(s.In(t), want.query))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPagesOfEventsJoinUp(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for range 5 {
		client(t, s)
	}
	for _, order := range []string{"newest", "oldest"} {
		want := events(s, "?limit=500&order="+order)
		var got []event
		for cursor := ""; ; {
			var page struct {
				Events []event
				Next   string
			}
			s.Do(s.Admin, "GET", "/api/roster/v1/events?limit=2&order="+order+cursor, nil).Want(http.StatusOK).Decode(&page)
			got = append(got, page.Events...)
			if page.Next == "" {
				break
			}
			cursor = "&after=" + url.QueryEscape(page.Next)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", order, diff)
		}
	}
}

func TestEventRequestsAreChecked(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	cursor := s.Do(s.Admin, "GET", "/api/roster/v1/events?limit=1", nil).Want(http.StatusOK).Object()["next"].(string)
	for _, query := range []string{
		"?limit=0", "?limit=501", "?limit=x", "?order=random", "?since=yesterday", "?until=2026", "?after=x", "?after=", "?after=" + cursor[:len(cursor)-2] + "AA", "?target=%00",
		"/feed?wait=21", "/feed?wait=-1", "/feed?limit=0", "/feed?after=x", "/feed?after=" + cursor, // of another list
	} {
		s.Do(s.Admin, "GET", "/api/roster/v1/events"+query, nil).Want(http.StatusBadRequest)
	}
	other := s.Token("read:clients", "read:client_keys")
	s.Do(other, "GET", "/api/roster/v1/events", nil).Want(http.StatusForbidden)
	s.Do(other, "GET", "/api/roster/v1/events/feed", nil).Want(http.StatusForbidden)
	s.Do("", "GET", "/api/roster/v1/events/feed", nil).Want(http.StatusUnauthorized)
	s.Do(s.Token("read:logs"), "GET", "/api/roster/v1/events/feed", nil).Want(http.StatusOK)
	s.Do(s.Admin, "GET", "/api/roster/v1/nothing", nil).Want(http.StatusNotFound)
	s.Do(s.Admin, "POST", "/api/roster/v1/events", nil).Want(http.StatusMethodNotAllowed)
}

func TestIssuedTokensAreEvents(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	admin, _, err := s.Registry.Administrator(t.Context(), "", oauth.NewSecret("a-long-enough-secret-for-this-test"))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Do("", "POST", "/oauth/token", map[string]string{
		"grant_type": "client_credentials", "client_id": admin.ClientID, "client_secret": "a-long-enough-secret-for-this-test",
		"audience": s.Registry.ManagementAudience(), "scope": "read:clients",
	}).Want(http.StatusOK)
	found := events(s, "?action=token.issued&actor_client="+admin.ClientID)
	if len(found) != 1 {
		t.Fatalf("%d events", len(found))
	}
	e := found[0]
	if e.Actor != admin.ClientID+"@clients" || e.RequestID != r.Header.Get("X-Request-Id") || e.Address == "" || string(e.Changes["scope"].After) != `"read:clients"` {
		t.Errorf("event %+v", e)
	}
	token := r.Object()["access_token"].(string)
	if strings.Contains(string(s.Do(s.Admin, "GET", "/api/roster/v1/events", nil).Body), token) {
		t.Error("the trail shows the token")
	}
	if minted := events(s, "?action=token.minted"); len(minted) != 1 || minted[0].Actor != "test" {
		t.Errorf("minted: %+v", minted)
	}
}

func TestRefusedTokensAreCounted(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := client(t, s)
	ask := func(id, secret string, status int) {
		t.Helper()
		s.Do("", "POST", "/oauth/token", map[string]string{
			"grant_type": "client_credentials", "client_id": id, "client_secret": secret, "audience": s.Registry.ManagementAudience(),
		}).Want(status)
	}
	for range 3 {
		ask(id, "guess", http.StatusUnauthorized)
	}
	ask(secret, id, http.StatusUnauthorized) // mixed up
	ask(id, secret, http.StatusForbidden)    // no grant
	if n := len(events(s, "?action=token.refused")); n != 0 {
		t.Errorf("%d events before the flush: when they are written tells which clients exist", n)
	}
	if err := s.Registry.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	type refusal struct{ Actor, Target, Reason, Times string }
	var got []refusal
	for _, e := range events(s, "?action=token.refused") {
		got = append(got, refusal{e.Actor, e.Target, string(e.Changes["reason"].After), string(e.Changes["times"].After)})
		if e.RequestID == "" || e.Address == "" {
			t.Errorf("event %+v", e)
		}
	}
	slices.SortFunc(got, func(a, b refusal) int { return strings.Compare(a.Actor+a.Target, b.Actor+b.Target) })
	want := []refusal{
		{id + "@clients", id, `"access_denied"`, "1"},
		{"anonymous", "", `"unknown_client"`, "1"},
		{"anonymous", id, `"access_denied"`, "3"},
	}
	slices.SortFunc(want, func(a, b refusal) int { return strings.Compare(a.Actor+a.Target, b.Actor+b.Target) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if body := s.Do(s.Admin, "GET", "/api/roster/v1/events?limit=500", nil).Body; strings.Contains(string(body), secret) {
		t.Error("a secret sent as client_id is in the audit trail")
	}
}

func TestDenialsAreCounted(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := client(t, s)
	reader := s.Token("read:clients")
	path := "/api/v2/clients/" + id
	for range 3 {
		s.Do(reader, "PATCH", path, map[string]any{"name": "mine"}).Want(http.StatusForbidden)
	}
	s.Do(reader, "DELETE", path, nil).Want(http.StatusForbidden)
	s.Do(reader, "POST", "/api/clients", map[string]any{"client": map[string]any{}}, "Idempotency-Key", "k").Want(http.StatusForbidden)
	s.Do(reader, "GET", "/api/v2/client-grants", nil).Want(http.StatusForbidden)
	s.Do("", "DELETE", path, nil).Want(http.StatusUnauthorized) // nobody
	if err := s.Registry.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range events(s, "?action=request.denied") {
		got[string(e.Changes["reason"].After)] = string(e.Changes["times"].After)
		if e.Actor != e.Target+"@clients" || e.ActorClient != e.Target || e.RequestID == "" || e.Address == "" {
			t.Errorf("event %+v", e)
		}
	}
	want := map[string]string{`"PATCH /api/v2/clients/:client_id"`: "3", `"DELETE /api/v2/clients/:client_id"`: "1", `"POST /api/clients"`: "1", `"GET /api/v2/client-grants"`: "1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGuessingDoesNotFillTheTrail(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for i := range 3000 {
		ctx := oauth.WithOrigin(t.Context(), oauth.Origin{Address: "192.0.2." + strconv.Itoa(i)})
		if _, err := s.Registry.IssueToken(ctx, tokens.Request{ClientID: "c" + strconv.Itoa(i), Secret: oauth.NewSecret("x")}); err == nil {
			t.Fatal("issued")
		}
	}
	if err := s.Registry.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	found := events(s, "?limit=500&action=token.refused")
	total := 0
	for _, e := range found {
		n, err := strconv.Atoi(string(e.Changes["times"].After))
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if len(found) > 300 || total != 3000 {
		t.Errorf("%d events tell of %d refusals", len(found), total)
	}
}

func TestShowingASecretIsAnEvent(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := client(t, s)
	other, _ := client(t, s)
	if err := s.Registry.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	plain, keys := s.Token("read:clients"), s.Token("read:clients", "read:client_keys")
	hs256 := s.Do(s.Admin, "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://hs.example", "signing_alg": "HS256"}).Want(http.StatusCreated).Object()["id"].(string)
	cases := []struct {
		name, token, method, path, key string
		want                           []string // actions since, oldest first
	}{
		{"a client with its secret", keys, "GET", "/api/v2/clients/" + id, "", []string{"client_secret.read"}},
		{"a client without its secret", plain, "GET", "/api/v2/clients/" + id, "", nil},
		{"other fields", keys, "GET", "/api/v2/clients/" + id + "?fields=name", "", nil},
		{"all but the secret", keys, "GET", "/api/v2/clients/" + id + "?fields=client_secret&include_fields=false", "", nil},
		{"a list", keys, "GET", "/api/v2/clients", "", []string{"client_secret.read"}},
		{"a list of names", keys, "GET", "/api/v2/clients?fields=name", "", nil},
		{"an API's signing secret", s.Admin, "GET", "/api/v2/resource-servers/" + hs256, "", []string{"resource_server_secret.read"}},
		{"APIs", s.Admin, "GET", "/api/v2/resource-servers", "", []string{"resource_server_secret.read"}},
		{"a rotation", s.Admin, "POST", "/api/v2/clients/" + id + "/rotate-secret", "", []string{"client.secret_rotated"}},
		{"a rotation, once", s.Admin, "POST", "/api/v2/clients/" + id + "/rotate-secret", "k", []string{"client.secret_rotated"}},
		{"the same once more", s.Admin, "POST", "/api/v2/clients/" + id + "/rotate-secret", "k", []string{"answer.repeated"}},
		{"secrets without their texts", s.Admin, "GET", "/api/roster/v1/clients/" + id + "/secrets", "", nil},
	}
	last := number(t, events(s, "?limit=1")[0])
	for _, c := range cases { // one after another: each looks at what came since the last
		var header []string
		if c.key != "" {
			header = []string{"Idempotency-Key", c.key}
		}
		r := s.Do(c.token, c.method, c.path, nil, header...).Want(http.StatusOK)
		var since []event
		for _, e := range events(s, "") {
			if number(t, e) > last {
				since = append(since, e)
			}
		}
		got := actions(since)
		slices.Sort(got)
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		for _, e := range since {
			last = max(last, number(t, e))
			if e.RequestID != r.Header.Get("X-Request-Id") || e.Actor == "system" || e.Address == "" {
				t.Errorf("%s: event %+v", c.name, e)
			}
		}
	}
	reads := events(s, "?action=client_secret.read&target="+other)
	if len(reads) != 1 || reads[0].Target != "*" || !strings.Contains(string(reads[0].Changes["targets"].After), other) {
		t.Errorf("the list that showed the other client's secret is found as %+v", reads)
	}
	if created := events(s, "?action=tenant_key.read"); len(created) != 2 {
		t.Errorf("%d events of creates that showed the tenant's key, want 2", len(created))
	}
}

// A token that may read the audit trail and all else but secrets finds no
// secret there.
func TestTrailHoldsNoSecret(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	canary := "canary-" + oauth.RandomText(oauth.URLSafe, 48)
	id := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "c", "client_secret": canary, "addons": map[string]any{"firebase": map[string]any{"secret": canary}}}).
		Want(http.StatusCreated).Object()["client_id"].(string)
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"client_secret": canary + "2", "name": "d"}).Want(http.StatusOK)
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"addons": map[string]any{"firebase": map[string]any{"secret": canary + "3"}}}).Want(http.StatusOK)
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://hs.example", "signing_alg": "HS256", "signing_secret": canary}).Want(http.StatusCreated)
	s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(http.StatusOK)
	s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil).Want(http.StatusNoContent)
	var mac string
	if err := s.Pool.QueryRow(t.Context(), "SELECT coalesce(max(encode(mac, 'base64')), 'none') FROM client_secrets").Scan(&mac); err != nil {
		t.Fatal(err)
	}
	token := s.Token("read:logs", "read:clients")
	for _, path := range []string{"/api/roster/v1/events?limit=500", "/api/roster/v1/events/feed?limit=500"} {
		body := string(s.Do(token, "GET", path, nil).Want(http.StatusOK).Body)
		if strings.Contains(body, "canary") || strings.Contains(body, mac) {
			t.Errorf("%s shows a secret: %s", path, body)
		}
	}
	var text string
	if err := s.Pool.QueryRow(t.Context(), "SELECT string_agg(e::text, '') FROM events e").Scan(&text); err != nil || strings.Contains(text, "canary") {
		t.Errorf("a secret is in the table of events (%v)", err)
	}
}
