package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
)

// TestTheShortestLifetimeHolds asks for tokens of clients with lifetimes of
// their own.
func TestTheShortestLifetimeHolds(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	api := s.Do(s.Admin, "POST", "/api/v2/resource-servers", object{"identifier": "https://orders.example", "token_lifetime": 600}).Want(201).Object()["identifier"].(string)
	for name, test := range map[string]struct {
		format  string
		members object
		want    float64
	}{
		"the API's":             {"auth0", object{}, 600},
		"other tokens'":         {"auth0", object{"jwt_configuration": object{"lifetime_in_seconds": 30}}, 600},
		"Boruta's":              {"boruta", object{"access_token_ttl": 60}, 60},
		"Boruta's, longer":      {"boruta", object{"access_token_ttl": 3600}, 600},
		"Boruta's of others":    {"boruta", object{"id_token_ttl": 5, "refresh_token_ttl": 5}, 600},
		"Hydra's":               {"hydra", object{"client_credentials_grant_access_token_lifespan": "1m30s"}, 90},
		"Hydra's, fractions":    {"hydra", object{"client_credentials_grant_access_token_lifespan": "0h1.5m"}, 90},
		"Hydra's, longer":       {"hydra", object{"client_credentials_grant_access_token_lifespan": "720h0m0s"}, 600},
		"Hydra's of other ways": {"hydra", object{"refresh_token_grant_access_token_lifespan": "5s"}, 600},
	} {
		id := imported(s, test.format, test.members)
		allow(s, id, api)
		answer := ask(s, request(s, "client_id", id, "client_secret", theSecret, "audience", api)).Want(200).Object()
		if answer["expires_in"] != test.want {
			t.Errorf("%s: expires_in is %v, want %v", name, answer["expires_in"], test.want)
		}
		_, claims := open(t, answer["access_token"].(string), "RS256", keySet(s))
		if got := claims["exp"].(float64) - claims["iat"].(float64); got != test.want {
			t.Errorf("%s: the token lives %v, want %v", name, got, test.want)
		}
	}
	id := imported(s, "hydra", object{"client_credentials_grant_access_token_lifespan": "0s"})
	allow(s, id, api)
	refusedFor(t, ask(s, request(s, "client_id", id, "client_secret", theSecret, "audience", api)), "client_credentials_grant_access_token_lifespan")
}

// imported makes a client with theSecret and returns its client_id.
func imported(s *servertest.Server, format string, members object) string {
	id := uuid.NewString()
	record := object{"client_id": id, "name": "n", "client_secret": theSecret, "grant_types": []string{"client_credentials"}}
	switch format {
	case "hydra":
		delete(record, "name")
	case "boruta":
		record = object{"id": id, "secret": theSecret, "confidential": true, "supported_grant_types": []string{"client_credentials"}}
	}
	for name, value := range members {
		record[name] = value
	}
	s.Do(s.Admin, "POST", "/api/roster/v1/import", object{"format": format, "records": []object{record}}).Want(200)
	return id
}

func refusedFor(t *testing.T, r servertest.Response, member string) {
	t.Helper()
	body := r.Want(400).Object()
	if text, _ := body["error_description"].(string); body["error"] != "invalid_request" || !strings.Contains(text, member) {
		t.Errorf("%v does not name %s", body, member)
	}
}

// TestNoWeakerTokenThanIsAskedFor has clients and APIs that want tokens which
// Roster cannot make.
func TestNoWeakerTokenThanIsAskedFor(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	n := 0
	newAPI := func(members object) string {
		n++
		body := object{"identifier": "https://api-" + string(rune('a'+n)) + ".example"}
		for name, value := range members {
			body[name] = value
		}
		return s.Do(s.Admin, "POST", "/api/v2/resource-servers", body).Want(201).Object()["identifier"].(string)
	}
	plain := newAPI(nil)
	for name, test := range map[string]struct {
		api, client    object
		format, member string // "" for a token
	}{
		"DPoP":                   {nil, object{"require_proof_of_possession": true}, "auth0", "require_proof_of_possession"},
		"DPoP, not":              {nil, object{"require_proof_of_possession": false}, "auth0", ""},
		"DPoP in Boruta":         {nil, object{"enforce_dpop": true}, "boruta", "enforce_dpop"},
		"an enforced quota":      {nil, object{"token_quota": object{"client_credentials": object{"enforce": true, "per_hour": 1}}}, "auth0", "token_quota"},
		"a quota by default":     {nil, object{"token_quota": object{"client_credentials": object{"per_day": 1}}}, "auth0", "token_quota"},
		"a quota to be logged":   {nil, object{"token_quota": object{"client_credentials": object{"enforce": false, "per_hour": 1}}}, "auth0", ""},
		"an API of certificates": {object{"proof_of_possession": object{"mechanism": "mtls", "required": true}}, nil, "auth0", "proof_of_possession"},
		"an API of DPoP":         {object{"proof_of_possession": object{"mechanism": "dpop", "required": true, "required_for": "all_clients"}}, nil, "hydra", "proof_of_possession"},
		"an API of DPoP in part": {object{"proof_of_possession": object{"mechanism": "dpop", "required": true, "required_for": "public_clients"}}, nil, "auth0", ""},
		"an API that may":        {object{"proof_of_possession": object{"mechanism": "dpop", "required": false}}, nil, "auth0", ""},
		"encryption": {object{"token_encryption": object{"format": "compact-nested-jwe", "encryption_key": object{
			"name": "k", "alg": "RSA-OAEP-256", "pem": publicPEM(t, keys[1]())}}}, nil, "boruta", "token_encryption"},
	} {
		t.Run(name, func(t *testing.T) {
			audience := plain
			if test.api != nil {
				audience = newAPI(test.api)
			}
			id := imported(s, test.format, test.client)
			allow(s, id, audience)
			answer := ask(s, request(s, "client_id", id, "client_secret", theSecret, "audience", audience))
			if test.member == "" {
				answer.Want(200)
			} else {
				refusedFor(t, answer, test.member)
			}
		})
	}
}

// TestManagementTokensLiveAsLongAsTheDeploymentSays compares what the token
// endpoint and the API say.
func TestManagementTokensLiveAsLongAsTheDeploymentSays(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) { c.ManagementTokenTTL = time.Minute }})
	id, secret := newClient(s, nil)
	answer := ask(s, request(s, "client_id", id, "client_secret", secret)).Want(200).Object()
	if answer["expires_in"] != 60.0 {
		t.Errorf("expires_in is %v", answer["expires_in"])
	}
	var apis []object
	s.Do(s.Admin, "GET", "/api/v2/resource-servers", nil).Want(200).Decode(&apis)
	for _, api := range apis {
		if api["identifier"] == audience(s) && (api["token_lifetime"] != 60.0 || api["token_lifetime_for_web"] != 60.0) {
			t.Errorf("the API shows %v and %v", api["token_lifetime"], api["token_lifetime_for_web"])
		}
	}
	token := answer["access_token"].(string)
	s.Do(token, "GET", "/api/v2/clients", nil).Want(200)
	s.Clock.Pass(time.Minute)
	s.Do(token, "GET", "/api/v2/clients", nil).Want(401)
}
