package registry

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/jsondoc"
)

func TestLargeValuesStandInEventsByTheirSizeAndDigest(t *testing.T) {
	t.Parallel()
	fits, large := json.RawMessage(`"`+strings.Repeat("a", maxEventValue-2)+`"`), json.RawMessage(`"`+strings.Repeat("a", maxEventValue-1)+`"`)
	diff := new(Registry).changes("", jsondoc.Object{"client_name": fits}, jsondoc.Object{"client_name": large})["client_name"]
	if string(diff.Before) != string(fits) {
		t.Errorf("a value of %d bytes is %s", len(fits), diff.Before)
	}
	const want = `{"bytes":4097,"sha256":"`
	if !strings.HasPrefix(string(diff.After), want) || len(diff.After) != len(want)+64+2 {
		t.Errorf("a value of %d bytes is %s", len(large), diff.After)
	}
	other := json.RawMessage(`"` + strings.Repeat("b", maxEventValue) + `"`)
	if diff := new(Registry).changes("", jsondoc.Object{"client_name": large}, jsondoc.Object{"client_name": other})["client_name"]; string(diff.Before) == string(diff.After) {
		t.Errorf("two large values look the same: %s", diff.After)
	}
}
