package auth0

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/dialect"
)

func (h *handler) Auth0CreateClient(ctx context.Context, req auth0api.Auth0CreateClientRequestObject) (auth0api.Auth0CreateClientResponseObject, error) {
	wire := *req.Body
	if wire["client_authentication_methods"] != nil {
		if err := need(ctx, "create:client_credentials"); err != nil {
			return nil, err
		}
	}
	draft, inline, err := h.draft(wire)
	if err != nil {
		return nil, err
	}
	c, err := h.registry.CreateClient(ctx, draft)
	if err != nil {
		return nil, err
	}
	body, err := h.view(ctx, c, func([]string) bool { return true })
	if err != nil {
		return nil, err
	}
	if err := h.addOnce(ctx, body, draft, inline); err != nil {
		return nil, err
	}
	tag := etag(c.Version)
	return auth0api.Auth0CreateClient201JSONResponse{Body: body, Headers: auth0api.Auth0CreateClient201ResponseHeaders{ETag: &tag}}, nil
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
func (h *handler) addOnce(ctx context.Context, body jsondoc.Object, draft oauth.Draft, inline map[string][]auth0api.ClientCredential) error {
	body["encrypted"] = json.RawMessage(`true`)
	if body["client_authentication_methods"] == nil {
		body["client_secret"] = jsondoc.Must(draft.NewSecret.Reveal())
	}
	key, err := h.registry.RevealTenantKey(ctx)
	if err != nil {
		return err
	}
	tenant, err := h.registry.TenantKey(ctx)
	if err != nil {
		return err
	}
	body["signing_keys"] = jsondoc.Must([]map[string]string{{
		"cert": tenant.Certificate, "key": key.Reveal(), "pkcs7": tenant.PKCS7, "subject": tenant.Subject,
	}})
	return showInline(body, inline)
}

func (h *handler) Auth0GetClient(ctx context.Context, req auth0api.Auth0GetClientRequestObject) (auth0api.Auth0GetClientResponseObject, error) {
	keep, err := selection(ctx, req.Params.Fields, req.Params.IncludeFields)
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
	body, err := h.read(ctx, c)
	if err != nil {
		return nil, err
	}
	keep(body)
	return auth0api.Auth0GetClient200JSONResponse{Body: body, Headers: auth0api.Auth0GetClient200ResponseHeaders{ETag: &tag}}, nil
}

func (h *handler) Auth0UpdateClient(ctx context.Context, req auth0api.Auth0UpdateClientRequestObject) (auth0api.Auth0UpdateClientResponseObject, error) {
	caller := dialect.Caller(ctx)
	if (*req.Body)["client_secret"] != nil && !caller.HasAny(writeKeys...) {
		return nil, insufficientScope(writeKeys)
	}
	wire, secret := splitSecret(*req.Body)
	if _, scopes := fields.Unwritable(wire, []string{"update:clients"}, caller); scopes != nil && !detaches(wire, caller) {
		return nil, insufficientScope(scopes)
	}
	ref := clientRef(req.ClientID)
	ref.Version = ifMatch(req.Params.IfMatch)
	c, err := h.registry.UpdateClient(ctx, ref, func(d *oauth.Draft) error {
		d.NewSecret = secret
		return update(d.Document, wire)
	})
	if err != nil {
		return nil, err
	}
	body, err := h.view(ctx, c, updaterReads(caller))
	if err != nil {
		return nil, err
	}
	tag := etag(c.Version)
	return auth0api.Auth0UpdateClient200JSONResponse{Body: body, Headers: auth0api.Auth0UpdateClient200ResponseHeaders{ETag: &tag}}, nil
}

// detaches reports whether a request only swaps the ways in which a client
// authenticates, which update:client_credentials alone allows.
func detaches(wire jsondoc.Object, caller *oauth.Caller) bool {
	for name := range wire {
		if !slices.Contains([]string{"client_authentication_methods", "signed_request_object", "token_endpoint_auth_method"}, name) {
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
	if methodsSent && jsondoc.IsNull(methods) && (!methodSent || jsondoc.IsNull(method)) && doc[oauth.SlotsOfAuthentication] != nil {
		return oauth.Invalidate(oauth.Violation{
			Member: "token_endpoint_auth_method", Rule: "required",
			Detail: "token_endpoint_auth_method must be set when client_authentication_methods is removed",
		})
	}
	if methodSent && jsondoc.IsNull(method) && (!methodsSent || jsondoc.IsNull(methods)) && doc[oauth.SlotsOfAuthentication] == nil && doc["token_endpoint_auth_method"] != nil {
		return oauth.Invalidate(oauth.Violation{
			Member: "token_endpoint_auth_method", Rule: "required",
			Detail: "token_endpoint_auth_method can be null only together with client_authentication_methods",
		})
	}
	return fields.Apply(doc, wire)
}

func (h *handler) Auth0DeleteClient(ctx context.Context, req auth0api.Auth0DeleteClientRequestObject) (auth0api.Auth0DeleteClientResponseObject, error) {
	ref := clientRef(req.ClientID)
	ref.Version = ifMatch(req.Params.IfMatch)
	if err := ignoreMissing(h.registry.DeleteClient(ctx, ref)); err != nil {
		return nil, err
	}
	return auth0api.Auth0DeleteClient204Response{}, nil
}

func (h *handler) Auth0RotateClientSecret(ctx context.Context, req auth0api.Auth0RotateClientSecretRequestObject) (auth0api.Auth0RotateClientSecretResponseObject, error) {
	secret := newSecret()
	c, err := h.registry.UpdateClient(ctx, clientRef(req.ClientID), func(d *oauth.Draft) error {
		d.NewSecret = secret
		return nil
	})
	if err != nil {
		return nil, err
	}
	body, err := h.view(ctx, c, updaterReads(dialect.Caller(ctx)))
	if err != nil {
		return nil, err
	}
	body["client_secret"] = jsondoc.Must(secret.Reveal())
	tag := etag(c.Version)
	return auth0api.Auth0RotateClientSecret200JSONResponse{Body: body, Headers: auth0api.Auth0RotateClientSecret200ResponseHeaders{ETag: &tag}}, nil
}

func (h *handler) Auth0ListClientConnections(ctx context.Context, req auth0api.Auth0ListClientConnectionsRequestObject) (auth0api.Auth0ListClientConnectionsResponseObject, error) {
	if _, err := h.registry.Client(ctx, clientRef(req.ClientID)); err != nil {
		return nil, err
	}
	return auth0api.Auth0ListClientConnections200JSONResponse{Body: auth0api.ListClientConnectionsResponseContent{Connections: []auth0api.ConnectionForList{}}}, nil
}

// read renders a client as GET shows it to the caller.
func (h *handler) read(ctx context.Context, c oauth.Client) (jsondoc.Object, error) {
	caller := dialect.Caller(ctx)
	body, err := h.view(ctx, c, func(read []string) bool { return len(read) == 0 || caller.HasAny(read...) })
	if err != nil || body["signing_keys"] == nil {
		return body, err
	}
	tenant, err := h.registry.TenantKey(ctx)
	tenant.Subject = "deprecated"
	body["signing_keys"] = jsondoc.Must([]any{tenant})
	return body, err
}

// view renders the members of a client that may shows.
func (h *handler) view(ctx context.Context, c oauth.Client, may func(read []string) bool) (jsondoc.Object, error) {
	body, err := fields.View(c.Document, may)
	if err != nil {
		return nil, err
	}
	more, err := shown.View(c.Document, may)
	if err != nil {
		return nil, err
	}
	for name, raw := range more {
		body[name] = raw
	}
	body["client_id"] = jsondoc.Must(c.ClientID)
	body["tenant"] = jsondoc.Must(h.registry.Tenant)
	if may(readClient) {
		global := string(c.Document["auth0:global"]) == "true"
		body["global"] = jsondoc.Must(global)
		if !global {
			body["callback_url_template"] = json.RawMessage(`false`)
		}
	}
	if may(readCredentials) {
		tenant, err := h.registry.TenantKey(ctx)
		if err != nil {
			return nil, err
		}
		body["signing_keys"] = jsondoc.Must([]any{tenant})
	}
	if may(readKeys) && c.Document[oauth.SlotsOfAuthentication] == nil {
		secret, err := h.registry.RevealSecret(c)
		if err != nil {
			return nil, err
		}
		if !secret.IsZero() {
			body["client_secret"] = jsondoc.Must(secret.Reveal())
		}
	}
	return body, nil
}

// beside are members that are kept beside the document, with who may read them.
var beside = map[string][]string{"client_secret": readKeys, "signing_keys": readCredentials, "global": readClient, "callback_url_template": readClient}

// selection returns what cuts a body down to the fields that a request names.
// Naming a member that the token may not see is forbidden.
func selection(ctx context.Context, names *string, include *bool) (func(jsondoc.Object), error) {
	if names == nil || *names == "" {
		return func(jsondoc.Object) {}, nil
	}
	named := map[string]bool{}
	for name := range strings.SplitSeq(*names, ",") {
		named[strings.TrimSpace(name)] = true
	}
	wanted := include == nil || *include
	for name := range named {
		read := fields.Readable(name)
		if read == nil {
			read = beside[name]
		}
		if wanted && read != nil && !dialect.Caller(ctx).HasAny(read...) {
			return nil, insufficientScope(read)
		}
	}
	return func(body jsondoc.Object) {
		for name := range body {
			if named[name] != wanted {
				delete(body, name)
			}
		}
	}, nil
}
