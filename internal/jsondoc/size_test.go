package jsondoc_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/rosterhq/roster/internal/jsondoc"
)

func TestSizeIsThatOfTheShortestSpelling(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                                 `{}`,
		"{ \"a\" : [ 1 ,\n 2 ] }":            `{"a":[1,2]}`,
		`"\u0041\/\u00e4\ud83d\ude00\u20ac"`: `"A/ä😀€"`,
		`"\"\\\n\u000a\u0022\u005c"`:         `"\"\\\n\n\"\\"`,
		`"\u0001\u001F"`:                     `"\u0001\u001f"`,
		`" a  b "`:                           `" a  b "`,
		`[true, null, -1.50e+3]`:             `[true,null,-1.50e+3]`,
		`{"\u003c": "<&>"}`:                  `{"<":"<&>"}`,
	} {
		if got := jsondoc.Size(json.RawMessage(text)); got != len(want) {
			t.Errorf("%s takes %d bytes, want %d", text, got, len(want))
		}
		var o jsondoc.Object
		if json.Unmarshal([]byte(text), &o) == nil && o.Size() != len(want) {
			t.Errorf("the object %s takes %d bytes, want %d", text, o.Size(), len(want))
		}
	}
}

func FuzzSize(f *testing.F) {
	f.Add([]byte(`{"a":"\u00e4\n","b":[1,{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if jsondoc.Check(text) != nil {
			return
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			return
		}
		if n := jsondoc.Size(text); n > compact.Len() || n < 1 {
			t.Errorf("%q takes %d bytes of %d", text, n, compact.Len())
		}
	})
}
