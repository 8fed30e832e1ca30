package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

var here = Location{"client_secrets", "1", "sealed"}

func newKeyset(t testing.TB) *Keyset {
	t.Helper()
	k, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustSeal(t testing.TB, k *Keyset, plaintext string, loc Location) []byte {
	t.Helper()
	sealed, err := k.Seal([]byte(plaintext), loc)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func mustRotate(t testing.TB, k *Keyset) *Keyset {
	t.Helper()
	added, err := k.Add()
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := added.Promote()
	if err != nil {
		t.Fatal(err)
	}
	return rotated
}

func wantOpens(t testing.TB, k *Keyset, sealed []byte, loc Location, want string) {
	t.Helper()
	got, err := k.Open(sealed, loc)
	if err != nil {
		t.Error(err)
	} else if string(got) != want {
		t.Errorf("Open = %q, want %q", got, want)
	}
}

func wantError(t testing.TB, err error, part string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", part)
	} else if !strings.Contains(err.Error(), part) {
		t.Errorf("error %q lacks %q", err, part)
	}
}

// keysOf returns the ids for one purpose, the primary apart.
func keysOf(k *Keyset, p Purpose) (primary uint32, others []uint32) {
	for _, info := range k.Keys() {
		switch {
		case info.Purpose != p:
		case info.Primary:
			primary = info.ID
		default:
			others = append(others, info.ID)
		}
	}
	return primary, others
}

func TestSealedValueOpensWithPromisedOverhead(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	for _, plaintext := range []string{"", "s", "a client secret", strings.Repeat("x", 64<<10)} {
		sealed := mustSeal(t, k, plaintext, here)
		if got, want := len(sealed), len(plaintext)+Overhead; got != want {
			t.Errorf("sealed length %d, want %d", got, want)
		}
		if len(plaintext) > 8 && bytes.Contains(sealed, []byte(plaintext)) {
			t.Error("sealed value holds its plaintext")
		}
		wantOpens(t, k, sealed, here, plaintext)
	}
	if bytes.Equal(mustSeal(t, k, "x", here), mustSeal(t, k, "x", here)) {
		t.Error("sealing twice gave the same value")
	}
}

func TestSealedValueOpensNowhereElse(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	sealed := mustSeal(t, k, "secret", here)
	for name, loc := range map[string]Location{
		"another row":       {here.Table, "2", here.Column},
		"another table":     {"signing_keys", here.Row, here.Column},
		"another column":    {here.Table, here.Row, "sealed_old"},
		"nowhere":           {},
		"fields shifted":    {here.Table + here.Row, "", here.Column},
		"fields exchanged":  {here.Row, here.Table, here.Column},
		"NUL in a field":    {here.Table + "\x00" + here.Row, "", here.Column},
		"row and more":      {here.Table, "11", here.Column},
		"check value's own": checkLocation,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := k.Open(sealed, loc)
			wantError(t, err, "sealed for another place")
		})
	}
}

func FuzzLocationsDoNotCollide(f *testing.F) {
	f.Add("ab", "c", "", "a", "bc", "")
	f.Add("\x01a", "", "", "", "a\x00", "\x00")
	f.Fuzz(func(t *testing.T, a, b, c, d, e, g string) {
		one, two := Location{a, b, c}, Location{d, e, g}
		if (one == two) != bytes.Equal(one.associatedData(), two.associatedData()) {
			t.Errorf("%s and %s: equal data does not mean equal locations", one, two)
		}
	})
}

func TestDamagedValueDoesNotOpen(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	sealed := mustSeal(t, k, "secret", here)
	for i := range len(sealed) * 8 {
		damaged := slices.Clone(sealed)
		damaged[i/8] ^= 1 << (i % 8)
		if _, err := k.Open(damaged, here); err == nil {
			t.Errorf("opened with bit %d flipped", i)
		}
	}
	for n := range len(sealed) {
		if _, err := k.Open(sealed[:n], here); err == nil {
			t.Errorf("opened when cut to %d bytes", n)
		}
	}
	if _, err := k.Open(append(slices.Clone(sealed), 0), here); err == nil {
		t.Error("opened with a byte more")
	}
	_, err := k.Open(nil, here)
	wantError(t, err, "not a sealed value")
}

func TestOpenNamesTheKeyItLacks(t *testing.T) {
	t.Parallel()
	k, other := newKeyset(t), newKeyset(t)
	id, _ := keysOf(other, PurposeAEAD)
	_, err := k.Open(mustSeal(t, other, "secret", here), here)
	wantError(t, err, fmt.Sprintf("key %d, which the keyset lacks", id))
}

