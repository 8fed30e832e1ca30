package main_test

import (
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/embedpg"
	"github.com/rosterhq/roster/internal/postgrestest"
)

// manuals are the documents below docs/ of which tests execute every block of sh
// and sql.
var manuals = []string{"operations.md", "postgres-roles.md"}

// handedOut are the blocks that tests have taken from the manuals, as they stand
// there.
var handedOut sync.Map

// block is a fenced one, with its language and its text.
var block = regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```")

// snippets returns the blocks of a language below a heading of a document, with
// names of the document replaced, for a test to execute.
func snippets(t *testing.T, file, heading, language string, replace ...string) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + file)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, m := range block.FindAllStringSubmatch(section, -1) {
		if m[1] == language {
			handedOut.Store(m[2], true)
			blocks = append(blocks, strings.NewReplacer(replace...).Replace(m[2]))
		}
	}
	if !found || len(blocks) == 0 {
		t.Fatalf("%s has no %s below %q", file, language, heading)
	}
	return blocks
}

// forgotten returns the blocks of the manuals that no test has executed, after a
// run of all tests.
func forgotten() (blocks []string, err error) {
	for _, name := range []string{"test.run", "test.skip", "test.list"} {
		if flag.Lookup(name).Value.String() != "" {
			return nil, nil
		}
	}
	for _, file := range manuals {
		text, err := os.ReadFile("../../docs/" + file)
		if err != nil {
			return nil, err
		}
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			if _, ok := handedOut.Load(m[2]); !ok && slices.Contains([]string{"sh", "sql"}, m[1]) {
				blocks = append(blocks, "docs/"+file+":\n"+m[2])
			}
		}
	}
	return blocks, nil
}

// shellWith runs a script as a user would, with PostgreSQL's programs and roster
// in its path.
func shellWith(t *testing.T, script string, env ...string) {
	t.Helper()
	programs, err := embedpg.Programs(os.Getenv("ROSTER_POSTGRES_BIN"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(programs, "pg_dump")); err != nil && strings.Contains(script, "pg_") {
		t.Fatalf("PostgreSQL's client programs are needed beside the server's: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-x", "-c", script)
	cmd.Env, cmd.Dir = environment(append(env, "PATH="+filepath.Dir(binary)+":"+programs+":"+os.Getenv("PATH"))...), t.TempDir()
	for _, entry := range env {
		if dir, ok := strings.CutPrefix(entry, "PWD="); ok {
			cmd.Dir = dir
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
}

func TestKeysAreReplacedAsDocumented(t *testing.T) {
	t.Parallel()
	env, keyset := external(t)
	made := regexp.MustCompile(`client_id +(\S+)\nclient_secret +(\S+)\n`).FindStringSubmatch(succeed(t, env, "bootstrap", "--create-keyset"))
	s := serve(t, env)
	for line := range strings.Lines(snippets(t, "operations.md", "## Replacing the keyset's keys", "sh")[0]) {
		before := time.Now().Add(-time.Hour) // prune waits until the file is older
		if err := os.Chtimes(keyset, before, before); err != nil {
			t.Fatal(err)
		}
		shellWith(t, line, env...)
	}
	if list := succeed(t, env, "keys", "list"); strings.Count(list, "in use") != 2 || strings.Contains(list, "old") {
		t.Errorf("the keys are\n%s", list)
	}
	if status, body := s.call("", "POST", "/oauth/token", tokenRequest(s, made[1], made[2])); status != http.StatusOK {
		t.Errorf("with a secret of before: %d %s", status, body)
	}
	s.stop()
}

// TestTableOfTheFirstReleaseIsMadeAsDocumented makes what 1.0.0 looks at.
func TestTableOfTheFirstReleaseIsMadeAsDocumented(t *testing.T) {
	t.Parallel()
	own := postgrestest.NewURL(t)
	url, role := serving(t, own)
	sql(t, own, snippets(t, "operations.md", "## Upgrading", "sql", "roster_runtime", role)...)
	sql(t, url, "DO $$ BEGIN ASSERT (SELECT max(version_id) FROM goose_db_version WHERE is_applied) = 6; END $$")
	env, _ := on(t, url)
	succeed(t, as(env, own), "migrate", "--runtime-role", role)
	succeed(t, env, "bootstrap", "--create-keyset")
	serves(t, env)
}
