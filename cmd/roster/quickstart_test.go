package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestQuickstartWalksThroughWithoutASurprise(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs("../../examples/quickstart.sh")
	if err != nil {
		t.Fatal(err)
	}
	env, _ := external(t)
	const secret = "a+secret/with=odd&characters%"
	s := serve(t, append(env, "ROSTER_BOOTSTRAP_CLIENT_ID=automation", "ROSTER_BOOTSTRAP_CLIENT_SECRET="+secret), "--setup")
	walk := func(secret string) (string, error) {
		cmd := exec.CommandContext(t.Context(), script)
		cmd.Env = environment("ROSTER_URL="+s.URL, "CLIENT_ID=automation", "CLIENT_SECRET="+secret)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := walk(secret); err != nil || !strings.HasSuffix(out, "All of it worked.\n") {
		t.Errorf("it ends with %v:\n%s", err, out)
	}
	token := strings.TrimSpace(succeed(t, env, "token"))
	if _, body := s.call(token, "GET", "/api/v2/clients?fields=name&is_global=false", ""); strings.Contains(body, "quickstart") {
		t.Errorf("it leaves clients behind: %s", body)
	}
	if out, err := walk("wrong"); err == nil || !strings.Contains(out, "FAILED: POST /oauth/token answers 401") {
		t.Errorf("with a wrong secret it ends with %v:\n%s", err, out)
	}
	s.stop()
}
