package native_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterhq/roster/internal/servertest"
)

func TestAddressesAreTakenAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	addresses := []any{
		"app:///x", "com.example.app:/cb", "com.example.app://cb", "com.example.app:///cb",
		"myapp://", "exp://127.0.0.1:19000/--/auth",
		"http://[::1]/cb", "http://[::1]:3000/cb", "http://127.0.0.1:8080/cb", "https://[2001:db8::1]/",
		"https://my_app.example.com/cb", "https://*--site.example.com/cb", "https://EXAMPLE.com/CB?b=c",
	}
	slices.SortFunc(addresses, func(a, b any) int { return len(a.(string)) - len(b.(string)) })
	const id = "shop"
	imported := importRecords(s, s.Admin, "hydra", false, object{
		"client_id": id, "client_name": "Shop", "grant_types": []string{"authorization_code"},
		"redirect_uris": addresses, "post_logout_redirect_uris": addresses,
	})
	if imported[0].Outcome != "created" {
		t.Fatalf("imported: %+v", imported)
	}
	same := func(when string) {
		t.Helper()
		got := s.Do(s.Admin, "GET", "/api/v2/clients/"+id, nil).Want(200).Object()
		for _, member := range []string{"callbacks", "allowed_logout_urls"} {
			if diff := cmp.Diff(any(addresses), got[member]); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", when, member, diff)
			}
		}
	}
	same("imported")
	for _, list := range [][]any{{}, addresses} {
		s.Do(s.Admin, "PATCH", "/api/v2/clients/"+id, object{"callbacks": list, "allowed_logout_urls": list}).Want(200)
	}
	same("written")
}

// Hydra exports an empty jwks next to every jwks_uri.
func TestAnEmptyKeySetIsNoneNextToItsAddress(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for i, jwks := range []any{object{}, object{"keys": nil}, object{"keys": []any{}}, nil} {
		id, address := fmt.Sprint("worker", i), "https://worker.example/jwks"
		imported := importRecords(s, s.Admin, "hydra", false, object{
			"client_id": id, "grant_types": []string{"client_credentials"}, "token_endpoint_auth_method": "private_key_jwt",
			"jwks": jwks, "jwks_uri": address,
		})
		var got string
		err := s.Pool.QueryRow(t.Context(), "SELECT document ->> 'jwks_uri' FROM clients WHERE client_id = $1", id).Scan(&got)
		if err != nil || got != address {
			t.Errorf("%v: jwks_uri is %q, %v; import says %+v", jwks, got, err, imported)
		}
	}
}
