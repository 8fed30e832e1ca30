package auth0

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/dialect"
)

func (h *handler) Auth0CreateClient(ctx context.Context, req auth0api.Auth0CreateClientRequestObject) (auth0api.Auth0CreateClientResponseObject, error) {
	wire := *req.Body
	if err := mayCreate(ctx, wire); err != nil {
		return nil, err
	}
	if err := h.checkReferences(ctx, wire); err != nil {
		return nil, err
	}
	draft, inline, err := h.draft(wire)
	if err != nil {
		return nil, err
	}
	key, err := h.registry.ShowTenantKey(ctx) // before the change, whose transaction notes it
	if err != nil {
		return nil, err
	}
	c, err := h.registry.CreateClient(ctx, draft)
	if err != nil {
		return nil, err
	}
	c.Secret = nil // addOnce shows it; that a client was created tells that its secret was shown
	body, err := h.view(ctx, c, func([]string) bool { return true }, selection{}, true)
	if err != nil {
		return nil, err
	}
	if err := h.addOnce(ctx, body, draft, key, inline); err != nil {
		return nil, err
	}
	return document(http.StatusCreated, clientSchema, body, etag(c.Version)), nil
}

// mayCreate asks for the scopes that some members need beside create:clients:
// those that register credentials, and the token vault's.
func mayCreate(ctx context.Context, wire jsondoc.Object) error {
	registers := wire["client_authentication_methods"] != nil
	for _, name := range []string{oauth.SlotSignedRequest, oauth.SlotTokenVault} {
		var slot struct{ Credentials []json.RawMessage }
		_ = json.Unmarshal(wire[name], &slot) // absent: names none
		registers = registers || len(slot.Credentials) > 0
	}
	if registers {
		if err := need(ctx, "create:client_credentials"); err != nil {
			return err
		}
	}
	if wire[oauth.SlotTokenVault] != nil {
		return need(ctx, writeVault...)
	}
	return nil
}

// checkReferences refuses to name a client that does not exist.
func (h *handler) checkReferences(ctx context.Context, wire jsondoc.Object) error {
	var organization struct {
		LandingClient string `json:"invitation_landing_client_id"`
	}
	_ = json.Unmarshal(wire["my_organization_configuration"], &organization) // absent: names none
	if organization.LandingClient == "" {
		return nil
	}
	_, err := h.registry.Client(ctx, clientRef(organization.LandingClient))
	return err
}

// draft makes the client that a create asks for. inline are the credentials
// that came with it, as the answer shows them, by slot.
func (h *handler) draft(wire jsondoc.Object) (draft oauth.Draft, inline map[string][]auth0api.ClientCredential, err error) {
	doc := defaults(wire)
	wire, secret := splitSecret(wire)
	if secret.IsZero() {
		secret = newSecret()
	}
	draft = oauth.Draft{Client: &oauth.Client{ID: uuid.NewString(), Document: doc}, NewSecret: secret}
	if wire, inline, err = h.registerInline(wire, &draft); err != nil {
		return draft, nil, err
	}
	if err := fields.Apply(doc, wire); err != nil {
		return draft, nil, err
	}
	if err := checkNewTokenVault(doc); err != nil {
		return draft, nil, err
	}
	if err := checkLimits(doc, wire, nil); err != nil {
		return draft, nil, err
	}
	for name, raw := range doc {
		if jsondoc.IsNull(raw) {
			delete(doc, name)
		}
	}
	draft.ClientID = newClientID(doc)
	return draft, inline, nil
}

// splitSecret takes client_secret out of a request.
func splitSecret(wire jsondoc.Object) (rest jsondoc.Object, secret oauth.Secret) {
	rest = jsondoc.Object{}
	for name, raw := range wire {
		if name == "client_secret" {
			secret = oauth.NewSecret(jsondoc.String(raw))
		} else {
			rest[name] = raw
		}
	}
	return rest, secret
}

// addOnce adds what only the answer to a create shows: the secret, the tenant's
// private key and the credentials in full.
func (h *handler) addOnce(ctx context.Context, body jsondoc.Object, draft oauth.Draft, key oauth.Secret, inline map[string][]auth0api.ClientCredential) error {
	body["encrypted"] = json.RawMessage(`true`)
	if body["client_authentication_methods"] == nil {
		body["client_secret"] = jsondoc.Must(draft.NewSecret.Reveal())
	}
	tenant, err := h.tenantKeys(ctx)
	if err != nil {
		return err
	}
	body["signing_keys"] = jsondoc.Must([]map[string]string{{
		"cert": tenant.read.Cert, "key": key.Reveal(), "pkcs7": tenant.read.PKCS7, "subject": tenant.read.Subject,
	}})
	return showInline(body, inline)
}

