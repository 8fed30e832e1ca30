// Package hydra reads clients as Ory Hydra's administration API shows them. It
// serves nothing.
package hydra

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/uri"
	"github.com/rosterhq/roster/server/dialect"
)

// New returns the dialect, which has no routes.
func New(reg *registry.Registry) dialect.Dialect {
	return dialect.Dialect{Name: "hydra", Importer: importer(reg), Checker: checkMember, WireName: WireName}
}

// importer reads elements of GET /admin/clients.
func importer(reg *registry.Registry) dialect.Importer {
	return func(record jsondoc.Object) registry.Import {
		id, err := dialect.ImportedClientID(record)
		if err == nil {
			var one registry.Import
			if one, err = readClient(reg, id, record); err == nil {
				return one
			}
		}
		return registry.Unfit(registry.KindClient, id, err)
	}
}

// hashes are what hashed secrets start with.
var hashes = []string{"$2a$", "$2b$", "$2y$", "$pbkdf2"}

func readClient(reg *registry.Registry, id string, record jsondoc.Object) (registry.Import, error) {
	w := registry.ClientImport{ClientID: id, ID: dialect.ImportedUUID(id)}
	var rights []string
	secret, err := dialect.ImportedSecret(record, "client_secret")
	if err != nil {
		return registry.Import{}, err
	}
	if hashed := slices.ContainsFunc(hashes, func(h string) bool { return strings.HasPrefix(secret.Reveal(), h) }); !secret.IsZero() && !hashed {
		w.Secrets = []registry.SecretImport{{Text: secret}}
		rights = append(rights, "update:client_keys")
	}
	var notes []registry.Note
	note := func(code, member, message string) {
		notes = append(notes, registry.Note{Code: code, Message: message, Member: member})
	}
	fresh := jsondoc.Object{}
	for _, name := range slices.Sorted(maps.Keys(record)) {
		raw := record[name]
		check, known := members[name]
		switch {
		case slices.Contains(ownOfHydra, name) || jsondoc.IsNull(raw):
		case !known:
			note(registry.NoteLeftOut, name, "Roster has no place for "+name+".")
		default:
			if below, why := check(raw); why != "" {
				return registry.Import{}, dialect.ImportRefused(name+below, "format", why)
			}
			if string(raw) != `""` && string(raw) != "[]" && string(raw) != "{}" { // what Hydra shows of members without a value
				fresh[canonical(name)] = raw
			}
		}
	}
	if fresh["grant_types"] == nil { // RFC 7591 §2
		fresh["grant_types"] = json.RawMessage(`["authorization_code"]`)
	}
	if fresh["hydra:audience"] != nil {
		note(registry.NoteLeftOut, "audience", "Grants are not taken over: make a resource server and a client grant for each audience.")
	}
	if jsondoc.String(fresh["token_endpoint_auth_method"]) == oauth.SlotPrivateKeyJWT {
		if err := takeKeys(reg, &w, fresh, note); err != nil {
			return registry.Import{}, err
		}
		if len(w.Credentials) > 0 {
			rights = append(rights, "create:client_credentials", "update:client_credentials")
		}
	}
	registered := len(w.Credentials) > 0
	w.Edit = func(doc jsondoc.Object, _ *oauth.Client) ([]registry.Note, error) {
		for name := range members {
			delete(doc, canonical(name))
		}
		if registered || fresh["token_endpoint_auth_method"] != nil {
			delete(doc, oauth.SlotsOfAuthentication)
		}
		maps.Copy(doc, fresh)
		return nil, nil
	}
	return reg.ImportOfClient(w, rights, notes), nil
}

// takeKeys makes the RSA keys of jwks credentials of a client that signs
// assertions.
func takeKeys(reg *registry.Registry, w *registry.ClientImport, fresh jsondoc.Object, note func(code, member, message string)) error {
	var set jose.JSONWebKeySet
	if fresh["jwks"] != nil && json.Unmarshal(fresh["jwks"], &set) != nil {
		return dialect.ImportRefused("jwks", "format", "must be a set of JSON Web Keys")
	}
	ids := []map[string]string{}
	for i, key := range set.Keys {
		member := fmt.Sprintf("jwks.keys[%d]", i)
		public, ok := key.Key.(*rsa.PublicKey)
		if !ok || len(ids) == oauth.MaxCredentialsPerSlot {
			note(registry.NoteNoKey, member, "Roster takes assertions that are signed by one of two RSA keys.")
			continue
		}
		der, err := x509.MarshalPKIXPublicKey(crypto.PublicKey(public))
		if err != nil {
			return dialect.ImportRefused(member, "format", "is no key")
		}
		text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		request := oauth.CredentialRequest{Type: oauth.TypePublicKey, PEM: &text}
		if slices.Contains(oauth.CredentialAlgorithms, key.Algorithm) {
			request.Alg = &key.Algorithm
		}
		if key.KeyID != "" {
			request.KeyID = &key.KeyID
		}
		cred, err := reg.NewCredential(request)
		if err != nil && request.KeyID != nil {
			request.KeyID = nil
			if cred, err = reg.NewCredential(request); err == nil {
				note(registry.NoteLeftOut, member, "Its kid cannot be kept: the client must sign without one, or with "+cred.KeyID+".")
			}
		}
		if err != nil {
			return oauth.Within(member, err)
		}
		w.Credentials = append(w.Credentials, cred)
		ids = append(ids, map[string]string{"id": cred.ID})
	}
	if len(ids) == 0 {
		note(registry.NoteNoKey, "jwks", "The client has no key that Roster can take: register one.")
		return nil
	}
	delete(fresh, "token_endpoint_auth_method") // the slot says it
	fresh[oauth.SlotsOfAuthentication] = jsondoc.Must(jsondoc.Object{oauth.SlotPrivateKeyJWT: jsondoc.Must(map[string]any{"credentials": ids})})
	return nil
}

