package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeCommandsWork runs the lines of README.md's section as a shell does.
func TestReadmeCommandsWork(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(readme), "## From the command line\n")
	_, script, _ = strings.Cut(script, "```sh\n")
	script, _, found := strings.Cut(script, "```")
	if !found || !strings.Contains(script, "roster clients delete") {
		t.Fatal("the section has no such lines")
	}
	c := newCLI(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "billing.pub.pem"), publicPEM(t, newKey(t)))
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-x", "-c", script)
	cmd.Env, cmd.Dir = environment(append(c.env, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))...), dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for _, file := range []string{"billing.secret", "billing.secret.new"} {
		secret, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || len(secret) < 40 || strings.Contains(string(out), strings.TrimSpace(string(secret))) {
			t.Errorf("%s: %d bytes, %v; printed is\n%s", file, len(secret), err, out)
		}
	}
	for _, want := range []string{"team: pay", "read:invoices", "2127-01-31T00:00Z"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}
