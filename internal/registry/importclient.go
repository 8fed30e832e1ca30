package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/tokens"
)

// ClientImport is what a record says of a client.
type ClientImport struct {
	ID       string // uuid; "" for one that is generated
	ClientID string // what it is found by, unless ByID
	ByID     bool
	Made     time.Time   // zero: now
	State    oauth.State // of a new client; "" for active. One that exists keeps its own

	// Edit changes a document to what the record says. was is the client as the
	// registry holds it, whose document is that; nil for a new one, whose document
	// is empty. It must have no side effects.
	Edit func(doc jsondoc.Object, was *oauth.Client) ([]Note, error)

	Keyed bool // the record says that the client proves itself, and never by its secret
	told  bool // that it has no key

	Secrets     []SecretImport         // newest first; none keeps what the client has
	Credentials []oauth.Credential     // to register unless the client has them; the document may name their ids
	Scopes      *[]oauth.Scope         // replaces what it is authorized for; those that do not exist are made; nil keeps it
	Provider    oauth.IdentityProvider // made if it has a name and does not exist
	KeyPair     string                 // id of the shared one; "" keeps the key
	Key         *oauth.NewKey          // its own; nil keeps the key
}

// SecretImport is a secret of a client. The newest one has no end.
type SecretImport struct {
	Text oauth.Secret
	Made time.Time // zero: now
	Ends *time.Time
}

// ImportOfClient returns the import of a client.
func (r *Registry) ImportOfClient(w ClientImport, rights []string, warnings []Note) Import {
	target := w.ClientID
	if target == "" {
		target = w.ID
	}
	if slices.ContainsFunc(warnings, func(n Note) bool { return n.Code == NoteDropped && n.Member == "token_endpoint_auth_method" }) {
		w.Edit = closed(w.Edit)
	}
	w.told = slices.ContainsFunc(warnings, func(n Note) bool { return n.Code == NoteNoKey })
	one := Import{Kind: KindClient, Target: target, Rights: rights, Warnings: warnings}
	one.put = func(ctx context.Context, t *importTx) (Outcome, []Note, error) { return r.putClient(ctx, t, w) }
	if w.ByID {
		one.id = w.ID
	} else {
		one.clientID = w.ClientID
	}
	return one
}

// closed has edit leave a client whose method Roster does not know without any,
// rather than with one that its source would refuse.
func closed(edit func(jsondoc.Object, *oauth.Client) ([]Note, error)) func(jsondoc.Object, *oauth.Client) ([]Note, error) {
	return func(doc jsondoc.Object, was *oauth.Client) ([]Note, error) {
		notes, err := edit(doc, was)
		if err == nil && oauth.AuthMethodNow(doc) == "" && doc[oauth.MemberAuthMethods] == nil {
			doc[oauth.SlotsOfAuthentication] = json.RawMessage(`{"private_key_jwt":{"credentials":[]}}`)
		}
		return notes, err
	}
}

// close has c, of which a record says that it proves itself and never by its secret,
// prove itself by no key rather than by the secret.
func (w *ClientImport) close(doc jsondoc.Object) []Note {
	methods, _ := oauth.RegisteredMethods(doc)
	if !w.Keyed || !slices.Contains(methods, oauth.SecretBasic) && !slices.Contains(methods, oauth.SecretPost) {
		return nil
	}
	doc[oauth.SlotsOfAuthentication] = json.RawMessage(`{"private_key_jwt":{"credentials":[]}}`)
	delete(doc, "token_endpoint_auth_method") // the slot says it
	if w.told {
		return nil
	}
	return []Note{{
		Code: NoteNoKey, Member: oauth.SlotsOfAuthentication, Lost: true,
		Message: "The client has no key that Roster can take: it cannot authenticate until one is registered.",
	}}
}

// importedClient is a client as the registry holds it, with what belongs to it.
type importedClient struct {
	oauth.Client
	credentials []oauth.Credential
	secrets     []oauth.ClientSecret // the live ones, newest first
	links       oauth.Links
}

// readImported reads the clients that records are about, all at once.
func (r *Registry) readImported(ctx context.Context, t *importTx, list []Import, todo []int) error {
	var clientIDs, ids []string
	for _, i := range todo {
		if list[i].clientID != "" {
			clientIDs = append(clientIDs, list[i].clientID)
		}
		if list[i].id != "" {
			ids = append(ids, list[i].id)
		}
	}
	if err := r.readClients(ctx, t, clientIDs, ids); err != nil {
		return err
	}
	missing := slices.DeleteFunc(append(clientIDs, ids...), func(id string) bool { return t.clients[id] != nil })
	if len(missing) == 0 {
		return nil
	}
	stones, err := t.LockTombstones(ctx, missing...)
	for _, s := range stones {
		t.stones[s.ClientID] = s
	}
	return err
}

