package auth0

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/rights"
	"github.com/rosterhq/roster/server/dialect"
)

// grantFields is the document of a grant, with whom it is for.
var grantFields = dialect.NewTable("", []string{"update:client_grants"},
	dialect.Member{Wire: "scope", Class: internal},
	dialect.Member{Wire: "organization_usage", Class: internal},
	dialect.Member{Wire: "allow_any_organization", Class: internal},
	dialect.Member{Wire: "authorization_details_types", Class: internal},
	dialect.Member{Wire: "allow_all_scopes", Class: internal},
	dialect.Member{Wire: "client_id", Class: internal, Kept: dialect.Beside},
	dialect.Member{Wire: "audience", Class: internal, Kept: dialect.Beside},
	dialect.Member{Wire: "subject_type", Class: internal, Kept: dialect.Beside},
	dialect.Member{Wire: "default_for", Class: internal, Kept: dialect.Beside},
	dialect.Member{Wire: "id", Class: public, Kept: dialect.Given},
	dialect.Member{Wire: "is_system", Class: internal, Kept: dialect.Given},
)

func viewGrant(g oauth.ClientGrant) (jsondoc.Object, error) {
	body, err := grantFields.View(g.Document, rights.All)
	if err != nil {
		return nil, err
	}
	if string(body["allow_all_scopes"]) == "true" {
		delete(body, "scope")
	} else if body["scope"] == nil {
		body["scope"] = json.RawMessage(`[]`)
	}
	body["id"], body["audience"], body["subject_type"] = jsondoc.Must(g.ID), jsondoc.Must(g.Audience), jsondoc.Must(g.SubjectType)
	if g.ClientID != "" {
		body["client_id"] = jsondoc.Must(g.ClientID)
	}
	if g.DefaultFor != "" {
		body["default_for"] = jsondoc.Must(g.DefaultFor)
	}
	return body, nil
}

func renderGrant(status int, g oauth.ClientGrant) (rendered, error) {
	body, err := viewGrant(g)
	return document(status, grantSchema, body, ""), err
}

func (h *handler) Auth0CreateClientGrant(ctx context.Context, req auth0api.Auth0CreateClientGrantRequestObject) (auth0api.Auth0CreateClientGrantResponseObject, error) {
	g, err := readGrant(*req.Body)
	if err != nil {
		return nil, err
	}
	var client *oauth.Client
	if g.ClientID != "" {
		c, err := h.registry.Client(ctx, clientRef(g.ClientID))
		if err != nil {
			return nil, err
		}
		client = &c
	}
	if err := takesGrants(client); err != nil {
		return nil, err
	}
	if err := checkGranted(&g, nil); err != nil {
		return nil, err
	}
	g, err = h.registry.CreateClientGrant(ctx, g)
	if err != nil {
		return nil, err
	}
	return renderGrant(http.StatusCreated, g)
}

// readGrant reads the grant that a create asks for.
func readGrant(sent jsondoc.Object) (oauth.ClientGrant, error) {
	g := oauth.ClientGrant{
		ClientID: jsondoc.String(sent["client_id"]), Audience: jsondoc.String(sent["audience"]), DefaultFor: jsondoc.String(sent["default_for"]),
		SubjectType: cmp.Or(jsondoc.String(sent["subject_type"]), "client"), Document: jsondoc.Object{"scope": json.RawMessage(`[]`)},
	}
	if (g.ClientID == "") == (g.DefaultFor == "") {
		return oauth.ClientGrant{}, &oauth.Error{Kind: oauth.Invalid, Reason: oauth.BrokenRule, Detail: "Exactly one of client_id and default_for must be set."}
	}
	return g, grantFields.Apply(g.Document, sent)
}

// takesGrants refuses a grant for a client of a type that takes none; client is
// nil for a default grant.
func takesGrants(client *oauth.Client) error {
	if client != nil && jsondoc.String(client.Document[oauth.MemberAppType]) == "express_configuration" {
		return errGrantee
	}
	return nil
}

