package native

import (
	"context"
	"time"

	"github.com/rosterhq/roster/gen/rosterapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
)

// Kinds of cursors.
const (
	clientCursor = "roster clients"
	changeCursor = "roster changes"
)

func (h *handler) RosterListClients(ctx context.Context, req rosterapi.RosterListClientsRequestObject) (rosterapi.RosterListClientsResponseObject, error) {
	p := req.Params
	limit := pageSize(p.Limit)
	q := postgres.ClientQuery{Limit: limit + 1} // one more tells whether there is a next page
	if p.State != nil {
		q.State = oauth.State(*p.State)
	}
	q.Name = postgres.NameQuery{Contains: text(p.Name), StartsWith: text(p.NamePrefix)}
	if p.After != nil {
		var err error
		if q.After, err = readCursor[postgres.ListPlace](h.registry, clientCursor, *p.After); err != nil {
			return nil, err
		}
	}
	found, more, err := h.registry.ListedClients(ctx, q)
	if err != nil {
		return nil, err
	}
	body := rosterapi.RosterClients{}
	if more || len(found) > limit {
		found = found[:min(limit, len(found))]
		next, err := h.registry.SealCursor(clientCursor, jsondoc.Must(found[len(found)-1].Place))
		if err != nil {
			return nil, err
		}
		body.Next = &next
	}
	body.Clients = make([]rosterapi.RosterListedClient, len(found))
	for i, c := range found {
		body.Clients[i] = viewListed(c)
	}
	return rosterapi.RosterListClients200JSONResponse{Body: body}, nil
}

func (h *handler) RosterListChanges(ctx context.Context, req rosterapi.RosterListChangesRequestObject) (rosterapi.RosterListChangesResponseObject, error) {
	var since postgres.ChangePlace
	if req.Params.After != nil {
		place, err := readCursor[postgres.ChangePlace](h.registry, changeCursor, *req.Params.After)
		if err != nil {
			return nil, err
		}
		since = *place
	}
	var wait time.Duration
	if req.Params.Wait != nil {
		wait = time.Duration(*req.Params.Wait) * time.Second
	}
	found, err := h.registry.ClientChanges(ctx, since, wait)
	if err != nil {
		return nil, err
	}
	next, err := h.registry.SealCursor(changeCursor, jsondoc.Must(found.Next))
	if err != nil {
		return nil, err
	}
	body := rosterapi.RosterChanges{Clients: found.Clients, All: found.All, Next: next}
	if found.All || body.Clients == nil {
		body.Clients = []string{}
	}
	return rosterapi.RosterListChanges200JSONResponse{Body: body}, nil
}

func viewListed(c postgres.ListedClient) rosterapi.RosterListedClient {
	return rosterapi.RosterListedClient{
		ClientID: c.ClientID, Name: c.Name, State: rosterapi.RosterState(c.State),
		CreatedAt: timestamp(c.CreatedAt), UpdatedAt: timestamp(c.UpdatedAt),
	}
}

func (h *handler) RosterRestoreClient(ctx context.Context, req rosterapi.RosterRestoreClientRequestObject) (rosterapi.RosterRestoreClientResponseObject, error) {
	c, err := h.registry.RestoreClient(ctx, req.ClientID)
	if err != nil {
		return nil, err
	}
	listed := postgres.ListedClient{
		ClientID: c.ClientID, Name: jsondoc.String(c.Document["client_name"]), State: c.State, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	return rosterapi.RosterRestoreClient200JSONResponse{Body: viewListed(listed)}, nil
}

func (h *handler) RosterGetClientState(ctx context.Context, req rosterapi.RosterGetClientStateRequestObject) (rosterapi.RosterGetClientStateResponseObject, error) {
	s, err := h.registry.ClientState(ctx, clientRef(req.ClientID))
	if err != nil {
		return nil, err
	}
	return rosterapi.RosterGetClientState200JSONResponse{Body: viewState(s)}, nil
}

func (h *handler) RosterSetClientState(ctx context.Context, req rosterapi.RosterSetClientStateRequestObject) (rosterapi.RosterSetClientStateResponseObject, error) {
	s, err := h.registry.SetClientState(ctx, clientRef(req.ClientID), oauth.State(req.Body.State), text(req.Body.Reason))
	if err != nil {
		return nil, err
	}
	return rosterapi.RosterSetClientState200JSONResponse{Body: viewState(s)}, nil
}

func viewState(s oauth.ClientState) rosterapi.RosterClientState {
	return rosterapi.RosterClientState{
		ClientID: s.ClientID, State: rosterapi.RosterState(s.State), Reason: s.Reason, ChangedAt: moment(s.ChangedAt),
	}
}

func (h *handler) RosterEndClientTokens(ctx context.Context, req rosterapi.RosterEndClientTokensRequestObject) (rosterapi.RosterEndClientTokensResponseObject, error) {
	audience := ""
	if req.Body != nil {
		audience = text(req.Body.Audience)
	}
	if err := h.registry.EndTokens(ctx, clientRef(req.ClientID), audience); err != nil {
		return nil, err
	}
	return rosterapi.RosterEndClientTokens204Response{}, nil
}