func (r *Registry) readClients(ctx context.Context, t *importTx, clientIDs, ids []string) error {
	if len(clientIDs)+len(ids) == 0 {
		return nil
	}
	found, err := t.LockClients(ctx, clientIDs, ids)
	if err != nil || len(found) == 0 {
		return err
	}
	known := make([]string, len(found))
	for i := range found {
		known[i] = found[i].ID
		if err := r.openMembers(&found[i]); err != nil {
			return err
		}
	}
	credentials, err := t.CredentialsOf(ctx, known)
	if err != nil {
		return err
	}
	secrets, err := t.LiveSecretsOf(ctx, known, r.now())
	if err != nil {
		return err
	}
	links, err := t.Links(ctx, known)
	if err != nil {
		return err
	}
	for _, c := range found {
		one := &importedClient{c, credentials[c.ID], secrets[c.ID], links[c.ID]}
		t.clients[c.ClientID], t.clients[c.ID] = one, one
	}
	return nil
}

// putClient makes the registry hold what w says of a client.
func (r *Registry) putClient(ctx context.Context, t *importTx, w ClientImport) (Outcome, []Note, error) {
	key := w.ClientID
	if w.ByID {
		key = w.ID
	}
	if t.seen[key] { // a record before this one has written it
		if err := r.readClients(ctx, t, []string{key}, nil); err != nil {
			return Failed, nil, err
		}
		if w.ByID {
			if err := r.readClients(ctx, t, nil, []string{key}); err != nil {
				return Failed, nil, err
			}
		}
	}
	t.seen[key] = true
	was := t.clients[key]
	if len(w.Secrets) > 0 { // also for the one that is held: the outcome tells that it is
		err := permit(ctx, changingSecrets)
		if err == nil && was != nil {
			err = mayHave(ctx, was.Granted, "is")
		}
		if err != nil {
			return Failed, nil, err
		}
	}
	if was == nil {
		if stone, deleted := t.stones[key]; deleted {
			if !t.restore {
				return Failed, nil, oauth.ErrDeleted
			}
			if err := r.reuseClientID(ctx, t.Tx, stone); err != nil {
				return Failed, nil, err
			}
		}
		notes, err := r.createImported(ctx, t, w)
		return Created, notes, err
	}
	return r.updateImported(ctx, t, w, was)
}

func (r *Registry) createImported(ctx context.Context, t *importTx, w ClientImport) ([]Note, error) {
	c := oauth.Client{ID: w.ID, ClientID: w.ClientID, Document: jsondoc.Object{}, CreatedAt: w.Made, State: w.State}
	if c.ID == "" {
		c.ID = uuid.NewString()
	}
	notes, err := w.Edit(c.Document, nil)
	if err != nil {
		return nil, err
	}
	more, err := r.fitReferences(ctx, t, &w, c, jsondoc.Object{})
	if err != nil {
		return nil, err
	}
	notes = slices.Concat(notes, more, fitTogether(c.Document, w.Credentials))
	if len(w.Secrets) == 0 {
		notes = noSecret(notes, c.Document)
	}
	notes = append(notes, w.close(c.Document)...)
	d := oauth.Draft{Client: &c, Credentials: w.Credentials, KeyPair: w.KeyPair, NewKey: w.Key}
	if d.Scopes, err = r.importedScopes(ctx, t, w.Scopes); err != nil {
		return nil, err
	}
	if d.IdentityProvider, err = r.importedProvider(ctx, t, w.Provider); err != nil {
		return nil, err
	}
	if _, err := r.createClient(ctx, t.Tx, d); err != nil {
		return nil, err
	}
	for _, s := range w.Secrets {
		secret, err := r.sealSecret(s.Text)
		if err != nil {
			return nil, err
		}
		if !s.Made.IsZero() {
			secret.CreatedAt = s.Made
		}
		secret.ExpiresAt = s.Ends
		t.InsertSecret(c.ID, secret)
	}
	return weakSecret(notes, w.Secrets), nil
}

// weakSecret adds that one of the secrets is short.
func weakSecret(notes []Note, secrets []SecretImport) []Note {
	if !slices.ContainsFunc(secrets, func(s SecretImport) bool { return s.Text.Len() < oauth.WeakSecret }) {
		return notes
	}
	return append(notes, Note{
		Code: NoteWeak, Message: fmt.Sprintf("A secret of fewer than %d characters can be guessed: rotate it.", oauth.WeakSecret), Member: oauth.MemberClientSecret,
	})
}

