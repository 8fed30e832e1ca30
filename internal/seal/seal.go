// Package seal keeps secrets unreadable at rest.
//
// A [Keyset] seals secrets that have to be shown again and tags those that
// only have to be checked. It lives outside the database, in a file or in a
// configuration value, as cleartext or encrypted under a key-encryption key;
// any [tink.AEAD] will do as that key, among them tink's KMS clients.
//
// Sealed values and tags start with the five bytes 0x01 ‖ key id (big endian)
// of tink's TINK prefix, which is how rotation tells old from new.
package seal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/core/cryptofmt"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	// Overhead is how many bytes a sealed value is longer than its plaintext:
	// prefix 5, nonce 12, GCM tag 16.
	Overhead = 5 + 12 + 16

	// TagSize is the length in bytes of what [Keyset.MAC] returns: prefix 5,
	// HMAC-SHA256 32.
	TagSize = 5 + 32
)

// ErrForeign is what [Keyset.VerifyCheck] returns, wrapped, for a check value
// made with other keys.
var ErrForeign = errors.New("the keyset does not belong to this database")

// Keyset seals and tags. It holds one AES-256-GCM keyset and one HMAC-SHA256
// keyset, each with one primary key, which makes new values, and any number of
// older ones, which still read theirs.
//
// A Keyset never changes once made, so it may be used by several goroutines;
// [Keyset.Add], [Keyset.Promote], [Keyset.Prune] and [Keyset.WithKEK] return another one. No
// format verb and no JSON encoder prints its keys. The zero value is unusable.
type Keyset struct {
	aeadKeys, macKeys *keyset.Handle
	aead              tink.AEAD
	mac               tink.MAC

	kek   tink.AEAD // nil: stored as cleartext
	known []uint32  // ids of the keys this keyset or one it descends from held
}

// Location is where a sealed value is stored. A value opens only where it was
// sealed, so that a row cannot be given the secret of another. Any strings
// serve, the empty one too; locations that differ in any field are different,
// however their fields join up.
type Location struct{ Table, Row, Column string }

// associatedData puts its length before each field (uvarint), so that no two
// locations read alike.
func (l Location) associatedData() []byte {
	fields := []string{l.Table, l.Row, l.Column}
	b := make([]byte, 0, len(l.Table)+len(l.Row)+len(l.Column)+len(fields)*binary.MaxVarintLen32)
	for _, f := range fields {
		b = binary.AppendUvarint(b, uint64(len(f)))
		b = append(b, f...)
	}
	return b
}

// Seal encrypts plaintext for loc under the primary key, with a fresh random
// nonce: sealing twice gives two values. The result is [Overhead] bytes longer
// than plaintext, which may be empty. Rotate before one key has sealed 2^32
// values (NIST SP 800-38D §8.3).
func (k *Keyset) Seal(plaintext []byte, loc Location) ([]byte, error) {
	sealed, err := k.aead.Encrypt(plaintext, loc.associatedData())
	if err != nil {
		return nil, fmt.Errorf("sealing %s: %w", loc, err)
	}
	return sealed, nil
}

// Open returns what was sealed for loc, under any enabled key of the keyset.
//
// It fails when the keyset lacks the key, and when sealed was altered, cut
// short or sealed for another location. The error names loc and the key id;
// neither is secret.
func (k *Keyset) Open(sealed []byte, loc Location) ([]byte, error) {
	plaintext, err := k.aead.Decrypt(sealed, loc.associatedData())
	if err == nil {
		return plaintext, nil
	}
	id, ok := keyID(sealed)
	switch {
	case !ok || len(sealed) < Overhead:
		return nil, fmt.Errorf("opening %s: not a sealed value", loc)
	case !holds(k.aeadKeys, id):
		return nil, fmt.Errorf("opening %s: sealed under key %d, which the keyset lacks or has disabled", loc, id)
	}
	return nil, fmt.Errorf("opening %s: altered, or sealed for another place or with other keys", loc)
}

// String returns the fields, quoted, for messages.
func (l Location) String() string {
	return fmt.Sprintf("%q/%q/%q", l.Table, l.Row, l.Column)
}

