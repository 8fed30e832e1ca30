package boruta

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/gen/borutaapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/problem"
	"github.com/rosterhq/roster/server/spec"
)

// pageSize is how many records of a list are read at a time, or fewer.
const pageSize = 500

func (h *handler) BorutaListClients(ctx context.Context, _ borutaapi.BorutaListClientsRequestObject) (borutaapi.BorutaListClientsResponseObject, error) {
	q := postgres.ClientQuery{Global: new(false), Limit: pageSize}
	order := spec.OrderOf(clientSchema)
	return h.list(ctx, func() (chunk dialect.Chunk, err error) {
		page, more, err := h.registry.Clients(ctx, q)
		if err != nil {
			return chunk, err
		}
		clients := make([]oauth.Client, len(page))
		for i := range page {
			clients[i] = page[i].Client
			q.After = &page[i].Place
		}
		links, err := h.registry.Links(ctx, clients...)
		if err != nil {
			return chunk, err
		}
		for i := range clients {
			one, shows, err := h.view(&clients[i], links[clients[i].ID])
			if err != nil {
				return chunk, err
			}
			chunk.Items, chunk.Shows = order.Append(append(chunk.Items, ','), one), append(chunk.Shows, shows...)
		}
		chunk.More = more || len(page) == q.Limit
		q.Limit = dialect.NextChunk(len(page), pageSize)
		return chunk, nil
	})
}

func (h *handler) BorutaCreateClient(ctx context.Context, req borutaapi.BorutaCreateClientRequestObject) (borutaapi.BorutaCreateClientResponseObject, error) {
	draft, err := h.draft(ctx, *req.Body)
	if err != nil {
		return nil, err
	}
	var answer rendered
	draft.Links = new(oauth.Links)
	draft.Answer = func(c oauth.Client, links *oauth.Links) ([]oauth.Disclosure, error) {
		body, shows, err := h.view(&c, *links)
		if err != nil {
			return nil, err
		}
		answer = shown(c.Version, body)
		if secret := jsondoc.Must(draft.NewSecret.Reveal()); string(body["secret"]) != string(secret) { // shown now and never again
			body["secret"] = secret
			answer.body = shown(c.Version, body).body
		}
		return shows, nil
	}
	c, err := h.registry.CreateClient(ctx, draft)
	if err != nil {
		return nil, missingProvider(err)
	}
	answer.status, answer.location = http.StatusCreated, "/api/clients/"+c.ID
	return answer, nil
}

// missingProvider words what only the registry finds out.
func missingProvider(err error) error {
	if oauth.ReasonOf(err) == oauth.NoIdentityProvider {
		return refuse("identity_provider_id", tokenNotThere)
	}
	return err
}

// request is what a caller says of a client.
type request struct {
	change   jsondoc.Object // attributes
	id       string         // of a new client; "" to make one up
	secret   oauth.Secret   // zero if the request does not mention it
	scopes   []oauth.ScopeChoice
	keyPair  string // "" if the request does not mention it
	provider string // "" if the request does not mention it
}

// parse validates a request against a client's values. What is wrong with the
// client's own attributes hides what is wrong with its identity provider.
func (h *handler) parse(sent, before jsondoc.Object, creating bool) (request, refusal, error) {
	var r request
	var broken refusal
	var err error
	if r.keyPair, err = chosenKeyPair(sent["key_pair_id"]); err != nil {
		return r, nil, err
	}
	if r.scopes, err = chosenScopes(sent["authorized_scopes"], &broken); err != nil {
		return r, nil, err
	}
	if creating {
		r.id = newClientID(sent, &broken)
	}
	r.secret = sentSecret(sent, &broken)
	sent = withJWK(sent, &broken)
	r.change = cast(h.attributes, sent, before, creating, &broken)
	checkKeys(before, r.change, creating, &broken)
	return r, broken, nil
}

var (
	idAttribute     = attribute{wire: "id"}
	secretAttribute = attribute{wire: "secret", limit: maxText}
)

func newClientID(sent jsondoc.Object, broken *refusal) string {
	value, ok := idAttribute.cast(orNull(sent["id"]))
	if ok && value == nil {
		return uuid.NewString()
	}
	id, valid := readID(jsondoc.String(value))
	if !valid {
		broken.add("id", tokenInvalid)
	}
	return id
}

