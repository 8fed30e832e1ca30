package auth0

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/server/dialect"
)

// apiFields is the document of a resource server, and what is kept besides it.
var apiFields = dialect.NewTable("", []string{"update:resource_servers"},
	dialect.Member{Wire: "name", Class: public},
	dialect.Member{Wire: "scopes", Class: internal},
	dialect.Member{Wire: "signing_alg", Class: internal},
	dialect.Member{Wire: "allow_offline_access", Class: internal},
	dialect.Member{Wire: "allow_online_access", Class: internal},
	dialect.Member{Wire: "allow_online_access_with_ephemeral_sessions", Class: internal},
	dialect.Member{Wire: "token_lifetime", Class: internal},
	dialect.Member{Wire: "token_lifetime_for_web", Class: internal},
	dialect.Member{Wire: "token_lifetime_for_anonymous_access_tokens", Class: internal},
	dialect.Member{Wire: "skip_consent_for_verifiable_first_party_clients", Class: internal},
	dialect.Member{Wire: "enforce_policies", Class: internal},
	dialect.Member{Wire: "token_dialect", Class: internal},
	dialect.Member{Wire: "token_encryption", Class: internal, Set: setTokenEncryption, Get: getTokenEncryption},
	dialect.Member{Wire: "consent_policy", Class: internal},
	dialect.Member{Wire: "authorization_details", Class: internal},
	dialect.Member{Wire: "proof_of_possession", Class: internal},
	dialect.Member{Wire: "subject_type_authorization", Class: internal, Set: setAuthorization},
	dialect.Member{Wire: "authorization_policy", Class: internal, Get: getPolicy},
	dialect.Member{Wire: "identifier", Class: public, Kept: dialect.Beside},
	dialect.Member{Wire: "signing_secret", Kept: dialect.Beside},
	dialect.Member{Wire: "id", Class: public, Kept: dialect.Given},
	dialect.Member{Wire: "is_system", Class: internal, Kept: dialect.Given},
	dialect.Member{Wire: "client_id", Class: internal, Kept: dialect.Given},
)

// apiDefaults is what a resource server starts from.
var apiDefaults = jsondoc.Object{
	"allow_offline_access":                            json.RawMessage(`false`),
	"skip_consent_for_verifiable_first_party_clients": json.RawMessage(`false`),
	"subject_type_authorization":                      json.RawMessage(`{"client":{"policy":"require_client_grant"},"user":{"policy":"allow_all"}}`),
	"token_lifetime":                                  json.RawMessage(`86400`),
	"token_lifetime_for_web":                          json.RawMessage(`7200`),
	"signing_alg":                                     json.RawMessage(`"RS256"`),
}

func (h *handler) viewAPI(api oauth.ResourceServer) (body jsondoc.Object, shows []oauth.Disclosure, err error) {
	if body, err = apiFields.View(api.Document, rights.All); err != nil {
		return nil, nil, err
	}
	body["id"], body["identifier"] = jsondoc.Must(api.ID), jsondoc.Must(api.Identifier)
	if api.System {
		body["is_system"] = json.RawMessage(`true`)
	}
	if api.ClientID != "" {
		body["client_id"] = jsondoc.Must(api.ClientID)
	}
	if jsondoc.String(body["signing_alg"]) == "HS256" {
		var secret oauth.Secret
		if secret, shows, err = h.registry.ShowAPISecret(api); err != nil {
			return nil, nil, err
		}
		if !secret.IsZero() {
			body["signing_secret"] = jsondoc.Must(secret.Reveal())
		}
	}
	return body, shows, nil
}

func (h *handler) renderAPI(status int, api oauth.ResourceServer) (rendered, error) {
	body, shows, err := h.viewAPI(api)
	return document(status, apiSchema, body, "").showing(shows), err
}

// applyAPI changes an API by the members of a request. One that signs with
// HS256 gets a secret if it has none.
func applyAPI(api *oauth.ResourceServer, wire jsondoc.Object) error {
	if err := apiFields.Apply(api.Document, wire); err != nil {
		return err
	}
	if raw := wire["signing_secret"]; raw != nil {
		api.NewSecret = oauth.NewSecret(jsondoc.String(raw))
	}
	if jsondoc.String(api.Document["signing_alg"]) == "HS256" && api.SealedSecret == nil && api.NewSecret.IsZero() {
		api.NewSecret = oauth.NewSecret(oauth.RandomText(oauth.Alphanumeric, 32))
	}
	terms, err := api.Terms()
	if err != nil {
		return err
	}
	values := terms.ScopeValues()
	for i, value := range values {
		if slices.Contains(values[:i], value) {
			return oauth.Invalidate(oauth.Violation{Member: "scopes", Rule: "uniqueItems", Detail: "names the value " + value + " twice"})
		}
	}
	return nil
}

