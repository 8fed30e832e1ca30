package seal

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/mac/hmac"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Purpose is what a key is for.
type Purpose string

const (
	PurposeAEAD Purpose = "aead" // sealing
	PurposeMAC  Purpose = "mac"  // tagging
)

// KeyInfo describes a key without the key itself.
type KeyInfo struct {
	ID      uint32 // unique in the keyset, across both purposes
	Purpose Purpose
	Primary bool   // makes the new values; one a purpose
	Status  string // "Enabled", "Disabled" or "Destroyed"; only enabled keys work
}

// New makes a keyset of two fresh keys, in memory only. Under a kek that is not
// nil it encodes and saves encrypted.
func New(kek tink.AEAD) (*Keyset, error) {
	a, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making a sealing key: %w", err)
	}
	m, err := keyset.NewHandle(mac.HMACSHA256Tag256KeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making a MAC key: %w", err)
	}
	return build(a, m, kek, nil)
}

// build checks both handles and makes the keyset. known are the ids of keys
// that the keyset once held.
func build(a, m *keyset.Handle, kek tink.AEAD, known []uint32) (*Keyset, error) {
	if err := checkKind(PurposeAEAD, a); err != nil {
		return nil, err
	}
	if err := checkKind(PurposeMAC, m); err != nil {
		return nil, err
	}
	k := &Keyset{aeadKeys: a, macKeys: m, kek: kek}
	ids := make(map[uint32]bool)
	for _, info := range k.Keys() {
		if ids[info.ID] { // one in 4 billion by chance
			return nil, fmt.Errorf("key id %d occurs twice", info.ID)
		}
		ids[info.ID] = true
		known = append(known, info.ID)
	}
	slices.Sort(known)
	k.known = slices.Compact(known)

	var err error
	if k.aead, err = aead.New(a); err != nil {
		return nil, errors.New("the aead keys do not work")
	}
	if k.mac, err = mac.New(m); err != nil {
		return nil, errors.New("the mac keys do not work")
	}
	return k, nil
}

// checkKind refuses keys other than those New makes: sizes and prefixes of all
// values are promised, and a key without prefix could not be told stale.
func checkKind(purpose Purpose, h *keyset.Handle) error {
	for e := range entries(h) {
		var ok bool
		var want string
		switch purpose {
		case PurposeAEAD:
			want = "AES-256-GCM"
			p, is := e.Key().Parameters().(*aesgcm.Parameters)
			ok = is && p.KeySizeInBytes() == 32 && p.IVSizeInBytes() == 12 &&
				p.TagSizeInBytes() == 16 && p.Variant() == aesgcm.VariantTink
		case PurposeMAC:
			want = "HMAC-SHA256 with a key and tag of 32 bytes"
			p, is := e.Key().Parameters().(*hmac.Parameters)
			ok = is && p.KeySizeInBytes() == 32 && p.HashType() == hmac.SHA256 &&
				p.CryptographicTagSizeInBytes() == 32 && p.Variant() == hmac.VariantTink
		}
		if !ok {
			return fmt.Errorf("key %d of the %s keys is of the wrong kind: want %s with TINK prefix", e.KeyID(), purpose, want)
		}
	}
	return nil
}

// Keys lists the keys of both purposes, sealing keys first, oldest first.
func (k *Keyset) Keys() []KeyInfo {
	var list []KeyInfo
	for purpose, h := range k.handles {
		for e := range entries(h) {
			list = append(list, KeyInfo{e.KeyID(), purpose, e.IsPrimary(), e.KeyStatus().String()})
		}
	}
	return list
}

func (k *Keyset) handles(yield func(Purpose, *keyset.Handle) bool) {
	_ = yield(PurposeAEAD, k.aeadKeys) && yield(PurposeMAC, k.macKeys)
}

// Add returns the keyset with one more key for either purpose, which reads but
// makes no new values before [Keyset.Promote]. Save it and give it to every
// process that shares the database before promoting: one that lacks the new
// keys cannot read what another makes with them.
func (k *Keyset) Add() (*Keyset, error) {
	a, m := keyset.NewManagerFromHandle(k.aeadKeys), keyset.NewManagerFromHandle(k.macKeys)
	if _, err := a.Add(aead.AES256GCMKeyTemplate()); err != nil {
		return nil, fmt.Errorf("making a sealing key: %w", err)
	}
	if _, err := m.Add(mac.HMACSHA256Tag256KeyTemplate()); err != nil {
		return nil, fmt.Errorf("making a MAC key: %w", err)
	}
	return k.descend(a, m)
}

