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

// exported prints the declarations that importers see, without comments.
func exported(t *testing.T) string {
	t.Helper()
	files := gotoken.NewFileSet()
	var parsed []*ast.File
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
		parsed = append(parsed, file)
	}
	pkg, err := doc.NewFromFiles(files, parsed, "github.com/rosterhq/roster/client")
	if err != nil {
		t.Fatal(err)
	}
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