func sentSecret(sent jsondoc.Object, broken *refusal) oauth.Secret {
	value, ok := secretAttribute.cast(orNull(sent["secret"]))
	if !ok {
		broken.add("secret", tokenInvalid)
	} else if value != nil {
		broken.add("secret", secretAttribute.verdict(value)...)
	}
	return oauth.NewSecret(jsondoc.String(value))
}

// withJWK puts the key of jwk in the place of jwt_public_key.
func withJWK(sent jsondoc.Object, broken *refusal) jsondoc.Object {
	jwk := sent["jwk"]
	if jwk == nil || jsondoc.IsNull(jwk) {
		return sent
	}
	text, why := publicKeyOf(jwk)
	if why != "" {
		broken.add("jwk", tokenInvalid)
		return sent
	}
	return after(sent, jsondoc.Object{"jwt_public_key": jsondoc.Must(text)})
}

// draft makes the client that a create asks for.
func (h *handler) draft(ctx context.Context, sent jsondoc.Object) (oauth.Draft, error) {
	before := initialValues(h.attributes)
	r, broken, err := h.parse(sent, before, true)
	if err == nil {
		err = broken.err()
	}
	if err != nil {
		return oauth.Draft{}, err
	}
	if r.provider, err = chosenProvider(sent["identity_provider"], true, "", h.config.DefaultIdentityProvider); err != nil {
		return oauth.Draft{}, err
	}
	values := after(before, r.change)
	draft := oauth.Draft{
		Client: &oauth.Client{ID: r.id, Document: jsondoc.Object{}}, NewSecret: r.secret,
		Scopes: &r.scopes, IdentityProvider: r.provider, KeyPair: r.keyPair,
	}
	if r.secret.IsZero() {
		draft.NewSecret = oauth.NewSecret(oauth.RandomText(oauth.Alphanumeric, 86))
	}
	if r.keyPair == "" {
		if draft.NewKey, err = h.make(ctx, readKeyType(values["key_pair_type"])); err != nil {
			return draft, err
		}
	}
	h.store(draft.Document, before, values)
	return draft, nil
}

// store writes change into doc. before are all values without it.
func (h *handler) store(doc, before, change jsondoc.Object) {
	values := after(before, change)
	method := func(of jsondoc.Object) string { return authenticationOf(of).method(plain(of["supported_grant_types"])) }
	write(h.attributes, doc, change)
	if change["confidential"] != nil || change["token_endpoint_auth_methods"] != nil || method(values) != method(before) {
		writeAuthentication(doc, authenticationOf(values))
	}
}

func (h *handler) BorutaGetClient(ctx context.Context, req borutaapi.BorutaGetClientRequestObject) (borutaapi.BorutaGetClientResponseObject, error) {
	id, err := parseID(req.ID)
	if err != nil {
		return nil, err
	}
	v, err := h.views.Of(dialect.ViewKey{Dialect: "boruta", Client: id, Access: dialect.Caller(ctx).Rights}, func() (dialect.View, error) {
		c, links, err := h.registry.LinkedClient(ctx, oauth.ClientRef{ID: id})
		if err == nil {
			err = visible(&c)
		}
		if err != nil {
			return dialect.View{}, err
		}
		body, shows, err := h.view(&c, links)
		if err != nil {
			return dialect.View{}, err
		}
		answer := shown(c.Version, body)
		return dialect.View{Client: c.ClientID, Version: c.Version, ETag: answer.etag, Body: answer.body, Shows: shows, Until: c.Until()}, nil
	})
	if err != nil {
		return nil, err
	}
	if req.Params.IfNoneMatch != nil && (*req.Params.IfNoneMatch == "*" || strings.Contains(*req.Params.IfNoneMatch, strings.Trim(v.ETag, `"`))) {
		return borutaapi.BorutaGetClient304Response{Headers: borutaapi.BorutaGetClient304ResponseHeaders{ETag: &v.ETag}}, nil
	}
	return rendered{body: v.Body, etag: v.ETag, shows: v.Shows}, nil
}

