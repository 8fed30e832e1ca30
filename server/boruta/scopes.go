package boruta

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/rosterhq/roster/gen/borutaapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/server/spec"
)

// protectedScopes cannot be changed or deleted: Boruta's own administration
// needs them.
var protectedScopes = []string{
	"users:manage:all", "clients:manage:all", "identity-providers:manage:all", "scopes:manage:all", "roles:manage:all", "upstreams:manage:all",
}

var scopeAttributes = []attribute{
	{wire: "id", null: refused, check: func(value json.RawMessage) []string {
		if _, ok := readID(jsondoc.String(value)); !ok {
			return []string{tokenInvalid}
		}
		return nil
	}},
	{wire: "name", null: refused, limit: maxText, check: func(value json.RawMessage) []string {
		if strings.ContainsFunc(jsondoc.String(value), unicode.IsSpace) {
			return []string{tokenSpace}
		}
		return nil
	}},
	{wire: "label", limit: maxText},
	{wire: "public", kind: flag, blank: no},
}

// scopeValues are the values of a scope; nil are those of a new one.
func scopeValues(s *oauth.Scope) jsondoc.Object {
	if s == nil {
		return jsondoc.Object{"id": null, "name": null, "label": null, "public": no}
	}
	return jsondoc.Object{"id": jsondoc.Must(s.ID), "name": jsondoc.Must(s.Name), "label": jsondoc.Must(s.Label), "public": jsondoc.Must(s.Public)}
}

// applyScope changes s by what was sent; creating is for a new one.
func applyScope(s *oauth.Scope, sent jsondoc.Object, creating bool) error {
	before := scopeValues(s)
	if creating {
		before = scopeValues(nil)
	}
	var broken refusal
	change := cast(scopeAttributes, sent, before, creating, &broken)
	values := after(before, change)
	if jsondoc.IsNull(values["name"]) && !broken.has("name") {
		broken.add("name", tokenBlank)
	}
	if jsondoc.IsNull(values["public"]) {
		broken.add("public", tokenNull)
	}
	if err := broken.err(); err != nil {
		return err
	}
	s.Name, s.Public, s.Label = jsondoc.String(values["name"]), string(values["public"]) == "true", nil
	if label := values["label"]; !jsondoc.IsNull(label) {
		s.Label = new(jsondoc.String(label))
	}
	s.ID, _ = readID(jsondoc.String(values["id"]))
	return nil
}

func (h *handler) BorutaListScopes(ctx context.Context, _ borutaapi.BorutaListScopesRequestObject) (borutaapi.BorutaListScopesResponseObject, error) {
	return madeList(ctx, h, "BorutaScope", h.registry.ScopesAfter, func(s oauth.Scope) jsondoc.Object { return scopeValues(&s) },
		func(s oauth.Scope) postgres.MadeAt { return postgres.MadeAt{CreatedAt: s.CreatedAt, ID: s.ID} })
}

func (h *handler) BorutaCreateScope(ctx context.Context, req borutaapi.BorutaCreateScopeRequestObject) (borutaapi.BorutaCreateScopeResponseObject, error) {
	var s oauth.Scope
	if err := applyScope(&s, *req.Body, true); err != nil {
		return nil, err
	}
	s, err := h.registry.CreateScope(ctx, s)
	location := "/api/scopes/" + s.ID
	return borutaapi.BorutaCreateScope201JSONResponse{
		Body: data(spec.OrderOf("BorutaScope"), scopeValues(&s)), Headers: borutaapi.BorutaCreateScope201ResponseHeaders{Location: &location},
	}, err
}

func (h *handler) BorutaGetScope(ctx context.Context, req borutaapi.BorutaGetScopeRequestObject) (borutaapi.BorutaGetScopeResponseObject, error) {
	id, err := parseID(req.ID)
	if err != nil {
		return nil, err
	}
	s, err := h.registry.Scope(ctx, id)
	return borutaapi.BorutaGetScope200JSONResponse(data(spec.OrderOf("BorutaScope"), scopeValues(&s))), err
}

func (h *handler) updateScope(ctx context.Context, path string, sent jsondoc.Object) (jsondoc.Object, error) {
	id, err := parseID(path)
	if err != nil {
		return nil, err
	}
	s, err := h.registry.UpdateScope(ctx, id, func(s *oauth.Scope) error {
		if err := writable(*s); err != nil {
			return err
		}
		return applyScope(s, sent, false)
	})
	return data(spec.OrderOf("BorutaScope"), scopeValues(&s)), err
}

func writable(s oauth.Scope) error {
	if slices.Contains(protectedScopes, s.Name) {
		return errProtected
	}
	return nil
}

func (h *handler) BorutaReplaceScope(ctx context.Context, req borutaapi.BorutaReplaceScopeRequestObject) (borutaapi.BorutaReplaceScopeResponseObject, error) {
	body, err := h.updateScope(ctx, req.ID, *req.Body)
	return borutaapi.BorutaReplaceScope200JSONResponse(body), err
}

func (h *handler) BorutaUpdateScope(ctx context.Context, req borutaapi.BorutaUpdateScopeRequestObject) (borutaapi.BorutaUpdateScopeResponseObject, error) {
	body, err := h.updateScope(ctx, req.ID, *req.Body)
	return borutaapi.BorutaUpdateScope200JSONResponse(body), err
}

func (h *handler) BorutaDeleteScope(ctx context.Context, req borutaapi.BorutaDeleteScopeRequestObject) (borutaapi.BorutaDeleteScopeResponseObject, error) {
	id, err := parseID(req.ID)
	if err != nil {
		return nil, err
	}
	return borutaapi.BorutaDeleteScope204Response{}, h.registry.DeleteScope(ctx, id, writable)
}
