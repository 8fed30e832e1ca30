package auth0

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

func (h *handler) Auth0CreateClient(ctx context.Context, req auth0api.Auth0CreateClientRequestObject) (auth0api.Auth0CreateClientResponseObject, error) {
	wire := *req.Body
	if err := h.checkReferences(ctx, wire); err != nil {
		return nil, err
	}
	draft, inline, err := h.draft(wire)
	if err != nil {
		return nil, err
	}
	tenant, err := h.tenantKeys(ctx)
	if err != nil {
		return nil, err
	}
	key, keyShown, err := h.registry.ShowTenantKey(ctx)
	if err != nil {
		return nil, err
	}
	var body jsondoc.Object
	draft.Answer = func(c oauth.Client, _ *oauth.Links) (shows []oauth.Disclosure, err error) {
		c.Secret = nil // addOnce shows it; that a client was created tells that its secret was shown
		if body, shows, err = h.view(&c, look{access: rights.All, keys: tenant.certified}); err != nil {
			return nil, err
		}
		return append(shows, keyShown...), addOnce(body, draft.NewSecret, tenant.read, key, inline)
	}
	c, err := h.registry.CreateClient(ctx, draft)
	if err != nil {
		return nil, err
	}
	return document(http.StatusCreated, clientSchema, body, etag(c.Version)), nil
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
	draft = oauth.Draft{Client: &oauth.Client{ID: uuid.NewString(), Document: doc}, NewSecret: sentSecret(wire)}
	if draft.NewSecret.IsZero() {
		draft.NewSecret = newSecret()
	}
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

func sentSecret(wire jsondoc.Object) oauth.Secret {
	return oauth.NewSecret(jsondoc.String(wire["client_secret"]))
}

// addOnce adds what only the answer to a create shows: the secret, the tenant's
// private key and the credentials in full.
func addOnce(body jsondoc.Object, secret oauth.Secret, tenant certificate, key oauth.Secret, inline map[string][]auth0api.ClientCredential) error {
	body["encrypted"] = json.RawMessage(`true`)
	if body["client_authentication_methods"] == nil {
		body["client_secret"] = jsondoc.Must(secret.Reveal())
	}
	body["signing_keys"] = jsondoc.Must([]map[string]string{{
		"cert": tenant.Cert, "key": key.Reveal(), "pkcs7": tenant.PKCS7, "subject": tenant.Subject,
	}})
	return showInline(body, inline)
}

func (h *handler) Auth0GetClient(ctx context.Context, req auth0api.Auth0GetClientRequestObject) (auth0api.Auth0GetClientResponseObject, error) {
	sel, err := newSelection(ctx, req.Params.Fields, req.Params.IncludeFields)
	if err != nil {
		return nil, err
	}
	look, err := h.look(ctx, sel)
	if err != nil {
		return nil, err
	}
	v, err := h.views.Of(look.key(dialect.Caller(ctx), req.ClientID), func() (dialect.View, error) {
		c, err := h.registry.Client(ctx, clientRef(req.ClientID))
		if err != nil {
			return dialect.View{}, err
		}
		return h.render(&c, look)
	})
	if err != nil {
		return nil, err
	}
	if matches(req.Params.IfNoneMatch, v.Version) {
		return auth0api.Auth0GetClient304Response{Headers: auth0api.Auth0GetClient304ResponseHeaders{ETag: &v.ETag}}, nil
	}
	return rendered{body: v.Body, etag: v.ETag, shows: v.Shows}, nil
}

func (h *handler) Auth0UpdateClient(ctx context.Context, req auth0api.Auth0UpdateClientRequestObject) (auth0api.Auth0UpdateClientResponseObject, error) {
	wire := *req.Body
	if err := h.checkReferences(ctx, wire); err != nil {
		return nil, err
	}
	ref := clientRef(req.ClientID)
	ref.Version = ifMatch(req.Params.IfMatch)
	look, err := h.updaterLook(ctx)
	if err != nil {
		return nil, err
	}
	var body jsondoc.Object
	c, err := h.registry.UpdateClient(ctx, ref, func(d *oauth.Draft) error {
		d.NewSecret = sentSecret(wire)
		d.Answer = func(c oauth.Client, _ *oauth.Links) (shows []oauth.Disclosure, err error) {
			body, shows, err = h.view(&c, look)
			return shows, err
		}
		return update(d.Document, wire)
	})
	if err != nil {
		return nil, err
	}
	return document(0, clientSchema, body, etag(c.Version)), nil
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
	}
	had := doc["grant_types"]
	if err := fields.Apply(doc, wire); err != nil {
		return err
	}
	return checkLimits(doc, wire, had)
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
	look, err := h.updaterLook(ctx)
	if err != nil {
		return nil, err
	}
	body, shows, err := h.view(&c, look)
	if err != nil {
		return nil, err
	}
	body["client_secret"] = jsondoc.Must(secret.Reveal())
	return document(0, clientSchema, body, etag(c.Version)).showing(shows), nil
}

