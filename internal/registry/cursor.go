package registry

import (
	"encoding/base64"

	"github.com/rosterhq/roster/internal/seal"
)

// SealCursor makes an opaque text of a place in a list, which OpenCursor alone
// can read. kind names the list.
func (r *Registry) SealCursor(kind string, place []byte) (string, error) {
	sealed, err := r.keys.Seal(place, seal.Location{Table: "cursor", Row: kind})
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// OpenCursor returns what SealCursor was given; false for any other text.
func (r *Registry) OpenCursor(kind, cursor string) ([]byte, bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, false
	}
	place, err := r.keys.Open(sealed, seal.Location{Table: "cursor", Row: kind})
	return place, err == nil
}