// changeAPI is applyAPI for a request, which cannot bring scopes that no token
// could carry.
func changeAPI(api *oauth.ResourceServer, wire jsondoc.Object) error {
	describe(wire)
	before, err := api.Terms()
	if err != nil {
		return err
	}
	if err := applyAPI(api, wire); err != nil {
		return err
	}
	now, err := api.Terms()
	if err == nil && newBlankScope(now.ScopeValues(), before.ScopeValues()) {
		err = broken("scopes", "pattern", "must not have a value with blanks, which separate values in a token")
	}
	return err
}

// apiNames are the identifiers that a path parameter may stand for: clients
// send an API's identifier escaped once or twice.
func apiNames(id string) []string {
	names := []string{id}
	for range 2 {
		decoded, err := url.PathUnescape(id)
		if err != nil || decoded == id {
			break
		}
		names, id = append(names, decoded), decoded
	}
	return names
}

func (h *handler) Auth0CreateResourceServer(ctx context.Context, req auth0api.Auth0CreateResourceServerRequestObject) (auth0api.Auth0CreateResourceServerResponseObject, error) {
	wire := *req.Body
	api := oauth.ResourceServer{Identifier: jsondoc.String(wire["identifier"]), Document: jsondoc.Object{}}
	for name, raw := range apiDefaults {
		api.Document[name] = raw
	}
	if err := changeAPI(&api, wire); err != nil {
		return nil, err
	}
	api, err := h.registry.CreateResourceServer(ctx, api)
	if err != nil {
		return nil, err
	}
	return h.renderAPI(http.StatusCreated, api)
}

func (h *handler) Auth0GetResourceServer(ctx context.Context, req auth0api.Auth0GetResourceServerRequestObject) (auth0api.Auth0GetResourceServerResponseObject, error) {
	api, err := h.registry.ResourceServer(ctx, apiNames(req.ID)...)
	if err != nil {
		return nil, err
	}
	return h.renderAPI(0, api)
}

func (h *handler) Auth0UpdateResourceServer(ctx context.Context, req auth0api.Auth0UpdateResourceServerRequestObject) (auth0api.Auth0UpdateResourceServerResponseObject, error) {
	api, err := h.registry.UpdateResourceServer(ctx, func(api *oauth.ResourceServer) error { return changeAPI(api, *req.Body) }, apiNames(req.ID)...)
	if err != nil {
		return nil, err
	}
	return h.renderAPI(0, api)
}

func (h *handler) Auth0DeleteResourceServer(ctx context.Context, req auth0api.Auth0DeleteResourceServerRequestObject) (auth0api.Auth0DeleteResourceServerResponseObject, error) {
	if err := ignoreMissing(h.registry.DeleteResourceServer(ctx, apiNames(req.ID)...)); err != nil {
		return nil, err
	}
	return auth0api.Auth0DeleteResourceServer204Response{}, nil
}

func (h *handler) Auth0ListResourceServers(ctx context.Context, req auth0api.Auth0ListResourceServersRequestObject) (auth0api.Auth0ListResourceServersResponseObject, error) {
	p := newPaging(req.Params.Page, req.Params.PerPage, nil, nil, req.Params.IncludeTotals)
	identifiers := req.Params.Identifiers
	sel := newUnscopedSelection(req.Params.Fields, req.Params.IncludeFields)
	order := items("resource_servers")
	return listOf(ctx, h.registry, p, source[postgres.PlacedAPI, int64]{
		name: "resource_servers",
		find: func(w window[int64]) ([]postgres.PlacedAPI, bool, error) {
			var after int64
			if w.after != nil {
				after = *w.after
			}
			return h.registry.ResourceServers(ctx, identifiers, after, w.limit, w.offset)
		},
		place: func(api *postgres.PlacedAPI) int64 { return api.Serial },
		render: func(text []byte, api *postgres.PlacedAPI) ([]byte, []oauth.Disclosure, error) {
			body, shows, err := h.viewAPI(api.ResourceServer)
			if err != nil {
				return nil, nil, err
			}
			sel.cut(body)
			return order.Append(text, body), shows, nil
		},
		count: func() (int, error) { return h.registry.CountResourceServers(ctx, identifiers) },
	})
}