// client reads the client that a path names.
func (h *handler) client(ctx context.Context, path string) (oauth.Client, error) {
	id, err := parseID(path)
	if err != nil {
		return oauth.Client{}, err
	}
	c, err := h.registry.Client(ctx, oauth.ClientRef{ID: id})
	if err == nil {
		err = visible(&c)
	}
	return c, err
}

// visible hides the client that stands for all applications: it is another
// dialect's device.
func visible(c *oauth.Client) error {
	if c.IsGlobal() {
		return oauth.Missing("client")
	}
	return nil
}

func (h *handler) BorutaReplaceClient(ctx context.Context, req borutaapi.BorutaReplaceClientRequestObject) (borutaapi.BorutaReplaceClientResponseObject, error) {
	return h.update(ctx, req.ID, req.Params.IfMatch, *req.Body)
}

func (h *handler) BorutaUpdateClient(ctx context.Context, req borutaapi.BorutaUpdateClientRequestObject) (borutaapi.BorutaUpdateClientResponseObject, error) {
	return h.update(ctx, req.ID, req.Params.IfMatch, *req.Body)
}

func (h *handler) update(ctx context.Context, path string, ifMatch *string, sent jsondoc.Object) (rendered, error) {
	var pair oauth.KeyPair // read ahead: a locked client must not wait for another connection
	if id, chosen := readID(jsondoc.String(sent["key_pair_id"])); chosen {
		var err error
		if pair, err = h.registry.KeyPair(ctx, id); err != nil && oauth.KindOf(err) != oauth.NotFound { // the change will find that out
			return rendered{}, err
		}
	}
	return h.change(ctx, path, ifMatch, func(d *oauth.Draft) error {
		if err := h.writable(ctx, d.Client); err != nil {
			return err
		}
		return h.apply(d, sent, pair)
	})
}

// writable refuses clients that this dialect only shows: the one that the
// deployment protects, and the caller's own, without which the caller could not
// undo anything.
func (h *handler) writable(ctx context.Context, c *oauth.Client) error {
	caller := dialect.Caller(ctx)
	if c.ID == h.config.ProtectedClient || caller != nil && caller.ClientID == c.ClientID {
		return errProtected
	}
	return nil
}

// change changes the client that a path names.
func (h *handler) change(ctx context.Context, path string, ifMatch *string, edit func(*oauth.Draft) error) (rendered, error) {
	id, err := parseID(path)
	if err != nil {
		return rendered{}, err
	}
	var answer rendered
	err = h.registry.UpdateLinkedClient(ctx, oauth.ClientRef{ID: id, Version: version(ifMatch)}, func(d *oauth.Draft) error {
		if err := visible(d.Client); err != nil {
			return err
		}
		d.Answer = func(c oauth.Client, links *oauth.Links) ([]oauth.Disclosure, error) {
			body, shows, err := h.view(&c, *links)
			if err == nil {
				answer = shown(c.Version, body)
			}
			return shows, err
		}
		return edit(d)
	})
	return answer, missingProvider(err)
}

// apply changes a locked client by what was sent, which names pair.
func (h *handler) apply(d *oauth.Draft, sent jsondoc.Object, pair oauth.KeyPair) error {
	before := read(h.attributes, d.Client)
	r, broken, err := h.parse(sent, before, false)
	if err != nil {
		return err
	}
	keys := d.Document[oauth.SlotsOfAuthentication] != nil
	if methods := r.change["token_endpoint_auth_methods"]; keys && methods != nil {
		broken.add("token_endpoint_auth_methods", tokenInvalid) // the registered keys decide
	}
	if err := broken.err(); err != nil {
		return err
	}
	if r.provider, err = chosenProvider(sent["identity_provider"], false, d.Links.IdentityProvider.ID, ""); err != nil {
		return err
	}
	if pair.Default && d.Links.KeyPair == "" && d.Document[oauth.MemberPublicKey] == nil {
		r.keyPair = "" // the client shows it, for want of a key: no choice
	}
	h.store(d.Document, before, r.change)
	d.Scopes, d.IdentityProvider, d.KeyPair = &r.scopes, r.provider, r.keyPair
	current, err := h.registry.RevealSecret(*d.Client)
	if r.secret.Reveal() != current.Reveal() {
		d.NewSecret = r.secret
	}
	return err
}