// noSecret adds that a client which needs a secret has none.
func noSecret(notes []Note, doc jsondoc.Object) []Note {
	if len(oauth.EffectiveMethods(doc, nil)) == 0 { // without a key, those that need a secret
		return notes
	}
	return append(notes, Note{Code: NoteNoSecret, Message: "The source shows no secret: rotate it to get one.", Member: "client_secret"})
}

func (r *Registry) updateImported(ctx context.Context, t *importTx, w ClientImport, was *importedClient) (Outcome, []Note, error) {
	c := was.Client
	c.Document = maps.Clone(was.Document)
	notes, err := w.Edit(c.Document, &was.Client)
	if err != nil {
		return Failed, notes, err
	}
	for _, v := range r.Management.Fixed(was.Document, c.Document) {
		if c.Document[v.Member] != nil {
			notes = append(notes, Dropped(v.Member, v.Detail))
		}
		if delete(c.Document, v.Member); was.Document[v.Member] != nil {
			c.Document[v.Member] = was.Document[v.Member]
		}
	}
	more, err := r.fitReferences(ctx, t, &w, c, was.Document)
	if err != nil {
		return Failed, nil, err
	}
	notes = append(notes, more...)
	d := oauth.Draft{Client: &c}
	outcome := Unchanged
	if d.Credentials, outcome, more, err = r.importedCredentials(ctx, t, w, was, c.Document); err != nil {
		return Failed, nil, err
	}
	notes = slices.Concat(notes, more, fitTogether(c.Document, slices.Concat(was.credentials, d.Credentials)))
	if len(w.Secrets) == 0 && len(was.secrets) == 0 {
		notes = noSecret(notes, c.Document)
	}
	notes = append(notes, w.close(c.Document)...)
	for member, raw := range c.Document {
		if old := was.Document[member]; old != nil && sameJSON(old, raw) {
			c.Document[member] = old
		}
	}
	if w.Scopes != nil && !slices.EqualFunc(*w.Scopes, was.links.Scopes, func(a, b oauth.Scope) bool { return a.Name == b.Name }) {
		if d.Scopes, err = r.importedScopes(ctx, t, w.Scopes); err != nil {
			return Failed, nil, err
		}
	}
	if w.Provider.ID != "" && w.Provider.ID != was.links.IdentityProvider.ID {
		if d.IdentityProvider, err = r.importedProvider(ctx, t, w.Provider); err != nil {
			return Failed, nil, err
		}
	}
	if w.KeyPair != was.links.KeyPair {
		d.KeyPair = w.KeyPair
	}
	if w.Key != nil && (was.links.KeyPair != "" || jsondoc.String(was.Document[oauth.MemberPublicKey]) != w.Key.PublicPEM) {
		d.NewKey = w.Key
	}
	if len(w.Secrets) > 0 && (len(was.secrets) == 0 || !r.keys.VerifyMAC(was.secrets[0].MAC, []byte(w.Secrets[0].Text.Reveal()), tokens.MACLocation(was.secrets[0].ID))) {
		d.NewSecret = w.Secrets[0].Text
	}
	notes = weakSecret(notes, w.Secrets)
	if equalDocuments(was.Document, c.Document) && d.Credentials == nil && d.Scopes == nil && d.IdentityProvider == "" && d.KeyPair == "" && d.NewKey == nil && d.NewSecret.IsZero() {
		return outcome, notes, nil
	}
	return Updated, notes, r.updateClient(ctx, t.Tx, was.Client, d)
}

// importedCredentials returns those credentials that the client does not have,
// except those that it cannot have in addition to its others, and puts the ids of those
// that it has into doc. It stores new ends of credentials, which is Updated.
func (r *Registry) importedCredentials(ctx context.Context, t *importTx, w ClientImport, was *importedClient, doc jsondoc.Object) (fresh []oauth.Credential, outcome Outcome, notes []Note, err error) {
	outcome = Unchanged
	for _, cred := range w.Credentials {
		i := slices.IndexFunc(was.credentials, func(have oauth.Credential) bool { return SameCredential(have, cred) })
		if i < 0 {
			if err := checkCredentials(slices.Concat(was.credentials, fresh, []oauth.Credential{cred})); err != nil {
				notes = append(notes, Dropped("credential "+cred.ID, "is one too many, or has the key of another one"))
			} else {
				fresh = append(fresh, cred)
			}
			continue
		}
		have := was.credentials[i]
		rename(doc, cred.ID, have.ID)
		if have.Type == oauth.TypePublicKey && !sameTime(have.ExpiresAt, cred.ExpiresAt) {
			change := clientChange{before: &was.Client, after: &was.Client, credential: changingCredentials}
			if err := r.mayChange(ctx, change); err != nil {
				return nil, Failed, nil, err
			}
			before := have
			if err := have.SetExpiry(cred.ExpiresAt, r.now()); err != nil {
				return nil, Failed, nil, err
			}
			t.SetCredentialExpiry(have.ID, have.ExpiresAt, have.UpdatedAt)
			r.recordCredential(ctx, t.Tx, "credential.updated", was.Client, &before, &have)
			outcome = Updated
		}
	}
	return fresh, outcome, notes, nil
}

