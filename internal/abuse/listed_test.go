package abuse

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/abuse-cases.md")

// sections are the files with cases, in the order of the document.
var sections = []struct{ file, title string }{
	{"canary_test.go", "Secrets that get out"}, {"shown_test.go", "Who is shown a secret"}, {"escalation_test.go", "Rights that grow"},
	{"callers_test.go", "Callers and what they send"}, {"credentials_test.go", "Credentials"}, {"privatekeys_test.go", "Private keys"},
	{"secrets_test.go", "Short secrets, and secrets shown twice"},
	{"tokens_test.go", "Tokens and proofs"}, {"uris_test.go", "Addresses"}, {"names_test.go", "Names"}, {"classes_test.go", "Members of every kind"},
	{"timing_test.go", "What looks alike"},
	{"attack_test.go", "Load"}, {"storage_test.go", "Database and failures"}, {"backends_test.go", "What earlier releases stored"},
}

const preface = `# Abuse cases

How people may try to abuse a client registry, and the test that shows what comes of it. Each goes through the whole
service; run one with ` + "`go run ./internal/postgrestest/run go test ./internal/abuse -run NAME`" + `. Dynamic registration, which
Roster does not offer, has none.

This page is made from the comments of the tests, by ` + "`go test ./internal/abuse -run TestAbuseCasesAreListed -update`" + `.
`

// TestAbuseCasesAreListed holds docs/abuse-cases.md to the tests of this package,
// by name. Those of its own tools are left out.
func TestAbuseCasesAreListed(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{}
	names, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") || f.Name.Name == "TestMain" || f.Name.Name == t.Name() {
				continue
			}
			if f.Doc == nil {
				t.Errorf("%s has no comment to say what the case is", f.Name.Name)
			}
			cases[name] = append(cases[name], "- `"+f.Name.Name+"`: "+strings.Join(strings.Fields(f.Doc.Text()), " "))
		}
	}
	var text strings.Builder
	text.WriteString(preface)
	for _, s := range sections {
		text.WriteString("\n## " + s.title + "\n\n" + strings.Join(cases[s.file], "\n") + "\n")
		delete(cases, s.file)
	}
	for file := range cases {
		t.Errorf("the section of %s has no title", file)
	}
	const page = "../../docs/abuse-cases.md"
	if *update {
		if err := os.WriteFile(page, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(text.String(), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s (-tests +page); run this test with -update:\n%s", page, diff)
	}
}
