package boruta

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
)

// importRecord reads what Boruta shows of clients, scopes and identity
// providers, which it tells apart by their members.
func (h *handler) importRecord(record jsondoc.Object) registry.Import {
	kind, readRecord := registry.KindClient, h.importClient
	told := jsondoc.String(record["kind"])
	delete(record, "kind")
	switch {
	case told == registry.KindIdentityProvider || record["backend"] != nil || record["backend_id"] != nil:
		kind, readRecord = registry.KindIdentityProvider, h.importProvider
	case told == registry.KindScope || record["label"] != nil && record["redirect_uris"] == nil:
		kind, readRecord = registry.KindScope, h.importScope
	}
	id := dialect.ImportedUUID(jsondoc.String(record["id"]))
	if id == "" {
		return registry.Unfit(kind, "", refuse("id", tokenInvalid))
	}
	one, err := readRecord(id, record)
	if err != nil {
		return registry.Unfit(kind, id, err)
	}
	return one
}

// shownOnly are members of a client that have handlers of their own.
var shownOnly = []string{"id", "secret", "did", "public_key", "authorized_scopes", "identity_provider", "key_pair_id", "jwk"}

// importing is a client's record in the course of being read.
type importing struct {
	registry.ClientImport
	notes []registry.Note
	sent  jsondoc.Object // attributes
}

func (r *importing) drop(member, why string) {
	r.notes = append(r.notes, registry.Dropped(member, why))
}

func (h *handler) importClient(id string, record jsondoc.Object) (registry.Import, error) {
	r := &importing{
		ClientImport: registry.ClientImport{ID: id, ClientID: id, ByID: true}, sent: jsondoc.Object{},
	}
	secret, err := dialect.ImportedSecret(record, "secret")
	if err != nil {
		r.drop("secret", dialect.Why(err))
	}
	if !secret.IsZero() {
		r.Secrets = []registry.SecretImport{{Text: secret}}
	}
	r.readScopes(record["authorized_scopes"])
	r.readProvider(record["identity_provider"])
	public := jsondoc.String(record["public_key"])
	if oauth.HidesPrivateKey(public) {
		r.drop("public_key", "must not hold a private key")
		public = ""
	}
	for _, name := range slices.Sorted(maps.Keys(record)) {
		i := slices.IndexFunc(h.attributes, func(a attribute) bool { return a.wire == name })
		switch {
		case i >= 0:
			r.sent[name] = r.items(&h.attributes[i], record[name])
		case !slices.Contains(shownOnly, name):
			r.notes = append(r.notes, registry.LeftOut(name))
		}
	}
	if jwk := record["jwk"]; jwk != nil && !jsondoc.IsNull(jwk) {
		if text, why := publicKeyOf(jwk); why != "" {
			r.drop("jwk", why)
		} else {
			r.sent["jwt_public_key"] = jsondoc.Must(text)
		}
	}
	if said := record["token_endpoint_auth_methods"]; said != nil && !jsondoc.IsNull(said) {
		r.Keyed = !strings.Contains(string(said), `"`+secretBasic+`"`) && !strings.Contains(string(said), `"`+secretPost+`"`)
	}
	r.Edit = func(doc jsondoc.Object, was *oauth.Client) ([]registry.Note, error) {
		before := initialValues(h.attributes)
		if was != nil {
			if err := visible(was); err != nil {
				return nil, err
			}
			if was.ID == h.config.ProtectedClient {
				return []registry.Note{{Code: registry.NoteSkipped, Message: "The protected client is not changed."}}, registry.ErrSkip
			}
			before = read(h.attributes, was)
		}
		change, notes, err := h.fit(maps.Clone(r.sent), before, was == nil)
		if err != nil {
			return nil, err
		}
		if was == nil {
			change = after(before, change)
		}
		h.store(doc, before, change)
		if did := record["did"]; did != nil && !jsondoc.IsNull(did) {
			doc[didMember] = jsondoc.Must(jsondoc.String(did))
		}
		if public != "" && (was == nil || doc[oauth.MemberPublicKey] != nil && jsondoc.String(doc[oauth.MemberPublicKey]) != public) {
			doc[oauth.MemberPublicKey] = jsondoc.Must(public)
		}
		if public != "" && was == nil {
			notes = append(notes, registry.Note{Code: registry.NoteNoKey, Message: "The source does not show the private half of public_key: regenerate the key pair to get one of Roster's.", Member: "public_key"})
		}
		return notes, nil
	}
	return h.registry.ImportOfClient(r.ClientImport, []string{"clients:manage:all"}, r.notes), nil
}

