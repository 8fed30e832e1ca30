package jsondoc_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/jsondoc"
)

func TestHalfCharactersAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`"\ud83d\ude00"`: true, `"\\ud800"`: true, `"\\\\ud800"`: true, `"\n\u0041\""`: true, `{"a\ud83d\ude00":1}`: true, `"\uD83D\uDE00\ud83d\ude00"`: true,
		`"\ud800"`: false, `"\udc00"`: false, `"\ud83d\ud83d\ude00"`: false, `"\ude00\ud83d"`: false, `"\ud83dx"`: false, `"\ud83d\n"`: false, `"\\\ud83d"`: false, `{"\ud800":1}`: false, `["\ud83d\\ude00"]`: false,
	} {
		if err := jsondoc.Check([]byte(text)); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzCheck holds what passes to what is promised of it.
func FuzzCheck(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-2.5e3,true,null,"x\n"],"b":{}}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `"\u0000"`, "\"\x00\"", "\"\xff\"", `"\ud800"`, `"\ud83d\ude00"`, `{}{}`, `[`, ``, ` 1 `, `1e999`, `-`, strings.Repeat("[", 65) + strings.Repeat("]", 65),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if jsondoc.Check(text) != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q is no JSON", text)
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(again, []byte(`\u0000`)) && !bytes.Contains(again, []byte(`\\u0000`)) {
			t.Errorf("%q holds NUL", text)
		}
		if bytes.Contains(again, []byte("\ufffd")) && !bytes.Contains(text, []byte("\ufffd")) && !bytes.Contains(bytes.ToLower(text), []byte(`\ufffd`)) {
			t.Errorf("%q reads as %q", text, again)
		}
		if err := jsondoc.Check(again); err != nil {
			t.Errorf("%q passes, but not as %q: %v", text, again, err)
		}
	})
}
