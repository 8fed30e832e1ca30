package abuse

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
)

// What 1.0.0 kept of a backend in clear, in its row and in events, is sealed and
// redacted, and shown only where secrets are asked for.
func TestBackendsOfEarlierReleasesAreSealed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	canary := "canary-" + oauth.RandomText(oauth.Alphanumeric, 32)
	id := newProvider(s)
	backend := object{"backend": object{
		"ldap_master_password": canary, "smtp_password": canary, "federated_servers": []object{{"client_secret": canary}},
	}}
	if _, err := s.Pool.Exec(t.Context(), "UPDATE identity_providers SET document = (document::jsonb || $1)::json WHERE id = $2", backend, id); err != nil {
		t.Fatal(err)
	}
	key := pemBlock("RSA PRIVATE KEY", []byte(canary))
	if _, err := s.Pool.Exec(t.Context(), `INSERT INTO events (transaction, occurred_at, actor, actor_client, action, target_type, target, changes, request_id, address)
		VALUES (pg_current_xact_id(), now(), 'x', '', 'identity_provider.created', 'identity_provider', $1, jsonb_build_object('backend', jsonb_build_object('after', $2::jsonb)), '', ''),
			(pg_current_xact_id(), now(), 'x', '', 'resource_server.created', 'resource_server', 'a',
				jsonb_build_object('token_encryption', jsonb_build_object('after', jsonb_build_object('encryption_key', jsonb_build_object('pem', $3::text)))), '', '')`,
		id, backend["backend"], key); err != nil {
		t.Fatal(err)
	}
	shown := func(path string) bool {
		return strings.Contains(string(s.Do(s.Admin, "GET", path, nil).Want(200).Body), canary)
	}
	public := []string{"/api/identity-providers", "/api/identity-providers/" + id, "/api/roster/v1/export", "/api/backends"}
	for _, path := range public {
		if shown(path) {
			t.Errorf("before it is sealed, %s shows it", path)
		}
	}
	if err := s.Registry.Reseal(t.Context(), func(string, int) {}, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Registry.RedactEvents(t.Context()); n != 0 || !errors.Is(err, registry.ErrNotOwner) {
		t.Errorf("the role that serves redacts %d events, %v", n, err)
	}
	owner := registry.New(postgres.New(s.Pool), s.Keys, s.Registry.Config)
	if n, err := owner.RedactEvents(t.Context()); n != 2 || err != nil {
		t.Errorf("%d events redacted, %v", n, err)
	}
	if n, err := owner.RedactEvents(t.Context()); n != 0 || err != nil {
		t.Errorf("%d events redacted again, %v", n, err)
	}
	for table, text := range dump(t, s) {
		if strings.Contains(text, canary) || strings.Contains(text, key) {
			t.Errorf("table %s holds it", table)
		}
	}
	s.Do(s.Admin, "PATCH", "/api/identity-providers/"+id, object{"identity_provider": object{"name": "renamed"}}).Want(200)
	for _, path := range append(public, "/api/roster/v1/events") {
		if shown(path) {
			t.Errorf("%s shows it", path)
		}
	}
	const withSecrets = "/api/roster/v1/export?include_secrets=true"
	var record object
	for _, r := range s.Do(s.Admin, "GET", withSecrets, nil).Want(200).Object()["records"].([]any) {
		if one := r.(object); one["id"] == id {
			record = one
		}
	}
	if diff := cmp.Diff(backend["backend"].(object)["smtp_password"], record["backend"].(object)["smtp_password"]); diff != "" {
		t.Errorf("an export with secrets (-want +got):\n%s", diff)
	}
	// Another Roster takes it back.
	other := servertest.New(t)
	for _, outcome := range []string{"created", "unchanged"} {
		r := other.Do(other.Admin, "POST", "/api/roster/v1/import", object{"format": "roster", "records": []object{record}}).Want(200)
		if text := string(r.Body); !strings.Contains(text, outcome) || strings.Contains(text, "warnings") {
			t.Errorf("imported, %s is wanted: %s", outcome, text)
		}
	}
	if !strings.Contains(string(other.Do(other.Admin, "GET", withSecrets, nil).Want(200).Body), canary) {
		t.Error("an import loses it")
	}
	for table, text := range dump(t, other) {
		if strings.Contains(text, canary) {
			t.Errorf("imported, it is in table %s", table)
		}
	}
	var told int
	if err := s.Pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE action = 'identity_provider_backend.read' AND target = $1`, id).Scan(&told); err != nil || told != 1 {
		t.Errorf("%d events tell that it was shown, %v", told, err)
	}
	if err := s.Pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE action = 'event.redacted'`).Scan(&told); err != nil || told != 1 {
		t.Errorf("%d events tell of the redaction, %v", told, err)
	}
}
