package native

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/rosterhq/roster/gen/rosterapi"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

const exportCursor = "roster export"

// place is where an export goes on: a stage, and a place in it.
type place struct {
	Stage  int             `json:"g"`
	Made   postgres.MadeAt `json:"m,omitzero"`
	Serial int64           `json:"s,omitempty"`
}

// stages are the kinds of records in the order in which they must come back.
// Each returns at most limit records after a place, and the place of the last.
var stages = []func(h *handler, ctx context.Context, at place, limit int, secrets bool) (part, error){
	(*handler).exportKeyPairs, (*handler).exportScopes, (*handler).exportProviders, (*handler).exportAPIs, (*handler).exportClients, (*handler).exportGrants,
}

func (h *handler) RosterExportRecords(ctx context.Context, req rosterapi.RosterExportRecordsRequestObject) (rosterapi.RosterExportRecordsResponseObject, error) {
	secrets := req.Params.IncludeSecrets != nil && *req.Params.IncludeSecrets
	if secrets && !dialect.Caller(ctx).Has("read:client_keys") {
		return nil, &oauth.Error{Kind: oauth.Forbidden, Reason: oauth.LacksScope, Detail: "include_secrets takes a token with read:client_keys."}
	}
	at := new(place)
	if req.Params.Cursor != nil {
		var err error
		if at, err = readCursor[place](h.registry, exportCursor, *req.Params.Cursor); err != nil {
			return nil, err
		}
	}
	limit := pageSize(req.Params.Take)
	body := rosterapi.RosterExportPage{Records: []rosterapi.RosterRecord{}}
	var shows []oauth.Disclosure
	for at.Stage < len(stages) && len(body.Records) < limit {
		want := limit - len(body.Records)
		found, err := stages[at.Stage](h, ctx, *at, want, secrets)
		if err != nil {
			return nil, err
		}
		body.Records, shows = append(body.Records, found.records...), append(shows, found.shows...)
		found.last.Stage = at.Stage
		if *at = found.last; found.more { // the page ends, before it is full
			break
		}
		if len(found.records) < want {
			*at = place{Stage: at.Stage + 1}
		}
	}
	if at.Stage < len(stages) {
		next, err := h.registry.SealCursor(exportCursor, jsondoc.Must(at))
		if err != nil {
			return nil, err
		}
		body.Next = &next
	}
	return exported{rosterapi.RosterExportRecords200JSONResponse{Body: body}, shows}, nil
}

// exported is a page of an export.
type exported struct {
	rosterapi.RosterExportRecords200JSONResponse
	shows []oauth.Disclosure
}

// Shows makes exported a dialect.Showing.
func (e exported) Shows() []oauth.Disclosure { return e.shows }

// part is what a stage adds to a page.
type part struct {
	records []json.RawMessage
	shows   []oauth.Disclosure
	last    place // that of the last record
	more    bool  // there are others, for which a page has no room
}

func (h *handler) exportKeyPairs(ctx context.Context, at place, limit int, secrets bool) (p part, err error) {
	found, more, err := h.registry.KeyPairsAfter(ctx, at.Made, limit)
	p.more = more
	for _, k := range found {
		r := keyPairRecord{Kind: registry.KindKeyPair, ID: k.ID, PublicKey: k.PublicKey, IsDefault: k.Default, CreatedAt: k.CreatedAt.UTC()}
		if secrets {
			private, shows, err := h.registry.ShowKeyPair(k)
			if err != nil {
				return p, err
			}
			r.PrivateKey, p.shows = private.Reveal(), append(p.shows, shows...)
		}
		p.records, p.last.Made = append(p.records, jsondoc.Must(r)), postgres.MadeAt{CreatedAt: k.CreatedAt, ID: k.ID}
	}
	return p, err
}

func (h *handler) exportScopes(ctx context.Context, at place, limit int, _ bool) (p part, err error) {
	found, more, err := h.registry.ScopesAfter(ctx, at.Made, limit)
	p.more = more
	for _, s := range found {
		p.records = append(p.records, jsondoc.Must(map[string]any{"kind": registry.KindScope, "id": s.ID, "name": s.Name, "label": s.Label, "public": s.Public}))
		p.last.Made = postgres.MadeAt{CreatedAt: s.CreatedAt, ID: s.ID}
	}
	return p, err
}

func (h *handler) exportProviders(ctx context.Context, at place, limit int, secrets bool) (p part, err error) {
	found, more, err := h.registry.IdentityProvidersAfter(ctx, at.Made, limit)
	p.more = more
	for _, one := range found {
		beside := map[string]any{"id": one.ID, "name": one.Name}
		if secrets {
			backend, shows, err := h.registry.ShowBackend(one)
			if err != nil {
				return p, err
			}
			if p.shows = append(p.shows, shows...); backend != nil {
				beside[oauth.MemberBackend] = json.RawMessage(backend)
			}
		}
		doc := h.registry.WithoutSecrets(registry.KindIdentityProvider, one.Document)
		p.records = append(p.records, record(registry.KindIdentityProvider, doc, beside))
		p.last.Made = postgres.MadeAt{CreatedAt: one.CreatedAt, ID: one.ID}
	}
	return p, err
}

