package seal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tink-crypto/tink-go/v2/tink"
)

func mustCreate(t testing.TB, path string, kek tink.AEAD) *Keyset {
	t.Helper()
	k, err := Create(path, kek)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustLoad(t testing.TB, path string, kek tink.AEAD) *Keyset {
	t.Helper()
	k, warning, err := Load(path, kek)
	if err != nil {
		t.Fatal(err)
	}
	if warning != "" {
		t.Errorf("warning: %s", warning)
	}
	return k
}

// wantOnly checks that a directory holds these files and nothing left over.
func wantOnly(t testing.TB, dir string, names ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(names, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func wantMode(t testing.TB, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != want {
		t.Errorf("mode %v, want %v", info.Mode(), want)
	}
}

func TestCreatedFileLoads(t *testing.T) {
	t.Parallel()
	for name, kek := range map[string]tink.AEAD{"cleartext": nil, "encrypted": newKEK(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "keyset.json")
			k := mustCreate(t, path, kek)
			wantMode(t, path, 0o600)
			wantOnly(t, dir, "keyset.json")
			wantOpens(t, mustLoad(t, path, kek), mustSeal(t, k, "secret", here), here, "secret")
		})
	}
}

func TestCreateNeverReplaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "keyset.json")
	for name, make := range map[string]func() error{
		"empty file":       func() error { return os.WriteFile(path, nil, 0o600) },
		"dangling symlink": func() error { return os.Symlink("nowhere", path) },
		"directory":        func() error { return os.Mkdir(path, 0o700) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(path, nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: error %v, want fs.ErrExist", name, err)
		}
		wantOnly(t, dir, "keyset.json")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneOfManyCreatorsWins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "keyset.json")
	keysets := make([]*Keyset, 12)
	won := make(chan int, len(keysets))
	var wg sync.WaitGroup
	for i := range keysets {
		wg.Go(func() {
			k, err := Create(path, nil)
			switch {
			case err == nil:
				won <- i
			case errors.Is(err, fs.ErrExist):
				// The winner's file must be whole as soon as it is seen.
				k, _, err = Load(path, nil)
			}
			if err != nil {
				t.Error(err)
			}
			keysets[i] = k
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d creators won, want 1", len(won))
	}
	winner := keysets[<-won]
	for _, k := range keysets {
		if k == nil {
			continue // reported above
		}
		if diff := cmp.Diff(winner.Keys(), k.Keys()); diff != "" {
			t.Errorf("keys (-winner +other):\n%s", diff)
		}
	}
	wantOnly(t, dir, "keyset.json")
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, _, err := Load(filepath.Join(dir, "missing"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: error %v, want fs.ErrNotExist", err)
	}
	for name, c := range map[string]struct{ path, want string }{
		"directory": {dir, "is a directory"},
		"damaged":   {write("damaged", []byte("{")), "damaged: damaged keyset"},
		"too large": {write("large", bytes.Repeat([]byte(" "), maxFileSize+1)), "larger than"},
		"endless":   {"/dev/zero", "larger than"},
	} {
		_, _, err := Load(c.path, nil)
		t.Log(name)
		wantError(t, err, c.want)
	}
}

func TestLoadWarnsOfOpenPermissions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode fs.FileMode
		kek  tink.AEAD
		warn bool
	}{
		"owner only":           {0o600, nil, false},
		"owner reads only":     {0o400, nil, false},
		"group reads":          {0o640, nil, true},
		"all read":             {0o444, nil, true},
		"others write":         {0o602, nil, true},
		"all read, but sealed": {0o444, newKEK(t), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "keyset.json")
			mustCreate(t, path, c.kek)
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			_, warning, err := Load(path, c.kek)
			if err != nil {
				t.Fatal(err)
			}
			if (warning != "") != c.warn {
				t.Errorf("mode %v: warning %q", c.mode, warning)
			}
		})
	}
}

func TestSaveReplacesTheFileOfAnAncestor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "keyset.json")
	sealed := mustSeal(t, mustCreate(t, path, nil), "secret", here)

	k := mustRotate(t, mustLoad(t, path, nil))
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	wantMode(t, path, 0o600)
	wantOnly(t, dir, "keyset.json")
	loaded := mustLoad(t, path, nil)
	if diff := cmp.Diff(k.Keys(), loaded.Keys()); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	wantOpens(t, loaded, sealed, here, "secret")

	_, ids := keysOf(loaded, PurposeAEAD)
	_, macIDs := keysOf(loaded, PurposeMAC)
	pruned, err := loaded.Prune(slices.Concat(ids, macIDs)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := pruned.Save(path); err != nil {
		t.Fatal(err)
	}
	if n := len(mustLoad(t, path, nil).Keys()); n != 2 {
		t.Errorf("%d keys in the file after pruning, want 2", n)
	}
}

func TestSaveRefusesToLoseKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "keyset.json")
	k := mustCreate(t, path, nil)
	if err := mustRotate(t, k).Save(path); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*Keyset{
		"another keyset":                {aeadKeys: nil},
		"rotated by someone else":       mustRotate(t, k),
		"rotated by someone else, KEK":  mustRotate(t, k).WithKEK(newKEK(t)),
		"the keyset as it was at first": k,
	} {
		if other.aeadKeys == nil {
			other = newKeyset(t)
		}
		err := other.Save(path)
		t.Log(name)
		wantError(t, err, "which this keyset never had")
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("a refused Save changed the file")
	}

	for name, text := range map[string]string{"not JSON": "{", "no keys": "{}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		wantError(t, k.Save(path), "it is no keyset")
	}
	wantOnly(t, dir, "keyset.json")
}

func TestSaveMovesBetweenCleartextAndKEK(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	k := mustCreate(t, path, nil)
	sealed := mustSeal(t, k, "secret", here)
	for _, kek := range []tink.AEAD{newKEK(t), newKEK(t), nil} {
		k = k.WithKEK(kek)
		if err := k.Save(path); err != nil {
			t.Fatal(err)
		}
		k = mustLoad(t, path, kek)
		wantOpens(t, k, sealed, here, "secret")
	}
	// An encrypted file lists its keys too, so it is guarded alike.
	if err := k.WithKEK(newKEK(t)).Save(path); err != nil {
		t.Fatal(err)
	}
	wantError(t, newKeyset(t).Save(path), "which this keyset never had")
}

func TestSaveFollowsSymlinksAndKeepsMode(t *testing.T) {
	t.Parallel()
	dir, link := t.TempDir(), filepath.Join(t.TempDir(), "link.json")
	path := filepath.Join(dir, "keyset.json")
	k := mustCreate(t, path, nil)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	k = mustRotate(t, k)
	if err := k.Save(link); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v %v", info, err)
	}
	wantMode(t, path, 0o640)
	got, _, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(k.Keys(), got.Keys()); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestSaveToANewPathIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := newKeyset(t).Save(path); err != nil {
		t.Fatal(err)
	}
	wantMode(t, path, 0o600)
}

func TestFailedWriteLeavesTheOldFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "keyset.json")
	k := mustCreate(t, path, nil)
	failure := errors.New("disk gone")
	var ready []byte
	err := mustRotate(t, k).write(path, func(from, _ string) error {
		wantMode(t, from, 0o600)
		var err error
		if ready, err = os.ReadFile(from); err != nil {
			t.Error(err)
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Errorf("error %v, want %v", err, failure)
	}
	if full, err := Parse(ready, nil); err != nil || len(full.Keys()) != 4 {
		t.Errorf("the new file was not whole before it was put in place: %v", err)
	}
	wantOnly(t, dir, "keyset.json")
	if diff := cmp.Diff(k.Keys(), mustLoad(t, path, nil).Keys()); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestReadersSeeWholeFilesWhileSaving(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	k := mustCreate(t, path, nil)
	sealed := mustSeal(t, k, "secret", here)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				seen, _, err := Load(path, nil)
				if err != nil {
					t.Error(err)
					return
				}
				wantOpens(t, seen, sealed, here, "secret")
			}
		})
	}
	for range 10 {
		k = mustRotate(t, k)
		if err := k.Save(path); err != nil {
			t.Error(err)
			break
		}
	}
	close(done)
	wg.Wait()
}

func TestSaveKeepsTheOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := filepath.Join(t.TempDir(), "keyset.json")
	k := mustCreate(t, path, nil)
	if err := os.Chown(path, 12345, 23456); err != nil {
		t.Fatal(err)
	}
	if err := mustRotate(t, k).Save(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 12345 || s.Gid != 23456 {
		t.Errorf("owner %d:%d, want 12345:23456", s.Uid, s.Gid)
	}
}
