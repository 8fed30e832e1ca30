package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
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
	other := registry.New(postgres.New(s.Serving), k, s.Registry.Config)
	if err := other.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return other
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

// worker registers clients, rotates their secrets and gets tokens with them
// until done is closed, and keeps the newest secret of each client.
type worker struct {
	s       *servertest.Server
	other   *registry.Registry // tokens are asked for here in turn
	api     string
	secrets map[string]string
	gate    *sync.RWMutex // held for reading by every request
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
	r := w.do(w.s.Admin, "POST", "/api/v2/clients", map[string]any{
		"name": "c", "grant_types": []string{"client_credentials"}, "addons": map[string]any{"firebase": map[string]any{"secret": "s"}},
	})
	var c struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
		Addons struct{ Firebase struct{ Secret string } }
	}
	if err := json.Unmarshal(r.Body, &c); err != nil || r.Status != http.StatusCreated {
		return fmt.Errorf("create: %d %s", r.Status, r.Body)
	}
	w.secrets[c.ID] = c.Secret
	path := "/api/v2/clients/" + c.ID
	if r := w.do(w.s.Admin, "POST", "/api/v2/client-grants", map[string]any{"client_id": c.ID, "audience": w.api, "scope": []string{}}); r.Status != http.StatusCreated {
		return fmt.Errorf("grant: %d %s", r.Status, r.Body)
	}
	for range 3 {
		r := w.do(w.s.Admin, "GET", path, nil)
		if err := json.Unmarshal(r.Body, &c); err != nil || r.Status != http.StatusOK || c.Secret != w.secrets[c.ID] || c.Addons.Firebase.Secret != "s" {
			return fmt.Errorf("read: %d %s, want its add-on and the secret %s", r.Status, r.Body, w.secrets[c.ID])
		}
		if err := w.token(c.ID, c.Secret, i); err != nil {
			return err
		}
		r = w.do(w.s.Admin, "POST", path+"/rotate-secret", nil)
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

func (w *worker) do(token, method, path string, body any, header ...string) servertest.Response {
	w.gate.RLock()
	defer w.gate.RUnlock()
	return w.s.Do(token, method, path, body, header...)
}

func (w *worker) token(id, secret string, i int) error {
	if i%2 == 0 {
		w.gate.RLock()
		defer w.gate.RUnlock()
		_, err := w.other.IssueToken(context.Background(), tokens.Request{ClientID: id, Secret: oauth.NewSecret(secret), Audience: w.api})
		return err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "audience": {w.api}}
	if r := w.do("", "POST", "/oauth/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded"); r.Status != http.StatusOK {
		return fmt.Errorf("token: %d %s", r.Status, r.Body)
	}
	return nil
}

// settle returns when the requests that are under way have ended.
func settle(gate *sync.RWMutex) {
	gate.Lock()
	defer gate.Unlock()
}

func TestKeysRotateWhileClientsAreServed(t *testing.T) {
	t.Parallel()
	s, path := filed(t)
	lagging := beside(t, s, s.Keys)
	const api = "urn:api"
	s.Do(s.Admin, "POST", "/api/v2/resource-servers", map[string]any{"identifier": api, "signing_alg": "HS256"}).Want(http.StatusCreated)

	done := make(chan struct{})
	var workers []*worker
	var gate sync.RWMutex
	var wg sync.WaitGroup
	for range 4 {
		w := &worker{s, lagging, api, map[string]string{}, &gate}
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
		settle(&gate)
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

func TestNewTokenKeyIsKnownBeforeItSigns(t *testing.T) {
	t.Parallel()
	s, _ := filed(t)
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
	s.Clock.Pass(2 * time.Minute)
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
	s.Clock.Pass(begins.Sub(s.Clock.Now()) + 2*time.Minute)
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
	s.Clock.Pass(2 * time.Minute)
	if err := verify(other, fresh); !errors.Is(err, tokens.ErrSignature) {
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
