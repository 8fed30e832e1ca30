package native

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rosterhq/roster/gen/rosterapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/problem"
)

const defaultLimit = 100

// latest is the cursor of whoever wants events from now on.
const latest = "latest"

// Kinds of cursors.
const (
	listCursor = "roster events"
	feedCursor = "roster event feed"
)

func readCursor[P any](reg *registry.Registry, kind, text string) (*P, error) {
	var place P
	raw, ok := reg.OpenCursor(kind, text)
	if !ok || json.Unmarshal(raw, &place) != nil {
		return nil, &problem.Error{Status: http.StatusBadRequest, Text: "The cursor in after is not valid; start again without it."}
	}
	return &place, nil
}

func (h *handler) RosterListEvents(ctx context.Context, req rosterapi.RosterListEventsRequestObject) (rosterapi.RosterListEventsResponseObject, error) {
	p := req.Params
	q := postgres.EventQuery{
		Action: text(p.Action), TargetType: text(p.TargetType), Target: text(p.Target), Actor: text(p.Actor), ActorClient: text(p.ActorClient),
		Since: p.Since, Until: p.Until, Oldest: p.Order != nil && *p.Order == rosterapi.RosterListEventsParamsOrderOldest,
	}
	limit := pageSize(p.Limit)
	q.Limit = limit + 1 // one more tells whether there is a next page
	if p.After != nil {
		var err error
		if q.After, err = readCursor[postgres.ListedAt](h.registry, listCursor, *p.After); err != nil {
			return nil, err
		}
	}
	found, more, err := h.registry.Events(ctx, q)
	if err != nil {
		return nil, err
	}
	var next *string
	if more || len(found) > limit {
		found = found[:min(limit, len(found))]
		last := found[len(found)-1]
		cursor, err := h.registry.SealCursor(listCursor, jsondoc.Must(postgres.ListedAt{OccurredAt: last.OccurredAt, ID: last.ID}))
		if err != nil {
			return nil, err
		}
		next = &cursor
	}
	return rosterapi.RosterListEvents200JSONResponse{Body: rosterapi.RosterEvents{Events: viewEvents(found), Next: next}}, nil
}

// Waits reports whether a request may wait for events or changes.
func Waits(c *gin.Context) bool {
	wait := c.Query("wait")
	path := c.FullPath()
	return (path == "/api/roster/v1/events/feed" || path == "/api/roster/v1/changes") && wait != "" && wait != "0"
}

func (h *handler) RosterReadEventFeed(ctx context.Context, req rosterapi.RosterReadEventFeedRequestObject) (rosterapi.RosterReadEventFeedResponseObject, error) {
	var after *postgres.FeedPlace
	var err error
	switch p := text(req.Params.After); p {
	case "":
	case latest:
		end, err := h.registry.EventFeedEnd(ctx)
		if err != nil {
			return nil, err
		}
		after = &end
	default:
		if after, err = readCursor[postgres.FeedPlace](h.registry, feedCursor, p); err != nil {
			return nil, err
		}
	}
	var wait time.Duration
	if req.Params.Wait != nil {
		wait = time.Duration(*req.Params.Wait) * time.Second
	}
	page, err := h.registry.EventFeed(ctx, after, pageSize(req.Params.Limit), wait)
	if err != nil {
		return nil, err
	}
	next, err := h.registry.SealCursor(feedCursor, jsondoc.Must(page.Next))
	if err != nil {
		return nil, err
	}
	return rosterapi.RosterReadEventFeed200JSONResponse{Body: rosterapi.RosterEventFeed{Events: viewEvents(page.Events), Next: next, More: page.More}}, nil
}

func viewEvents(found []postgres.PlacedEvent) []rosterapi.RosterEvent {
	list := make([]rosterapi.RosterEvent, len(found))
	for i, e := range found {
		list[i] = rosterapi.RosterEvent{
			ID: strconv.FormatInt(e.ID, 10), OccurredAt: timestamp(e.OccurredAt), Actor: e.Actor, ActorClient: e.ActorClient,
			Action: e.Action, TargetType: e.TargetType, Target: e.Target, RequestID: e.RequestID, Address: e.Address,
		}
		if e.Changes != nil {
			list[i].Changes = new(jsondoc.Must(e.Changes))
		}
	}
	return list
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func pageSize(limit *int) int {
	if limit == nil {
		return defaultLimit
	}
	return *limit
}
