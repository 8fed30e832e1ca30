package hydra

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/uri"
	"github.com/rosterhq/roster/server/dialect"
)

// ownOfHydra are members that have no meaning elsewhere.
var ownOfHydra = []string{
	"client_id", "client_secret", "client_secret_expires_at", "registration_access_token", "registration_client_uri", "created_at", "updated_at",
}

// A fit returns what of a value can be kept, nil for nothing, and what is wrong
// with the rest.
type fit func(json.RawMessage) (kept json.RawMessage, flaws []dialect.Flaw)

// members are those of a client that are kept.
var members = map[string]fit{
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

func read[T any](raw json.RawMessage) (v T, ok bool) {
	ok = json.Unmarshal(raw, &v) == nil && !jsondoc.IsNull(raw)
	return v, ok
}

func kind[T any](what string) fit {
	return func(raw json.RawMessage) (json.RawMessage, []dialect.Flaw) {
		if _, ok := read[T](raw); !ok {
			return nil, []dialect.Flaw{{Why: "must be " + what}}
		}
		return raw, nil
	}
}

var (
	text   = kind[string]("a text")
	flag   = kind[bool]("true or false")
	object = kind[jsondoc.Object]("an object")
	texts  = addresses(func(string) error { return nil })
)

// one keeps a text that is valid.
func one(valid func(string) bool, what string) fit {
	return func(raw json.RawMessage) (json.RawMessage, []dialect.Flaw) {
		if s, ok := read[string](raw); !ok || !valid(s) {
			return nil, []dialect.Flaw{{Why: "must be " + what}}
		}
		return raw, nil
	}
}

// each keeps the elements of an array that valid finds nothing wrong with.
func each(elements []json.RawMessage, valid func(json.RawMessage) string) (kept []json.RawMessage, flaws []dialect.Flaw) {
	kept = []json.RawMessage{}
	for i, raw := range elements {
		if why := valid(raw); why != "" {
			flaws = append(flaws, dialect.Flaw{At: "[" + strconv.Itoa(i) + "]", Why: why})
		} else {
			kept = append(kept, raw)
		}
	}
	return kept, flaws
}

// addresses keeps the texts of an array that are valid.
func addresses(valid func(string) error) fit {
	return func(raw json.RawMessage) (json.RawMessage, []dialect.Flaw) {
		list, ok := read[[]json.RawMessage](raw)
		if !ok {
			return nil, []dialect.Flaw{{Why: "must be an array of texts"}}
		}
		kept, flaws := each(list, func(one json.RawMessage) string {
			s, ok := read[string](one)
			if !ok {
				return "must be a text"
			}
			if err := valid(s); err != nil {
				return err.Error()
			}
			return ""
		})
		if flaws == nil {
			return raw, nil
		}
		return jsondoc.Must(kept), flaws
	}
}

var (
	address  = one(func(s string) bool { return uri.AbsoluteURIOrEmpty(s) == nil }, "an absolute http or https URI")
	method   = one(func(s string) bool { return slices.Contains(methods, s) }, "client_secret_basic, client_secret_post, private_key_jwt or none")
	lifespan = one(func(s string) bool {
		_, err := time.ParseDuration(s)
		return s == "" || err == nil
	}, "a duration such as 1h0m0s")
)

var methods = []string{"", "none", oauth.SecretBasic, oauth.SecretPost, oauth.SlotPrivateKeyJWT}

// publicKeys lets no private or symmetric key into a document.
func publicKeys(raw json.RawMessage) (json.RawMessage, []dialect.Flaw) {
	members, ok := read[jsondoc.Object](raw)
	list, listed := read[[]json.RawMessage](members["keys"])
	if !ok || !listed && members["keys"] != nil && !jsondoc.IsNull(members["keys"]) {
		return nil, []dialect.Flaw{{Why: "must be a set of JSON Web Keys"}}
	}
	kept, flaws := each(list, publicKey)
	if len(kept) == 0 {
		return nil, inKeys(flaws)
	}
	if flaws == nil {
		return raw, nil
	}
	members["keys"] = jsondoc.Must(kept)
	return jsondoc.Must(members), inKeys(flaws)
}

func publicKey(raw json.RawMessage) (why string) {
	var jwk jose.JSONWebKey
	if json.Unmarshal(raw, &jwk) != nil || !jwk.Valid() || !jwk.IsPublic() {
		return "is no public key"
	}
	return ""
}

func inKeys(flaws []dialect.Flaw) []dialect.Flaw {
	for i := range flaws {
		flaws[i].At = ".keys" + flaws[i].At
	}
	return flaws
}
