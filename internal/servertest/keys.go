package servertest

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/seal"
)

// sharedKeys is the keyset of every service of a test binary. Making RSA keys
// takes most of the time that starting a service does, so they are made once
// and handed on, which needs one keyset.
var sharedKeys = sync.OnceValues(func() (*seal.Keyset, error) { return seal.New(nil) })

var (
	issuerKeysOnce sync.Mutex
	issuerKeys     []postgres.IssuerKey
)

// prepare makes what a registry needs in s's database; the signing keys are
// those of the first service.
func prepare(s *Server, pool *pgxpool.Pool) error {
	ctx, store := context.Background(), postgres.New(pool)
	issuerKeysOnce.Lock()
	defer issuerKeysOnce.Unlock()
	if issuerKeys != nil {
		if err := store.Write(ctx, func(tx *postgres.Tx) error {
			for _, k := range issuerKeys {
				tx.InsertIssuerKey(k)
			}
			return nil
		}); err != nil {
			return err
		}
		return s.Registry.Prepare(ctx)
	}
	if err := s.Registry.Prepare(ctx); err != nil {
		return err
	}
	for _, use := range []string{"token", "tenant"} {
		keys, err := store.IssuerKeys(ctx, use, s.Registry.Now())
		if err != nil {
			return err
		}
		issuerKeys = append(issuerKeys, keys...)
	}
	return nil
}