// record is a record of what a dialect shows.
func record(kind string, doc jsondoc.Object, beside map[string]any) json.RawMessage {
	r := maps.Clone(doc)
	r["kind"] = jsondoc.Must(kind)
	for name, value := range beside {
		if value != "" {
			r[name] = jsondoc.Must(value)
		}
	}
	return plain.Append(nil, r)
}

// plain is the order of what the specification does not describe: members by
// name, nested ones too, so that an export tells what changed and no more.
var plain *spec.Order

func (h *handler) exportAPIs(ctx context.Context, at place, limit int, secrets bool) (p part, err error) {
	found, more, err := h.registry.ExportAPIs(ctx, at.Serial, limit)
	p.more = more
	for _, api := range found {
		beside := map[string]any{"id": api.ID, "identifier": api.Identifier}
		doc := api.Document
		if !secrets {
			doc = h.registry.WithoutSecrets(registry.KindResourceServer, doc)
		} else {
			secret, shows, err := h.registry.ShowAPISecret(api.ResourceServer)
			if err != nil {
				return p, err
			}
			beside["signing_secret"], p.shows = secret.Reveal(), append(p.shows, shows...)
		}
		p.records, p.last.Serial = append(p.records, record(registry.KindResourceServer, doc, beside)), api.Serial
	}
	return p, err
}

func (h *handler) exportGrants(ctx context.Context, at place, limit int, _ bool) (p part, err error) {
	found, more, err := h.registry.ClientGrants(ctx, postgres.GrantQuery{After: at.Serial, Limit: limit})
	p.more = more
	for _, g := range found {
		beside := map[string]any{"id": g.ID, "client_id": g.ClientID, "audience": g.Audience, "subject_type": g.SubjectType, "default_for": g.DefaultFor}
		if g.Audience == h.registry.ManagementAudience() { // which another Roster has under another address
			beside["system"] = true
		}
		p.records, p.last.Serial = append(p.records, record(registry.KindClientGrant, g.Document, beside)), g.Serial
	}
	return p, err
}

func (h *handler) exportClients(ctx context.Context, at place, limit int, secrets bool) (p part, err error) {
	var after *postgres.ListPlace
	if at.Serial > 0 {
		after = &postgres.ListPlace{Serial: at.Serial}
	}
	found, more, err := h.registry.ExportClients(ctx, after, limit, secrets)
	p.more = more
	for _, c := range found {
		if !secrets {
			c.Document = h.registry.WithoutSecrets(registry.KindClient, c.Document)
		}
		r, err := viewClient(c)
		if err != nil {
			return p, err
		}
		p.shows = append(p.shows, c.Shows...)
		p.records, p.last.Serial = append(p.records, jsondoc.Must(r)), c.Place.Serial
	}
	return p, err
}

func viewClient(c registry.ExportedClient) (clientRecord, error) {
	r := clientRecord{
		Kind: registry.KindClient, ID: c.ID, ClientID: c.ClientID, CreatedAt: c.CreatedAt, Document: jsondoc.Object{},
		KeyPair: c.Links.KeyPair, PrivateKey: c.PrivateKey.Reveal(),
	}
	if c.State != oauth.Active {
		r.State = c.State
	}
	for member, raw := range c.Document {
		r.Document[member] = plain.AppendValue(nil, raw)
	}
	for _, s := range c.Secrets {
		r.Secrets = append(r.Secrets, secretRecord{Secret: s.Text.Reveal(), CreatedAt: s.Made.UTC(), ExpiresAt: s.Ends})
	}
	for _, k := range c.Credentials {
		text, err := credentialPEM(k)
		if err != nil {
			return r, err
		}
		r.Credentials = append(r.Credentials, credentialRecord{
			ID: k.ID, CredentialType: string(k.Type), Name: k.Name, KID: k.KeyID, Alg: k.Alg, PEM: text, SubjectDN: k.SubjectDN,
			CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt, ExpiresAt: k.ExpiresAt,
		})
	}
	for _, s := range c.Links.Scopes {
		r.AuthorizedScopes = append(r.AuthorizedScopes, scopeRecord{ID: s.ID, Name: s.Name, Public: s.Public})
	}
	if p := c.Links.IdentityProvider; p.ID != "" {
		r.IdentityProvider = &identityProviderRecord{ID: p.ID}
	}
	return r, nil
}
