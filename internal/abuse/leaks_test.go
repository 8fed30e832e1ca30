package abuse

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/servertest"
)

// leaks knows what must be seen nowhere, in the forms in which it might be.
type leaks struct {
	forms map[string]string // form -> what it is
}

// add watches for secret as it is, in hex, and in base64 of either alphabet at
// any place of a longer text.
func (l *leaks) add(name string, secret []byte) {
	if len(secret) < 16 {
		return // too short to be told from chance
	}
	if l.forms == nil {
		l.forms = map[string]string{}
	}
	l.forms[string(secret)] = name
	l.forms[hex.EncodeToString(secret)] = name + " in hex"
	l.forms[strings.ToUpper(hex.EncodeToString(secret))] = name + " in hex"
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), secret...))
		text = text[4 : len(text)-4] // without what its neighbours change
		l.forms[text] = name + " in base64"
		l.forms[strings.NewReplacer("+", "-", "/", "_").Replace(text)] = name + " in base64url"
	}
}

// addStored watches for all that the database keeps sealed or as a MAC.
func (l *leaks) addStored(t testing.TB, s *servertest.Server) {
	t.Helper()
	for _, c := range postgres.SealedColumns {
		rows, err := s.Pool.Query(t.Context(), "SELECT "+c.Column+" FROM "+c.Table+" WHERE "+c.Column+" IS NOT NULL")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var value []byte
			if err := rows.Scan(&value); err != nil {
				t.Fatal(err)
			}
			l.add(c.Table+"."+c.Column, value)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// find returns what of it is in text.
func (l *leaks) find(text []byte) []string {
	found := map[string]bool{}
	for form, name := range l.forms {
		if bytes.Contains(text, []byte(form)) {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// sightings are texts that came out of the service, and where.
type sightings struct {
	mu    sync.Mutex
	where []string
	texts [][]byte
}

func (s *sightings) add(where string, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.where, s.texts = append(s.where, where), append(s.texts, text)
}

// holding lists where l's secrets are in what was seen.
func (s *sightings) holding(l *leaks) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for i, text := range s.texts {
		for _, name := range l.find(text) {
			all = append(all, fmt.Sprintf("%s: %s", s.where[i], name))
		}
	}
	return all
}
