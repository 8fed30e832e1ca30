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
// Each returns at most limit records behind a place, and the place of the last.
var stages = []func(h *handler, ctx context.Context, at place, limit int, secrets bool) ([]json.RawMessage, place, error){
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
	for at.Stage < len(stages) && len(body.Records) < limit {
		want := limit - len(body.Records)
		found, last, err := stages[at.Stage](h, ctx, *at, want, secrets)
		if err != nil {
			return nil, err
		}
		body.Records = append(body.Records, found...)
		last.Stage = at.Stage
		if *at = last; len(found) < want {
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
	return rosterapi.RosterExportRecords200JSONResponse{Body: body}, nil
}

func (h *handler) exportKeyPairs(ctx context.Context, at place, limit int, secrets bool) (list []json.RawMessage, last place, err error) {
	found, err := h.registry.ExportKeyPairs(ctx, at.Made, limit)
	for _, k := range found {
		r := keyPairRecord{Kind: registry.KindKeyPair, ID: k.ID, PublicKey: k.PublicKey, IsDefault: k.Default, CreatedAt: k.CreatedAt.UTC()}
		if secrets {
			private, err := h.registry.ShowKeyPair(ctx, k)
			if err != nil {
				return nil, last, err
			}
			r.PrivateKey = private.Reveal()
		}
		list, last.Made = append(list, jsondoc.Must(r)), postgres.MadeAt{CreatedAt: k.CreatedAt, ID: k.ID}
	}
	return list, last, err
}

func (h *handler) exportScopes(ctx context.Context, at place, limit int, _ bool) (list []json.RawMessage, last place, err error) {
	found, err := h.registry.ExportScopes(ctx, at.Made, limit)
	for _, s := range found {
		list = append(list, jsondoc.Must(map[string]any{"kind": registry.KindScope, "id": s.ID, "name": s.Name, "label": s.Label, "public": s.Public}))
		last.Made = postgres.MadeAt{CreatedAt: s.CreatedAt, ID: s.ID}
	}
	return list, last, err
}

func (h *handler) exportProviders(ctx context.Context, at place, limit int, _ bool) (list []json.RawMessage, last place, err error) {
	found, err := h.registry.ExportProviders(ctx, at.Made, limit)
	for _, p := range found {
		list = append(list, record(registry.KindIdentityProvider, p.Document, map[string]any{"id": p.ID, "name": p.Name}))
		last.Made = postgres.MadeAt{CreatedAt: p.CreatedAt, ID: p.ID}
	}
	return list, last, err
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

func (h *handler) exportAPIs(ctx context.Context, at place, limit int, secrets bool) (list []json.RawMessage, last place, err error) {
	found, err := h.registry.ExportAPIs(ctx, at.Serial, limit)
	for _, api := range found {
		beside := map[string]any{"id": api.ID, "identifier": api.Identifier}
		if secrets {
			secret, err := h.registry.ShowAPISecret(ctx, api.ResourceServer)
			if err != nil {
				return nil, last, err
			}
			beside["signing_secret"] = secret.Reveal()
		}
		list, last.Serial = append(list, record(registry.KindResourceServer, api.Document, beside)), api.Serial
	}
	return list, last, err
}

func (h *handler) exportGrants(ctx context.Context, at place, limit int, _ bool) (list []json.RawMessage, last place, err error) {
	found, err := h.registry.ClientGrants(ctx, postgres.GrantQuery{After: at.Serial, Limit: limit})
	for _, g := range found {
		beside := map[string]any{"id": g.ID, "client_id": g.ClientID, "audience": g.Audience, "subject_type": g.SubjectType, "default_for": g.DefaultFor}
		if g.Audience == h.registry.ManagementAudience() { // which another Roster has under another address
			beside["system"] = true
		}
		list, last.Serial = append(list, record(registry.KindClientGrant, g.Document, beside)), g.Serial
	}
	return list, last, err
}

func (h *handler) exportClients(ctx context.Context, at place, limit int, secrets bool) (list []json.RawMessage, last place, err error) {
	var after *postgres.ListPlace
	if at.Serial > 0 {
		after = &postgres.ListPlace{Serial: at.Serial}
	}
	found, err := h.registry.ExportClients(ctx, after, limit, secrets)
	for _, c := range found {
		if !secrets {
			for _, member := range registry.KeptSealed {
				delete(c.Document, member)
			}
		}
		r, err := viewClient(c)
		if err != nil {
			return nil, last, err
		}
		list, last.Serial = append(list, jsondoc.Must(r)), c.Place.Serial
	}
	return list, last, err
}

func viewClient(c registry.ExportedClient) (clientRecord, error) {
	r := clientRecord{
		Kind: registry.KindClient, ID: c.ID, ClientID: c.ClientID, CreatedAt: c.CreatedAt, Document: jsondoc.Object{},
		KeyPair: c.Links.KeyPair, PrivateKey: c.PrivateKey.Reveal(),
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
