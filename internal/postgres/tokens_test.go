package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/postgrestest"
)

func TestAssertionOfAClientDeletedMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	store := postgres.New(postgrestest.New(t))
	if _, err := store.UseAssertion(t.Context(), uuid.NewString(), []byte("jti"), time.Now()); oauth.KindOf(err) != oauth.Unauthenticated {
		t.Errorf("recording it: %v", err)
	}
}
