package upgrade

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type object = map[string]any

// load is a number of callers who do all that clients of the service do, each
// step at an instance of its own.
type load struct {
	t         *testing.T
	token     string
	instances atomic.Pointer[[]*instance]
	rounds    chan struct{} // one for each that a caller has been through since they were last counted
	ending    chan struct{}
	broken    chan struct{} // has a value when a caller has failed the test
	callers   sync.WaitGroup
}

const (
	callers = 3
	enough  = 4 * callers // rounds before something else may happen
)

// load starts the callers on some instances.
func (d *deployment) load(t *testing.T, on ...*instance) *load {
	t.Helper()
	status, token := on[0].token(admin, secret)
	if status != http.StatusOK {
		t.Fatalf("a token of %s: %d %s", on[0].release, status, token)
	}
	l := &load{
		t: t, token: token,
		rounds: make(chan struct{}, 1000), ending: make(chan struct{}), broken: make(chan struct{}, callers),
	}
	l.use(on...)
	for caller := range callers {
		l.callers.Go(func() {
			defer func() { l.broken <- struct{}{} }()
			for round := 0; l.round(caller, round); round++ {
				select {
				case <-l.ending:
					return
				case l.rounds <- struct{}{}:
				default: // nobody has counted for long
				}
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

// use has the callers go to these instances, from the round on that each of them
// begins next, once the instances agree on what the token allows: each release
// that starts sets the permissions of the management API to those that it knows,
// which others notice a little later.
func (l *load) use(instances ...*instance) {
	l.t.Helper()
	tries := 0
	agree := soon(func() bool {
		tries++
		return l.repeat(fmt.Sprintf("agree %d of %p", tries, &tries), instances)
	})
	if !agree {
		l.t.Fatal("the instances do not agree on what the token allows")
	}
	l.instances.Store(&instances)
}

// repeat has each instance make the client of that name, all under one
// Idempotency-Key, deletes it and reports whether it was made once.
func (l *load) repeat(name string, on []*instance) bool {
	var made struct {
		ID string `json:"client_id"`
	}
	once := true
	for _, s := range on {
		status, text := s.call(l.token, "POST", "/api/v2/clients", object{"name": name}, "Idempotency-Key", name)
		once = once && status == http.StatusCreated && json.Unmarshal([]byte(text), &made) == nil
	}
	if made.ID != "" {
		on[0].call(l.token, "DELETE", "/api/v2/clients/"+made.ID, nil)
	}
	return once
}

// more returns when the callers have been through some more rounds, all of whose
// requests were begun after the call.
func (l *load) more(t *testing.T) {
	t.Helper()
	for len(l.rounds) > 0 {
		<-l.rounds
	}
	late := time.After(patience)
	for range callers + enough { // the first of each caller may have begun before
		select {
		case <-l.rounds:
		case <-l.broken:
			t.FailNow() // a caller has said why
		case <-late:
			t.Fatalf("no %d rounds within %v", enough, patience)
		}
	}
}

func (l *load) stop() {
	select {
	case <-l.ending:
	default:
		close(l.ending)
	}
	l.callers.Wait()
}

// round goes once through the life of a client and reports whether all went as
// it should. What one instance has written, every other must show.
func (l *load) round(caller, number int) bool {
	c := &life{load: l, on: *l.instances.Load(), step: caller + number, name: fmt.Sprintf("load %d %d", caller, number)}
	return c.ready() && c.create() && c.change() && c.authenticate() && c.end()
}

// life is that of one client.
type life struct {
	*load
	on   []*instance
	step int    // which instance is next
	name string // of the client

	id, path      string
	first, second string // its secrets
	got           object // the last answer
}

func (c *life) fail(what string, s *instance, status int, body any) bool {
	c.t.Errorf("%s, at %s: %d %v", what, s.release, status, body)
	return false
}

// do sends a request to the next instance.
func (c *life) do(method, path string, body any, want int, header ...string) bool {
	s := c.on[c.step%len(c.on)]
	c.step++
	status, text := s.call(c.token, method, path, body, header...)
	if status != want {
		return c.fail(method+" "+path, s, status, text)
	}
	c.got = nil
	if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &c.got) != nil {
		return c.fail("the answer to "+method+" "+path, s, status, text)
	}
	return true
}

// soon tries again what another instance may show up to a second late, from its
// memory; see changefeed.Bound.
func soon(try func() bool) bool {
	for late := time.Now().Add(patience); !try(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(late) {
			return false
		}
	}
	return true
}

// everywhere reads path from every instance until the answer is right.
func (c *life) everywhere(path string, want int, right func(object) bool) bool {
	for range c.on {
		s := c.on[c.step%len(c.on)]
		c.step++
		var status int
		var text string
		if !soon(func() bool {
			c.got = nil
			status, text = s.call(c.token, "GET", path, nil)
			return status == 0 || status == want && json.Unmarshal([]byte(text), &c.got) == nil && right(c.got)
		}) || status == 0 {
			return c.fail("what was written, "+path, s, status, text)
		}
	}
	return true
}

func (c *life) ready() bool {
	for _, s := range c.on {
		if status, body := s.call("", "GET", "/readyz", nil); status != http.StatusOK {
			return c.fail("readyz", s, status, body)
		}
	}
	return true
}

// create sends one request twice, to two instances.
func (c *life) create() bool {
	body := object{
		"name": c.name, "grant_types": []string{"client_credentials"}, "client_metadata": object{"caller": "load"},
	}
	for range 2 {
		if !c.do("POST", "/api/v2/clients", body, http.StatusCreated, "Idempotency-Key", c.name) {
			return false
		}
		if id := c.got["client_id"].(string); c.id != "" && c.id != id {
			return c.fail("a request was repeated", c.on[(c.step-1)%len(c.on)], http.StatusCreated, c.got)
		} else {
			c.id, c.path, c.first = id, "/api/v2/clients/"+id, c.got["client_secret"].(string)
		}
	}
	return c.everywhere(c.path, http.StatusOK, func(o object) bool { return o["name"] == c.name && o["client_secret"] == c.first })
}

func (c *life) change() bool {
	name := c.name + " changed"
	grant := object{"client_id": c.id, "audience": management, "scope": []string{"read:clients"}}
	updates := "/api/roster/v1/events?action=client.updated&target=" + c.id
	if !c.do("PATCH", c.path, object{"name": name, "addons": object{"samlp": object{}}}, http.StatusOK) ||
		!c.everywhere(c.path, http.StatusOK, func(o object) bool { return o["name"] == name }) ||
		!c.everywhere(updates, http.StatusOK, func(o object) bool { return len(o["events"].([]any)) == 1 }) ||
		!c.do("POST", "/api/v2/client-grants", grant, http.StatusCreated) ||
		!c.do("POST", c.path+"/rotate-secret", nil, http.StatusOK) {
		return false
	}
	c.second = c.got["client_secret"].(string)
	return true
}

// authenticate takes the tokens of each instance to every other.
func (c *life) authenticate() bool {
	for _, s := range c.on {
		if status, body := s.token(c.id, c.first); status != http.StatusUnauthorized {
			return c.fail("a secret that was replaced", s, status, body)
		}
		for _, other := range c.on {
			// What the old release issues in the second in which the tokens of before
			// were ended is taken for one of them.
			var status int
			var body string
			if !soon(func() bool {
				if status, body = s.token(c.id, c.second); status == http.StatusOK {
					status, body = other.call(body, "GET", c.path, nil)
				}
				return status == http.StatusOK || status == 0
			}) || status == 0 {
				return c.fail("a token of "+s.release, other, status, body)
			}
		}
	}
	return true
}

func (c *life) end() bool {
	if !c.do("GET", "/api/clients", nil, http.StatusOK) ||
		!c.do("GET", "/api/v2/clients?per_page=5&include_totals=true", nil, http.StatusOK) ||
		!c.do("DELETE", c.path, nil, http.StatusNoContent) {
		return false
	}
	return c.everywhere(c.path, http.StatusNotFound, func(object) bool { return true })
}

// stored names what fill has made.
type stored struct {
	id, token string
	secrets   []string
	paths     []string
}

// fill stores one of all that a registry holds.
func (d *deployment) fill(t *testing.T, s *instance) (kept stored) {
	t.Helper()
	status, token := s.token(admin, secret)
	if status != http.StatusOK {
		t.Fatal(status, token)
	}
	kept.token = token
	make := func(path string, body any) object {
		t.Helper()
		status, text := s.call(token, "POST", path, body)
		var got object
		if err := json.Unmarshal([]byte(text), &got); err != nil || status >= 300 {
			t.Fatalf("POST %s: %d %s", path, status, text)
		}
		return got
	}
	c := make("/api/v2/clients", object{
		"name": "kept", "grant_types": []string{"client_credentials"}, "callbacks": []string{"https://app.example/cb"},
		"addons": object{"aws": object{"principal": "p", "role": "r"}}, "client_metadata": object{"team": "pay"},
		"client_aliases": []string{"kept-alias"},
	})
	kept.id = c["client_id"].(string)
	client := "/api/v2/clients/" + kept.id
	api := make("/api/v2/resource-servers", object{
		"identifier": "https://api.example/", "scopes": []object{{"value": "read:all"}},
	})
	grantOn := func(audience, scope string) object {
		t.Helper()
		return make("/api/v2/client-grants", object{"client_id": kept.id, "audience": audience, "scope": []string{scope}})
	}
	grant := grantOn("https://api.example/", "read:all")
	grantOn(management, "read:clients")
	credential := make(client+"/credentials", object{"credential_type": "cert_subject_dn", "subject_dn": "CN=kept"})
	rotated := make(client+"/rotate-secret?grace_seconds=86400", nil)
	kept.secrets = []string{c["client_secret"].(string), rotated["client_secret"].(string)}
	provider := make("/api/identity-providers", object{
		"identity_provider": object{"name": "people", "backend_id": "5f2c4c5e-4b4e-4f57-8d0e-3a3a3c9f5a11"},
	})["data"].(object)
	own := make("/api/clients", object{
		"client": object{"name": "boruta", "identity_provider": object{"id": provider["id"]}},
	})["data"].(object)
	kept.paths = []string{
		client, client + "/credentials/" + credential["id"].(string), "/api/v2/resource-servers/" + api["id"].(string),
		"/api/v2/client-grants/" + grant["id"].(string), "/api/clients/" + own["id"].(string),
	}
	return kept
}

// documents reads what fill has made.
func (d *deployment) documents(t *testing.T, s *instance, kept stored) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, path := range kept.paths {
		status, text := s.call(kept.token, "GET", path, nil)
		var got any
		if err := json.Unmarshal([]byte(text), &got); err != nil || status != http.StatusOK {
			t.Fatalf("GET %s: %d %s", path, status, text)
		}
		all[path] = got
	}
	return all
}

// contains fails the test unless what was is still there. Members may have come.
func contains(t *testing.T, when string, was, is any) {
	t.Helper()
	var common func(was, is any) any
	common = func(was, is any) any {
		before, one := was.(object)
		after, two := is.(object)
		if !one || !two {
			return is
		}
		shared := object{}
		for _, name := range slices.Collect(maps.Keys(before)) {
			if value, there := after[name]; there {
				shared[name] = common(before[name], value)
			}
		}
		return shared
	}
	if diff := cmp.Diff(was, common(was, is)); diff != "" {
		t.Errorf("%s (-was +is):\n%s", when, diff)
	}
	if !strings.Contains(fmt.Sprint(is), "kept") {
		t.Errorf("%s nothing was compared", when)
	}
}
