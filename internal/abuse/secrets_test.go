package abuse

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/servertest"
)

// secretDoors set a client's secret that comes from outside. Each returns the
// client that has it then, and what is wrong with the secret; "" for nothing.
func secretDoors(t testing.TB, s *servertest.Server) map[string]func(secret string) (client, refused string) {
	provider := newProvider(s)
	answered := func(r servertest.Response, id string) (string, string) {
		if r.Status == 400 || r.Status == 422 {
			return "", string(r.Body)
		}
		if r.Status > 299 {
			t.Fatalf("status %d: %s", r.Status, r.Body)
		}
		if id == "" {
			if id, _ = r.Object()["client_id"].(string); id == "" {
				id = r.Object()["data"].(object)["id"].(string)
			}
		}
		return id, ""
	}
	imports := func(format string, record func(id, secret string) object) func(string) (string, string) {
		return func(secret string) (string, string) {
			id := uuid.NewString()
			one := importOne(s, format, record(id, secret))
			if e, ok := one["error"].(object); ok {
				return "", fmt.Sprint(e)
			}
			if warned := strings.Contains(fmt.Sprint(one["warnings"]), "weak_secret"); warned != (len(secret) < 16) {
				t.Errorf("an import in the format %s of a secret of %d characters warns %v", format, len(secret), one["warnings"])
			}
			return id, ""
		}
	}
	return map[string]func(string) (string, string){
		"auth0 create": func(secret string) (string, string) {
			return answered(s.Do(s.Admin, "POST", "/api/v2/clients", object{"name": "x", "client_secret": secret}), "")
		},
		"auth0 change": func(secret string) (string, string) {
			id, _ := newClient(s, nil)
			return answered(s.Do(s.Admin, "PATCH", clientPath(id), object{"client_secret": secret}), id)
		},
		"boruta create": func(secret string) (string, string) {
			return answered(s.Do(s.Admin, "POST", "/api/clients", boruta(provider, object{"secret": secret})), "")
		},
		"boruta change": func(secret string) (string, string) {
			id := s.Do(s.Admin, "POST", "/api/clients", boruta(provider, nil)).Want(201).Object()["data"].(object)["id"].(string)
			return answered(s.Do(s.Admin, "PUT", "/api/clients/"+id, object{"client": object{"secret": secret}}), id)
		},
		"import auth0": imports("auth0", func(id, secret string) object { return object{"client_id": id, "name": "x", "client_secret": secret} }),
		"import hydra": imports("hydra", func(id, secret string) object {
			return object{"client_id": id, "client_secret": secret, "grant_types": []string{"client_credentials"}}
		}),
		"import boruta": imports("boruta", func(id, secret string) object {
			return object{"id": id, "secret": secret, "confidential": true, "supported_grant_types": []string{"client_credentials"}}
		}),
		"import roster": imports("roster", func(id, secret string) object {
			return object{"kind": "client", "client_id": id, "document": object{"client_name": "x"}, "secrets": []object{{"secret": secret}}}
		}),
		"bootstrap": func(secret string) (string, string) {
			id := uuid.NewString()
			if _, _, err := s.Registry.Administrator(t.Context(), id, oauth.NewSecret(secret)); err != nil {
				return "", err.Error()
			}
			return id, ""
		},
	}
}

func weak(s *servertest.Server, id string) bool {
	list := s.Do(s.Admin, "GET", "/api/roster/v1/clients/"+id+"/secrets", nil).Want(200).Object()["secrets"].([]any)
	return list[0].(object)["weak"].(bool)
}

// Short secrets are taken, and marked wherever they come from.
func TestShortSecretsAreMarked(t *testing.T) {
	t.Parallel()
	for _, hashed := range []bool{false, true} {
		s := servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) { c.HashedSecrets = hashed }})
		for name, set := range secretDoors(t, s) {
			for n, want := range map[int]bool{1: true, 15: true, 16: false} {
				id, refused := set(strings.Repeat("s", n))
				if refused != "" {
					t.Errorf("%s refuses %d characters: %s", name, n, refused)
				} else if weak(s, id) != want {
					t.Errorf("%s, hashed %v: a secret of %d characters is weak: %v", name, hashed, n, !want)
				}
			}
		}
		counted, err := s.Registry.CountWeakSecrets(t.Context())
		if err != nil || counted != 2*len(secretDoors(t, s)) {
			t.Errorf("%d weak secrets are counted, %v", counted, err)
		}
		id, _ := secretDoors(t, s)["auth0 create"]("fünfzehn Zeich.") // of 16 bytes
		if !weak(s, id) {
			t.Error("bytes are counted, not characters")
		}
		if _, err := s.Pool.Exec(t.Context(), `UPDATE client_secrets SET weak = NULL`); err != nil { // as an earlier release leaves it
			t.Fatal(err)
		}
		id, _ = secretDoors(t, s)["auth0 create"]("short")
		if _, err := s.Pool.Exec(t.Context(), `UPDATE client_secrets SET weak = NULL WHERE client = (SELECT id FROM clients WHERE client_id = $1)`, id); err != nil {
			t.Fatal(err)
		}
		if weak(s, id) == hashed {
			t.Errorf("hashed %v: a short secret of an earlier release is weak: %v", hashed, !hashed)
		}
		ask(s, "client_id", id, "client_secret", "short") // its use shows how long it is
		if !weak(s, id) {
			t.Errorf("hashed %v: a short secret of an earlier release that was used is not weak", hashed)
		}
	}
}

