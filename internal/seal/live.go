package seal

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// Live is a keyset in use that follows the file it came from, so that keys can
// be rotated while processes run. It may be used by several goroutines.
//
// What a key dropped from the file has made still reads for lingerTime, since
// values read before the change may be on their way.
type Live struct {
	path  string // "": never changes
	kek   tink.AEAD
	state atomic.Pointer[generation]

	mu   sync.Mutex  // held while reading the file
	seen os.FileInfo // of the file that state is from; nil: not known
}

type generation struct {
	keys   *Keyset
	before *Keyset // nil: the first generation
	since  time.Time
}

const lingerTime = 5 * time.Minute

// NewLive returns k, to be replaced by what the file at path holds whenever
// [Live.Refresh] finds it changed. With an empty path it stays k for good.
func NewLive(k *Keyset, path string) *Live {
	l := &Live{path: path, kek: k.kek}
	l.state.Store(&generation{keys: k, since: time.Now()})
	return l
}

// Current returns the keyset in use now; do not keep it.
func (l *Live) Current() *Keyset { return l.state.Load().keys }

// Refresh reads the file again if it was changed since it was read, and reports
// whether the keyset is another one now. A file that is missing, damaged or not
// descended from the keyset in use is an error, and the keyset stays.
func (l *Live) Refresh() (changed bool, err error) {
	if l.path == "" {
		return false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := os.Stat(l.path)
	if err != nil {
		return false, fmt.Errorf("reading the keyset: %w", err)
	}
	if l.seen != nil && os.SameFile(l.seen, info) && l.seen.ModTime().Equal(info.ModTime()) && l.seen.Size() == info.Size() {
		return false, nil
	}
	k, _, err := Load(l.path, l.kek)
	if err != nil {
		return false, err
	}
	now := l.state.Load().keys
	if err := k.VerifyCheck(now.CheckValue()); err != nil {
		return false, fmt.Errorf("keyset %s: not taking it instead of the one in use: %w", l.path, err)
	}
	l.seen = info
	if slices.Equal(k.Keys(), now.Keys()) {
		return false, nil
	}
	l.state.Store(&generation{keys: k, before: now, since: time.Now()})
	return true, nil
}

// Seal is [Keyset.Seal] with the keyset of the moment.
func (l *Live) Seal(plaintext []byte, loc Location) ([]byte, error) {
	return l.Current().Seal(plaintext, loc)
}

// Open is [Keyset.Open]. It reads the file before it gives up on a key that the
// keyset lacks: another process may have begun to use it just now.
func (l *Live) Open(sealed []byte, loc Location) ([]byte, error) {
	return l.reading(sealed, (*Keyset).opens).Open(sealed, loc)
}

// MAC is [Keyset.MAC] with the keyset of the moment.
func (l *Live) MAC(secret []byte, loc Location) []byte { return l.Current().MAC(secret, loc) }

// VerifyMAC is [Keyset.VerifyMAC]. Like [Live.Open] it reads the file for a key
// that the keyset lacks.
func (l *Live) VerifyMAC(tag, secret []byte, loc Location) bool {
	return l.reading(tag, (*Keyset).verifies).VerifyMAC(tag, secret, loc)
}

// StaleMAC is [Keyset.StaleMAC] with the keyset of the moment.
func (l *Live) StaleMAC(tag []byte) bool { return l.Current().StaleMAC(tag) }

// reading returns the keyset to read value with.
func (l *Live) reading(value []byte, reads func(*Keyset, []byte) bool) *Keyset {
	g := l.state.Load()
	if _, ok := keyID(value); !ok || reads(g.keys, value) {
		return g.keys
	}
	if changed, _ := l.Refresh(); changed { // who calls Refresh regularly reports its error
		g = l.state.Load()
	}
	if !reads(g.keys, value) && g.before != nil && reads(g.before, value) && time.Since(g.since) < lingerTime {
		return g.before
	}
	return g.keys
}

func (k *Keyset) opens(sealed []byte) bool {
	id, ok := keyID(sealed)
	return ok && holds(k.aeadKeys, id)
}

func (k *Keyset) verifies(tag []byte) bool {
	id, ok := keyID(tag)
	return ok && holds(k.macKeys, id)
}
