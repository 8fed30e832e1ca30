package tokens_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/postgres"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
	"github.com/rosterhq/roster/internal/tokens"
)

func TestManagementTokensEndWithTheirGrant(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	config := s.Registry.Config
	other := registry.New(postgres.New(s.Serving), s.Keys, config) // an instance that hears of nothing

	token := s.Token("read:clients", "update:clients")
	may := func(r *registry.Registry, scope string) bool {
		t.Helper()
		caller, err := r.VerifyToken(t.Context(), token)
		if err != nil && oauth.KindOf(err) != oauth.Unauthenticated {
			t.Fatal(err)
		}
		return err == nil && caller.Has(scope)
	}
	if !may(s.Registry, "read:clients") || !may(other, "update:clients") {
		t.Fatal("the token is no good to begin with")
	}
	var clients []map[string]any
	s.Do(s.Admin, "GET", "/api/v2/clients?fields=client_id,name&is_global=false", nil).Want(http.StatusOK).Decode(&clients)
	id := clients[0]["client_id"].(string)
	var grants []map[string]any
	s.Do(s.Admin, "GET", "/api/v2/client-grants?client_id="+id, nil).Want(http.StatusOK).Decode(&grants)

	s.Do(s.Admin, "PATCH", "/api/v2/client-grants/"+grants[0]["id"].(string), map[string]any{"scope": []string{"read:clients"}}).Want(http.StatusOK)
	if may(s.Registry, "update:clients") || !may(s.Registry, "read:clients") {
		t.Error("a scope that was taken away counts, or one that was not does not")
	}
	s.Clock.Pass(tokens.RevocationBound + time.Millisecond)
	if may(other, "update:clients") || !may(other, "read:clients") {
		t.Error("after the bound another instance takes a scope that was taken away, or refuses one that was not")
	}

	s.Do(s.Admin, "DELETE", "/api/v2/clients/"+id, nil).Want(http.StatusNoContent)
	if may(s.Registry, "read:clients") {
		t.Error("the token of a deleted client is good")
	}
	s.Clock.Pass(tokens.RevocationBound + time.Millisecond)
	if may(other, "read:clients") {
		t.Error("after the bound the token of a deleted client is good at another instance")
	}
	s.Do(s.Admin, "GET", "/api/v2/clients", nil).Want(http.StatusOK) // an operator's token has no client
}
