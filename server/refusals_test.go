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

// refusal is how an example of a refused request comes about.
type refusal struct {
	op      string                    // operationId
	status  string                    // under which the operation has the answer; "" for "default"
	path    names                     // what stands in the path instead of its examples
	query   string                    // with its question mark
	body    any                       // as for servertest's Do
	header  []string                  // names and values
	open    bool                      // whether there is no token
	scopes  []string                  // of the token; nil for all
	first   func(*world)              // what happened before
	options func(*servertest.Options) // of the service
}

// Every example of a refusal in openapi.yaml is what a request that is refused
// for that reason is answered.
func TestRefusalsReadAsTheirExamplesSay(t *testing.T) {
	t.Parallel()
	ops := map[string]operation{}
	for _, op := range operations(t) {
		ops[op.ID] = op
	}
	components := servertest.Spec(t).Components.Responses
	for _, component := range slices.Sorted(maps.Keys(components)) {
		for _, content := range components[component].Value.Content {
			for name, e := range content.Examples {
				key := component + "/" + name
				if unprovoked[key] != "" {
					continue
				}
				how, ok := refusals[key]
				if !ok {
					t.Errorf("nobody knows how %s comes about", key)
					continue
				}
				t.Run(key, func(t *testing.T) {
					t.Parallel()
					how.check(t, ops[how.op], component, e.Value.Value)
				})
			}
		}
	}
	for key := range refusals {
		component, name, _ := strings.Cut(key, "/")
		found := false
		if r := components[component]; r != nil {
			for _, content := range r.Value.Content {
				found = found || content.Examples[name] != nil
			}
		}
		if !found {
			t.Errorf("openapi.yaml has no example %s", key)
		}
	}
}

func (how refusal) check(t *testing.T, op operation, component string, example any) {
	documented := op.Responses.Value(orDefault(how.status))
	if documented == nil || documented.Ref != "#/components/responses/"+component {
		t.Fatalf("%s does not answer %s with %s", op.ID, orDefault(how.status), component)
	}
	var more []func(*servertest.Options)
	if how.options != nil {
		more = append(more, how.options)
	}
	w := newWorld(t, more...)
	path := op.Path
	for name, value := range how.path {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	op.Path = path
	target := op.fill() + how.query
	w.prepare(target)
	if text, ok := how.body.(string); ok {
		w.prepare(text)
	} else if how.body != nil {
		how.body = asJSON(t, how.body)
		w.prepare(how.body.(string))
	}
	token := w.Admin
	if how.scopes != nil {
		token = w.Token(how.scopes...)
	}
	if how.first != nil {
		how.first(w)
	}
	var body any
	if how.body != nil {
		body = w.real(how.body.(string))
	}
	header := slices.Clone(how.header)
	for i := range header {
		header[i] = w.real(header[i])
	}
	if how.open || !needsToken(op.Operation) || slices.Contains(header, "Authorization") {
		token = ""
	}
	if w.token != "" {
		token = w.token
	}
	r := w.Do(token, op.Method, w.real(target), body, header...)
	if want := how.status; want != "" && strconv.Itoa(r.Status) != want || want == "" && r.Status < 400 {
		t.Fatalf("%s %s: status %d, want %s: %s", op.Method, target, r.Status, orDefault(want), r.Body)
	}
	var got any
	if err := json.Unmarshal([]byte(w.shown(string(r.Body))), &got); err != nil {
		t.Fatal(err)
	}
	var c comparison
	c.compare("", plain(t, example), got)
	if len(c.wrong) > 0 {
		t.Errorf("%s %s is not refused as its example says:\n%s\nthe answer: %s", op.Method, target, strings.Join(c.wrong, "\n"), indented(t, got))
	}
}

func orDefault(status string) string {
	if status == "" {
		return "default"
	}
	return status
}
