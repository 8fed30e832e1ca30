package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// OAuthClient is a client as Roster shows it.
type OAuthClient struct {
	ID          string `json:"client_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	// AppType is native, spa, regular_web, non_interactive or another one of
	// Auth0's.
	AppType        string `json:"app_type"`
	LogoURI        string `json:"logo_uri"`
	FirstParty     bool   `json:"is_first_party"`
	OIDCConformant bool   `json:"oidc_conformant"`
	// Global is true for the one client that holds what all have in common.
	Global            bool     `json:"global"`
	Callbacks         []string `json:"callbacks"`
	AllowedLogoutURLs []string `json:"allowed_logout_urls"`
	AllowedOrigins    []string `json:"allowed_origins"`
	WebOrigins        []string `json:"web_origins"`
	GrantTypes        []string `json:"grant_types"`
	// AuthMethod is how it authenticates with a secret or without anything: none,
	// client_secret_post or client_secret_basic. Empty where it has Keys.
	AuthMethod string            `json:"token_endpoint_auth_method"`
	Metadata   map[string]string `json:"client_metadata"`
	// Secret is set by CreateClient, and where GetOptions or ClientFilter ask to
	// show secrets, unless the service keeps digests alone.
	Secret string `json:"client_secret"`

	// Keys are the ids of the credentials that it authenticates with, by method:
	// private_key_jwt, tls_client_auth or self_signed_tls_client_auth.
	Keys map[string][]string `json:"-"`
	// ETag names the version of the client, for ChangeOptions.IfMatch. Lists show
	// none.
	ETag ETag `json:"-"`
	// Members are all members as the service shows them, these and others.
	Members map[string]json.RawMessage `json:"-"`
}

// UnmarshalJSON reads a client as the service shows it.
func (c *OAuthClient) UnmarshalJSON(text []byte) error {
	type plain OAuthClient
	var methods struct {
		Of map[string]struct{ Credentials []struct{ ID string } } `json:"client_authentication_methods"`
	}
	*c = OAuthClient{}
	if err := decodeAll(text, (*plain)(c), &methods, &c.Members); err != nil {
		return err
	}
	for method, its := range methods.Of {
		if c.Keys == nil {
			c.Keys = map[string][]string{}
		}
		for _, credential := range its.Credentials {
			c.Keys[method] = append(c.Keys[method], credential.ID)
		}
	}
	return nil
}

// decodeAll reads one JSON text into several values.
func decodeAll(text []byte, into ...any) error {
	for _, v := range into {
		if err := json.Unmarshal(text, v); err != nil {
			return err
		}
	}
	return nil
}

// ClientInput is what can be said about a client. What is zero is not sent: a
// new client gets the default, an existing one keeps what it has. An empty list,
// unlike a nil one, replaces what there is.
type ClientInput struct {
	Name              string   `json:"name,omitzero"`
	Description       string   `json:"description,omitzero"`
	AppType           string   `json:"app_type,omitzero"`
	LogoURI           string   `json:"logo_uri,omitzero"`
	FirstParty        *bool    `json:"is_first_party,omitzero"`
	OIDCConformant    *bool    `json:"oidc_conformant,omitzero"`
	Callbacks         []string `json:"callbacks,omitzero"`
	AllowedLogoutURLs []string `json:"allowed_logout_urls,omitzero"`
	AllowedOrigins    []string `json:"allowed_origins,omitzero"`
	WebOrigins        []string `json:"web_origins,omitzero"`
	GrantTypes        []string `json:"grant_types,omitzero"`
	AuthMethod        string   `json:"token_endpoint_auth_method,omitzero"`
	// Metadata is merged into what an existing client has, by name.
	Metadata map[string]string `json:"client_metadata,omitzero"`

	// Members are others by their name in the API, and win over the fields above:
	// {"jwt_configuration": …}. A nil value removes a member.
	Members map[string]any `json:"-"`
}

// MarshalJSON writes what is to be sent.
func (in ClientInput) MarshalJSON() ([]byte, error) {
	type plain ClientInput
	return merged(plain(in), in.Members)
}

// merged encodes v, an object, with members put over it.
func merged(v any, members map[string]any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil || len(members) == 0 {
		return text, err
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, err
	}
	for name, value := range members {
		object[name] = value
	}
	return json.Marshal(object)
}

// ETag names a version of what was read (RFC 9110 §8.8.3). The zero value names
// none.
type ETag string

// CreateOptions say how something is created. Nil will do.
type CreateOptions struct {
	// IdempotencyKey is the caller's own, of 1 to 255 printable ASCII characters.
	// For 24 hours the service gives the same caller the same answer for the same
	// key and request, so a key that is kept with the work to do makes that work
	// happen once even if the program is started again in its midst. Another
	// request under the key is ErrUnprocessable. Default: a random one.
	IdempotencyKey string
	// Keys are of CreateClient alone: the client authenticates with assertions
	// that it signs with one of these, at most two, and has no secret.
	Keys []PublicKey
}

// ChangeOptions say how a client is changed or deleted. Nil will do.
type ChangeOptions struct {
	// IfMatch makes the change only if the client is still what OAuthClient.ETag
	// names; otherwise it is ErrPreconditionFailed.
	IfMatch ETag
}

// GetOptions say how a client is read. Nil will do.
type GetOptions struct {
	// ShowSecrets reads the secret and other members that are or may hold secrets.
	// The audit trail notes it. Without it they are not sent at all.
	ShowSecrets bool
}

// ClientFilter says which clients to list. The zero value, and nil, are for all.
type ClientFilter struct {
	AppTypes   []string
	FirstParty *bool
	Global     *bool
	// ExternalID is the address of the metadata document that it was registered
	// from.
	ExternalID string
	// ShowSecrets is as in GetOptions.
	ShowSecrets bool
	// PageSize is how many are read at a time, at most and by default 100.
	PageSize int
}

const (
	clientsPath = "/api/v2/clients"
	nativePath  = "/api/roster/v1/clients"
)

// withoutSecrets is the query that leaves secrets out.
func withoutSecrets(show bool) url.Values {
	if show {
		return url.Values{}
	}
	return url.Values{"fields": {"client_secret,signing_keys,encryption_key,addons"}, "include_fields": {"false"}}
}

// CreateClient registers a client and returns it with its secret. Nothing keeps
// the secret but the service, which may be set up to show it this once only.
func (c *Client) CreateClient(ctx context.Context, in ClientInput, o *CreateOptions) (*OAuthClient, error) {
	var body any = in
	if o != nil && len(o.Keys) > 0 {
		methods, err := keyMethods(o.Keys)
		if err != nil {
			return nil, err
		}
		members := map[string]any{"client_authentication_methods": methods}
		for name, value := range in.Members {
			members[name] = value
		}
		in.Members = members
		body = in
	}
	return one[OAuthClient](c, ctx, Request{Method: http.MethodPost, Path: clientsPath, Body: body, Header: o.header()})
}

// header is what a creation sends besides what every request carries.
func (o *CreateOptions) header() http.Header {
	if o == nil || o.IdempotencyKey == "" {
		return nil
	}
	return http.Header{keyHeader: {o.IdempotencyKey}}
}

func (o *ChangeOptions) header() http.Header {
	if o == nil || o.IfMatch == "" {
		return nil
	}
	return http.Header{"If-Match": {string(o.IfMatch)}}
}

// GetClient reads a client. [ErrNotFound]: there is none.
func (c *Client) GetClient(ctx context.Context, clientID string, o *GetOptions) (*OAuthClient, error) {
	r := Request{Path: Path(clientsPath, clientID), Query: withoutSecrets(o != nil && o.ShowSecrets)}
	got := &OAuthClient{}
	resp, err := c.Do(ctx, r, got)
	if err != nil {
		return nil, err
	}
	got.ETag = ETag(resp.Header.Get("ETag"))
	return got, nil
}

// UpdateClient changes a client and returns what it is then, without secrets.
func (c *Client) UpdateClient(ctx context.Context, clientID string, in ClientInput, o *ChangeOptions) (*OAuthClient, error) {
	r := Request{Method: http.MethodPatch, Path: Path(clientsPath, clientID), Body: in, Header: o.header()}
	got := &OAuthClient{}
	resp, err := c.Do(ctx, r, got)
	if err != nil {
		return nil, err
	}
	got.ETag, got.Secret = ETag(resp.Header.Get("ETag")), ""
	for _, name := range strings.Split(withoutSecrets(false).Get("fields"), ",") {
		delete(got.Members, name)
	}
	return got, nil
}

// DeleteClient deletes a client with its credentials, secrets and grants. One
// that does not exist counts as deleted. [Client.RestoreClient] brings it back.
func (c *Client) DeleteClient(ctx context.Context, clientID string, o *ChangeOptions) error {
	_, err := c.Do(ctx, Request{Method: http.MethodDelete, Path: Path(clientsPath, clientID), Header: o.header()}, nil)
	return err
}

// Clients lists clients in the order they were registered.
//
// Ranging over it reads page by page, as far as the loop goes, and again from
// the start when it is ranged over again. The first error ends it and comes with
// a zero client.
func (c *Client) Clients(ctx context.Context, filter *ClientFilter) iter.Seq2[OAuthClient, error] {
	f := copied(filter)
	query := withoutSecrets(f.ShowSecrets)
	setAll(query, "app_type", strings.Join(f.AppTypes, ","), "external_client_id", f.ExternalID)
	setBool(query, "is_first_party", f.FirstParty)
	setBool(query, "is_global", f.Global)
	return pages(c, ctx, clientsPath, query, "from", "take", f.PageSize, maxPage, func(page struct {
		Clients []OAuthClient
		Next    string
	}) ([]OAuthClient, string) {
		return page.Clients, page.Next
	})
}

// setAll sets parameters, by pairs of names and values, that have a value.
func setAll(query url.Values, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
}

func setBool(query url.Values, name string, value *bool) {
	if value != nil {
		query.Set(name, strconv.FormatBool(*value))
	}
}