func (h *handler) Auth0GetClient(ctx context.Context, req auth0api.Auth0GetClientRequestObject) (auth0api.Auth0GetClientResponseObject, error) {
	sel, err := newSelection(ctx, req.Params.Fields, req.Params.IncludeFields)
	if err != nil {
		return nil, err
	}
	c, err := h.registry.Client(ctx, clientRef(req.ClientID))
	if err != nil {
		return nil, err
	}
	tag := etag(c.Version)
	if matches(req.Params.IfNoneMatch, c.Version) {
		return auth0api.Auth0GetClient304Response{Headers: auth0api.Auth0GetClient304ResponseHeaders{ETag: &tag}}, nil
	}
	body, err := h.read(ctx, c, sel)
	if err != nil {
		return nil, err
	}
	sel.cut(body)
	return document(0, clientSchema, body, tag), nil
}

func (h *handler) Auth0UpdateClient(ctx context.Context, req auth0api.Auth0UpdateClientRequestObject) (auth0api.Auth0UpdateClientResponseObject, error) {
	caller := dialect.Caller(ctx)
	if (*req.Body)["client_secret"] != nil && !caller.HasAny(writeKeys...) {
		return nil, insufficientScope(writeKeys)
	}
	wire, secret := splitSecret(*req.Body)
	if _, scopes := fields.Unwritable(wire, []string{"update:clients"}, caller); scopes != nil && !swapsCredentials(wire, caller) {
		return nil, insufficientScope(scopes)
	}
	if err := h.checkReferences(ctx, wire); err != nil {
		return nil, err
	}
	ref := clientRef(req.ClientID)
	ref.Version = ifMatch(req.Params.IfMatch)
	c, err := h.registry.UpdateClient(ctx, ref, func(d *oauth.Draft) error {
		d.NewSecret = secret
		err := update(d.Document, wire)
		d.Shows = caller.HasAny(readKeys...) && d.Document[oauth.SlotsOfAuthentication] == nil
		return err
	})
	if err != nil {
		return nil, err
	}
	body, err := h.view(ctx, c, updaterReads(caller), selection{}, true)
	if err != nil {
		return nil, err
	}
	return document(0, clientSchema, body, etag(c.Version)), nil
}

// swapsCredentials reports whether a request only changes which credentials a
// client uses and, along with that, how it authenticates without them: the
// caller needs no more than update:client_credentials.
func swapsCredentials(wire jsondoc.Object, caller *oauth.Caller) bool {
	for name := range wire {
		switch name {
		case "client_authentication_methods", "signed_request_object":
		case "token_endpoint_auth_method":
			if wire["client_authentication_methods"] == nil {
				return false
			}
		default:
			return false
		}
	}
	return caller.HasAny(writeCredentials...)
}

// updaterReads shows whoever may change a client all of it but its keys.
func updaterReads(caller *oauth.Caller) func([]string) bool {
	return func(read []string) bool {
		return len(read) == 0 || slices.Equal(read, readClient) || caller.HasAny(read...)
	}
}

// update changes doc by the members of a PATCH.
func update(doc, wire jsondoc.Object) error {
	methods, methodsSent := wire["client_authentication_methods"]
	method, methodSent := wire["token_endpoint_auth_method"]
	methodsGo, methodGoes := methodsSent && jsondoc.IsNull(methods), methodSent && jsondoc.IsNull(method)
	hasMethods := doc[oauth.SlotsOfAuthentication] != nil
	switch {
	case methodsGo && (methodGoes || hasMethods && !methodSent):
		return broken("token_endpoint_auth_method", "required", "must be set when client_authentication_methods is removed")
	case methodGoes && !methodsSent && !hasMethods && doc["token_endpoint_auth_method"] != nil:
		return broken("token_endpoint_auth_method", "required", "can be null only together with client_authentication_methods")
	case changed(doc, wire, "third_party_security_mode"):
		return broken("auth0:third_party_security_mode", "readOnly", "cannot be changed")
	case changed(doc, wire, "is_first_party") && jsondoc.String(doc["auth0:third_party_security_mode"]) == "strict":
		return broken("auth0:is_first_party", "readOnly", "of a strict third-party client cannot be changed")
	}
	had := doc["grant_types"]
	if err := fields.Apply(doc, wire); err != nil {
		return err
	}
	return checkLimits(doc, wire, had)
}

