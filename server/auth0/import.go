package auth0

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rosterhq/roster/gen/auth0api"
	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
	"github.com/rosterhq/roster/server/spec"
)

type importer struct {
	registry    *registry.Registry
	description *spec.Description
}

// read reads what Auth0 shows of clients, resource servers and client grants,
// which it tells apart by their members.
func (im *importer) read(record jsondoc.Object) registry.Import {
	maps.DeleteFunc(record, func(_ string, raw json.RawMessage) bool { return jsondoc.IsNull(raw) })
	delete(record, "kind")
	switch {
	case record["identifier"] != nil:
		return im.api(record)
	case record["audience"] != nil:
		return im.grant(record)
	}
	return im.client(record)
}

func (im *importer) client(record jsondoc.Object) registry.Import {
	id, err := dialect.ImportedClientID(record)
	if err != nil {
		return registry.Unfit(registry.KindClient, id, err)
	}
	if string(record["global"]) == "true" {
		return registry.Skip(registry.KindClient, id, "The global client: Roster has its own.")
	}
	one, err := im.readClient(id, record)
	if err != nil {
		return registry.Unfit(registry.KindClient, id, err)
	}
	return one
}

func (im *importer) readClient(id string, record jsondoc.Object) (registry.Import, error) {
	w := registry.ClientImport{ClientID: id, ID: dialect.ImportedUUID(id), Keyed: record[oauth.SlotsOfAuthentication] != nil}
	wire, notes := fields.Pick(record)
	secret, err := dialect.ImportedSecret(record, "client_secret")
	if err != nil {
		notes = slices.Insert(notes, 0, registry.Dropped("client_secret", dialect.Why(err)))
	}
	if !secret.IsZero() {
		w.Secrets = []registry.SecretImport{{Text: secret}}
	}
	delete(wire, "client_secret")
	notes = im.called(id, wire, notes)
	notes = im.takeCredentials(wire, &w, notes)
	apart := jsondoc.Object{}                                                                                     // from the schema
	for _, name := range append(fields.Names(dialect.Shown), oauth.SlotsOfAuthentication, oauth.SlotTokenVault) { // whose credentials have ids now
		if raw := wire[name]; raw != nil {
			apart[name] = raw
			delete(wire, name)
		}
	}
	if wire, notes, err = im.fit("CreateClientRequestContent", wire, notes); err != nil {
		return registry.Import{}, err
	}
	maps.Copy(wire, apart)
	w.Edit = func(doc jsondoc.Object, _ *oauth.Client) ([]registry.Note, error) {
		if wire["token_endpoint_auth_method"] != nil {
			delete(doc, oauth.SlotsOfAuthentication)
		}
		return nil, fields.Take(doc, wire)
	}
	return im.registry.ImportOfClient(w, dialect.ImportsClients, notes), nil
}

// fit validates a record against the schema of the request that would make it, and
// leaves out of it what does not fit.
func (im *importer) fit(schema string, wire jsondoc.Object, notes []registry.Note) (jsondoc.Object, []registry.Note, error) {
	wire, pruned, err := im.description.Prune(schema, wire)
	for _, p := range pruned {
		if place := spec.Place(p.Path); p.Unknown {
			notes = append(notes, registry.LeftOut(place))
		} else {
			notes = append(notes, registry.Dropped(place, misfit(p.Mismatch)))
		}
	}
	return wire, notes, err
}

// misfit completes a sentence about a part that does not fit its schema.
func misfit(m spec.Mismatch) string {
	switch m.Keyword {
	case "uniqueItems":
		return "is there twice"
	case "maxItems":
		return "is one too many"
	}
	return m.Predicate()
}

// called gives a client without a name that Roster takes the one of its
// client_id.
func (im *importer) called(id string, wire jsondoc.Object, notes []registry.Note) []registry.Note {
	value, err := spec.Decode(wire["name"])
	if err == nil {
		_, err = im.description.CheckMember("CreateClientRequestContent", "name", value)
	}
	if wire["name"] != nil && err == nil {
		return notes
	}
	wire["name"] = jsondoc.Must(strings.NewReplacer("<", "", ">", "").Replace("client " + id))
	return append(notes, registry.Note{
		Code: registry.NoteDropped, Member: "name", Message: "name is missing or cannot be used: the client is called by its client_id.", Lost: true,
	})
}

// importedCredential is a credential in a slot: Auth0 shows the id alone, a file
// may have been completed by the key.
type importedCredential struct {
	ID string `json:"id"`
	auth0api.PostClientCredentialRequestContent
}

