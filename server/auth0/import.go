package auth0

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

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

// ownOfAuth0 are members of a client that are Auth0's or its tenant's alone.
var ownOfAuth0 = []string{"client_id", "client_secret", "tenant", "global", "signing_keys", "callback_url_template", "encrypted"}

// stayUnlessSent are members of a document that a record may lack because its
// reader had no right to see them, or because Auth0 does not show them whole.
var stayUnlessSent = []string{"auth0:encryption_key", oauth.SlotsOfAuthentication, oauth.SlotSignedRequest, oauth.SlotTokenVault, signedResponseAlg}

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
	w := registry.ClientImport{ClientID: id, ID: dialect.ImportedUUID(id)}
	var rights []string
	secret, err := dialect.ImportedSecret(record, "client_secret")
	if err != nil {
		return registry.Import{}, err
	}
	if !secret.IsZero() {
		w.Secrets = []registry.SecretImport{{Text: secret}}
		rights = append(rights, writeKeys...)
	}
	wire, more, notes := jsondoc.Object{}, jsondoc.Object{}, []registry.Note(nil)
	for _, name := range slices.Sorted(maps.Keys(record)) {
		switch {
		case fields.Has(name):
			wire[name] = record[name]
		case shown.Has(name):
			more[name] = record[name]
		case !slices.Contains(ownOfAuth0, name):
			notes = append(notes, leftOut(name))
		}
	}
	notes, err = im.takeCredentials(wire, &w, notes)
	if err != nil {
		return registry.Import{}, err
	}
	slots := jsondoc.Object{}
	for _, name := range []string{oauth.SlotsOfAuthentication, oauth.SlotTokenVault} { // whose credentials have ids now
		if raw := wire[name]; raw != nil {
			slots[name] = raw
			delete(wire, name)
		}
	}
	if wire, notes, err = im.fit("CreateClientRequestContent", wire, notes); err != nil {
		return registry.Import{}, err
	}
	maps.Copy(wire, slots)
	if wire["encryption_key"] != nil {
		rights = append(rights, writeKeys...)
	}
	if wire[oauth.SlotTokenVault] != nil {
		rights = append(rights, writeVault...)
	}
	if len(w.Credentials) > 0 {
		rights = append(rights, "create:client_credentials", writeCredentials[0])
	}
	w.Edit = func(doc jsondoc.Object, _ *oauth.Client) ([]registry.Note, error) {
		fresh := jsondoc.Object{}
		if err := errors.Join(fields.Apply(fresh, wire), shown.Apply(fresh, more)); err != nil {
			return nil, err
		}
		for _, member := range slices.Concat(fields.Canonical(), shown.Canonical()) {
			if !slices.Contains(stayUnlessSent, member) {
				delete(doc, member)
			}
		}
		if fresh["token_endpoint_auth_method"] != nil {
			delete(doc, oauth.SlotsOfAuthentication)
		}
		maps.Copy(doc, fresh)
		return nil, nil
	}
	return im.registry.ImportOfClient(w, rights, notes), nil
}

func leftOut(member string) registry.Note {
	return registry.Note{Code: registry.NoteLeftOut, Message: "Roster has no place for " + member + ".", Member: member}
}

// fit holds a record against the schema of the request that would make it.
// Members deeper inside that Roster does not know are left out.
func (im *importer) fit(schema string, wire jsondoc.Object, notes []registry.Note) (jsondoc.Object, []registry.Note, error) {
	for range 8 { // a member that is left out may have hidden others
		value, err := spec.Decode(jsondoc.Must(wire))
		if err != nil {
			return nil, nil, err
		}
		mismatches, _ := errors.AsType[spec.Mismatches](im.description.CheckValue(schema, value))
		again := false
		for _, m := range mismatches {
			if m.Keyword != "properties" || len(m.Path) == 0 {
				return nil, nil, mismatches.Invalid()
			}
			for _, name := range m.Unknown() {
				path := slices.Concat(m.Path, []string{name})
				if wire, err = spec.Without(wire, path); err != nil {
					return nil, nil, err
				}
				notes, again = append(notes, leftOut(joined(path))), true
			}
		}
		if !again {
			if len(mismatches) > 0 {
				return nil, nil, mismatches.Invalid()
			}
			return wire, notes, nil
		}
	}
	return nil, nil, &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Malformed, Detail: "The record has too many members that Roster does not know."}
}

func joined(path []string) string {
	name := path[0]
	for _, step := range path[1:] {
		name += "." + step
	}
	return name
}

// importedCredential is a credential in a slot: Auth0 shows the id alone, a file
// may have been completed by the key.
type importedCredential struct {
	ID string `json:"id"`
	auth0api.PostClientCredentialRequestContent
}

// takeCredentials registers the credentials of wire's slots that come with a key
// and puts their ids in their place. The others are left out.
func (im *importer) takeCredentials(wire jsondoc.Object, w *registry.ClientImport, notes []registry.Note) ([]registry.Note, error) {
	slot := func(name, member string, raw json.RawMessage) (json.RawMessage, bool, error) {
		var members jsondoc.Object
		if err := json.Unmarshal(raw, &members); err != nil || members == nil {
			return nil, false, dialect.ImportRefused(member, "type", "must be an object")
		}
		if members["credentials"] == nil {
			return raw, false, nil
		}
		var list []importedCredential
		if err := json.Unmarshal(members["credentials"], &list); err != nil {
			return nil, false, dialect.ImportRefused(member+".credentials", "type", "must be an array of credentials")
		}
		ids := []map[string]string{}
		for i, one := range list {
			if one.PEM == nil && one.SubjectDN == nil {
				notes = append(notes, registry.Note{Code: registry.NoteNoKey, Message: "The source does not show the key of " + name + ": register it with the client.", Member: member})
				continue
			}
			if one.CredentialType == "" {
				one.CredentialType = auth0api.ClientCredentialTypeEnum(oauth.SlotCredentialType[name])
			}
			cred, err := im.registry.NewCredential(credentialRequest(one.PostClientCredentialRequestContent))
			if err != nil {
				return nil, false, oauth.Within(fmt.Sprintf("%s.credentials[%d]", member, i), err)
			}
			if formats["credential-id"](one.ID) == nil {
				cred.ID = one.ID
			}
			w.Credentials = append(w.Credentials, cred)
			ids = append(ids, map[string]string{"id": cred.ID})
		}
		delete(members, "credentials")
		if len(ids) > 0 {
			members["credentials"] = jsondoc.Must(ids)
		}
		return jsondoc.Must(members), len(ids) > 0, nil
	}
	if raw := wire[oauth.SlotsOfAuthentication]; raw != nil {
		var methods jsondoc.Object
		if err := json.Unmarshal(raw, &methods); err != nil || methods == nil {
			return nil, dialect.ImportRefused(oauth.SlotsOfAuthentication, "type", "must be an object")
		}
		for _, name := range slices.Sorted(maps.Keys(methods)) {
			if oauth.SlotCredentialType[name] == "" {
				notes = append(notes, leftOut(oauth.SlotsOfAuthentication+"."+name))
				delete(methods, name)
				continue
			}
			value, holds, err := slot(name, oauth.SlotsOfAuthentication+"."+name, methods[name])
			if err != nil {
				return nil, err
			}
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
		value, holds, err := slot(name, name, raw)
		if err != nil {
			return nil, err
		}
		if wire[name] = value; !holds && name == oauth.SlotTokenVault {
			delete(wire, name)
		}
	}
	return notes, nil
}
