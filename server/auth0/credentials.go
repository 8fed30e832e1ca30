package auth0

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/oapi-codegen/nullable"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/server/spec"
)

// timestamp renders a time as the dialect does: UTC, three decimals.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func viewCredential(c oauth.Credential) auth0api.ClientCredential {
	body := auth0api.ClientCredential{
		ID: c.ID, CredentialType: auth0api.ClientCredentialTypeEnum(c.Type), Name: optional(c.Name), KID: optional(c.KeyID),
		SubjectDN: optional(c.SubjectDN), ThumbprintSha256: optional(c.ThumbprintSHA256),
		CreatedAt: timestamp(c.CreatedAt), UpdatedAt: timestamp(c.UpdatedAt),
	}
	if c.Alg != "" {
		alg := auth0api.ClientCredentialAlgorithmEnum(c.Alg)
		body.Alg = &alg
	}
	if c.ExpiresAt != nil {
		body.ExpiresAt = nullable.NewNullableWithValue(timestamp(*c.ExpiresAt))
	}
	return body
}

func credentialRequest(body auth0api.PostClientCredentialRequestContent) oauth.CredentialRequest {
	return oauth.CredentialRequest{
		Type: oauth.CredentialType(body.CredentialType), Name: body.Name, PEM: body.PEM, SubjectDN: body.SubjectDN,
		Alg: (*string)(body.Alg), KeyID: body.KID, ParseExpiryFromCert: body.ParseExpiryFromCert, ExpiresAt: body.ExpiresAt,
	}
}

func (h *handler) Auth0CreateClientCredential(ctx context.Context, req auth0api.Auth0CreateClientCredentialRequestObject) (auth0api.Auth0CreateClientCredentialResponseObject, error) {
	c, err := h.registry.AddCredential(ctx, clientRef(req.ClientID), credentialRequest(*req.Body))
	if err != nil {
		return nil, err
	}
	return value(http.StatusCreated, credentialSchema, viewCredential(c)), nil
}

func (h *handler) Auth0ListClientCredentials(ctx context.Context, req auth0api.Auth0ListClientCredentialsRequestObject) (auth0api.Auth0ListClientCredentialsResponseObject, error) {
	list, err := h.registry.Credentials(ctx, clientRef(req.ClientID))
	if err != nil {
		return nil, err
	}
	body := make([]auth0api.ClientCredential, len(list))
	for i, c := range list {
		body[i] = viewCredential(c)
	}
	return rendered{body: spec.OrderOf(credentialSchema).List().AppendValue(nil, jsondoc.Must(body))}, nil
}

func (h *handler) Auth0GetClientCredential(ctx context.Context, req auth0api.Auth0GetClientCredentialRequestObject) (auth0api.Auth0GetClientCredentialResponseObject, error) {
	c, err := h.registry.Credential(ctx, clientRef(req.ClientID), req.CredentialID)
	if err != nil {
		return nil, err
	}
	return value(0, credentialSchema, viewCredential(c)), nil
}

func (h *handler) Auth0UpdateClientCredential(ctx context.Context, req auth0api.Auth0UpdateClientCredentialRequestObject) (auth0api.Auth0UpdateClientCredentialResponseObject, error) {
	var expires *time.Time
	if t, err := req.Body.ExpiresAt.Get(); err == nil { // else null: the specification lets nothing third through
		expires = &t
	}
	c, err := h.registry.SetCredentialExpiry(ctx, clientRef(req.ClientID), req.CredentialID, expires)
	if err != nil {
		return nil, err
	}
	return value(0, credentialSchema, viewCredential(c)), nil
}

func (h *handler) Auth0DeleteClientCredential(ctx context.Context, req auth0api.Auth0DeleteClientCredentialRequestObject) (auth0api.Auth0DeleteClientCredentialResponseObject, error) {
	if err := ignoreMissing(h.registry.DeleteCredential(ctx, clientRef(req.ClientID), req.CredentialID)); err != nil {
		return nil, err
	}
	return auth0api.Auth0DeleteClientCredential204Response{}, nil
}

// registerInline turns the credentials that a create carries in its slots into
// credentials of draft, and their places into ids.
func (h *handler) registerInline(wire jsondoc.Object, draft *oauth.Draft) (jsondoc.Object, map[string][]auth0api.ClientCredential, error) {
	wire, inline := maps.Clone(wire), map[string][]auth0api.ClientCredential{}
	slot := func(name, at string, raw json.RawMessage) (json.RawMessage, error) {
		var members jsondoc.Object
		var bodies []auth0api.PostClientCredentialRequestContent
		if err := json.Unmarshal(raw, &members); err != nil || members["credentials"] == nil {
			return raw, err
		}
		if err := json.Unmarshal(members["credentials"], &bodies); err != nil {
			return nil, err
		}
		ids := []map[string]string{}
		for i, body := range bodies {
			c, err := h.registry.NewCredential(credentialRequest(body))
			if err != nil {
				return nil, oauth.Within(fmt.Sprintf("%s.credentials[%d]", at, i), err)
			}
			if want := oauth.SlotCredentialType[name]; c.Type != want {
				return nil, oauth.Invalidate(oauth.Violation{Member: name, Rule: "credentials", Detail: "takes credentials of type " + string(want)})
			}
			draft.Credentials = append(draft.Credentials, c)
			inline[name] = append(inline[name], viewCredential(c))
			ids = append(ids, map[string]string{"id": c.ID})
		}
		members["credentials"] = jsondoc.Must(ids)
		return json.Marshal(members)
	}
	if raw := wire["client_authentication_methods"]; raw != nil && !jsondoc.IsNull(raw) {
		var methods jsondoc.Object
		if err := json.Unmarshal(raw, &methods); err != nil {
			return nil, nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(methods)) {
			var err error
			if methods[name], err = slot(name, oauth.SlotsOfAuthentication+"."+name, methods[name]); err != nil {
				return nil, nil, err
			}
		}
		wire["client_authentication_methods"] = jsondoc.Must(methods)
	}
	for _, name := range []string{oauth.SlotSignedRequest, oauth.SlotTokenVault} {
		if raw := wire[name]; raw != nil && !jsondoc.IsNull(raw) {
			var err error
			if wire[name], err = slot(name, name, raw); err != nil {
				return nil, nil, err
			}
		}
	}
	return wire, inline, nil
}

// showInline puts the credentials of a create into its answer in full.
func showInline(body jsondoc.Object, inline map[string][]auth0api.ClientCredential) error {
	fill := func(name string, raw json.RawMessage) (json.RawMessage, error) {
		var members jsondoc.Object
		if inline[name] == nil {
			return raw, nil
		}
		if err := json.Unmarshal(raw, &members); err != nil {
			return nil, err
		}
		members["credentials"] = jsondoc.Must(inline[name])
		return json.Marshal(members)
	}
	var err error
	if raw := body["client_authentication_methods"]; raw != nil {
		var methods jsondoc.Object
		if err := json.Unmarshal(raw, &methods); err != nil {
			return err
		}
		for name := range methods {
			if methods[name], err = fill(name, methods[name]); err != nil {
				return err
			}
		}
		body["client_authentication_methods"] = jsondoc.Must(methods)
	}
	for _, name := range []string{oauth.SlotSignedRequest, oauth.SlotTokenVault} {
		if raw := body[name]; raw != nil {
			if body[name], err = fill(name, raw); err != nil {
				return err
			}
		}
	}
	return nil
}
