package client

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// FoundClient is what every dialect has in common of a client.
type FoundClient struct {
	ID    string `json:"client_id"`
	Name  string `json:"name"`
	State string `json:"state"` // as in State

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// SearchFilter says which clients to find: those that match all of it. The zero
// value, and nil, are for all.
type SearchFilter struct {
	// Name is text that the name contains, three characters at least, in upper or
	// lower case.
	Name string
	// NamePrefix is text that the name begins with, in upper or lower case.
	NamePrefix string
	// State is StateActive, StateDisabled or StateQuarantined.
	State string
	// PageSize is how many are read at a time, at most and by default 500.
	PageSize int
}

// FindClients finds clients by name and state, in the order of their creation.
func (c *Client) FindClients(ctx context.Context, filter *SearchFilter) iter.Seq2[FoundClient, error] {
	f, query := copied(filter), url.Values{}
	setAll(query, "name", f.Name, "name_prefix", f.NamePrefix, "state", f.State)
	return pages(c, ctx, nativePath, query, "after", "limit", f.PageSize, maxEventPage, func(page struct {
		Clients []FoundClient
		Next    string
	}) ([]FoundClient, string) {
		return page.Clients, page.Next
	})
}
