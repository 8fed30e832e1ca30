package seal

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

func TestRotateKeepsOldValuesReadableAndStale(t *testing.T) {
	t.Parallel()
	old := newKeyset(t)
	sealed, tag := mustSeal(t, old, "secret", here), old.MAC([]byte("secret"), here)
	if old.Stale(sealed) || old.StaleMAC(tag) {
		t.Error("fresh values are stale")
	}

	k := mustRotate(t, old)
	wantOpens(t, k, sealed, here, "secret")
	if !k.VerifyMAC(tag, []byte("secret"), here) {
		t.Error("old tag refused after rotation")
	}
	if !k.Stale(sealed) || !k.StaleMAC(tag) {
		t.Error("old values are not stale after rotation")
	}
	resealed, retagged := mustSeal(t, k, "secret", here), k.MAC([]byte("secret"), here)
	if k.Stale(resealed) || k.StaleMAC(retagged) {
		t.Error("renewed values are stale")
	}
	if _, err := old.Open(resealed, here); err == nil {
		t.Error("the old keyset opens what the new key sealed")
	}
}

func TestStaleIsTrueForWhatIsNoValue(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	sealed := mustSeal(t, k, "secret", here)
	for name, value := range map[string][]byte{
		"nil": nil, "short": sealed[:4], "no prefix": append([]byte{0}, sealed[1:]...),
		"a tag": k.MAC([]byte("secret"), here),
	} {
		if !k.Stale(value) {
			t.Errorf("%s is not stale", name)
		}
	}
	if !k.StaleMAC(sealed) {
		t.Error("a sealed value is no stale tag")
	}
}

func TestKeysListsBothPurposes(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	first := k.Keys()
	rotated := mustRotate(t, k).Keys()
	type entry struct {
		Purpose Purpose
		Primary bool
		Status  string
	}
	var got []entry
	for _, info := range rotated {
		got = append(got, entry{info.Purpose, info.Primary, info.Status})
	}
	want := []entry{
		{PurposeAEAD, false, "Enabled"}, {PurposeAEAD, true, "Enabled"},
		{PurposeMAC, false, "Enabled"}, {PurposeMAC, true, "Enabled"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys after a rotation (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint32{first[0].ID, first[1].ID}, []uint32{rotated[0].ID, rotated[2].ID}); diff != "" {
		t.Errorf("old ids (-want +got):\n%s", diff)
	}
}

func TestPruneDropsOldKeysForGood(t *testing.T) {
	t.Parallel()
	old := newKeyset(t)
	sealed, tag := mustSeal(t, old, "secret", here), old.MAC([]byte("secret"), here)
	check := old.CheckValue()
	k := mustRotate(t, old)
	_, oldAEAD := keysOf(k, PurposeAEAD)
	_, oldMAC := keysOf(k, PurposeMAC)

	pruned, err := k.Prune(slices.Concat(oldAEAD, oldMAC)...)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(pruned.Keys()); n != 2 {
		t.Errorf("%d keys left, want 2", n)
	}
	_, err = pruned.Open(sealed, here)
	wantError(t, err, fmt.Sprintf("key %d, which the keyset lacks", oldAEAD[0]))
	if pruned.VerifyMAC(tag, []byte("secret"), here) {
		t.Error("tag of a pruned key accepted")
	}
	if pruned.VerifyCheck(check) == nil {
		t.Error("check value of a pruned key accepted")
	}
	if err := pruned.VerifyCheck(k.CheckValue()); err != nil {
		t.Error(err)
	}
	wantOpens(t, k, sealed, here, "secret") // the receiver is as it was
}

func TestPruneRefusesPrimaryAndUnknownKeys(t *testing.T) {
	t.Parallel()
	k := mustRotate(t, newKeyset(t))
	aeadID, oldAEAD := keysOf(k, PurposeAEAD)
	macID, _ := keysOf(k, PurposeMAC)
	unknown := uint32(1)
	for slices.ContainsFunc(k.Keys(), func(i KeyInfo) bool { return i.ID == unknown }) {
		unknown++
	}
	for name, c := range map[string]struct {
		ids  []uint32
		want string
	}{
		"primary sealing key":       {[]uint32{aeadID}, "primary aead key"},
		"primary MAC key":           {[]uint32{macID}, "primary mac key"},
		"unknown":                   {[]uint32{unknown}, "no key"},
		"the same twice":            {[]uint32{oldAEAD[0], oldAEAD[0]}, "no key"},
		"one good one, one primary": {[]uint32{oldAEAD[0], macID}, "primary mac key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := k.Prune(c.ids...)
			wantError(t, err, c.want)
		})
	}
	same, err := k.Prune()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(k.Keys(), same.Keys()); diff != "" {
		t.Errorf("pruning nothing (-want +got):\n%s", diff)
	}
}

func TestDisabledKeyDoesNotWork(t *testing.T) {
	t.Parallel()
	old := newKeyset(t)
	sealed := mustSeal(t, old, "secret", here)
	k := mustRotate(t, old)
	_, ids := keysOf(k, PurposeAEAD)
	m := keyset.NewManagerFromHandle(k.aeadKeys)
	if err := m.Disable(ids[0]); err != nil {
		t.Fatal(err)
	}
	disabled, err := k.descend(m, keyset.NewManagerFromHandle(k.macKeys))
	if err != nil {
		t.Fatal(err)
	}
	_, err = disabled.Open(sealed, here)
	wantError(t, err, "lacks or has disabled")
	if got := disabled.Keys()[0].Status; got != "Disabled" {
		t.Errorf("status %q, want Disabled", got)
	}
}
