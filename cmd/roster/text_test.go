package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

// utf16Text is a text as PowerShell and others write it.
func utf16Text(text string, order binary.AppendByteOrder, mark bool) string {
	var all []byte
	if mark {
		all = order.AppendUint16(all, 0xfeff)
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		all = order.AppendUint16(all, unit)
	}
	return string(all)
}

// dressed are the ways in which editors, shells and tools dress a JSON text.
var dressed = map[string]func(string) string{
	"plain":                func(s string) string { return s },
	"UTF-8 with a mark":    func(s string) string { return "\xef\xbb\xbf" + s },
	"UTF-16, little":       func(s string) string { return utf16Text(s, binary.LittleEndian, true) },
	"UTF-16, big":          func(s string) string { return utf16Text(s, binary.BigEndian, true) },
	"UTF-16, no mark":      func(s string) string { return utf16Text(s, binary.LittleEndian, false) },
	"UTF-16, big, no mark": func(s string) string { return utf16Text(s, binary.BigEndian, false) },
	"UTF-16, joined files": func(s string) string { return utf16Text(s+"\n\ufeff", binary.LittleEndian, true) },
	"blanks around it":     func(s string) string { return " \r\n\t" + s + "\r\n\r\n " },
	"carriage returns":     func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
	"zeros at the end":     func(s string) string { return s + "\n\x00\x00" },
	"zeros and a line end": func(s string) string { return s + "\x00\r\n\x00" },
	"Ctrl-Z at the end":    func(s string) string { return s + "\r\n\x1a" },
	"a separator":          func(s string) string { return "\x1e" + s + "\n" },
	"colours":              func(s string) string { return "\x1b[1;39m" + s + "\x1b[0m" },
	"marks in between":     func(s string) string { return "\xef\xbb\xbf" + s + "\n\xef\xbb\xbf" },
	"two marks":            func(s string) string { return "\xef\xbb\xbf\xef\xbb\xbf" + s },
}

func TestRecordsAreReadHoweverTheyAreDressed(t *testing.T) {
	t.Parallel()
	for shape, text := range map[string]string{
		"a list":          "[{\"client_id\":\"a\",\"client_name\":\"\ufeff\\u0022\x1e é🦉\"},\n {\"client_id\":\"b\"}]",
		"lines":           "{\"client_id\":\"a\",\"client_name\":\"x\\\\\"}\n\n{\"client_id\":\"b\"}",
		"an object":       `{"clients":[{"client_id":"a"},{"client_id":"b"}],"total":2}`,
		"a concatenation": "{\n\"client_id\":\"a\"\n}{\n\"client_id\":\"b\"\n}",
		"lists":           "[{\"client_id\":\"a\"}]\n[{\"client_id\":\"b\"}]",
	} {
		if shape == "a list" {
			text = strings.ReplaceAll(text, "\x1e", "") // which JSON does not allow in a text
		}
		for dress, put := range dressed {
			for way, reader := range map[string]io.Reader{"at once": strings.NewReader(put(text)), "byte by byte": iotest.OneByteReader(strings.NewReader(put(text)))} {
				var ids []string
				for r, err := range readRecords(reader, "hydra") {
					if err != nil || r.problem != "" || len(r.lost) > 0 {
						t.Errorf("%s, %s, %s: %v, %s, %v", shape, dress, way, err, r.problem, r.lost)
					}
					ids = append(ids, r.id)
				}
				if !slices.Equal(ids, []string{"a", "b"}) {
					t.Errorf("%s, %s, %s: %q", shape, dress, way, ids)
				}
			}
		}
	}
}

func TestTextsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	const text = `{"a":"\ufeff` + "\ufeff" + ` \" \\","b":"\u001b[0m","c":["` + "\u00a0🦉" + `"]}`
	for dress, put := range dressed {
		got, err := io.ReadAll(jsonText(strings.NewReader(put(text))))
		if err != nil || strings.TrimSpace(string(got)) != text {
			t.Errorf("%s: %q, %v", dress, got, err)
		}
	}
}

