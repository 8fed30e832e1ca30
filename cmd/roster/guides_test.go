package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestGuidesWork runs every block of sh of docs/guides/, one guide after the
// other from top to bottom, next to a Roster of its own. A block of Go is there as
// verify.go.
func TestGuidesWork(t *testing.T) {
	t.Parallel()
	guides, err := filepath.Glob("../../docs/guides/*.md")
	if err != nil || len(guides) < 7 {
		t.Fatalf("there are %d guides, %v", len(guides), err)
	}
	for _, path := range guides {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			// Inside the module, whose dependencies verify.go uses.
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			dir, err := os.MkdirTemp("testdata", "guide-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			script := ""
			for _, m := range block.FindAllStringSubmatch(string(text), -1) {
				switch m[1] {
				case "sh":
					script += m[2]
				case "go":
					write(t, filepath.Join(dir, "verify.go"), m[2])
				}
			}
			if script == "" {
				if filepath.Base(path) != "troubleshooting.md" { // which is tables
					t.Error("it has nothing to run")
				}
				return
			}
			c := newCLI(t)
			cmd := exec.CommandContext(t.Context(), "bash", "-e", "-x", "-o", "pipefail", "-c", script)
			cmd.Env, cmd.Dir = environment(append(append(c.env, goEnvironment(t)...), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))...), dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}

// goEnvironment lets a guide run the go command with the caches of this run, and
// a home that ends with the test.
func goEnvironment(t *testing.T) []string {
	t.Helper()
	env := []string{"HOME=" + t.TempDir()}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOFLAGS"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}

var (
	// link finds the targets of Markdown links.
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns the anchors of a document's headings, as forges make them.
func anchors(text string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// TestLinksOfDocumentsLeadSomewhere follows every link to a file or a heading, and
// every name of a document in backquotes; each document below docs/ must be
// reached from its index.
func TestLinksOfDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile("`(docs/[a-z/-]+\\.md)`")
	var documents []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md", "../../spec/*.md", "../../test/sdk/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	reached := map[string]bool{}
	for _, path := range documents {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
				t.Errorf("%s names %s: %v", path, m[1], err)
			}
		}
		for _, m := range link.FindAllStringSubmatch(block.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, hasAnchor := strings.Cut(m[1], "#")
			target := filepath.Join(filepath.Dir(path), file)
			if file == "" {
				target = path
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", path, m[1], err)
				continue
			}
			if path == filepath.Join("..", "..", "docs", "README.md") || strings.HasSuffix(path, "decisions/README.md") || strings.HasSuffix(path, "cli/README.md") {
				reached[target] = true
			}
			if hasAnchor {
				below, err := os.ReadFile(target)
				if err != nil || !slices.Contains(anchors(string(below)), anchor) {
					t.Errorf("%s links to %s, which has no such heading (%v)", path, m[1], err)
				}
			}
		}
	}
	for _, path := range documents {
		if strings.HasPrefix(path, "../../docs/") && filepath.Base(path) != "README.md" && !reached[path] {
			t.Errorf("the index does not list %s", path)
		}
	}
}
