package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
)

// fitReferences takes out of c, which is imported, references to what is not
// there, and names that another client has, and notes both. was is the document
// before. A dry run leaves them: what is not there may be made by another record.
func (r *Registry) fitReferences(ctx context.Context, t *importTx, w *ClientImport, c oauth.Client, was jsondoc.Object) (notes []Note, err error) {
	var aliases []string
	if json.Unmarshal(c.Document[oauth.MemberClientAliases], &aliases) == nil && len(aliases) > 0 {
		taken, err := t.AliasesOfOthers(ctx, c.ID, aliases)
		if err != nil {
			return nil, err
		}
		if len(taken) > 0 {
			notes = append(notes, Dropped("client_aliases", "holds aliases that other clients have"))
			c.Document[oauth.MemberClientAliases] = jsondoc.Must(slices.DeleteFunc(aliases, func(a string) bool { return slices.Contains(taken, a) }))
		}
	}
	if t.dry {
		return notes, nil
	}
	if raw := c.Document[oauth.MemberAPI]; raw != nil && !sameJSON(raw, was[oauth.MemberAPI]) {
		switch _, err := r.apiOf(ctx, t.Tx, c); oauth.KindOf(err) {
		case oauth.NotFound, oauth.Conflict:
			notes = append(notes, Dropped("resource_server_identifier", "is no resource server that is there and has no client yet"))
			delete(c.Document, oauth.MemberAPI)
		default:
			if err != nil {
				return nil, err
			}
		}
	}
	if w.KeyPair != "" {
		if _, err := t.LockKeyPair(ctx, w.KeyPair); oauth.KindOf(err) == oauth.NotFound {
			notes = append(notes, Dropped("key_pair", "is no key pair that is there"))
			w.KeyPair = ""
		} else if err != nil {
			return nil, err
		}
	}
	return notes, nil
}

// fitTogether takes out of a document what breaks the rules on several members,
// and credentials that its client does not have. It notes both.
func fitTogether(doc jsondoc.Object, have []oauth.Credential) (notes []Note) {
	notes = fitSlots(doc, have)
	for _, member := range oauth.DropPrivateKeys(doc) {
		notes = append(notes, Dropped(member, "held a private key, which must be taken as exposed"))
	}
	c := oauth.Client{Document: doc}
	if e, _ := errors.AsType[*oauth.Error](c.CheckTrust(nil)); e != nil {
		notes = append(notes, Dropped(e.Violations[0].Member, e.Violations[0].Detail))
		delete(doc, oauth.MemberIPHeaderTrusted)
	}
	for range len(doc) {
		e, _ := errors.AsType[*oauth.Error](c.Validate())
		if e == nil {
			break
		}
		for _, v := range e.Violations {
			raw := doc[v.Member]
			if raw == nil {
				continue
			}
			notes = append(notes, Dropped(v.Member, v.Detail))
			var list []string
			if json.Unmarshal(raw, &list) == nil && slices.Contains(list, oauth.GrantClientCredentials) { // all else of grant_types fits
				notes[len(notes)-1] = Note{Code: NoteDropped, Member: v.Member, why: v.Detail, Lost: true,
					Message: oauth.GrantClientCredentials + " was left out of " + v.Member + ": it " + v.Detail + "."}
				doc[v.Member] = jsondoc.Must(slices.DeleteFunc(list, func(g string) bool { return g == oauth.GrantClientCredentials }))
			} else {
				delete(doc, v.Member)
			}
		}
	}
	return notes
}

// fitSlots takes out of a document's slots the credentials that its client does
// not have, or has no place for.
func fitSlots(doc jsondoc.Object, have []oauth.Credential) (notes []Note) {
	fit := func(slots jsondoc.Object, name, at string) {
		var members jsondoc.Object
		var named []struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(slots[name], &members) != nil || json.Unmarshal(members["credentials"], &named) != nil {
			return // Validate tells
		}
		ids := []map[string]string{}
		for i, one := range named {
			known := slices.ContainsFunc(have, func(c oauth.Credential) bool { return c.ID == one.ID })
			twice := slices.ContainsFunc(ids, func(id map[string]string) bool { return id["id"] == one.ID })
			if known && !twice && len(ids) < oauth.MaxCredentialsPerSlot {
				ids = append(ids, map[string]string{"id": one.ID})
			} else {
				notes = append(notes, Dropped(fmt.Sprintf("%s.credentials[%d]", at, i), "is no credential of the client, is there twice, or is the third"))
			}
		}
		if len(ids) == len(named) {
			return
		}
		if members["credentials"] = jsondoc.Must(ids); len(ids) == 0 {
			delete(slots, name)
		} else {
			slots[name] = jsondoc.Must(members)
		}
	}
	var methods jsondoc.Object
	if before := len(notes); json.Unmarshal(doc[oauth.SlotsOfAuthentication], &methods) == nil {
		for _, name := range slices.Sorted(maps.Keys(methods)) {
			fit(methods, name, oauth.SlotsOfAuthentication+"."+name)
		}
		if len(methods) == 0 {
			delete(doc, oauth.SlotsOfAuthentication)
		} else if len(notes) > before {
			doc[oauth.SlotsOfAuthentication] = jsondoc.Must(methods)
		}
	}
	fit(doc, oauth.SlotSignedRequest, oauth.SlotSignedRequest)
	fit(doc, oauth.SlotTokenVault, oauth.SlotTokenVault)
	return notes
}
