package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/servertest"
)

// filed starts a service whose keyset is in a file.
func filed(t *testing.T, change ...func(*registry.Config)) (*servertest.Server, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyset.json")
	s := servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) {
		c.KeysetFile = path
		for _, f := range change {
			f(c)
		}
	}})
	save(t, s.Keys, path)
	return s, path
}

func save(t *testing.T, k *seal.Keyset, path string) {
	t.Helper()
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
}

func refresh(t *testing.T, instances ...*registry.Registry) {
	t.Helper()
	for _, r := range instances {
		if _, err := r.RefreshKeyset(); err != nil {
			t.Fatal(err)
		}
	}
}

// beside returns another instance on the same database and keyset file.
func beside(t *testing.T, s *servertest.Server, k *seal.Keyset) *registry.Registry {
	t.Helper()
	other := registry.New(postgres.New(s.Pool), k, s.Registry.Config)
	if err := other.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return other
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

func superseded(k *seal.Keyset) []uint32 {
	return slices.Concat(k.Superseded(seal.PurposeAEAD), k.Superseded(seal.PurposeMAC))
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

// worker registers clients, rotates their secrets and gets tokens with them
// until done is closed, and keeps the newest secret of each client.
type worker struct {
	s       *servertest.Server
	other   *registry.Registry // tokens are asked for here in turn
	api     string
	secrets map[string]string
}

func (w *worker) run(done <-chan struct{}) error {
	for i := 0; ; i++ {
		select {
		case <-done:
			return nil
		default:
		}
		if err := w.round(i); err != nil {
			return err
		}
	}
}

func (w *worker) round(i int) error {
	r := w.s.Do(w.s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "c", "grant_types": []string{"client_credentials"}})
	var c struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal(r.Body, &c); err != nil || r.Status != http.StatusCreated {
		return fmt.Errorf("create: %d %s", r.Status, r.Body)
	}
	w.secrets[c.ID] = c.Secret
	path := "/api/v2/clients/" + c.ID
	if r := w.s.Do(w.s.Admin, "POST", "/api/v2/client-grants", map[string]any{"client_id": c.ID, "audience": w.api, "scope": []string{}}); r.Status != http.StatusCreated {
		return fmt.Errorf("grant: %d %s", r.Status, r.Body)
	}
	for range 3 {
		r := w.s.Do(w.s.Admin, "GET", path, nil)
		if err := json.Unmarshal(r.Body, &c); err != nil || r.Status != http.StatusOK || c.Secret != w.secrets[c.ID] {
			return fmt.Errorf("read: %d %s, want the secret %s", r.Status, r.Body, w.secrets[c.ID])
		}
		if err := w.token(c.ID, c.Secret, i); err != nil {
			return err
		}
		r = w.s.Do(w.s.Admin, "POST", path+"/rotate-secret", nil)
		if err := json.Unmarshal(r.Body, &c); err != nil || r.Status != http.StatusOK {
			return fmt.Errorf("rotate: %d %s", r.Status, r.Body)
		}
		w.secrets[c.ID] = c.Secret
		if err := w.token(c.ID, c.Secret, i); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) token(id, secret string, i int) error {
	if i%2 == 0 {
		_, err := w.other.IssueToken(context.Background(), registry.TokenRequest{ClientID: id, Secret: oauth.NewSecret(secret), Audience: w.api})
		return err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "audience": {w.api}}
	if r := w.s.Do("", "POST", "/oauth/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded"); r.Status != http.StatusOK {
		return fmt.Errorf("token: %d %s", r.Status, r.Body)
	}
	return nil
}

func TestKeysRotateWhileClientsAreServed(t *testing.T) {
	t.Parallel()
	s, path := filed(t)
	lagging := beside(t, s, s.Keys)
	const api = "urn:api"
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", map[string]any{"identifier": api, "signing_alg": "HS256"}).Want(http.StatusCreated)

	done := make(chan struct{})
	var workers []*worker
	var wg sync.WaitGroup
	for range 4 {
		w := &worker{s, lagging, api, map[string]string{}}
		workers = append(workers, w)
		wg.Go(func() {
			if err := w.run(done); err != nil {
				t.Error(err)
			}
		})
	}
	k := s.Keys
	for range 3 {
		var err error
		if k, err = k.Add(); err != nil {
			t.Fatal(err)
		}
		save(t, k, path)
		refresh(t, s.Registry, lagging)
		if k, err = k.Promote(); err != nil {
			t.Fatal(err)
		}
		save(t, k, path)
		refresh(t, s.Registry) // the other one goes on with the older key for now
		operator := beside(t, s, k)
		mustReseal(t, operator)
		refresh(t, lagging)
		time.Sleep(100 * time.Millisecond) // what began under the older keys ends; nothing tells when
		mustReseal(t, operator)
		wantStale(t, operator, registry.Stale{})
		if k, err = k.Prune(superseded(k)...); err != nil {
			t.Fatal(err)
		}
		save(t, k, path)
		refresh(t, s.Registry, lagging)
	}
	close(done)
	wg.Wait()

	fresh := beside(t, s, k) // one that has never had the older keys
	clients := 0
	for _, w := range workers {
		for id, want := range w.secrets {
			clients++
			c, err := fresh.Client(t.Context(), oauth.ClientRef{ClientID: id})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := fresh.RevealSecret(c); err != nil || got.Reveal() != want {
				t.Errorf("the secret of %s does not open: %v", id, err)
			}
			w.other = fresh
			if err := w.token(id, want, 0); err != nil {
				t.Error(err)
			}
		}
	}
	if clients < 4 {
		t.Errorf("only %d clients were made meanwhile", clients)
	}
	if len(k.Keys()) != 2 {
		t.Errorf("%d keys are left", len(k.Keys()))
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
	request := registry.TokenRequest{ClientID: admin, Secret: secret, Audience: s.Registry.ManagementAudience()}
	if _, err := s.Registry.IssueToken(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	wantStale(t, s.Registry, registry.Stale{MACs: 1})
	if _, err := beside(t, s, k).IssueToken(t.Context(), request); err != nil {
		t.Error(err)
	}
}

// rotated puts new keys to use in a service and returns its keyset.
func rotated(t *testing.T, s *servertest.Server, path string) *seal.Keyset {
	t.Helper()
	k, err := s.Keys.Add()
	if err != nil {
		t.Fatal(err)
	}
	if k, err = k.Promote(); err != nil {
		t.Fatal(err)
	}
	save(t, k, path)
	refresh(t, s.Registry)
	return k
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

func TestWrongKeysetIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	other, err := seal.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.New(postgres.New(s.Pool), other, s.Registry.Config).Prepare(t.Context()); !errors.Is(err, seal.ErrForeign) {
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
	private, err := s.Registry.ShowTenantKey(oauth.WithOrigin(t.Context(), oauth.Origin{Shown: new([]oauth.Disclosure)}))
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
		_, err := s.Registry.IssueToken(t.Context(), registry.TokenRequest{ClientID: id, Secret: oauth.NewSecret(secrets[other]), Audience: s.Registry.ManagementAudience()})
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

func TestNewTokenKeyIsKnownBeforeItSigns(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	pass := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	s, _ := filed(t, func(c *registry.Config) { c.Now = clock })
	other := beside(t, s, s.Keys)
	mint := func(r *registry.Registry) string {
		t.Helper()
		token, err := r.MintManagementToken(t.Context(), "test", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return token.AccessToken.Reveal()
	}
	verify := func(r *registry.Registry, token string) error {
		_, err := r.VerifyToken(t.Context(), token)
		return err
	}
	old := mint(s.Registry)
	if err := verify(other, old); err != nil {
		t.Fatal(err)
	}

	kid, begins, err := s.Registry.RotateTokenKey(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	pass(2 * time.Minute)
	if got := kidOf(t, mint(s.Registry)); got == kid {
		t.Error("the new key signs before others can know it")
	}
	set, err := other.JWKS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Key(kid)) != 1 || len(set.Keys) != 2 {
		t.Errorf("two minutes later %d keys are published", len(set.Keys))
	}
	pass(begins.Sub(clock()) + 2*time.Minute)
	fresh := mint(s.Registry)
	if got := kidOf(t, fresh); got != kid {
		t.Errorf("signed by %s, not by the new key %s", got, kid)
	}
	for name, token := range map[string]string{"old": old, "new": fresh} {
		if err := verify(other, token); err != nil {
			t.Errorf("the %s token: %v", name, err)
		}
	}

	if _, _, err := s.Registry.RotateTokenKey(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	pass(2 * time.Minute)
	if err := verify(other, fresh); !errors.Is(err, registry.ErrSignature) {
		t.Errorf("a token of a compromised key: %v", err)
	}
	if err := verify(other, mint(s.Registry)); err != nil {
		t.Error(err)
	}
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	header, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	var h struct {
		KeyID string `json:"kid"`
	}
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	return h.KeyID
}

func TestReplacingLeavesWhatChangedSinceItWasRead(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	store := postgres.New(s.Pool)
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
