package abuse

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/servertest"
)

// Whatever sequence of changes two dialects are sent, what results obeys every
// rule, and what is refused changes nothing: leaving a member out never weakens
// a client, and a client that becomes confidential is judged as one.
func TestNoSequenceOfChangesWeakensAClient(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	provider := newProvider(s)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(from ...any) any { return from[random.IntN(len(from))] }
	methods := []any{"none", "client_secret_post", "client_secret_basic", nil}
	grants := []any{[]string{"client_credentials"}, []string{"authorization_code"}, []string{"authorization_code", "client_credentials"}, []string{}, nil}
	for round := range 6 {
		c := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, object{"confidential": round%2 == 0})).Want(201).Object()["data"].(object)
		id := c["id"].(string)
		allow(s, id, "read:clients")
		key := s.Do(s.Admin, "POST", clientPath(id)+"/credentials", object{"credential_type": "public_key", "pem": publicPEM(t, keys[0]().Public())}).Want(201).Object()["id"].(string)
		slot := object{"private_key_jwt": object{"credentials": []object{{"id": key}}}}
		changed := 0
		for step := range 40 {
			before := read(s, id)
			body := object{}
			var r servertest.Response
			var what string
			if random.IntN(3) > 0 {
				for member, v := range map[string]any{
					"token_endpoint_auth_method": pick(methods...), "grant_types": pick(grants...), "app_type": pick("spa", "native", "regular_web", "non_interactive"),
					"client_authentication_methods": pick(slot, nil), "is_first_party": pick(true, false),
				} {
					if random.IntN(2) == 0 {
						body[member] = v
					}
				}
				body["name"] = fmt.Sprint("step ", step)
				what = fmt.Sprint("PATCH ", body)
				r = s.Do(s.Admin, "PATCH", clientPath(id), body)
			} else {
				for member, v := range map[string]any{
					"confidential": pick(true, false), "supported_grant_types": pick(grants[:3]...),
					"token_endpoint_auth_methods": pick([]string{"client_secret_basic"}, []string{"client_secret_post", "private_key_jwt"}, []string{}, nil),
				} {
					if random.IntN(2) == 0 {
						body[member] = v
					}
				}
				what = fmt.Sprint("PUT ", body)
				r = s.Do(s.Admin, "PUT", "/api/clients/"+id, object{"client": body})
			}
			serverError(t, what, r)
			after := read(s, id)
			if r.Status >= 300 {
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("seed %d: %s is refused and changes: %s", seed, what, diff)
				}
				continue
			}
			changed++
			c, err := s.Registry.Client(t.Context(), oauth.ClientRef{ClientID: id})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Validate(); err != nil {
				t.Errorf("seed %d: %s leads to what breaks a rule: %v", seed, what, err)
			}
			granted, _ := after["grant_types"].([]any)
			method, _ := after["token_endpoint_auth_method"].(string)
			machine := slices.Contains(granted, any("client_credentials"))
			switch {
			case method == "none" && machine:
				t.Errorf("seed %d: %s makes a machine that proves nothing", seed, what)
			case method != "" && after["client_authentication_methods"] != nil:
				t.Errorf("seed %d: %s leaves two ways to authenticate", seed, what)
			}
			if _, named := body["token_endpoint_auth_method"]; !named && body["client_authentication_methods"] == nil && body["confidential"] == nil && body["token_endpoint_auth_methods"] == nil && body["supported_grant_types"] == nil {
				if before["token_endpoint_auth_method"] != after["token_endpoint_auth_method"] {
					t.Errorf("seed %d: %s changes how the client authenticates from %v to %v", seed, what, before["token_endpoint_auth_method"], after["token_endpoint_auth_method"])
				}
			}
			if ask(s, "client_id", id).Status == 200 || ask(s, "client_id", id, "client_secret", "").Status == 200 {
				t.Fatalf("seed %d: after %s the client gets tokens for nothing", seed, what)
			}
			if !machine && ask(s, "client_id", id, "client_secret", c.ID).Status == 200 {
				t.Errorf("seed %d: after %s a grant that it lost is served", seed, what)
			}
		}
		if changed < 5 {
			t.Errorf("seed %d: only %d changes of 40 were taken", seed, changed)
		}
	}
	for _, members := range []object{ // the rule at its birth
		{"token_endpoint_auth_method": "none", "grant_types": []string{"client_credentials"}},
		{"app_type": "spa", "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "client_credentials"}},
	} {
		members["name"] = "x"
		s.Do(s.Admin, "POST", "/api/v2/clients", members).Want(400)
	}
}

