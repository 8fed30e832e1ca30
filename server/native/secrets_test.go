package native_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
)

// renew replaces the administrator's token after the clock has moved past it.
func renew(t *testing.T, s *servertest.Server) {
	t.Helper()
	token, err := s.Registry.MintManagementToken(t.Context(), "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.Admin = token.AccessToken.Reveal()
}

// client registers a client and returns its identifier and secret.
func client(t *testing.T, s *servertest.Server) (id, secret string) {
	t.Helper()
	o := s.Do(s.Admin, "POST", "/api/v2/clients", map[string]any{"name": "c", "grant_types": []string{"client_credentials"}}).Want(http.StatusCreated).Object()
	return o["client_id"].(string), o["client_secret"].(string)
}

// good reports whether the client can authenticate with that secret.
func good(t *testing.T, reg *registry.Registry, id, secret string) bool {
	t.Helper()
	_, err := reg.IssueToken(t.Context(), tokens.Request{ClientID: id, Secret: oauth.NewSecret(secret), Audience: "https://nowhere"})
	kind := oauth.KindOf(err)
	if kind != oauth.Unauthenticated && kind != oauth.Forbidden { // a client that has proved itself is told that there is no such API
		t.Fatalf("authenticating: %v", err)
	}
	return kind == oauth.Forbidden
}

type listed struct {
	ID         string     `json:"id"`
	Status     string     `json:"status"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

func secrets(s *servertest.Server, id string) []listed {
	var body struct{ Secrets []listed }
	s.Do(s.Admin, "GET", "/api/roster/v1/clients/"+id+"/secrets", nil).Want(http.StatusOK).Decode(&body)
	return body.Secrets
}

func statuses(list []listed) []string {
	var all []string
	for _, s := range list {
		all = append(all, s.Status)
	}
	return all
}

// rotate gives the client a new secret. query is empty or starts with "?".
func rotate(s *servertest.Server, id, query string) (secretID, secret string) {
	o := s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+id+"/secrets"+query, nil).Want(http.StatusCreated).Object()
	return o["id"].(string), o["client_secret"].(string)
}

func TestSupersededSecretLivesUntilItsDeadline(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, old := client(t, s)
	_, fresh := rotate(s, id, "?grace_seconds=3600")
	if diff := cmp.Diff([]string{"current", "superseded"}, statuses(secrets(s, id))); diff != "" {
		t.Error(diff)
	}
	s.Clock.Pass(59 * time.Minute)
	if !good(t, s.Registry, id, old) || !good(t, s.Registry, id, fresh) {
		t.Error("one of the two secrets is refused during the overlap")
	}
	s.Clock.Pass(2 * time.Minute)
	renew(t, s)
	if good(t, s.Registry, id, old) {
		t.Error("the old secret is good after its deadline")
	}
	if !good(t, s.Registry, id, fresh) {
		t.Error("the new secret is refused")
	}
	if diff := cmp.Diff([]string{"current", "ended"}, statuses(secrets(s, id))); diff != "" {
		t.Error(diff)
	}
	if got := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Object()["client_secret"]; got != fresh {
		t.Error("the other dialect does not show the newest secret")
	}
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	var kept int
	if err := s.Pool.QueryRow(t.Context(), "SELECT count(*) FROM client_secrets WHERE expires_at IS NOT NULL AND (sealed IS NOT NULL OR mac <> '')").Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d secrets that have ended can still be opened (%v)", kept, err)
	}
	s.Clock.Pass(31 * 24 * time.Hour)
	renew(t, s)
	if err := s.Registry.ForgetExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"current"}, statuses(secrets(s, id))); diff != "" {
		t.Error(diff)
	}
}

func TestGraceOfARotation(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		deployment time.Duration
		path       string // below the client's, POST
		lives      bool
	}{
		"none by default":                {path: "/api/v2/clients/ID/rotate-secret"},
		"none by default, own endpoint":  {path: "/api/roster/v1/clients/ID/secrets"},
		"asked for":                      {path: "/api/v2/clients/ID/rotate-secret?grace_seconds=60", lives: true},
		"the deployment's":               {deployment: time.Minute, path: "/api/v2/clients/ID/rotate-secret", lives: true},
		"the deployment's, own endpoint": {deployment: time.Minute, path: "/api/roster/v1/clients/ID/secrets", lives: true},
		"none although the deployment's": {deployment: time.Minute, path: "/api/v2/clients/ID/rotate-secret?grace_seconds=0"},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.NewWith(t, servertest.Options{Registry: func(r *registry.Config) { r.SecretGrace = want.deployment }})
			id, old := client(t, s)
			r := s.Do(s.Admin, "POST", strings.Replace(want.path, "ID", id, 1), nil)
			if r.Status != http.StatusOK && r.Status != http.StatusCreated {
				t.Fatalf("status %d: %s", r.Status, r.Body)
			}
			if good(t, s.Registry, id, old) != want.lives {
				t.Errorf("the old secret is good: %v, want %v", !want.lives, want.lives)
			}
			if !good(t, s.Registry, id, r.Object()["client_secret"].(string)) {
				t.Error("the new secret is refused")
			}
		})
	}
}

func TestGraceHasBounds(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := client(t, s)
	for _, grace := range []string{"-1", "7776001", "x", "1.5", ""} {
		for _, path := range []string{"/api/roster/v1/clients/" + id + "/secrets", "/api/v2/clients/" + id + "/rotate-secret"} {
			s.Do(s.Admin, "POST", path+"?grace_seconds="+grace, nil).Want(http.StatusBadRequest)
		}
	}
	if n := len(secrets(s, id)); n != 1 {
		t.Errorf("%d secrets after refused rotations", n)
	}
}

func TestRetiringASecret(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, old := client(t, s)
	newest, fresh := rotate(s, id, "?grace_seconds=3600")
	path := "/api/roster/v1/clients/" + id + "/secrets/"
	superseded := secrets(s, id)[1].ID
	s.Do(s.Admin, "DELETE", path+newest, nil).Want(http.StatusConflict)
	s.Do(s.Admin, "DELETE", path+"00000000-0000-0000-0000-000000000000", nil).Want(http.StatusNotFound)
	s.Do(s.Admin, "DELETE", path+"x", nil).Want(http.StatusNotFound)
	other, _ := client(t, s)
	s.Do(s.Admin, "DELETE", "/api/roster/v1/clients/"+other+"/secrets/"+superseded, nil).Want(http.StatusNotFound)
	if !good(t, s.Registry, id, old) {
		t.Fatal("the superseded secret is refused too early")
	}
	for range 2 { // the second time changes nothing
		s.Do(s.Admin, "DELETE", path+superseded, nil).Want(http.StatusNoContent)
	}
	if good(t, s.Registry, id, old) || !good(t, s.Registry, id, fresh) {
		t.Error("retiring one secret did not end that one alone")
	}
	var sealed int
	if err := s.Pool.QueryRow(t.Context(), "SELECT count(*) FROM client_secrets WHERE id::text = $1 AND (sealed IS NOT NULL OR mac <> '')", superseded).Scan(&sealed); err != nil || sealed != 0 {
		t.Errorf("the retired secret can still be opened (%v)", err)
	}
	if n := len(events(s, "?action=client.secret_retired&target="+id)); n != 1 {
		t.Errorf("%d events of retiring", n)
	}
}

func TestSecretsNeedScopes(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := client(t, s)
	path := "/api/roster/v1/clients/" + id + "/secrets"
	reader, writer := s.Token("read:client_keys"), s.Token("update:client_keys")
	if r := s.Do(reader, "GET", path, nil).Want(http.StatusOK); strings.Contains(string(r.Body), secret) {
		t.Error("the list shows the secret")
	}
	s.Do(writer, "GET", path, nil).Want(http.StatusForbidden)
	s.Do(reader, "POST", path, nil).Want(http.StatusForbidden)
	s.Do(reader, "DELETE", path+"/x", nil).Want(http.StatusForbidden)
	s.Do("", "GET", path, nil).Want(http.StatusUnauthorized)
	s.Do("a.b.c", "GET", path, nil).Want(http.StatusUnauthorized)
	s.Do(reader, "GET", "/api/roster/v1/clients/nobody/secrets", nil).Want(http.StatusNotFound)
	s.Do(writer, "POST", path, nil).Want(http.StatusCreated)
}

func TestLastUseIsStoredLaterAndSurvives(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	ctx := t.Context()
	id, secret := client(t, s)
	if at := secrets(s, id)[0].LastUsedAt; at != nil {
		t.Fatalf("a new secret was used at %v", at)
	}
	before := s.Clock.Now().Truncate(time.Millisecond) // as answers say it
	good(t, s.Registry, id, "wrong")
	if at := secrets(s, id)[0].LastUsedAt; at != nil {
		t.Error("a wrong secret counts as use")
	}
	good(t, s.Registry, id, secret)
	if at := secrets(s, id)[0].LastUsedAt; at == nil || at.Before(before) {
		t.Errorf("last use %v", at)
	}
	elsewhere := registry.New(postgres.New(s.Serving), s.Keys, s.Registry.Config)
	stored := func() *time.Time {
		list, err := elsewhere.Secrets(ctx, oauth.ClientRef{ClientID: id})
		if err != nil {
			t.Fatal(err)
		}
		return list[0].LastUsedAt
	}
	if stored() != nil {
		t.Error("using a secret wrote to the database")
	}
	// A row that somebody holds is not waited for, but not forgotten either.
	tx, err := s.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "SELECT FROM client_secrets FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if err := s.Registry.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if stored() != nil {
		t.Error("stored although the row was locked")
	}
	if err := s.Registry.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if at := stored(); at == nil || at.Before(before) {
		t.Errorf("stored last use %v", at)
	}
}

// At the cap, moving to a new secret never leaves a moment without a good one.
func TestSwapAtTheCapAlwaysLeavesAGoodSecret(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, first := client(t, s)
	_, known := rotate(s, id, "?grace_seconds=3600")
	for range 5 {
		done, next := make(chan struct{}), ""
		go func() {
			defer close(done) // also when it fails
			_, next = rotate(s, id, "?grace_seconds=3600")
		}()
		for rotating := true; rotating; {
			if !good(t, s.Registry, id, known) {
				t.Fatal("the secret that was the newest is refused during its grace")
			}
			select {
			case <-done:
				rotating = false
			default:
			}
		}
		known = next
	}
	if good(t, s.Registry, id, first) {
		t.Error("a secret is good although two newer ones are")
	}
}

func TestPatchingANameLeavesSecretsAsTheyAre(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := client(t, s)
	rotate(s, id, "?grace_seconds=60")
	rows := func() (text string) {
		if err := s.Pool.QueryRow(t.Context(), "SELECT string_agg(s::text, E'\n' ORDER BY id) FROM client_secrets s").Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := rows()
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"name": "other"}).Want(http.StatusOK)
	if diff := cmp.Diff(before, rows()); diff != "" {
		t.Error(diff)
	}
}

func TestParallelRotationsLoseNoSecret(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, first := client(t, s)
	stale := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Header.Get("ETag")
	s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"name": "changed"}).Want(http.StatusOK)

	watch, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for watch.Err() == nil {
			if n := liveRows(t, s); n < 1 || n > tokens.MaxLiveSecrets {
				t.Errorf("%d secrets are live", n)
			}
		}
	}()
	var mu sync.Mutex
	handedOut := []string{first}
	ids := map[string]bool{}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			var secret string
			switch i % 5 {
			case 0, 1:
				var sid string
				sid, secret = rotate(s, id, "?grace_seconds="+strconv.Itoa(3600+i))
				mu.Lock()
				ids[sid] = true
				mu.Unlock()
			case 2:
				secret = s.Do(s.Admin, "POST", "/api/v2/clients/"+id+"/rotate-secret?grace_seconds=3600", nil).Want(http.StatusOK).Object()["client_secret"].(string)
			case 3:
				secret = s.Do(s.Admin, "POST", "/api/v2/clients/"+id+"/rotate-secret", nil).Want(http.StatusOK).Object()["client_secret"].(string)
			case 4:
				s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"name": "n"}, "If-Match", stale).Want(http.StatusPreconditionFailed)
				secret = s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, map[string]any{"name": "n" + strconv.Itoa(i)}).Want(http.StatusOK).Object()["client_secret"].(string)
			}
			mu.Lock()
			handedOut = append(handedOut, secret)
			mu.Unlock()
		})
	}
	wg.Wait()
	stop()
	<-watched
	slices.Sort(handedOut)
	handedOut = slices.Compact(handedOut)
	list := secrets(s, id)
	if len(list) != 41 || len(handedOut) != 41 {
		t.Errorf("%d secrets are listed and %d were handed out, want 41", len(list), len(handedOut))
	}
	var live []string
	for _, secret := range handedOut {
		if good(t, s.Registry, id, secret) {
			live = append(live, secret)
		}
	}
	want := 0
	for _, one := range list {
		delete(ids, one.ID)
		if one.Status != "ended" {
			want++
		}
	}
	if len(ids) > 0 {
		t.Errorf("handed out but not listed: %v", ids)
	}
	if len(live) != want || want < 1 || want > tokens.MaxLiveSecrets {
		t.Errorf("%d secrets are good, %d are listed as live", len(live), want)
	}
	if shown := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Object()["client_secret"].(string); !slices.Contains(live, shown) {
		t.Error("the secret that is shown is not good")
	}
}

// liveRows counts the secrets of the client named c that are good.
func liveRows(t *testing.T, s *servertest.Server) (n int) {
	t.Helper()
	err := s.Pool.QueryRow(context.WithoutCancel(t.Context()), `SELECT count(*) FROM client_secrets s JOIN clients c ON c.id = s.client
		WHERE NOT c.is_global AND (s.expires_at IS NULL OR s.expires_at > now())`).Scan(&n)
	if err != nil {
		t.Errorf("counting live secrets: %v", err)
	}
	return n
}

func TestRotationsSurviveLostConnections(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	ctx := t.Context()
	id, _ := client(t, s)
	killer, err := pgx.Connect(ctx, s.Serving.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer killer.Close(context.WithoutCancel(ctx))
	done := make(chan struct{})
	acknowledged := map[string]string{}
	lost := 0
	go func() {
		defer close(done)
		for range 60 {
			r := s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+id+"/secrets?grace_seconds=600", nil)
			if r.Status == http.StatusCreated {
				o := r.Object()
				acknowledged[o["id"].(string)] = o["client_secret"].(string)
			} else {
				lost++
			}
		}
	}()
	for running := true; running; {
		if _, err := killer.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			running = false
		case <-time.After(3 * time.Millisecond): // let some rotations through
		}
	}
	t.Logf("%d rotations acknowledged, %d lost their connection", len(acknowledged), lost)
	var list []oauth.ClientSecret
	servertest.Eventually(t, "the secrets can be read", func() bool { // connections that were cut are found out by using them
		list, err = s.Registry.Secrets(ctx, oauth.ClientRef{ClientID: id})
		return err == nil
	})
	live, current := 0, 0
	for _, one := range list {
		if status := one.Status(s.Clock.Now()); status != "ended" {
			live++
			if status == "current" {
				current++
			}
			if secret, ok := acknowledged[one.ID]; ok && !good(t, s.Registry, id, secret) {
				t.Errorf("the %s secret is refused", status)
			}
		}
		delete(acknowledged, one.ID)
	}
	if live > tokens.MaxLiveSecrets || current != 1 {
		t.Errorf("%d secrets are live, %d the newest", live, current)
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d secrets were handed out and are not listed", len(acknowledged))
	}
	if n := len(events(s, "?action=client.secret_rotated&limit=500&target="+id)); n != len(list)-1 {
		t.Errorf("%d events of %d rotations", n, len(list)-1)
	}
}