// items returns an attribute's value without those items of an array that are
// wrong in themselves.
func (r *importing) items(a *attribute, raw json.RawMessage) json.RawMessage {
	var list []json.RawMessage
	if a.kind != texts || json.Unmarshal(raw, &list) != nil {
		return raw
	}
	kept := []json.RawMessage{}
	for i, item := range list {
		value, ok := a.cast(jsondoc.Must([]json.RawMessage{item}))
		if ok && a.verdict(value) == nil {
			kept = append(kept, item)
		} else {
			r.drop(fmt.Sprintf("%s[%d]", a.wire, i), tokenInvalid)
		}
	}
	if len(kept) == len(list) {
		return raw
	}
	return jsondoc.Must(kept)
}

// fit is what a change of sent makes of a client's values, without those that are
// wrong.
func (h *handler) fit(sent, before jsondoc.Object, creating bool) (change jsondoc.Object, notes []registry.Note, err error) {
	for {
		var broken refusal
		change = cast(h.attributes, sent, before, creating, &broken)
		checkKeys(before, change, false, &broken)
		wrong := slices.IndexFunc(broken, func(v oauth.Violation) bool { return sent[v.Member] != nil })
		if wrong < 0 {
			return change, notes, broken.err()
		}
		delete(sent, broken[wrong].Member)
		notes = append(notes, registry.Dropped(broken[wrong].Member, broken[wrong].Detail))
	}
}

// readScopes reads the scopes of a client, which have ids and names.
func (r *importing) readScopes(raw json.RawMessage) {
	if raw == nil || jsondoc.IsNull(raw) {
		return
	}
	scopes := []oauth.Scope{}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		r.drop("authorized_scopes", tokenInvalid)
		return
	}
	for i, item := range list {
		var one struct {
			ID, Name string
			Public   bool
		}
		if json.Unmarshal(item, &one) != nil || one.Name == "" || len([]rune(one.Name)) > maxText || len(scopes) == maxScopes {
			r.drop(fmt.Sprintf("authorized_scopes[%d]", i), tokenInvalid)
			continue
		}
		if !slices.ContainsFunc(scopes, func(s oauth.Scope) bool { return s.Name == one.Name }) {
			scopes = append(scopes, oauth.Scope{ID: dialect.ImportedUUID(one.ID), Name: one.Name, Public: one.Public})
		}
	}
	r.Scopes = &scopes
}

func (r *importing) readProvider(raw json.RawMessage) {
	var provider struct{ ID, Name *string }
	if raw != nil && json.Unmarshal(raw, &provider) != nil {
		r.drop("identity_provider", tokenInvalid)
		return
	}
	if provider.ID == nil {
		return
	}
	if r.Provider.ID = dialect.ImportedUUID(*provider.ID); r.Provider.ID == "" {
		r.drop("identity_provider.id", tokenNoFormat)
		return
	}
	if provider.Name != nil {
		r.Provider.Name = *provider.Name
		r.Provider.Document = providerDefaults()
	}
}

// providerDefaults are the members of a provider of which only the name is known.
func providerDefaults() jsondoc.Object {
	values := initialValues(providerAttributes)
	values["backend_id"] = backend["id"]
	delete(values, "name")
	return values
}

func (h *handler) importProvider(id string, record jsondoc.Object) (registry.Import, error) {
	var broken refusal
	before := initialValues(providerAttributes)
	values := after(before, cast(providerAttributes, record, before, false, &broken))
	if jsondoc.IsNull(values["backend_id"]) {
		values["backend_id"] = backend["id"]
	}
	p := oauth.IdentityProvider{ID: id, Name: jsondoc.String(values["name"]), Document: values}
	if delete(values, "name"); p.Name == "" && !broken.has("name") {
		broken.add("name", tokenBlank)
	}
	var notes []registry.Note
	if record["backend"] != nil {
		notes = append(notes, registry.Note{
			Code: registry.NoteLeftOut, Member: "backend", Message: "Roster has no place for the settings of a backend.", Lost: true,
		})
	}
	return h.registry.ImportOfProvider(p, []string{"identity-providers:manage:all"}, notes), broken.err()
}

func (h *handler) importScope(_ string, record jsondoc.Object) (registry.Import, error) {
	var s oauth.Scope
	if err := applyScope(&s, record, true); err != nil {
		return registry.Import{}, err
	}
	return h.registry.ImportOfScope(s, writable, []string{"scopes:manage:all"}), nil
}
