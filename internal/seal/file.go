package seal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// A keyset of hundreds of rotations fits; a wrong path is not read into memory.
const maxFileSize = 1 << 20

// Load reads a keyset file as [Parse] reads a text.
//
// warning, when not empty, is a sentence for the log: the file lets group or
// others in. That is no error because mounted secrets often come with mode
// 0444 or 0640 inside a container that nobody else shares. A file that is
// encrypted under kek gives none.
//
// A missing file is [fs.ErrNotExist].
func Load(path string, kek tink.AEAD) (k *Keyset, warning string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("opening the keyset: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, "", fmt.Errorf("reading the keyset: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, "", fmt.Errorf("reading the keyset: %w", err)
	}
	if len(text) > maxFileSize {
		return nil, "", fmt.Errorf("keyset %s: larger than %d bytes", path, maxFileSize)
	}
	if k, err = Parse(text, kek); err != nil {
		return nil, "", fmt.Errorf("keyset %s: %w", path, err)
	}
	if mode := info.Mode().Perm(); kek == nil && mode&0o077 != 0 {
		warning = fmt.Sprintf("keyset %s has mode %04o and is open to group or others; 0600 is enough", path, mode)
	}
	return k, warning, nil
}

// Create makes a new keyset and the file that holds it, mode 0600, encrypted
// under kek unless that is nil. The directory must exist.
//
// It never replaces a file: when there is one, the error is [fs.ErrExist]. The
// file appears whole and on disk or not at all, so of several processes that
// create it at once one succeeds and the others can [Load] it. The file system
// must have hard links.
func Create(path string, kek tink.AEAD) (*Keyset, error) {
	k, err := New(kek)
	if err != nil {
		return nil, err
	}
	// Unlike opening with O_EXCL, linking shows nobody a file half written.
	if err := k.write(path, os.Link); err != nil {
		return nil, fmt.Errorf("creating the keyset: %w", err)
	}
	return k, nil
}

// Save replaces the contents of the keyset file at path, encrypted if k has a
// key-encryption key. A crash leaves the old contents or the new, whole, and at
// worst a file .keyset-* next to them. The file keeps its owner and mode, or
// Save fails; where there was none, its mode is 0600. A symbolic link is
// followed.
//
// Losing a key loses what it sealed, so Save refuses to replace a file that
// lists a key which neither k nor a keyset k descends from has ever had:
// another database's, or one that someone else rotated in the meantime. It
// also refuses a file that is not a keyset. Two calls at the same instant are not
// distinguished: hold [Lock] from loading to saving.
func (k *Keyset) Save(path string) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := k.mayReplace(path); err != nil {
		return fmt.Errorf("saving the keyset: %w", err)
	}
	if err := k.write(path, os.Rename); err != nil {
		return fmt.Errorf("saving the keyset: %w", err)
	}
	return nil
}

// Lock keeps other processes that call it for a keyset file in the same folder
// waiting until unlock is called or this process ends. The folder must exist.
// Reading and creating keysets need no lock.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir, err := os.Open(filepath.Dir(path)) // the file itself is replaced by saving
	if err != nil {
		return nil, fmt.Errorf("locking the keyset: %w", err)
	}
	for {
		err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { dir.Close() }, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		dir.Close()
		return nil, fmt.Errorf("locking the keyset: %w", err)
	}
}

func (k *Keyset) mayReplace(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ids, err := listedIDs(text)
	if err != nil {
		return fmt.Errorf("not replacing %s: %w", path, err)
	}
	for _, id := range ids {
		if !slices.Contains(k.known, id) {
			return fmt.Errorf("not replacing %s: it holds key %d, which this keyset never had", path, id)
		}
	}
	return nil
}

// write puts the encoded keyset into a file next to path, on disk, and then in
// its place, with the owner and mode of what is there now.
func (k *Keyset) write(path string, place func(from, to string) error) error {
	text, err := k.Encode()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".keyset-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing to remove once renamed
	defer f.Close()
	if err := adopt(f, path); err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// adopt gives f the owner and mode of the file at path, if there is one: a
// keyset rotated by root must stay readable to the server.
func adopt(f *os.File, path string) error {
	want, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	have, err := f.Stat()
	if err != nil {
		return err
	}
	w, h := want.Sys().(*syscall.Stat_t), have.Sys().(*syscall.Stat_t)
	if w.Uid != h.Uid || w.Gid != h.Gid {
		if err := f.Chown(int(w.Uid), int(w.Gid)); err != nil {
			return fmt.Errorf("keeping the owner: %w", err)
		}
	}
	return f.Chmod(want.Mode().Perm())
}

// syncDir makes what was just placed in a directory survive a power cut.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
