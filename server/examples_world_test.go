package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
)

// The identifiers that openapi.yaml uses in its examples, for the same things
// throughout.
const (
	theClient      = "Qm3vT8yLr2kXb7NwZ0pHc5sDfJ4gAe9U"
	theSecret      = "example-secret-example-secret-example-secret-example-secret-0001"
	theOldSecret   = "019a0e44-20aa-7d10-b3f5-77d0c1b2a6f4" // its id
	theCredential  = "cred_9bXz3LkQmT7wYpRd2VnHs4"
	theGrant       = "cgr_Yp7QmT3wLkRd9VnH"
	theAPI         = "65f0c2a9b4d17e3388aa01cd"
	theProvider    = "5f0c1a52-6bb0-4d2e-9d52-8a9d3a1a2c11"
	theApplication = "7a4f3f0e-8a0b-4f57-9f0b-0b8f4c6f3f4e" // a client made in the Boruta dialect
	theScope       = "8a1d6d2e-41c5-4c34-8a55-bb0a4cf9a7c2"
	theKeyPair     = "1edfc752-e461-4573-a59b-497ad39d97dd"
	theIssuer      = "https://roster.example"
	theCursor      = "AfSMyvWYzafHbybpvyil03CmUplTZBNXYMF-wMmyOdS0R8KpcFLY7jm5Mr2xTiuTszG5rPqPAQ"
	theToken       = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJRbTN2In0.c2ln"
	theAssertion   = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJRbTN2VDh5THIya1hiN053WjBwSGM1c0RmSjRnQWU5VSIsInN1YiI6IlFtM3ZUOHlMcjJrWGI3TndaMHBIYzVzRGZKNGdBZTlVIiwiYXVkIjoiaHR0cHM6Ly9yb3N0ZXIuZXhhbXBsZS8iLCJpYXQiOjE3OTUzMzk0MzEsImV4cCI6MTc5NTMzOTQ5MSwianRpIjoiNWIxZjBmMGUifQ.c2lnbmF0dXJl"
)

// world is a Roster in which the things are there that examples speak of.
type world struct {
	*servertest.Server
	t    *testing.T
	made map[string]string // by the identifier in the document the real one

	token string // to call with instead; "" for none
}

func newWorld(t *testing.T, more ...func(*servertest.Options)) *world {
	t.Helper()
	o := servertest.Options{Registry: func(c *registry.Config) { c.PublicURL = theIssuer }}
	for _, m := range more {
		m(&o)
	}
	return &world{servertest.NewWith(t, o), t, map[string]string{}, ""}
}

// things are what examples name, in the order in which they are made.
var things = []string{theClient, theOldSecret, theAPI, theCredential, theGrant, theProvider, theApplication, theScope, theKeyPair, theToken, theAssertion}

// create makes a thing as the document's own requests do, and returns its real
// identifier.
func (w *world) create(thing string) string {
	w.t.Helper()
	switch thing {
	case theClient:
		c := w.send("auth0CreateClient", "machine")
		w.made[theSecret] = c["client_secret"].(string)
		return c["client_id"].(string)
	case theOldSecret:
		w.prepare(theClient)
		path := w.real("/api/roster/v1/clients/" + theClient + "/secrets")
		w.Do(w.Admin, "POST", path+"?grace_seconds=86400", nil).Want(http.StatusCreated)
		list := w.Do(w.Admin, "GET", path, nil).Want(http.StatusOK).Object()["secrets"].([]any)
		return list[1].(map[string]any)["id"].(string)
	case theAPI:
		return w.send("auth0CreateResourceServer", "invoices")["id"].(string)
	case theCredential:
		return w.send("auth0CreateClientCredential", "publicKey")["id"].(string)
	case theGrant:
		return w.send("auth0CreateClientGrant", "billing")["id"].(string)
	case theProvider:
		return w.sendData("borutaCreateIdentityProvider", "staff")
	case theApplication:
		return w.sendData("borutaCreateClient", "web")
	case theScope:
		return w.sendData("borutaCreateScope", "public")
	case theKeyPair:
		return w.sendData("borutaCreateKeyPair", "spare")
	case theAssertion:
		return w.assertion()
	case theToken:
		w.prepare(theGrant)
		return w.ask("createToken", "secret").Want(http.StatusOK).Object()["access_token"].(string)
	}
	w.t.Fatalf("there is no %s", thing)
	return ""
}

// prepare makes the things that text names.
func (w *world) prepare(text string) {
	w.t.Helper()
	for _, thing := range things {
		if w.made[thing] == "" && strings.Contains(text, thing) {
			real := w.create(thing)
			w.made[thing] = real
		}
	}
	if strings.Contains(text, theSecret) {
		w.prepare(theClient)
	}
}