// takeCredentials registers the credentials of wire's slots that come with a key
// and puts their ids in their place. The others are left out.
func (im *importer) takeCredentials(wire jsondoc.Object, w *registry.ClientImport, notes []registry.Note) []registry.Note {
	if raw := wire[oauth.SlotsOfAuthentication]; raw != nil {
		var methods jsondoc.Object
		if err := json.Unmarshal(raw, &methods); err != nil || methods == nil {
			delete(wire, oauth.SlotsOfAuthentication)
			return append(notes, registry.Dropped(oauth.SlotsOfAuthentication, "must be an object"))
		}
		for _, name := range slices.Sorted(maps.Keys(methods)) {
			place := oauth.SlotsOfAuthentication + "." + name
			if oauth.SlotCredentialType[name] == "" {
				notes = append(notes, registry.LeftOut(place))
				delete(methods, name)
				continue
			}
			value, holds, more := im.takeSlot(name, place, methods[name], w)
			notes = append(notes, more...)
			if methods[name] = value; !holds {
				delete(methods, name)
			}
		}
		if wire[oauth.SlotsOfAuthentication] = jsondoc.Must(methods); len(methods) == 0 {
			delete(wire, oauth.SlotsOfAuthentication)
		}
	}
	for _, name := range []string{oauth.SlotSignedRequest, oauth.SlotTokenVault} {
		raw := wire[name]
		if raw == nil {
			continue
		}
		value, holds, more := im.takeSlot(name, name, raw, w)
		notes = append(notes, more...)
		if wire[name] = value; value == nil || !holds && name == oauth.SlotTokenVault {
			delete(wire, name)
		}
	}
	return notes
}

// takeSlot returns a slot with the ids of its credentials, nil if it is not one;
// holds reports whether there are any.
func (im *importer) takeSlot(name, place string, raw json.RawMessage, w *registry.ClientImport) (slot json.RawMessage, holds bool, notes []registry.Note) {
	var members jsondoc.Object
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, false, []registry.Note{registry.Dropped(place, "must be an object")}
	}
	if members["credentials"] == nil {
		return raw, false, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(members["credentials"], &list); err != nil {
		notes = append(notes, registry.Dropped(place+".credentials", "must be an array of credentials"))
	}
	ids := []map[string]string{}
	for i, one := range list {
		at := place + ".credentials[" + strconv.Itoa(i) + "]"
		id, note := im.takeCredential(name, at, one, w)
		inSlot := slices.ContainsFunc(ids, func(have map[string]string) bool { return have["id"] == id })
		switch {
		case note.Code != "":
			if note.Code == registry.NoteNoKey {
				note.Member = place
			}
			notes = append(notes, note)
		case inSlot:
			notes = append(notes, registry.Dropped(at, "is there twice"))
		case len(ids) == oauth.MaxCredentialsPerSlot:
			notes = append(notes, registry.Dropped(at, "comes after two, which is as many as a slot can hold"))
		default:
			ids = append(ids, map[string]string{"id": id})
		}
	}
	if delete(members, "credentials"); len(ids) > 0 {
		members["credentials"] = jsondoc.Must(ids)
	}
	return jsondoc.Must(members), len(ids) > 0, notes
}

// takeCredential registers a credential of a slot, unless another one has the
// same key, and returns its id; or a note why it cannot.
func (im *importer) takeCredential(slot, at string, raw json.RawMessage, w *registry.ClientImport) (id string, note registry.Note) {
	var one importedCredential
	if err := json.Unmarshal(raw, &one); err != nil {
		return "", registry.Dropped(at, "must be a credential")
	}
	if one.PEM == nil && one.SubjectDN == nil {
		return "", registry.Note{Code: registry.NoteNoKey, Message: "The source does not show the key of " + slot + ": register it with the client.", Lost: true}
	}
	if one.CredentialType == "" {
		one.CredentialType = auth0api.ClientCredentialTypeEnum(oauth.SlotCredentialType[slot])
	}
	cred, err := im.registry.NewCredential(credentialRequest(one.PostClientCredentialRequestContent))
	if err != nil {
		return "", dialect.DroppedAt(at, err)
	}
	for _, have := range w.Credentials {
		if registry.SameCredential(have, cred) {
			return have.ID, note
		}
		if cred.Type == oauth.TypePublicKey && (have.KeyThumbprint == cred.KeyThumbprint || have.KeyID == cred.KeyID) {
			return "", registry.Dropped(at, "has the key or the kid of another one")
		}
	}
	if len(w.Credentials) == oauth.MaxCredentials {
		return "", registry.Dropped(at, "comes after four, which is as many as a client can have")
	}
	if formats["credential-id"](one.ID) == nil {
		cred.ID = one.ID
	}
	w.Credentials = append(w.Credentials, cred)
	return cred.ID, note
}
