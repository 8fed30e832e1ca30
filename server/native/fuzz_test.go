package native

import (
	"strings"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
)

// FuzzCursor: no text but a cursor of ours is one, and not in another list.
func FuzzCursor(f *testing.F) {
	keys, err := seal.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	reg := registry.New(nil, keys, registry.Config{Now: time.Now})
	ours, err := reg.SealCursor(listCursor, jsondoc.Must(postgres.ListedAt{ID: 7}))
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", "latest", ours, ours[1:], ours + "A", "e30", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		place, err := readCursor[postgres.ListedAt](reg, listCursor, text)
		if err == nil && (place.ID != 7 || strings.NewReplacer("\r", "", "\n", "").Replace(text) != ours) {
			t.Errorf("%q is %v", text, place)
		}
		if _, err := readCursor[postgres.FeedPlace](reg, feedCursor, text); err == nil {
			t.Errorf("%q is a cursor of the feed", text)
		}
	})
}
