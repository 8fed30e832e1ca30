package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterhq/roster/internal/servertest"
)

func TestCommandsFindTheRosterThatRunsHere(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(shortDir(t), "data")
	env := []string{"ROSTER_DATA_DIR=" + dir}
	refuse(t, env, []string{"clients", "list"}, "no credentials", "ROSTER_CLIENT_ID")
	s := serve(t, append(env, "ROSTER_ADDR=127.0.0.1:0"))
	s.printed("Create a client") // the address is kept once that is there
	for _, more := range [][]string{nil, {"ROSTER_URL=" + s.URL + "/"}, {"ROSTER_URL=" + strings.Replace(s.URL, "localhost", "127.0.0.1", 1)}} {
		if got := succeed(t, append(more, env...), "clients", "list"); !strings.Contains(got, "Roster administrator") {
			t.Errorf("with %v it lists\n%s", more, got)
		}
	}
	refuse(t, append(env, "ROSTER_URL=https://roster.example"), []string{"clients", "list"}, "no credentials for https://roster.example")
	s.stop()
	if _, err := os.Stat(filepath.Join(dir, "url")); !os.IsNotExist(err) {
		t.Errorf("the address stays behind: %v", err)
	}
	refuse(t, env, []string{"clients", "list"}, "no Roster runs from "+dir)
}

func TestConnectionMistakesAreExplained(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	at := "ROSTER_URL=" + s.URL
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  []string
		args []string
		say  string
	}{
		"nobody there":              {[]string{"ROSTER_URL=http://127.0.0.1:1", "ROSTER_TOKEN=x"}, nil, "http://127.0.0.1:1 cannot be reached"},
		"not an address":            {[]string{"ROSTER_URL=roster.example", "ROSTER_TOKEN=x"}, nil, "roster.example: client: the base URL must be http"},
		"a password in the address": {[]string{"ROSTER_URL=http://me:hunter2@roster.example", "ROSTER_TOKEN=x"}, nil, "roster: …@roster.example: client: the base URL must be http"},
		"no credentials":            {[]string{at}, nil, "no credentials"},
		"an id without a secret":    {[]string{at, "ROSTER_CLIENT_ID=x"}, nil, "set both or neither"},
		"a token and a client":      {[]string{at, "ROSTER_CLIENT_ID=x", "ROSTER_CLIENT_SECRET=y", "ROSTER_TOKEN=z"}, nil, "set one of them"},
		"wrong secret from a file":  {[]string{at, "ROSTER_CLIENT_ID=x", "ROSTER_CLIENT_SECRET_FILE=" + secret}, nil, "refuses the client x"},
		"no such file":              {[]string{at, "ROSTER_CLIENT_ID=x", "ROSTER_CLIENT_SECRET_FILE=/nowhere"}, nil, "ROSTER_CLIENT_SECRET_FILE: open /nowhere"},
		"a token that is none":      {[]string{at, "ROSTER_TOKEN=x"}, nil, "refuses the token"},
		"a missing scope":           {[]string{at, "ROSTER_TOKEN=" + s.Token("read:resource_servers")}, nil, "may not do this: Insufficient scope, expected any of: read:clients"},
		"no such client":            {[]string{at, "ROSTER_TOKEN=" + s.Admin}, []string{"clients", "get", "nobody"}, "The client does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := c.args
			if args == nil {
				args = []string{"clients", "list"}
			}
			_, stderr, code := run(t, c.env, args...)
			if code != 1 || !strings.Contains(stderr, c.say) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, want 1 and one line with %q: %s", code, c.say, stderr)
			}
		})
	}
}

func TestWrongCommandLinesExitWith2(t *testing.T) {
	t.Parallel()
	for line, say := range map[string]string{
		"bogus":             `unknown command "bogus" for "roster"`,
		"clients creat":     `unknown command "creat" for "roster clients"; did you mean "create"?`,
		"migrate extra":     `unexpected argument "extra"`,
		"credentials get x": "CREDENTIAL_ID is missing",
		"import":            "FORMAT is missing",
		"import foo x":      `"foo" is no format: want auth0, boruta, hydra or roster`,
		"clients create":    "--name is required",
		"grants create":     "--client and --audience are required",
		"clients rotate-secret x --show-secrets --grace soon": "want a duration such as 90s, 10m, 24h or 30d",
		"apis update x --token-lifetime 1.5s":                 "--token-lifetime: want whole seconds",
		"clients bogus":                                       `unknown command "bogus" for "roster clients"`,
		"keys bogus":                                          `unknown command "bogus" for "roster keys"`,
		"clients list --bogus":                                "unknown flag: --bogus",
		"clients list -o xml":                                 "want table, json, yaml",
		"clients list --limit -1":                             "--limit: -1 is below 0",
		"clients list --limit many":                           "many",
		"clients get":                                         "CLIENT_ID is missing (see roster clients get --help)",
		"grants list --client=":                               "--client is empty",
		"serve --port=1":                                      "unknown flag: --port",
		"serve twice":                                         `unexpected argument "twice"`,
	} {
		_, stderr, code := run(t, []string{"ROSTER_TOKEN=x", "ROSTER_URL=http://127.0.0.1:1"}, strings.Fields(line)...)
		if code != 2 || !strings.Contains(stderr, say) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("roster %s exits %d, want 2 and one line with %q: %s", line, code, say, stderr)
		}
	}
}

func TestEmptyArgumentsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"clients", "get", ""}, {"clients", "delete", "--yes", "x", ""}, {"credentials", "list", ""}} {
		_, stderr, code := run(t, []string{"ROSTER_TOKEN=x", "ROSTER_URL=http://127.0.0.1:1"}, args...)
		if code != 2 || !strings.Contains(stderr, "an argument is empty") {
			t.Errorf("roster %q exits %d: %s", args, code, stderr)
		}
	}
}

func TestAnotherAddressThanThePublicOneTakesItsAudience(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	made := c.create(map[string]any{"name": "caller", "grant_types": []string{"client_credentials"}})
	id := made["client_id"].(string)
	c.ok("grants", "create", "--client", id, "--audience", c.URL+"/api/v2/", "--scope", "read:clients")
	env := []string{"ROSTER_URL=" + strings.Replace(c.URL, "127.0.0.1", "localhost", 1), "ROSTER_CLIENT_ID=" + id, "ROSTER_CLIENT_SECRET=" + made["client_secret"].(string)}
	refuse(t, env, []string{"clients", "list"}, "another public address", "ROSTER_AUDIENCE")
	if out := succeed(t, append(env, "ROSTER_AUDIENCE="+c.URL+"/api/v2/"), "clients", "list"); !strings.Contains(out, "caller") {
		t.Errorf("it lists\n%s", out)
	}
	refuse(t, append(env, "ROSTER_AUDIENCE="+c.URL+"/api/v2/"), []string{"grants", "list"}, "the client "+id+" may not do this", "read:client_grants")
}
