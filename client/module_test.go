package client_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	gotoken "go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/api.txt")

// TestImportersTakeFewModules makes an empty module that imports the package.
func TestImportersTakeFewModules(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.sum":  string(sums),
		"main.go": "package main\n\nimport _ \"github.com/rosterhq/roster/client\"\n\nfunc main() {}\n",
		"go.mod": "module example.com/importer\n\ngo 1.26.0\n\nrequire github.com/rosterhq/roster/client v1.0.0\n\n" +
			"replace github.com/rosterhq/roster/client => " + here + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-mod=mod", "-m", "all")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	if n := strings.Count(string(out), "\n"); n > 30 {
		t.Errorf("importers take %d modules, want at most 30:\n%s", n, out)
	}
	for _, banned := range []string{"github.com/rosterhq/roster ", "github.com/rosterhq/roster/client/clienttest ", "github.com/jackc/", "github.com/gin-gonic/"} {
		if strings.Contains(string(out), banned) {
			t.Errorf("importers take %s", banned)
		}
	}
}

// TestPublicNamesAreThoseReleased compares what the package exports with
// testdata/api.txt. Lines may be added to it; one that goes or changes breaks
// importers and takes a new major version.
func TestPublicNamesAreThoseReleased(t *testing.T) {
	t.Parallel()
	got := exported(t)
	if *update {
		if err := os.WriteFile("testdata/api.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/api.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the package exports something else than testdata/api.txt says (-file +package); if that breaks nobody, run go test ./client -update:\n%s", diff)
	}
}

// TestEveryHelperHasAnExample looks for one of each function and method that may
// call the service, by the names that documentation shows them under.
func TestEveryHelperHasAnExample(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "example_test.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, e := range doc.Examples(file) {
		name, _, _ := strings.Cut(e.Name, "_with")
		there[name] = true
	}
	_, pkg := parsed(t)
	need := func(name string, f *doc.Func) {
		params := f.Decl.Type.Params.List
		if len(params) == 0 || there[name] {
			return
		}
		if of, ok := params[0].Type.(*ast.SelectorExpr); ok && of.Sel.Name == "Context" {
			t.Errorf("example_test.go has no Example%s", name)
		}
	}
	for _, typ := range pkg.Types {
		for _, f := range typ.Funcs {
			if !there[typ.Name] {
				need(f.Name, f)
			}
		}
		for _, f := range typ.Methods {
			if typ.Name == "Client" || !there[typ.Name] { // the one example of another type shows all of it
				need(typ.Name+"_"+f.Name, f)
			}
		}
	}
}

// parsed reads the package without its tests.
func parsed(t *testing.T) (*gotoken.FileSet, *doc.Package) {
	t.Helper()
	files := gotoken.NewFileSet()
	var list []*ast.File
	names, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, file)
	}
	pkg, err := doc.NewFromFiles(files, list, "github.com/rosterhq/roster/client")
	if err != nil {
		t.Fatal(err)
	}
	return files, pkg
}

// exported prints the declarations that importers see, without comments.
func exported(t *testing.T) string {
	t.Helper()
	files, pkg := parsed(t)
	var out strings.Builder
	show := func(node any) {
		if err := printer.Fprint(&out, files, node); err != nil {
			t.Fatal(err)
		}
		out.WriteString("\n")
	}
	functions := func(list []*doc.Func) {
		for _, f := range list {
			f.Decl.Body = nil
			show(f.Decl)
		}
	}
	for _, v := range append(pkg.Consts, pkg.Vars...) {
		show(v.Decl)
	}
	functions(pkg.Funcs)
	for _, typ := range pkg.Types {
		for _, v := range append(typ.Consts, typ.Vars...) {
			show(v.Decl)
		}
		show(typ.Decl)
		functions(typ.Funcs)
		functions(typ.Methods)
	}
	return out.String()
}