// MAC returns the tag, under the primary key, that secret can be checked by
// without opening anything: [TagSize] bytes, the same for the same secret and
// location until the next rotation. It is fast, hence only as strong as secret
// is hard to guess for one who has the MAC key. Like a sealed value it is tied
// to its location: copied to another row it is worth nothing, and equal secrets
// cannot be told by their tags.
func (k *Keyset) MAC(secret []byte, loc Location) []byte {
	tag, err := k.mac.ComputeMAC(loc.bind(secret))
	if err != nil {
		panic(fmt.Sprintf("seal: computing a MAC: %v", err)) // HMAC takes any input
	}
	return tag
}

// VerifyMAC tells whether tag was made from secret at that location under any
// enabled key of the keyset. The time it takes does not depend on how much of
// tag is right.
func (k *Keyset) VerifyMAC(tag, secret []byte, loc Location) bool {
	return k.mac.VerifyMAC(tag, loc.bind(secret)) == nil
}

// bind puts the location before secret; its own encoding says where it ends.
func (l Location) bind(secret []byte) []byte { return append(l.associatedData(), secret...) }

// Stale reports whether sealed should be sealed again because it is under a key
// older than the primary one, or one that the keyset lacks. It looks at the
// prefix only: true for anything else than a sealed value too. What another
// process has sealed under a key that is yet to be promoted here is not stale.
func (k *Keyset) Stale(sealed []byte) bool { return stale(k.aeadKeys, sealed) }

// StaleMAC reports whether tag should be computed again, as [Keyset.Stale] does. A
// tag can be renewed whenever the secret is at hand: from the sealed value or,
// where none is kept, when a caller presents it.
func (k *Keyset) StaleMAC(tag []byte) bool { return stale(k.macKeys, tag) }

// Prefix returns the five bytes that values under the primary key start with:
// sealed ones or, for [PurposeMAC], tags.
func (k *Keyset) Prefix(p Purpose) []byte {
	h := k.aeadKeys
	if p == PurposeMAC {
		h = k.macKeys
	}
	return binary.BigEndian.AppendUint32([]byte{cryptofmt.TinkStartByte}, primary(h))
}

func stale(h *keyset.Handle, value []byte) bool {
	id, ok := keyID(value)
	older := true
	for e := range entries(h) {
		older = older && !e.IsPrimary()
		if ok && e.KeyID() == id {
			return older
		}
	}
	return true
}

// keyID reads the TINK prefix of a sealed value or tag.
func keyID(value []byte) (id uint32, ok bool) {
	if len(value) < cryptofmt.TinkPrefixSize || value[0] != cryptofmt.TinkStartByte {
		return 0, false
	}
	return binary.BigEndian.Uint32(value[1:]), true
}

// The check value is a tag of checkText sealed at checkLocation: one value that
// proves both kinds of keys.
var (
	checkText     = []byte("roster keyset check")
	checkLocation = Location{"keyset", "check", ""}
)

// CheckValue returns a value to store in the database, by which
// [Keyset.VerifyCheck] recognises the keyset the database was filled with and
// every keyset descended from it. It is [Overhead] + [TagSize] bytes long,
// different every time, and no secret. Replace it when it is [Keyset.Stale],
// else pruning the old keys makes it unreadable.
func (k *Keyset) CheckValue() []byte {
	check, err := k.Seal(k.MAC(checkText, checkLocation), checkLocation)
	if err != nil {
		panic(fmt.Sprintf("seal: %v", err)) // only too long a plaintext fails
	}
	return check
}

// VerifyCheck returns nil if check came from this keyset or one it descends
// from, else [ErrForeign] wrapped with the reason. Call it at start, before
// anything is sealed with keys that the rest of the database does not share.
func (k *Keyset) VerifyCheck(check []byte) error {
	tag, err := k.Open(check, checkLocation)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if !k.VerifyMAC(tag, checkText, checkLocation) {
		return fmt.Errorf("%w: its MAC keys are others", ErrForeign)
	}
	return nil
}
