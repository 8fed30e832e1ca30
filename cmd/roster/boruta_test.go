package main_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/rosterhq/roster/server/boruta"
)

func TestBorutaDialectIsAsConfigured(t *testing.T) {
	t.Parallel()
	env, _ := external(t)
	s := serve(t, append(env, "ROSTER_BORUTA_PROFILE=master", "ROSTER_BORUTA_MAX_TTL=access_token_ttl=3600"), "--setup")
	token, ok := shell(t, s.printed("Get a token"))["access_token"].(string)
	if !ok {
		t.Fatal("no token")
	}
	status, body := s.call(token, "POST", "/api/identity-providers", `{"identity_provider":{"name":"people","backend_id":"`+boruta.BackendID+`"}}`)
	var provider struct{ Data struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &provider); err != nil || status != http.StatusCreated {
		t.Fatalf("making an identity provider: %d %s", status, body)
	}
	client := func(ttl string) string {
		return `{"client":{"access_token_ttl":` + ttl + `,"identity_provider":{"id":"` + provider.Data.ID + `"}}}`
	}
	if status, body := s.call(token, "POST", "/api/clients", client("3601")); status != http.StatusUnprocessableEntity {
		t.Errorf("a lifetime over the maximum: %d %s", status, body)
	}
	status, body = s.call(token, "POST", "/api/clients", client("3600"))
	var made struct{ Data map[string]any }
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusCreated {
		t.Fatalf("making a client: %d %s", status, body)
	}
	if _, shown := made.Data["trusted_hosts"]; !shown || len(made.Data) != 33 {
		t.Errorf("%d members, trusted_hosts shown: %v", len(made.Data), shown)
	}
}
