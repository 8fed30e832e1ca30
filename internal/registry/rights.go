package registry

import (
	"context"

	"github.com/rosterhq/roster/internal/oauth"
)

// mayControl reports whether ctx's caller may see, set or change what a client
// proves itself by: only a caller who holds all that the client is granted on the
// management API, and so gains nothing by being the client.
func mayControl(ctx context.Context, c *oauth.Client) bool {
	return oauth.OriginOf(ctx).Rights().Has(c.Granted)
}
