package client

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

// The largest pages that the API gives.
const (
	maxPage      = 100
	maxEventPage = 500 // of Roster's own lists
)

// pages yields what is on the pages of a list, whose parameters cursor and size
// say where one begins and how long it is. read takes the items and the next
// cursor out of one; "" ends the list.
func pages[P, T any](c *Client, ctx context.Context, path string, query url.Values, cursor, size string, take, most int, read func(P) ([]T, string)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := cloned(query)
		if take <= 0 || take > most {
			take = most
		}
		query.Set(size, strconv.Itoa(take))
		for more := true; more; {
			var page P
			if _, err := c.Do(ctx, Request{Path: path, Query: query}, &page); err != nil {
				var none T
				yield(none, err)
				return
			}
			items, next := read(page)
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			more = next != ""
			query.Set(cursor, next)
		}
	}
}

func cloned(query url.Values) url.Values {
	own := url.Values{}
	for name, values := range query {
		own[name] = values
	}
	return own
}

// one makes a call and decodes the object that it is answered with.
func one[T any](c *Client, ctx context.Context, r Request) (*T, error) {
	v := new(T)
	if _, err := c.Do(ctx, r, v); err != nil {
		return nil, err
	}
	return v, nil
}

// copied keeps what the caller does with options later out of a list. Nil is
// the zero value.
func copied[T any](options *T) (own T) {
	if options != nil {
		own = *options
	}
	return own
}
