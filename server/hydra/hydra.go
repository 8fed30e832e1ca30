// Package hydra reads clients as Ory Hydra's administration API shows them. It
// serves nothing.
package hydra

import (
	"cmp"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
)

// New returns the dialect, which has no routes.
func New(reg *registry.Registry) dialect.Dialect {
	return dialect.Dialect{Name: "hydra", Importer: importer(reg), Fit: fitMember, WireName: WireName}
}

// importer reads elements of GET /admin/clients.
func importer(reg *registry.Registry) dialect.Importer {
	return func(record jsondoc.Object) registry.Import {
		id, err := dialect.ImportedClientID(record)
		if err != nil {
			return registry.Unfit(registry.KindClient, id, err)
		}
		return readClient(reg, id, record)
	}
}

// hashes are what hashed secrets start with.
var hashes = []string{"$2a$", "$2b$", "$2y$", "$pbkdf2"}

// reading is a record in the course of being read.
type reading struct {
	registry.ClientImport
	notes []registry.Note
	fresh jsondoc.Object // members of the document
}

func readClient(reg *registry.Registry, id string, record jsondoc.Object) registry.Import {
	r := &reading{ClientImport: registry.ClientImport{ClientID: id, ID: dialect.ImportedUUID(id)}, fresh: jsondoc.Object{}}
	r.readSecret(record)
	for _, name := range slices.Sorted(maps.Keys(record)) {
		raw := record[name]
		fit, known := members[name]
		switch {
		case slices.Contains(ownOfHydra, name) || jsondoc.IsNull(raw):
		case !known:
			r.notes = append(r.notes, registry.LeftOut(name))
		default:
			kept, flaws := fit(raw)
			for _, f := range flaws {
				r.notes = append(r.notes, registry.Dropped(name+f.At, f.Why))
			}
			switch string(kept) {
			case "", `""`, "[]", "{}": // what Hydra shows of members without a value
			default:
				r.fresh[canonical(name)] = kept
			}
		}
	}
	if r.fresh["grant_types"] == nil { // RFC 7591 §2
		r.fresh["grant_types"] = json.RawMessage(`["authorization_code"]`)
	}
	if r.fresh["hydra:audience"] != nil {
		r.notes = append(r.notes, registry.Note{
			Code: registry.NoteLeftOut, Member: "audience", Message: "Grants are not imported: make a resource server and a client grant for each audience.",
		})
	}
	if r.Keyed = jsondoc.String(r.fresh["token_endpoint_auth_method"]) == oauth.SlotPrivateKeyJWT; r.Keyed {
		r.takeKeys(reg, record["jwks"])
	}
	registered := len(r.Credentials) > 0
	r.Edit = func(doc jsondoc.Object, _ *oauth.Client) ([]registry.Note, error) {
		for name := range members {
			delete(doc, canonical(name))
		}
		if registered || r.fresh["token_endpoint_auth_method"] != nil {
			delete(doc, oauth.SlotsOfAuthentication)
		}
		maps.Copy(doc, r.fresh)
		return nil, nil
	}
	return reg.ImportOfClient(r.ClientImport, dialect.ImportsClients, r.notes)
}

func (r *reading) readSecret(record jsondoc.Object) {
	secret, err := dialect.ImportedSecret(record, "client_secret")
	switch {
	case err != nil:
		r.notes = append(r.notes, registry.Dropped("client_secret", dialect.Why(err)))
	case secret.IsZero():
	case slices.ContainsFunc(hashes, func(h string) bool { return strings.HasPrefix(secret.Reveal(), h) }):
		r.notes = append(r.notes, registry.Note{Code: registry.NoteLeftOut, Member: "client_secret", Message: "A hashed secret cannot be used.", Lost: true})
	default:
		r.Secrets = []registry.SecretImport{{Text: secret}}
	}
}

