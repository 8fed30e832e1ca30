package native

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/server/dialect"
)

// clientRecord is a client in an export. Other records, but for key pairs, are
// what a dialect shows, with their kind.
type clientRecord struct {
	Kind             string                  `json:"kind"`
	ID               string                  `json:"id"`
	ClientID         string                  `json:"client_id"`
	CreatedAt        time.Time               `json:"created_at,omitzero"`
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

// everything is the scope for whatever only Boruta's dialect knows of clients.
const everything = "clients:manage:all"

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
	case registry.KindScope, registry.KindIdentityProvider:
		return h.formats["boruta"].Importer(record)
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

// decodeRecord reads a record strictly: a member that is not known may be one
// that must not be lost.
func decodeRecord(record jsondoc.Object, v any) error {
	dec := json.NewDecoder(strings.NewReader(string(jsondoc.Must(record))))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return dialect.ImportRefused(wrong.Field, "type", "is of the wrong type")
	}
	if name, ok := strings.CutPrefix(errorText(err), "json: unknown field "); ok {
		return dialect.ImportRefused(strings.Trim(name, `"`), "properties", "is not known")
	}
	if err != nil { // a time; its text would repeat the value
		return &oauth.Error{Kind: oauth.Invalid, Reason: oauth.Malformed, Detail: "A member of the record is malformed."}
	}
	return nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (h *handler) readClient(record jsondoc.Object) (registry.Import, error) {
	clientID, err := dialect.ImportedClientID(record)
	if err != nil {
		return registry.Import{}, err
	}
	var r clientRecord
	if err := decodeRecord(record, &r); err != nil {
		return registry.Import{}, err
	}
	w := registry.ClientImport{ClientID: clientID, ID: dialect.ImportedUUID(r.ID), Made: r.CreatedAt, KeyPair: r.KeyPair}
	if w.ID == "" && r.ID != "" || r.KeyPair != "" && dialect.ImportedUUID(r.KeyPair) == "" {
		return registry.Import{}, dialect.ImportRefused("id", "format", "must be a uuid")
	}
	if err := checkDocument(r.Document, h.checkers); err != nil {
		return registry.Import{}, err
	}
	var rights []string
	for member := range r.Document {
		switch {
		case member == oauth.MemberEncryptionKey:
			rights = append(rights, "update:client_keys")
		case member == oauth.SlotTokenVault:
			rights = append(rights, "update:client_token_vault_privileged_access")
		case h.formats["boruta"].Owns(member):
			rights = append(rights, everything)
		}
	}
	if err := h.readSecrets(r, &w); err != nil {
		return registry.Import{}, err
	}
	if len(w.Secrets) > 0 {
		rights = append(rights, "update:client_keys")
	}
	if err := h.readCredentials(r, &w); err != nil {
		return registry.Import{}, err
	}
	if len(w.Credentials) > 0 {
		rights = append(rights, "create:client_credentials", "update:client_credentials")
	}
	if r.AuthorizedScopes != nil || r.IdentityProvider != nil || r.KeyPair != "" || r.PrivateKey != "" {
		rights = append(rights, everything)
	}
	scopes := []oauth.Scope{}
	for _, s := range r.AuthorizedScopes {
		if s.Name == "" || len(s.Name) > 255 {
			return registry.Import{}, dialect.ImportRefused("authorized_scopes", "minLength", "must have names of 1 to 255 characters")
		}
		scopes = append(scopes, oauth.Scope{ID: dialect.ImportedUUID(s.ID), Name: s.Name, Public: s.Public})
	}
	w.Scopes = &scopes
	if r.IdentityProvider != nil {
		if w.Provider.ID = dialect.ImportedUUID(r.IdentityProvider.ID); w.Provider.ID == "" {
			return registry.Import{}, dialect.ImportRefused("identity_provider", "format", "must have a uuid")
		}
	}
	if r.PrivateKey != "" {
		public, err := oauth.PublicHalf(r.PrivateKey)
		if err != nil || public != jsondoc.String(r.Document[oauth.MemberPublicKey]) {
			return registry.Import{}, dialect.ImportRefused("private_key", "format", "must be the PKCS #8 PEM of document.public_key")
		}
		w.Key = &oauth.NewKey{PublicPEM: public, Private: oauth.NewSecret(r.PrivateKey)}
	}
	w.Edit = func(doc jsondoc.Object, was *oauth.Client) ([]registry.Note, error) {
		var notes []registry.Note
		if was != nil {
			if was.IsGlobal() {
				return []registry.Note{note0(registry.NoteSkipped, "The global client is not changed.", "")}, registry.ErrSkip
			}
			if w.ID != "" && was.ID != w.ID {
				notes = append(notes, note0(registry.NoteLeftOut, "The client has another id here.", "id"))
			}
		}
		maps.DeleteFunc(doc, func(member string, _ json.RawMessage) bool { return !slices.Contains(registry.KeptSealed, member) })
		maps.Copy(doc, r.Document)
		return notes, nil
	}
	return h.registry.ImportOfClient(w, rights, nil), nil
}

func note0(code, message, member string) registry.Note {
	return registry.Note{Code: code, Message: message, Member: member}
}

// checkDocument refuses members that no dialect knows, and values that each
// dialect which knows the member refuses.
func checkDocument(doc jsondoc.Object, checkers []dialect.Checker) error {
	if doc == nil {
		return dialect.ImportRefused("document", "required", "is missing")
	}
	for _, member := range slices.Sorted(maps.Keys(doc)) {
		known, accepted := false, false
		var first error
		for _, check := range checkers {
			knows, err := check(doc, member)
			known, accepted = known || knows, accepted || knows && err == nil
			if first == nil {
				first = err
			}
		}
		if !known {
			return dialect.ImportRefused("document."+member, "properties", "is no member of a client")
		}
		if !accepted {
			return first
		}
	}
	return nil
}

func (h *handler) readSecrets(r clientRecord, w *registry.ClientImport) error {
	now := h.registry.Now()
	for _, s := range r.Secrets {
		if s.Secret == "" || len(s.Secret) > 1024 {
			return dialect.ImportRefused("secrets", "maxLength", "must have texts of 1 to 1024 bytes")
		}
		if s.ExpiresAt != nil && !s.ExpiresAt.After(now) {
			continue
		}
		w.Secrets = append(w.Secrets, registry.SecretImport{Text: oauth.NewSecret(s.Secret), Made: s.CreatedAt, Ends: s.ExpiresAt})
	}
	for i, s := range w.Secrets {
		if newest := i == 0; newest != (s.Ends == nil) || i >= registry.MaxLiveSecrets || s.Ends != nil && s.Ends.After(now.Add(registry.MaxSecretGrace)) {
			return dialect.ImportRefused("secrets", "format", "must be the newest one, without an end, and at most one more, with one")
		}
	}
	return nil
}

func (h *handler) readCredentials(r clientRecord, w *registry.ClientImport) error {
	optional := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	for i, c := range r.Credentials {
		if !strings.HasPrefix(c.ID, "cred_") || len(c.ID) > 64 {
			return dialect.ImportRefused("credentials", "format", "must have ids that start with cred_")
		}
		request := oauth.CredentialRequest{
			Type: oauth.CredentialType(c.CredentialType), Name: optional(c.Name), PEM: optional(c.PEM), SubjectDN: optional(c.SubjectDN),
			Alg: optional(c.Alg), KeyID: optional(c.KID),
		}
		cred, err := h.registry.NewCredential(request)
		if err != nil {
			return oauth.Within(fmt.Sprintf("credentials[%d]", i), err)
		}
		cred.ID = c.ID
		if !c.CreatedAt.IsZero() {
			cred.CreatedAt, cred.UpdatedAt = c.CreatedAt.UTC(), c.CreatedAt.UTC()
		}
		if err := cred.SetExpiry(c.ExpiresAt, cred.UpdatedAt); err != nil {
			return oauth.Within(fmt.Sprintf("credentials[%d]", i), err)
		}
		if !c.UpdatedAt.IsZero() {
			cred.UpdatedAt = c.UpdatedAt.UTC()
		}
		w.Credentials = append(w.Credentials, cred)
	}
	return nil
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
	if err := decodeRecord(record, &r); err != nil {
		return registry.Import{}, err
	}
	k := oauth.KeyPair{ID: dialect.ImportedUUID(r.ID), PublicKey: r.PublicKey, Default: r.IsDefault, CreatedAt: r.CreatedAt}
	if k.ID == "" {
		return registry.Import{}, dialect.ImportRefused("id", "format", "must be a uuid")
	}
	if r.PrivateKey != "" {
		if public, err := oauth.PublicHalf(r.PrivateKey); err != nil || public != r.PublicKey {
			return registry.Import{}, dialect.ImportRefused("private_key", "format", "must be the PKCS #8 PEM of public_key")
		}
	}
	return h.registry.ImportOfKeyPair(k, oauth.NewSecret(r.PrivateKey), []string{everything}), nil
}