// checkGranted refuses scopes, beyond those granted before, that no token could
// carry.
func checkGranted(g *oauth.ClientGrant, before []string) error {
	now, err := g.Terms()
	if err == nil && newBlankScope(now.Scope, before) {
		err = broken("scope", "pattern", "must not have a value with blanks, which separate values in a token")
	}
	return err
}

func (h *handler) Auth0GetClientGrant(ctx context.Context, req auth0api.Auth0GetClientGrantRequestObject) (auth0api.Auth0GetClientGrantResponseObject, error) {
	g, err := h.registry.ClientGrant(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	return renderGrant(0, g)
}

func (h *handler) Auth0UpdateClientGrant(ctx context.Context, req auth0api.Auth0UpdateClientGrantRequestObject) (auth0api.Auth0UpdateClientGrantResponseObject, error) {
	g, err := h.registry.UpdateClientGrant(ctx, req.ID, func(doc jsondoc.Object) error {
		g := oauth.ClientGrant{Document: doc}
		before, err := g.Terms()
		if err == nil {
			err = grantFields.Apply(doc, *req.Body)
		}
		if err != nil {
			return err
		}
		return checkGranted(&g, before.Scope)
	})
	if err != nil {
		return nil, err
	}
	return renderGrant(0, g)
}

func (h *handler) Auth0DeleteClientGrant(ctx context.Context, req auth0api.Auth0DeleteClientGrantRequestObject) (auth0api.Auth0DeleteClientGrantResponseObject, error) {
	if err := ignoreMissing(h.registry.DeleteClientGrant(ctx, req.ID)); err != nil {
		return nil, err
	}
	return auth0api.Auth0DeleteClientGrant204Response{}, nil
}

func (h *handler) Auth0ListClientGrantOrganizations(ctx context.Context, req auth0api.Auth0ListClientGrantOrganizationsRequestObject) (auth0api.Auth0ListClientGrantOrganizationsResponseObject, error) {
	if _, err := h.registry.ClientGrant(ctx, req.ID); err != nil {
		return nil, err
	}
	p := newPaging(req.Params.Page, req.Params.PerPage, req.Params.Take, req.Params.From, req.Params.IncludeTotals)
	return listOf(ctx, h.registry, p, source[struct{}, int64]{
		name:  "organizations", // of which there are none
		find:  func(window[int64]) ([]struct{}, bool, error) { return nil, false, nil },
		count: func() (int, error) { return 0, nil },
	})
}

func (h *handler) Auth0ListClientGrants(ctx context.Context, req auth0api.Auth0ListClientGrantsRequestObject) (auth0api.Auth0ListClientGrantsResponseObject, error) {
	params := req.Params
	p := newPaging(params.Page, params.PerPage, params.Take, params.From, params.IncludeTotals)
	q := postgres.GrantQuery{AnyOrganization: params.AllowAnyOrganization != nil}
	if params.Audience != nil {
		q.Audience = *params.Audience
	}
	if params.ClientID != nil {
		q.ClientID = *params.ClientID
	}
	if params.SubjectType != nil {
		q.SubjectType = string(*params.SubjectType)
	}
	if params.DefaultFor != nil {
		q.DefaultFor = string(*params.DefaultFor)
	}
	order := items("client_grants")
	return listOf(ctx, h.registry, p, source[postgres.PlacedGrant, int64]{
		name: "client_grants",
		find: func(w window[int64]) ([]postgres.PlacedGrant, bool, error) {
			q.Limit, q.Offset = w.limit, w.offset
			if w.after != nil {
				q.After = *w.after
			}
			return h.registry.ClientGrants(ctx, q)
		},
		place: func(g *postgres.PlacedGrant) int64 { return g.Serial },
		render: func(text []byte, g *postgres.PlacedGrant) ([]byte, []oauth.Disclosure, error) {
			body, err := viewGrant(g.ClientGrant)
			return order.Append(text, body), nil, err
		},
		count: func() (int, error) { return h.registry.CountClientGrants(ctx, q) },
	})
}
