package registry_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
)

func TestWrongKeysetIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	other, err := seal.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.New(postgres.New(s.Serving), other, s.Registry.Config).Prepare(t.Context()); !errors.Is(err, seal.ErrForeign) {
		t.Errorf("another keyset: %v", err)
	}
}

// dump returns every row of every table as text, as a backup holds it.
func dump(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	rows, _ := pool.Query(t.Context(), `SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'`)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, table := range tables {
		rows, _ := pool.Query(t.Context(), `SELECT t::text FROM `+table+` t`)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(table + "\n" + strings.Join(lines, "\n") + "\n")
	}
	return all.String()
}

func TestDumpHoldsNoSecret(t *testing.T) {
	t.Parallel()
	s, path := filed(t)
	canary := "canary-" + strings.Repeat("0123456789abcdef", 4)
	if _, _, err := s.Registry.Administrator(t.Context(), "administrator", oauth.NewSecret(canary)); err != nil {
		t.Fatal(err)
	}
	s.Do(s.Admin, "PATCH", "/api/v2/clients/administrator", map[string]any{"name": "seen-in-the-dump"}).Want(http.StatusOK)
	s.Do(s.Admin, "GET", "/api/v2/clients/administrator", nil).Want(http.StatusOK)
	private, _, err := s.Registry.ShowTenantKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := dump(t, s.Pool)
	if !strings.Contains(text, "seen-in-the-dump") {
		t.Fatal("the dump lacks what it must hold")
	}
	forbidden := map[string]string{
		"the secret": canary, "the secret in hex": hex.EncodeToString([]byte(canary)),
		"the secret in base64": base64.StdEncoding.EncodeToString([]byte(canary))[:40],
		"the tenant's key":     strings.Split(private.Reveal(), "\r\n")[2],
		"a PEM private key":    "PRIVATE KEY",
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(file), `"value": "`)[1:] {
		value, _, _ := strings.Cut(part, `"`)
		key, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		forbidden[fmt.Sprintf("key %d", i)], forbidden[fmt.Sprintf("key %d in hex", i)] = value, hex.EncodeToString(key[len(key)-32:])
	}
	if len(forbidden) != 9 {
		t.Fatalf("the keyset file has another form: %d things to look for", len(forbidden))
	}
	for name, secret := range forbidden {
		if strings.Contains(text, secret) || strings.Contains(s.Log.String(), secret) {
			t.Errorf("%s is in the dump or the log", name)
		}
	}
}

func TestSwappedSecretsDoNotOpen(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	secrets := map[string]string{}
	for _, id := range []string{"first", "second"} {
		secrets[id] = id + "-" + strings.Repeat("0123456789abcdef", 4)
		if _, _, err := s.Registry.Administrator(t.Context(), id, oauth.NewSecret(secrets[id])); err != nil {
			t.Fatal(err)
		}
	}
	tag, err := s.Pool.Exec(t.Context(), `
		WITH two AS (SELECT s.id, s.sealed, s.mac FROM client_secrets s JOIN clients c ON c.id = s.client WHERE c.client_id IN ('first', 'second'))
		UPDATE client_secrets s SET sealed = other.sealed, mac = other.mac
		FROM two this, two other WHERE s.id = this.id AND other.id <> this.id`)
	if err != nil || tag.RowsAffected() != 2 {
		t.Fatalf("%v, %v", tag, err)
	}
	for id := range secrets {
		r := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(http.StatusInternalServerError)
		if strings.Contains(string(r.Body), "seal") || strings.Contains(string(r.Body), "client_secrets") {
			t.Errorf("the answer tells of the inside: %s", r.Body)
		}
	}
	for id, other := range map[string]string{"first": "second", "second": "first"} {
		_, err := s.Registry.IssueToken(t.Context(), tokens.Request{ClientID: id, Secret: oauth.NewSecret(secrets[other]), Audience: s.Registry.ManagementAudience()})
		if oauth.KindOf(err) != oauth.Unauthenticated {
			t.Errorf("%s with the secret of %s: %v", id, other, err)
		}
	}
	c, err := s.Registry.Client(t.Context(), oauth.ClientRef{ClientID: "first"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Registry.RevealSecret(c); err == nil || !strings.Contains(err.Error(), `"client_secrets"/"`+c.Secret.ID) {
		t.Errorf("the error, which is logged, does not say which value did not open: %v", err)
	}
	for id, secret := range secrets {
		if strings.Contains(s.Log.String(), secret) {
			t.Errorf("the secret of %s is in the log", id)
		}
	}
}
