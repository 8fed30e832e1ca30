package auth0

import (
	"context"
	"strings"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/jsondoc"
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
	found, next, err := onePage(h.registry, p, "clients", func(c postgres.PlacedClient) postgres.ListPlace { return c.Place },
		func(w window[postgres.ListPlace]) ([]postgres.PlacedClient, error) {
			q.Limit, q.Offset, q.After = w.limit, w.offset, w.after
			return h.registry.Clients(ctx, q)
		})
	if err != nil {
		return nil, err
	}
	look, err := h.look(ctx, sel)
	if err != nil {
		return nil, err
	}
	list := make([]jsondoc.Object, len(found))
	var all []oauth.Disclosure
	for i := range found {
		var shows []oauth.Disclosure
		if list[i], shows, err = h.view(&found[i].Client, look); err != nil {
			return nil, err
		}
		all = append(all, shows...)
		tenant := list[i]["tenant"]
		sel.cut(list[i])
		if tenant != nil {
			list[i]["tenant"] = tenant // lists show it whatever is asked for
		}
	}
	answer, err := p.answer("clients", list, next, func() (int, error) { return h.registry.CountClients(ctx, q) })
	return answer.showing(all), err
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
