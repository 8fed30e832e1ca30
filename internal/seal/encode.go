package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const version = 1

// document is the stored form: JSON with
//
//	version    1
//	encrypted  whether aead and mac are encrypted under a key-encryption key
//	aead, mac  a Keyset of tink's in JSON, or an EncryptedKeyset when encrypted
type document struct {
	Version   int             `json:"version"`
	Encrypted bool            `json:"encrypted"`
	AEAD      json.RawMessage `json:"aead"`
	MAC       json.RawMessage `json:"mac"`
}

// associatedData of an encrypted member, so that neither can stand for the
// other nor for anything else under the same key-encryption key.
func associatedData(p Purpose) []byte { return []byte("roster keyset " + p) }

// Encode returns the keyset as text, with a newline at the end, for a file or a
// configuration value. Without a key-encryption key the text holds the keys in
// the clear. With one, encoding calls it twice and fails as it does.
func (k *Keyset) Encode() ([]byte, error) {
	members := make(map[Purpose]json.RawMessage)
	for purpose, h := range k.handles {
		var b bytes.Buffer
		var err error
		if w := keyset.NewJSONWriter(&b); k.kek == nil {
			err = insecurecleartextkeyset.Write(h, w)
		} else {
			err = h.WriteWithAssociatedData(w, k.kek, associatedData(purpose))
		}
		if err != nil {
			return nil, fmt.Errorf("encoding the %s keys: %w", purpose, err)
		}
		members[purpose] = b.Bytes()
	}
	text, err := json.MarshalIndent(document{version, k.kek != nil, members[PurposeAEAD], members[PurposeMAC]}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the keyset: %w", err)
	}
	return append(text, '\n'), nil
}

// Parse reads what [Keyset.Encode] wrote; white space around it is ignored.
//
// kek is the key-encryption key that the text is encrypted under, nil if it is
// cleartext; a text of the other sort is refused, so that dropping encryption
// takes [Keyset.WithKEK] and not an oversight. Every key must be of the kind
// that [New] makes. Errors never hold any part of the text but key ids.
func Parse(text []byte, kek tink.AEAD) (*Keyset, error) {
	var doc document
	// Errors of the JSON packages quote what they stumble over, which may be a
	// key: they go no further.
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("damaged keyset: no JSON object of version, encrypted, aead and mac (stopped at byte %d of %d)", d.InputOffset(), len(text))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("damaged keyset: something follows it at byte %d", d.InputOffset())
	}
	switch {
	case doc.Version != version:
		return nil, fmt.Errorf("keyset has version %d, this release reads %d", doc.Version, version)
	case doc.Encrypted && kek == nil:
		return nil, errors.New("keyset is encrypted and no key-encryption key is configured")
	case !doc.Encrypted && kek != nil:
		return nil, errors.New("keyset is not encrypted, though a key-encryption key is configured")
	}
	aeadKeys, err := parseMember(PurposeAEAD, doc.AEAD, kek)
	if err != nil {
		return nil, err
	}
	macKeys, err := parseMember(PurposeMAC, doc.MAC, kek)
	if err != nil {
		return nil, err
	}
	return build(aeadKeys, macKeys, kek, nil)
}

// parseMember reads each text twice because tink's own loading would report a
// damaged text by quoting it.
func parseMember(purpose Purpose, text json.RawMessage, kek tink.AEAD) (*keyset.Handle, error) {
	reader := func() keyset.Reader { return keyset.NewJSONReader(bytes.NewReader(text)) }
	damaged := fmt.Errorf("damaged keyset: %s is no tink keyset in JSON", purpose)
	if kek != nil {
		if _, err := reader().ReadEncrypted(); err != nil {
			return nil, damaged
		}
		h, err := keyset.ReadWithAssociatedData(reader(), kek, associatedData(purpose))
		if err != nil {
			return nil, fmt.Errorf("decrypting the %s keys: %w", purpose, err)
		}
		return h, nil
	}
	keys, err := reader().Read()
	if err != nil {
		return nil, damaged
	}
	if err := keyset.Validate(keys); err != nil {
		return nil, fmt.Errorf("damaged keyset: %s: %w", purpose, err)
	}
	h, err := insecurecleartextkeyset.Read(reader())
	if err != nil {
		return nil, fmt.Errorf("damaged keyset: %s holds a key that cannot be read", purpose)
	}
	return h, nil
}

// listedIDs returns the key ids in an encoded keyset, which are in the clear
// even when the keys are not.
func listedIDs(text []byte) ([]uint32, error) {
	type key struct {
		ID uint32 `json:"keyId"`
	}
	type member struct {
		Key        []key `json:"key"`
		KeysetInfo struct {
			KeyInfo []key `json:"keyInfo"`
		} `json:"keysetInfo"`
	}
	var doc struct {
		AEAD member `json:"aead"`
		MAC  member `json:"mac"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, errors.New("it is no keyset") // err may quote a key
	}
	var ids []uint32
	for _, k := range slices.Concat(doc.AEAD.Key, doc.AEAD.KeysetInfo.KeyInfo, doc.MAC.Key, doc.MAC.KeysetInfo.KeyInfo) {
		ids = append(ids, k.ID)
	}
	if len(ids) == 0 {
		return nil, errors.New("it is no keyset")
	}
	return ids, nil
}

// WithKEK returns the same keys, to be encoded and saved under kek; nil means
// in the clear.
func (k *Keyset) WithKEK(kek tink.AEAD) *Keyset {
	other := *k
	other.kek = kek
	return &other
}