func TestBrokenUTF16IsAnError(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"half a unit":      "\xff\xfe{",
		"half a character": "\xff\xfe\x00\xd8{\x00",
		"its second half":  "\xff\xfe\x00\xdc{\x00",
		"at the end":       "\xff\xfe\x00\xd8",
	} {
		if got, err := io.ReadAll(decoded(strings.NewReader(text))); err != errUTF16 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestOneOddMemberIsTakenOutOfARecord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		record, want string
		lost         []string
	}{
		"nothing":              {`{"client_id":"a","x":[1,2.5,-0,1e3]}`, `{"client_id":"a","x":[1,2.5,-0,1e3]}`, nil},
		"a large number":       {`{"client_id":"a","metadata":{"account":12345678901234567890,"tier":1}}`, `{"client_id":"a","metadata":{"tier":1}}`, []string{"metadata.account"}},
		"an infinite number":   {`{"client_id":"a","x":[1e999,1]}`, `{"client_id":"a","x":[1]}`, []string{"x[0]"}},
		"a NUL character":      {`{"client_id":"a","redirect_uris":["https://a.example","\u0000"]}`, `{"client_id":"a","redirect_uris":["https://a.example"]}`, []string{"redirect_uris[1]"}},
		"half a character":     {`{"client_id":"a","client_name":"\ud800"}`, `{"client_id":"a"}`, []string{"client_name"}},
		"Latin-1":              {"{\"client_id\":\"a\",\"client_name\":\"caf\xe9\"}", `{"client_id":"a"}`, []string{"client_name"}},
		"a member twice":       {`{"scope":"a","client_id":"a","scope":"b"}`, `{"client_id":"a"}`, []string{"scope"}},
		"the same twice":       {`{"scope":"a","client_id":"a","scope":"a"}`, `{"scope":"a","client_id":"a"}`, nil},
		"no name":              {`{"":12345678901234567890,"client_id":"a"}`, `{"client_id":"a"}`, []string{`""`}},
		"a name with NUL":      {`{"client_id":"a","x\u0000":1}`, `{"client_id":"a"}`, []string{"x\x00"}},
		"twice, deeper inside": {`{"client_id":"a","metadata":{"b":1,"c":2,"b":3}}`, `{"client_id":"a","metadata":{"c":2}}`, []string{"metadata.b"}},
	} {
		clean, lost, ok := salvage([]byte(c.record))
		var at []string
		for _, one := range lost {
			at = append(at, one.Member)
			if one.Code != "dropped" || !strings.HasPrefix(one.Message, one.Member+" was left out: it ") {
				t.Errorf("%s: %+v", name, one)
			}
		}
		if !ok || string(clean) != c.want || !slices.Equal(at, c.lost) {
			t.Errorf("%s: %s, %q, %t", name, clean, at, ok)
		}
	}
	deep := `{"client_id":"a","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`
	if clean, lost, ok := salvage([]byte(deep)); !ok || len(lost) != 1 || !json.Valid(clean) {
		t.Errorf("nested deeply: %s, %v, %t", clean, lost, ok)
	}
	for _, text := range []string{"", "{", `{"a":}`, `{"a":1}{`, "\xff", `"\u0000"`} {
		if clean, _, ok := salvage([]byte(text)); ok {
			t.Errorf("%s becomes %s", text, clean)
		}
	}
}

func FuzzSalvageMakesWhatTheAPITakes(f *testing.F) {
	for _, text := range []string{`{"a":{"b":1e999,"b":2},"c":["\u0000",{"d":"\ud800"}]}`, `[[[[1]]]]`, "{\"\xff\":1}", `{"a":12345678901234567890}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		clean, lost, ok := salvage(text)
		switch {
		case ok && wrong(clean) != "":
			t.Errorf("%q becomes %q, which %s", text, clean, wrong(clean))
		case ok && len(lost) == 0 && !bytes.Equal(clean, text) && !strings.Contains(wrong(text), "twice"):
			t.Errorf("%q becomes %q without a word", text, clean)
		case !ok && json.Valid(text) && bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")):
			t.Errorf("nothing is left of %q", text)
		}
	})
}
