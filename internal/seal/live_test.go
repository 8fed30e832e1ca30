package seal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// live returns a keyset that follows a file, and the file.
func live(t *testing.T) (*Live, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyset.json")
	k, err := Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return NewLive(k, path), path
}

func mustSave(t testing.TB, k *Keyset, path string) {
	t.Helper()
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
}

func TestAddedKeysReadBeforeTheyAreUsed(t *testing.T) {
	t.Parallel()
	old := newKeyset(t)
	added, err := old.Add()
	if err != nil {
		t.Fatal(err)
	}
	if old.Pending() || !added.Pending() {
		t.Errorf("pending: %v before, %v after adding", old.Pending(), added.Pending())
	}
	if sealed := mustSeal(t, added, "secret", here); added.Stale(sealed) || old.Stale(sealed) {
		t.Error("the added key seals already")
	}
	if got := added.Superseded(PurposeAEAD); len(got) != 0 {
		t.Errorf("%v could be pruned while it is still to be used", got)
	}
	promoted, err := added.Promote()
	if err != nil {
		t.Fatal(err)
	}
	if promoted.Pending() {
		t.Error("still pending once promoted")
	}
	ahead := mustSeal(t, promoted, "secret", here)
	wantOpens(t, added, ahead, here, "secret")
	if added.Stale(ahead) {
		t.Error("what a process ahead has sealed is stale")
	}
	if !added.VerifyMAC(promoted.MAC([]byte("secret"), here), []byte("secret"), here) {
		t.Error("a keyset with the key added does not verify what it tags once promoted")
	}
	for _, info := range old.Keys() {
		if diff := cmp.Diff([]uint32{info.ID}, promoted.Superseded(info.Purpose)); diff != "" {
			t.Errorf("superseded %s keys (-want +got):\n%s", info.Purpose, diff)
		}
	}
}

func TestLiveReadsWhatANewerKeyMade(t *testing.T) {
	t.Parallel()
	l, path := live(t)
	k := mustRotate(t, l.Current())
	sealed, tag := mustSeal(t, k, "secret", here), k.MAC([]byte("secret"), here)
	if l.VerifyMAC(tag, []byte("secret"), here) {
		t.Error("verifies under a key that it cannot have")
	}
	mustSave(t, k, path)
	if !l.VerifyMAC(tag, []byte("secret"), here) { // no Refresh by hand
		t.Error("does not verify under the new key of its file")
	}
	if got, err := l.Open(sealed, here); err != nil || string(got) != "secret" {
		t.Errorf("Open: %q, %v", got, err)
	}
	if resealed, err := l.Seal(nil, here); err != nil || k.Stale(resealed) {
		t.Errorf("seals under the old key still (%v)", err)
	}
}

func TestLiveLooksAtTheFileOnlyForKeysItLacks(t *testing.T) {
	t.Parallel()
	l, path := live(t)
	tag := l.MAC([]byte("secret"), here)
	mustSave(t, mustRotate(t, l.Current()), path)
	if l.VerifyMAC(tag, []byte("wrong"), here) {
		t.Error("verifies a wrong secret")
	}
	if len(l.Current().Keys()) != 2 {
		t.Error("a wrong secret made it read the file")
	}
	if changed, err := l.Refresh(); !changed || err != nil {
		t.Errorf("Refresh: %v, %v", changed, err)
	}
	if changed, err := l.Refresh(); changed || err != nil {
		t.Errorf("Refresh of an unchanged file: %v, %v", changed, err)
	}
}

func TestLiveReadsForAWhileWhatAPrunedKeyMade(t *testing.T) {
	t.Parallel()
	l, path := live(t)
	sealed, err := l.Seal([]byte("secret"), here)
	if err != nil {
		t.Fatal(err)
	}
	k := mustRotate(t, l.Current())
	mustSave(t, k, path)
	if _, err := l.Refresh(); err != nil {
		t.Fatal(err)
	}
	pruned, err := k.Prune(slices.Concat(k.Superseded(PurposeAEAD), k.Superseded(PurposeMAC))...)
	if err != nil {
		t.Fatal(err)
	}
	mustSave(t, pruned, path)
	if changed, err := l.Refresh(); !changed || err != nil {
		t.Fatalf("Refresh: %v, %v", changed, err)
	}
	if got, err := l.Open(sealed, here); err != nil || string(got) != "secret" {
		t.Errorf("a value read before the pruning: %q, %v", got, err)
	}
	g := *l.state.Load()
	g.since = g.since.Add(-lingerTime)
	l.state.Store(&g)
	if _, err := l.Open(sealed, here); err == nil {
		t.Error("a pruned key opens for good")
	}
}

func TestLiveKeepsItsKeysetWhenTheFileIsNoUse(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"damaged": func(path string) error { return os.WriteFile(path, []byte(`{"version":1`), 0o600) },
		"foreign": func(path string) error {
			other, err := New(nil)
			if err != nil {
				return err
			}
			text, err := other.Encode()
			if err != nil {
				return err
			}
			return os.WriteFile(path, text, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, path := live(t)
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := l.Seal([]byte("secret"), here)
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			if changed, err := l.Refresh(); changed || err == nil {
				t.Errorf("Refresh: %v, %v", changed, err)
			}
			if _, err := l.Open(sealed, here); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Refresh(); err != nil {
				t.Errorf("the good file is back: %v", err)
			}
		})
	}
}

func TestLiveServesWhileItIsReplaced(t *testing.T) {
	t.Parallel()
	l, path := live(t)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				sealed, err := l.Seal([]byte("secret"), here)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := l.Open(sealed, here); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for k := l.Current(); len(k.Keys()) < 10; {
		k = mustRotate(t, k)
		mustSave(t, k, path)
		if changed, err := l.Refresh(); !changed || err != nil {
			t.Errorf("Refresh: %v, %v", changed, err)
		}
	}
	close(done)
	wg.Wait()
}

func TestLockLetsOneAtATimeRotate(t *testing.T) {
	t.Parallel()
	_, path := live(t)
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := Lock(impatient, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second lock: %v", err)
	}
	unlock()
	again, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
