package jsondoc_test

import (
	"bytes"
	"encoding/json"
	"reflect"
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

// texts are sound and unsound in every way that is distinguished.
var texts = []string{
	`{"a":[1,-2.5e3,true,null,"x\n"],"b":{}}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `"\u0000"`, "\"\x00\"", "\"\xff\"", `"\ud800"`, `"\ud83d\ude00"`,
	`{}{}`, `[`, ``, ` 1 `, `1e999`, `-`, strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65),
	`{"a":1,"a":`, `{"a\u0000":1,"a\u0000":2}`, `{"a":"\u0000","a":1}`, `{"a":"\u0000\x"}`, `{"\ud800":1,"\ud801":2}`, `["\ud800",]`, `["\ud800"] x`,
	`[1,]`, `[,1]`, `[1 2]`, `[1}`, `{"a":1]`, `{"a" 1}`, `{"a":1,}`, `{1:2}`, `{"a":}`, `{:1}`, `{"a"}`, `{`, `}`, `]`, `:`, `,`, `nul`, `nulll`, `true`, `tru`, `falsee`,
	`01`, `-0`, `-01`, `1.`, `.5`, `1.e1`, `1e`, `1e+`, `1E-7`, `+1`, `1x`, `[01]`, `0x1`, `36000.0`, `3.6e4`, `9007199254740991`, `9007199254740992`, `-9007199254740993.0`, `1e-400`, `0.1`,
	`"\"`, `"\q"`, `"\u12"`, `"\u12g4"`, `"\u00e9\/\b\f\n\r\t\\\""`, "\"\t\"", "\"\u00e9\u20ac\"", `"\uD83D\uDE00\ud83d\ude00"`, `"\ud83d\ud83d\ude00"`, `"\ude00\ud83d"`, `"\ud83dx"`, `"\ud83d\n"`,
	"\t{\r\n\"a\" : [ ] , \"b\" : { \"c\" : \"d\" } }\n", "\ufeff{}", "\u00a01", `"<&>\u2028"`, `{"":{"":{}}}`, `[[],{},"",0]`,
}

// FuzzParse holds it to encoding/json, and what passes to what is promised of it.
func FuzzParse(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, refused := oracle(text)
		got, err := jsondoc.Parse(text)
		if err != refused {
			t.Fatalf("%q: %v, want %v", text, err, refused)
		}
		if err := jsondoc.Check(text); err != refused {
			t.Fatalf("%q: %v when checked, want %v", text, err, refused)
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("%q: %+v, want %+v", text, got, want)
		}
		for name, raw := range want.Members {
			var inner jsondoc.Object
			_ = json.Unmarshal(raw, &inner)
			members, err := jsondoc.Members(text, name)
			if err != nil || name != "" && !reflect.DeepEqual(inner, members) {
				t.Fatalf("%q: members of %q: %v %s, want %s", text, name, err, members, inner)
			}
		}
		if err != nil {
			return
		}
		again, err := json.Marshal(got.Value)
		if err != nil {
			return // out of range
		}
		if bytes.Contains(again, []byte("\ufffd")) && !bytes.Contains(text, []byte("\ufffd")) && !bytes.Contains(bytes.ToLower(text), []byte(`\ufffd`)) {
			t.Errorf("%q reads as %q", text, again)
		}
		if err := jsondoc.Check(again); err != nil {
			t.Errorf("%q passes, but not as %q: %v", text, again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(`{"name":"Application","app_type":"regular_web","callbacks":[` + strings.Repeat(`"https://app-1.example.com/callbacks/region-1/oauth",`, 30) + `"https://app.example.com"],"client_metadata":{"team":"payments","cost_centre":"4711"},"grant_types":["authorization_code","refresh_token"],"sso":true,"jwt_configuration":{"lifetime_in_seconds":36000}}`)
	for name, parse := range map[string]func([]byte) (jsondoc.Text, error){"once": jsondoc.Parse, "by encoding/json": oracle} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