// What one caller holds means nothing for another, and what was tampered with
// means nothing at all: it is as if it did not exist, and no error of the
// database shows.
func TestWhatOthersHoldMeansNothing(t *testing.T) {
	t.Parallel()
	s, other := servertest.New(t), servertest.New(t) // of one keyset, as two deployments might be by mistake
	var ids []string
	for range 3 {
		id, _ := newClient(s, nil)
		ids = append(ids, id)
	}
	next := func(list string) string {
		return s.Do(s.Admin, "GET", list+"?take=1", nil).Want(200).Object()["next"].(string)
	}
	cursor := next("/api/v2/clients")
	flip := func(text string, at int) string {
		b := []byte(text)
		b[at] = map[bool]byte{true: 'B', false: 'A'}[b[at] == 'A']
		return string(b)
	}
	bad := map[string]string{
		"of another list": next("/api/v2/client-grants"), "SQL": "' OR 1=1 --", "empty object": "e30", "an identifier": ids[0], "NUL": "\x00", "not UTF-8": "\xff", "huge": strings.Repeat("A", 20000),
	}
	for at := 0; at < len(cursor); at += 7 {
		bad[fmt.Sprint("changed at ", at)] = flip(cursor, at)
	}
	bad["cut"], bad["longer"] = cursor[:len(cursor)-4], cursor+"AAAA"
	for name, text := range bad {
		if r := s.Do(s.Admin, "GET", "/api/v2/clients?take=1&from="+url.QueryEscape(text), nil); r.Status != 400 {
			t.Errorf("cursor %s: %d %s", name, r.Status, r.Body)
		}
		if r := s.Do(s.Admin, "GET", "/api/roster/v1/events?after="+url.QueryEscape(text), nil); r.Status != 400 {
			t.Errorf("events, cursor %s: %d %s", name, r.Status, r.Body)
		}
		if r := s.Do(s.Admin, "GET", "/api/roster/v1/events/feed?after="+url.QueryEscape(text), nil); r.Status != 400 {
			t.Errorf("feed, cursor %s: %d %s", name, r.Status, r.Body)
		}
	}

	tag := s.Do(s.Admin, "GET", clientPath(ids[0]), nil, "Accept-Encoding", "identity").Header.Get("ETag")
	s.Do(s.Admin, "PATCH", clientPath(ids[0]), object{"name": "v2"}).Want(200)
	for _, header := range []string{tag, `"v99"`, `"v-1"`, `"x"`, `""`, `"v1' OR 1=1"`, `W/"v2`, `"v9223372036854775808"`, strings.Repeat("v", 5000)} {
		s.Do(s.Admin, "PATCH", clientPath(ids[0]), object{"name": "no"}, "If-Match", header).Want(412)
		s.Do(s.Admin, "DELETE", clientPath(ids[0]), nil, "If-Match", header).Want(412)
		s.Do(s.Admin, "GET", clientPath(ids[0]), nil, "If-None-Match", header).Want(200)
	}

	alone := s.Token("create:clients", "read:clients")
	first := s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "mine"}, "Idempotency-Key", "k").Want(201)
	theirs := s.Do(alone, "POST", "/api/v2/clients", object{"name": "mine"}, "Idempotency-Key", "k").Want(201)
	if theirs.Header.Get("Idempotency-Replayed") != "" || theirs.Object()["client_id"] == first.Object()["client_id"] {
		t.Error("another caller's key gives its answer")
	}
	s.Do(alone, "POST", "/api/v2/clients", object{"name": "other"}, "Idempotency-Key", "k2").Want(201)
	s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "else"}, "Idempotency-Key", "k2").Want(201) // nor tells that it is taken

	other.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(401) // the other deployment's token
	var pool []object
	credential := s.Do(s.Admin, "POST", clientPath(ids[1])+"/credentials", object{"credential_type": "cert_subject_dn", "subject_dn": "CN=x"}).Want(201).Object()["id"].(string)
	absent := s.Do(s.Admin, "GET", clientPath(ids[0])+"/credentials/cred_1234567890123456789012", nil).Want(404)
	if foreign := s.Do(s.Admin, "GET", clientPath(ids[0])+"/credentials/"+credential, nil).Want(404); string(foreign.Body) != string(absent.Body) {
		t.Errorf("another client's credential is not as if it were absent:\n%s\n%s", foreign.Body, absent.Body)
	}
	s.Do(s.Admin, "GET", clientPath(ids[1])+"/credentials", nil).Want(200).Decode(&pool)
	if len(pool) != 1 {
		t.Error("the credential is gone")
	}
	var list struct{ Secrets []struct{ ID string } }
	s.Do(s.Admin, "GET", "/api/roster/v1/clients/"+ids[1]+"/secrets", nil).Want(200).Decode(&list)
	s.Do(s.Admin, "DELETE", "/api/roster/v1/clients/"+ids[0]+"/secrets/"+list.Secrets[0].ID, nil).Want(404)
	for _, path := range []string{"/api/v2/clients/%27", "/api/v2/clients/%00", "/api/v2/clients/%ff", "/api/v2/client-grants/%27", "/api/v2/resource-servers/%00", "/api/clients/%00", "/api/clients/%27", "/api/scopes/%ff", "/api/key-pairs/1", "/api/roster/v1/clients/%00/secrets", "/api/v2/clients/" + strings.Repeat("x", 5000)} {
		if r := s.Do(s.Admin, "GET", path, nil); r.Status != 400 && r.Status != 404 {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	for _, inside := range []string{"SQLSTATE", "syntax error"} {
		if strings.Contains(s.Log.String(), inside) {
			t.Errorf("the log tells of %s", inside)
		}
	}
}

// A caller picks a client's identifier in one place only, and only a uuid: none
// looks like an address, like another's, or like another kind of principal.
func TestNoIdentifierLooksLikeAnother(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	provider := newProvider(s)
	mine := uuid.NewString()
	s.Do(s.Admin, "POST", "/api/clients", boruta(provider, object{"id": mine})).Want(201)
	for _, id := range []string{
		"https://evil.example/client", "admin", "@clients", mine + "@clients", mine + " ", mine + "\x00", "\u202e" + mine, strings.Replace(mine, mine[:1], "а", 1), "{" + mine + "}x", "urn:uuid:" + mine + "x",
		"../" + mine, mine + "/secrets", strings.Repeat("a", 36), strings.Repeat("1", 300), "google-oauth2|123", "system",
	} {
		if r := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, object{"id": id})); r.Status != 422 && r.Status != 400 {
			t.Errorf("%q: %d %s", id, r.Status, r.Body)
		}
	}
	for _, again := range []string{mine, strings.ToUpper(mine)} { // a uuid has many spellings
		if r := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, object{"id": again})); r.Status < 400 || r.Status >= 500 {
			t.Errorf("%q is taken twice: %d %s", again, r.Status, r.Body)
		}
	}
	upper := strings.ToUpper(uuid.NewString())
	made := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, object{"id": upper})).Want(201).Object()["data"].(object)["id"]
	if made != strings.ToLower(upper) {
		t.Errorf("%s was stored as %v", upper, made)
	}
	s.Do(s.Admin, "DELETE", "/api/clients/"+mine, nil).Want(204)
	s.Do(s.Admin, "PUT", "/api/clients/"+strings.ToLower(upper), object{"client": object{"id": mine}}).Want(200) // no member of a change
	s.Do(s.Admin, "GET", "/api/clients/"+strings.ToLower(upper), nil).Want(200)
	s.Do(s.Admin, "GET", "/api/clients/"+mine, nil).Want(404)
	for _, member := range []string{"client_id", "id", "owner", "tenant", "global"} {
		s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "x", member: mine}).Want(400)
		id, _ := newClient(s, nil)
		s.Do(s.Admin, "PATCH", clientPath(id), object{member: mine}).Want(400)
	}
}