// Of two short secrets of an earlier release, the newer is marked when it is used.
func TestEachShortSecretIsMarkedByItsUse(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) {
		c.HashedSecrets, c.SecretGrace = true, time.Hour
	}})
	id, _ := secretDoors(t, s)["auth0 create"]("older")
	s.Do(s.Admin, "PATCH", clientPath(id), object{"client_secret": "newer"}).Want(200)
	tag, err := s.Pool.Exec(t.Context(), `UPDATE client_secrets SET weak = NULL
		WHERE expires_at IS NULL OR expires_at > created_at AND client = (SELECT id FROM clients WHERE client_id = $1)`, id)
	if err != nil || tag.RowsAffected() < 2 {
		t.Fatal(tag, err)
	}
	ask(s, "client_id", id, "client_secret", "newer")
	if !weak(s, id) {
		t.Error("it was used and is not weak")
	}
}

// ROSTER_MIN_SECRET_LENGTH holds at every door, and for what Roster makes itself.
func TestShortSecretsAreRefusedWhereTheDeploymentSays(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) { c.MinSecret = 20 }})
	for name, set := range secretDoors(t, s) {
		if _, refused := set(strings.Repeat("s", 19)); !strings.Contains(refused, "secret") || strings.Contains(refused, "sss") {
			t.Errorf("%s says of 19 characters: %q", name, refused)
		}
		if _, refused := set(strings.Repeat("s", 20)); refused != "" {
			t.Errorf("%s refuses 20 characters: %s", name, refused)
		}
	}
	id, _ := newClient(s, nil)
	s.Do(s.Admin, "POST", clientPath(id)+"/rotate-secret", nil).Want(200)
	s.Do(s.Admin, "POST", "/api/roster/v1/clients/"+id+"/secrets", nil).Want(201)
	s.Do(s.Admin, "POST", "/api/clients", boruta(newProvider(s), nil)).Want(201)
}

// Where only MACs are kept, a secret is shown once: not even the answer to a
// repeated request shows it.
func TestRepeatedAnswersShowNoHashedSecret(t *testing.T) {
	t.Parallel()
	s := servertest.NewWith(t, servertest.Options{Registry: func(c *registry.Config) { c.HashedSecrets = true }})
	provider := newProvider(s)
	id, _ := newClient(s, nil)
	for path, body := range map[string]any{
		"/api/v2/clients":                           object{"name": "a", "client_metadata": object{"note": `"client_secret":"x",`}},
		clientPath(id) + "/rotate-secret":           nil,
		"/api/roster/v1/clients/" + id + "/secrets": nil,
		"/api/clients":                              boruta(provider, nil),
	} {
		send := func() servertest.Response { return s.Do(s.Admin, "POST", path, body, "Idempotency-Key", "once "+path) }
		first := send()
		shown, _ := first.Object()["client_secret"].(string)
		if data, ok := first.Object()["data"].(object); ok {
			shown = data["secret"].(string)
		}
		if len(shown) < 32 {
			t.Fatalf("%s shows no secret: %s", path, first.Body)
		}
		again := send().Want(first.Status)
		if again.Header.Get("Idempotency-Replayed") != "true" || bytes.Contains(again.Body, []byte(shown)) {
			t.Errorf("%s, repeated: %s", path, again.Body)
		}
		before, after := first.Object(), again.Object()
		if data, ok := before["data"].(object); ok {
			before, after = data, after["data"].(object)
		}
		for member, value := range before {
			if member != "client_secret" && member != "secret" && fmt.Sprint(after[member]) != fmt.Sprint(value) {
				t.Errorf("%s, repeated: %s is %v, was %v", path, member, after[member], value)
			}
		}
	}
}