// SameCredential reports whether two credentials prove the same.
func SameCredential(a, b oauth.Credential) bool {
	if a.Type != b.Type {
		return false
	}
	switch a.Type {
	case oauth.TypePublicKey:
		return a.KeyThumbprint == b.KeyThumbprint && a.Alg == b.Alg
	case oauth.TypeX509Cert:
		return a.ThumbprintSHA256 == b.ThumbprintSHA256
	}
	return a.SubjectDN == b.SubjectDN
}

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}

// rename puts another credential in the place of one that doc names.
func rename(doc jsondoc.Object, from, to string) {
	if from == to {
		return
	}
	for _, member := range []string{oauth.SlotsOfAuthentication, oauth.SlotSignedRequest, oauth.SlotTokenVault} {
		if raw := doc[member]; raw != nil {
			doc[member] = bytes.ReplaceAll(raw, jsondoc.Must(from), jsondoc.Must(to))
		}
	}
}

// importedScopes finds the scopes of a client by name, then by id, and makes
// those that do not exist.
func (r *Registry) importedScopes(ctx context.Context, t *importTx, wanted *[]oauth.Scope) (*[]oauth.ScopeChoice, error) {
	if wanted == nil {
		return nil, nil
	}
	choices := []oauth.ScopeChoice{}
	if len(*wanted) == 0 {
		return &choices, nil
	}
	var names, ids []string
	for _, s := range *wanted {
		names = append(names, s.Name)
		if s.ID != "" {
			ids = append(ids, s.ID)
		}
	}
	found, err := t.HoldScopes(ctx, ids, names)
	if err != nil {
		return nil, err
	}
	var missing []oauth.Scope
	for _, s := range *wanted {
		i := slices.IndexFunc(found, func(f oauth.Scope) bool { return f.Name == s.Name })
		if i < 0 {
			i = slices.IndexFunc(found, func(f oauth.Scope) bool { return f.ID == s.ID })
		}
		if i >= 0 {
			s = found[i]
		} else {
			if s.ID == "" {
				s.ID = uuid.NewString()
			}
			s.CreatedAt = r.now()
			missing = append(missing, s)
		}
		choices = append(choices, oauth.ScopeChoice{ID: s.ID})
	}
	slices.SortFunc(missing, func(a, b oauth.Scope) int { return strings.Compare(a.Name, b.Name) })
	made, err := t.MakeScopes(ctx, missing)
	if err != nil {
		return nil, err
	}
	for _, s := range made {
		r.record(ctx, t.Tx, "scope.created", "scope", s.Name, nil, scopeDocument(s))
	}
	for i, s := range *wanted { // made by somebody else just now, with another id
		if !slices.ContainsFunc(made, func(m oauth.Scope) bool { return m.ID == choices[i].ID }) && !slices.ContainsFunc(found, func(f oauth.Scope) bool { return f.ID == choices[i].ID }) {
			choices[i] = oauth.ScopeChoice{Name: s.Name}
		}
	}
	return &choices, nil
}

// importedProvider returns the id of an identity provider. One that has a name
// and does not exist is made.
func (r *Registry) importedProvider(ctx context.Context, t *importTx, p oauth.IdentityProvider) (string, error) {
	if p.ID == "" || p.Name == "" {
		return p.ID, nil
	}
	_, err := t.HoldIdentityProvider(ctx, p.ID)
	if oauth.KindOf(err) != oauth.NotFound {
		return p.ID, err
	}
	if err := permit(ctx, creatingProviders); err != nil {
		return "", err
	}
	p.CreatedAt = r.now()
	p.UpdatedAt = p.CreatedAt
	return p.ID, r.insertProvider(ctx, t.Tx, p)
}

func equalDocuments(a, b jsondoc.Object) bool {
	return maps.EqualFunc(a, b, func(x, y json.RawMessage) bool { return bytes.Equal(x, y) || sameJSON(x, y) })
}

// sameJSON reports whether two values differ in nothing but spaces, escapes and
// the order of members.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	canonical := func(raw json.RawMessage) []byte {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var v any
		if dec.Decode(&v) != nil {
			return raw
		}
		return jsondoc.Must(v)
	}
	return bytes.Equal(canonical(a), canonical(b))
}
