package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ownNames are the places that may write out a stored member with a dialect's
// prefix: the dialect, and the one file with what rules read of it. The
// generated columns of the first migrations read some too: a migration that was
// released stays as it is.
var ownNames = map[string][]string{
	"auth0:":  {"internal/oauth/members.go", "server/auth0/"},
	"boruta:": {"internal/oauth/members.go", "server/boruta/"},
	"hydra:":  {"internal/oauth/members.go", "server/hydra/"},
}

// below are the directories that know no dialect.
var below = []string{
	"internal/oauth/", "internal/registry/", "internal/postgres/", "internal/jsondoc/", "internal/issuers/", "internal/seal/", "internal/uri/", "migrations/",
}

var dialectWord = regexp.MustCompile(`(?i)auth0|boruta|hydra`)

// TestDialectsKeepTheirNames reads what the code says, not its comments, which
// may tell where a rule comes from.
func TestDialectsKeepTheirNames(t *testing.T) {
	t.Parallel()
	literals, names := 0, 0
	eachFile(t, "..", func(path string, file *ast.File, at func(ast.Node) int) {
		forbidden := startsWithOneOf(path, below) && path != "internal/oauth/members.go"
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.BasicLit:
				if n.Kind != token.STRING {
					return true
				}
				literals++
				for prefix, places := range ownNames {
					if strings.Contains(n.Value, prefix) && !startsWithOneOf(path, places) {
						t.Errorf("%s:%d: %s", path, at(n), n.Value)
					}
				}
				if forbidden && dialectWord.MatchString(n.Value) {
					t.Errorf("%s:%d knows a dialect: %s", path, at(n), n.Value)
				}
			case *ast.Ident:
				names++
				if forbidden && dialectWord.MatchString(n.Name) {
					t.Errorf("%s:%d knows a dialect: %s", path, at(n), n.Name)
				}
			}
			return true
		})
	})
	if literals < 2000 || names < 20000 {
		t.Errorf("only %d texts and %d names were read", literals, names)
	}
}

// TestGeneratedColumnsReadMembersThatRulesOwn holds the members in the schema to
// those that members.go explains.
func TestGeneratedColumnsReadMembersThatRulesOwn(t *testing.T) {
	t.Parallel()
	owned, err := os.ReadFile("oauth/members.go")
	if err != nil {
		t.Fatal(err)
	}
	migrations, err := filepath.Glob("../migrations/*.sql")
	if err != nil || len(migrations) == 0 {
		t.Fatal(migrations, err)
	}
	member, found := regexp.MustCompile(`'((?:auth0|boruta|hydra):\w+)'`), 0
	for _, path := range migrations {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range member.FindAllStringSubmatch(string(text), -1) {
			found++
			if !strings.Contains(string(owned), `"`+m[1]+`"`) {
				t.Errorf("%s reads %s, which members.go does not explain", path, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no member was found")
	}
}

// eachFile parses the code that is built, written by hand.
func eachFile(t *testing.T, root string, visit func(path string, file *ast.File, at func(ast.Node) int)) {
	t.Helper()
	fset := token.NewFileSet()
	for _, dir := range []string{"internal", "server", "cmd", "migrations", "client"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".gen.go") {
				return err
			}
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			visit(filepath.ToSlash(name), file, func(n ast.Node) int { return fset.Position(n.Pos()).Line })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func startsWithOneOf(path string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
