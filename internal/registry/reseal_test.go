package registry_test

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
	"github.com/rosterhq/roster/server/boruta"
)

func superseded(k *seal.Keyset) []uint32 {
	return slices.Concat(k.Superseded(seal.PurposeAEAD), k.Superseded(seal.PurposeMAC))
}

func mustReseal(t *testing.T, r *registry.Registry) {
	t.Helper()
	err := r.Reseal(t.Context(), func(string, int) {}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
}

func wantStale(t *testing.T, r *registry.Registry, want registry.Stale) {
	t.Helper()
	if got, err := r.CountStale(t.Context()); err != nil || got != want {
		t.Errorf("stale values: %+v, %v; want %+v", got, err, want)
	}
}

// TestSealedColumnsAreAllOfThem fails when the schema gains a column of bytes
// that nobody said whether to reseal.
func TestSealedColumnsAreAllOfThem(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	known := map[string]bool{"credentials.certificate": true, "assertions_seen.jti": true, "keyset_check.value": true, "idempotency_keys.request": true}
	for _, c := range postgres.SealedColumns {
		known[c.Table+"."+c.Column] = true
	}
	rows, _ := s.Pool.Query(t.Context(), `SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'bytea'`)
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range columns {
		if !known[c] {
			t.Errorf("%s is neither one of postgres.SealedColumns nor known to hold nothing sealed", c)
		}
	}
}

func TestMACsWithoutSecretsAreRenewedWhenUsed(t *testing.T) {
	t.Parallel()
	s, path := filed(t, func(c *registry.Config) { c.HashedSecrets = true })
	admin, secret := "administrator", oauth.NewSecret(strings.Repeat("0123456789abcdef", 4))
	if _, _, err := s.Registry.Administrator(t.Context(), admin, secret); err != nil {
		t.Fatal(err)
	}
	k := rotated(t, s, path)
	mustReseal(t, s.Registry)
	wantStale(t, s.Registry, registry.Stale{MACs: 2}) // of the administrator and the global client
	request := tokens.Request{ClientID: admin, Secret: secret, Audience: s.Registry.ManagementAudience()}
	if _, err := s.Registry.IssueToken(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	wantStale(t, s.Registry, registry.Stale{MACs: 1})
	if _, err := beside(t, s, k).IssueToken(t.Context(), request); err != nil {
		t.Error(err)
	}
}

func TestResealLeavesLockedAndDamagedValuesAlone(t *testing.T) {
	t.Parallel()
	s, path := filed(t)
	for _, id := range []string{"locked", "damaged"} {
		if _, _, err := s.Registry.Administrator(t.Context(), id, oauth.Secret{}); err != nil {
			t.Fatal(err)
		}
	}
	const newest = `(SELECT s.id FROM client_secrets s JOIN clients c ON c.id = s.client WHERE c.client_id = $1)`
	if _, err := s.Pool.Exec(t.Context(), `UPDATE client_secrets SET sealed = set_byte(sealed, 30, 255 - get_byte(sealed, 30)) WHERE id = `+newest, "damaged"); err != nil {
		t.Fatal(err)
	}
	rotated(t, s, path)
	tx, err := s.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	if _, err := tx.Exec(t.Context(), `SELECT FROM client_secrets WHERE id = `+newest+` FOR UPDATE`, "locked"); err != nil {
		t.Fatal(err)
	}
	var failures []string
	released := false
	err = s.Registry.Reseal(t.Context(), func(column string, _ int) {
		if !released && column == "client_secrets.sealed" { // the first pass is over
			released = tx.Rollback(context.Background()) == nil
		}
	}, func(err error) { failures = append(failures, err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	if !released {
		t.Error("it waited for the lock")
	}
	if len(failures) == 0 || !strings.Contains(failures[0], `"client_secrets"/`) {
		t.Errorf("failures: %q", failures)
	}
	wantStale(t, s.Registry, registry.Stale{Sealed: 1, MACs: 1})
}

func TestReplacingLeavesWhatChangedSinceItWasRead(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	store := postgres.New(s.Serving)
	for _, c := range postgres.SealedColumns {
		if c.Table != "client_secrets" && c.Table != "issuer_keys" {
			continue
		}
		values, err := store.ValuesNotUnder(t.Context(), c, []byte("none"), "", 2)
		if err != nil || len(values) != 1 && c.Table == "client_secrets" {
			t.Fatalf("%s.%s: %d values, %v", c.Table, c.Column, len(values), err)
		}
		outdated := values[0]
		outdated.Value = append([]byte("x"), outdated.Value...)
		for name, try := range map[string]struct {
			old  postgres.SealedValue
			want int
		}{"changed": {outdated, 0}, "unchanged": {values[0], 1}} {
			if n, err := store.ReplaceValues(t.Context(), c, []postgres.SealedValue{try.old}, values[:1]); err != nil || n != try.want {
				t.Errorf("%s.%s, %s: replaced %d, %v", c.Table, c.Column, name, n, err)
			}
		}
	}
}

// plaintexts opens every sealed value in the database with k, by place.
func plaintexts(t *testing.T, s *servertest.Server, k *seal.Keyset) map[seal.Location]string {
	t.Helper()
	all := map[seal.Location]string{}
	for _, c := range postgres.SealedColumns {
		values, err := postgres.New(s.Serving).ValuesNotUnder(t.Context(), c, []byte("none"), "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(values) == 0 {
			t.Errorf("%s.%s is empty: nothing of it was tried", c.Table, c.Column)
		}
		for _, v := range values {
			home := c.Place()
			place := seal.Location{Table: home.Table, Row: v.Row, Column: home.Column}
			if c.Source != "" {
				secret, err := k.Open(v.Source, seal.Location{Table: home.Table, Row: v.Row, Column: c.Source})
				if err != nil || !k.VerifyMAC(v.Value, secret, place) {
					t.Errorf("%s is not the MAC of its secret, %v", place, err)
				}
				continue
			}
			text, err := k.Open(v.Value, place)
			if err != nil {
				t.Error(err)
			}
			all[place] = string(text)
		}
	}
	return all
}

func TestEveryColumnOutlivesItsKeys(t *testing.T) {
	t.Parallel()
	s, path := filed(t)
	id := holder(s, "key of another system")
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": "urn:api", "signing_alg": "HS256"}).Want(http.StatusCreated)
	s.Do(s.Admin, "POST", "/api/key-pairs", object{"key_pair": object{}}).Want(http.StatusCreated)
	provider := s.Do(s.Admin, "POST", "/api/identity-providers", object{"identity_provider": object{"name": "p", "backend_id": boruta.BackendID}}).
		Want(http.StatusCreated).Object()["data"].(object)["id"]
	s.Do(s.Admin, "POST", "/api/clients", object{"client": object{"identity_provider": object{"id": provider}, "key_pair_type": object{"type": "ec", "curve": "P-256"}}}).Want(http.StatusCreated)
	if _, err := s.Pool.Exec(t.Context(), `UPDATE identity_providers SET document = (document::jsonb || '{"backend":{"smtp_password":"x"}}')::json`); err != nil {
		t.Fatal(err)
	}
	deleted := holder(s, "key of a system of a deleted client")
	s.Do(s.Admin, "DELETE", "/api/v2/clients/"+deleted, nil).Want(http.StatusNoContent)
	own := s.Do(s.Admin, "POST", "/api/clients", object{"client": object{"identity_provider": object{"id": provider}}}).Want(http.StatusCreated).Object()["data"].(object)["id"].(string)
	s.Do(s.Admin, "DELETE", "/api/clients/"+own, nil).Want(http.StatusNoContent)
	mustReseal(t, s.Registry)
	repeated := func() []byte {
		return s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "once"}, "Idempotency-Key", "k").Want(http.StatusCreated).Body
	}
	answer := repeated()
	before := plaintexts(t, s, s.Keys)

	k := rotated(t, s, path)
	wantStale(t, s.Registry, registry.Stale{Sealed: stale(t, s, "sealed"), MACs: stale(t, s, "mac")})
	mustReseal(t, s.Registry)
	wantStale(t, s.Registry, registry.Stale{})
	k, err := k.Prune(superseded(k)...)
	if err != nil {
		t.Fatal(err)
	}
	save(t, k, path)
	refresh(t, s.Registry)
	if len(k.Keys()) != 2 {
		t.Fatalf("%d keys are left", len(k.Keys()))
	}
	if diff := cmp.Diff(before, plaintexts(t, s, k)); diff != "" {
		t.Errorf("sealed values (-before +after):\n%s", diff)
	}
	s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+deleted+"/restore", nil).Want(http.StatusOK)
	if got := keyShown(s, deleted); got != "key of a system of a deleted client" {
		t.Errorf("the add-on's key of the restored client is %q", got)
	}
	if got := keyShown(s, id); got != "key of another system" {
		t.Errorf("the add-on's key is %q", got)
	}
	if got := repeated(); !bytes.Equal(got, answer) {
		t.Errorf("the kept answer was %s and is %s", answer, got)
	}
}
