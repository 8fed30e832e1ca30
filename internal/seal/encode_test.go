package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

func newKEK(t testing.TB) tink.AEAD {
	t.Helper()
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	kek, err := aead.New(h)
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

func mustEncode(t testing.TB, k *Keyset) []byte {
	t.Helper()
	text, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// rawKeys returns the key material of a cleartext text, base64 as tink has it.
func rawKeys(t testing.TB, text []byte) []string {
	t.Helper()
	var keys []string
	for _, m := range regexp.MustCompile(`"value":\s*"([^"]+)"`).FindAllSubmatch(text, -1) {
		keys = append(keys, string(m[1]))
	}
	if len(keys) == 0 {
		t.Fatal("no key material in the text")
	}
	return keys
}

func TestEncodedKeysetParsesToTheSameKeys(t *testing.T) {
	t.Parallel()
	for name, kek := range map[string]tink.AEAD{"cleartext": nil, "encrypted": newKEK(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := mustRotate(t, newKeyset(t).WithKEK(kek))
			text := mustEncode(t, k)
			got, err := Parse(append([]byte(" \n"), text...), kek)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(k.Keys(), got.Keys()); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			wantOpens(t, got, mustSeal(t, k, "secret", here), here, "secret")
			if !got.VerifyMAC(k.MAC([]byte("secret"), here), []byte("secret"), here) {
				t.Error("tag refused after a round trip")
			}
			// The key-encryption key stays through rotation.
			if _, err := Parse(mustEncode(t, mustRotate(t, got)), kek); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEncryptedTextHoldsNoKey(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	text := mustEncode(t, k.WithKEK(newKEK(t)))
	for _, key := range rawKeys(t, mustEncode(t, k)) {
		if bytes.Contains(text, []byte(key)) {
			t.Error("encrypted text holds a key in the clear")
		}
	}
}

func TestParseRefusesTheWrongKEK(t *testing.T) {
	t.Parallel()
	kek, clear := newKEK(t), newKeyset(t)
	encrypted := mustEncode(t, clear.WithKEK(kek))
	var swapped map[string]any
	if err := json.Unmarshal(encrypted, &swapped); err != nil {
		t.Fatal(err)
	}
	swapped["aead"], swapped["mac"] = swapped["mac"], swapped["aead"]
	swappedText, err := json.Marshal(swapped)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		kek  tink.AEAD
		want string
	}{
		"none for an encrypted text": {encrypted, nil, "is encrypted and no key-encryption key"},
		"one for a cleartext":        {mustEncode(t, clear), kek, "not encrypted"},
		"another":                    {encrypted, newKEK(t), "decrypting the aead keys"},
		"members swapped":            {swappedText, kek, "decrypting the aead keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(c.text, c.kek)
			wantError(t, err, c.want)
		})
	}
}

type failingKEK struct{ error }

func (f failingKEK) Encrypt(_, _ []byte) ([]byte, error) { return nil, f.error }
func (f failingKEK) Decrypt(_, _ []byte) ([]byte, error) { return nil, f.error }

func TestFailureOfTheKEKIsReported(t *testing.T) {
	t.Parallel()
	kek := failingKEK{errors.New("the KMS is away")}
	_, err := newKeyset(t).WithKEK(kek).Encode()
	wantError(t, err, "the KMS is away")
	_, err = Parse(mustEncode(t, newKeyset(t).WithKEK(newKEK(t))), kek)
	wantError(t, err, "the KMS is away")
}

// tinkJSON is a cleartext keyset of one key.
func tinkJSON(t testing.TB, template *tinkpb.KeyTemplate) string {
	t.Helper()
	h, err := keyset.NewHandle(template)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&b)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestParseRefusesDamageAndWrongKeysWithoutQuotingThem(t *testing.T) {
	t.Parallel()
	good := string(mustEncode(t, newKeyset(t)))
	a, m := tinkJSON(t, aead.AES256GCMKeyTemplate()), tinkJSON(t, mac.HMACSHA256Tag256KeyTemplate())
	join := func(a, m string) string { return fmt.Sprintf(`{"version":1,"aead":%s,"mac":%s}`, a, m) }
	raw := aead.AES256GCMKeyTemplate()
	raw.OutputPrefixType = tinkpb.OutputPrefixType_RAW
	secret := "c2VjcmV0IGtleSBtYXRlcmlhbA=="

	for name, c := range map[string]struct{ text, want string }{
		"empty":                  {"", "damaged"},
		"not JSON":               {secret, "damaged"},
		"cut":                    {good[:len(good)/2], "damaged"},
		"something after":        {good + secret, "something follows"},
		"unknown member":         {strings.Replace(good, "{", `{"`+secret+`":1,`, 1), "damaged"},
		"key as version":         {`{"version":"` + secret + `"}`, "damaged"},
		"an array":               {`["` + secret + `"]`, "damaged"},
		"null":                   {"null", "version 0"},
		"a later version":        {strings.Replace(good, `"version": 1`, `"version": 2`, 1), "version 2"},
		"no MAC keys":            {`{"version":1,"aead":` + a + `}`, "mac is no tink keyset"},
		"null keys":              {join("null", m), "damaged keyset: aead"},
		"string for keys":        {join(`"`+secret+`"`, m), "aead is no tink keyset"},
		"unknown member in keys": {join(`{"`+secret+`":1}`, m), "aead is no tink keyset"},
		"bad base64":             {join(strings.Replace(a, `"value":"`, `"value":"!`+secret, 1), m), "damaged"},
		"no keys":                {join(`{}`, m), "empty keyset"},
		"key of another length":  {join(regexp.MustCompile(`"value":\s*"[^"]+"`).ReplaceAllString(a, `"value":"`+secret+`"`), m), "damaged"},
		"primary missing":        {join(regexp.MustCompile(`"primaryKeyId":\s*\d+`).ReplaceAllString(a, `"primaryKeyId":1`), m), "primary key"},
		"sets exchanged":         {join(m, a), "wrong kind: want AES-256-GCM"},
		"AES-128":                {join(tinkJSON(t, aead.AES128GCMKeyTemplate()), m), "wrong kind: want AES-256-GCM"},
		"no prefix":              {join(tinkJSON(t, raw), m), "wrong kind: want AES-256-GCM"},
		"another AEAD":           {join(tinkJSON(t, aead.XChaCha20Poly1305KeyTemplate()), m), "wrong kind: want AES-256-GCM"},
		"short tag":              {join(a, tinkJSON(t, mac.HMACSHA256Tag128KeyTemplate())), "wrong kind: want HMAC-SHA256"},
		"SHA-512":                {join(a, tinkJSON(t, mac.HMACSHA512Tag256KeyTemplate())), "wrong kind: want HMAC-SHA256"},
		"CMAC":                   {join(a, tinkJSON(t, mac.AESCMACTag128KeyTemplate())), "wrong kind: want HMAC-SHA256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(c.text), nil)
			wantError(t, err, c.want)
			if err == nil {
				return
			}
			for _, key := range append(rawKeys(t, []byte(good+a+m)), secret, "secret key material") {
				if strings.Contains(err.Error(), key) {
					t.Errorf("error quotes the text: %v", err)
				}
			}
		})
	}
	if _, err := Parse([]byte(join(a, m)), nil); err != nil {
		t.Errorf("two fresh tink keysets are refused: %v", err)
	}
}

func TestOneIDForTwoKeysIsRefused(t *testing.T) {
	t.Parallel()
	setID := func(s string) string {
		return regexp.MustCompile(`[kK]eyId":\s*\d+`).ReplaceAllStringFunc(s, func(m string) string {
			return m[:strings.Index(m, ":")] + ":7"
		})
	}
	_, err := Parse([]byte(setID(string(mustEncode(t, newKeyset(t))))), nil)
	wantError(t, err, "key id 7 occurs twice")
}

func TestPrintingAKeysetShowsNoKey(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+verb, k, *k)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("keyset", "keyset", k)
	slog.New(slog.NewTextHandler(&out, nil)).Info("keyset", "keyset", k)
	b, err := json.Marshal([]any{k, *k})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	// Key bytes would show as base64, as a list of numbers or as hex.
	for _, shape := range []string{`\[\d+( \d+){15}`, `0x[0-9a-f]{2}, 0x[0-9a-f]{2}`, `[0-9a-f]{32}`, `[A-Za-z0-9+/]{40}`} {
		if found := regexp.MustCompile(shape).FindString(out.String()); found != "" {
			t.Errorf("printed something like a key: %s", found)
		}
	}
}

func FuzzParse(f *testing.F) {
	k := newKeyset(f)
	good := mustEncode(f, k)
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(mustEncode(f, mustRotate(f, k)))
	f.Add(mustEncode(f, k.WithKEK(newKEK(f))))
	f.Add([]byte(`{"version":1,"aead":{},"mac":{}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		listedIDs(text)
		k, err := Parse(text, nil)
		if err != nil {
			return
		}
		wantOpens(t, k, mustSeal(t, k, "secret", here), here, "secret")
		if !k.VerifyMAC(k.MAC([]byte("secret"), here), []byte("secret"), here) {
			t.Error("own tag refused")
		}
		again, err := Parse(mustEncode(t, k), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(k.Keys(), again.Keys()); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
	})
}
