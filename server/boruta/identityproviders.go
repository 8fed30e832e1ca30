package boruta

import (
	"context"
	"encoding/json"

	"github.com/rosterhq/roster/gen/borutaapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

var providerAttributes = func() []attribute {
	list := []attribute{
		{wire: "name", class: public, null: refused, limit: maxText},
		{wire: "backend_id", class: internal, null: refused, limit: maxText},
	}
	for _, one := range []struct {
		wire  string
		blank json.RawMessage
	}{
		{"check_password", yes}, {"choose_session", yes}, {"totpable", no}, {"enforce_totp", no}, {"webauthnable", no},
		{"enforce_webauthn", no}, {"registrable", no}, {"user_editable", no}, {"consentable", no}, {"confirmable", no},
	} {
		list = append(list, attribute{wire: one.wire, class: internal, kind: flag, blank: one.blank, null: refused})
	}
	return list
}()

// providerValues are the values of a stored identity provider. Its document may
// hold another backend_id, and a backend: Roster once took any. They are kept
// there, and shown as the backend that there is.
func providerValues(p oauth.IdentityProvider) jsondoc.Object {
	values := initialValues(providerAttributes)
	for name := range values {
		if raw := p.Document[name]; raw != nil {
			values[name] = raw
		}
	}
	values["name"], values["backend_id"] = jsondoc.Must(p.Name), backend["id"]
	return values
}

func providerView(p oauth.IdentityProvider) jsondoc.Object {
	values := providerValues(p)
	values["id"], values["backend"] = jsondoc.Must(p.ID), jsondoc.Must(backend)
	return values
}

// applyProvider changes p by what was sent.
func applyProvider(p *oauth.IdentityProvider, sent jsondoc.Object, creating bool) error {
	var broken refusal
	before := providerValues(*p)
	if creating {
		p.ID, before = newClientID(sent, &broken), initialValues(providerAttributes)
		p.Document = before
	}
	change := cast(providerAttributes, sent, before, creating, &broken)
	values := after(before, change)
	for _, name := range []string{"name", "backend_id"} {
		if jsondoc.IsNull(values[name]) && !broken.has(name) {
			broken.add(name, tokenBlank)
		}
	}
	checkBackend(change, &broken)
	p.Name, p.Document = jsondoc.String(values["name"]), after(p.Document, change)
	delete(p.Document, "name")
	return broken.err()
}

// checkBackend holds a changed backend_id to the backend that there is. Like
// Boruta, it looks for one only if nothing else is wrong.
func checkBackend(change jsondoc.Object, broken *refusal) {
	if change["backend_id"] == nil {
		return
	}
	id, valid := readID(jsondoc.String(change["backend_id"]))
	change["backend_id"] = jsondoc.Must(id)
	switch {
	case !valid:
		broken.add("backend_id", tokenInvalid)
	case id != BackendID && len(*broken) == 0:
		broken.add("backend_id", tokenNotThere)
	}
}

func (h *handler) BorutaListIdentityProviders(ctx context.Context, _ borutaapi.BorutaListIdentityProvidersRequestObject) (borutaapi.BorutaListIdentityProvidersResponseObject, error) {
	return madeList(ctx, h, "BorutaIdentityProvider", h.registry.IdentityProvidersAfter, providerView,
		func(p oauth.IdentityProvider) postgres.MadeAt {
			return postgres.MadeAt{CreatedAt: p.CreatedAt, ID: p.ID}
		})
}

func (h *handler) BorutaCreateIdentityProvider(ctx context.Context, req borutaapi.BorutaCreateIdentityProviderRequestObject) (borutaapi.BorutaCreateIdentityProviderResponseObject, error) {
	var p oauth.IdentityProvider
	if err := applyProvider(&p, *req.Body, true); err != nil {
		return nil, err
	}
	p, err := h.registry.CreateIdentityProvider(ctx, p)
	location := "/api/identity-providers/" + p.ID
	return borutaapi.BorutaCreateIdentityProvider201JSONResponse{
		Body: data(spec.OrderOf("BorutaIdentityProvider"), providerView(p)), Headers: borutaapi.BorutaCreateIdentityProvider201ResponseHeaders{Location: &location},
	}, err
}

func (h *handler) BorutaGetIdentityProvider(ctx context.Context, req borutaapi.BorutaGetIdentityProviderRequestObject) (borutaapi.BorutaGetIdentityProviderResponseObject, error) {
	id, err := parseID(req.ID)
	if err != nil {
		return nil, err
	}
	p, err := h.registry.IdentityProvider(ctx, id)
	return borutaapi.BorutaGetIdentityProvider200JSONResponse(data(spec.OrderOf("BorutaIdentityProvider"), providerView(p))), err
}

func (h *handler) updateProvider(ctx context.Context, path string, sent jsondoc.Object) (jsondoc.Object, error) {
	id, err := parseID(path)
	if err != nil {
		return nil, err
	}
	p, err := h.registry.UpdateIdentityProvider(ctx, id, func(p *oauth.IdentityProvider) error { return applyProvider(p, sent, false) })
	return data(spec.OrderOf("BorutaIdentityProvider"), providerView(p)), err
}

func (h *handler) BorutaReplaceIdentityProvider(ctx context.Context, req borutaapi.BorutaReplaceIdentityProviderRequestObject) (borutaapi.BorutaReplaceIdentityProviderResponseObject, error) {
	body, err := h.updateProvider(ctx, req.ID, *req.Body)
	return borutaapi.BorutaReplaceIdentityProvider200JSONResponse(body), err
}

func (h *handler) BorutaUpdateIdentityProvider(ctx context.Context, req borutaapi.BorutaUpdateIdentityProviderRequestObject) (borutaapi.BorutaUpdateIdentityProviderResponseObject, error) {
	body, err := h.updateProvider(ctx, req.ID, *req.Body)
	return borutaapi.BorutaUpdateIdentityProvider200JSONResponse(body), err
}

func (h *handler) BorutaDeleteIdentityProvider(ctx context.Context, req borutaapi.BorutaDeleteIdentityProviderRequestObject) (borutaapi.BorutaDeleteIdentityProviderResponseObject, error) {
	id, err := parseID(req.ID)
	if err != nil {
		return nil, err
	}
	if err := h.writableProvider(ctx, id); err != nil {
		return nil, err
	}
	return borutaapi.BorutaDeleteIdentityProvider204Response{}, h.registry.DeleteIdentityProvider(ctx, id)
}

// writableProvider refuses the identity providers of clients that writable
// refuses.
func (h *handler) writableProvider(ctx context.Context, id string) error {
	protected := []string{h.config.ProtectedClient}
	if caller := dialect.Caller(ctx); caller != nil && caller.ClientID != "" {
		c, err := h.registry.Client(ctx, oauth.ClientRef{ClientID: caller.ClientID})
		if err == nil {
			protected = append(protected, c.ID)
		} else if oauth.KindOf(err) != oauth.NotFound {
			return err
		}
	}
	for _, client := range protected {
		links, err := h.registry.LinksOf(ctx, client)
		if err != nil {
			return err
		}
		if links.IdentityProvider.ID == id {
			return errProtected
		}
	}
	return nil
}
