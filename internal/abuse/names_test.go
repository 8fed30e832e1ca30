package abuse

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/servertest"
)

// reserved are identifiers that mean somebody else, or nobody.
var reserved = []string{
	".", "..", "system", "anonymous", "operator:root", "registration:x", "x@clients", "https://login.example/realms/ops|2f1c", "a b",
	"SYSTEM", "Operator:root", "Registration:x", "x@Clients",
}

// importOne imports a record and returns its result.
func importOne(s *servertest.Server, format string, record object) object {
	body := object{"format": format, "records": []object{record}}
	return s.Do(s.Admin, "POST", "/api/roster/v1/import", body).Want(200).Object()["results"].([]any)[0].(object)
}

// Names that Roster keeps for itself are refused at every door.
func TestNobodyGetsAReservedIdentifier(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, id := range reserved {
		for format, record := range map[string]object{
			"auth0":  {"client_id": id, "name": "x"},
			"hydra":  {"client_id": id, "client_name": "x"},
			"roster": {"kind": "client", "client_id": id, "document": object{"client_name": "x"}},
		} {
			if got := importOne(s, format, record); got["outcome"] != "failed" || !strings.Contains(got["error"].(object)["message"].(string), "client_id must not") {
				t.Errorf("%s, %q: %v", format, id, got)
			}
		}
		if _, _, err := s.Registry.Administrator(t.Context(), id, oauth.NewSecret("a secret of some length")); oauth.KindOf(err) != oauth.Invalid {
			t.Errorf("an administrator is called %q: %v", id, err)
		}
	}
}

// TestReservedIdentifiersAreListed holds the list that migrate prints to the rule
// for new clients.
func TestReservedIdentifiersAreListed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	fine := []string{"...", "systems", "operator", "x@clients.example", "a{b}c~d!e", "https://app.example/client"}
	var want []string
	for _, id := range slices.Concat(reserved, fine) {
		made, _ := newClient(s, nil)
		if _, err := s.Pool.Exec(t.Context(), "UPDATE clients SET client_id = $1 WHERE client_id = $2", id, made); err != nil {
			t.Fatal(err)
		}
		if oauth.CheckNewClientID(id) != nil {
			want = append(want, id)
		}
	}
	got, err := postgres.New(s.Pool).ReservedNames(t.Context(), 100)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || err != nil || len(want) != len(reserved) {
		t.Errorf("reserved (-rule +list): %v\n%s", err, diff)
	}
}

// What an earlier release has let in goes on as before.
func TestClientsKeepIdentifiersThatAreReservedNow(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, nil)
	if _, err := s.Pool.Exec(t.Context(), "UPDATE clients SET client_id = 'operator:root' WHERE client_id = $1", id); err != nil {
		t.Fatal(err)
	}
	s.Do(s.Admin, "PATCH", "/api/v2/clients/operator:root", object{"name": "renamed"}).Want(200)
	record := object{"client_id": "operator:root", "name": "imported", "grant_types": []string{"client_credentials"}}
	if got := importOne(s, "auth0", record); got["outcome"] != "updated" {
		t.Errorf("%v", got)
	}
	s.Do("", "POST", "/oauth/token", object{
		"grant_type": "client_credentials", "client_id": "operator:root", "client_secret": secret, "audience": s.Registry.ManagementAudience(),
	}).Want(200)
}

// The operator and a client of an earlier release with the operator's name are
// two callers, in the audit trail and under an Idempotency-Key.
func TestAnOperatorIsNoClient(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := newClient(s, object{"client_secret": "a secret of some length"})
	s.Do(s.Admin, "PATCH", "/api/v2/client-grants/"+grantOf(s, id), object{"allow_all_scopes": true}).Want(200)
	minted, err := s.Registry.MintManagementToken(t.Context(), "operator:root", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	operator := minted.AccessToken.Reveal()
	if _, err := s.Pool.Exec(t.Context(), "UPDATE clients SET client_id = 'operator:root' WHERE client_id = $1", id); err != nil {
		t.Fatal(err)
	}
	own := s.Do("", "POST", "/oauth/token", object{
		"grant_type": "client_credentials", "client_id": "operator:root", "client_secret": secret, "audience": s.Registry.ManagementAudience(),
	}).Want(200).Object()["access_token"].(string)
	first := s.Do(operator, "POST", "/api/v2/clients", object{"name": "x"}, "Idempotency-Key", "same").Want(201)
	second := s.Do(own, "POST", "/api/v2/clients", object{"name": "x"}, "Idempotency-Key", "same").Want(201)
	if second.Header.Get("Idempotency-Replayed") != "" || first.Object()["client_secret"] == second.Object()["client_secret"] {
		t.Error("a client gets the answer that was kept for the operator")
	}
	rows, err := s.Pool.Query(t.Context(), "SELECT actor, actor_client FROM events WHERE action = 'client.created' AND actor LIKE 'operator:%' ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var actors []string
	for rows.Next() {
		var actor string
		var client *string
		if err := rows.Scan(&actor, &client); err != nil {
			t.Fatal(err)
		}
		if client != nil {
			actor += " by " + *client
		}
		actors = append(actors, actor)
	}
	if got := strings.Join(actors, ", "); got != "operator:root, operator:root@clients by operator:root" && got != "operator:root by , operator:root@clients by operator:root" {
		t.Errorf("the actors are %s", got)
	}
}

// grantOf returns the id of a client's only grant.
func grantOf(s *servertest.Server, client string) string {
	var list []object
	s.Do(s.Admin, "GET", "/api/v2/client-grants?client_id="+client, nil).Want(200).Decode(&list)
	return list[0]["id"].(string)
}

// No API passes for another by blanks, invisible characters or letter case.
func TestAPIsThatLookLikeOthersAreRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	create := func(identifier string) servertest.Response {
		return s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": identifier})
	}
	management := s.Registry.ManagementAudience()
	create("https://api.example/Orders").Want(201)
	for _, other := range []string{
		"HTTPS://api.example/Orders", "https://API.example/Orders", " https://api.example/Orders", "https://api.exa\u200bmple/Orders",
		"HTTP" + management[4:], management + " ", management + "\u2060", "HTTP" + strings.TrimSuffix(management[4:], "/"),
	} {
		r := create(other)
		if r.Status != http.StatusBadRequest {
			t.Errorf("%q: %d", other, r.Status)
		}
		record := object{"identifier": other, "name": "x"}
		if got := importOne(s, "auth0", record); got["outcome"] != "failed" {
			t.Errorf("%q is imported: %v", other, got)
		}
	}
	create("https://api.example/orders").Want(201)
}