func (h *handler) Auth0ListClientConnections(ctx context.Context, req auth0api.Auth0ListClientConnectionsRequestObject) (auth0api.Auth0ListClientConnectionsResponseObject, error) {
	if _, err := h.registry.Client(ctx, clientRef(req.ClientID)); err != nil {
		return nil, err
	}
	return auth0api.Auth0ListClientConnections200JSONResponse{Body: auth0api.ListClientConnectionsResponseContent{Connections: []auth0api.ConnectionForList{}}}, nil
}

// What is shown of a client is decided by seeing, and parts of it by others.
var (
	seeingClients     = rights.Of(readClient...)
	seeingCredentials = rights.Of(readCredentials...)
	seeingKeys        = rights.Of(readKeys...)
	seeing            = seeingClients | seeingCredentials | seeingKeys
)

// look is all that the view of a client depends on besides the client.
type look struct {
	access rights.Set      // of those that decide what is shown
	sel    selection       // what is kept next to the document is looked up only if it wants that
	keys   json.RawMessage // signing_keys
}

// look returns how a caller reads clients.
func (h *handler) look(ctx context.Context, sel selection) (look, error) {
	l := look{access: dialect.Caller(ctx).Rights & seeing, sel: sel}
	if !l.access.HasAny(seeingCredentials) || !sel.shows("signing_keys") {
		return l, nil
	}
	tenant, err := h.tenantKeys(ctx)
	if err == nil {
		l.keys = tenant.hidden
	}
	return l, err
}

// updaterLook returns how a caller sees a client that it has changed: all of it
// but its keys, and the tenant's certificate with its subject.
func (h *handler) updaterLook(ctx context.Context) (look, error) {
	l := look{access: dialect.Caller(ctx).Rights&seeing | rights.Of("read:clients")}
	tenant, err := h.tenantKeys(ctx)
	if err == nil {
		l.keys = tenant.certified
	}
	return l, err
}

// key is what the view of a client is remembered under. Whether it shows a secret
// depends on all that the caller holds.
func (l *look) key(caller *oauth.Caller, clientID string) dialect.ViewKey {
	k := dialect.ViewKey{Dialect: "auth0", Client: clientID, Access: l.access, Fields: l.sel.String()}
	if l.access.HasAny(seeingKeys) {
		k.Access = caller.Rights
	}
	return k
}

// render makes the answer to a GET of a client.
func (h *handler) render(c *oauth.Client, l look) (dialect.View, error) {
	body, shows, err := h.view(c, l)
	if err != nil {
		return dialect.View{}, err
	}
	l.sel.cut(body)
	return dialect.View{
		Client: c.ClientID, Version: c.Version, ETag: etag(c.Version), Body: spec.OrderOf(clientSchema).Append(nil, body), Shows: shows, Until: c.Until(),
	}, nil
}

// view renders the members of a client that l sees, and returns the secrets
// among them.
func (h *handler) view(c *oauth.Client, l look) (body jsondoc.Object, shows []oauth.Disclosure, err error) {
	if body, err = fields.View(c.Document, l.access); err != nil {
		return nil, nil, err
	}
	body["client_id"] = jsondoc.Must(c.ClientID)
	if body["name"] == nil { // other dialects have clients without a name
		body["name"] = body["client_id"]
	}
	if l.access.HasAny(seeingClients) {
		body["tenant"] = jsondoc.Must(h.registry.Tenant)
		global := c.IsGlobal()
		body["global"] = jsondoc.Must(global)
		if !global {
			body["callback_url_template"] = json.RawMessage(`false`)
		}
	}
	if l.access.HasAny(seeingCredentials) && l.sel.shows("signing_keys") {
		body["signing_keys"] = l.keys
	}
	if l.access.HasAny(seeingKeys) && l.sel.shows("client_secret") && c.Document[oauth.SlotsOfAuthentication] == nil {
		var secret oauth.Secret
		if secret, shows, err = h.registry.ShowSecret(c); err != nil {
			return nil, nil, err
		}
		if !secret.IsZero() {
			body["client_secret"] = jsondoc.Must(secret.Reveal())
		}
	}
	return body, shows, nil
}
