package auth0

import (
	"context"
	"strings"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

func (h *handler) Auth0ListClients(ctx context.Context, req auth0api.Auth0ListClientsRequestObject) (auth0api.Auth0ListClientsResponseObject, error) {
	sel, err := newSelection(ctx, req.Params.Fields, req.Params.IncludeFields)
	if err != nil {
		return nil, err
	}
	p := newPaging(req.Params.Page, req.Params.PerPage, req.Params.Take, req.Params.From, req.Params.IncludeTotals)
	q, err := clientQuery(req.Params, p)
	if err != nil {
		return nil, err
	}
	look, err := h.look(ctx, sel)
	if err != nil {
		return nil, err
	}
	order := items("clients")
	return listOf(ctx, h.registry, p, source[postgres.PlacedClient, postgres.ListPlace]{
		name: "clients",
		find: func(w window[postgres.ListPlace]) ([]postgres.PlacedClient, bool, error) {
			q.Limit, q.Offset, q.After = w.limit, w.offset, w.after
			return h.registry.Clients(ctx, q)
		},
		place: func(c *postgres.PlacedClient) postgres.ListPlace { return c.Place },
		render: func(text []byte, c *postgres.PlacedClient) ([]byte, []oauth.Disclosure, error) {
			body, shows, err := h.view(&c.Client, look)
			if err != nil {
				return nil, nil, err
			}
			tenant := body["tenant"]
			sel.cut(body)
			if tenant != nil {
				body["tenant"] = tenant // lists show it whatever is asked for
			}
			return order.Append(text, body), shows, nil
		},
		count: func() (int, error) { return h.registry.CountClients(ctx, q) },
	})
}

func clientQuery(params auth0api.Auth0ListClientsParams, p paging) (postgres.ClientQuery, error) {
	q := postgres.ClientQuery{Global: params.IsGlobal, FirstParty: params.IsFirstParty}
	if params.AppType != nil {
		for kind := range strings.SplitSeq(*params.AppType, ",") {
			if kind = strings.TrimSpace(kind); kind != "" {
				q.AppTypes = append(q.AppTypes, kind)
			}
		}
	}
	if params.ExternalClientID != nil {
		q.ExternalClientID = *params.ExternalClientID
	}
	if params.Q == nil || *params.Q == "" {
		return q, nil
	}
	switch {
	case !p.checkpoint:
		return q, invalidQuery("q needs checkpoint paging: send take")
	case q.Global != nil || q.FirstParty != nil || q.AppTypes != nil || q.ExternalClientID != "":
		return q, invalidQuery("q cannot be combined with other filters")
	}
	field, value, _ := strings.Cut(*params.Q, ":")
	switch {
	case field == "client_grant.allow_any_organization" && value == "true":
		q.AnyOrganization = true
	case field == "client_grant.organization_id" && value != "":
		q.Nothing = true // grants are not tied to organizations here
	default:
		return q, invalidQuery("q takes client_grant.organization_id:{id} or client_grant.allow_any_organization:true")
	}
	return q, nil
}

func invalidQuery(detail string) error {
	return &oauth.Error{Kind: oauth.Invalid, Reason: oauth.BadQuery, Detail: detail}
}
