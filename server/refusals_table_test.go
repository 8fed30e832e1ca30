package server_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/server"
	"github.com/rosterhq/roster/server/admission"
)

const form = "application/x-www-form-urlencoded"

type object = map[string]any

// refusals are by component and name of the example.
var refusals = map[string]refusal{
	"Auth0BadRequest/header": {op: "auth0GetClientGrant", status: "400", header: []string{"Authorization", "Token abc"}},
	"Auth0BadRequest/path":   {op: "auth0GetClientGrant", status: "400", path: names{"id": "cgr%00"}},

	"Auth0InvalidQuery/tooLarge": {op: "auth0ListClients", status: "400", query: "?per_page=101"},
	"Auth0InvalidQuery/cursor":   {op: "auth0ListClients", status: "400", query: "?from=abc"},
	"Auth0InvalidQuery/header":   {op: "auth0ListClients", status: "400", header: []string{"Authorization", "Token abc"}},

	"Auth0InvalidClient/pattern":       {op: "auth0CreateClient", status: "400", body: object{"name": "<b>"}},
	"Auth0InvalidClient/unknownMember": {op: "auth0CreateClient", status: "400", body: object{"name": "billing", "tenant": "mine", "signing_keys": []any{}}},
	"Auth0InvalidClient/together":      {op: "auth0CreateClient", status: "400", body: object{"name": "billing", "token_endpoint_auth_method": "none", "grant_types": []string{"client_credentials"}}},
	"Auth0InvalidClient/notJSON":       {op: "auth0CreateClient", status: "400", body: "{"},
	"Auth0GlobalClient/global":         {op: "auth0DeleteClient", status: "400", path: names{"client_id": "GLOBAL"}, first: (*world).findGlobal},

	"Auth0InvalidCredential/missing":  {op: "auth0CreateClientCredential", status: "400", body: object{"name": "payroll"}},
	"Auth0InvalidCredential/full":     {op: "auth0CreateClientCredential", status: "400", body: subject("five"), first: (*world).fillPool},
	"Auth0InvalidCredential/known":    {op: "auth0CreateClientCredential", status: "400", body: object{"credential_type": "public_key", "pem": "THE KEY"}, first: (*world).addKey},
	"Auth0CredentialInUse/attached":   {op: "auth0DeleteClientCredential", status: "400", first: (*world).useKeys},
	"Auth0CredentialInUse/header":     {op: "auth0DeleteClientCredential", status: "400", header: []string{"Authorization", "Token abc"}},
	"Auth0InvalidClientGrant/scope":   {op: "auth0CreateClientGrant", status: "400", body: object{"client_id": theClient, "audience": theIssuer + "/api/v2/", "scope": []string{"read:everything"}}},
	"Auth0InvalidClientGrant/whose":   {op: "auth0CreateClientGrant", status: "400", body: object{"audience": theIssuer + "/api/v2/"}},
	"Auth0InvalidClientGrant/express": {op: "auth0CreateClientGrant", status: "400", body: object{"client_id": "EXPRESS", "audience": theIssuer + "/api/v2/"}, first: (*world).addExpress},

	"Auth0InvalidResourceServer/lifetime": {op: "auth0CreateResourceServer", status: "400", body: object{"identifier": "https://invoices.example/", "token_lifetime": 2592001}},
	"Auth0InvalidResourceServer/reserved": {op: "auth0CreateResourceServer", status: "400", body: object{"identifier": theIssuer + "/api/v2/"}},
	"Auth0InvalidResourceServer/system":   {op: "auth0DeleteResourceServer", status: "400", path: names{"id": "https:%2F%2Froster.example%2Fapi%2Fv2%2F"}},

	"Auth0Unauthorized/missing":   {op: "auth0ListClients", status: "401", open: true},
	"Auth0Unauthorized/expired":   {op: "auth0ListClients", status: "401", first: (*world).expire},
	"Auth0Unauthorized/signature": {op: "auth0ListClients", status: "401", first: (*world).forge},
	"Auth0Forbidden/scope":        {op: "auth0UpdateClient", status: "403", scopes: []string{"read:clients"}, body: object{"name": "invoicing"}},
	"Auth0Forbidden/member":       {op: "auth0UpdateClient", status: "403", scopes: []string{"update:clients"}, body: object{"client_secret": theSecret}},

	"Auth0ClientNotFound/client":                 {op: "auth0GetClient", status: "404", path: names{"client_id": "nobody"}},
	"Auth0NamedClientNotFound/client":            {op: "auth0CreateClient", status: "404", body: object{"name": "billing", "my_organization_configuration": object{"allowed_strategies": []string{"oidc"}, "connection_deletion_behavior": "allow", "invitation_landing_client_id": "v9KdWq4tRx7LmYc2TzNhUb5oGpJ8sAe3"}}},
	"Auth0NamedClientNotFound/resourceServer":    {op: "auth0CreateClient", status: "404", body: object{"name": "billing", "app_type": "resource_server", "resource_server_identifier": "https://nowhere.example/"}},
	"Auth0CredentialNotFound/client":             {op: "auth0GetClientCredential", status: "404", path: names{"client_id": "nobody", "credential_id": "cred_4tGv8RzQbN2kXwLy7MpJc5"}},
	"Auth0CredentialNotFound/credential":         {op: "auth0GetClientCredential", status: "404", path: names{"credential_id": "cred_4tGv8RzQbN2kXwLy7MpJc5"}},
	"Auth0ClientGrantNotFound/grant":             {op: "auth0GetClientGrant", status: "404", path: names{"id": "cgr_Zr8WnK2xVbTq5LcJ"}},
	"Auth0GrantTargetNotFound/client":            {op: "auth0CreateClientGrant", status: "404", body: object{"client_id": "nobody", "audience": theIssuer + "/api/v2/"}},
	"Auth0GrantTargetNotFound/resourceServer":    {op: "auth0CreateClientGrant", status: "404", body: object{"client_id": theClient, "audience": "https://nowhere.example/"}},
	"Auth0ResourceServerNotFound/resourceServer": {op: "auth0GetResourceServer", status: "404", path: names{"id": "nothing"}},

	"Auth0ClientConflict/alias":              {op: "auth0CreateClient", status: "409", body: object{"name": "shop", "client_aliases": []string{"shop"}}, first: (*world).addAlias},
	"Auth0ClientConflict/resourceServer":     {op: "auth0CreateClient", status: "409", body: standIn, first: (*world).addStandIn},
	"Auth0ClientConflict/underWay":           {op: "auth0CreateClient", status: "409", body: object{"name": "billing"}, header: once, first: (*world).holdKey},
	"Auth0UnderWay/underWay":                 {op: "auth0RotateClientSecret", status: "409", header: once, first: (*world).holdKey},
	"Auth0KeyReused/reused":                  {op: "auth0CreateClient", status: "422", body: object{"name": "billing"}, header: once, first: (*world).useKey},
	"Auth0ClientGrantConflict/grant":         {op: "auth0CreateClientGrant", status: "409", body: object{"client_id": theClient, "audience": theIssuer + "/api/v2/"}, first: (*world).addGrant},
	"Auth0ClientGrantConflict/underWay":      {op: "auth0CreateClientGrant", status: "409", body: object{"client_id": theClient, "audience": theIssuer + "/api/v2/"}, header: once, first: (*world).holdKey},
	"Auth0ResourceServerConflict/identifier": {op: "auth0CreateResourceServer", status: "409", body: object{"identifier": "https://invoices.example/"}, first: (*world).addAPI},
	"Auth0ResourceServerConflict/underWay":   {op: "auth0CreateResourceServer", status: "409", body: object{"identifier": "https://invoices.example/"}, header: once, first: (*world).holdKey},
	"Auth0PreconditionFailed/stale":          {op: "auth0UpdateClient", status: "412", body: object{"name": "invoicing"}, header: []string{"If-Match", `"v9"`}},
	"Auth0PayloadTooLarge/large":             {op: "auth0CreateClient", status: "413", body: tooLarge},
	"Auth0UnsupportedMediaType/text":         {op: "auth0CreateClient", status: "415", body: "name: billing", header: []string{"Content-Type", "text/plain"}},
	"Auth0TooManyRequests/rate":              {op: "auth0ListClients", status: "429", options: slow, first: (*world).exhaust},
	"Auth0Failure/internal":                  {op: "auth0ListClients", first: (*world).breakDown},
	"Auth0Failure/busy":                      {op: "auth0ListClients", options: narrow, first: (*world).occupy},

	"RosterInvalid/limit":             {op: "rosterListEvents", status: "400", query: "?limit=501"},
	"RosterInvalid/cursor":            {op: "rosterListEvents", status: "400", query: "?after=abc"},
	"RosterUnauthorized/header":       {op: "rosterListEvents", status: "401", header: []string{"Authorization", "Token abc"}},
	"RosterBadPayload/tooMany":        {op: "rosterImportRecords", status: "400", body: object{"format": "roster", "records": slices.Repeat([]any{object{}}, 101)}},
	"RosterPayloadTooLarge/large":     {op: "rosterImportRecords", status: "413", body: tooLarge},
	"RosterUnsupportedMediaType/text": {op: "rosterImportRecords", status: "415", body: "abc", header: []string{"Content-Type", "text/plain"}},
	"RosterUnauthorized/missing":      {op: "rosterListEvents", status: "401", open: true},
	"RosterUnauthorized/expired":      {op: "rosterListEvents", status: "401", first: (*world).expire},
	"RosterForbidden/scope":           {op: "rosterListEvents", status: "403", scopes: []string{"read:clients"}},
	"RosterNotFound/client":           {op: "rosterListClientSecrets", status: "404", path: names{"client_id": "nobody"}},
	"RosterNotFound/secret":           {op: "rosterRetireClientSecret", status: "404", path: names{"secret_id": "019aab12-93d1-7c55-8a54-1f0d2b7c9e10"}},
	"RosterConflict/newest":           {op: "rosterRetireClientSecret", status: "409", path: names{"secret_id": "NEWEST"}, first: (*world).findNewest},
	"RosterNotRestored/there":         {op: "rosterRestoreClient", status: "409"},
	"RosterUnderWay/underWay":         {op: "rosterRotateClientSecret", status: "409", header: once, first: (*world).holdKey},
	"RosterKeyReused/reused":          {op: "rosterRotateClientSecret", status: "422", header: once, first: (*world).useKey},
	"RosterFeedTrimmed/trimmed":       {op: "rosterReadEventFeed", status: "410", query: "?after=" + theCursor, options: short, first: (*world).trim},
	"RosterTooManyRequests/rate":      {op: "rosterListEvents", status: "429", options: slow, first: (*world).exhaust},
	"RosterFailure/internal":          {op: "rosterListEvents", first: (*world).breakDown},
	"RosterFailure/busy":              {op: "rosterListEvents", options: narrow, first: (*world).occupy},

	"OAuthBadRequest/grantType":      {op: "createToken", status: "400", body: "grant_type=password", header: asForm},
	"OAuthBadRequest/missing":        {op: "createToken", status: "400", body: "grant_type=client_credentials", header: asForm},
	"OAuthBadRequest/repeated":       {op: "createToken", status: "400", body: "grant_type=client_credentials&client_id=a&client_id=b", header: asForm},
	"OAuthBadRequest/twoWays":        {op: "createToken", status: "400", body: "grant_type=client_credentials&client_secret=b", header: append([]string{"Authorization", "Basic YTpi"}, asForm...)},
	"OAuthUnauthorized/secret":       {op: "createToken", status: "401", body: "grant_type=client_credentials&client_id=" + theClient + "&client_secret=b", header: asForm},
	"OAuthUnauthorized/assertion":    {op: "createToken", status: "401", body: object{"grant_type": "client_credentials", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": "abc"}},
	"OAuthForbidden/audience":        {op: "createToken", status: "403", body: "grant_type=client_credentials&client_id=" + theClient + "&client_secret=" + theSecret + "&audience=https://roster.example/api/v2/", header: asForm},
	"OAuthForbidden/grantType":       {op: "createToken", status: "403", body: "grant_type=client_credentials&client_id=" + theClient + "&client_secret=" + theSecret + "&audience=https://roster.example/api/v2/", header: asForm, first: (*world).takeGrantType},
	"OAuthPayloadTooLarge/large":     {op: "createToken", status: "413", body: tooLarge},
	"OAuthUnsupportedMediaType/text": {op: "createToken", status: "415", body: "abc", header: []string{"Content-Type", "text/plain"}},
	"OAuthTooManyRequests/rate":      {op: "createToken", status: "429", body: object{}, options: slow, first: (*world).exhaust},
	"OAuthInvalidForm/missing":       {op: "introspectToken", status: "400", body: "client_id=a", header: asForm, open: true},
	"OAuthInvalidForm/repeated":      {op: "introspectToken", status: "400", body: "token=a&token=b", header: asForm, open: true},
	"OAuthInvalidForm/query":         {op: "introspectToken", status: "400", query: "?token=a", body: "token=a", header: asForm, open: true},
	"OAuthInvalidForm/twoWays":       {op: "revokeToken", status: "400", body: "token=a&client_secret=b", header: append([]string{"Authorization", "Basic YTpi"}, asForm...)},
	"OAuthInvalidClient/secret":      {op: "revokeToken", status: "401", body: "token=a&client_id=a&client_secret=b", header: asForm},
	"OAuthInvalidClient/missing":     {op: "introspectToken", status: "401", body: "token=a", header: asForm, open: true},
	"OAuthInsufficientScope/scope":   {op: "introspectToken", status: "403", body: "token=a", header: asForm, scopes: []string{"read:clients"}},
	"OAuthFormTooLarge/large":        {op: "revokeToken", status: "413", body: tooLarge},
	"OAuthNoForm/text":               {op: "revokeToken", status: "415", body: "abc", header: []string{"Content-Type", "text/plain"}},
	"OAuthFailure/internal":          {op: "createToken", body: "grant_type=client_credentials&client_id=a&client_secret=b", header: asForm, first: (*world).breakDown},
	"OAuthFailure/busy":              {op: "createToken", body: object{}, options: narrow, first: (*world).occupy},
	"OpsNotReady/unmigrated":         {op: "getReadiness", status: "503", options: unmigrated},
	"OpsNotFound/dialect":            {op: "getSpecificationPart", status: "404", path: names{"part": "saml.yaml"}},
	"OpsTooManyRequests/rate":        {op: "getJWKS", status: "429", options: slow, first: (*world).exhaust},
	"OpsFailure/busy":                {op: "getJWKS", options: narrow, first: (*world).occupy},

	"BorutaBadRequest/envelope":   {op: "borutaCreateClient", status: "400", body: object{"name": "billing"}},
	"BorutaBadRequest/malformed":  {op: "borutaCreateClient", status: "400", body: "{"},
	"BorutaBadRequest/identifier": {op: "borutaGetClient", status: "400", path: names{"id": "billing"}},
	"BorutaUnauthorized/token":    {op: "borutaListClients", status: "401", open: true},
	"BorutaForbidden/scope":       {op: "borutaListClients", status: "403", scopes: []string{"read:clients"}},
	"BorutaForbidden/protected":   {op: "borutaUpdateScope", status: "403", path: names{"id": "PROTECTED"}, body: object{"scope": object{"label": "x"}}, first: (*world).addProtected},
	"BorutaNotFound/client":       {op: "borutaGetClient", status: "404", path: names{"id": "166e37a3-ec6e-4a8f-8f9b-1c59d0218e1d"}},
	"BorutaNotAcceptable/accept":  {op: "borutaListClients", status: "406", header: []string{"Accept", "text/html"}},
	"BorutaConflict/underWay":     {op: "borutaRegenerateClientKeyPair", status: "409", header: once, first: (*world).holdKey},
	"BorutaUnderWay/underWay":     {op: "borutaCreateScope", status: "409", body: object{"scope": object{"name": "a"}}, header: once, first: (*world).holdKey},
	"BorutaKeyReused/reused":      {op: "borutaRotateKeyPair", status: "422", header: once, first: (*world).useKey},
	"BorutaPrecondition/stale":    {op: "borutaDeleteClient", status: "412", header: []string{"If-Match", `"v9-0123456789ab"`}},
	"BorutaPayloadTooLarge/large": {op: "borutaCreateClient", status: "413", body: tooLarge},
	"BorutaUnprocessable/members": {op: "borutaCreateClient", status: "422", body: object{"client": object{"redirect_uris": []string{"bad_uri"}, "access_token_ttl": 0}}},
	"BorutaUnprocessable/taken":   {op: "borutaCreateScope", status: "422", body: object{"scope": object{"name": "invoices:read"}}, first: (*world).addScope},
	"BorutaUnprocessable/used":    {op: "borutaDeleteIdentityProvider", status: "422", first: (*world).addApplication},
	"BorutaUnprocessable/reused":  {op: "borutaCreateScope", status: "422", body: object{"scope": object{"name": "a"}}, header: once, first: (*world).useKey},
	"BorutaTooManyRequests/rate":  {op: "borutaListClients", status: "429", options: slow, first: (*world).exhaust},
	"BorutaFailure/internal":      {op: "borutaListClients", first: (*world).breakDown},
	"BorutaFailure/busy":          {op: "borutaListClients", options: narrow, first: (*world).occupy},
}

// unprovoked are examples that no request brings about at will, with the reason.
var unprovoked = map[string]string{
	"BorutaConflict/changed": "another change would have to come while a key is made",
	"OpsFailure/internal":    "what these operations need is in memory once the service has started",
}

// names stand in a path.
type names = map[string]string

var (
	once     = []string{"Idempotency-Key", "5b1f0f0e-0d55-4a38-9a5d-1e4c6e0a8d11"}
	asForm   = []string{"Content-Type", form}
	tooLarge = `{"name":"` + strings.Repeat("a", 1<<20) + `"}`
	standIn  = object{"name": "invoices", "app_type": "resource_server", "resource_server_identifier": "https://invoices.example/"}
)

func subject(cn string) object {
	return object{"credential_type": "cert_subject_dn", "subject_dn": "CN=" + cn}
}

// slow lets a caller make one request.
func slow(o *servertest.Options) {
	one := admission.Limit{PerSecond: 0.001, Burst: 1}
	o.Limits = &admission.Limits{Caller: one, Address: one}
}

// unmigrated finds a schema that is too old, in the words of roster serve.
func unmigrated(o *servertest.Options) {
	o.Server = func(c *server.Config) {
		c.Ready = func(context.Context) error {
			return errors.New("the database schema is at version 4, version 6 is missing: run `roster migrate`")
		}
	}
}

// narrow lets one request be under way.
func narrow(o *servertest.Options) { o.Server = func(c *server.Config) { c.MaxInFlight = 1 } }

// short keeps events for a day.
func short(o *servertest.Options) {
	o.Registry = func(c *registry.Config) { c.PublicURL, c.EventRetention = theIssuer, 24*time.Hour }
}

func (w *world) exhaust() {
	w.Do(w.Admin, "GET", "/docs", nil)
	w.Do("", "GET", "/docs", nil)
}

func (w *world) occupy() { occupy(w.t, w.Server) }

// breakDown takes away what every operation with a database needs.
func (w *world) breakDown() {
	for _, table := range []string{"clients", "events", "issuer_keys"} {
		if _, err := w.Pool.Exec(context.Background(), "ALTER TABLE "+table+" RENAME TO "+table+"_gone"); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) expire() {
	token, err := w.Registry.MintManagementToken(context.Background(), "test", -time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	w.token = token.AccessToken.Reveal()
}

// forge makes a token that somebody else has signed.
func (w *world) forge() {
	w.token = w.Admin[:strings.LastIndex(w.Admin, ".")+1] + strings.Repeat("A", 342)
}

func (w *world) findGlobal() {
	var list []object
	w.Do(w.Admin, "GET", "/api/v2/clients?is_global=true", nil).Want(http.StatusOK).Decode(&list)
	w.made["GLOBAL"] = list[0]["client_id"].(string)
}

func (w *world) findNewest() {
	w.prepare(theClient)
	list := w.Do(w.Admin, "GET", w.real("/api/roster/v1/clients/"+theClient+"/secrets"), nil).Want(http.StatusOK).Object()["secrets"].([]any)
	w.made["NEWEST"] = list[0].(object)["id"].(string)
}

func (w *world) fillPool() {
	for _, name := range []string{"one", "two", "three", "four"} {
		w.Do(w.Admin, "POST", w.real("/api/v2/clients/"+theClient+"/credentials"), subject(name)).Want(http.StatusCreated)
	}
}

// addKey gives the client the key that is then registered again.
func (w *world) addKey() {
	w.prepare(theCredential)
	pem := publicKeyOf(w, "auth0CreateClientCredential", "publicKey")
	text := asJSON(w.t, pem)
	w.made["THE KEY"] = text[1 : len(text)-1]
}

func publicKeyOf(w *world, id, example string) string {
	for _, op := range operations(w.t) {
		if op.ID == id {
			return op.RequestBody.Value.Content["application/json"].Examples[example].Value.Value.(object)["pem"].(string)
		}
	}
	w.t.Fatalf("there is no operation %s", id)
	return ""
}

func (w *world) addExpress() {
	c := w.Do(w.Admin, "POST", "/api/v2/clients", object{"name": "okta", "app_type": "express_configuration"}).Want(http.StatusCreated).Object()
	w.made["EXPRESS"] = c["client_id"].(string)
}

func (w *world) addAlias() {
	w.Do(w.Admin, "POST", "/api/v2/clients", object{"name": "old shop", "client_aliases": []string{"shop"}}).Want(http.StatusCreated)
}

func (w *world) addStandIn() {
	w.prepare(theAPI)
	w.Do(w.Admin, "POST", "/api/v2/clients", standIn).Want(http.StatusCreated)
}

func (w *world) addGrant()       { w.prepare(theGrant) }
func (w *world) addAPI()         { w.prepare(theAPI) }
func (w *world) addScope()       { w.prepare(theScope) }
func (w *world) addApplication() { w.prepare(theApplication) }

func (w *world) addProtected() {
	s := w.Do(w.Admin, "POST", "/api/scopes", object{"scope": object{"name": "users:manage:all"}}).Want(http.StatusCreated).Object()
	w.made["PROTECTED"] = s["data"].(object)["id"].(string)
}

// useKey does another request under the key.
func (w *world) useKey() {
	w.Do(w.Admin, "POST", "/api/v2/clients", object{"name": "first"}, once...).Want(http.StatusCreated)
}

// holdKey does what a request does that is under way with the key.
func (w *world) holdKey() {
	held, done := make(chan struct{}), make(chan struct{})
	release := make(chan struct{})
	go func() {
		defer close(done)
		_, _, err := w.Registry.Once(context.Background(), (&oauth.Caller{Issuer: oauth.Operator, Subject: "test"}).Account(), once[1], []byte("x"), func(context.Context) ([]byte, bool) {
			close(held)
			<-release
			return nil, false
		})
		if err != nil {
			w.t.Error(err)
		}
	}()
	<-held
	w.t.Cleanup(func() { close(release); <-done })
}

func (w *world) takeGrantType() {
	w.prepare(theGrant)
	w.Do(w.Admin, "PATCH", w.real("/api/v2/clients/"+theClient), object{"grant_types": []string{"authorization_code"}}).Want(http.StatusOK)
}

// trim lets the feed go on behind a cursor and removes what followed it.
func (w *world) trim() {
	w.changeTwice()
	if _, err := w.Pool.Exec(context.Background(), "ALTER TABLE events DISABLE TRIGGER events_stay; UPDATE events SET occurred_at = occurred_at - interval '26 hours'; ALTER TABLE events ENABLE TRIGGER events_stay"); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Registry.ForgetExpired(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}
