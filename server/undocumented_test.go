package server_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

// However a request is malformed, the operation names the status of the answer,
// and the body has the members of one of the examples there.
func TestEveryRefusalIsDocumented(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	poor := s.Token("upstreams:manage:all") // enough for no operation
	for _, op := range operations(t) {
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			s := s.In(t)
			nowhere := fillAll(op, "nobody", "166e37a3-ec6e-4a8f-8f9b-1c59d0218e1d")
			calls := []probe{
				{"no token", "", nowhere, nil, nil},
				{"another scheme", "", nowhere, nil, []string{"Authorization", "Token abc"}},
				{"no such token", "abc", nowhere, nil, nil},
				{"no scope", poor, nowhere, nil, nil},
				{"nothing there", s.Admin, nowhere, "{}", nil},
				{"no media type", s.Admin, nowhere, "{}", []string{"Content-Type", "text/plain"}},
				{"no JSON", s.Admin, nowhere, "{", nil},
				{"a list", s.Admin, nowhere, "[]", nil},
				{"NUL", s.Admin, fillAll(op, "%00", "%00"), "{}", nil},
				{"no identifier", s.Admin, fillAll(op, "no-id", "no-id"), "{}", nil},
				{"HTML", s.Admin, nowhere, "{}", []string{"Accept", "text/html"}},
				{"a stale version", s.Admin, nowhere, "{}", []string{"If-Match", `"v9"`}},
				{"a long key", s.Admin, nowhere, "{}", []string{"Idempotency-Key", strings.Repeat("k", 256)}},
			}
			if op.RequestBody != nil {
				calls = append(calls, probe{"a large body", s.Admin, nowhere, tooLarge, nil})
				for _, content := range op.RequestBody.Value.Content {
					for _, e := range content.Examples {
						calls = append(calls, probe{"an example for nobody", s.Admin, nowhere, asJSON(t, e.Value.Value), nil})
					}
				}
			}
			for _, p := range op.params {
				if p.Value.In == "query" {
					for _, value := range []string{"", "%00", "-1", "x", "999999999999"} {
						calls = append(calls, probe{p.Value.Name + "=" + value, s.Admin, nowhere + "?" + p.Value.Name + "=" + value, "{}", nil})
					}
				}
			}
			for _, call := range calls {
				call.check(t, s, op)
			}
		})
	}
}

// probe is a request that may be refused.
type probe struct {
	name, token, target string
	body                any
	header              []string
}

func (p probe) check(t *testing.T, s *servertest.Server, op operation) {
	t.Helper()
	if op.Method == "GET" || op.Method == "DELETE" {
		p.body = nil
	}
	r := s.Do(p.token, op.Method, p.target, p.body, p.header...)
	if r.Status < 400 {
		return
	}
	documented := op.Responses.Value(strconv.Itoa(r.Status))
	if documented == nil {
		t.Errorf("%s: %s %s answers %d, which is not documented: %.300s", p.name, op.Method, p.target, r.Status, r.Body)
		return
	}
	var got map[string]any
	if err := json.Unmarshal(r.Body, &got); err != nil {
		t.Errorf("%s: %v", p.name, err)
		return
	}
	have := slices.Sorted(maps.Keys(got))
	for _, content := range documented.Value.Content {
		for _, e := range content.Examples {
			if slices.Equal(have, slices.Sorted(maps.Keys(e.Value.Value.(map[string]any)))) {
				return
			}
		}
	}
	t.Errorf("%s: %s %s: no example of %d has the members %v", p.name, op.Method, p.target, r.Status, have)
}

// fillAll puts one text in the place of every path parameter, another where the
// dialect wants a uuid.
func fillAll(op operation, text, uuid string) string {
	path := op.Path
	for _, p := range op.params {
		if p.Value.In == "path" {
			value := text
			if op.Tags[0] == "boruta" {
				value = uuid
			}
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", value)
		}
	}
	return path
}
