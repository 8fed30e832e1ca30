package main_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestKeysetMayComeFromTheEnvironment(t *testing.T) {
	t.Parallel()
	env, keyset := external(t)
	succeed(t, env, "keys", "create")
	text, err := os.ReadFile(keyset)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(keyset); err != nil {
		t.Fatal(err)
	}
	env = slices.DeleteFunc(slices.Clone(env), func(entry string) bool { return strings.HasPrefix(entry, "ROSTER_KEYSET_FILE=") })
	env = append(env, "ROSTER_KEYSET="+string(text))
	s := serve(t, env, "--setup")
	if token, ok := shell(t, s.printed("Get a token"))["access_token"].(string); !ok || token == "" {
		t.Error("no token")
	}
	if out := succeed(t, env, "config"); strings.Contains(out, string(text)) || !strings.Contains(out, "[redacted]") {
		t.Errorf("config prints %s", out)
	}
	if out := succeed(t, env, "keys", "list"); !strings.Contains(out, "in use") {
		t.Errorf("keys list prints %s", out)
	}
	refuse(t, env, []string{"keys", "rotate"}, "ROSTER_KEYSET")
	refuse(t, append(slices.Clone(env), "ROSTER_KEYSET_FILE="+keyset), []string{"config"}, "set one of them")
	refuse(t, append(slices.Clone(env), "ROSTER_KEYSET={}"), []string{"bootstrap"}, "ROSTER_KEYSET")
}