// Pending tells whether there is a key newer than the primary one of its
// purpose: [Keyset.Add] was called and [Keyset.Promote] was not.
func (k *Keyset) Pending() bool {
	return newest(k.aeadKeys) != primary(k.aeadKeys) || newest(k.macKeys) != primary(k.macKeys)
}

// Promote returns the keyset with the newest key of either purpose as the
// primary one. Then renew what is [Keyset.Stale] or [Keyset.StaleMAC], the
// check value included, and [Keyset.Prune].
func (k *Keyset) Promote() (*Keyset, error) {
	a, m := keyset.NewManagerFromHandle(k.aeadKeys), keyset.NewManagerFromHandle(k.macKeys)
	if err := a.SetPrimary(newest(k.aeadKeys)); err != nil {
		return nil, fmt.Errorf("setting the primary sealing key: %w", err)
	}
	if err := m.SetPrimary(newest(k.macKeys)); err != nil {
		return nil, fmt.Errorf("setting the primary MAC key: %w", err)
	}
	return k.descend(a, m)
}

// Superseded lists the ids of a purpose's keys that are older than the primary
// one, oldest first: what may be pruned once nothing uses it.
func (k *Keyset) Superseded(p Purpose) []uint32 {
	var ids []uint32
	for _, info := range k.Keys() {
		if info.Purpose == p {
			if info.Primary {
				break
			}
			ids = append(ids, info.ID)
		}
	}
	return ids
}

// Prune returns the keyset without the keys of these ids, which nothing may
// use any more: what they sealed is lost, what they tagged no longer verifies.
// A primary or unknown id fails the whole call; no ids at all change nothing.
func (k *Keyset) Prune(ids ...uint32) (*Keyset, error) {
	a, m := keyset.NewManagerFromHandle(k.aeadKeys), keyset.NewManagerFromHandle(k.macKeys)
	keys := k.Keys()
	for _, id := range ids {
		i := slices.IndexFunc(keys, func(info KeyInfo) bool { return info.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("the keyset has no key %d", id)
		}
		if keys[i].Primary {
			return nil, fmt.Errorf("key %d is the primary %s key: rotate first", id, keys[i].Purpose)
		}
		manager := a
		if keys[i].Purpose == PurposeMAC {
			manager = m
		}
		if err := manager.Delete(id); err != nil {
			return nil, fmt.Errorf("dropping key %d: %w", id, err)
		}
		keys = slices.Delete(keys, i, i+1)
	}
	return k.descend(a, m)
}

func (k *Keyset) descend(a, m *keyset.Manager) (*Keyset, error) {
	aeadKeys, err := a.Handle()
	if err != nil {
		return nil, fmt.Errorf("rebuilding the aead keys: %w", err)
	}
	macKeys, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("rebuilding the mac keys: %w", err)
	}
	return build(aeadKeys, macKeys, k.kek, slices.Clone(k.known))
}

func entries(h *keyset.Handle) func(yield func(*keyset.Entry) bool) {
	return func(yield func(*keyset.Entry) bool) {
		for i := range h.Len() {
			e, err := h.Entry(i)
			if err != nil {
				panic(fmt.Sprintf("seal: %v", err)) // i is in range
			}
			if !yield(e) {
				return
			}
		}
	}
}

func primary(h *keyset.Handle) uint32 {
	e, err := h.Primary()
	if err != nil {
		panic(fmt.Sprintf("seal: %v", err)) // no handle is made without
	}
	return e.KeyID()
}

func newest(h *keyset.Handle) uint32 {
	e, err := h.Entry(h.Len() - 1)
	if err != nil {
		panic(fmt.Sprintf("seal: %v", err)) // no handle is empty
	}
	return e.KeyID()
}

// holds tells whether an enabled key of that id is in h.
func holds(h *keyset.Handle, id uint32) bool {
	for e := range entries(h) {
		if e.KeyID() == id && e.KeyStatus() == keyset.Enabled {
			return true
		}
	}
	return false
}