// changed reports whether wire has another value for a scalar member than doc.
func changed(doc, wire jsondoc.Object, name string) bool {
	return wire[name] != nil && string(wire[name]) != string(doc["auth0:"+name])
}

func broken(member, rule, detail string) error {
	return oauth.Invalidate(oauth.Violation{Member: member, Rule: rule, Detail: detail})
}

func anyClient(*oauth.Client) error { return nil }

func (h *handler) Auth0DeleteClient(ctx context.Context, req auth0api.Auth0DeleteClientRequestObject) (auth0api.Auth0DeleteClientResponseObject, error) {
	ref := clientRef(req.ClientID)
	ref.Version = ifMatch(req.Params.IfMatch)
	if err := ignoreMissing(h.registry.DeleteClient(ctx, ref, anyClient)); err != nil {
		return nil, err
	}
	return auth0api.Auth0DeleteClient204Response{}, nil
}

func (h *handler) Auth0RotateClientSecret(ctx context.Context, req auth0api.Auth0RotateClientSecretRequestObject) (auth0api.Auth0RotateClientSecretResponseObject, error) {
	secret := newSecret()
	var grace *time.Duration
	if req.Params.GraceSeconds != nil {
		grace = new(time.Duration(*req.Params.GraceSeconds) * time.Second)
	}
	c, err := h.registry.RotateSecret(ctx, clientRef(req.ClientID), secret, grace)
	if err != nil {
		return nil, err
	}
	c.Secret = nil // shown below; the rotation tells that it was
	body, err := h.view(ctx, c, updaterReads(dialect.Caller(ctx)), selection{}, true)
	if err != nil {
		return nil, err
	}
	body["client_secret"] = jsondoc.Must(secret.Reveal())
	return document(0, clientSchema, body, etag(c.Version)), nil
}

func (h *handler) Auth0ListClientConnections(ctx context.Context, req auth0api.Auth0ListClientConnectionsRequestObject) (auth0api.Auth0ListClientConnectionsResponseObject, error) {
	if _, err := h.registry.Client(ctx, clientRef(req.ClientID)); err != nil {
		return nil, err
	}
	return auth0api.Auth0ListClientConnections200JSONResponse{Body: auth0api.ListClientConnectionsResponseContent{Connections: []auth0api.ConnectionForList{}}}, nil
}

// read renders a client as GET shows it to the caller.
func (h *handler) read(ctx context.Context, c oauth.Client, sel selection) (jsondoc.Object, error) {
	caller := dialect.Caller(ctx)
	may := func(read []string) bool { return len(read) == 0 || caller.HasAny(read...) }
	return h.view(ctx, c, may, sel, false)
}

// view renders the members of a client that may shows. What is kept beside the
// document is looked up only if sel wants it. certified tells whether the tenant's
// certificate shows its subject.
func (h *handler) view(ctx context.Context, c oauth.Client, may func(read []string) bool, sel selection, certified bool) (jsondoc.Object, error) {
	body, err := fields.View(c.Document, may)
	if err != nil {
		return nil, err
	}
	more, err := shown.View(c.Document, may)
	if err != nil {
		return nil, err
	}
	maps.Copy(body, more)
	body["client_id"] = jsondoc.Must(c.ClientID)
	if body["name"] == nil { // other dialects have clients without a name
		body["name"] = body["client_id"]
	}
	if may(readClient) {
		body["tenant"] = jsondoc.Must(h.registry.Tenant)
		global := c.IsGlobal()
		body["global"] = jsondoc.Must(global)
		if !global {
			body["callback_url_template"] = json.RawMessage(`false`)
		}
	}
	if may(readCredentials) && sel.shows("signing_keys") {
		tenant, err := h.tenantKeys(ctx)
		if err != nil {
			return nil, err
		}
		if body["signing_keys"] = tenant.hidden; certified {
			body["signing_keys"] = tenant.certified
		}
	}
	if may(readKeys) && sel.shows("client_secret") && c.Document[oauth.SlotsOfAuthentication] == nil {
		secret, err := h.registry.ShowSecret(ctx, c)
		if err != nil {
			return nil, err
		}
		if !secret.IsZero() {
			body["client_secret"] = jsondoc.Must(secret.Reveal())
		}
	}
	return body, nil
}