func (h *handler) BorutaDeleteClient(ctx context.Context, req borutaapi.BorutaDeleteClientRequestObject) (borutaapi.BorutaDeleteClientResponseObject, error) {
	if id, ok := readID(req.ID); ok && id == h.config.ProtectedClient {
		return nil, errProtected
	}
	id, err := parseID(req.ID)
	if err != nil {
		return nil, err
	}
	if err := h.registry.DeleteClient(ctx, oauth.ClientRef{ID: id, Version: version(req.Params.IfMatch)}, func(c *oauth.Client) error {
		if err := visible(c); err != nil {
			return err
		}
		return h.writable(ctx, c)
	}); err != nil {
		return nil, err
	}
	return borutaapi.BorutaDeleteClient204Response{}, nil
}

func (h *handler) BorutaRegenerateClientDID(ctx context.Context, req borutaapi.BorutaRegenerateClientDIDRequestObject) (borutaapi.BorutaRegenerateClientDIDResponseObject, error) {
	c, err := h.client(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	links, err := h.registry.Links(ctx, c)
	if err != nil {
		return nil, err
	}
	did, err := oauth.DIDKey(links[c.ID].PublicKey)
	if errors.Is(err, oauth.ErrNoDID) {
		return nil, refuse("did", tokenNoDID)
	}
	if err != nil {
		return nil, err
	}
	return h.change(ctx, req.ID, nil, func(d *oauth.Draft) error {
		d.Document[didMember] = jsondoc.Must(did)
		return nil
	})
}

const didMember = storedAsPrefix + "did"

func (h *handler) BorutaRegenerateClientKeyPair(ctx context.Context, req borutaapi.BorutaRegenerateClientKeyPairRequestObject) (borutaapi.BorutaRegenerateClientKeyPairResponseObject, error) {
	c, err := h.client(ctx, req.ID)
	if err == nil {
		err = h.writable(ctx, &c)
	}
	if err != nil {
		return nil, err
	}
	wanted := read(h.attributes, &c)["key_pair_type"]
	key, err := h.make(ctx, readKeyType(wanted)) // slow: not while the client is locked
	if err != nil {
		return nil, err
	}
	return h.change(ctx, req.ID, nil, func(d *oauth.Draft) error {
		if string(read(h.attributes, d.Client)["key_pair_type"]) != string(wanted) {
			return &problem.Error{Status: http.StatusConflict, Text: "The client was changed meanwhile; try again."}
		}
		d.NewKey = key
		return nil
	})
}

// view renders a client, and returns the secrets that it shows.
func (h *handler) view(c *oauth.Client, links oauth.Links) (body jsondoc.Object, shows []oauth.Disclosure, err error) {
	secret, shows, err := h.registry.ShowSecret(c)
	if err != nil {
		return nil, nil, err
	}
	values := read(h.attributes, c)
	body = jsondoc.Object{
		"id": jsondoc.Must(c.ID), "secret": null, "did": orNull(c.Document[didMember]), "public_key": jsondoc.Must(links.PublicKey),
		"identity_provider": json.RawMessage(`{"id":null,"name":null}`),
	}
	if !secret.IsZero() {
		body["secret"] = jsondoc.Must(secret.Reveal())
	}
	if p := links.IdentityProvider; p.ID != "" {
		body["identity_provider"] = jsondoc.Must(map[string]string{"id": p.ID, "name": p.Name})
	}
	scopes := make([]map[string]any, len(links.Scopes))
	for i, s := range links.Scopes {
		scopes[i] = map[string]any{"id": s.ID, "name": s.Name, "public": s.Public}
	}
	body["authorized_scopes"] = jsondoc.Must(scopes)
	for i := range h.attributes {
		if a := &h.attributes[i]; !a.hidden && (!a.master || h.config.Master) {
			body[a.wire] = values[a.wire]
		}
	}
	return body, shows, nil
}

// version reads the version that an If-Match header asks for, 0 for none or
// "*". A validator that is not ours matches nothing.
func version(ifMatch *string) int64 {
	if ifMatch == nil || *ifMatch == "*" {
		return 0
	}
	digits, _, found := strings.Cut(strings.TrimPrefix(*ifMatch, `"v`), "-")
	v, err := strconv.ParseInt(digits, 10, 64)
	if !found || err != nil || v < 1 {
		return -1
	}
	return v
}
