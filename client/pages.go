package client

import (
	"context"
	"encoding/json"
	"iter"
)

// The largest pages that the service gives, which lists ask for unless told
// otherwise.
const (
	maxPage      = 100
	maxEventPage = 500
)

// Clients lists clients in the order they were made, the global client last.
//
//	for c, err := range api.Clients(ctx, nil) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(*c.ClientID, *c.Name)
//	}
//
// filter, which may be nil, narrows the list. Of its paging members Take is the
// size of a page (default and at most 100) and From where to start (default: at
// the first client); Page, PerPage and IncludeTotals mean nothing here.
//
// Like every list of this package it asks for a page when the loop gets there,
// never before, keeps no more than one page, and can be ranged over again, which
// asks again. An error is yielded once, with a zero value, and ends it.
//
// What is made during the listing is found at its end. What is deleted is left
// out unless its page has been fetched already.
func (c *Client) Clients(ctx context.Context, filter *Auth0ListClientsParams) iter.Seq2[GetClientResponseContent, error] {
	params := copied(filter)
	return pages(params.From, func(from *string) ([]GetClientResponseContent, *string, error) {
		params := params // ranging twice, or at once, shares nothing
		params.From, params.Take = from, or(params.Take, maxPage)
		got, err := c.Auth0ListClientsWithResponse(ctx, &params)
		if err != nil {
			return nil, nil, err
		}
		var page ListClientsPaginatedResponseContent
		err = json.Unmarshal(got.Body, &page)
		return page.Clients, page.Next, err
	})
}

// ClientGrants lists client grants in the order they were made. filter is as for
// [Client.Clients], and so is the rest.
func (c *Client) ClientGrants(ctx context.Context, filter *Auth0ListClientGrantsParams) iter.Seq2[ClientGrantResponseContent, error] {
	params := copied(filter)
	return pages(params.From, func(from *string) ([]ClientGrantResponseContent, *string, error) {
		params := params
		params.From, params.Take = from, or(params.Take, maxPage)
		got, err := c.Auth0ListClientGrantsWithResponse(ctx, &params)
		if err != nil {
			return nil, nil, err
		}
		var page ListClientGrantPaginatedResponseContent
		err = json.Unmarshal(got.Body, &page)
		return page.ClientGrants, page.Next, err
	})
}

// ResourceServers lists resource servers in the order they were made, the
// management API among them. Of filter's paging members PerPage is the size of a
// page (default and at most 100) and Page the first one to show, counted from 0;
// IncludeTotals means nothing here.
//
// The API counts its way through this list. So each resource server that is
// deleted during the listing, of those shown already, hides another one where
// the next page begins.
func (c *Client) ResourceServers(ctx context.Context, filter *Auth0ListResourceServersParams) iter.Seq2[ResourceServer, error] {
	params := copied(filter)
	params.IncludeTotals, params.PerPage = nil, or(params.PerPage, maxPage)
	return pages(params.Page, func(number *int) ([]ResourceServer, *int, error) {
		params := params
		params.Page = or(number, 0)
		got, err := c.Auth0ListResourceServersWithResponse(ctx, &params)
		if err != nil {
			return nil, nil, err
		}
		var page ListResourceServerArrayResponseContent
		if err := json.Unmarshal(got.Body, &page); err != nil || len(page) < *params.PerPage {
			return page, nil, err
		}
		return page, new(*params.Page + 1), nil
	})
}

// Credentials lists the keys and certificates of a client in the order they were
// registered, in use or not. It is one request: a client has four at most.
func (c *Client) Credentials(ctx context.Context, clientID string) iter.Seq2[ClientCredential, error] {
	return pages(nil, func(*string) ([]ClientCredential, *string, error) {
		got, err := c.Auth0ListClientCredentialsWithResponse(ctx, clientID)
		if err != nil {
			return nil, nil, err
		}
		var page []ClientCredential
		err = json.Unmarshal(got.Body, &page)
		return page, nil, err
	})
}

// Events searches the audit trail, newest first unless filter, which may be nil,
// says RosterListEventsParamsOrderOldest. Of its paging members Limit is the
// size of a page (default and at most 500) and After where to start.
//
// To see every event exactly once, use [Client.EventFeed].
func (c *Client) Events(ctx context.Context, filter *RosterListEventsParams) iter.Seq2[RosterEvent, error] {
	params := copied(filter)
	return pages(params.After, func(after *string) ([]RosterEvent, *string, error) {
		params := params
		params.After, params.Limit = after, or(params.Limit, maxEventPage)
		got, err := c.RosterListEventsWithResponse(ctx, &params)
		if err != nil {
			return nil, nil, err
		}
		var page RosterEvents
		err = json.Unmarshal(got.Body, &page)
		return page.Events, page.Next, err
	})
}

// EventFeed follows the audit trail, part by part, and ends with an error only,
// at the latest that of ctx. A part may be empty; when its events are dealt
// with, keep its Next: the After of start that goes on from there, in another
// process too. start may be nil, for the oldest event that is kept; After
// "latest" is for events from now on.
//
// While there is nothing new each request waits, for start's Wait (default and
// at most 20 seconds). [Config.Timeout] must be longer than that.
func (c *Client) EventFeed(ctx context.Context, start *RosterReadEventFeedParams) iter.Seq2[RosterEventFeed, error] {
	params := copied(start)
	return pages(params.After, func(after *string) ([]RosterEventFeed, *string, error) {
		params := params
		params.After, params.Limit, params.Wait = after, or(params.Limit, maxEventPage), or(params.Wait, 20)
		got, err := c.RosterReadEventFeedWithResponse(ctx, &params)
		if err != nil {
			return nil, nil, err
		}
		var part RosterEventFeed
		err = json.Unmarshal(got.Body, &part)
		return []RosterEventFeed{part}, &part.Next, err
	})
}

// pages yields what is on the pages that fetch gets: the one at a place, and the
// place of the next, nil after the last.
func pages[T, P any](first *P, fetch func(place *P) (page []T, next *P, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for place, more := first, true; more; {
			page, next, err := fetch(place)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
			place, more = next, next != nil
		}
	}
}

// copied keeps what the caller does with the parameters later out of a list.
func copied[T any](params *T) (own T) {
	if params != nil {
		own = *params
	}
	return own
}

// or points to value where p points to nothing.
func or[T any](p *T, value T) *T {
	if p == nil {
		p = &value
	}
	return p
}