// Texts come back as they went in, and do nothing on the way.
func TestTextsComeBackAndDoNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := newClient(s, nil)
	own := s.Do(s.Admin, "POST", "/api/clients", boruta(newProvider(s), nil)).Want(201).Object()["data"].(object)["id"].(string)
	for _, text := range []string{"a\r\nSet-Cookie: a=b", "=cmd|'/C calc'!A0", "\u202etxt.exe", "a\u2028b\u2029c", `"};alert(1)//`, "${jndi:ldap://x}", "%s%n", "\x1b[31mred", strings.Repeat("n", 200)} {
		for name, r := range map[string]servertest.Response{
			"Auth0":  s.Do(s.Admin, "PATCH", clientPath(id), object{"name": text, "description": text[:min(len(text), 140)], "client_metadata": object{"k": text[:min(len(text), 255)]}}),
			"Boruta": s.Do(s.Admin, "PUT", "/api/clients/"+own, object{"client": object{"name": text, "metadata": object{"k": text}}}),
		} {
			if r.Status == 400 || r.Status == 422 {
				continue // refused: fine too
			}
			got := r.Want(200).Object()
			if data, ok := got["data"].(object); ok {
				got = data
			}
			if got["name"] != text {
				t.Errorf("%s: %q came back as %q", name, text, got["name"])
			}
			checkInert(t, name, r)
		}
	}
	for _, html := range []string{"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</title><b>"} {
		for name, r := range map[string]servertest.Response{
			"Auth0":  s.Do(s.Admin, "PATCH", clientPath(id), object{"description": html, "client_metadata": object{"k": html}}),
			"Boruta": s.Do(s.Admin, "PUT", "/api/clients/"+own, object{"client": object{"name": html}}),
			"events": s.Do(s.Admin, "GET", "/api/roster/v1/events", nil),
		} {
			checkInert(t, name, r)
			if strings.Contains(string(r.Body), html) {
				t.Errorf("%s answers HTML as it is: %s", name, html)
			}
		}
	}
	large := strings.Repeat("x", 1<<20)
	for name, body := range map[string]string{
		"deep": strings.Repeat(`{"a":`, 3000) + "1" + strings.Repeat("}", 3000), "deep array": `{"name":` + strings.Repeat("[", 100000), "a member twice": `{"name":"a","name":"b"}`,
		"a member twice, inside": `{"name":"a","client_metadata":{"k":"1","k":"2"}}`, "a member twice, escaped": `{"name":"a","n\u0061me":"b"}`, "1 MB": `{"name":"` + large + `"}`,
		"two documents": `{"name":"a"}{"name":"b"}`, "NUL": `{"name":"a\u0000b"}`, "half a surrogate": `{"name":"\ud800"}`,
	} {
		before := read(s, id)
		for path, text := range map[string]string{"/api/v2/clients": body, clientPath(id): body, "/api/clients": `{"client":` + body + `}`, "/api/clients/" + own: `{"client":` + body + `}`} {
			method := map[bool]string{true: "POST", false: "PATCH"}[strings.HasSuffix(path, "/clients")]
			if r := s.Do(s.Admin, method, path, text); r.Status < 400 || r.Status >= 500 {
				t.Errorf("%s %s, %s: %d %.200s", method, path, name, r.Status, r.Body)
			}
		}
		if diff := cmp.Diff(before, read(s, id)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for line := range strings.Lines(s.Log.String()) {
		if i := strings.IndexFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' }); i >= 0 || !strings.HasPrefix(line, "{") {
			t.Errorf("the log has the line %q", line)
		}
	}
}

// checkInert fails the test where a browser might take an answer for a page.
func checkInert(t testing.TB, name string, r servertest.Response) {
	t.Helper()
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("%s: headers %v", name, r.Header)
	}
	for _, values := range maps.All(r.Header) {
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n") {
				t.Errorf("%s: header %q", name, v)
			}
		}
	}
	if r.Status >= http.StatusInternalServerError {
		t.Errorf("%s: %d", name, r.Status)
	}
}
