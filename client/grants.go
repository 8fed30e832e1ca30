package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Grant is what a client may do with an API.
type Grant struct {
	ID string `json:"id"`
	// ClientID is empty where DefaultFor stands for many clients.
	ClientID   string `json:"client_id"`
	DefaultFor string `json:"default_for"`
	// Audience is the identifier of the API.
	Audience  string   `json:"audience"`
	Scopes    []string `json:"scope"`
	AllScopes bool     `json:"allow_all_scopes"`
	// SubjectType is client or user: on whose behalf.
	SubjectType string `json:"subject_type"`
	// System is true for a grant of the registry's own.
	System bool `json:"is_system"`
}

// GrantInput is what can be said about a grant. UpdateGrant changes Scopes and
// AllScopes alone; of an existing grant what is nil stays as it is.
type GrantInput struct {
	ClientID  string   `json:"client_id,omitzero"`
	Audience  string   `json:"audience,omitzero"`
	Scopes    []string `json:"scope,omitzero"`
	AllScopes *bool    `json:"allow_all_scopes,omitzero"`
}

// GrantFilter says which grants to list. The zero value, and nil, are for all.
type GrantFilter struct {
	ClientID, Audience string
	// PageSize is how many are read at a time, at most and by default 100.
	PageSize int
}

const grantsPath = "/api/v2/client-grants"

// CreateGrant lets a client have tokens for an API. [ErrNotFound]: there is no
// such client or API. [ErrConflict]: it has a grant on it already, which
// [Client.Grants] finds and [Client.UpdateGrant] changes.
func (c *Client) CreateGrant(ctx context.Context, in GrantInput, o *CreateOptions) (*Grant, error) {
	return one[Grant](c, ctx, Request{Method: http.MethodPost, Path: grantsPath, Body: in, Header: o.header()})
}

// GetGrant reads a grant.
func (c *Client) GetGrant(ctx context.Context, grantID string) (*Grant, error) {
	return one[Grant](c, ctx, Request{Path: Path(grantsPath, grantID)})
}

// UpdateGrant changes which scopes a client may have.
func (c *Client) UpdateGrant(ctx context.Context, grantID string, in GrantInput) (*Grant, error) {
	return one[Grant](c, ctx, Request{Method: http.MethodPatch, Path: Path(grantsPath, grantID), Body: in})
}

// DeleteGrant ends what a client may do with an API. A grant that does not exist
// counts as deleted.
func (c *Client) DeleteGrant(ctx context.Context, grantID string) error {
	_, err := c.Do(ctx, Request{Method: http.MethodDelete, Path: Path(grantsPath, grantID)}, nil)
	return err
}

// Grants lists grants in the order they were made; see [Client.Clients].
func (c *Client) Grants(ctx context.Context, filter *GrantFilter) iter.Seq2[Grant, error] {
	f, query := copied(filter), url.Values{}
	setAll(query, "client_id", f.ClientID, "audience", f.Audience)
	return pages(c, ctx, grantsPath, query, "from", "take", f.PageSize, maxPage, func(page struct {
		Grants []Grant `json:"client_grants"`
		Next   string
	}) ([]Grant, string) {
		return page.Grants, page.Next
	})
}

// API is a resource server: what tokens are issued for.
type API struct {
	ID         string
	Identifier string // the audience of its tokens
	Name       string
	Scopes     []Scope
	SigningAlg string
	// TokenLifetime is how long its tokens are valid.
	TokenLifetime time.Duration
	// System is true for the management API of the registry.
	System bool
	// Members are all members as the service shows them, these and others.
	Members map[string]json.RawMessage
}

// Scope is something that can be done with an API.
type Scope struct {
	Value       string `json:"value"`
	Description string `json:"description,omitzero"`
}

// UnmarshalJSON reads an API as the service shows it.
func (a *API) UnmarshalJSON(text []byte) error {
	var shown struct {
		ID         string  `json:"id"`
		Identifier string  `json:"identifier"`
		Name       string  `json:"name"`
		Scopes     []Scope `json:"scopes"`
		SigningAlg string  `json:"signing_alg"`
		Lifetime   int64   `json:"token_lifetime"`
		System     bool    `json:"is_system"`
	}
	var members map[string]json.RawMessage
	if err := decodeAll(text, &shown, &members); err != nil {
		return err
	}
	*a = API{shown.ID, shown.Identifier, shown.Name, shown.Scopes, shown.SigningAlg, time.Duration(shown.Lifetime) * time.Second, shown.System, members}
	return nil
}

// APIInput is what can be said about an API. What is zero is not sent.
// Identifier never changes. Scopes, where they are not nil, replace what it had.
type APIInput struct {
	Identifier    string
	Name          string
	Scopes        []Scope
	TokenLifetime time.Duration // whole seconds
	SigningAlg    string
	// Members are others by their name in the API, as in ClientInput.
	Members map[string]any
}

// MarshalJSON writes what is to be sent.
func (in APIInput) MarshalJSON() ([]byte, error) {
	return merged(struct {
		Identifier string  `json:"identifier,omitzero"`
		Name       string  `json:"name,omitzero"`
		Scopes     []Scope `json:"scopes,omitzero"`
		Lifetime   int64   `json:"token_lifetime,omitzero"`
		SigningAlg string  `json:"signing_alg,omitzero"`
	}{in.Identifier, in.Name, in.Scopes, int64(in.TokenLifetime / time.Second), in.SigningAlg}, in.Members)
}

const apisPath = "/api/v2/resource-servers"

// CreateAPI registers an API. [ErrConflict]: there is one with that identifier.
func (c *Client) CreateAPI(ctx context.Context, in APIInput, o *CreateOptions) (*API, error) {
	return one[API](c, ctx, Request{Method: http.MethodPost, Path: apisPath, Body: in, Header: o.header()})
}

// GetAPI reads an API, by its id or its identifier.
func (c *Client) GetAPI(ctx context.Context, id string) (*API, error) {
	return one[API](c, ctx, Request{Path: Path(apisPath, id)})
}

// UpdateAPI changes an API, by its id or its identifier.
func (c *Client) UpdateAPI(ctx context.Context, id string, in APIInput) (*API, error) {
	return one[API](c, ctx, Request{Method: http.MethodPatch, Path: Path(apisPath, id), Body: in})
}

// DeleteAPI deletes an API and the grants on it. One that does not exist counts
// as deleted.
func (c *Client) DeleteAPI(ctx context.Context, id string) error {
	_, err := c.Do(ctx, Request{Method: http.MethodDelete, Path: Path(apisPath, id)}, nil)
	return err
}

// APIs lists APIs in the order they were registered, the management API among
// them; see [Client.Clients]. The service counts its way through this list: each
// API that is deleted meanwhile, of those shown already, hides another one where
// the next page begins.
func (c *Client) APIs(ctx context.Context) iter.Seq2[API, error] {
	number := 0 // of the next page
	return func(yield func(API, error) bool) {
		number = 0
		list := pages(c, ctx, apisPath, url.Values{}, "page", "per_page", maxPage, maxPage, func(page []API) ([]API, string) {
			if number++; len(page) < maxPage {
				return page, ""
			}
			return page, strconv.Itoa(number)
		})
		list(yield)
	}
}
