package boruta

import (
	"context"

	"github.com/rosterhq/roster/gen/borutaapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/server/spec"
)

var keyPairAttributes = []attribute{{wire: "is_default", kind: flag, blank: no}}

func keyPairView(k oauth.KeyPair) jsondoc.Object {
	return jsondoc.Object{"id": jsondoc.Must(k.ID), "public_key": jsondoc.Must(k.PublicKey), "is_default": jsondoc.Must(k.Default)}
}

// wantsDefault reads is_default; null is false, and otherwise stands for what
// is left out.
func wantsDefault(sent jsondoc.Object, otherwise bool) (bool, error) {
	before := jsondoc.Object{"is_default": jsondoc.Must(otherwise)}
	var broken refusal
	change := cast(keyPairAttributes, sent, before, false, &broken)
	return string(after(before, change)["is_default"]) == "true", broken.err()
}

func (h *handler) BorutaListKeyPairs(ctx context.Context, _ borutaapi.BorutaListKeyPairsRequestObject) (borutaapi.BorutaListKeyPairsResponseObject, error) {
	return madeList(ctx, h, "BorutaKeyPair", h.registry.KeyPairsAfter, keyPairView,
		func(k oauth.KeyPair) postgres.MadeAt { return postgres.MadeAt{CreatedAt: k.CreatedAt, ID: k.ID} })
}

func (h *handler) BorutaCreateKeyPair(ctx context.Context, req borutaapi.BorutaCreateKeyPairRequestObject) (borutaapi.BorutaCreateKeyPairResponseObject, error) {
	isDefault, err := wantsDefault(*req.Body, false)
	if err != nil {
		return nil, err
	}
	k, err := h.registry.CreateKeyPair(ctx, isDefault)
	location := "/api/key-pairs/" + k.ID
	return borutaapi.BorutaCreateKeyPair201JSONResponse{
		Body: data(spec.OrderOf("BorutaKeyPair"), keyPairView(k)), Headers: borutaapi.BorutaCreateKeyPair201ResponseHeaders{Location: &location},
	}, err
}

func (h *handler) BorutaGetKeyPair(ctx context.Context, req borutaapi.BorutaGetKeyPairRequestObject) (borutaapi.BorutaGetKeyPairResponseObject, error) {
	id, err := parseID(req.ID)
	if err != nil {
		return nil, err
	}
	k, err := h.registry.KeyPair(ctx, id)
	return borutaapi.BorutaGetKeyPair200JSONResponse(data(spec.OrderOf("BorutaKeyPair"), keyPairView(k))), err
}

func (h *handler) updateKeyPair(ctx context.Context, path string, sent jsondoc.Object) (jsondoc.Object, error) {
	id, err := parseID(path)
	if err != nil {
		return nil, err
	}
	k, err := h.registry.KeyPair(ctx, id)
	if err != nil {
		return nil, err
	}
	isDefault, err := wantsDefault(sent, k.Default)
	if err != nil {
		return nil, err
	}
	if isDefault != k.Default {
		k, err = h.registry.SetDefaultKeyPair(ctx, id, isDefault)
	}
	return data(spec.OrderOf("BorutaKeyPair"), keyPairView(k)), err
}

func (h *handler) BorutaReplaceKeyPair(ctx context.Context, req borutaapi.BorutaReplaceKeyPairRequestObject) (borutaapi.BorutaReplaceKeyPairResponseObject, error) {
	body, err := h.updateKeyPair(ctx, req.ID, *req.Body)
	return borutaapi.BorutaReplaceKeyPair200JSONResponse(body), err
}

func (h *handler) BorutaUpdateKeyPair(ctx context.Context, req borutaapi.BorutaUpdateKeyPairRequestObject) (borutaapi.BorutaUpdateKeyPairResponseObject, error) {
	body, err := h.updateKeyPair(ctx, req.ID, *req.Body)
	return borutaapi.BorutaUpdateKeyPair200JSONResponse(body), err
}

func (h *handler) BorutaRotateKeyPair(ctx context.Context, req borutaapi.BorutaRotateKeyPairRequestObject) (borutaapi.BorutaRotateKeyPairResponseObject, error) {
	id, err := parseID(req.ID)
	if err != nil {
		return nil, err
	}
	k, err := h.registry.RotateKeyPair(ctx, id)
	return borutaapi.BorutaRotateKeyPair200JSONResponse(data(spec.OrderOf("BorutaKeyPair"), keyPairView(k))), err
}

func (h *handler) BorutaDeleteKeyPair(ctx context.Context, req borutaapi.BorutaDeleteKeyPairRequestObject) (borutaapi.BorutaDeleteKeyPairResponseObject, error) {
	id, err := parseID(req.ID)
	if err != nil {
		return nil, err
	}
	return borutaapi.BorutaDeleteKeyPair204Response{}, h.registry.DeleteKeyPair(ctx, id)
}
