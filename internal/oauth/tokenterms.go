package oauth

import (
	"encoding/json"
	"time"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// members of documents that ask of tokens what is not built.
const (
	memberDPoPBound        = "dpop_bound_access_tokens"                   // RFC 9449
	memberCertificateBound = "tls_client_certificate_bound_access_tokens" // RFC 8705
	memberProof            = "proof_of_possession"                        // of an API
	memberEncryption       = "token_encryption"                           // of an API
)

// Enforceable fails when a client or an API asks of its tokens what Roster cannot
// do; the error names the member. A member that cannot be read asks for it.
func Enforceable(client, api jsondoc.Object) error {
	isTrue := func(raw json.RawMessage) bool { return raw != nil && !jsondoc.IsNull(raw) && string(raw) != "false" }
	var proof struct {
		Required *bool  `json:"required"`
		For      string `json:"required_for"`
	}
	var quota struct {
		ClientCredentials *struct {
			Enforce *bool `json:"enforce"`
		} `json:"client_credentials"`
	}
	proofErr, quotaErr := api.Read(memberProof, &proof), client.Read(MemberTokenQuota, &quota)
	switch {
	case isTrue(client[memberDPoPBound]):
		return &Error{Kind: Invalid, Reason: InvalidRequest, Detail: "The client has require_proof_of_possession (enforce_dpop): Roster issues no bound tokens."}
	case isTrue(client[memberCertificateBound]):
		return &Error{Kind: Invalid, Reason: InvalidRequest, Detail: "The client has tls_client_certificate_bound_access_tokens: Roster issues no bound tokens."}
	case proofErr != nil || proof.Required != nil && *proof.Required && proof.For != "public_clients":
		return &Error{Kind: Invalid, Reason: InvalidRequest, Detail: "The API has proof_of_possession: Roster issues no bound tokens."}
	case api[memberEncryption] != nil && !jsondoc.IsNull(api[memberEncryption]):
		return &Error{Kind: Invalid, Reason: InvalidRequest, Detail: "The API has token_encryption: Roster issues no encrypted tokens."}
	case quotaErr != nil || quota.ClientCredentials != nil && (quota.ClientCredentials.Enforce == nil || *quota.ClientCredentials.Enforce):
		return &Error{Kind: Invalid, Reason: InvalidRequest, Detail: "The client has a token_quota that is enforced: Roster counts no tokens."}
	}
	return nil
}

// TokenLifetime returns the shortest of the lifetimes, in seconds, that hold for
// tokens which a client gets for itself: the API's and those of the client.
func TokenLifetime(client jsondoc.Object, api int) (int, error) {
	shortest := api
	if raw := client[MemberAccessTokenTTL]; raw != nil && !jsondoc.IsNull(raw) {
		var seconds int
		if json.Unmarshal(raw, &seconds) != nil || seconds <= 0 {
			return 0, &Error{Kind: Invalid, Reason: InvalidRequest, Detail: "The client's access_token_ttl is no lifetime of a token."}
		}
		shortest = min(shortest, seconds)
	}
	if raw := client[MemberClientLifespan]; raw != nil && !jsondoc.IsNull(raw) && string(raw) != `""` {
		d, err := time.ParseDuration(jsondoc.String(raw)) // "" if it is not a string
		if err != nil || d < time.Second {
			return 0, &Error{
				Kind: Invalid, Reason: InvalidRequest, Detail: "The client's client_credentials_grant_access_token_lifespan is no lifetime of a token.",
			}
		}
		shortest = min(shortest, int(min(d/time.Second, 1<<31-1)))
	}
	return shortest, nil
}
