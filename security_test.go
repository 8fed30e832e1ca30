package roster_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryPromiseNamesATestThatExists reads SECURITY.md: each promise names the
// tests that hold it.
func TestEveryPromiseNamesATestThatExists(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	exist := declaredTests(t)
	_, promises, _ := strings.Cut(string(text), "## What is promised")
	promises, _, _ = strings.Cut(promises, "\n## ")
	name := regexp.MustCompile("`(Test\\w+)`")
	list := strings.Split(promises, "\n- ")[1:]
	if len(list) < 10 {
		t.Fatalf("%d promises", len(list))
	}
	for _, promise := range list {
		named := name.FindAllStringSubmatch(promise, -1)
		if named == nil {
			t.Errorf("no test holds: %s", promise)
		}
		for _, one := range named {
			if !exist[one[1]] {
				t.Errorf("there is no %s, which is to hold: %s", one[1], promise)
			}
		}
	}
}

// declaredTests returns the names of all tests.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	exist := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		for _, found := range declared.FindAllSubmatch(code, -1) {
			exist[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return exist
}