// takeKeys makes the keys of jwks credentials of a client that signs assertions:
// those that are for signatures, and that Roster can verify with.
func (r *reading) takeKeys(reg *registry.Registry, jwks json.RawMessage) {
	var set struct{ Keys []json.RawMessage }
	_ = json.Unmarshal(jwks, &set) // publicKeys has told what is wrong
	usual := jsondoc.String(r.fresh["token_endpoint_auth_signing_alg"])
	var ids []map[string]string
	for i, raw := range set.Keys {
		if publicKey(raw) != "" {
			continue
		}
		member := "jwks.keys[" + strconv.Itoa(i) + "]"
		cred, note, why := newCredential(reg, raw, usual, r.Credentials)
		if why == "" && len(ids) == oauth.MaxCredentialsPerSlot {
			why = "comes after two keys, which is as many as a client can have at once"
		}
		if why != "" {
			r.notes = append(r.notes, registry.Note{Code: registry.NoteDropped, Member: member, Lost: true,
				Message: member + " does not authenticate the client: it " + why + "."})
			continue
		}
		if note != "" {
			r.notes = append(r.notes, registry.Dropped(member+".kid", note))
		}
		r.Credentials = append(r.Credentials, cred)
		ids = append(ids, map[string]string{"id": cred.ID})
	}
	if len(ids) == 0 {
		r.notes = append(r.notes, registry.Note{
			Code: registry.NoteNoKey, Member: "jwks", Message: "The client has no key that Roster can take: register one.",
		})
		return
	}
	delete(r.fresh, "token_endpoint_auth_method") // the slot says it
	r.fresh[oauth.SlotsOfAuthentication] = jsondoc.Must(jsondoc.Object{oauth.SlotPrivateKeyJWT: jsondoc.Must(map[string]any{"credentials": ids})})
}

// newCredential makes a credential of a public key, next to those that the client
// has. usual is the alg of a key that names none. note says why the key has
// another kid, and why, why it can be no credential.
func newCredential(reg *registry.Registry, raw json.RawMessage, usual string, have []oauth.Credential) (cred oauth.Credential, note, why string) {
	if why := oauth.KeyUse(raw); why != "" {
		return cred, "", why
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(raw, &key); err != nil {
		return cred, "", "is no key"
	}
	public, isRSA := key.Key.(*rsa.PublicKey)
	if !isRSA {
		return cred, "", "is no RSA key, which Roster takes alone"
	}
	alg := cmp.Or(key.Algorithm, usual)
	if alg != "" && !slices.Contains(oauth.CredentialAlgorithms, alg) {
		return cred, "", "is for " + alg + ", and Roster takes " + strings.Join(oauth.CredentialAlgorithms, ", ") + " alone"
	}
	text, err := oauth.PublicKeyPEM(public)
	if err != nil {
		return cred, "", "is no key"
	}
	request := oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: &text}
	if alg != "" {
		request.Alg = &alg
	}
	if key.KeyID != "" {
		request.KeyID = &key.KeyID
	}
	taken := slices.ContainsFunc(have, func(c oauth.Credential) bool { return c.KeyID == key.KeyID })
	cred, err = reg.NewCredential(request)
	if request.KeyID != nil && (err != nil || taken) {
		request.KeyID = nil
		cred, err = reg.NewCredential(request)
		note = "must be 10 to 64 of A-Z a-z 0-9 _ - and the client's only one: the client must sign without one, or with " + cred.KeyID
	}
	switch {
	case err != nil:
		return cred, "", dialect.Why(err)
	case slices.ContainsFunc(have, func(c oauth.Credential) bool { return c.KeyThumbprint == cred.KeyThumbprint }):
		return cred, "", "is there twice"
	}
	return cred, note, ""
}

// fitMember is the dialect.Fit of members that only Hydra or RFC 7591 knows.
func fitMember(member string, raw json.RawMessage) (kept json.RawMessage, flaws []dialect.Flaw, known bool) {
	for name, fit := range members {
		if canonical(name) == member {
			kept, flaws = fit(raw)
			return kept, flaws, true
		}
	}
	return nil, nil, false
}

// WireName returns Hydra's name for a member of a document, or a path below it.
func WireName(member string) string {
	for name := range members {
		if below, ok := strings.CutPrefix(member, canonical(name)); ok && (below == "" || strings.ContainsAny(below[:1], ".[")) {
			return name + below
		}
	}
	return member
}
