package native

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/tokens"
	"github.com/rosterhq/roster/server/dialect"
)

// clientRecord is a client in an export. Other records, but for key pairs, are
// what a dialect shows, with their kind.
type clientRecord struct {
	Kind             string                  `json:"kind"`
	ID               string                  `json:"id"`
	ClientID         string                  `json:"client_id"`
	CreatedAt        time.Time               `json:"created_at,omitzero"`
	State            oauth.State             `json:"state,omitempty"` // absent for an active one
	Document         jsondoc.Object          `json:"document"`
	Secrets          []secretRecord          `json:"secrets,omitempty"` // newest first
	Credentials      []credentialRecord      `json:"credentials,omitempty"`
	AuthorizedScopes []scopeRecord           `json:"authorized_scopes,omitempty"`
	IdentityProvider *identityProviderRecord `json:"identity_provider,omitempty"`
	KeyPair          string                  `json:"key_pair,omitempty"`    // id of the shared one
	PrivateKey       string                  `json:"private_key,omitempty"` // its own, PKCS #8 PEM
}

type secretRecord struct {
	Secret    string     `json:"secret"`
	CreatedAt time.Time  `json:"created_at,omitzero"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

type credentialRecord struct {
	ID             string     `json:"id"`
	CredentialType string     `json:"credential_type"`
	Name           string     `json:"name,omitempty"`
	KID            string     `json:"kid,omitempty"`
	Alg            string     `json:"alg,omitempty"`
	PEM            string     `json:"pem,omitempty"` // the certificate, or else the bare key
	SubjectDN      string     `json:"subject_dn,omitempty"`
	CreatedAt      time.Time  `json:"created_at,omitzero"`
	UpdatedAt      time.Time  `json:"updated_at,omitzero"`
	ExpiresAt      *time.Time `json:"expires_at,omitempty"`
}

type scopeRecord struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Public bool   `json:"public"`
}

type identityProviderRecord struct {
	ID string `json:"id"`
}

type keyPairRecord struct {
	Kind       string    `json:"kind"`
	ID         string    `json:"id"`
	PublicKey  string    `json:"public_key"`
	PrivateKey string    `json:"private_key,omitempty"` // PKCS #8 PEM
	IsDefault  bool      `json:"is_default"`
	CreatedAt  time.Time `json:"created_at,omitzero"`
}

// importRecord reads a record of an export.
func (h *handler) importRecord(record jsondoc.Object) registry.Import {
	kind := jsondoc.String(record["kind"])
	var one registry.Import
	var err error
	switch kind {
	case registry.KindClient:
		one, err = h.readClient(record)
	case registry.KindKeyPair:
		one, err = h.readKeyPair(record)
	case registry.KindScope:
		return h.formats["boruta"].Importer(record)
	case registry.KindIdentityProvider:
		backend := record[oauth.MemberBackend] // which Boruta's records have too, and nobody takes from there
		delete(record, oauth.MemberBackend)
		if one = h.formats["boruta"].Importer(record); one.Err == nil && backend != nil && !jsondoc.IsNull(backend) {
			one = h.registry.ImportingBackend(one, backend)
		}
		return one
	case registry.KindResourceServer, registry.KindClientGrant:
		if string(record["system"]) == "true" {
			record["audience"] = jsondoc.Must(h.registry.ManagementAudience())
		}
		delete(record, "system")
		if kind == registry.KindResourceServer == (record["identifier"] == nil) {
			err = dialect.ImportRefused("kind", "enum", "does not fit the record")
			break
		}
		return h.formats["auth0"].Importer(record)
	default:
		return registry.Unfit("", "", dialect.ImportRefused("kind", "enum", "must be client, resource_server, client_grant, scope, identity_provider or key_pair"))
	}
	if err != nil {
		target := jsondoc.String(record["id"])
		if kind == registry.KindClient {
			target = jsondoc.String(record["client_id"])
		}
		return registry.Unfit(kind, target, err)
	}
	return one
}

// reading is a client's record in the course of being read.
type reading struct {
	registry.ClientImport
	clientRecord
	handler *handler
	notes   []registry.Note
}

func (r *reading) drop(member, why string) { r.notes = append(r.notes, registry.Dropped(member, why)) }

// decode reads into v, a struct, what of a record it has a member for and what
// is of its type. It notes all else.
func decode(record jsondoc.Object, v any) (notes []registry.Note) {
	fields, into := map[string]int{}, reflect.ValueOf(v).Elem()
	for i := range into.NumField() {
		name, _, _ := strings.Cut(into.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = i
	}
	for _, name := range slices.Sorted(maps.Keys(record)) {
		i, known := fields[name]
		if !known {
			notes = append(notes, registry.LeftOut(name))
			continue
		}
		field := into.Field(i)
		var items []json.RawMessage
		if field.Kind() != reflect.Slice || json.Unmarshal(record[name], &items) != nil {
			notes = append(notes, decodeValue(record[name], field, name)...)
			continue
		}
		for i, item := range items {
			one := reflect.New(field.Type().Elem()).Elem()
			more := decodeValue(item, one, fmt.Sprintf("%s[%d]", name, i))
			if notes = append(notes, more...); len(more) == 0 || more[0].Code == registry.NoteLeftOut {
				field.Set(reflect.Append(field, one))
			}
		}
	}
	return notes
}

// decodeValue sets to to a value, unless that is malformed; at is where it is.
// Members of it that are not known are noted.
func decodeValue(raw json.RawMessage, to reflect.Value, at string) []registry.Note {
	value := reflect.New(to.Type())
	if json.Unmarshal(raw, value.Interface()) != nil { // whose text may repeat the value
		return []registry.Note{registry.Dropped(at, "is malformed")}
	}
	to.Set(value.Elem())
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(reflect.New(to.Type()).Interface()); err != nil {
		name := strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)
		return []registry.Note{registry.LeftOut(at + "." + name)}
	}
	return nil
}

func (h *handler) readClient(record jsondoc.Object) (registry.Import, error) {
	clientID, err := dialect.ImportedClientID(record)
	if err != nil {
		return registry.Import{}, err
	}
	r := &reading{handler: h}
	r.notes = decode(record, &r.clientRecord)
	if r.Document == nil {
		return registry.Import{}, dialect.ImportRefused("document", "required", "is missing")
	}
	if string(r.Document[oauth.MemberGlobal]) == "true" {
		return registry.Skip(registry.KindClient, clientID, "The global client: Roster has its own."), nil
	}
	if s := r.clientRecord.State; s != "" && !s.Valid() { // as an active one it could do more than where it comes from
		return registry.Import{}, dialect.ImportRefused("state", "enum", "must be active, disabled or quarantined")
	}
	r.ClientImport = registry.ClientImport{
		ClientID: clientID, ID: dialect.ImportedUUID(r.clientRecord.ID), Made: r.CreatedAt, State: r.clientRecord.State,
	}
	if r.ClientImport.ID == "" && r.clientRecord.ID != "" {
		r.drop("id", "must be a uuid")
	}
	methods, _ := oauth.RegisteredMethods(r.Document)
	bySecret := slices.Contains(methods, oauth.SecretBasic) || slices.Contains(methods, oauth.SecretPost)
	r.Keyed = !bySecret && oauth.AuthMethodNow(r.Document) != "none"
	r.fitDocument()
	r.readSecrets()
	r.readCredentials()
	r.readLinks()
	r.Edit = func(doc jsondoc.Object, was *oauth.Client) ([]registry.Note, error) {
		var notes []registry.Note
		if was != nil {
			if was.IsGlobal() {
				return []registry.Note{note0(registry.NoteSkipped, "The global client is not changed.", "")}, registry.ErrSkip
			}
			if r.ClientImport.ID != "" && was.ID != r.ClientImport.ID {
				notes = append(notes, note0(registry.NoteLeftOut, "The client has another id here.", "id"))
			}
		}
		held := maps.Clone(doc)
		clear(doc)
		maps.Copy(doc, r.Document)
		h.registry.Keep(registry.KindClient, held, doc)
		return notes, nil
	}
	return h.registry.ImportOfClient(r.ClientImport, dialect.ImportsClients, r.notes), nil
}

func note0(code, message, member string) registry.Note {
	return registry.Note{Code: code, Message: message, Member: member}
}

// fitDocument leaves out members that no dialect knows, and of the others what each
// dialect that knows the member refuses.
func (r *reading) fitDocument() {
	for _, member := range slices.Sorted(maps.Keys(r.Document)) {
		var kept json.RawMessage
		var flaws []dialect.Flaw
		known := false
		for _, fit := range r.handler.fits {
			fitting, wrong, knows := fit(member, r.Document[member])
			if knows && (!known || wrong == nil || kept == nil && flaws != nil) {
				kept, flaws = fitting, wrong
			}
			if known = known || knows; knows && wrong == nil {
				break
			}
		}
		if !known {
			r.notes = append(r.notes, registry.LeftOut(member))
		}
		if kept == nil && flaws != nil {
			flaws = []dialect.Flaw{{Why: flaws[0].Why}}
		}
		for _, f := range flaws {
			if f.Stranger {
				r.notes = append(r.notes, registry.LeftOut(member+f.At))
			} else {
				r.drop(member+f.At, f.Why)
			}
		}
		if r.Document[member] = kept; kept == nil {
			delete(r.Document, member)
		}
	}
}

func (r *reading) readSecrets() {
	now := r.handler.registry.Now()
	for i, s := range r.clientRecord.Secrets {
		at := fmt.Sprintf("secrets[%d]", i)
		switch current := len(r.ClientImport.Secrets) == 0; {
		case s.ExpiresAt != nil && !s.ExpiresAt.After(now): // which is as good as none
		case s.Secret == "" || len(s.Secret) > 1024:
			r.drop(at, "must have a text of 1 to 1024 bytes")
		case current != (s.ExpiresAt == nil) || len(r.ClientImport.Secrets) == tokens.MaxLiveSecrets ||
			s.ExpiresAt != nil && s.ExpiresAt.After(now.Add(registry.MaxSecretGrace)):
			r.drop(at, "must be the newest one, without an end, or one more, with an end")
		default:
			r.ClientImport.Secrets = append(r.ClientImport.Secrets, registry.SecretImport{Text: oauth.NewSecret(s.Secret), Made: s.CreatedAt, Ends: s.ExpiresAt})
		}
	}
}

func (r *reading) readCredentials() {
	for i, c := range r.clientRecord.Credentials {
		cred, err := r.handler.readCredential(c)
		twice := slices.ContainsFunc(r.ClientImport.Credentials, func(have oauth.Credential) bool {
			return have.ID == cred.ID || cred.Type == oauth.TypePublicKey && (have.KeyThumbprint == cred.KeyThumbprint || have.KeyID == cred.KeyID)
		})
		switch at := fmt.Sprintf("credentials[%d]", i); {
		case err != nil:
			r.notes = append(r.notes, dialect.DroppedAt(at, err))
		case twice:
			r.drop(at, "has the id, the key or the kid of another one")
		case len(r.ClientImport.Credentials) == oauth.MaxCredentials:
			r.drop(at, "comes after four, which is as many as a client can have")
		default:
			r.ClientImport.Credentials = append(r.ClientImport.Credentials, cred)
		}
	}
}

func (h *handler) readCredential(c credentialRecord) (oauth.Credential, error) {
	optional := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	if !strings.HasPrefix(c.ID, "cred_") || len(c.ID) > 64 {
		return oauth.Credential{}, dialect.ImportRefused("id", "format", "must start with cred_")
	}
	cred, err := h.registry.NewCredential(oauth.CredentialRequest{
		Type: oauth.CredentialType(c.CredentialType), Name: optional(c.Name), PEM: optional(c.PEM), SubjectDN: optional(c.SubjectDN),
		Alg: optional(c.Alg), KeyID: optional(c.KID),
	})
	if err != nil {
		return cred, err
	}
	cred.ID = c.ID
	if !c.CreatedAt.IsZero() {
		cred.CreatedAt, cred.UpdatedAt = c.CreatedAt.UTC(), c.CreatedAt.UTC()
	}
	if err := cred.SetExpiry(c.ExpiresAt, cred.UpdatedAt); err != nil {
		return cred, err
	}
	if !c.UpdatedAt.IsZero() {
		cred.UpdatedAt = c.UpdatedAt.UTC()
	}
	return cred, nil
}

// readLinks reads what Boruta's dialect keeps next to the document.
func (r *reading) readLinks() {
	scopes := []oauth.Scope{}
	for i, s := range r.AuthorizedScopes {
		if s.Name == "" || len(s.Name) > 255 {
			r.drop(fmt.Sprintf("authorized_scopes[%d]", i), "must have a name of 1 to 255 characters")
			continue
		}
		scopes = append(scopes, oauth.Scope{ID: dialect.ImportedUUID(s.ID), Name: s.Name, Public: s.Public})
	}
	r.Scopes = &scopes
	if r.IdentityProvider != nil {
		if r.Provider.ID = dialect.ImportedUUID(r.IdentityProvider.ID); r.Provider.ID == "" {
			r.drop("identity_provider", "must have a uuid")
		}
	}
	if r.clientRecord.KeyPair != "" {
		if r.ClientImport.KeyPair = dialect.ImportedUUID(r.clientRecord.KeyPair); r.ClientImport.KeyPair == "" {
			r.drop("key_pair", "must be a uuid")
		}
	}
	if r.PrivateKey != "" {
		public, err := oauth.PublicHalf(r.PrivateKey)
		if err != nil || public != jsondoc.String(r.Document[oauth.MemberPublicKey]) {
			r.drop("private_key", "must be the PKCS #8 PEM of document.public_key")
			return
		}
		r.Key = &oauth.NewKey{PublicPEM: public, Private: oauth.NewSecret(r.PrivateKey)}
	}
}

// credentialPEM is what a credential was registered with.
func credentialPEM(c oauth.Credential) (string, error) {
	if c.Certificate != nil {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate})), nil
	}
	if c.JWK == nil {
		return "", nil
	}
	key, err := c.PublicKey()
	if err != nil {
		return "", err
	}
	return oauth.PublicKeyPEM(key)
}

func (h *handler) readKeyPair(record jsondoc.Object) (registry.Import, error) {
	var r keyPairRecord
	notes := decode(record, &r)
	k := oauth.KeyPair{ID: dialect.ImportedUUID(r.ID), PublicKey: r.PublicKey, Default: r.IsDefault, CreatedAt: r.CreatedAt}
	if k.ID == "" {
		return registry.Import{}, dialect.ImportRefused("id", "format", "must be a uuid")
	}
	if r.PrivateKey != "" {
		if public, err := oauth.PublicHalf(r.PrivateKey); err != nil || public != r.PublicKey {
			return registry.Import{}, dialect.ImportRefused("private_key", "format", "must be the PKCS #8 PEM of public_key")
		}
	}
	one := h.registry.ImportOfKeyPair(k, oauth.NewSecret(r.PrivateKey), []string{"clients:manage:all"})
	one.Warnings = append(one.Warnings, notes...)
	return one, nil
}