func TestMACVerifiesItsSecretOnly(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	tag := k.MAC([]byte("secret"), here)
	if len(tag) != TagSize {
		t.Errorf("tag of %d bytes, want %d", len(tag), TagSize)
	}
	if !bytes.Equal(tag, k.MAC([]byte("secret"), here)) {
		t.Error("two tags of one secret differ")
	}
	if !k.VerifyMAC(tag, []byte("secret"), here) {
		t.Error("right secret refused")
	}
	for _, wrong := range []string{"", "Secret", "secret ", "secre"} {
		if k.VerifyMAC(tag, []byte(wrong), here) {
			t.Errorf("wrong secret %q accepted", wrong)
		}
	}
	for i := range tag {
		damaged := slices.Clone(tag)
		damaged[i] ^= 1
		if k.VerifyMAC(damaged, []byte("secret"), here) || k.VerifyMAC(tag[:i], []byte("secret"), here) {
			t.Errorf("tag altered or cut at byte %d accepted", i)
		}
	}
	if k.VerifyMAC(tag, []byte("secret"), Location{"client_secrets", "2", "sealed"}) {
		t.Error("a tag is good in another row")
	}
	if newKeyset(t).VerifyMAC(tag, []byte("secret"), here) {
		t.Error("tag accepted by another keyset")
	}
}

func TestCheckValueTellsKeysetsApart(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	check := k.CheckValue()
	if got, want := len(check), Overhead+TagSize; got != want {
		t.Errorf("check value of %d bytes, want %d", got, want)
	}
	rotated := mustRotate(t, mustRotate(t, k))
	for name, owner := range map[string]*Keyset{"same": k, "rotated": rotated} {
		if err := owner.VerifyCheck(check); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !rotated.Stale(check) || rotated.Stale(rotated.CheckValue()) {
		t.Error("staleness of the check value is wrong after rotation")
	}

	halfForeign, err := build(k.aeadKeys, newKeyset(t).macKeys, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keyset *Keyset
		check  []byte
	}{
		"another keyset":     {newKeyset(t), check},
		"other MAC keys":     {halfForeign, check},
		"child of check's":   {k, rotated.CheckValue()},
		"empty check":        {k, nil},
		"some sealed secret": {k, mustSeal(t, k, string(checkText), here)},
	} {
		if err := c.keyset.VerifyCheck(c.check); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: error %v, want ErrForeign", name, err)
		}
	}
}

func TestKeysetWorksForManyGoroutines(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 50 {
				secret, loc := fmt.Sprintf("%d/%d", i, j), Location{"t", fmt.Sprint(i), fmt.Sprint(j)}
				wantOpens(t, k, mustSealNoExit(t, k, secret, loc), loc, secret)
				if !k.VerifyMAC(k.MAC([]byte(secret), here), []byte(secret), here) {
					t.Error("own tag refused")
				}
			}
			if r, err := k.Add(); err != nil || len(r.Keys()) != 4 || len(k.Keys()) != 2 {
				t.Errorf("rotating beside others: %v", err)
			}
		})
	}
	wg.Wait()
}

// mustSealNoExit is mustSeal for goroutines, which may not call FailNow.
func mustSealNoExit(t testing.TB, k *Keyset, plaintext string, loc Location) []byte {
	sealed, err := k.Seal([]byte(plaintext), loc)
	if err != nil {
		t.Error(err)
	}
	return sealed
}

func FuzzOpen(f *testing.F) {
	k := newKeyset(f)
	sealed := mustSeal(f, k, "secret", here)
	f.Add(sealed)
	f.Add(sealed[:5])
	f.Add(binary.BigEndian.AppendUint32([]byte{1}, primary(k.aeadKeys)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		_, err := k.Open(value, here)
		if bytes.Equal(value, sealed) != (err == nil) {
			t.Errorf("Open(%x): %v", value, err)
		}
		if k.VerifyMAC(value, []byte("secret"), here) && !bytes.Equal(value, k.MAC([]byte("secret"), here)) {
			t.Errorf("tag %x accepted", value)
		}
		if err := k.VerifyCheck(value); err == nil {
			t.Errorf("check value %x accepted", value)
		}
		k.Stale(value)
		k.StaleMAC(value)
	})
}

func BenchmarkSealOpen(b *testing.B) {
	k := newKeyset(b)
	for b.Loop() {
		wantOpens(b, k, mustSeal(b, k, "0123456789abcdef0123456789abcdef", here), here, "0123456789abcdef0123456789abcdef")
	}
}

func BenchmarkVerifyMAC(b *testing.B) {
	k := newKeyset(b)
	secret := []byte("0123456789abcdef0123456789abcdef")
	tag := k.MAC(secret, here)
	for b.Loop() {
		if !k.VerifyMAC(tag, secret, here) {
			b.Fatal("refused")
		}
	}
}
