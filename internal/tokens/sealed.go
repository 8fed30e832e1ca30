package tokens

import (
	"context"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
)

// MACLocation is where the MAC of a client's secret is kept.
func MACLocation(id string) seal.Location {
	return seal.Location{Table: "client_secrets", Row: id, Column: "mac"}
}

// macColumn is where the MACs of clients' secrets are.
var macColumn = func() postgres.SealedColumn {
	for _, c := range postgres.SealedColumns {
		if c.Source != "" {
			return c
		}
	}
	panic("registry: no column of MACs")
}()

// renewMAC stores the MAC of a secret that was just presented under the primary
// key. Where only MACs are kept there is no other time to do it.
func (r *Tokens) renewMAC(ctx context.Context, s oauth.ClientSecret, secret oauth.Secret) error {
	if !r.keys.StaleMAC(s.MAC) {
		return nil
	}
	old := []postgres.SealedValue{{Key: s.ID, Value: s.MAC}}
	renewed := []postgres.SealedValue{{Value: r.keys.MAC([]byte(secret.Reveal()), MACLocation(s.ID))}}
	_, err := r.store.ReplaceValues(ctx, macColumn, old, renewed)
	return err
}

// OpenAPISecret opens the HS256 signing secret of an API, zero if it has
// none.
func (r *Tokens) OpenAPISecret(api oauth.ResourceServer) (oauth.Secret, error) {
	if api.SealedSecret == nil {
		return oauth.Secret{}, nil
	}
	text, err := r.keys.Open(api.SealedSecret, APISecretLocation(api.ID))
	return oauth.NewSecret(string(text)), err
}

// APISecretLocation is where the signing secret of an API is kept.
func APISecretLocation(id string) seal.Location {
	return seal.Location{Table: "resource_servers", Row: id, Column: "sealed_secret"}
}
