package jsondoc_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosterhq/roster/internal/jsondoc"
)

func TestAppendWritesWhatMarshalWrites(t *testing.T) {
	t.Parallel()
	values := rapid.SampledFrom([]string{`1`, `null`, `"\u003ca\u003e"`, `{"b":[true,{}]}`, `[]`})
	rapid.Check(t, func(t *rapid.T) {
		o := jsondoc.Object{}
		for name, value := range rapid.MapOfN(rapid.String(), values, 0, 8).Draw(t, "object") {
			o[name] = json.RawMessage(value)
		}
		want, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(o.Append([]byte("x"))); got != "x"+string(want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}