// send sends a request of the document that makes something and returns the
// answer.
func (w *world) send(id, example string) map[string]any {
	w.t.Helper()
	return w.ask(id, example).Want(http.StatusCreated).Object()
}

func (w *world) sendChange(id, example string) {
	w.t.Helper()
	w.ask(id, example).Want(http.StatusOK)
}

func (w *world) ask(id, example string) servertest.Response {
	w.t.Helper()
	all := operations(w.t)
	op := all[slices.IndexFunc(all, func(op operation) bool { return op.ID == id })]
	e := op.RequestBody.Value.Content["application/json"].Examples[example]
	if e == nil {
		w.t.Fatalf("%s has no example %q", id, example)
	}
	target, body := op.fill(), asJSON(w.t, e.Value.Value)
	w.prepare(target + body)
	token := w.Admin
	if !needsToken(op.Operation) {
		token = ""
	}
	return w.Do(token, op.Method, w.real(target), w.real(body))
}

func (w *world) sendData(id, example string) string {
	w.t.Helper()
	return w.send(id, example)["data"].(map[string]any)["id"].(string)
}

// real puts real identifiers in the place of the document's.
func (w *world) real(text string) string {
	var pairs []string
	for example, real := range w.made {
		pairs = append(pairs, example, real)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// shown is the reverse.
func (w *world) shown(text string) string {
	var pairs []string
	for example, real := range w.made {
		pairs = append(pairs, real, example)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// comparison finds the differences between an example and an answer.
type comparison struct {
	part  bool // whether the answer may have members that the example leaves out
	wrong []string
}

func (c *comparison) note(at, format string, args ...any) {
	c.wrong = append(c.wrong, at+": "+fmt.Sprintf(format, args...))
}

func (c *comparison) compare(at string, example, got any) {
	switch example := example.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			c.note(at, "is %T, not an object", got)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(example)) {
			if value, ok := object[name]; ok {
				c.compare(at+"/"+name, example[name], value)
			} else {
				c.note(at+"/"+name, "is in the example alone")
			}
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if _, ok := example[name]; !ok && !c.part {
				c.note(at+"/"+name, "is in the answer alone: %.100v", object[name])
			}
		}
	case []any:
		c.list(at, example, got)
	case string:
		if text, ok := got.(string); !ok || text != example && !alike(example, text) {
			c.note(at, "%v, in the example %q", got, example)
		}
	default:
		if times := regexp.MustCompile(`/(iat|nbf|exp)$`); got != example && !times.MatchString(at) {
			c.note(at, "%v, in the example %v", got, example)
		}
	}
}

// list compares lists item by item. One of objects may go on where the example
// ends.
func (c *comparison) list(at string, example []any, got any) {
	list, ok := got.([]any)
	if !ok {
		c.note(at, "is %T, not a list", got)
		return
	}
	for i, one := range example {
		if i >= len(list) {
			c.note(at, "has %d items, in the example %d", len(list), len(example))
			return
		}
		c.compare(fmt.Sprintf("%s/%d", at, i), one, list[i])
	}
	if len(list) > len(example) {
		if _, objects := list[0].(map[string]any); !objects || len(example) == 0 {
			c.note(at, "has %d items, in the example %d", len(list), len(example))
		}
	}
}

// alike reports whether two texts are of the same kind, one of those that are
// made anew each time. A text in parentheses stands for one that examples leave
// out.
func alike(example, got string) bool {
	if strings.HasPrefix(example, "(") && strings.HasSuffix(example, ")") {
		return got != ""
	}
	for _, kind := range kinds {
		if kind.MatchString(example) {
			return kind.MatchString(got)
		}
	}
	return false
}

var kinds = []*regexp.Regexp{
	regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`),
	regexp.MustCompile(`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`),
	regexp.MustCompile(`^cred_[0-9A-Za-z]{22}$`),
	regexp.MustCompile(`^cgr_[0-9A-Za-z]{16}$`),
	regexp.MustCompile(`^[0-9a-f]{24}$`),                 // of a resource server
	regexp.MustCompile(`^[0-9A-Za-z_-]{22}$`),            // of a key of the issuer
	regexp.MustCompile(`^[0-9A-Za-z-]{32}(@clients)?$`),  // of a client, of a token's subject
	regexp.MustCompile(`^[0-9A-Za-z_-]{64}$`),            // a secret
	regexp.MustCompile(`^[0-9A-Za-z]{86}$`),              // a secret in the Boruta dialect
	regexp.MustCompile(`^[0-9A-Za-z_-]{43}$`),            // a SHA-256 digest
	regexp.MustCompile(`^[0-9A-Za-z_-]{342}$`),           // a modulus of 2048 bits
	regexp.MustCompile(`^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$`), // a token
	regexp.MustCompile(`^did:key:z[1-9A-Za-z]{200,}$`),
	regexp.MustCompile(`^A[0-9A-Za-z_-]{60,}$`), // a cursor
	regexp.MustCompile(`^[1-9]\d{0,5}$`),        // the number of an event
	regexp.MustCompile(`^(\d{1,3}\.){3}\d{1,3}$`),
	regexp.MustCompile(`^\d+\.\d+\.\d+$`),  // a version
	regexp.MustCompile(`^/CN=[0-9a-z.]+$`), // the tests' services share keys, and the first one's name on them
	regexp.MustCompile(`^-----BEGIN CERTIFICATE-----\r\n(?s:.+)\r\n-----END CERTIFICATE-----\r\n$`),
	regexp.MustCompile(`^-----BEGIN PKCS7-----\r\n(?s:.+)\r\n-----END PKCS7-----\r\n$`),
	regexp.MustCompile(`^-----BEGIN RSA PUBLIC KEY-----\n(?s:.+)\n-----END RSA PUBLIC KEY-----\n\n$`),
}

// calling is how an example comes about, where its request is not enough.
type calling struct {
	query  string
	given  []string     // things that are there besides those that the request names
	first  func(*world) // what happened before
	scopes []string     // of the token; nil for the first alternative that the document names
	part   bool         // whether the example leaves members out
	open   bool         // whether the request needs no token, since the client authenticates
	header []string     // names and values
	path   string       // to ask for in place of the operation's with its example parameters
}

// callings are by operation and name of the example.
var callings = map[string]calling{
	"auth0ListClients/array":                   {given: []string{theClient}, query: "?app_type=non_interactive&fields=client_id,name,app_type"},
	"auth0ListClients/totals":                  {given: []string{theClient}, query: "?app_type=non_interactive&fields=client_id,name,app_type&include_totals=true"},
	"auth0ListClients/cursor":                  {given: []string{theClient}, query: "?fields=client_id,name,app_type&take=1"},
	"auth0CreateClient/keyed":                  {scopes: []string{"create:clients", "create:client_credentials"}},
	"auth0GetClient/keys":                      {scopes: []string{"read:clients", "read:client_keys"}},
	"auth0GetClient/selection":                 {query: "?fields=client_id,name,grant_types"},
	"auth0UpdateClient/metadata":               {first: (*world).addMetadata},
	"auth0UpdateClient/form":                   {part: true},
	"auth0UpdateClient/toKeys":                 {scopes: []string{"update:client_credentials", "read:client_credentials"}},
	"auth0UpdateClient/toSecret":               {first: (*world).useKeys, scopes: []string{"update:client_credentials"}},
	"auth0ListClientCredentials/pool":          {given: []string{theCredential}},
	"auth0ListClientGrants/array":              {given: []string{theGrant}, query: "?client_id=" + theClient},
	"auth0ListClientGrants/totals":             {given: []string{theGrant}, query: "?client_id=" + theClient + "&include_totals=true"},
	"auth0ListClientGrants/cursor":             {given: []string{theGrant}, query: "?take=1"},
	"auth0CreateClientGrant/billing":           {scopes: []string{"create:client_grants", "read:clients", "update:clients"}},
	"auth0CreateClientGrant/thirdParties":      {given: []string{theAPI}},
	"auth0ListClientGrantOrganizations/totals": {query: "?include_totals=true"},
	"auth0ListClientGrantOrganizations/cursor": {query: "?take=10"},
	"auth0CreateResourceServer/form":           {part: true},
	"auth0ListResourceServers/array":           {given: []string{theAPI}, query: "?identifiers=https://invoices.example/&fields=id,identifier,name"},
	"auth0ListResourceServers/totals":          {given: []string{theAPI}, query: "?fields=id,identifier,name&include_totals=true"},
	"rosterListClients/page":                   {first: (*world).disable, query: "?state=disabled"},
	"rosterListChanges/first":                  {},
	"rosterListChanges/some":                   {first: (*world).changeOnce, query: "?after=" + theCursor},
	"rosterGetClientState/disabled":            {first: (*world).disable},
	"rosterRestoreClient/restored":             {first: (*world).remove},
	"rosterListClientSecrets/overlap":          {given: []string{theOldSecret}},
	"rosterListEvents/page":                    {given: []string{theClient}, first: (*world).changeTwice, query: "?action=client.updated&limit=1"},
	"rosterReadEventFeed/part":                 {first: (*world).changeTwice, query: "?limit=1&after=" + theCursor},
	"rosterReadEventFeed/end":                  {query: "?after=latest", first: (*world).passEvents},
	"rosterExportRecords/page":                 {given: []string{theScope}, query: "?take=1"},
	"borutaListClients/all":                    {given: []string{theApplication}},
	"borutaListScopes/all":                     {given: []string{theScope}},
	"borutaListKeyPairs/all":                   {given: []string{theKeyPair}},
	"borutaListIdentityProviders/all":          {given: []string{theProvider}},
	"createToken/secret":                       {given: []string{theGrant}},
	"createToken/form":                         {given: []string{theGrant}},
	"createToken/assertion":                    {given: []string{theGrant, theAssertion}},
	"introspectToken/own":                      {open: true},
	"introspectToken/signed":                   {open: true, header: []string{"Accept", "application/token-introspection+jwt"}},
	"getSpecification/document":                {part: true},
	"getSpecificationJSON/document":            {part: true},
	"getSpecification31/document":              {part: true},
	"getSpecificationPart/document":            {part: true},
	"getSpecificationPart/json":                {part: true, path: "/openapi/auth0.json"},
}

// disable switches the client off.
func (w *world) disable() { w.ask("rosterSetClientState", "disabled").Want(http.StatusOK) }

// remove deletes the client.
func (w *world) remove() {
	w.Do(w.Admin, "DELETE", w.real("/api/v2/clients/"+theClient), nil).Want(http.StatusNoContent)
}

// addMetadata gives the client the metadata that an example changes.
func (w *world) addMetadata() {
	w.Do(w.Admin, "PATCH", w.real("/api/v2/clients/"+theClient), map[string]any{"client_metadata": map[string]string{"team": "pay", "tier": "gold"}}).Want(http.StatusOK)
}

// changeTwice makes the two events that examples of the audit trail are about,
// and puts the cursor of the feed before them. Older transactions of other tests
// on the same server hold the feed back for a while.
func (w *world) changeTwice() {
	w.prepare(theClient)
	token := w.Token("update:clients")
	for _, change := range []map[string]any{{"team": "pay", "tier": "gold"}, {"team": "core", "tier": nil}} {
		w.Do(token, "PATCH", w.real("/api/v2/clients/"+theClient), map[string]any{"client_metadata": change}).Want(http.StatusOK)
	}
	after := ""
	for deadline := time.Now().Add(servertest.Patience); time.Now().Before(deadline); {
		part := w.Do(w.Admin, "GET", "/api/roster/v1/events/feed?wait=5&limit=1"+after, nil).Want(http.StatusOK).Object()
		for _, e := range part["events"].([]any) {
			if e.(map[string]any)["action"] == "client.updated" {
				if part["more"] == true {
					return
				}
				continue // the second one is held back
			}
			w.made[theCursor] = part["next"].(string)
			after = "&after=" + w.made[theCursor]
		}
	}
	w.t.Fatal("the feed does not go on")
}

// changeOnce changes the client after a place among changes.
func (w *world) changeOnce() {
	w.prepare(theClient)
	w.made[theCursor] = w.Do(w.Admin, "GET", "/api/roster/v1/changes", nil).Want(http.StatusOK).Object()["next"].(string)
	w.Do(w.Admin, "PATCH", w.real("/api/v2/clients/"+theClient), map[string]any{"name": "renamed"}).Want(http.StatusOK)
}

// passEvents waits until the feed's end is behind all that has happened: older
// transactions of other tests on the same server hold it back for a while.
func (w *world) passEvents() {
	for deadline := time.Now().Add(servertest.Patience); time.Now().Before(deadline); {
		part := w.Do(w.Admin, "GET", "/api/roster/v1/events/feed?after=latest&wait=1", nil).Want(http.StatusOK).Object()
		if len(part["events"].([]any)) == 0 {
			return
		}
	}
	w.t.Fatal("the feed does not go on")
}

// useKeys makes the client authenticate with its credential.
func (w *world) useKeys() { w.sendChange("auth0UpdateClient", "toKeys") }

// assertion gives the client a key and returns what it authenticates with.
func (w *world) assertion() string {
	w.prepare(theClient)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	path := w.real("/api/v2/clients/" + theClient)
	c := w.Do(w.Admin, "POST", path+"/credentials", map[string]any{
		"credential_type": "public_key", "pem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}).Want(http.StatusCreated).Object()
	w.Do(w.Admin, "PATCH", path, map[string]any{"token_endpoint_auth_method": nil, "client_authentication_methods": map[string]any{
		"private_key_jwt": map[string]any{"credentials": []any{map[string]any{"id": c["id"]}}},
	}}).Want(http.StatusOK)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	id, now := w.made[theClient], w.Clock.Now().Unix()
	signed, err := signer.Sign([]byte(asJSON(w.t, map[string]any{"iss": id, "sub": id, "aud": theIssuer + "/", "iat": now, "exp": now + 60, "jti": "5b1f0f0e"})))
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}
