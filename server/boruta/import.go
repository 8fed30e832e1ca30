package boruta

import (
	"encoding/json"
	"maps"
	"slices"

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

func (h *handler) importClient(id string, record jsondoc.Object) (registry.Import, error) {
	w := registry.ClientImport{ID: id, ClientID: id, ByID: true}
	rights := []string{"clients:manage:all"}
	secret, err := dialect.ImportedSecret(record, "secret")
	if err != nil {
		return registry.Import{}, err
	}
	if !secret.IsZero() {
		w.Secrets = []registry.SecretImport{{Text: secret}}
	}
	if record["authorized_scopes"] != nil {
		scopes, err := importedScopes(record["authorized_scopes"])
		if err != nil {
			return registry.Import{}, err
		}
		w.Scopes = &scopes
	}
	var provider struct{ ID, Name *string }
	if raw := record["identity_provider"]; raw != nil && json.Unmarshal(raw, &provider) != nil {
		return registry.Import{}, refuse("identity_provider", tokenInvalid)
	}
	if provider.ID != nil {
		if w.Provider.ID = dialect.ImportedUUID(*provider.ID); w.Provider.ID == "" {
			return registry.Import{}, refuse("identity_provider_id", tokenNoFormat)
		}
		rights = append(rights, "identity-providers:manage:all") // it is made if it does not exist
		if provider.Name != nil {
			w.Provider.Name = *provider.Name
			w.Provider.Document = providerDefaults()
		}
	}
	public := jsondoc.String(record["public_key"])
	if oauth.HidesPrivateKey(public) {
		return registry.Import{}, refuse("public_key", tokenInvalid)
	}
	var notes []registry.Note
	sent := jsondoc.Object{}
	for _, name := range slices.Sorted(maps.Keys(record)) {
		switch {
		case slices.ContainsFunc(h.attributes, func(a attribute) bool { return a.wire == name }):
			sent[name] = record[name]
		case !slices.Contains(shownOnly, name):
			notes = append(notes, registry.Note{Code: registry.NoteLeftOut, Message: "Roster has no place for " + name + ".", Member: name})
		}
	}
	w.Edit = func(doc jsondoc.Object, was *oauth.Client) ([]registry.Note, error) {
		before := initialValues(h.attributes)
		var notes []registry.Note
		if was != nil {
			if err := visible(was); err != nil {
				return nil, err
			}
			if was.ID == h.config.ProtectedClient {
				return []registry.Note{{Code: registry.NoteSkipped, Message: "The protected client is not changed."}}, registry.ErrSkip
			}
			before = read(h.attributes, was)
		}
		var broken refusal
		change := cast(h.attributes, sent, before, was == nil, &broken)
		checkKeys(before, change, false, &broken)
		if err := broken.err(); err != nil {
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
	return h.registry.ImportOfClient(w, rights, notes), nil
}

// importedScopes reads the scopes of a client, which have ids and names.
func importedScopes(raw json.RawMessage) ([]oauth.Scope, error) {
	scopes := []oauth.Scope{}
	var list []struct {
		ID, Name string
		Public   bool
	}
	if json.Unmarshal(raw, &list) != nil || len(list) > maxScopes {
		return nil, refuse("authorized_scopes", tokenInvalid)
	}
	for _, one := range list {
		if one.Name == "" || len([]rune(one.Name)) > maxText {
			return nil, refuse("authorized_scopes", tokenInvalid)
		}
		if !slices.ContainsFunc(scopes, func(s oauth.Scope) bool { return s.Name == one.Name }) {
			scopes = append(scopes, oauth.Scope{ID: dialect.ImportedUUID(one.ID), Name: one.Name, Public: one.Public})
		}
	}
	return scopes, nil
}

// providerDefaults are what a provider has of which nothing but a name is known.
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
			Code: registry.NoteLeftOut, Member: "backend", Message: "Roster has no place for the settings of a backend.",
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
