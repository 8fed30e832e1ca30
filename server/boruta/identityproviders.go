package boruta

import (
	"context"

	"github.com/rosterhq/roster/gen/borutaapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

var providerAttributes = func() []attribute {
	list := []attribute{
		{wire: "name", null: refused, limit: maxText},
		{wire: "backend", kind: object},
		{wire: "backend_id", null: refused, limit: maxText},
	}
	for _, name := range []string{
		"check_password", "choose_session", "totpable", "enforce_totp", "webauthnable", "enforce_webauthn",
		"registrable", "user_editable", "consentable", "confirmable",
	} {
		list = append(list, attribute{wire: name, kind: flag, blank: no, null: refused})
	}
	return list
}()

// providerValues are the values of an identity provider.
func providerValues(p oauth.IdentityProvider) jsondoc.Object {
	values := after(initialValues(providerAttributes), p.Document)
	if p.Name != "" {
		values["name"] = jsondoc.Must(p.Name)
	}
	return values
}

func providerView(p oauth.IdentityProvider) jsondoc.Object {
	values := providerValues(p)
	if jsondoc.IsNull(values["backend"]) {
		values["backend"] = jsondoc.Must(jsondoc.Object{"id": values["backend_id"]})
	}
	values["id"] = jsondoc.Must(p.ID)
	return values
}

// applyProvider changes p by what was sent.
func applyProvider(p *oauth.IdentityProvider, sent jsondoc.Object, creating bool) error {
	before := providerValues(*p)
	var broken refusal
	if creating {
		p.ID = newClientID(sent, &broken)
	}
	values := after(before, cast(providerAttributes, sent, before, creating, &broken))
	for _, name := range []string{"name", "backend_id"} {
		if jsondoc.IsNull(values[name]) && !broken.has(name) {
			broken.add(name, tokenBlank)
		}
	}
	p.Name = jsondoc.String(values["name"])
	delete(values, "name")
	p.Document = values
	return broken.err()
}

var takenByProvider = map[string]string{"identity_provider": "id", "identity_provider_name": "name"}

func (h *handler) BorutaListIdentityProviders(ctx context.Context, _ borutaapi.BorutaListIdentityProvidersRequestObject) (borutaapi.BorutaListIdentityProvidersResponseObject, error) {
	providers, err := h.registry.IdentityProviders(ctx)
	list := make([]jsondoc.Object, len(providers))
	for i, p := range providers {
		list[i] = providerView(p)
	}
	return borutaapi.BorutaListIdentityProviders200JSONResponse(data(list)), err
}

func (h *handler) BorutaCreateIdentityProvider(ctx context.Context, req borutaapi.BorutaCreateIdentityProviderRequestObject) (borutaapi.BorutaCreateIdentityProviderResponseObject, error) {
	var p oauth.IdentityProvider
	if err := applyProvider(&p, *req.Body, true); err != nil {
		return nil, err
	}
	p, err := h.registry.CreateIdentityProvider(ctx, p)
	location := "/api/identity-providers/" + p.ID
	return borutaapi.BorutaCreateIdentityProvider201JSONResponse{
		Body: data(providerView(p)), Headers: borutaapi.BorutaCreateIdentityProvider201ResponseHeaders{Location: &location},
	}, taken(err, takenByProvider)
}

func (h *handler) BorutaGetIdentityProvider(ctx context.Context, req borutaapi.BorutaGetIdentityProviderRequestObject) (borutaapi.BorutaGetIdentityProviderResponseObject, error) {
	id, err := parseID(req.ID)
	if err != nil {
		return nil, err
	}
	p, err := h.registry.IdentityProvider(ctx, id)
	return borutaapi.BorutaGetIdentityProvider200JSONResponse(data(providerView(p))), err
}

func (h *handler) updateProvider(ctx context.Context, path string, sent jsondoc.Object) (jsondoc.Object, error) {
	id, err := parseID(path)
	if err != nil {
		return nil, err
	}
	p, err := h.registry.UpdateIdentityProvider(ctx, id, func(p *oauth.IdentityProvider) error { return applyProvider(p, sent, false) })
	return data(providerView(p)), taken(err, takenByProvider)
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
	links, err := h.registry.LinksOf(ctx, h.config.ProtectedClient)
	if err != nil {
		return nil, err
	}
	if links.IdentityProvider.ID == id {
		return nil, errProtected
	}
	err = h.registry.DeleteIdentityProvider(ctx, id)
	if oauth.KindOf(err) == oauth.Conflict {
		err = refuse("client_identity_providers", tokenInUse)
	}
	return borutaapi.BorutaDeleteIdentityProvider204Response{}, err
}