// checkMember holds members that only Hydra or RFC 7591 knows to the rules of this
// table.
func checkMember(doc jsondoc.Object, member string) (known bool, err error) {
	for name, check := range members {
		if canonical(name) != member {
			continue
		}
		if below, why := check(doc[member]); why != "" {
			err = dialect.ImportRefused(member+below, "format", why)
		}
		return true, err
	}
	return false, nil
}

// ownOfHydra are members that have no meaning elsewhere.
var ownOfHydra = []string{
	"client_id", "client_secret", "client_secret_expires_at", "registration_access_token", "registration_client_uri", "created_at", "updated_at",
}

// check says what is wrong with a value, "" for nothing, and at which path below
// it. why is the Detail of an oauth.Violation.
type check func(json.RawMessage) (below, why string)

// members are those of a client that are kept.
var members = map[string]check{
	"client_name": text, "redirect_uris": addresses(uri.CallbackURL), "grant_types": texts, "response_types": texts, "scope": text,
	"audience": texts, "owner": text, "policy_uri": address, "tos_uri": address, "client_uri": address, "logo_uri": address, "contacts": texts,
	"allowed_cors_origins": addresses(uri.URLWithPlaceholders), "post_logout_redirect_uris": addresses(uri.URLWithPlaceholders),
	"subject_type": text, "sector_identifier_uri": address, "jwks": publicKeys, "jwks_uri": address, "request_uris": addresses(uri.URL),
	"request_object_signing_alg": text, "userinfo_signed_response_alg": text, "id_token_signed_response_alg": text,
	"token_endpoint_auth_method": method, "token_endpoint_auth_signing_alg": text, "access_token_strategy": text,
	"frontchannel_logout_uri": address, "frontchannel_logout_session_required": flag,
	"backchannel_logout_uri": address, "backchannel_logout_session_required": flag,
	"skip_consent": flag, "skip_logout_consent": flag, "metadata": object,

	"authorization_code_grant_access_token_lifespan": lifespan, "authorization_code_grant_id_token_lifespan": lifespan,
	"authorization_code_grant_refresh_token_lifespan": lifespan, "client_credentials_grant_access_token_lifespan": lifespan,
	"implicit_grant_access_token_lifespan": lifespan, "implicit_grant_id_token_lifespan": lifespan,
	"jwt_bearer_grant_access_token_lifespan": lifespan, "refresh_token_grant_access_token_lifespan": lifespan,
	"refresh_token_grant_id_token_lifespan": lifespan, "refresh_token_grant_refresh_token_lifespan": lifespan,
	"device_authorization_grant_access_token_lifespan": lifespan, "device_authorization_grant_id_token_lifespan": lifespan,
	"device_authorization_grant_refresh_token_lifespan": lifespan,
}

// ofHydra are the members that no registration standard has.
var ofHydra = []string{"audience", "owner", "access_token_strategy", "skip_consent", "skip_logout_consent"}

// canonical is the member of a document that a client's member is kept in.
func canonical(name string) string {
	switch {
	case name == "metadata":
		return oauth.MemberMetadata
	case name == "allowed_cors_origins":
		return oauth.MemberAllowedOrigins
	case slices.Contains(ofHydra, name) || strings.HasSuffix(name, "_lifespan"):
		return "hydra:" + name
	}
	return name
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

func read[T any](raw json.RawMessage) (v T, ok bool) {
	ok = json.Unmarshal(raw, &v) == nil
	return v, ok
}

func kind[T any](what string) check {
	return func(raw json.RawMessage) (below, why string) {
		if _, ok := read[T](raw); !ok {
			return "", "must be " + what
		}
		return "", ""
	}
}

var (
	text   = kind[string]("a text")
	texts  = kind[[]string]("an array of texts")
	flag   = kind[bool]("true or false")
	object = kind[jsondoc.Object]("an object")
)

func address(raw json.RawMessage) (below, why string) {
	if s, ok := read[string](raw); !ok || uri.AbsoluteURIOrEmpty(s) != nil {
		return "", "must be an absolute URI"
	}
	return "", ""
}

func addresses(valid func(string) error) check {
	return func(raw json.RawMessage) (below, why string) {
		list, ok := read[[]string](raw)
		if !ok {
			return "", "must be an array of texts"
		}
		for i, s := range list {
			if err := valid(s); err != nil {
				return fmt.Sprintf("[%d]", i), err.Error()
			}
		}
		return "", ""
	}
}

func method(raw json.RawMessage) (below, why string) {
	methods := []string{"", "none", oauth.SecretBasic, oauth.SecretPost, oauth.SlotPrivateKeyJWT}
	if s, ok := read[string](raw); !ok || !slices.Contains(methods, s) {
		return "", "must be client_secret_basic, client_secret_post, private_key_jwt or none"
	}
	return "", ""
}

func lifespan(raw json.RawMessage) (below, why string) {
	s, ok := read[string](raw)
	if _, err := time.ParseDuration(s); !ok || s != "" && err != nil {
		return "", "must be a duration such as 1h0m0s"
	}
	return "", ""
}

// publicKeys lets no private or symmetric key into a document.
func publicKeys(raw json.RawMessage) (below, why string) {
	set, ok := read[struct{ Keys []json.RawMessage }](raw)
	if !ok {
		return "", "must be a set of JSON Web Keys"
	}
	for i, key := range set.Keys {
		var jwk jose.JSONWebKey
		if json.Unmarshal(key, &jwk) != nil || !jwk.Valid() || !jwk.IsPublic() {
			return fmt.Sprintf(".keys[%d]", i), "is no public key"
		}
	}
	return "", ""
}
